"""The regression behind LD score regression: two steps, reweighted, jackknifed in blocks.

What is regressed is y = chi-square or a product of two z-scores, on sample size
times LD score. Columns of every result: total (heritability or genetic
covariance), then the intercept where it is free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.genetics.block_jackknife import (
    FloatArray,
    IntArray,
    Jackknifed,
    block_edges,
    reweighted_least_squares,
)

_ALL = slice(None)


@dataclass(frozen=True)
class Design:
    """One trait's variants.

    Attributes
    ----------
    z, n, ld, weight_ld
        z-score, sample size, LD score and LD score for weighting, each (v,).
    m
        Number of variants the LD scores sum over.
    """

    z: FloatArray
    n: FloatArray
    ld: FloatArray
    weight_ld: FloatArray
    m: float

    @property
    def chi_square(self) -> FloatArray:
        """Squared z-scores."""
        return self.z**2

    def kept(self, rows: Any) -> Design:
        """Return the variants in ``rows`` only."""
        return Design(self.z[rows], self.n[rows], self.ld[rows], self.weight_ld[rows], self.m)


@dataclass(frozen=True)
class Belief:
    """What the weights are computed from: a fitted line on some of the variants."""

    ld: FloatArray
    total: float
    intercept: float
    rows: Any


@dataclass(frozen=True)
class Regression:
    """One regression on LD scores.

    Attributes
    ----------
    y, n
        Response and sample size (of two traits: root of the product), each (v,).
    design
        Where LD scores and m come from.
    weights
        Reciprocal variances of y under a belief.
    null
        Intercept without confounding or sample overlap.
    blocks
        Blocks of the jackknife.
    """

    y: FloatArray
    n: FloatArray
    design: Design
    weights: Callable[[Belief], FloatArray]
    null: float
    blocks: int

    def __post_init__(self) -> None:
        if self.y.size < 3:
            raise error("SC-556", expected="at least three variants", got=f"{self.y.size}")

    def at_once(self) -> Jackknifed:
        """Fit slope and intercept together on all variants."""
        return self._in_totals(self._free(_ALL))

    def with_intercept(self, intercept: float) -> Jackknifed:
        """Fit the slope alone above a fixed intercept."""
        edges = block_edges(self.y.size, self.blocks)
        return self._in_totals(self._fixed(intercept, edges, start_at=intercept))

    def in_two_steps(self, first_rows: IntArray) -> Jackknifed:
        """Fit the intercept on ``first_rows``, then the slope on all variants.

        A slope without a block also feels that the intercept was fitted without
        it: to first order by minus the weighted mean of x over that of x squared.
        """
        first = self._free(first_rows)
        inner = first_rows[block_edges(first_rows.size, self.blocks)[1:-1]]
        edges = np.concatenate([[0], inner, [self.y.size]]).astype(np.int64)
        second = self._fixed(float(first.estimate[1]), edges, start_at=self.null)
        weights = self._first_weights(self.null)
        pull = float(weights @ self._x) / float(weights @ self._x**2)
        shift = first.deleted[:, 1] - first.estimate[1]
        return self._in_totals(
            Jackknifed(
                np.array([second.estimate[0], first.estimate[1]]),
                np.column_stack([second.deleted[:, 0] - pull * shift, first.deleted[:, 1]]),
            )
        )

    @property
    def _x(self) -> FloatArray:
        # sample sizes relative to their mean keep the normal equations well conditioned
        return self.n * self.design.ld / self.n.mean()

    @property
    def _total_of_slope(self) -> float:
        return self.design.m / float(self.n.mean())

    def _in_totals(self, fitted: Jackknifed) -> Jackknifed:
        scale = np.array([self._total_of_slope, 1.0])[: fitted.estimate.size]
        return Jackknifed(fitted.estimate * scale, fitted.deleted * scale)

    def _first_weights(self, intercept: float) -> FloatArray:
        tagged = float(np.mean(self.design.ld * self.n))
        if not tagged > 0:
            raise error("SC-556", expected="positive LD scores", got=f"a mean of {tagged:g}")
        total = self.design.m * (float(self.y.mean()) - intercept) / tagged
        return self.weights(Belief(self.design.ld, total, intercept, _ALL))

    def _free(self, rows: Any) -> Jackknifed:
        x = self._x[rows]
        # In a first step the reference implementation weighs by scaled LD scores; so do we,
        # so that its numbers are ours where sample sizes vary between variants.
        ld = self.design.ld if isinstance(rows, slice) else x
        return reweighted_least_squares(
            np.column_stack([x, np.ones(x.size)]),
            self.y[rows],
            weights=self._first_weights(self.null)[rows],
            update=lambda c: self._updated(ld, float(c[0]), intercept=float(c[1]), rows=rows),
            edges=block_edges(x.size, self.blocks),
        )

    def _fixed(self, intercept: float, edges: IntArray, *, start_at: float) -> Jackknifed:
        ld = self.design.ld
        return reweighted_least_squares(
            self._x[:, None],
            self.y - intercept,
            weights=self._first_weights(start_at),
            update=lambda c: self._updated(ld, float(c[0]), intercept=intercept, rows=_ALL),
            edges=edges,
        )

    def _updated(self, ld: FloatArray, slope: float, *, intercept: float, rows: Any) -> FloatArray:
        return self.weights(Belief(ld, slope * self._total_of_slope, intercept, rows))


def chi_square_weights(design: Design, belief: Belief) -> FloatArray:
    """Return reciprocal variances of chi-squares, divided by how often each signal is counted."""
    rows = belief.rows
    h2 = min(max(belief.total, 0.0), 1.0)
    expected = belief.intercept + h2 * design.n[rows] / design.m * _at_least_one(belief.ld)
    return _reciprocal(2 * expected**2 * _at_least_one(design.weight_ld[rows]))


@dataclass(frozen=True)
class ProductWeights:
    """Reciprocal variances of products of two z-scores.

    Attributes
    ----------
    traits
        Both traits on the same variants.
    h2, intercepts
        Their heritabilities and intercepts, fitted before.
    """

    traits: tuple[Design, Design]
    h2: tuple[float, float]
    intercepts: tuple[float, float]

    def __call__(self, belief: Belief) -> FloatArray:
        """Return the weights under a belief about the genetic covariance, shape (rows,)."""
        ld, rows = _at_least_one(belief.ld), belief.rows
        expected = [
            min(max(h2, 0.0), 1.0) * trait.n[rows] * ld / trait.m + intercept
            for trait, h2, intercept in zip(self.traits, self.h2, self.intercepts, strict=True)
        ]
        one, two = self.traits
        covariance = min(max(belief.total, -1.0), 1.0)
        both = np.sqrt(one.n[rows] * two.n[rows]) * covariance * ld / one.m + belief.intercept
        variance = expected[0] * expected[1] + both**2
        return _reciprocal(variance * _at_least_one(one.weight_ld[rows]))


def _at_least_one(ld: FloatArray) -> FloatArray:
    return np.maximum(ld, 1.0)


def _reciprocal(variance: FloatArray) -> FloatArray:
    if not np.all(variance > 0):
        raise error("SC-556", expected="chi-squares that grow with LD scores from a positive start",
                    got="a fitted variance of zero or less")  # fmt: skip
    return 1.0 / variance
