"""Agreement of two measurements: Bland-Altman, intraclass and Lin's correlation, signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    FloatArray,
    label_codes,
    number_column,
    require_option,
    require_variation,
)
from spinecast.outcomes.intervals import Estimate, normal_quantile, t_quantile, wilson


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of a minus b.

    Attributes
    ----------
    bias
        Mean difference with interval and test against 0.
    sd
        Standard deviation of differences (with subjects: total, between plus within).
    lower_limit, upper_limit
        bias -/+ 1.96 sd with their intervals.
    proportional_bias
        Slope of the difference on the mean of both, tested against 0; NaN where
        the means do not vary. With subjects its rows are taken as independent.
    n, subjects
        Pairs and people.
    """

    bias: Estimate
    sd: float
    lower_limit: Estimate
    upper_limit: Estimate
    proportional_bias: Estimate
    n: int
    subjects: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per term."""
        terms = ("bias", "lower_limit", "upper_limit", "proportional_bias")
        rows = [getattr(self, term).row(term=term) for term in terms]
        rows.insert(1, {"term": "sd", "estimate": self.sd})
        return pd.DataFrame(rows)


def bland_altman(a: Any, b: Any, *, subject: Any = None) -> BlandAltman:
    """Describe how far two measurements of the same thing lie apart.

    Parameters
    ----------
    a, b
        Paired measurements in the same unit, shape (n,); differences are a - b.
    subject
        Person of each pair where some have several; the variance is then split
        into between and within people.

    Raises
    ------
    StatisticsError
        SC-604..606 bad columns, SC-609 for fewer than three pairs or people.

    References
    ----------
    Bland JM, Altman DG. Lancet 1986;1:307-310; J Biopharm Stat 2007;17:571-582.
    """
    first, second = _paired(a, b, least=3)
    difference = first - second
    n = difference.size
    if subject is None:
        sd, error_of, people = float(difference.std(ddof=1)), 0.0, n
        error_of = sd / np.sqrt(n)
    else:
        codes = label_codes(subject, "subject", length=n)[0]
        sd, error_of, people = _components(difference, codes)
    mean = float(difference.mean())
    reach = t_quantile(people - 1)
    limit_error = float(np.hypot(error_of, normal_quantile() * sd / np.sqrt(2 * (people - 1))))
    p_value = (
        float(2 * stats.t.sf(abs(mean) / error_of, people - 1)) if error_of > 0 else float("nan")
    )
    lower, upper = (
        _t_interval(mean + side * normal_quantile() * sd, limit_error, reach) for side in (-1, 1)
    )
    return BlandAltman(
        bias=_t_interval(mean, float(error_of), reach, p_value=p_value),
        sd=sd,
        lower_limit=lower,
        upper_limit=upper,
        proportional_bias=_slope((first + second) / 2, difference),
        n=n,
        subjects=people,
    )


def _components(difference: FloatArray, codes: np.ndarray) -> tuple[float, float, int]:
    """Return total sd, standard error of the mean, and number of people (one-way ANOVA)."""
    counts = np.bincount(codes)
    people, n = counts.size, difference.size
    if people < 3:
        raise error("SC-609", expected="three people", got=str(people), where="subject")
    means = np.bincount(codes, weights=difference) / counts
    within_df = max(n - people, 1)
    within = float(np.sum((difference - means[codes]) ** 2)) / within_df
    between_ms = float(counts @ (means - difference.mean()) ** 2) / (people - 1)
    size = (n - np.sum(counts**2) / n) / (people - 1)
    between = max((between_ms - within) / size, 0.0) if n > people else between_ms
    sums = np.bincount(codes, weights=difference - difference.mean())
    error_of = float(np.sqrt(np.sum(sums**2) * people / (people - 1))) / n
    return float(np.sqrt(between + within)), error_of, people


def _slope(x: FloatArray, y: FloatArray) -> Estimate:
    if np.ptp(x) == 0:
        return Estimate(*[float("nan")] * 4)
    fit = stats.linregress(x, y)
    reach = t_quantile(x.size - 2)
    return _t_interval(float(fit.slope), float(fit.stderr), reach, p_value=float(fit.pvalue))


def _t_interval(
    estimate: float, standard_error: float, reach: float, *, p_value: float = float("nan")
) -> Estimate:
    half = reach * standard_error
    return Estimate(float(estimate), standard_error, estimate - half, estimate + half, p_value)


def icc(a: Any, b: Any, *, kind: str = "agreement") -> Estimate:
    """Return the intraclass correlation of two measurements, single-measure, two-way.

    Parameters
    ----------
    a, b
        Paired measurements, shape (n,).
    kind
        "agreement" is ICC(A,1), which a shift between raters lowers;
        "consistency" is ICC(C,1), which it does not.

    Returns
    -------
    Estimate
        With McGraw and Wong's limits; the p-value is that of the F test against 0.

    References
    ----------
    McGraw KO, Wong SP. Psychol Methods 1996;1:30-46.
    """
    require_option(kind, ("agreement", "consistency"), name="kind")
    table = np.column_stack(_paired(a, b, least=3))
    require_variation(table.ravel(), name="a and b")
    n, k = table.shape
    rows = k * table.mean(axis=1).var(ddof=1)
    raters = n * table.mean(axis=0).var(ddof=1)
    grand = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    noise = float(np.sum(grand**2)) / ((n - 1) * (k - 1))
    if noise == 0 and (kind == "consistency" or raters == 0):
        return Estimate(1.0, 0.0, 1.0, 1.0, 0.0)
    noise = max(noise, 1e-12 * rows)  # a pure shift leaves no noise to divide by
    ratio = rows / noise
    p_value = float(stats.f.sf(ratio, n - 1, (n - 1) * (k - 1)))
    if kind == "consistency":
        df = (n - 1) * (k - 1)
        low, high = ratio / stats.f.ppf(0.975, n - 1, df), ratio * stats.f.ppf(0.975, df, n - 1)
        low, high = ((f - 1) / (f + k - 1) for f in (low, high))
        return _with_limits((rows - noise) / (rows + (k - 1) * noise), low, high, p_value=p_value)
    estimate = (rows - noise) / (rows + (k - 1) * noise + k * (raters - noise) / n)
    a_part = k * estimate / (n * (1 - estimate)) if estimate < 1 else np.inf
    b_part = 1 + k * estimate * (n - 1) / (n * (1 - estimate)) if estimate < 1 else np.inf
    v = (a_part * raters + b_part * noise) ** 2 / (
        (a_part * raters) ** 2 / (k - 1) + (b_part * noise) ** 2 / ((n - 1) * (k - 1))
    )
    f_low, f_high = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    mixed = k * raters + (k * n - k - n) * noise
    low = n * (rows - f_low * noise) / (f_low * mixed + n * rows)
    high = n * (f_high * rows - noise) / (mixed + n * f_high * rows)
    return _with_limits(estimate, low, high, p_value=p_value)


def _with_limits(estimate: float, low: float, high: float, *, p_value: float) -> Estimate:
    width = (high - low) / (2 * normal_quantile())
    return Estimate(float(estimate), float(width), float(low), float(high), p_value)


def lins_concordance(a: Any, b: Any) -> Estimate:
    """Return Lin's concordance correlation coefficient with z-transformed limits.

    References
    ----------
    Lin LI. Biometrics 1989;45:255-268 (variance corrected in Biometrics 2000;56:324-325).
    """
    x, y = _paired(a, b, least=4)
    require_variation(x, name="a")
    require_variation(y, name="b")
    n = x.size
    gap = x.mean() - y.mean()
    sx, sy = x.std(), y.std()
    r = float(np.corrcoef(x, y)[0, 1])
    ccc = 2 * r * sx * sy / (sx**2 + sy**2 + gap**2)
    if abs(r) < 1e-12 or abs(ccc) >= 1 - 1e-15:
        return Estimate(float(ccc), 0.0 if abs(r) > 1e-12 else float("nan"), ccc, ccc)
    u2 = gap**2 / (sx * sy)
    inner = (
        (1 - r**2) * ccc**2 / (r**2 * (1 - ccc**2))
        + 2 * ccc**3 * (1 - ccc) * u2 / (r * (1 - ccc**2) ** 2)
        - ccc**4 * u2**2 / (2 * r**2 * (1 - ccc**2) ** 2)
    )
    z_error = np.sqrt(max(inner, 0.0) / (n - 2))
    centre = np.arctanh(ccc)
    reach = normal_quantile() * z_error
    low, high = np.tanh([centre - reach, centre + reach])
    return Estimate(float(ccc), float(z_error * (1 - ccc**2)), float(low), float(high))


def sign_agreement(change_a: Any, change_b: Any) -> Estimate:
    """Return how often two changes have the same sign, tested against one half.

    Pairs in which either change is exactly zero are left out. Wilson's
    interval, exact binomial p-value. Changes that all go one way agree without
    any skill: look at the share of each sign too.

    Raises
    ------
    StatisticsError
        SC-609 where no pair has two nonzero changes.
    """
    a, b = _paired(change_a, change_b, least=1)
    signed = (a != 0) & (b != 0)
    total = int(signed.sum())
    if total == 0:
        raise error("SC-609", expected="a nonzero pair of changes", got="none", where="changes")
    agree = int(np.sum(np.sign(a[signed]) == np.sign(b[signed])))
    share = wilson(agree, total)
    p_value = float(stats.binomtest(agree, total, 0.5).pvalue)
    return Estimate(share.estimate, share.standard_error, share.ci_low, share.ci_high, p_value)


def _paired(a: Any, b: Any, *, least: int) -> tuple[FloatArray, FloatArray]:
    first = number_column(a, "a")
    second = number_column(b, "b", length=first.size)
    if first.size < least:
        raise error("SC-609", expected=f"{least} pairs", got=str(first.size), where="a and b")
    return first, second
