"""Paired comparison of AUROCs by DeLong's method, for any number of curves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    FloatArray,
    IntArray,
    cluster_codes,
    number_column,
)
from spinecast.outcomes.intervals import Estimate, cluster_sums, wald


@dataclass(frozen=True)
class DeLong:
    """AUROCs of several scores on the same people.

    Attributes
    ----------
    auroc, standard_error, ci_low, ci_high
        Per score, shape (k,); normal limits cut to 0..1.
    covariance
        Shape (k, k).
    pairs
        (a, b) -> difference auroc[a] - auroc[b] with z-test.
    cases, controls
        Numbers of each outcome.
    """

    auroc: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    covariance: FloatArray
    pairs: dict[tuple[int, int], Estimate]
    cases: int
    controls: int

    def z(self, a: int = 0, b: int = 1) -> float:
        """Return the paired z statistic of score ``a`` against score ``b``."""
        gap = self.pairs[a, b]
        return gap.estimate / gap.standard_error if gap.standard_error > 0 else float("nan")

    def p_value(self, a: int = 0, b: int = 1) -> float:
        """Return the two-sided p-value of score ``a`` against score ``b``."""
        return self.pairs[a, b].p_value

    def to_frame(self) -> pd.DataFrame:
        """Return one row per score, then one per pair."""
        rows: list[dict[str, Any]] = [
            {
                "term": f"auroc_{i}",
                "estimate": self.auroc[i],
                "standard_error": self.standard_error[i],
                "ci_low": self.ci_low[i],
                "ci_high": self.ci_high[i],
            }
            for i in range(self.auroc.size)
        ]
        rows += [gap.row(term=f"auroc_{a}-auroc_{b}") for (a, b), gap in self.pairs.items()]
        return pd.DataFrame(rows)


def delong(outcome: Any, *scores: Any, cluster: Any = None) -> DeLong:
    """Estimate and compare AUROCs of scores of the same people, in O(n log n).

    Ignores when the outcome happened and who was censored: use
    :func:`time_dependent_auc` where follow-up differs.

    Parameters
    ----------
    outcome
        0/1, shape (n,).
    scores
        One or more scores (higher = more likely 1), each shape (n,).
    cluster
        Labels of rows that belong together (Obuchowski's variance).

    Raises
    ------
    StatisticsError
        SC-601 where an outcome is missing altogether, SC-604..606 bad columns,
        SC-609 without scores or with fewer than two people on a side.

    References
    ----------
    DeLong ER et al. Biometrics 1988;44:837-845. Sun X, Xu W. IEEE SPL 2014;21:1389-1393.
    Obuchowski NA. Biometrics 1997;53:567-578.
    """
    label = _binary(outcome)
    if not scores:
        raise error("SC-609", expected="at least one score", got="none", where="scores")
    columns = [number_column(s, f"scores[{i}]", length=label.size) for i, s in enumerate(scores)]
    codes = cluster_codes(cluster, label.size)
    placements = [_placements(label, column) for column in columns]
    auroc = np.array([float(p[label].mean()) for p in placements])
    covariance = _covariance(label, np.column_stack(placements), auroc=auroc, codes=codes)
    error_of = np.sqrt(np.diag(covariance))
    rows = [wald(a, s, bounds=(0.0, 1.0)) for a, s in zip(auroc, error_of, strict=True)]
    return DeLong(
        auroc,
        error_of,
        ci_low=np.array([r.ci_low for r in rows]),
        ci_high=np.array([r.ci_high for r in rows]),
        covariance=covariance,
        pairs={
            (a, b): _paired(auroc, covariance, (a, b))
            for a, b in combinations(range(auroc.size), 2)
        },
        cases=int(label.sum()),
        controls=int((~label).sum()),
    )


def _binary(outcome: Any) -> np.ndarray:
    column = number_column(outcome, "outcome")
    if not np.isin(column, (0.0, 1.0)).all():
        raise error("SC-319", expected="0 or 1", got=f"{column.max():g}", where="outcome")
    label: np.ndarray = column == 1
    if label.all() or not label.any():
        raise error("SC-601", expected="both outcomes", got="one", where="outcome")
    if min(label.sum(), (~label).sum()) < 2:
        raise error("SC-609", expected="two of either outcome", got="one", where="outcome")
    return label


def _placements(label: np.ndarray, score: FloatArray) -> FloatArray:
    """Return each person's share of the other side that it is ordered rightly against."""
    order = np.argsort(score)
    case = label[order]
    start = np.flatnonzero(np.concatenate([[True], np.diff(score[order]) > 0]))
    cases = np.append(0, np.cumsum(case))
    # Of each run of ties: the cases below it, and half of those within.
    ends = np.append(start[1:], score.size)
    below = np.repeat((cases[start] + cases[ends]) / 2, ends - start)
    middle = np.repeat((start + ends) / 2, ends - start)
    placement = np.empty(score.size)
    placement[order] = np.where(
        case, (middle - below) / (score.size - cases[-1]), 1.0 - below / cases[-1]
    )
    return placement


def _covariance(
    label: np.ndarray, placements: FloatArray, *, auroc: FloatArray, codes: IntArray | None
) -> FloatArray:
    cases, controls = int(label.sum()), int((~label).sum())
    centred = placements - auroc
    if codes is None:
        inside, outside = centred[label], centred[~label]
        return inside.T @ inside / ((cases - 1) * cases) + outside.T @ outside / (
            (controls - 1) * controls
        )
    # Obuchowski: people count once, whichever sides their rows are on.
    as_case = cluster_sums(centred * label[:, None], codes) / cases
    as_control = cluster_sums(centred * ~label[:, None], codes) / controls
    i10, i01 = np.unique(codes[label]).size, np.unique(codes[~label]).size
    total = int(codes.max()) + 1
    cross = as_case.T @ as_control * total / max(total - 1, 1)
    return (
        as_case.T @ as_case * i10 / max(i10 - 1, 1)
        + as_control.T @ as_control * i01 / max(i01 - 1, 1)
        + cross
        + cross.T
    )


def _paired(auroc: FloatArray, covariance: FloatArray, pair: tuple[int, int]) -> Estimate:
    a, b = pair
    variance = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
    # Identical scores differ by rounding only.
    spread = float(np.sqrt(variance)) if variance > 1e-18 else 0.0
    return wald(float(auroc[a] - auroc[b]), spread, null=0.0)
