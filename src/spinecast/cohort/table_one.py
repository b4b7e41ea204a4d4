"""Table 1: who the people are, overall and by group."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

OVERALL = "overall"


def table_one(
    frame: pd.DataFrame,
    *,
    continuous: Sequence[str],
    categorical: Sequence[str] = (),
    group: str | None = None,
) -> pd.DataFrame:
    """Describe the people of ``frame``.

    Parameters
    ----------
    frame
        One row per person; NaN, None or "" is unknown.
    continuous
        Columns shown as mean and standard deviation (n - 1).
    categorical
        Columns shown as count and percentage of the known.
    group
        Column to compare by; None describes everybody together.

    Returns
    -------
    pandas.DataFrame
        One row per variable and level, with ``variable``, ``level``, ``missing``, a
        ``<group> mean``/``<group> sd`` or ``<group> n``/``<group> percent`` pair for
        overall and each group, ``p_value``, ``test`` and ``smd``.

    Notes
    -----
    Tests: Welch's t for two groups, one-way analysis of variance for more; chi-squared with
    Yates' correction on one degree of freedom, Fisher's exact test for 2 x 2 tables with an
    expected count below 5. SMD: mean difference over the root of the mean variance, and
    Yang and Dalton's [1]_ extension for categories; the largest pair where groups are more
    than two. P-values of a Table 1 answer no question of the study and depend on
    its size; look at the SMD (0.1 is small).

    References
    ----------
    .. [1] Yang D, Dalton JE. SAS Global Forum 2012, paper 335.
    """
    groups = _groups(frame, group)
    rows = [_count_row(groups)]
    rows += [_continuous_row(frame[name], groups) for name in continuous]
    for name in categorical:
        rows += _categorical_rows(frame[name], groups)
    return pd.DataFrame(rows)


Groups = dict[str, NDArray[np.bool_]]


def _groups(frame: pd.DataFrame, group: str | None) -> Groups:
    everybody: Groups = {OVERALL: np.ones(len(frame), dtype=bool)}
    if group is None:
        return everybody
    labels = frame[group]
    levels = sorted(labels.dropna().unique(), key=str)
    return everybody | {str(level): (labels == level).to_numpy(dtype=bool) for level in levels}


def _parts(groups: Groups) -> list[NDArray[np.bool_]]:
    return [members for name, members in groups.items() if name != OVERALL]


def _count_row(groups: Groups) -> dict[str, Any]:
    row: dict[str, Any] = {"variable": "n", "level": "", "missing": 0}
    row |= {f"{name} n": int(members.sum()) for name, members in groups.items()}
    return row | {"p_value": np.nan, "test": "", "smd": np.nan}


def _continuous_row(values: pd.Series, groups: Groups) -> dict[str, Any]:
    numbers = values.to_numpy(dtype=float)
    known = np.isfinite(numbers)
    row: dict[str, Any] = {"variable": values.name, "level": "", "missing": int((~known).sum())}
    for name, members in groups.items():
        mean, sd = _mean_sd(numbers[members & known])
        row |= {f"{name} mean": mean, f"{name} sd": sd}
    samples = [numbers[members & known] for members in _parts(groups)]
    p_value, test = _compare_means(samples)
    smds = [_mean_smd(a, b) for a, b in combinations(samples, 2)]
    return row | {"p_value": p_value, "test": test, "smd": _largest(smds)}


def _mean_sd(sample: NDArray[np.float64]) -> tuple[float, float]:
    if not len(sample):
        return np.nan, np.nan
    return float(sample.mean()), float(sample.std(ddof=1)) if len(sample) > 1 else 0.0


def _compare_means(samples: list[NDArray[np.float64]]) -> tuple[float, str]:
    if len(samples) < 2 or min(map(len, samples)) < 2:
        return np.nan, ""
    if all(np.ptp(sample) == 0 for sample in samples):
        return np.nan, ""
    if len(samples) == 2:
        return float(stats.ttest_ind(*samples, equal_var=False).pvalue), "Welch's t"
    return float(stats.f_oneway(*samples).pvalue), "analysis of variance"


def _mean_smd(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    (mean_1, sd_1), (mean_2, sd_2) = _mean_sd(first), _mean_sd(second)
    scale = np.sqrt((sd_1**2 + sd_2**2) / 2)
    return float((mean_2 - mean_1) / scale) if scale > 0 else np.nan


def _categorical_rows(values: pd.Series, groups: Groups) -> list[dict[str, Any]]:
    known = (values.notna() & (values.astype(object) != "")).to_numpy(dtype=bool)
    levels = sorted(values[known].unique(), key=str)
    matches = {level: (values == level).to_numpy(dtype=bool) for level in levels}
    counts = np.array([[int((m & hit).sum()) for hit in matches.values()] for m in _parts(groups)])
    p_value, test = _compare_counts(counts)
    smds = [_category_smd(counts[i], counts[j]) for i, j in combinations(range(len(counts)), 2)]
    shared = {"p_value": p_value, "test": test, "smd": _largest(smds)}
    rows = []
    for level, hit in matches.items():
        row: dict[str, Any] = {"variable": values.name, "level": str(level)}
        row["missing"] = int((~known).sum())
        for name, members in groups.items():
            n, total = int((members & hit).sum()), int((members & known).sum())
            row |= {f"{name} n": n, f"{name} percent": 100 * n / total if total else np.nan}
        rows.append(row | shared)
    return rows


def _compare_counts(counts: NDArray[np.int64]) -> tuple[float, str]:
    if counts.ndim < 2 or min(counts.shape) < 2 or not counts.sum(axis=1).all():
        return np.nan, ""
    outcome = stats.chi2_contingency(counts)
    if counts.shape == (2, 2) and (outcome.expected_freq.min() < 5 or counts.min() < 5):
        return float(stats.fisher_exact(counts).pvalue), "Fisher's exact"
    return float(outcome.pvalue), "chi-squared"


def _category_smd(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    if not first.sum() or not second.sum() or len(first) < 2:
        return np.nan
    shares = [(counts / counts.sum())[1:] for counts in (first, second)]
    covariance = sum(np.diag(share) - np.outer(share, share) for share in shares) / 2
    difference = shares[1] - shares[0]
    if np.linalg.matrix_rank(covariance) < len(difference):
        return np.nan
    return float(np.sqrt(difference @ np.linalg.solve(covariance, difference)))


def _largest(smds: list[float]) -> float:
    known = [smd for smd in smds if np.isfinite(smd)]
    return max(known, key=abs) if known else float("nan")
