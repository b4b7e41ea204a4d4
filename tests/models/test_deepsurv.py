"""DeepSurv: finds what is there, invents nothing, predicts calibrated curves."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from spinecast.errors import StatisticsError
from spinecast.models.deepsurv import (
    DeepSurvSettings,
    breslow_hazard,
    fit_deepsurv,
    load_deepsurv,
    save_deepsurv,
)

FAST = DeepSurvSettings(members=2)


def cohort(seed, n=600, bent=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 60, 1]
    z = (X - [0, 60, 1]) / [1, 10, 0.1]
    risk = 1.5 * np.abs(z[:, 1]) - 1.2 if bent else 0.8 * z[:, 0] + 0.5 * z[:, 1]
    failure = rng.exponential(10 * np.exp(-risk))
    censoring = rng.uniform(0, 15, n)
    return X, np.minimum(failure, censoring), (failure <= censoring).astype(int), risk


def concordance(duration, event, risk):
    from lifelines.utils import concordance_index

    return concordance_index(duration, -risk, event)


def test_a_linear_world_is_found_as_well_as_cox_finds_it():
    X, duration, event, _ = cohort(0)
    Xt, dt, et, truth = cohort(1, n=2000)
    started = time.monotonic()
    model = fit_deepsurv(X, duration, event, settings=FAST)
    assert time.monotonic() - started < 30
    assert concordance(dt, et, model.risk(Xt)) > concordance(dt, et, truth) - 0.01


def test_a_bent_world_that_cox_cannot_see_is_found():
    X, duration, event, _ = cohort(2, n=1000, bent=True)
    Xt, dt, et, truth = cohort(3, n=1000, bent=True)
    model = fit_deepsurv(X, duration, event, settings=FAST)
    assert concordance(dt, et, model.risk(Xt)) > concordance(dt, et, truth) - 0.04


def test_noise_alone_gives_flat_risks():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(300, 4))
    model = fit_deepsurv(X, rng.exponential(5, 300), rng.integers(0, 2, 300), settings=FAST)
    assert model.risk(rng.normal(size=(500, 4))).std() < 0.35


def test_survival_is_calibrated_and_falls():
    X, duration, event, _ = cohort(4, n=1500)
    model = fit_deepsurv(X, duration, event, settings=FAST)
    Xt, _, _, risk = cohort(6, n=1500)
    times = np.array([0.0, 1, 5, 10])
    curve = model.survival(Xt, times)
    truth = np.exp(-times[None] / (10 * np.exp(-risk[:, None])))
    assert curve.shape == (1500, 4)
    assert (curve[:, 0] == 1).all()
    assert (np.diff(curve, axis=1) <= 0).all()
    assert np.abs(curve.mean(axis=0) - truth.mean(axis=0)).max() < 0.03


def test_breslow_hazard_without_covariates_is_nelson_aalen():
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(0)
    duration, event = np.ceil(rng.exponential(5, 80)), rng.integers(0, 2, 80)
    fitted = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=False).fit(duration, event)
    ours = breslow_hazard(np.zeros(80), duration, event)
    times = np.unique(duration[event == 1])
    assert ours == pytest.approx(fitted.cumulative_hazard_.loc[times].to_numpy()[:, 0])


def test_given_validation_people_stop_the_training():
    X, duration, event, _ = cohort(0)
    model = fit_deepsurv(X, duration, event, settings=FAST, validation=cohort(8)[:3])
    assert concordance(duration, event, model.risk(X)) > 0.65
    assert model.risk(X).mean() == pytest.approx(0, abs=1e-6)


def test_equal_seeds_give_equal_models_and_members_differ():
    X, duration, event, _ = cohort(0, n=200)
    first, again = (fit_deepsurv(X, duration, event, settings=FAST) for _ in range(2))
    assert np.array_equal(first.risk(X), again.risk(X))
    weights = [member.correction[0].weight for member in first.members]
    assert not weights[0].equal(weights[1])
    other = fit_deepsurv(X, duration, event, settings=replace(FAST, seed=1))
    assert not np.array_equal(first.risk(X), other.risk(X))


def test_a_fitted_model_survives_the_disk(tmp_path):
    X, duration, event, _ = cohort(0, n=200)
    model = fit_deepsurv(X, duration, event, settings=FAST)
    save_deepsurv(tmp_path, model)
    loaded = load_deepsurv(tmp_path)
    assert np.array_equal(loaded.survival(X, np.array([2.0])), model.survival(X, np.array([2.0])))


def test_constant_columns_are_tolerated():
    X, duration, event, _ = cohort(0, n=200)
    X[:, 2] = 4
    assert np.isfinite(fit_deepsurv(X, duration, event, settings=FAST).risk(X)).all()


@pytest.mark.parametrize("code", ["SC-601", "SC-604", "SC-606"])
def test_unusable_input_is_refused(code):
    X, duration, event, _ = cohort(0, n=50)
    if code == "SC-601":
        event = event * 0 + 2
    if code == "SC-604":
        X[3, 1] = np.nan
    if code == "SC-606":
        duration = duration[1:]
    with pytest.raises(StatisticsError, match=code):
        fit_deepsurv(X, duration, event)


def test_prediction_refuses_other_covariates():
    X, duration, event, _ = cohort(0, n=100)
    model = fit_deepsurv(X, duration, event, settings=replace(FAST, members=1))
    with pytest.raises(StatisticsError, match="SC-606"):
        model.risk(X[:, :2])
    with pytest.raises(StatisticsError, match="SC-604"):
        model.risk(X * np.nan)
