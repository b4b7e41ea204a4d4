"""One person's counterfactual: what was asked, what follows, what stays, and the warnings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from spinecast.counterfactuals import CausalGraph, Node, ScmSettings, fit_scm
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.errors import SpinecastError
from spinecast.files import read_json, write_text
from spinecast.models.hvae import TwoLevelConfig, TwoLevelHVAE
from spinecast.models.parent_reader import ParentReader, ReaderConfig
from spinecast.run import RunFolder
from spinecast.stages import counterfactual_command
from spinecast.stages.counterfactual_command import Question, answer_person, ask, parse_do
from spinecast.stages.counterfactual_goods import Goods
from spinecast.stages.counterfactual_page import counterfactual_page
from spinecast.stages.scans import ChosenScans

GRAPH = CausalGraph(
    (
        Node("sex", "binary", levels=("F", "M")),
        Node("age", unit="years"),
        Node("height", unit="cm", parents=("sex",)),
        Node("lumbar_width", unit="mm", parents=("sex", "age")),
    ),
    image_parents=("lumbar_width",),
)
SHAPE = (16, 16)


def people(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"person_id": [f"P{i:05d}" for i in range(n)], "visit": 0})
    table["image_id"] = table["person_id"] + "-V0"
    table["sex"] = np.where(rng.uniform(size=n) < 0.5, "F", "M")
    table["age"] = rng.uniform(50, 80, n)
    table["height"] = rng.normal(170, 8, n)
    table["lumbar_width"] = 40 + 0.05 * (table["age"] - 65) + rng.normal(0, 2, n)
    table["split"] = np.where(np.arange(n) < 40, "train", "test")
    return table.assign(row=np.arange(n), spare="kept")


@pytest.fixture(scope="module")
def goods() -> Goods:
    table = people()
    images = np.random.default_rng(1).uniform(size=(len(table), *SHAPE)).astype(np.float32)
    settings = ScmSettings()
    short = replace(settings, fit=replace(settings.fit, max_steps=40, warmup_steps=5))
    config = TwoLevelConfig(image_shape=SHAPE, logged=(True,), encoder=(4, 8), decoder=(8, 4),
                            outer_latents=3, inner_latents=4, hidden=8)  # fmt: skip
    reader = ParentReader(ReaderConfig(image_shape=SHAPE, logged=(True,), widths=(4, 8)))
    store = SimpleNamespace(read=lambda rows: images[np.asarray(rows)])
    return Goods(
        scans=ChosenScans(store, np.arange(len(table))),
        index=table,
        test=table[table["split"] == "test"].reset_index(drop=True),
        pairs=pd.DataFrame(),
        scm=fit_scm(GRAPH, table, settings=short),
        backbones={"two_level": ImageMechanism(TwoLevelHVAE(config), ("lumbar_width",))},
        judge=ParentJudge(reader, ("lumbar_width",)),
    )


def asked(goods: Goods, person: str = "P00050", *, trained: bool = True, **do):
    return ask(goods, Question(do, person, particles=3), simulated=True, trained=trained)


def test_interventions_are_written_name_equals_value():
    assert parse_do(["age=75", " sex = M ", "lumbar_width=4.5e1"], GRAPH) == {
        "age": 75.0, "sex": "M", "lumbar_width": 45.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["age"], "SC-706"), (["age="], "SC-706"), (["=75"], "SC-706"), ([], "SC-706"),
        (["age=70", "age=75"], "SC-706"), (["weight=70"], "SC-410"), (["age=old"], "SC-414"),
    ],
)  # fmt: skip
def test_an_unreadable_intervention_says_what_was_expected(words, code):
    with pytest.raises(SpinecastError) as caught:
        parse_do(words, GRAPH)
    assert caught.value.code == code


@pytest.mark.parametrize("do", [{"sex": "X"}, {"age": -3.0}, {"age": float("inf")}])
def test_an_impossible_value_is_refused_with_its_code(goods, do):
    with pytest.raises(SpinecastError, match="SC-414"):
        asked(goods, **do)


def test_what_is_set_is_set_what_is_caused_follows_and_the_rest_stays_to_the_bit(goods):
    answer = asked(goods, age=75.0)
    table = answer.variables.set_index("variable")
    assert table["how"].to_dict() == {
        "sex": "stays", "age": "set", "height": "stays", "lumbar_width": "follows",
    }  # fmt: skip
    own = goods.index.set_index("person_id").loc["P00050"]
    assert table.loc["age", "after"] == 75.0
    for name in ("sex", "height"):
        assert table.loc[name, "after"] == table.loc[name, "before"] == own[name]
    assert table.loc["lumbar_width", "after"] != own["lumbar_width"]


def test_setting_what_is_already_so_returns_the_scan_itself(goods):
    own = goods.index.set_index("person_id").loc["P00050"]
    answer = asked(goods, age=float(own["age"]))
    np.testing.assert_allclose(answer.after, answer.before, atol=1e-6)
    assert answer.spread.max() < 1e-6


def test_the_same_question_has_the_same_answer_and_another_seed_other_draws(goods):
    first, again = (asked(goods, lumbar_width=50.0) for _ in range(2))
    np.testing.assert_array_equal(first.after, again.after)
    other = ask(goods, Question({"lumbar_width": 50.0}, "P00050", particles=3, seed=9),
                simulated=True)  # fmt: skip
    assert not np.array_equal(first.after, other.after)


def test_values_outside_the_training_range_are_marked_and_said_first(goods):
    low, high = goods.scm.support["age"]
    outside = asked(goods, age=high + 10)
    flags = outside.variables.set_index("variable")["outside"]
    assert flags["age"]
    assert not flags["height"]
    lines = outside.sentences()
    assert lines[0].startswith("SIMULATED")
    assert lines[1].startswith("OUTSIDE THE TRAINING RANGE: age")
    inside = asked(goods, age=(low + high) / 2).variables.set_index("variable")["outside"]
    assert not inside["age"]


def test_a_training_person_is_said_to_be_one(goods):
    assert any("trained on this person" in s for s in asked(goods, "P00001", age=70.0).sentences())
    assert not any("trained on" in s for s in asked(goods, age=70.0).sentences())
    shipped = asked(goods, "P00001", trained=False, age=70.0).sentences()
    assert not any("trained on" in s for s in shipped)
    assert any("fitted to this person" in s for s in shipped)


def test_a_predictor_reads_image_parents_off_scan_and_drawing(goods):
    table = asked(goods, age=70.0).variables.set_index("variable")
    assert np.isfinite(table.loc["lumbar_width", ["read_before", "read_after"]].astype(float)).all()
    assert table.loc[["sex", "age", "height"], ["read_before", "read_after"]].isna().all(axis=None)


@pytest.mark.parametrize(("person", "visit"), [("nobody", 0), ("P00050", 2)])
def test_a_person_or_visit_without_a_scan_is_named(goods, person, visit):
    with pytest.raises(SpinecastError, match=rf"SC-706.*{person}"):
        ask(goods, Question({"age": 70.0}, person, visit), simulated=False)


@pytest.fixture
def finished(tmp_path, monkeypatch, goods) -> RunFolder:
    folder = tmp_path / "run"
    write_text(
        folder / "study.toml", 'study = "counterfactual-dxa"\n[options]\nnetworks = "weights"\n'
    )
    for number, name in enumerate(("images", "mechanisms", "image_models", "judges"), start=2):
        write_text(folder / f"{number:02d}-{name}" / "stage.json", '{"fingerprint": "of this run"}')
    monkeypatch.setattr(counterfactual_command, "open_goods", lambda _: goods)
    known = SimpleNamespace(simulated=True)
    monkeypatch.setattr(counterfactual_command, "read_cohort", lambda _: known)
    return RunFolder.existing(folder)


def test_the_answer_is_written_as_pictures_tables_and_a_page(finished, tmp_path):
    out = tmp_path / "older"
    answer = answer_person(finished, out, do=["age=75"], person="P00050", particles=2)
    assert not answer.trained
    table = pd.read_csv(out / "variables.csv")
    assert table["variable"].tolist() == ["sex", "age", "height", "lumbar_width"]
    drawn = np.asarray(Picture.open(out / "after.png"))[: SHAPE[0]]
    np.testing.assert_allclose(drawn / 255, answer.after, atol=0.003)
    assert "GENERATED" in Picture.open(out / "after.png").text["Comment"]
    assert "GENERATED" not in Picture.open(out / "before.png").text["Comment"]
    kept = read_json(out / "answer.json")
    assert kept["question"]["do"] == {"age": 75.0}
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "do(age = 75)" in page
    assert "SIMULATED" in page
    assert "<script" not in page


def test_names_and_levels_that_are_markup_stay_text_on_the_page(goods):
    payload = "<img src=x onerror=alert(1)>"
    answer = replace(asked(goods, age=70.0), label=payload)
    table = answer.variables.assign(unit=payload)
    page = counterfactual_page(replace(answer, variables=table), asked=payload, particles=2)
    assert payload not in page
    assert "&lt;img src=x" in page


def test_a_run_that_is_not_finished_names_the_stage(finished, tmp_path):
    shutil.rmtree(finished.path / "05-judges")
    with pytest.raises(SpinecastError, match=r"SC-703.*judges"):
        answer_person(finished, tmp_path / "o", do=["age=75"], person="P00050")
