from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import cumulative_incidence, gray_test, kaplan_meier, log_rank
from spinecast.outcomes.competing_risks import incidence_influence
from spinecast.outcomes.inputs import survival_columns

from .cohorts import simulate


def test_incidence_of_five_people_is_what_one_computes_by_hand():
    curve = cumulative_incidence([1, 2, 3, 4, 5], [1, 2, 1, 0, 1])
    # 1/5, then S = 3/5 before 3: 3/5 * 1/3, then S = 2/5 before 5: 2/5 * 1
    assert curve.incidence == pytest.approx([0.2, 0.2, 0.4, 0.4, 0.8])
    assert curve.at(0.5) == 0
    assert curve.at([1, 3.5]) == pytest.approx([0.2, 0.4])
    assert curve.deaths.tolist() == [0, 1, 0, 0, 0]


def test_without_deaths_it_is_one_minus_kaplan_meier_with_greenwoods_error():
    s = simulate(120, 0, tied=True)
    curve, km = cumulative_incidence(s.duration, s.event), kaplan_meier(s.duration, s.event)
    np.testing.assert_allclose(curve.incidence, 1 - km.survival, atol=1e-12)
    alive = km.survival > 0
    np.testing.assert_allclose(curve.standard_error[alive], km.standard_error[alive], atol=1e-12)
    inside = alive & (km.survival < 1)
    np.testing.assert_allclose(curve.ci_low[inside], 1 - km.ci_high[inside], atol=1e-9)


def test_incidences_and_event_free_survival_add_to_one():
    s = simulate(200, 1, tied=True, deaths=True)
    first, second = (cumulative_incidence(s.duration, s.event, cause=c).incidence for c in (1, 2))
    free = kaplan_meier(s.duration, s.event > 0).survival
    np.testing.assert_allclose(first + second + free, 1, atol=1e-12)


def test_one_minus_kaplan_meier_overstates_risk_where_people_die():
    s = simulate(400, 2, deaths=True)
    naive = 1 - kaplan_meier(s.duration, s.event).at(8)
    assert naive > cumulative_incidence(s.duration, s.event).at(8) + 0.02


@pytest.mark.parametrize("deaths", [False, True])
def test_influence_is_the_exact_derivative_and_sums_to_the_variance(deaths):
    s = simulate(40, 3, tied=True, deaths=deaths)
    columns = survival_columns(s.duration, s.event)
    value, influence = incidence_influence(columns, 3.0)
    curve = cumulative_incidence(s.duration, s.event)
    assert value == pytest.approx(curve.at(3.0))
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    slot = np.searchsorted(curve.times, 3.0, side="right") - 1
    assert np.sqrt(np.sum(influence**2)) == pytest.approx(curve.standard_error[slot], rel=0.03)
    step = 1e-6
    for person in (0, 5, 17, 31):
        ends = [_weighted_incidence(s, person, 1 + sign * step) for sign in (1, -1)]
        assert influence[person] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def _weighted_incidence(s, person, weight, t=3.0):
    w = np.ones(s.duration.size)
    w[person] = weight
    free, total = 1.0, 0.0
    for u in np.unique(s.duration[s.duration <= t]):
        y, here = w[s.duration >= u].sum(), s.duration == u
        total += free * w[here & (s.event == 1)].sum() / y
        free *= 1 - w[here & (s.event > 0)].sum() / y
    return total


def test_the_error_is_what_bootstrap_finds_and_limits_cover():
    s = simulate(200, 4, deaths=True)
    curve = cumulative_incidence(s.duration, s.event)
    rng = np.random.default_rng(0)
    draws = [rng.integers(200, size=200) for _ in range(300)]
    spread = np.std([cumulative_incidence(s.duration[d], s.event[d]).at(5) for d in draws])
    slot = np.searchsorted(curve.times, 5, side="right") - 1
    assert curve.standard_error[slot] == pytest.approx(spread, rel=0.12)
    low, high = curve.ci_at(5)
    assert 0 < low < curve.at(5) < high < 1


def test_limits_cover_the_truth_about_as_often_as_they_say():
    truth, hits = (0.2 / 0.3) * (1 - np.exp(-0.3 * 3)), 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        a, b, c = rng.exponential(5, 100), rng.exponential(10, 100), rng.uniform(0, 10, 100)
        d = np.minimum(np.minimum(a, b), c)
        e = np.where(d == a, 1, np.where(d == b, 2, 0))
        low, high = cumulative_incidence(d, e).ci_at(3)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_nobody_with_the_cause_and_unknown_causes_are_refused():
    with pytest.raises(SpinecastError, match="SC-601"):
        cumulative_incidence([1, 2], [0, 2])
    with pytest.raises(SpinecastError, match="SC-610"):
        cumulative_incidence([1, 2], [1, 2], cause=3)


def test_the_frame_has_one_row_per_time():
    s = simulate(30, 5, deaths=True)
    curve = cumulative_incidence(s.duration, s.event, conf_type="plain")
    assert len(curve.to_frame()) == curve.times.size
    assert curve.ci_low.min() >= 0


def grouped(seed: int, *, effect: float = 0.0):
    """People of three groups; the first has the event more often by ``effect``."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, 600)
    event = rng.exponential(8 * np.exp(-effect * (group == 0)))
    death, end = rng.exponential(10, 600), rng.uniform(1, 12, 600)
    years = np.minimum.reduce([event, death, end])
    return years, np.where(years == event, 1, np.where(years == death, 2, 0)), group


def test_grays_test_does_not_care_for_order_names_or_clock():
    years, event, group = grouped(1, effect=0.3)
    found = gray_test(years, event, group)
    shuffled = np.random.default_rng(2).permutation(len(years))
    named = np.array(["x", "a", "m"])[group]
    for again in (
        gray_test(years[shuffled], event[shuffled], group[shuffled]),
        gray_test(years, event, named),
        gray_test(np.exp(years), event, group),
    ):
        assert again.statistic == pytest.approx(found.statistic, rel=1e-9)
    assert found.degrees_of_freedom == 2
    assert found.observed.sum() == pytest.approx(found.expected.sum())
    assert found.to_frame()["estimate"].iloc[0] > 1


def test_grays_test_sees_incidence_where_the_log_rank_test_sees_rates():
    """One group dies early: its rate of events is the others', its incidence is not."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 2, 4000)
    event = rng.exponential(10, 4000)
    death = rng.exponential(np.where(group == 1, 2.0, 40.0))
    years = np.minimum.reduce([event, death, rng.uniform(3, 12, 4000)])
    code = np.where(years == event, 1, np.where(years == death, 2, 0))
    assert log_rank(years, code, group).p_value > 0.01
    assert gray_test(years, code, group).p_value < 1e-10


def test_without_deaths_grays_test_is_nearly_the_log_rank_test():
    years, event, group = grouped(4, effect=0.4)
    alive = np.where(event == 2, 0, event)
    assert gray_test(years, alive, group).statistic == pytest.approx(
        log_rank(years, alive, group).statistic, rel=0.05
    )


def test_grays_test_refuses_what_it_cannot_answer():
    years, event, group = grouped(5)
    with pytest.raises(SpinecastError, match="SC-601"):
        gray_test(years, np.where(event == 1, 0, event), group)
    with pytest.raises(SpinecastError, match="SC-602"):
        gray_test(years, event, np.zeros(600))
    with pytest.raises(SpinecastError, match="SC-610"):
        gray_test(years, event, group, cause=3)
