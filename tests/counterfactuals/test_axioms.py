"""Answers for variables and image together, judges, and the axioms, on networks not yet fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from spinecast.counterfactuals import CausalGraph, Node, ScmSettings, fit_scm
from spinecast.counterfactuals.answer import image_counterfactual
from spinecast.counterfactuals.axioms import COLUMNS, Examination, spill
from spinecast.counterfactuals.image_mechanism import ImageMechanism, build_image_model
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.errors import SpinecastError
from spinecast.models.deep_hvae import DeepConfig, Level
from spinecast.models.fit_settings import FitSettings
from spinecast.models.parent_reader import ParentReader, ReaderConfig

SHAPE = (16, 16)
GRAPH = CausalGraph(
    (
        Node("age"),
        Node("width", parents=("age",)),
        Node("area", parents=("width",)),
        Node("tilt", "real"),
    ),
    image_parents=("width", "area", "tilt"),
)
LOGGED = (True, True, False)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.uniform(40, 80, 60)
    width = np.exp(3.5 + 0.004 * age + 0.05 * rng.standard_normal(60))
    names = [f"p{k}" for k in range(60)]
    return pd.DataFrame(
        {"person_id": names, "image_id": names, "age": age, "width": width,
         "area": width * np.exp(0.02 * rng.standard_normal(60)), "tilt": rng.normal(size=60)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def scm(people):
    short = FitSettings(max_steps=3, precision="64-true", accelerator="cpu", threads=1)
    return fit_scm(GRAPH, people, settings=ScmSettings(fit=short))


@pytest.fixture(scope="module")
def mechanism(people) -> ImageMechanism:
    config = DeepConfig(
        SHAPE, LOGGED, patch=2, levels=(Level(1, 8, 1, 1, 0), Level(2, 8, 1, 1, 2)), effects=0,
        transport="transported", noise_width=4, embedding=8,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_image_model(config)
        for value in model.parameters():
            torch.nn.init.normal_(value, std=0.1)
    known = torch.from_numpy(people[list(GRAPH.image_parents)].to_numpy())
    model.measure(torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(1)), known)
    return ImageMechanism(model, GRAPH.image_parents)


@pytest.fixture(scope="module")
def judge(people) -> ParentJudge:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        reader = ParentReader(ReaderConfig(SHAPE, LOGGED, patch=2, widths=(4, 4)))
    reader.scale.measure(torch.from_numpy(people[list(GRAPH.image_parents)].to_numpy()))
    return ParentJudge(reader, GRAPH.image_parents)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(2).uniform(0.2, 0.8, (3, *SHAPE)).astype(np.float32)


def test_interventions_share_the_noise_of_variables_and_image(
    scm, mechanism, people, images
) -> None:
    rows = people.head(3)
    dice = torch.Generator().manual_seed(4)
    answer = image_counterfactual(
        scm, mechanism, rows, images=images, do=[{}, {"age": 70.0}, {"age": 70.0}], particles=2,
        generator=dice,
    )  # fmt: skip
    same, older, again = answer.variables
    pd.testing.assert_frame_equal(same, rows)
    pd.testing.assert_frame_equal(older, again)
    assert np.abs(answer.images.mean[0] - images).max() < 1e-6
    assert np.array_equal(answer.images.mean[1], answer.images.mean[2])
    assert np.abs(answer.images.mean[1] - images).max() > 1e-4


def test_a_judge_reads_in_the_units_of_what_it_was_shown(judge, people, images) -> None:
    read = judge.read(images)
    known = people[list(GRAPH.image_parents)]
    assert read.shape == (3, 3)
    assert (np.abs(read - known.mean().to_numpy()) < 10 * known.std().to_numpy()).all()
    with torch.no_grad():
        standardised = judge.reader(torch.from_numpy(images))
    assert torch.allclose(judge.reader.scale(torch.from_numpy(read)), standardised, atol=1e-4)
    assert judge.read(images[:0]).shape == (0, 3)


def test_a_judge_comes_back_from_disk_as_it_was(judge, images, tmp_path) -> None:
    judge.save(tmp_path)
    again = ParentJudge.load(tmp_path)
    assert again.parents == judge.parents
    assert np.array_equal(again.read(images), judge.read(images))


def test_a_judge_has_a_name_for_each_reading(judge) -> None:
    with pytest.raises(SpinecastError, match="SC-407"):
        ParentJudge(judge.reader, ("width", "area"))


@pytest.fixture(scope="module")
def trial(scm, mechanism, judge, people, images) -> Examination:
    return Examination(scm, mechanism, judge, people.head(3), images, slice(4, 12))


def test_composition_holds_with_pixel_noise_and_not_without(trial) -> None:
    table = trial.composition()
    assert list(table.columns) == list(COLUMNS)
    value = table.groupby("axiom")["value"].mean()
    assert value["composition_l1"] < 1e-6 < value["composition_decoder_l1"]


def test_what_follows_from_an_intervention_is_expected_to_move_and_the_rest_to_stay(
    trial, people
) -> None:
    wider = people["width"].head(3) * 1.1
    table = trial.intervention("width", wider.tolist())
    kinds = {axiom: set(rows["parent"]) for axiom, rows in table.groupby("axiom")}
    assert kinds == {
        "reversibility_l1": {""}, "minimality": {""}, "effectiveness": {"width", "area"},
        "untouched": {"tilt"},
    }  # fmt: skip
    asked = table[(table["parent"] == "width")]["target"]
    assert np.allclose(asked, wider)
    assert (table[table["parent"] == "tilt"]["target"] == people["tilt"].head(3)).all()
    assert (table["intervened"] == "width").all()


def test_what_was_set_without_regard_to_causes_is_a_row_of_its_own(trial) -> None:
    table = trial.marginal("area", 40.0)
    assert set(table["axiom"]) == {"effectiveness_marginal"}
    assert set(table["parent"]) == {"area"}
    assert (table["target"] == 40.0).all()


def test_an_intervention_taken_back_leaves_little(trial, people) -> None:
    same = trial.intervention("width", people["width"].head(3).tolist())
    back = same[same["axiom"] == "reversibility_l1"]["value"]
    assert (back < 1e-6).all()
    assert same[same["axiom"] == "minimality"]["value"].isna().all()


def test_spill_is_the_change_outside_per_change_inside() -> None:
    change = np.zeros((2, 4, 10))
    change[0, :, 3:7], change[0, :, :3], change[0, :, 7:] = 0.2, -0.1, 0.1
    found = spill(change, slice(3, 7))
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])
