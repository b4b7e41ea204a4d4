from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.errors import SpinecastError
from spinecast.outcomes import kaplan_meier, log_rank

from .cohorts import simulate


def test_kaplan_meier_of_five_people_is_what_one_computes_by_hand():
    curve = kaplan_meier([1, 2, 2, 3, 4], [1, 1, 0, 0, 1])
    assert curve.times.tolist() == [1, 2, 3, 4]
    assert curve.survival == pytest.approx([0.8, 0.6, 0.6, 0.0])
    assert curve.at_risk.tolist() == [5, 4, 2, 1]
    assert curve.at(0.5) == 1.0
    assert curve.at([1, 1.5, 2.0]) == pytest.approx([0.8, 0.8, 0.6])
    assert curve.number_at_risk(2.5) == 2
    assert curve.quantile(0.4) == 2
    assert curve.restricted_mean(3).estimate == pytest.approx(1 + 0.8 + 0.6)


def test_the_median_is_infinite_where_fewer_than_half_had_the_event():
    assert kaplan_meier([1, 2, 3, 4], [1, 0, 0, 0]).quantile(0.5) == float("inf")


def test_a_person_of_weight_two_counts_as_two_people():
    s = simulate(60, 1, tied=True)
    weights = np.random.default_rng(0).integers(1, 4, 60)
    rows = np.repeat(np.arange(60), weights)
    weighted = kaplan_meier(s.duration, s.event, weights=weights)
    repeated = kaplan_meier(s.duration[rows], s.event[rows])
    for name in ("survival", "standard_error", "ci_low", "at_risk"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-12)


def test_people_who_enter_late_are_not_at_risk_before():
    curve = kaplan_meier([2, 3, 4, 5], [1, 1, 1, 0], entry=[0, 2, 1, 0])
    assert curve.at_risk.tolist() == [3, 3, 2, 1]  # the second enters at 2, so is not at risk at 2


def test_competing_deaths_count_as_censoring_in_kaplan_meier():
    s = simulate(200, 2, deaths=True)
    both = [kaplan_meier(s.duration, e).survival for e in (s.event, s.event == 1)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("kind", ["log-log", "log", "plain"])
def test_limits_enclose_survival_and_stay_in_the_unit_interval(kind):
    curve = kaplan_meier(*_columns(simulate(80, 3)), conf_type=kind)
    inside = curve.survival > 0
    assert np.all(curve.ci_low[inside] <= curve.survival[inside])
    assert np.all(curve.ci_high[inside] >= curve.survival[inside])
    assert np.nanmin(curve.ci_low) >= 0
    assert np.nanmax(curve.ci_high) <= 1


def test_limits_cover_the_truth_about_as_often_as_they_say():
    hits, draws, t = 0, 400, 3.0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        time, censored = rng.exponential(5, 80), rng.uniform(0, 12, 80)
        curve = kaplan_meier(np.minimum(time, censored), time <= censored)
        low, high = curve.ci_at(t)
        hits += low <= np.exp(-t / 5) <= high
    assert 0.92 <= hits / draws <= 0.98


def test_the_restricted_mean_has_the_error_that_bootstrap_finds():
    s = simulate(150, 5)
    found = kaplan_meier(s.duration, s.event).restricted_mean(6)
    rng = np.random.default_rng(1)
    draws = [rng.integers(150, size=150) for _ in range(400)]
    means = [kaplan_meier(s.duration[d], s.event[d]).restricted_mean(6).estimate for d in draws]
    assert found.standard_error == pytest.approx(np.std(means), rel=0.12)


def test_a_mean_beyond_follow_up_is_refused():
    with pytest.raises(SpinecastError, match="SC-608"):
        kaplan_meier([1, 2], [1, 1]).restricted_mean(5)


def test_equal_groups_have_no_log_rank_statistic_and_relabelling_changes_nothing():
    s = simulate(100, 6)
    duration, event = np.tile(s.duration, 2), np.tile(s.event, 2)
    same = log_rank(duration, event, np.repeat(["a", "b"], 100))
    assert same.statistic == pytest.approx(0, abs=1e-12)
    group = np.where(s.risk > 0, "x", "y")
    other = np.where(s.risk > 0, "2", "1")
    a, b = log_rank(s.duration, s.event, group), log_rank(s.duration, s.event, other)
    assert a.statistic == pytest.approx(b.statistic)
    assert a.observed.sum() == pytest.approx(a.expected.sum())


def test_groups_that_leave_together_at_once_cannot_differ():
    same = log_rank([3, 3, 3, 3], [1, 1, 1, 1], ["a", "a", "b", "b"])
    assert (same.statistic, same.degrees_of_freedom, same.p_value) == (0, 0, 1)


def test_strata_remove_a_difference_that_is_only_between_strata():
    rng = np.random.default_rng(7)
    stratum = np.repeat([0, 1], 400)
    group = (rng.uniform(size=800) < np.where(stratum, 0.85, 0.15)).astype(int)
    time = rng.exponential(np.where(stratum, 1.0, 6.0))
    event = np.ones(800)
    assert log_rank(time, event, group).p_value < 1e-6
    assert log_rank(time, event, group, strata=stratum).p_value > 0.01


def test_log_rank_holds_its_level_under_the_null():
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        time, c = rng.exponential(3, 90), rng.uniform(0, 6, 90)
        p.append(log_rank(np.minimum(time, c), time <= c, np.arange(90) % 3).p_value)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("SC-601", lambda: log_rank([1, 2], [0, 0], ["a", "b"])),
        ("SC-602", lambda: log_rank([1, 2], [1, 1], ["a", "a"])),
        ("SC-604", lambda: kaplan_meier([1, np.nan], [1, 1])),
        ("SC-604", lambda: log_rank([1, 2], [1, 1], ["a", None])),
        ("SC-605", lambda: kaplan_meier([-1, 2], [1, 1])),
        ("SC-605", lambda: kaplan_meier([1, 2], [1, 1], entry=[0, 2])),
        ("SC-606", lambda: kaplan_meier([1, 2], [1])),
        ("SC-609", lambda: kaplan_meier([], [])),
        ("SC-610", lambda: kaplan_meier([1, 2], [1, 1], conf_type="exact")),
        ("SC-319", lambda: kaplan_meier([1, 2], [1, 3])),
        ("SC-604", lambda: kaplan_meier([1, 2], [1, 1], weights=[1, -1])),
    ],
)
def test_degenerate_input_raises_its_code(code, call):
    with pytest.raises(SpinecastError, match=code):
        call()


def test_pandas_columns_of_any_index_and_nullable_type_are_read_by_position():
    s = simulate(50, 8)
    frame = pd.DataFrame({"d": s.duration, "e": s.event}, index=range(100, 150))
    plain = kaplan_meier(s.duration, s.event)
    again = kaplan_meier(frame["d"].astype("Float64"), frame["e"].astype("Int64"))
    np.testing.assert_array_equal(plain.survival, again.survival)
    frame.loc[100, "d"] = np.nan
    with pytest.raises(SpinecastError, match="SC-604"):
        kaplan_meier(frame["d"].astype("Float64"), frame["e"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_survival_falls_from_one_and_the_order_of_rows_does_not_matter(seed, n):
    s = simulate(n, seed, tied=True)
    curve = kaplan_meier(s.duration, s.event)
    assert np.all(np.diff(np.concatenate([[1.0], curve.survival])) <= 1e-15)
    order = np.random.default_rng(seed).permutation(n)
    shuffled = kaplan_meier(s.duration[order], s.event[order])
    np.testing.assert_allclose(curve.survival, shuffled.survival)


def _columns(sample):
    return sample.duration, sample.event
