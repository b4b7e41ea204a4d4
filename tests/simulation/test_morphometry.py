"""The published graph is the population's truth: weights, spreads, interventions, records."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.simulation import morphometry as sem
from spinecast.simulation import open_world
from spinecast.simulation.imaging_visits import PRECISION, skewed


@pytest.fixture(scope="module")
def world():
    return open_world("dxa-demo", 5)


@pytest.fixture(scope="module")
def true(world):
    """The true variables of 3,000 people at their first visit."""
    return world.truth().variables().query("visit == 0").reset_index(drop=True)


@pytest.fixture(scope="module")
def tables(world):
    return world.tables()


def fitted(table, effect, causes):
    """Least squares in standard deviations (sex 0 or 1): slopes and standard errors."""

    def column(name):
        values = table[name].to_numpy(dtype=float)
        return values if name == "sex" else (values - values.mean()) / values.std()

    design = np.column_stack([np.ones(len(table)), *map(column, causes)])
    outcome = column(effect)
    slopes = np.linalg.lstsq(design, outcome, rcond=None)[0]
    rest = outcome - design @ slopes
    variance = rest @ rest / (len(table) - design.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return slopes[1:], errors[1:]


@pytest.mark.parametrize("effect", sem.ORDER)
def test_the_weights_of_three_thousand_people_are_those_of_the_published_graph(true, effect):
    causes = sem.causes_of(effect)
    slopes, errors = fitted(true, effect, causes)
    np.testing.assert_array_less(np.abs(slopes - list(causes.values())), 3.0 * errors)


@pytest.mark.parametrize("effect", sem.MORPHOMETRY)
def test_the_weights_can_be_read_off_the_records_too(tables, effect):
    table = tables["visits"].query("visit == 0").merge(tables["people"], on="person_id")
    table = table.assign(sex=(table["sex"] == "M").astype(float)).dropna(subset=["height"])
    causes = sem.causes_of(effect)
    slopes, errors = fitted(table, effect, causes)
    np.testing.assert_array_less(np.abs(slopes - list(causes.values())), 3.0 * errors + 0.01)


def test_variables_without_an_arrow_between_them_are_independent_given_their_causes(true):
    for effect, cause in [("height", "age"), ("weight", "age"), ("lumbar_height", "sex"),
                          ("lumbar_area", "age"), ("lumbar_width", "weight")]:  # fmt: skip
        slopes, errors = fitted(true, effect, [*sem.causes_of(effect), cause])
        assert abs(slopes[-1]) < 3.5 * errors[-1], (effect, cause)


def test_noise_makes_every_variance_one():
    covariance = sem.implied_covariance()
    for name in sem.ORDER:
        explained = covariance.loc[name, name] - sem.NOISE[name] ** 2
        assert 0.0 < explained < 1.0
    assert sem.NOISE["lumbar_width"] ** 2 == pytest.approx(0.372, abs=0.002)
    assert sem.NOISE["lumbar_height"] ** 2 == pytest.approx(0.438, abs=0.002)
    assert sem.NOISE["lumbar_area"] ** 2 == pytest.approx(0.0115, abs=0.001)


def test_the_sample_has_the_means_and_spreads_of_the_scales(true):
    for name, (mean, spread) in sem.SCALES.items():
        values = true[name]
        assert values.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(len(values)))
        assert values.std() == pytest.approx(spread, rel=0.06)
    assert true["age"].between(45, 82).all()


def test_covariances_of_the_sample_are_those_the_weights_imply(true):
    names = ["age", *sem.ORDER]
    sample = np.corrcoef(true[names].to_numpy().T)
    implied = sem.implied_covariance().loc[names, names].to_numpy()
    np.testing.assert_allclose(sample, implied, atol=0.06)


def test_weights_that_explain_more_than_everything_are_refused(monkeypatch):
    monkeypatch.setattr(sem, "WEIGHTS", {("age", "height"): 1.2})
    with pytest.raises(ValueError, match="height"):
        sem.implied_covariance()


def test_weight_has_a_long_right_tail_and_keeps_its_variance():
    values = skewed(np.random.default_rng(1).standard_normal(200_000))
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert values.std() == pytest.approx(1.0, abs=0.015)
    assert np.mean(values**3) > 0.8


def test_ten_years_make_vertebrae_wider_and_lower_by_the_published_amount(world):
    truth = world.truth()
    for person in ("P00000", "P00007", "P00031"):
        now, later = (truth.morphometry(person, years=years) for years in (0.0, 10.0))
        decades = 10.0 / sem.SCALES["age"][1]
        wider = 0.208 * decades * sem.SCALES["lumbar_width"][1]
        lower = -0.148 * decades * sem.SCALES["lumbar_height"][1]
        assert later["lumbar_width"] - now["lumbar_width"] == pytest.approx(wider)
        assert later["lumbar_height"] - now["lumbar_height"] == pytest.approx(lower)


def test_bone_density_falls_with_age_in_women_after_menopause(world, true):
    truth = world.truth()
    women = true.query("sex == 0 and age > 55")["person_id"].head(40)
    changes = [
        truth.morphometry(person, years=10.0)["bmd_spine"] - truth.morphometry(person)["bmd_spine"]
        for person in women
    ]
    assert np.mean(np.array(changes) < 0.0) > 0.95
    assert -0.08 < np.mean(changes) < -0.02


@pytest.mark.parametrize(
    ("do", "moved"),
    [
        ({"height": 190.0}, {"lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine"}),
        ({"weight": 110.0}, {"bmd_spine"}),
        ({"lumbar_width": 50.0}, {"lumbar_width", "lumbar_area"}),
        ({"lumbar_area": 70.0}, {"lumbar_area"}),
        ({"bmd_spine": 0.7}, {"bmd_spine"}),
        ({"age": 80.0}, {"lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine"}),
    ],
)
def test_an_intervention_moves_what_follows_from_it_and_nothing_else(world, do, moved):
    before, after = (world.truth().morphometry("P00003", do=what) for what in ({}, do))
    assert {name for name in before if before[name] != after[name]} == moved
    for name in set(do) & set(after):
        assert after[name] == do[name]


def test_sex_is_named_by_number_or_letter_and_reaches_all_that_follows(world):
    truth = world.truth()
    man, woman = (truth.morphometry("P00003", do={"sex": sex}) for sex in ("M", "F"))
    assert man == truth.morphometry("P00003", do={"sex": 1})
    assert man["lumbar_width"] > woman["lumbar_width"]
    assert world.state("P00003", do={"sex": 0}).sex == "F"


def test_noise_is_a_persons_own_at_every_visit(world):
    both = world.truth().variables()
    noise = [column for column in both if column.startswith("noise_")]
    assert len(noise) == len(sem.ORDER)
    again = both[both["person_id"].isin(both.query("visit == 1")["person_id"])]
    assert (again.groupby("person_id")[noise].nunique() == 1).all(axis=None)


def test_six_in_ten_come_again_two_to_ten_years_later(tables):
    second = tables["visits"].query("visit == 1")["years_since_baseline"]
    assert 0.54 < len(second) / 3000 < 0.66
    assert second.between(2.0, 10.0).all()
    assert set(tables["visits"]["visit"]) == {0, 1}


def test_the_records_err_by_the_precision_of_the_device(world, tables):
    table = tables["visits"].merge(world.truth().variables(), on=["person_id", "visit"])
    sizes = world.truth().measurement_errors()
    for name in sem.MORPHOMETRY:
        error = table[f"{name}_x"] - table[f"{name}_y"]
        assert error.std() == pytest.approx(sizes[name], rel=0.06)
    relative = table["bmd_spine_x"] / table["bmd_spine_y"] - 1.0
    assert relative.std() == pytest.approx(PRECISION["bmd_spine"], rel=0.06)


def test_a_person_alone_is_the_person_in_the_crowd(world, tables):
    row = tables["visits"].query("person_id == 'P00042'").iloc[0]
    alone = open_world("dxa-demo", 5).truth().morphometry("P00042")
    assert row["lumbar_width"] == pytest.approx(alone["lumbar_width"], rel=0.04)
    assert alone == world.truth().morphometry("P00042")


def test_the_graph_names_each_weight_and_says_which_are_linearised(world):
    graph = world.truth().graph().set_index(["from", "to"])
    assert graph.loc[("height", "lumbar_height"), "weight"] == 0.735
    linear = graph.query("kind == 'linearised'")
    assert set(linear.index.get_level_values("to")) == {"bmd_spine"}
    assert linear.loc[("weight", "bmd_spine"), "weight"] > 0.1
    assert linear.loc[("sex", "bmd_spine"), "weight"] > 0.2
