from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.errors import SpinecastError
from spinecast.outcomes import delong, time_dependent_auc

from .cohorts import simulate


def censoring_survival(duration, event, t, *, before):
    """G(t) or G(t-): events leave before censorings at a tie."""
    g = 1.0
    for u in np.unique(duration[event == 0]):
        if u < t or (u == t and not before):
            lost = np.sum((duration == u) & (event == 0))
            at_risk = np.sum(duration > u) + lost
            g *= 1 - lost / at_risk
    return g


def brute_force(train, test, t, *, drop_ties=False, deaths=False):
    """The stated convention, pair by pair."""
    duration, event, risk = test
    top = bottom = 0.0
    for i in range(len(duration)):
        by_t = duration[i] < t if drop_ties else duration[i] <= t
        if not (by_t and event[i] == 1):
            continue
        w = 1 / censoring_survival(*train, duration[i], before=True)
        for j in range(len(duration)):
            died = deaths and event[j] == 2 and duration[j] <= t
            if duration[j] > t:
                v = 1 / censoring_survival(*train, t, before=False)
            elif died:
                v = 1 / censoring_survival(*train, duration[j], before=True)
            else:
                continue
            bottom += w * v
            top += w * v * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    return top / bottom


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("convention", ["ipcw", "timeroc"])
def test_the_estimate_is_the_stated_convention_to_ten_digits(tied, convention):
    for seed in range(3):
        s, other = simulate(60, seed, tied=tied), simulate(80, seed + 50, tied=tied)
        found = time_dependent_auc(
            other.duration, other.event, s.duration,
            event=s.event, risk=s.risk, times=[2, 4], convention=convention,
        )  # fmt: skip
        for t in (2, 4):
            expected = brute_force(
                (other.duration, other.event),
                (s.duration, s.event, s.risk),
                t,
                drop_ties=convention == "timeroc",
            )
            assert found.at(t) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("competing", ["excluded", "controls"])
def test_people_who_died_are_left_out_or_controls_as_asked(competing):
    s = simulate(80, 3, tied=True, deaths=True)
    found = _auc(s, [3], competing=competing)
    expected = brute_force(
        (s.duration, s.event), (s.duration, s.event, s.risk), 3, deaths=competing == "controls"
    )
    assert found.at(3) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("competing", ["excluded", "controls"])
def test_the_error_is_what_bootstrap_finds_censoring_curve_included(competing):
    s = simulate(250, 4, deaths=True)
    found = _auc(s, [2, 5], competing=competing)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(300):
        d = rng.integers(250, size=250)
        again = time_dependent_auc(
            s.duration[d], s.event[d], s.duration[d],
            event=s.event[d], risk=s.risk[d], times=[2, 5], competing=competing,
        )  # fmt: skip
        draws.append([*again.estimate, again.mean.estimate])
    spread = np.std(draws, axis=0)
    np.testing.assert_allclose(found.standard_error, spread[:2], rtol=0.13)
    assert found.mean.standard_error == pytest.approx(spread[2], rel=0.13)


def test_without_censoring_it_is_delongs_auroc():
    rng = np.random.default_rng(5)
    duration, risk = rng.exponential(5, 120), rng.normal(size=120)
    event = np.ones(120)
    found = time_dependent_auc(duration, event, duration, event=event, risk=risk, times=4)
    plain = delong(duration <= 4, risk)
    assert found.at(4) == pytest.approx(plain.auroc[0])
    assert found.standard_error[0] == pytest.approx(plain.standard_error[0], rel=0.03)


def test_the_paired_difference_is_smaller_in_error_than_unpaired():
    s = simulate(300, 6)
    found = _auc(s, [2, 5])
    gap = found.compare(s.other)
    other = _auc(s, [2, 5], risk=s.other)
    for i, t in enumerate((2, 5)):
        assert gap.differences[i].estimate == pytest.approx(found.at(t) - other.at(t))
        unpaired = np.hypot(found.standard_error[i], other.standard_error[i])
        assert gap.differences[i].standard_error < unpaired
    assert np.all(gap.adjusted_p_value >= [d.p_value for d in gap.differences])
    frame = gap.to_frame()
    assert frame["term"].tolist() == ["auroc_2y", "auroc_5y", "mean"]


def test_the_paired_test_holds_its_level():
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=150)
        time, c = rng.exponential(4 * np.exp(-common)), rng.uniform(0, 12, 150)
        d, e = np.minimum(time, c), time <= c
        a, b = common + rng.normal(size=150), common + rng.normal(size=150)
        first = time_dependent_auc(d, e, d, event=e, risk=a, times=4)
        p.append(first.compare(b).differences[0].p_value)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


def test_duplicated_rows_need_their_cluster():
    s = simulate(100, 7)
    twice = np.repeat(np.arange(100), 2)
    single = _auc(s, [4]).standard_error[0]
    doubled = {"duration": s.duration[twice], "event": s.event[twice], "risk": s.risk[twice]}
    args = (doubled["duration"], doubled["event"], doubled["duration"])
    more = {"event": doubled["event"], "risk": doubled["risk"], "times": 4}
    assert time_dependent_auc(*args, **more).standard_error[0] < 0.8 * single
    honest = time_dependent_auc(*args, **more, cluster=twice).standard_error[0]
    assert honest == pytest.approx(single, rel=0.05)


def test_means_are_averages_and_the_frame_has_a_row_for_each():
    found = _auc(simulate(150, 8), [1, 3, 6])
    assert found.mean.estimate == pytest.approx(found.estimate.mean())
    assert found.estimate.min() <= found.weighted_mean.estimate <= found.estimate.max()
    frame = found.to_frame()
    assert len(frame) == 5
    assert {"estimate", "standard_error", "ci_low", "ci_high"} <= set(frame)
    assert found.at([1, 6]).shape == (2,)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_only_the_order_of_scores_and_not_of_rows_matters(seed):
    s = simulate(80, seed, tied=True)
    if not ((s.event == 1) & (s.duration <= 3)).any() or s.duration.max() <= 3:
        return
    order = np.random.default_rng(seed).permutation(80)
    plain = _auc(s, [3])
    bent = _auc(s, [3], risk=np.arctan(s.risk))
    turned = _auc(s, [3], risk=-s.risk)
    shuffled = time_dependent_auc(
        s.duration[order], s.event[order], s.duration[order],
        event=s.event[order], risk=s.risk[order], times=[3],
    )  # fmt: skip
    assert plain.at(3) == bent.at(3)
    assert turned.at(3) == pytest.approx(1 - plain.at(3))
    assert shuffled.at(3) == pytest.approx(plain.at(3))
    assert shuffled.standard_error == pytest.approx(plain.standard_error)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-601", {"times": [0.01]}),
        ("SC-608", {"times": [500]}),
        ("SC-605", {"times": [-1]}),
        ("SC-610", {"convention": "uno"}),
        ("SC-610", {"competing": "ignored"}),
        ("SC-604", {"risk": np.full(50, np.nan)}),
        ("SC-606", {"risk": np.ones(3)}),
    ],
)
def test_degenerate_input_raises_its_code(code, change):
    s = simulate(50, 9)
    arguments = {"event": s.event, "risk": s.risk, "times": [3], **change}
    with pytest.raises(SpinecastError, match=code):
        time_dependent_auc(s.duration, s.event, s.duration, **arguments)


def test_a_horizon_that_was_not_asked_for_is_refused():
    with pytest.raises(SpinecastError, match="SC-608"):
        _auc(simulate(60, 1), [3]).at(4)


def test_an_event_beyond_the_training_follow_up_has_no_weight():
    train = np.array([1.0, 2.0, 2.5]), np.array([1, 1, 0])
    with pytest.raises(SpinecastError, match="SC-608"):
        time_dependent_auc(*train, [1, 4, 6], event=[1, 1, 0], risk=[3, 2, 1], times=5)


def _auc(s, times, *, risk=None, **options):
    score = s.risk if risk is None else risk
    return time_dependent_auc(
        s.duration, s.event, s.duration, event=s.event, risk=score, times=times, **options
    )


def test_a_horizon_beyond_follow_up_is_refused_even_where_the_dead_are_controls():
    s = simulate(200, 3, deaths=True)
    late = float(s.duration.max()) + 1
    assert s.event[np.argmax(s.duration)] == 0  # the last was censored: nobody knows the rest
    for competing in ("excluded", "controls"):
        with pytest.raises(SpinecastError, match="SC-608"):
            time_dependent_auc(
                s.duration, s.event, s.duration, event=s.event, risk=s.risk, times=[late],
                competing=competing,
            )  # fmt: skip
