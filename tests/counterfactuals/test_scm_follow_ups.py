"""Second visits in the fit of a causal model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.counterfactuals.linear_sem import draw_noise, people

from spinecast.counterfactuals import FollowedPeople, ScmSettings, fit_scm
from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.counterfactuals.scm_follow_ups import foretold_by
from spinecast.counterfactuals.spine_graph import WITH_DENSITY
from spinecast.errors import ModelError

SHAPE = ["lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine"]
PEOPLE = 500


def measured(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return a table as a device reads it, with errors of one percent."""
    rng = np.random.default_rng(seed)
    errors = {name: table[name] * np.exp(0.01 * rng.standard_normal(len(table))) for name in SHAPE}
    ids = [f"P{number}" for number in range(len(table))]
    return table.assign(**errors, person_id=ids)


@pytest.fixture(scope="module")
def cohort():
    """First visits of everybody, and second ones of half, some years on."""
    noise = draw_noise(PEOPLE, 5)
    years = np.random.default_rng(6).uniform(3, 9, PEOPLE)
    now = people(noise)
    later = pd.concat(
        [people({k: v[[i]] for k, v in noise.items()}, years=years[i]) for i in range(PEOPLE // 2)],
        ignore_index=True,
    )
    before = measured(now, 7)
    return before, FollowedPeople(before.head(PEOPLE // 2), measured(later, 8))


def short(steps: int = 80) -> ScmSettings:
    settings = ScmSettings()
    return replace(settings, fit=replace(settings.fit, max_steps=steps, warmup_steps=10))


def missed(model) -> pd.Series:
    """Return the share of the true change under do(age + 10) that is missed, by variable."""
    noise = draw_noise(400, 98)
    now, truly = people(noise), people(noise, years=10.0)
    drawn = model.counterfactual(now, {"age": now["age"] + 10})
    return (drawn[SHAPE] - truly[SHAPE]).abs().mean() / (truly[SHAPE] - now[SHAPE]).abs().mean()


def test_what_years_do_is_told_better_by_people_who_came_twice(cohort):
    table, pairs = cohort
    once = missed(fit_scm(WITH_DENSITY, table, settings=short()))
    twice = missed(fit_scm(WITH_DENSITY, table, settings=short(), follow_ups=pairs))
    assert twice.mean() < 0.75 * once.mean()
    assert twice["bmd_spine"] < once["bmd_spine"]
    assert (twice < 0.35).all(), twice


def test_too_few_second_visits_change_nothing(cohort):
    table, pairs = cohort
    few = pairs.of(np.arange(len(pairs)) < 5)
    alone = fit_scm(WITH_DENSITY, table, settings=short(8))
    beside = fit_scm(WITH_DENSITY, table, settings=short(8), follow_ups=few)
    age = {"age": 70.0}
    pd.testing.assert_frame_equal(
        alone.counterfactual(table.head(9), age), beside.counterfactual(table.head(9), age)
    )


def test_what_follows_through_a_level_is_not_foretold():
    graph = CausalGraph(
        (
            Node("age", "positive"),
            Node("smokes", "binary", parents=("age",)),
            Node("bone", "positive", parents=("smokes",)),
            Node("disc", "positive", parents=("age",)),
            Node("sex", "binary"),
        ),
        image_parents=("bone",),
    )
    assert foretold_by(graph, "age") == ["disc"]
    assert foretold_by(graph, "years") == []


def test_pairs_are_of_one_length(cohort):
    table, _ = cohort
    with pytest.raises(ModelError, match="SC-413"):
        FollowedPeople(table, table.head(3))
