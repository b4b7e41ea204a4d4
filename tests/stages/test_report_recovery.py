"""Estimates beside the truth: ceilings, true hazard ratios, true films."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.stages.fake_run import SETTINGS

from spinecast.cohort import open_cohort
from spinecast.outcomes import cox
from spinecast.stages.recovery import compared, read_recovery
from spinecast.stages.recovery_films import true_film
from spinecast.stages.recovery_risk import true_hazard_ratios
from spinecast.stages.recovery_rows import KINDS, Recovered


@pytest.fixture(scope="module")
def table(rich_run) -> pd.DataFrame:
    return read_recovery(rich_run.path / "recovery.csv").set_index(["analysis", "term"])


class ConstantHazards:
    """A truth whose people have constant hazards and records of ten years."""

    def __init__(self, hazards: np.ndarray, stop: float = 10.0) -> None:
        self.hazards = pd.Series(hazards, index=[f"P{i}" for i in range(len(hazards))])
        self.stop = stop

    def people(self) -> pd.DataFrame:
        return pd.DataFrame({"person_id": self.hazards.index, "follow_up": self.stop})

    def survival(self, times, _endpoint) -> pd.DataFrame:
        frame = {t: np.exp(-self.hazards * t) for t in times}
        return pd.DataFrame(frame)


def groups_of(counts: dict[str, int]) -> pd.DataFrame:
    labels = np.repeat(list(counts), list(counts.values()))
    return pd.DataFrame({"person_id": [f"P{i}" for i in range(len(labels))], "group": labels})


def test_constant_hazards_give_their_exact_ratios():
    people = groups_of({"LL": 50, "LH": 30, "HIGH": 20})
    hazards = people["group"].map({"LL": 0.02, "LH": 0.05, "HIGH": 0.11}).to_numpy()
    ratios = true_hazard_ratios(people, ConstantHazards(hazards), "any_fracture")
    assert ratios == pytest.approx({"LH": 2.5, "HIGH": 5.5}, rel=2e-3)


def test_mixed_hazards_give_what_cox_tends_to_in_a_large_sample():
    rng = np.random.default_rng(5)
    people = groups_of({"LL": 30_000, "LH": 10_000, "HIGH": 10_000})
    hazards = people["group"].map({"LL": 0.02, "LH": 0.05, "HIGH": 0.11}).to_numpy()
    hazards = hazards * rng.gamma(2, 0.5, len(people))  # frailty: not proportional
    ratios = true_hazard_ratios(people, ConstantHazards(hazards), "any_fracture")
    time = rng.exponential(1 / hazards)
    frame = pd.DataFrame({g: people["group"] == g for g in ("LH", "HIGH")}).astype(float)
    fitted = cox(np.minimum(time, 10), time <= 10, frame)
    found = np.exp(fitted.coefficients["coef"])
    assert ratios["LH"] == pytest.approx(found["LH"], rel=0.06)
    assert ratios["HIGH"] == pytest.approx(found["HIGH"], rel=0.06)


def test_one_group_has_no_ratio():
    people = groups_of({"LH": 5, "HIGH": 5})
    assert true_hazard_ratios(people, ConstantHazards(np.full(10, 0.1)), "any_fracture") == {}


def test_only_parameters_are_called_covered():
    rows = Recovered()
    for kind in KINDS:
        rows.add("a", kind, kind, kind=kind, estimate=1.0, truth=1.1, interval=(0.5, 1.5), n=9)
    found = compared(rows.to_frame()).set_index("kind")["covered"]
    assert found["parameter"] == 1
    assert found[["ceiling", "accuracy"]].isna().all()


def test_the_ceiling_stands_beside_the_achieved_on_the_same_people(table, rich_run):
    estimates = pd.read_csv(rich_run.path / "estimates.csv").set_index(["analysis", "term"])
    row = table.loc[("models", "c_index")]
    assert row["estimate"] == pytest.approx(estimates.loc[("models", "c_index"), "estimate"])
    assert row["n"] == estimates.loc[("models", "c_index"), "n"]
    assert 0.6 < row["truth"] < 1
    share = table.loc[("models", "c_index_share_of_best")]
    assert share["estimate"] == pytest.approx(row["estimate"] / row["truth"])
    assert share["ci_low"] < share["estimate"] < share["ci_high"]


def test_the_share_without_luck_is_below_one_and_near_the_share_with_it(table):
    for suffix in ("", "_visible"):
        share = table.loc[("models", f"c_index_expected_share{suffix}")]
        assert 0.85 < share["estimate"] < 1.02
        assert np.isnan(share["ci_low"])
    everything, visible = (
        table.loc[("models", f"c_index_expected_share{s}"), "estimate"] for s in ("", "_visible")
    )
    assert everything < visible
    assert everything < 1


def test_what_a_film_tells_is_no_more_than_everything(table):
    everything, visible, ages = (
        table.loc[("models", f"c_index_expected_{name}"), "truth"]
        for name in ("everything", "image_visible", "age_sex")
    )
    assert everything >= visible > ages


def test_scores_that_follow_the_true_hazard_come_near_the_ceiling(table):
    assert table.loc[("models", "c_index_share_of_best"), "estimate"] > 0.9
    assert table.loc[("prevalent_fracture", "auroc"), "estimate"] > 0.8
    assert table.loc[("gpvf", "pearson_r"), "estimate"] > 0.6


def test_groups_made_of_the_true_hazard_differ_in_truth(table):
    lh, high = (table.loc[("risk_groups", f"hazard_ratio_{g}"), "truth"] for g in ("lh", "high"))
    assert 1 < lh < high


def test_ages_read_with_noise_of_four_years_show_no_bias(table):
    assert abs(table.loc[("age", "bias"), "estimate"]) < 1
    distance = table.loc[("age", "mean_absolute_error"), "estimate"]
    assert distance == pytest.approx(4 * np.sqrt(2 / np.pi), abs=0.5)


def test_skill_is_what_the_two_errors_say(table):
    made, unchanged = (
        table.loc[("true_future", f"mse_{name}"), "estimate"] for name in ("generated", "unchanged")
    )
    assert table.loc[("true_future", "skill"), "estimate"] == pytest.approx(1 - made / unchanged)


def test_a_true_film_of_no_years_is_the_film_itself():
    source = open_cohort("simulated:tiny", seed=1)
    truth = source.truth()
    name = truth.world.films("P00000")[0].image_id
    from spinecast.images import prepare_radiograph

    preparation = SETTINGS.preparation
    now = true_film(truth, name, years=0.0, preparation=preparation)
    film = prepare_radiograph(source.open_image(name), preparation)
    np.testing.assert_allclose(now, film, atol=1e-6)
    later = true_film(truth, name, years=8.0, preparation=preparation)
    assert np.abs(later - film).mean() > 1e-4


def test_a_source_that_died_out_leaves_the_films_out(rich_run):
    from tests.stages.test_report import saved_of

    from spinecast.stages.recovery_films import true_future_errors
    from spinecast.stages.saved_run import AbsentError

    saved = saved_of(rich_run)
    people = pd.DataFrame({"person_id": saved.drawn["person_id"].unique(), "death": 1.0})
    with pytest.raises(AbsentError, match="lives that long"):
        true_future_errors(saved, SimpleNamespace(people=lambda: people))
