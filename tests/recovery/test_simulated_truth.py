"""Standard estimators, given the true state, find the truth the events were drawn from."""

from __future__ import annotations

import dataclasses

import lifelines
import numpy as np
import pandas as pd
import pytest
from lifelines.utils import concordance_index

from spinecast.simulation import World, draw_lives, find_preset
from spinecast.simulation.causes import MEAN_AGE, trajectory
from spinecast.simulation.fractures import standardised, vertebral_multiplier

PEOPLE = 8000
MODEL = find_preset("bench").hazard


@pytest.fixture(scope="module")
def lives():
    return draw_lives(find_preset("bench"), 21, range(PEOPLE))


@pytest.fixture(scope="module")
def followed(lives):
    """True covariates at baseline with the first vertebral fracture within two years.

    Two years, because covariates move: later hazards belong to later values.
    """
    causes, course = lives.causes, lives.course
    state = trajectory(causes, causes["baseline_age"])
    end = np.minimum(np.minimum(lives.schedule.end, course.death), 2.0)
    first = course.first_after_baseline("vertebral")
    count = course.count_vertebral(0.0)
    table = pd.DataFrame(
        {
            "duration": np.minimum(first, end),
            "event": first <= end,
            "age": (causes["baseline_age"] - MEAN_AGE) / 10,
            "female": causes["female"],
            **standardised(state),
            "steroids": state["steroids"],
            "prior": np.log(np.maximum(vertebral_multiplier(count, model=MODEL), 1e-6)),
        }
    )
    return table[count < 10]


def fit(table):
    model = lifelines.CoxPHFitter()
    return model.fit(table, "duration", "event", fit_options={"step_size": 0.5})


@pytest.fixture(scope="module")
def cox(followed):
    return fit(followed)


@pytest.mark.parametrize(
    ("term", "true"),
    [
        ("age", MODEL.age),
        ("female", MODEL.female),
        ("bmd_spine", MODEL.bmd),
        ("trabecular", MODEL.trabecular),
        ("kyphosis", MODEL.kyphosis),
        ("disc_height", MODEL.disc),
        ("muscle", MODEL.muscle),
        ("steroids", MODEL.glucocorticoids),
        ("prior", 1.0),
    ],
)
def test_cox_regression_recovers_the_true_log_hazard_ratio(cox, term, true):
    assert abs(cox.params_[term] - true) < 3.2 * cox.standard_errors_[term]


def test_density_lost_by_a_standard_deviation_has_the_published_relative_risk(lives, followed):
    """About 2.3, adjusted for age (Marshall et al., BMJ 1996)."""
    table = followed[["duration", "event", "age", "female"]].assign(bmd=followed["bmd_spine"])
    assert np.exp(fit(table).params_["bmd"]) == pytest.approx(2.3, abs=0.35)


def test_a_prior_fracture_has_the_published_relative_risk(followed):
    """About 4, adjusted for age (Klotzbuecher et al., JBMR 2000)."""
    prior = (followed["prior"] > 0).astype(float)
    table = followed[["duration", "event", "age", "female"]].assign(prior_fracture=prior)
    assert 3.2 < np.exp(fit(table).params_["prior_fracture"]) < 5.6


@pytest.fixture(scope="module")
def demo():
    """The enriched preset with more people, so that frequencies can be compared with truth."""
    return World(dataclasses.replace(find_preset("demo"), people=4000), seed=31)


@pytest.fixture(scope="module")
def truth(demo):
    return demo.truth()


@pytest.fixture(scope="module")
def people(truth):
    return truth.people()


@pytest.mark.parametrize("endpoint", ["vertebral_fracture", "any_fracture", "death"])
@pytest.mark.parametrize("horizon", [1.0, 5.0, 10.0])
def test_true_survival_is_what_happens_to_people(truth, people, endpoint, horizon):
    chance = truth.survival([horizon], endpoint)[horizon].to_numpy()
    happened = (people[endpoint] > horizon).to_numpy()
    error = np.sqrt(np.sum(chance * (1 - chance))) / len(people)
    assert abs(happened.mean() - chance.mean()) < 3.5 * error


def test_true_survival_is_calibrated_in_every_tenth_of_risk(truth, people):
    chance = truth.survival([5.0])[5.0].to_numpy()
    happened = (people["vertebral_fracture"] > 5.0).to_numpy()
    for tenth in np.array_split(np.argsort(chance), 10):
        spread = np.sqrt(np.sum(chance[tenth] * (1 - chance[tenth]))) + 0.5
        assert abs(happened[tenth].sum() - chance[tenth].sum()) < 4 * spread


@pytest.mark.parametrize("endpoint", ["vertebral_fracture", "any_fracture"])
def test_cumulative_incidence_counts_death_as_a_competitor(truth, people, endpoint):
    risk = truth.cumulative_incidence([5.0, 10.0], endpoint)
    for horizon in (5.0, 10.0):
        first = (people[endpoint] <= horizon) & (people[endpoint] <= people["death"])
        error = np.sqrt(first.mean() * (1 - first.mean()) / len(people))
        assert first.mean() == pytest.approx(risk[horizon].mean(), abs=3.5 * error)
        alone = 1 - truth.survival([horizon], endpoint)[horizon]
        assert (risk[horizon] <= alone + 1e-12).all()


def test_survival_is_the_integral_of_the_hazard(truth):
    times = np.arange(0.125, 5.0, 0.25)
    hazard = truth.hazard(list(times)).to_numpy()
    survival = truth.survival([5.0])[5.0].to_numpy()
    np.testing.assert_allclose(np.exp(-0.25 * hazard.sum(axis=1)), survival, rtol=1e-9)


def test_survival_falls_with_time_from_one(truth):
    survival = truth.survival([0.0, 0.4, 1.0, 5.0, 15.0]).to_numpy()
    assert (survival[:, 0] == 1).all()
    assert (np.diff(survival, axis=1) <= 0).all()


def test_the_best_concordance_is_that_of_the_true_risk_among_drawn_events(truth, people):
    table = truth.best_discrimination(tau=10.0).set_index(["predictor", "statistic", "horizon"])
    time = people["vertebral_fracture"].to_numpy()
    observed = concordance_index(np.minimum(time, 10.0), -people["visible_predictor"], time <= 10.0)
    assert table.loc[("image_visible", "c_index", 10.0), "value"] == pytest.approx(
        observed, abs=0.015
    )


def test_what_an_image_shows_tells_much_of_the_future_in_the_enriched_preset(truth):
    table = truth.best_discrimination().set_index(["predictor", "statistic", "horizon"])["value"]
    visible, everything, age = (
        table[name, "c_index", 10.0] for name in ("image_visible", "everything", "age_sex")
    )
    assert 0.78 <= visible <= 0.85
    assert age + 0.08 < visible <= everything + 1e-3
    for horizon in (1.0, 5.0, 10.0):
        assert table["image_visible", "auroc", horizon] > table["age_sex", "auroc", horizon]


def test_about_three_in_ten_fracture_a_vertebra_in_the_enriched_preset(demo):
    events = demo.tables()["events"]
    vertebral = events[events["endpoint"] == "vertebral_fracture"]
    assert (vertebral["event"] == 1).mean() == pytest.approx(0.31, abs=0.04)
    any_fracture = events[events["endpoint"] == "any_fracture"]
    assert 4.0 < any_fracture["duration"].median() < 7.0


def test_true_readings_at_visits_agree_with_the_states(demo, truth):
    visits = truth.visits().iloc[:200]
    for row in visits.itertuples():
        state = demo.state(row.person_id, row.years_since_baseline)
        assert len(state.fractures) == row.fractures
        assert state.bmd_spine == pytest.approx(row.bmd_spine)


def test_events_within_a_horizon_count_what_came_first(truth, people):
    table = truth.events_within([5.0])
    own = table[table["endpoint"] == "vertebral_fracture"].set_index("person_id")["event"]
    time, death = (people.set_index("person_id")[n] for n in ("vertebral_fracture", "death"))
    assert ((own == 1) == ((time <= 5) & (time <= death))).all()
    assert ((own == 2) == ((death <= 5) & (death < time))).all()


def test_survival_of_an_endpoint_without_a_closed_form_is_refused(truth):
    with pytest.raises(Exception, match="SC-610"):
        truth.survival([1.0], "non_vertebral_fracture")
