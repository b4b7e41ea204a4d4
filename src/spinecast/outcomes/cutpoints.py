"""Choosing a cut-point by the largest log-rank statistic, and paying for the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from spinecast.errors import error
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

    The statistic is linear in the log-rank scores (events minus Nelson-Aalen
    hazard) with its permutation variance. Hazard ratios at a cut-point chosen
    on the same data are too large: choose on validation, report on test.

    Parameters
    ----------
    duration, event, score
        Years, codes (2 counts as censoring) and score, shape (n,).
    method
        How the p-value pays for the search: "lau92" (Lausen and Schumacher 1992, Brownian
        bridge), "lau94" (1994, improved Bonferroni), "hl" (Bonferroni over neighbours with
        bivariate normal probabilities evaluated exactly; a bound like Hothorn and Lausen's
        2003, whose permutation probabilities it replaces by normal ones) or "permutation".
    proportions
        Smallest and largest share of people at or below the cut-point.
    bootstrap
        Samples for the optimism of the statistic; 0 leaves it out.
    permutations, seed
        For "permutation" and the bootstrap.

    Raises
    ------
    StatisticsError
        SC-601 no events, SC-602 no cut-point within the proportions, SC-603
        constant score, SC-610 unknown method.

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
    if method == "permutation":
        p_value = _permutation_p(residuals, candidates, largest, rng, permutations)
    else:
        p_value = corrected_p_value(
            largest, method, n=len(columns), sizes=candidates.size, proportions=proportions
        )
    optimism = _optimism(columns.duration, columns.happened, values, proportions=proportions,
                         samples=bootstrap, rng=rng) if bootstrap else float("nan")  # fmt: skip
    scan = pd.DataFrame(
        {
            "cutpoint": candidates.value,
            "n_low": candidates.size,
            "n_high": len(columns) - candidates.size,
            "statistic": -z,
        }
    )
    return Cutpoint(
        float(candidates.value[best]), largest, p_value,
        naive_p_value=float(2 * special.ndtr(-largest)), method=method, scan=scan,
        optimism=optimism, optimism_corrected=largest - optimism,
    )  # fmt: skip


def log_rank_scores(duration: FloatArray, happened: np.ndarray) -> FloatArray:
    """Return events minus Nelson-Aalen cumulative hazard, shape (n,); they sum to 0."""
    table = risk_table(duration, happened, entry=None, weights=np.ones(duration.size))
    return happened - np.cumsum(table.events / table.at_risk)[table.position]


def corrected_p_value(
    largest: float,
    method: str,
    *,
    n: int,
    sizes: IntArray,
    proportions: tuple[float, float] = (0.1, 0.9),
) -> float:
    """Return the p-value of the largest absolute standardised statistic.

    Parameters
    ----------
    largest
        The maximum.
    method
        "lau92", "lau94" or "hl".
    n, sizes
        People in all, and in the low group at every candidate, ascending.
    proportions
        Share range of the search ("lau92" knows only this).
    """
    if method == "lau92":
        return _brownian_bound(largest, *proportions)
    low, high = sizes[:-1].astype(np.float64), sizes[1:].astype(np.float64)
    rho2 = low * (n - high) / ((n - low) * high)
    single = 2 * float(special.ndtr(-largest))
    if method == "lau94":
        t = np.sqrt(1 - rho2)
        steps = np.exp(-(largest**2) / 2) / np.pi * (t - (largest**2 / 4 - 1) * t**3 / 6)
    else:
        steps = _neighbour_escape(largest, np.sqrt(rho2))
    return float(np.clip(single + np.sum(steps), 0.0, 1.0))


def _brownian_bound(b: float, low: float, high: float) -> float:
    if b < 1:
        return 1.0
    density = float(stats.norm.pdf(b))
    odds = np.log(high * (1 - low) / ((1 - high) * low))
    return float(np.clip(4 * density / b + density * (b - 1 / b) * odds, 0.0, 1.0))


def _neighbour_escape(b: float, rho: FloatArray) -> FloatArray:
    """Return P(|Z2| > b and |Z1| <= b) for standard normals correlated ``rho``, per pair.

    One-dimensional quadrature over Z1 of the conditional normal tails.
    """
    nodes, weights = np.polynomial.legendre.leggauss(96)
    # Nearly all of the mass lies just inside +b when rho is near 1: substitute to resolve it.
    spread = np.sqrt(np.maximum(1 - rho**2, 1e-300))
    reach = np.minimum(2 * b, 12 * spread)
    depth = reach[:, None] * (nodes + 1) / 2
    z = b - depth
    tails = special.ndtr((rho[:, None] * z - b) / spread[:, None])
    tails += special.ndtr((-b - rho[:, None] * z) / spread[:, None])
    inside = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * tails
    both = np.where(reach < 2 * b, 2.0, 1.0)  # the other end by symmetry
    return both * reach / 2 * (inside @ weights)


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


def _permutation_p(
    residuals: FloatArray,
    candidates: _Candidates,
    largest: float,
    rng: np.random.Generator,
    permutations: int,
) -> float:
    beyond = 0
    for _ in range(permutations):
        z = _standardised(rng.permutation(residuals), candidates.size)
        beyond += bool(np.max(np.abs(z)) >= largest - 1e-12)
    return (beyond + 1) / (permutations + 1)


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
