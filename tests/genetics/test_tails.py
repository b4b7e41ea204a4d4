from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

from spinecast.genetics.tails import (
    log10_p_of_t,
    log10_p_of_z,
    p_of_log10,
    z_of_log10_p,
    z_of_log10_ps,
)


def exact_t(t, df):
    """-log10 of the two-sided p value of Student's t, to fifty digits."""
    with mpmath.workdps(50):
        x = mpmath.mpf(df) / (mpmath.mpf(df) + mpmath.mpf(t) ** 2)
        p = mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True)
        return float(-mpmath.log10(p))


@pytest.mark.parametrize("df", [1, 3, 17, 120, 299, 301, 1000, 4993, 20_000])
def test_p_values_of_t_are_right_to_nine_digits_at_any_distance(df):
    t = np.array([1e-6, 0.03, 0.7, 1.96, 5.0, 12.0, 38.0, 90.0])
    expected = [exact_t(value, df) for value in t]
    assert log10_p_of_t(t, df) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert np.array_equal(log10_p_of_t(-t, df), log10_p_of_t(t, df))


def test_p_values_smaller_than_the_smallest_float_keep_their_digits():
    z = np.array([30.0, 36.0, 40.0, 300.0])
    with mpmath.workdps(50):
        expected = [float(-mpmath.log10(mpmath.erfc(x / mpmath.sqrt(2)))) for x in z]
    assert log10_p_of_z(z) == pytest.approx(expected, rel=1e-11)
    assert p_of_log10(np.array([5.0, 400.0])) == pytest.approx([1e-5, 0.0])


def test_p_values_agree_with_scipy_where_scipy_reaches():
    z = np.linspace(-8, 8, 41)
    assert p_of_log10(log10_p_of_z(z)) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)
    t, df = np.meshgrid(np.linspace(0, 9, 19), [2.0, 50.0, 800.0])
    assert p_of_log10(log10_p_of_t(t, df)) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-8)


def test_z_values_come_back_from_their_p_values():
    z = np.array([1e-9, 0.01, 0.5, 1.96, 6.0, 37.0, 90.0])
    back = [z_of_log10_p(value) for value in log10_p_of_z(z)]
    assert back == pytest.approx(z, rel=1e-7, abs=1e-12)


def test_unknown_statistics_have_unknown_p_values():
    assert np.isnan(log10_p_of_t([np.nan, 1.0], [5.0, 0.0])).all()
    assert np.isnan(log10_p_of_z(np.nan))
    assert log10_p_of_t(np.inf, 10.0) == np.inf
    assert log10_p_of_t(0.0, 10.0) == log10_p_of_t(0.0, 1000.0) == 0.0


def test_deviates_of_many_p_values_are_exact_to_the_last_digits_from_middle_to_far_tail():
    z = np.concatenate([np.linspace(1e-3, 8, 500), np.linspace(8, 60, 100), [400.0, 2000.0]])
    found = z_of_log10_ps(log10_p_of_z(z))
    assert found == pytest.approx(z, rel=1e-12)
    p = np.array([0.9, 0.15, 0.149, 1e-3, 1e-12, 1e-300])
    assert z_of_log10_ps(-np.log10(p)) == pytest.approx(stats.norm.isf(p / 2), rel=1e-13)
    ends = z_of_log10_ps(np.array([0.0, np.inf, np.nan]))
    assert np.array_equal(ends, [0.0, np.inf, np.nan], equal_nan=True)
