"""Weighted least squares with a block jackknife, in one pass over the rows.

Neighbouring variants are in linkage disequilibrium, so their residuals are not
independent. Leaving out whole blocks of neighbours, one at a time, gives
standard errors that hold nevertheless.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NORMAL_975 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Estimate:
    """One number with its standard error.

    Attributes
    ----------
    estimate, standard_error
        The number and its standard error; NaN where it is not defined.
    """

    estimate: float
    standard_error: float

    @property
    def ci(self) -> tuple[float, float]:
        """95 % limits of the normal approximation."""
        half = _NORMAL_975 * self.standard_error
        return (self.estimate - half, self.estimate + half)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided normal p-value against ``null``; NaN where there is no standard error."""
        if not self.standard_error > 0:
            return float("nan")
        return math.erfc(abs(self.estimate - null) / self.standard_error / math.sqrt(2))


@dataclass(frozen=True)
class Jackknifed:
    """Estimates on all rows, and without each block in turn.

    Attributes
    ----------
    estimate
        Shape (k,).
    deleted
        Shape (blocks, k): row b is the estimate without block b.
    """

    estimate: FloatArray
    deleted: FloatArray

    def covariance(self) -> FloatArray:
        """Return the covariance of the estimates, (k, k): the spread of the pseudovalues."""
        blocks = self.deleted.shape[0]
        pseudovalues = blocks * self.estimate - (blocks - 1) * self.deleted
        return np.atleast_2d(np.cov(pseudovalues.T, ddof=1)) / blocks

    def of(self, column: int) -> Estimate:
        """Return the estimate of one column with its standard error."""
        variance = self.covariance()[column, column]
        return Estimate(float(self.estimate[column]), float(np.sqrt(variance)))


def block_edges(rows: int, blocks: int) -> IntArray:
    """Edges of ``blocks`` blocks of neighbouring rows, shape (blocks + 1,), none empty.

    Raises
    ------
    GeneticsError
        SC-556 for fewer than two rows or blocks.
    """
    used = min(blocks, rows)
    if used < 2:
        raise error("SC-556", expected="two blocks of variants", got=f"{rows} variants")
    return np.floor(np.linspace(0, rows, used + 1)).astype(np.int64)


def jackknife_mean(values: FloatArray, *, blocks: int = 200) -> Estimate:
    """Mean of neighbouring values, shape (n,), with its block-jackknife standard error."""
    edges = block_edges(values.size, blocks)
    return jackknife_least_squares(np.ones((values.size, 1)), values, edges=edges).of(0)


def jackknife_least_squares(x: FloatArray, y: FloatArray, *, edges: IntArray) -> Jackknifed:
    """Ordinary least squares of ``y`` on ``x``, whole and without each block.

    The normal equations of every block are summed once, so that the cost is
    that of one regression.

    Parameters
    ----------
    x, y
        Shapes (n, k) and (n,).
    edges
        Edges of the blocks, shape (blocks + 1,).

    Raises
    ------
    GeneticsError
        SC-556 where the columns are collinear, e.g. LD scores that do not vary.
    """
    k = x.shape[1]
    rows = np.column_stack([x, y])
    products = np.stack([rows[a:b].T @ rows[a:b] for a, b in pairwise(edges)])
    total = products.sum(axis=0)
    _require_rank(total[:k, :k])
    without = total - products
    try:
        whole = np.linalg.solve(total[:k, :k], total[:k, k])
        deleted = np.linalg.solve(without[:, :k, :k], without[:, :k, k:])[..., 0]
    except np.linalg.LinAlgError:
        raise _collinear() from None
    return Jackknifed(whole, deleted)


def _require_rank(gram: FloatArray) -> None:
    scale = np.sqrt(np.diag(gram))
    if not np.all(scale > 0) or np.linalg.cond(gram / np.outer(scale, scale)) > 1e12:
        raise _collinear()


def _collinear() -> Exception:
    return error("SC-556", expected="LD scores that vary", got="collinear columns")


def reweighted_least_squares(
    x: FloatArray,
    y: FloatArray,
    *,
    weights: FloatArray,
    update: Callable[[FloatArray], FloatArray],
    edges: IntArray,
    rounds: int = 2,
) -> Jackknifed:
    """Weighted least squares whose weights depend on the coefficients, then the jackknife.

    Parameters
    ----------
    x, y
        Shapes (n, k) and (n,).
    weights
        First weights (reciprocal variances), shape (n,), positive.
    update
        Gives the weights that belong to coefficients of shape (k,).
    edges
        Edges of the jackknife's blocks.
    rounds
        How often the weights are updated. Two is what the field's reference
        implementation does; the jackknife keeps the last weights.
    """
    for _ in range(rounds):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)
        weights = update(np.asarray(solution[0], dtype=np.float64))
    root = np.sqrt(weights)
    root = root / root.sum()  # keeps the normal equations near 1 whatever the sample size
    return jackknife_least_squares(x * root[:, None], y * root, edges=edges)
