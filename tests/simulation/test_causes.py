"""The population has the published means, spreads and directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.simulation.causes import draw_causes, exposure, trajectory
from spinecast.simulation.population import draw_dice

REAL = Path(__file__).parents[3] / "shared" / "data" / "tables" / "bone_quality.csv"


@pytest.fixture(scope="module")
def causes(many):
    return many.causes


@pytest.fixture(scope="module")
def state(causes):
    return trajectory(causes, causes["baseline_age"])


# Mean, SD, tolerance of both; S2 table 1.
@pytest.mark.parametrize(
    ("name", "mean", "spread", "tolerance"),
    [
        ("bmi", 24.0, 3.2, 0.2),
        ("bmd_spine", 0.895, 0.212, 0.012),
        ("bmd_femoral_neck", 0.654, 0.138, 0.010),
        ("bmd_total_hip", 0.792, 0.155, 0.010),
    ],
)
def test_means_and_spreads_are_those_of_the_hospital_cohort(state, name, mean, spread, tolerance):
    assert state[name].mean() == pytest.approx(mean, abs=tolerance)
    assert state[name].std() == pytest.approx(spread, abs=tolerance)


def test_age_and_sex_are_those_of_the_hospital_cohort(causes):
    age = causes["baseline_age"]
    assert age.mean() == pytest.approx(65.7, abs=0.35)
    assert age.std() == pytest.approx(8.5, abs=0.25)
    assert age.min() >= 50
    assert age.max() <= 90
    assert causes["female"].mean() == pytest.approx(0.66, abs=0.02)


@pytest.mark.parametrize(("female", "published"), [(0, -0.196), (1, -0.467)])
def test_trabecular_integrity_falls_with_age_as_the_bone_score_does(
    causes, state, female, published
):
    own = causes["female"] == female
    found = np.corrcoef(causes["baseline_age"][own], state["trabecular"][own])[0, 1]
    assert found == pytest.approx(published, abs=0.06)


@pytest.mark.skipif(not REAL.exists(), reason="the real table is not here")
@pytest.mark.parametrize(("code", "female"), [(1, 0), (2, 1)])
def test_correlations_lie_near_those_of_969_koreans(causes, state, code, female):
    real = pd.read_csv(REAL, encoding="utf-8-sig")
    real.columns = [column.strip() for column in real.columns]
    real = real[real["Sex(M=1, W=2)"] == code]
    ours = pd.DataFrame({**state, "age": causes["baseline_age"]})[causes["female"] == female]
    theirs = {
        "age": "Age(years)",
        "bmi": "BMI(kg/m2)",
        "trabecular": "TBS L1-4",
        "bmd_spine": "L spine BMD(g/cm2)",
        "bmd_femoral_neck": "Femur neck BMD(g/cm2)",
        "bmd_total_hip": "Total hip BMD(g/cm2)",
    }
    expected = real[list(theirs.values())].corr().to_numpy()
    found = ours[list(theirs)].corr().to_numpy()
    # Their 452 men and 517 women carry a standard error of up to 0.05 themselves.
    assert np.abs(found - expected).max() < 0.25
    assert np.abs(found - expected)[~np.eye(6, dtype=bool)].mean() < 0.10
    strong = np.abs(expected) > 0.12
    assert (np.sign(found) == np.sign(expected))[strong].all()


def test_women_lose_bone_fastest_in_the_years_after_menopause(causes):
    women = causes["female"] == 1

    def loss(start, stop):
        at = [trajectory(causes, causes["menopause_age"] + t)["bmd_spine"] for t in (start, stop)]
        return (at[0] - at[1])[women].mean() / (stop - start)

    assert loss(0, 4) > 1.5 * loss(20, 24) > 0


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("bmd_femoral_neck", -1),
        ("trabecular", -1),
        ("disc_height", -1),
        ("muscle", -1),
        ("height", -1),
        ("kyphosis", 1),
        ("osteophytes", 1),
        ("aortic_calcification", 1),
        ("spine_age", 1),
    ],
)
def test_ageing_goes_the_known_way_in_nearly_everybody(causes, name, sign):
    young, old = (trajectory(causes, np.full(len(causes["female"]), a))[name] for a in (58.0, 78.0))
    assert np.mean(sign * (old - young) > 0) > 0.97


def test_states_are_smooth_in_time():
    causes = draw_causes(draw_dice(6, range(200)))
    years = np.repeat(np.arange(50.0, 95.0, 0.1)[:, None], 200, axis=1)
    for name, course in trajectory(causes, years).items():
        steps = np.abs(np.diff(course, axis=0)).max(axis=0)
        assert (steps / (np.ptp(course, axis=0) + 1e-9)).max() < 0.06, name


def test_polygenic_values_act_in_their_direction(causes, state):
    def slope(cause, effect):
        return np.corrcoef(causes[cause], state[effect])[0, 1]

    assert slope("polygenic_bmd", "bmd_spine") > 0.25
    assert slope("polygenic_size", "vertebra_size") > 0.4
    assert slope("polygenic_disc", "disc_height") < -0.12
    assert slope("polygenic_weight", "bmi") > 0.35


def test_weight_helps_bone_less_and_less():
    dice = draw_dice(0, range(300))

    def at(mass):
        causes = draw_causes(dice, do={"body_mass_z": mass})
        return trajectory(causes, causes["baseline_age"])["bmd_spine"].mean()

    low, middle, high = at(-1.5), at(0.0), at(1.5)
    assert low < middle < high
    assert middle - low > 1.5 * (high - middle)


@pytest.mark.parametrize(
    ("cause", "effect", "sign"),
    [
        ("smoking", "bmd_spine", -1),
        ("smoking", "spine_age", 1),
        ("rheumatoid_arthritis", "bmd_spine", -1),
        ("secondary_osteoporosis", "bmd_total_hip", -1),
        ("polygenic_bmd", "trabecular", 1),
        ("activity", "muscle", 1),
        ("pathological", "osteophytes", 1),
    ],
)
def test_an_intervention_moves_everybody_the_known_way(cause, effect, sign):
    dice = draw_dice(2, range(100))
    low, high = (draw_causes(dice, do={cause: value}) for value in (0.0, 1.0))
    age = low["baseline_age"]
    change = trajectory(high, age)[effect] - trajectory(low, age)[effect]
    assert (sign * change > 0).all()


def test_an_intervention_leaves_what_is_not_downstream_alone():
    dice = draw_dice(2, range(100))
    before, after = draw_causes(dice), draw_causes(dice, do={"smoking": 1.0})
    for name in ("baseline_age", "height_at_baseline", "polygenic_bmd", "body_mass_z"):
        np.testing.assert_array_equal(before[name], after[name])


def test_glucocorticoids_act_only_on_those_who_take_them_and_only_from_then_on(causes):
    onset = causes["glucocorticoids_onset"]
    assert (exposure(causes, onset - 0.01) == 0).all()
    later = exposure(causes, onset + 10)
    assert (later[causes["glucocorticoids"] == 0] == 0).all()
    assert (later[causes["glucocorticoids"] == 1] > 0.9).all()


def test_spine_age_is_age_plus_an_acceleration_of_mean_zero(causes, state):
    acceleration = state["spine_age"] - causes["baseline_age"]
    assert acceleration.mean() == pytest.approx(0, abs=0.3)
    assert 3 < acceleration.std() < 6


def test_the_planted_cluster_is_three_in_a_hundred_and_looks_it(causes, state):
    ill = causes["pathological"] == 1
    assert ill.mean() == pytest.approx(0.03, abs=0.007)
    assert state["osteophytes"][ill].mean() > state["osteophytes"][~ill].mean() + 0.3
    assert state["kyphosis"][ill].mean() > state["kyphosis"][~ill].mean() + 10
