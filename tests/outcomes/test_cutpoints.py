from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from spinecast.errors import SpinecastError
from spinecast.outcomes import cutpoint_log_rank
from spinecast.outcomes.cutpoint_bounds import (
    bonferroni_p_value,
    brownian_p_value,
    permutation_bound,
)
from spinecast.outcomes.cutpoints import log_rank_scores

from .cohorts import simulate

# Diffuse large B-cell lymphoma (Alizadeh et al., Nature 2000): months, death, mean expression.
MONTHS = [
    77.4, 3.4, 71.3, 69.6, 51.2, 3.2, 8.3, 102.4, 89.8, 88.1, 27.1, 4.1, 23.7, 59, 56.6, 15.5,
    2.4, 2.9, 80.4, 4.6, 8.2, 129.9, 32.5, 11.8, 5.1, 90.2, 83.8, 71.3, 12.3, 69.1, 68.8, 1.3,
    12.67, 72.03, 91.33, 53.73, 31.47, 39.6, 9.45, 22.3,
]  # fmt: skip
DIED = [
    0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0,
    1, 1, 0, 0, 0, 1, 1, 1, 1,
]  # fmt: skip
EXPRESSION = [
    0.24797, -0.00689, 0.13755, 0.37129, 0.02571, 0.09813, -0.00332, 0.21497, 0.12816, 0.22039,
    0.11645, -0.05237, 0.01766, -0.07121, 0.16268, -0.06197, 0.07334, 0.18605, 0.08784, -0.15892,
    0.04024, 0.028, -0.05108, 0.13826, -0.01255, -0.04208, 0.26339, 0.29179, -0.05721, 0.16937,
    0.00997, 0.15063, 0.06463, 0.31247, 0.09629, -0.04058, -0.07447, 0.01563, -0.04687, 0.06705,
]  # fmt: skip


def test_quantiles_are_table_two_of_lausen_and_schumacher_1992():
    published = {
        (0.25, 0.75): (2.539, 2.829, 3.088, 3.395),
        (0.4, 0.6): (2.263, 2.560, 2.828, 3.149),
        (0.1, 0.9): (2.784, 3.054, 3.297, 3.588),
        (0.4, 0.9): (2.597, 2.883, 3.138, 3.442),
    }
    for (low, high), row in published.items():
        for level, quantile in zip((0.1, 0.05, 0.025, 0.01), row, strict=True):
            found = brentq(lambda b: brownian_p_value(b, low, high) - level, 1.5, 6)  # noqa: B023
            assert found == pytest.approx(quantile, abs=6e-4)


def test_the_improved_bonferroni_bound_is_page_489_of_lausen_et_al_1994():
    assert bonferroni_p_value(2.5, np.arange(5, 16), n=20) == pytest.approx(0.073, abs=5e-4)


def test_the_exact_bound_of_twenty_ranks_is_hothorn_and_lausens():
    found = permutation_bound(np.arange(1, 21), np.arange(5, 16), 2.5)
    assert found == pytest.approx(0.09403538, abs=1e-8)


def test_the_exact_bound_is_above_the_true_chance_also_with_gaps():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.integers(0, 30, 24))
    sizes = np.array([4, 5, 8, 12, 13, 19])
    draws = np.array([rng.permutation(scores) for _ in range(20000)]).cumsum(axis=1)
    share = sizes / 24
    spread = np.sqrt(share * (1 - share) * 24 * scores.var(ddof=1))
    z = np.abs((draws[:, sizes - 1] - share * scores.sum()) / spread).max(axis=1)
    for b in (2.0, 2.5, 3.0):
        bound = permutation_bound(scores, sizes, b)
        assert np.mean(z >= b) <= bound + 0.003
        assert bound <= 6 * 2 * np.exp(-(b**2) / 2)


def test_the_lymphoma_cut_point_and_its_p_values_are_the_published_ones():
    found = {
        m: cutpoint_log_rank(MONTHS, DIED, EXPRESSION, method=m) for m in ("lau92", "lau94", "hl")
    }
    for cut in found.values():
        assert cut.cutpoint == pytest.approx(0.18605)
        # Published 3.1772 and 3.171 (whole-number scores), which treat one tie otherwise.
        assert cut.statistic == pytest.approx(3.1705, abs=1e-4)
    # Published 0.03611, 0.02435 and 0.02218.
    assert found["lau92"].p_value == pytest.approx(0.03611, abs=1e-4)
    assert found["lau94"].p_value == pytest.approx(0.02435, abs=1e-4)
    assert found["hl"].p_value == pytest.approx(0.02218, abs=2e-4)
    assert brownian_p_value(3.171, 0.1, 0.9) == pytest.approx(0.03611, abs=5e-6)


def test_permutation_is_sharper_than_the_bounds_and_repeats_with_its_seed():
    a, b = (
        cutpoint_log_rank(MONTHS, DIED, EXPRESSION, method="permutation", permutations=4000, seed=3)
        for _ in range(2)
    )
    assert a.p_value == b.p_value
    assert a.p_value == pytest.approx(0.0102, abs=0.005)  # published by 9,999 permutations


def test_log_rank_scores_sum_to_zero_and_equal_events_minus_hazard():
    s = simulate(50, 0, tied=True)
    scores = log_rank_scores(s.duration, s.event == 1)
    assert scores.sum() == pytest.approx(0, abs=1e-12)
    person = 7
    hazard = sum(
        np.sum((s.duration == u) & (s.event == 1)) / np.sum(s.duration >= u)
        for u in np.unique(s.duration[s.duration <= s.duration[person]])
    )
    assert scores[person] == pytest.approx((s.event[person] == 1) - hazard)


def test_a_real_threshold_is_found_and_the_scan_points_its_way():
    rng = np.random.default_rng(1)
    score = rng.uniform(size=800)
    time, c = rng.exponential(np.where(score > 0.6, 2.0, 10.0)), rng.uniform(0, 12, 800)
    found = cutpoint_log_rank(np.minimum(time, c), time <= c, score, bootstrap=30, seed=2)
    assert found.cutpoint == pytest.approx(0.6, abs=0.03)
    assert found.p_value < 1e-10
    assert found.naive_p_value <= found.p_value
    assert found.optimism_corrected < found.statistic
    best = found.scan.loc[found.scan["statistic"].abs().idxmax()]
    assert best["statistic"] == pytest.approx(found.statistic)
    assert (found.scan["n_low"] + found.scan["n_high"] == 800).all()
    assert found.scan["n_low"].between(80, 720).all()
    assert found.to_frame()["estimate"].item() == found.cutpoint


@pytest.mark.parametrize("method", ["lau92", "lau94"])
def test_corrected_p_values_hold_the_level_where_the_naive_one_does_not(method):
    naive, corrected = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        time, c = rng.exponential(5, 150), rng.uniform(0, 12, 150)
        found = cutpoint_log_rank(
            np.minimum(time, c), time <= c, rng.normal(size=150), method=method
        )
        naive.append(found.naive_p_value < 0.05)
        corrected.append(found.p_value < 0.05)
    assert np.mean(naive) > 0.25
    assert np.mean(corrected) < 0.08


def test_only_the_order_of_the_score_matters():
    s = simulate(90, 4, tied=True)
    a = cutpoint_log_rank(s.duration, s.event, s.risk)
    b = cutpoint_log_rank(s.duration, s.event, np.exp(s.risk))
    assert np.exp(a.cutpoint) == pytest.approx(b.cutpoint)
    assert a.p_value == pytest.approx(b.p_value)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-601", {"event": np.zeros(40)}),
        ("SC-602", {"score": np.r_[0, np.ones(39)]}),
        ("SC-603", {"score": np.ones(40)}),
        ("SC-610", {"method": "best"}),
        ("SC-610", {"proportions": (0.9, 0.1)}),
    ],
)
def test_degenerate_input_raises_its_code(code, change):
    arguments = {"duration": MONTHS, "event": DIED, "score": EXPRESSION, **change}
    with pytest.raises(SpinecastError, match=code):
        cutpoint_log_rank(**arguments)


def test_the_exact_bound_is_refused_where_it_would_take_hours():
    ladder = np.arange(250)
    with pytest.raises(SpinecastError, match="SC-610"):
        cutpoint_log_rank(ladder, np.ones(250), ladder, method="hl")
