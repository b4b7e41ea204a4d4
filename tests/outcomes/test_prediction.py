"""Brier score, calibration and reclassification of predicted risks."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import (
    brier_score,
    calibration,
    cox,
    integrated_discrimination,
    net_reclassification,
)

from .cohorts import simulate
from .test_time_dependent import censoring_survival


def brute_force_brier(duration, event, risk, t):
    total = 0.0
    for d, e, r in zip(duration, event, risk, strict=True):
        if d <= t and e > 0:
            total += ((e == 1) - r) ** 2 / censoring_survival(duration, event, d, before=True)
        elif d > t:
            total += r**2 / censoring_survival(duration, event, t, before=False)
    return total / len(duration)


@pytest.mark.parametrize("deaths", [False, True])
def test_the_brier_score_is_its_definition_person_by_person(deaths):
    s = simulate(80, 0, tied=True, deaths=deaths)
    risk = 1 / (1 + np.exp(-s.risk))
    found = brier_score(s.duration, s.event, s.duration, event=s.event, survival=1 - risk, times=3)
    assert found.estimate[0] == pytest.approx(
        brute_force_brier(s.duration, s.event, risk, 3), abs=1e-12
    )
    assert found.scaled[0].estimate == pytest.approx(
        1 - found.score[0].estimate / found.null[0].estimate
    )
    assert np.isnan(found.integrated.estimate)


def test_its_error_is_what_bootstrap_finds():
    s = simulate(250, 1)
    risk = np.clip(1 / (1 + np.exp(-s.risk)), 0.01, 0.99)
    columns = np.column_stack([1 - risk, 1 - risk])

    def measure(d):
        return brier_score(
            s.duration[d], s.event[d], s.duration[d],
            event=s.event[d], survival=columns[d], times=[2, 6],
        )  # fmt: skip

    found = measure(np.arange(250))
    rng = np.random.default_rng(0)
    draws = [measure(rng.integers(250, size=250)) for _ in range(250)]
    for name in ("score", "scaled"):
        spread = np.std([getattr(d, name)[1].estimate for d in draws])
        assert getattr(found, name)[1].standard_error == pytest.approx(spread, rel=0.2)
    spread = np.std([d.integrated.estimate for d in draws])
    assert found.integrated.standard_error == pytest.approx(spread, rel=0.15)
    assert len(found.to_frame()) == 8


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-604", {"survival": np.full(50, 1.5)}),
        ("SC-606", {"survival": np.ones((50, 2))}),
        ("SC-608", {"times": 99}),
        ("SC-605", {"times": [3, 1], "survival": np.ones((50, 2))}),
    ],
)
def test_a_brier_score_that_is_not_defined_raises_its_code(code, change):
    s = simulate(50, 2)
    arguments = {"event": s.event, "survival": np.full(50, 0.5), "times": 3, **change}
    with pytest.raises(SpinecastError, match=code):
        brier_score(s.duration, s.event, s.duration, **arguments)


def true_survival(s, t=4.0):
    return np.exp(-t / 8 * np.exp(0.8 * s.risk))


def test_true_risks_are_calibrated():
    s = simulate(4000, 3)
    found = calibration(true_survival(s), s.duration, s.event, t=4)
    assert found.observed_expected.ci_low < 1 < found.observed_expected.ci_high
    assert found.slope.estimate == pytest.approx(1, abs=0.12)
    assert found.intercept.estimate == pytest.approx(0, abs=0.12)
    assert found.ici < 0.02
    assert (found.curve["ci_low"] <= found.curve["risk"] + 0.06).all()


def test_exaggerated_risks_have_a_slope_below_one_and_doubled_ones_a_low_ratio():
    s = simulate(3000, 4)
    true = 1 - true_survival(s)
    logit = np.log(true / (1 - true))
    extreme = calibration(1 - 1 / (1 + np.exp(-2 * logit)), s.duration, s.event, t=4)
    assert extreme.slope.estimate == pytest.approx(0.5, abs=0.1)
    assert extreme.slope.p_value < 1e-6
    low = calibration(1 - true / 2, s.duration, s.event, t=4)
    assert low.observed_expected.estimate == pytest.approx(2, abs=0.15)
    assert low.intercept.estimate > 0.5
    assert low.ici > extreme.ici / 2


def test_the_error_of_the_ratio_is_what_bootstrap_finds():
    s = simulate(250, 5, deaths=True)
    predicted = true_survival(s)
    found = calibration(predicted, s.duration, s.event, t=4)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        d = rng.integers(250, size=250)
        draws.append(calibration(predicted[d], s.duration[d], s.event[d], t=4))
    spread = np.std([d.observed_expected.estimate for d in draws])
    assert found.observed_expected.standard_error == pytest.approx(spread, rel=0.15)
    spread = np.std([d.slope.estimate for d in draws])
    assert found.slope.standard_error == pytest.approx(spread, rel=0.3)
    terms = found.to_frame()["term"].tolist()
    assert terms[:4] == ["observed", "observed_expected", "intercept", "slope"]


def test_predictions_of_two_values_still_have_a_curve():
    s = simulate(400, 6)
    found = calibration(np.where(s.risk > 0, 0.4, 0.7), s.duration, s.event, t=4)
    assert found.curve["estimate"].between(0, 1).all()


@pytest.mark.parametrize(
    ("code", "survival", "t"),
    [
        ("SC-603", np.full(60, 0.5), 3),
        ("SC-604", np.linspace(0, 1.2, 60), 3),
        ("SC-601", np.linspace(0.1, 0.9, 60), 1e-6),
        ("SC-608", np.linspace(0.1, 0.9, 60), 99),
    ],
)
def test_a_calibration_that_is_not_defined_raises_its_code(code, survival, t):
    s = simulate(60, 7)
    with pytest.raises(SpinecastError, match=code):
        calibration(survival, s.duration, s.event, t=t)


def test_reclassification_without_censoring_is_counted_by_hand():
    rng = np.random.default_rng(8)
    duration, event = rng.exponential(4, 200), np.ones(200)
    old, new = rng.uniform(size=200), rng.uniform(size=200)
    had = duration <= 3
    up, down = new > old, new < old
    found = net_reclassification(old, new, duration, event=event, t=3)
    assert found.events.estimate == pytest.approx(up[had].mean() - down[had].mean())
    assert found.nonevents.estimate == pytest.approx(down[~had].mean() - up[~had].mean())
    assert found.total.estimate == pytest.approx(found.events.estimate + found.nonevents.estimate)
    assert "useless" in found.warning
    gain = integrated_discrimination(old, new, duration, event=event, t=3)
    slopes = [r[had].mean() - r[~had].mean() for r in (new, old)]
    assert gain.total.estimate == pytest.approx(slopes[0] - slopes[1])


def test_categories_count_only_moves_across_their_limits():
    rng = np.random.default_rng(9)
    duration, event = rng.exponential(4, 100), np.ones(100)
    old = rng.uniform(0.21, 0.39, 100)
    found = net_reclassification(old, old + 0.01, duration, event=event, t=3, cutoffs=[0.2, 0.4])
    assert found.total.estimate == pytest.approx(0, abs=0.2)
    none = net_reclassification(old, old * 0.99 + 0.002, duration, event=event, t=3, cutoffs=[0.2])
    assert none.total.estimate == 0
    assert none.total.p_value == 1


def test_errors_of_reclassification_are_what_bootstrap_finds():
    s = simulate(300, 10, deaths=True)
    old, new = 1 / (1 + np.exp(-s.other)), 1 / (1 + np.exp(-s.risk))
    rng = np.random.default_rng(0)
    draws = [rng.integers(300, size=300) for _ in range(250)]
    for measure in (net_reclassification, integrated_discrimination):
        found = measure(old, new, s.duration, event=s.event, t=4).total
        again = [
            measure(old[d], new[d], s.duration[d], event=s.event[d], t=4).total.estimate
            for d in draws
        ]
        assert found.standard_error == pytest.approx(np.std(again), rel=0.15)


def test_a_better_model_discriminates_more():
    s = simulate(800, 11)
    weak = cox(s.duration, s.event, s.other)
    strong = cox(s.duration, s.event, s.risk)
    old, new = 1 - weak.survival(s.other, 4)[:, 0], 1 - strong.survival(s.risk, 4)[:, 0]
    gain = integrated_discrimination(old, new, s.duration, event=s.event, t=4)
    assert gain.total.ci_low > 0
    assert gain.to_frame()["term"].iloc[0] == "integrated_discrimination"
