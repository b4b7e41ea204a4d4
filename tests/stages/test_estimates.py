"""Intervals of the estimates table: people are resampled, not rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.stages.agreement import ageing_per_decade
from spinecast.stages.estimates import COLUMNS, Estimates, mean_interval, person_bootstrap
from spinecast.stages.risk_reference import place_patient, reference_models


def _clustered(people: int, per_person: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), per_person).astype(str)
    value = np.repeat(rng.normal(size=people), per_person)
    return pd.DataFrame({"person_id": person, "value": value})


def test_the_bootstrap_does_not_count_a_persons_films_as_people() -> None:
    table = _clustered(60, 8, seed=1)
    low, high = person_bootstrap(table, lambda t: t["value"].mean(), seed=0, resamples=400)
    error = table.groupby("person_id")["value"].first().std() / np.sqrt(60)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_the_mean_has_the_same_clustered_interval_in_closed_form() -> None:
    table = _clustered(80, 5, seed=2)
    mean, low, high = mean_interval(table, "value")
    assert mean == pytest.approx(table["value"].mean())
    drawn = person_bootstrap(table, lambda t: t["value"].mean(), seed=0, resamples=600)
    assert (low, high) == pytest.approx(drawn, abs=0.06)


def test_mean_intervals_cover_the_truth() -> None:
    inside = 0
    for seed in range(300):
        _, low, high = mean_interval(_clustered(40, 3, seed=seed), "value")
        inside += low <= 0 <= high
    assert 0.91 <= inside / 300 <= 0.98


def test_rows_have_the_columns_of_the_goods() -> None:
    estimates = Estimates()
    estimates.add("a", "b", 1.5, n=3, interval=(1.0, 2.0), p_value=0.04)
    frame = estimates.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame.iloc[0].tolist() == ["a", "b", 1.5, 1.0, 2.0, 0.04, 3]


def test_a_patient_is_placed_by_the_richest_model_whose_covariates_are_known() -> None:
    rng = np.random.default_rng(4)
    n = 400
    people = pd.DataFrame(
        {
            "bpvf": rng.random(n),
            "gpvf": rng.random(n),
            "age": rng.normal(66, 8, n),
            "female": rng.integers(0, 2, n).astype(float),
            "bmi": rng.normal(24, 3, n),
        }
    )
    hazard = 0.05 * np.exp(1.5 * people["bpvf"] + 0.05 * (people["age"] - 66))
    time = rng.exponential(1 / hazard)
    people["duration"], people["event"] = np.minimum(time, 12), (time < 12).astype(int)
    models = reference_models(people, last=10.0)
    everything = {"bpvf": 0.9, "gpvf": 0.5, "age": 80.0, "female": 1.0, "bmi": 22.0}
    placed = place_patient(models, everything)
    assert placed is not None
    assert placed.covariates == ("bpvf", "gpvf", "age", "female", "bmi")
    young = place_patient(models, {**everything, "age": 55.0, "bpvf": 0.1})
    assert young is not None
    assert young.survival[-1] > placed.survival[-1]
    fewer = place_patient(models, {"bpvf": 0.9, "gpvf": 0.5})
    assert fewer is not None
    assert fewer.covariates == ("bpvf", "gpvf")
    assert place_patient(models, {"age": 70.0}) is None


def test_placed_survival_is_that_of_the_cox_model() -> None:
    from spinecast.outcomes import cox

    rng = np.random.default_rng(5)
    people = pd.DataFrame({"bpvf": rng.random(300), "gpvf": rng.random(300)})
    people["duration"] = rng.exponential(5 / (0.3 + people["bpvf"]))
    people["event"] = (rng.random(300) < 0.7).astype(int)
    placed = place_patient(reference_models(people, last=8.0), {"bpvf": 0.7, "gpvf": 0.2})
    fit = cox(people["duration"], people["event"] == 1, people[["bpvf", "gpvf"]])
    expected = fit.survival(pd.DataFrame({"bpvf": [0.7], "gpvf": [0.2]}), placed.times)[0]
    assert np.allclose(placed.survival, expected, atol=1e-10)


def test_the_pace_of_ageing_is_read_within_people_and_not_between_them() -> None:
    # Between people the reading is shrunk to 0.6; within them it moves by 0.8 a year.
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(200), 3)
    first = np.repeat(rng.normal(70, 8, 200), 3)
    gap = np.tile([0.0, 2.0, 9.0], 200)
    read = 70 + 0.6 * (first - 70) + 0.8 * gap + rng.normal(0, 0.5, 600)
    table = pd.DataFrame({"person_id": person, "age": first + gap, "predicted": read})
    assert ageing_per_decade(table) == pytest.approx(8.0, abs=0.1)


def test_people_seen_once_have_no_pace() -> None:
    table = pd.DataFrame({"person_id": ["a", "b"], "age": [60.0, 70.0], "predicted": [61.0, 66.0]})
    assert np.isnan(ageing_per_decade(table))
