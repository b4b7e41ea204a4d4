"""Rows given twice: a weight of two, or one person in two rows, and never more evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spinecast.outcomes import (
    brier_score,
    compare_concordance,
    cox,
    cumulative_incidence,
    delong,
    fine_gray,
    harrell_concordance,
    kaplan_meier,
    log_rank,
    time_dependent_auc,
    uno_concordance,
)

from .cohorts import simulate

seeds = st.integers(0, 10_000)


def cohort(seed, n=60):
    s = simulate(n, seed, tied=True, deaths=True)
    at_two = (s.event == 1) & (s.duration <= 2)
    assume(at_two.sum() >= 2 and (s.duration > 4).sum() >= 4 and (s.event == 1).sum() >= 8)
    return s


def copies(s, seed):
    """Return how often each row is given (1 to 3), and the rows written out."""
    count = np.random.default_rng(seed + 1).integers(1, 4, s.duration.size)
    return count, np.repeat(np.arange(s.duration.size), count)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_weight_is_so_many_rows_for_survival_curves(seed):
    s = cohort(seed)
    count, rows = copies(s, seed)
    weighted = kaplan_meier(s.duration, s.event == 1, weights=count)
    written = kaplan_meier(s.duration[rows], s.event[rows] == 1)
    for name in ("times", "survival", "at_risk"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(written, name), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_weight_is_so_many_rows_for_the_cox_model_with_breslow_ties(seed):
    # Efron's treatment spreads ties over distinct people, so copies are not weights there.
    s = cohort(seed)
    count, rows = copies(s, seed)
    x = np.column_stack([s.risk, s.other])
    weighted = cox(s.duration, s.event, x, ties="breslow", weights=count, cluster=np.arange(60))
    written = cox(s.duration[rows], s.event[rows], x[rows], ties="breslow", cluster=rows)
    for name in ("coef", "standard_error", "robust_se"):
        np.testing.assert_allclose(
            weighted.coefficients[name], written.coefficients[name], rtol=1e-8
        )
    assert weighted.log_likelihood == pytest.approx(written.log_likelihood, rel=1e-10)


def _concordance(s, rows, cluster):
    return harrell_concordance(s.duration[rows], s.event[rows], s.risk[rows], cluster=cluster)


def _concordance_gap(s, rows, cluster):
    return compare_concordance(
        s.duration[rows], s.event[rows], s.risk[rows], risk_b=s.other[rows], cluster=cluster
    )


def _auroc(s, rows, cluster):
    d, e = s.duration[rows], s.event[rows]
    found = time_dependent_auc(
        d, e, d, event=e, risk=s.risk[rows], times=[2.0, 4.0], cluster=cluster
    )
    return found.to_frame().iloc[0]


@pytest.mark.parametrize("statistic", [_concordance, _concordance_gap, _auroc])
@settings(max_examples=15, deadline=None)
@given(seeds)
def test_people_given_in_two_rows_each_add_no_evidence_when_clustered(statistic, seed):
    s = cohort(seed)
    once = np.arange(60)
    twice = np.repeat(once, 2)
    alone, clustered = statistic(s, once, None), statistic(s, twice, twice)
    naive = statistic(s, twice, None)
    assert clustered.estimate == pytest.approx(alone.estimate, abs=1e-12)
    assert clustered.standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    assert naive.standard_error == pytest.approx(alone.standard_error / np.sqrt(2), rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_estimates_do_not_change_when_everybody_is_given_twice(seed):
    s = cohort(seed)
    twice = np.repeat(np.arange(60), 2)
    free = np.column_stack([np.exp(-0.1 * t * np.exp(0.5 * s.risk)) for t in (2.0, 4.0)])

    def estimates(rows):
        d, e, risk = s.duration[rows], s.event[rows], s.risk[rows]
        brier = brier_score(d, e, d, event=e, survival=free[rows], times=[2.0, 4.0])
        return [
            uno_concordance(d, e, d, event=e, risk=risk, tau=4.0).estimate,
            *brier.to_frame()["estimate"].to_numpy(dtype=float),
            *cumulative_incidence(d, e).at([2.0, 4.0]),
            *delong(e == 1, risk, s.other[rows]).auroc,
            *fine_gray(d, e, risk, ties="breslow").coefficients["coef"],
        ]

    np.testing.assert_allclose(estimates(np.arange(60)), estimates(twice), rtol=1e-8)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_log_rank_numerator_doubles_with_the_rows(seed):
    s = cohort(seed)
    group = s.risk > np.median(s.risk)
    assume(0 < group.sum() < 60)
    twice = np.repeat(np.arange(60), 2)
    once = log_rank(s.duration, s.event, group)
    both = log_rank(s.duration[twice], s.event[twice], group[twice])
    np.testing.assert_allclose(both.observed, 2 * np.asarray(once.observed), rtol=1e-12)
    np.testing.assert_allclose(both.expected, 2 * np.asarray(once.expected), rtol=1e-12)
