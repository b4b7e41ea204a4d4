"""Choosing a cut-point by the largest log-rank statistic, and paying for the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from spinecast.errors import error
from spinecast.outcomes.cutpoint_bounds import (
    bonferroni_p_value,
    brownian_p_value,
    permutation_bound,
    whole_scores,
)
from spinecast.outcomes.inputs import (
    FloatArray,
    IntArray,
    number_column,
    require_events,
    require_option,
    require_variation,
    survival_columns,
)
from spinecast.outcomes.risk_table import risk_table
from spinecast.seeds import generator

METHODS = ("lau92", "lau94", "hl", "permutation")


@dataclass(frozen=True)
class Cutpoint:
    """The cut-point that parts survival most, with a p-value that knows it was searched.

    Attributes
    ----------
    cutpoint
        People with score > cutpoint form the high group.
    statistic
        Largest absolute standardised log-rank score statistic.
    p_value
        Corrected for the search by ``method``; ``naive_p_value`` is not.
    scan
        Frame of every candidate: cutpoint, n_low, n_high, statistic (signed; positive
        where the high group has more events than expected).
    optimism
        Mean over bootstrap samples of the statistic at the sample's own best cut-point
        minus that of the same cut-point in the data; NaN if not asked for.
    """

    cutpoint: float
    statistic: float
    p_value: float
    naive_p_value: float
    method: str
    scan: pd.DataFrame
    optimism: float
    optimism_corrected: float

    def to_frame(self) -> pd.DataFrame:
        """Return one row: the cut-point as estimate, with its corrected p-value."""
        row = {
            "term": "cutpoint",
            "estimate": self.cutpoint,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "naive_p_value": self.naive_p_value,
            "optimism": self.optimism,
            "method": self.method,
        }
        return pd.DataFrame([row])


@dataclass(frozen=True)
class _Candidates:
    """Allowed cuts of the sorted score: after ``size`` people, at ``value``."""

    order: IntArray
    size: IntArray
    value: FloatArray


def cutpoint_log_rank(
    duration: Any,
    event: Any,
    score: Any,
    *,
    method: str = "lau92",
    proportions: tuple[float, float] = (0.1, 0.9),
    bootstrap: int = 0,
    permutations: int = 2000,
    seed: int = 0,
) -> Cutpoint:
    """Find the cut-point of a score with the largest log-rank statistic.

    Choose on validation and report on test: effects on the same data are too large.

    Parameters
    ----------
    duration, event, score
        Years, codes (2 counts as censoring) and score, shape (n,).
    method
        How the p-value pays for the search: "lau92" (Brownian bridge), "lau94" (improved
        Bonferroni), "hl" (exact permutation bound, scores rounded to whole numbers, at most
        200 people) or "permutation" (sampled).
    proportions
        Smallest and largest share of people at or below the cut-point.
    bootstrap, permutations, seed
        Samples for the optimism (0: left out) and for "permutation".

    Raises
    ------
    StatisticsError
        SC-601 no events, SC-602 no cut-point in range, SC-603 constant score, SC-610 method.

    References
    ----------
    Lausen B, Schumacher M. Biometrics 1992;48:73-85; Comput Stat Data Anal 1996;21:307-326.
    Hothorn T, Lausen B. Comput Stat Data Anal 2003;43:121-137.
    """
    require_option(method, METHODS, name="method")
    columns = survival_columns(duration, event)
    values = number_column(score, "score", length=len(columns))
    require_events(columns.happened.sum())
    require_variation(values, name="score")
    candidates = _candidates(values, proportions)
    residuals = log_rank_scores(columns.duration, columns.happened)
    z = _standardised(residuals[candidates.order], candidates.size)
    best = int(np.argmax(np.abs(z)))
    largest = float(abs(z[best]))
    rng = generator(seed, "outcomes", "cutpoint")
    p_value = _p_value(largest, residuals, candidates, method=method, proportions=proportions,
                       permutations=permutations, rng=rng)  # fmt: skip
    optimism = _optimism(columns.duration, columns.happened, values, proportions=proportions,
                         samples=bootstrap, rng=rng) if bootstrap else float("nan")  # fmt: skip
    return Cutpoint(
        float(candidates.value[best]), largest, p_value,
        naive_p_value=float(2 * special.ndtr(-largest)), method=method, scan=_scan(candidates, z),
        optimism=optimism, optimism_corrected=largest - optimism,
    )  # fmt: skip


def _scan(candidates: _Candidates, z: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cutpoint": candidates.value,
            "n_low": candidates.size,
            "n_high": candidates.order.size - candidates.size,
            "statistic": -z,
        }
    )


def log_rank_scores(duration: FloatArray, happened: np.ndarray) -> FloatArray:
    """Return events minus Nelson-Aalen cumulative hazard, shape (n,); they sum to 0."""
    table = risk_table(duration, happened, entry=None, weights=np.ones(duration.size))
    return happened - np.cumsum(table.events / table.at_risk)[table.position]


def _p_value(
    largest: float,
    residuals: FloatArray,
    candidates: _Candidates,
    *,
    method: str,
    proportions: tuple[float, float],
    permutations: int,
    rng: np.random.Generator,
) -> float:
    n = residuals.size
    if method == "lau92":
        return brownian_p_value(largest, *proportions)
    if method == "lau94":
        return bonferroni_p_value(largest, candidates.size, n=n)
    if method == "hl":
        whole = whole_scores(residuals)
        rounded = _standardised(whole[candidates.order] * 1.0, candidates.size)
        return permutation_bound(whole, candidates.size, float(np.max(np.abs(rounded))))
    draws = (rng.permutation(residuals) for _ in range(permutations))
    beyond = sum(
        bool(np.max(np.abs(_standardised(draw, candidates.size))) >= largest - 1e-12)
        for draw in draws
    )
    return (beyond + 1) / (permutations + 1)


def _candidates(values: FloatArray, proportions: tuple[float, float]) -> _Candidates:
    low, high = proportions
    if not 0 < low < high < 1:
        raise error("SC-610", expected="0 < low < high < 1", got=str(proportions),
                    where="proportions")  # fmt: skip
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    size = np.flatnonzero(ranked[1:] != ranked[:-1]) + 1
    n = values.size
    size = size[(size >= np.floor(n * low)) & (size <= np.floor(n * high)) & (size < n)]
    if size.size == 0:
        raise error("SC-602", expected="a cut-point within the proportions", got="none",
                    where="score")  # fmt: skip
    return _Candidates(order, size, ranked[size - 1])


def _standardised(sorted_residuals: FloatArray, size: IntArray) -> FloatArray:
    n = sorted_residuals.size
    total = sorted_residuals.sum()
    sums = np.cumsum(sorted_residuals)[size - 1]
    share = size / n
    variance = share * (1 - share) * n * sorted_residuals.var(ddof=1)
    return (sums - share * total) / np.sqrt(variance)


def _optimism(
    duration: FloatArray,
    happened: np.ndarray,
    values: FloatArray,
    *,
    proportions: tuple[float, float],
    samples: int,
    rng: np.random.Generator,
) -> float:
    ranked = np.sort(values)
    gaps = []
    residuals = log_rank_scores(duration, happened)[np.argsort(values, kind="stable")]
    for _ in range(samples):
        rows = rng.integers(values.size, size=values.size)
        if not happened[rows].any() or np.ptp(values[rows]) == 0:
            continue
        drawn = _candidates(values[rows], proportions)
        own = _standardised(
            log_rank_scores(duration[rows], happened[rows])[drawn.order], drawn.size
        )
        best = int(np.argmax(np.abs(own)))
        below = np.searchsorted(ranked, drawn.value[best], side="right")
        outside = _standardised(residuals, np.array([np.clip(below, 1, values.size - 1)]))
        gaps.append(abs(own[best]) - np.sign(own[best]) * outside[0])
    return float(np.mean(gaps)) if gaps else float("nan")
