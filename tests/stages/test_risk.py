"""Who chooses thresholds, what enters the risk models, whose futures are drawn for them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spinecast.seeds import generator
from spinecast.stages import follow_up
from spinecast.stages.risk import choose_thresholds, osteoporosis_log_odds
from spinecast.stages.risk_models import MODELS, models_of
from spinecast.stages.risk_reference import REFERENCE_MODELS, place_patient, reference_models
from spinecast.stages.settings import GenerationSettings, RiskSettings


def people(n=600, *, seed=0):
    """People whose hazard jumps where a score passes 0.4 (baseline) or 0.5 (drawn)."""
    rng = generator(seed, "people")
    bpvf, gpvf = rng.uniform(0, 0.8, n), rng.uniform(0, 0.9, n)
    hazard = 0.03 * np.where(bpvf > 0.4, 8.0, np.where(gpvf > 0.5, 3.0, 1.0))
    time = rng.exponential(1 / hazard)
    return pd.DataFrame(
        {
            "bpvf": bpvf,
            "gpvf": gpvf,
            "duration": np.minimum(time, 10.0),
            "event": (time < 10).astype(int),
            "split": np.resize(["train", "validation", "test"], n),
            "out_of_sample": True,
        }
    )


def test_thresholds_lie_where_the_hazard_jumps():
    chosen = choose_thresholds(people(), RiskSettings(), seed=1)
    assert chosen.source == "validation"
    assert chosen.baseline == pytest.approx(0.4, abs=0.04)
    assert chosen.generated == pytest.approx(0.5, abs=0.08)


def test_test_people_and_people_scored_in_sample_choose_no_threshold():
    table = people()
    chosen = choose_thresholds(table, RiskSettings(), seed=1)
    spoilt = table.copy()
    spoilt.loc[spoilt["split"] == "test", "bpvf"] = 0.99
    assert choose_thresholds(spoilt, RiskSettings(), seed=1) == chosen
    seen = table.assign(out_of_sample=table["split"] != "train")
    spoilt = seen.copy()
    spoilt.loc[spoilt["split"] == "train", ["bpvf", "gpvf"]] = 0.99
    assert choose_thresholds(spoilt, RiskSettings(), seed=1) == choose_thresholds(
        seen, RiskSettings(), seed=1
    )


def test_without_events_the_published_thresholds_stand():
    chosen = choose_thresholds(people().assign(event=0), RiskSettings(), seed=1)
    assert (chosen.source, chosen.baseline, chosen.generated) == ("published", 0.5, 0.6)


def test_the_osteoporosis_score_is_a_mean_of_log_odds_over_baseline_films():
    rows = [("a", 0, "a1", 0.5), ("a", 0, "a2", 0.9), ("a", 1, "a3", 0.99), ("b", 0, "b1", 1.0)]
    scores = pd.DataFrame(rows, columns=["person_id", "visit", "image_id", "value"])
    scores = scores.assign(horizon=0.0, draw=-1, score="osteoporosis", split="test")
    found = osteoporosis_log_odds(scores).set_index("person_id")["osteoporosis_logit"]
    assert found["a"] == pytest.approx((0 + np.log(9)) / 2)
    assert found["b"] == pytest.approx(np.log(999))


def test_models_do_without_an_osteoporosis_score_but_without_nothing_else():
    columns = {c for names in MODELS.values() for c in names}
    full, lacking = pd.DataFrame(columns=sorted(columns)), columns - {"osteoporosis_logit"}
    assert dict(models_of(full)) == MODELS
    without = dict(models_of(pd.DataFrame(columns=sorted(lacking))))
    assert without["scores_clinical"] == ("bpvf", "gpvf", "age", "female", "bmi")
    assert dict(models_of(full.drop(columns="age")))["age"] == ("age",)


def test_a_patient_is_placed_by_the_richest_model_that_is_known():
    table = people().assign(age=70.0, female=1.0, bmi=24.0)
    rng = generator(1, "covariates")
    for name in ("age", "bmi", "osteoporosis_logit"):
        table[name] = rng.normal(0, 1, len(table))
    table["female"] = rng.integers(0, 2, len(table)).astype(float)
    models = reference_models(table, last=10)
    known = {"bpvf": 0.3, "gpvf": 0.4, "osteoporosis_logit": 0.1, "age": 0.2, "female": 1.0}
    assert place_patient(models, {**known, "bmi": 24.0}).covariates == REFERENCE_MODELS[0]
    assert place_patient(models, known).covariates == REFERENCE_MODELS[1]
    assert place_patient(models, {"bpvf": 0.3, "gpvf": 0.4}).covariates == ("bpvf", "gpvf")
    assert place_patient(models, {"bpvf": 0.3}) is None


@pytest.mark.parametrize(
    ("networks", "drawn"),
    [("weights", ["train", "validation"]), ("train", ["validation"])],
)
def test_training_people_are_drawn_where_the_generator_has_not_seen_them(
    monkeypatch, networks, drawn
):
    index = pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "row": [0, 1, 2],
            "person_id": ["A", "B", "C"],
            "split": ["train", "validation", "test"],
            "visit": 0,
            "fold": 0,
            "age": 70.0,
            "sex": "F",
        }
    )
    events = pd.DataFrame({"person_id": ["A", "B", "C"], "duration": 3.0})
    monkeypatch.setattr(follow_up, "read_images", lambda _: (None, index))
    monkeypatch.setattr(follow_up, "read_cohort", lambda _: SimpleNamespace(events=events))
    monkeypatch.setattr(follow_up, "last_follow_up", lambda _: {})
    context = SimpleNamespace(
        settings=SimpleNamespace(generation=GenerationSettings(), cohort=SimpleNamespace(folds=5)),
        options={"networks": networks},
        needs={"images": None},
    )
    jobs = follow_up.plan_jobs(context)
    assert [job.split for job in jobs if not job.full] == drawn
    assert {job.horizons for job in jobs if not job.full} == {(10.0,)}
    assert [job.horizons for job in jobs if job.full] == [(1.0, 5.0, 10.0, 3.0)]
