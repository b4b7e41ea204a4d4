from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.errors import SpinecastError
from spinecast.outcomes import compare_concordance, harrell_concordance, uno_concordance
from spinecast.outcomes.concordance import stratified_concordance
from spinecast.outcomes.inputs import survival_columns
from spinecast.outcomes.pairs import pair_sums, weight_below

from .cohorts import simulate


def brute_force(duration, event, risk, weight=None, entry=None, stratum=None):
    """Every pair, one by one: concordant, discordant, tied on risk, tied on time."""
    n = len(duration)
    weight = np.ones(n) if weight is None else weight
    counts = np.zeros(4)
    for i in range(n):
        for j in range(n):
            if event[i] != 1 or i == j or (stratum is not None and stratum[i] != stratum[j]):
                continue
            if duration[i] == duration[j] and event[j] == 1:
                counts[3] += 0.5
                continue
            if duration[i] > duration[j] or (entry is not None and entry[j] >= duration[i]):
                continue
            side = 0 if risk[i] > risk[j] else 1 if risk[i] < risk[j] else 2
            counts[side] += weight[i]
    return counts


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_counted_exactly_as_one_by_one(tied, seed):
    s = simulate(70, seed, tied=tied, deaths=seed % 2 == 1)
    found = harrell_concordance(s.duration, s.event, s.risk)
    counts = brute_force(s.duration, s.event, s.risk)
    assert [found.concordant, found.discordant, found.tied_risk, found.tied_time] == counts.tolist()
    assert found.estimate == (counts[0] + counts[2] / 2) / counts[:3].sum()


@pytest.mark.parametrize("tied", [False, True])
def test_every_pair_is_seen_from_both_sides(tied):
    s = simulate(90, 12, tied=tied)
    weight = np.random.default_rng(0).uniform(size=90)
    sums = pair_sums(s.duration, s.event == 1, s.risk, case_weight=weight)
    for name in ("agree", "tied", "pairs"):
        case, control = getattr(sums, f"case_{name}"), getattr(sums, f"control_{name}")
        assert case.sum() == pytest.approx(control.sum())
    counts = brute_force(s.duration, s.event, s.risk, weight=weight)
    assert sums.score == pytest.approx(counts[0] + counts[2] / 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 12))
def test_weight_below_a_rank_in_a_prefix_is_the_plain_sum(seed, n, levels):
    rng = np.random.default_rng(seed)
    ranks, weights = rng.integers(0, levels, n), rng.uniform(size=n)
    prefix, threshold = rng.integers(0, n + 1, 30), rng.integers(0, levels + 1, 30)
    found = weight_below(ranks, weights, prefix=prefix, threshold=threshold)
    plain = [weights[:k][ranks[:k] < v].sum() for k, v in zip(prefix, threshold, strict=True)]
    np.testing.assert_allclose(found, plain, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_concordance_knows_only_the_order_of_scores(seed):
    s = simulate(50, seed, tied=True)
    if not (s.event == 1).any() or s.duration[s.event == 1].min() == s.duration.max():
        return
    plain = harrell_concordance(s.duration, s.event, s.risk)
    bent = harrell_concordance(s.duration, s.event, np.exp(3 * s.risk) - 5)
    turned = harrell_concordance(s.duration, s.event, -s.risk)
    order = np.random.default_rng(seed).permutation(50)
    shuffled = harrell_concordance(s.duration[order], s.event[order], s.risk[order])
    assert plain.estimate == bent.estimate == shuffled.estimate
    assert turned.estimate == pytest.approx(1 - plain.estimate)
    assert turned.standard_error == pytest.approx(plain.standard_error)
    assert shuffled.standard_error == pytest.approx(plain.standard_error)


def test_a_perfect_score_has_concordance_one_and_a_constant_one_half():
    s = simulate(40, 1)
    perfect = harrell_concordance(s.duration, s.event, -s.duration)
    assert (perfect.estimate, perfect.standard_error) == (1.0, 0.0)
    assert harrell_concordance(s.duration, s.event, np.ones(40)).estimate == 0.5


def _bootstrap(n, draws, statistic, seed=0):
    rng = np.random.default_rng(seed)
    return np.std([statistic(rng.integers(n, size=n)) for _ in range(draws)])


def test_harrells_error_is_what_bootstrap_finds():
    s = simulate(200, 3)
    found = harrell_concordance(s.duration, s.event, s.risk).standard_error
    spread = _bootstrap(
        200, 300, lambda d: harrell_concordance(s.duration[d], s.event[d], s.risk[d]).estimate
    )
    assert found == pytest.approx(spread, rel=0.12)


def test_unos_error_includes_that_of_the_censoring_curve():
    s = simulate(250, 4)

    def estimate(d):
        x, e = s.duration[d], s.event[d]
        return uno_concordance(x, e, x, event=e, risk=s.risk[d], tau=8).estimate

    found = uno_concordance(s.duration, s.event, s.duration, event=s.event, risk=s.risk, tau=8)
    assert found.standard_error == pytest.approx(_bootstrap(250, 300, estimate), rel=0.12)


def test_the_infinitesimal_jackknife_is_the_derivative_in_each_persons_weight():
    s = simulate(30, 5, tied=True)
    i, step = 7, 1e-6
    up = _weighted_c(s, i, 1 + step)
    down = _weighted_c(s, i, 1 - step)
    columns = survival_columns(s.duration, s.event)
    from spinecast.outcomes.concordance import _harrell  # the influence vector itself

    influence = _harrell(columns, s.risk, None).influence
    assert influence[i] == pytest.approx((up - down) / (2 * step), abs=1e-8)


def _weighted_c(s, person, weight):
    w = np.ones(s.duration.size)
    w[person] = weight
    agree = pairs = 0.0
    for i in np.flatnonzero(s.event == 1):
        later = (s.duration > s.duration[i]) | ((s.duration == s.duration[i]) & (s.event == 0))
        score = (s.risk[i] > s.risk) + 0.5 * (s.risk[i] == s.risk)
        agree += w[i] * (w * score)[later].sum()
        pairs += w[i] * w[later].sum()
    return agree / pairs


def test_a_training_set_of_other_people_adds_its_own_uncertainty():
    s, t = simulate(300, 6), simulate(60, 7)
    own = uno_concordance(s.duration, s.event, s.duration, event=s.event, risk=s.risk, tau=6)
    foreign = uno_concordance(t.duration, t.event, s.duration, event=s.event, risk=s.risk, tau=6)
    assert foreign.standard_error > 0
    assert foreign.estimate == pytest.approx(own.estimate, abs=0.05)


def test_duplicated_rows_of_one_person_do_not_shrink_the_clustered_error():
    s = simulate(80, 8)
    twice = np.repeat(np.arange(80), 2)
    single = harrell_concordance(s.duration, s.event, s.risk).standard_error
    naive = harrell_concordance(s.duration[twice], s.event[twice], s.risk[twice]).standard_error
    honest = harrell_concordance(
        s.duration[twice], s.event[twice], s.risk[twice], cluster=twice
    ).standard_error
    assert naive < 0.8 * single
    assert honest == pytest.approx(single, rel=0.05)


@pytest.mark.parametrize("kind", ["harrell", "uno"])
def test_a_score_does_not_differ_from_itself(kind):
    s = simulate(60, 9)
    same = compare_concordance(s.duration, s.event, s.risk, risk_b=2 * s.risk, kind=kind, tau=9)
    assert same.difference == 0
    assert same.p_value == 1.0


def test_the_paired_difference_has_the_error_that_bootstrap_finds():
    s = simulate(200, 10)
    found = compare_concordance(s.duration, s.event, s.risk, risk_b=s.other)
    assert found.difference == found.concordance_a - found.concordance_b
    spread = _bootstrap(
        200,
        300,
        lambda d: (
            compare_concordance(s.duration[d], s.event[d], s.risk[d], risk_b=s.other[d]).difference
        ),
    )
    assert found.standard_error == pytest.approx(spread, rel=0.15)


def test_limits_cover_the_true_concordance_about_as_often_as_they_say():
    hits = 0
    rng = np.random.default_rng(99)
    risk = rng.normal(size=40_000)
    time = rng.exponential(4 * np.exp(-risk))
    truth = harrell_concordance(time, np.ones(40_000), risk).estimate
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=120)
        t = rng.exponential(4 * np.exp(-x))
        low, high = harrell_concordance(t, np.ones(120), x).ci
        hits += low <= truth <= high
    assert 0.915 <= hits / 300 <= 0.98


def test_the_paired_test_holds_its_level():
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=120)
        time = rng.exponential(4 * np.exp(-common))
        c = rng.uniform(0, 10, 120)
        a, b = common + rng.normal(size=120), common + rng.normal(size=120)
        p.append(compare_concordance(np.minimum(time, c), time <= c, a, risk_b=b).p_value)
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


def test_strata_and_late_entry_leave_out_pairs_that_never_met():
    s = simulate(60, 11, tied=True)
    rng = np.random.default_rng(0)
    entry = s.duration * rng.uniform(0, 0.9, 60)
    stratum = rng.integers(0, 2, 60)
    columns = survival_columns(s.duration, s.event)
    found = stratified_concordance(columns, s.risk, entry=entry, stratum=stratum, cluster=None)
    counts = brute_force(s.duration, s.event, s.risk, entry=entry, stratum=stratum)
    assert found.estimate == pytest.approx((counts[0] + counts[2] / 2) / counts[:3].sum())


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("SC-601", lambda: harrell_concordance([1, 2], [0, 0], [1, 2])),
        ("SC-601", lambda: harrell_concordance([1, 2], [0, 1], [1, 2])),
        ("SC-604", lambda: harrell_concordance([1, 2], [1, 0], [1, np.inf])),
        ("SC-606", lambda: harrell_concordance([1, 2], [1, 0], [1, 2, 3])),
        ("SC-610", lambda: compare_concordance([1, 2], [1, 0], [1, 2], risk_b=[1, 2], kind="c")),
        (
            "SC-608",
            lambda: uno_concordance([1, 2], [1, 0], [1, 3, 4], event=[1, 1, 0], risk=[3, 2, 1]),
        ),
        (
            "SC-601",
            lambda: uno_concordance([1, 2], [1, 0], [1, 3], event=[1, 0], risk=[3, 2], tau=0.5),
        ),
    ],
)
def test_degenerate_input_raises_its_code(code, call):
    with pytest.raises(SpinecastError, match=code):
        call()
