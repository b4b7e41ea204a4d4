"""Calibration repairs what is known to be wrong and refuses to guess."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from spinecast.errors import StatisticsError
from spinecast.scores.calibration import Calibration, fit_calibration


def people(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.5, n)
    return truth, (rng.random(n) < expit(truth)).astype(float)


def test_platt_undoes_a_known_distortion():
    truth, target = people()
    found = fit_calibration(3 * truth + 1.5, target)
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    assert found.offset == pytest.approx(-0.5, abs=0.15)


def test_platt_agrees_with_logistic_regression():
    import statsmodels.api as sm

    truth, target = people(seed=3)
    reference = sm.Logit(target, sm.add_constant(2 * truth)).fit(disp=0).params
    found = fit_calibration(2 * truth, target)
    assert [found.offset, found.slope] == pytest.approx(list(reference), abs=0.01)


def test_temperature_moves_only_the_slope():
    truth, target = people()
    found = fit_calibration(2 * truth, target, method="temperature")
    assert found.offset == 0
    assert found.slope == pytest.approx(0.5, rel=0.1)


def test_separated_groups_give_a_finite_slope():
    logits = np.concatenate([np.full(20, -5.0), np.full(20, 5.0)])
    found = fit_calibration(logits, (logits > 0).astype(float))
    assert 0 < found.slope < 5


def test_a_useless_score_is_flattened_and_not_turned_over():
    truth, target = people()
    found = fit_calibration(-truth, target)
    assert 0 < found.slope <= 0.05
    assert found.probabilities(np.zeros(1))[0] == pytest.approx(target.mean(), abs=0.02)


def test_few_people_and_none_leave_logits_alone():
    assert fit_calibration(np.ones(12), np.array([1.0] * 9 + [0] * 3)) == Calibration()
    truth, target = people()
    assert fit_calibration(truth, target, method="none") == Calibration()


def test_the_identity_is_the_logistic_function():
    p = np.array([0.1, 0.5, 0.9])
    assert Calibration().probabilities(logit(p)) == pytest.approx(p)


def test_bad_input_is_refused():
    with pytest.raises(StatisticsError, match="SC-606"):
        fit_calibration(np.ones(3), np.ones(4))
    with pytest.raises(StatisticsError, match="SC-610"):
        fit_calibration(np.ones(3), np.ones(3), method="beta")
