"""From influence functions to standard errors, intervals, p-values and frames.

Every estimator of this room hands over one number per person: how much the
estimate moves when that person counts a little more. Their sum of squares is
the variance; summed within clusters first, it is the cluster-robust variance;
subtracted between two estimates, it is the variance of their difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from spinecast.outcomes.inputs import FloatArray, IntArray

COLUMNS = ("estimate", "standard_error", "ci_low", "ci_high", "p_value")


@dataclass(frozen=True)
class Estimate:
    """One number with its uncertainty.

    Attributes
    ----------
    estimate, standard_error
        The number and its standard error.
    ci_low, ci_high
        95 % confidence limits.
    p_value
        Two-sided; NaN where nothing is tested.
    """

    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float = float("nan")

    @property
    def ci(self) -> tuple[float, float]:
        """Both confidence limits."""
        return (self.ci_low, self.ci_high)

    def row(self, **labels: Any) -> dict[str, Any]:
        """Return the numbers as one row, after ``labels``."""
        return {**labels, **{name: getattr(self, name) for name in COLUMNS}}

    def to_frame(self, term: str = "estimate") -> pd.DataFrame:
        """Return one row."""
        return pd.DataFrame([self.row(term=term)])


@dataclass(frozen=True)
class TestResult:
    """A chi-square (or z) test."""

    __test__ = False  # pytest would collect it by its name

    statistic: float
    degrees_of_freedom: int
    p_value: float

    def to_frame(self, term: str = "test") -> pd.DataFrame:
        """Return one row."""
        row = {
            "term": term,
            "estimate": self.statistic,
            "degrees_of_freedom": self.degrees_of_freedom,
            "p_value": self.p_value,
        }
        return pd.DataFrame([row])


def chi_square(statistic: float, degrees_of_freedom: int) -> TestResult:
    """Return the upper-tail test of a chi-square statistic; p is 1 where nothing can vary."""
    tail = special.chdtrc(degrees_of_freedom, max(statistic, 0.0)) if degrees_of_freedom else 1.0
    p_value = float(tail)
    return TestResult(float(statistic), int(degrees_of_freedom), p_value)


def two_sided_p(z: Any) -> Any:
    """Return the two-sided normal p-value of ``z``, scalar or array."""
    return 2.0 * special.ndtr(-np.abs(z))


def normal_quantile(level: float = 0.95) -> float:
    """Return the two-sided normal quantile, 1.96 at 95 %."""
    return float(special.ndtri(0.5 + level / 2))


def wald(
    estimate: float,
    standard_error: float,
    *,
    null: float | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Return a normal 95 % interval cut at ``bounds``, tested against ``null`` where given."""
    reach = normal_quantile() * standard_error
    p_value = float("nan")
    if null is not None:
        # An estimate without spread either is the null exactly or contradicts it.
        gap = estimate - null
        p_value = (
            float(two_sided_p(gap / standard_error)) if standard_error > 0 else float(gap == 0)
        )
    low, high = np.clip([estimate - reach, estimate + reach], *bounds)
    return Estimate(float(estimate), float(standard_error), float(low), float(high), p_value)


def wilson(successes: float, total: float) -> Estimate:
    """Return a proportion with Wilson's score interval; NaN where ``total`` is 0.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212.
    """
    if total <= 0:
        return Estimate(*[float("nan")] * 4)
    z2 = normal_quantile() ** 2
    share = successes / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = share * (1 - share) / total + z2 / (4 * total**2)
    reach = np.sqrt(z2 * spread) / (1 + z2 / total)
    error = np.sqrt(share * (1 - share) / total)
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Estimate(float(share), float(error), float(low), float(high))


def covariance(influence: FloatArray, cluster: IntArray | None = None) -> FloatArray:
    """Return the covariance matrix of estimates from their influence columns.

    Parameters
    ----------
    influence
        Shape (n,) or (n, k); each column sums to (about) zero.
    cluster
        Codes of rows that belong together, shape (n,); None for independent rows.
    """
    columns = influence.reshape(influence.shape[0], -1)
    if cluster is not None:
        columns = cluster_sums(columns, cluster)
    return columns.T @ columns


def cluster_sums(columns: FloatArray, cluster: IntArray) -> FloatArray:
    """Return column sums within clusters, shape (clusters, k)."""
    count = int(cluster.max()) + 1
    return np.column_stack(
        [np.bincount(cluster, weights=column, minlength=count) for column in columns.T]
    )


def standard_error(influence: FloatArray, cluster: IntArray | None = None) -> float:
    """Return the standard error of one estimate from its influence values."""
    return float(np.sqrt(covariance(influence, cluster)[0, 0]))


def holm(p_values: FloatArray) -> FloatArray:
    """Return Holm's step-down adjusted p-values; NaN stay NaN."""
    return _adjust(p_values, stepdown=True)


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Return Benjamini-Hochberg q-values; NaN stay NaN and do not count as tests."""
    return _adjust(p_values, stepdown=False)


def _adjust(p_values: FloatArray, *, stepdown: bool) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if known.size == 0:
        return adjusted
    order = known[np.argsort(p[known], kind="stable")]
    m = order.size
    if stepdown:
        scaled = np.maximum.accumulate(p[order] * (m - np.arange(m)))
    else:
        scaled = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    adjusted[order] = np.minimum(scaled, 1.0)
    return adjusted


def t_quantile(degrees_of_freedom: float, level: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t."""
    return float(stats.t.ppf(0.5 + level / 2, degrees_of_freedom))
