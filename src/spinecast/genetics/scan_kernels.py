"""Compiled: from products of genotypes with traits and covariates to association statistics."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.genetics.tails import student_log10_p

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def centre_rows(dosages: NDArray[np.float32], tile: Floats, mean: Floats, squares: Floats) -> None:
    """Write dosages minus their mean in double precision, missing as 0, and sums of squares."""
    n = dosages.shape[1]
    for v in range(dosages.shape[0]):
        total = 0.0
        known = 0
        for s in range(n):
            value = dosages[v, s]
            if not math.isnan(value):
                total += value
                known += 1
        centre = total / known if known else math.nan
        square = 0.0
        for s in range(n):
            value = dosages[v, s]
            deviation = 0.0 if math.isnan(value) else value - centre
            tile[v, s] = deviation
            square += deviation * deviation
        mean[v] = centre
        squares[v] = square


@numba.njit(cache=True, nogil=True)
def left_over(products: NDArray[Any], squares: Floats, first: int, k: int, rest: Floats) -> None:
    """Write the sum of squares of each variant that the basis (k columns from first) leaves."""
    for v in range(products.shape[0]):
        explained = 0.0
        for a in range(first, first + k):
            value = float(products[v, a])
            explained += value * value
        rest[v] = squares[v] - explained


@numba.njit(cache=True, nogil=True)
def statistics(
    score: NDArray[Any],
    trait_squares: Floats,
    scale: Floats,
    rest: Floats,
    least: Floats,
    degrees: Floats,
    rows: Integers,
    beta: Floats,
    standard_error: Floats,
    log10_p: Floats,
) -> None:
    """Write beta, its error and -log10 p of every trait (v, t) into ``rows`` of (traits, v).

    ``score`` is variant times residualised trait, ``trait_squares`` the traits' sums of squares
    (v, t), ``rest`` the variants'; a variant with less than ``least`` of its own gives NaN.
    """
    for v in range(score.shape[0]):
        usable = rest[v] > least[v] and degrees[v] > 0
        for c in range(score.shape[1]):
            row = rows[c]
            if not usable:
                beta[row, v] = math.nan
                standard_error[row, v] = math.nan
                log10_p[row, v] = math.nan
                continue
            value = float(score[v, c])
            effect = value / rest[v]
            residual = max(trait_squares[v, c] - value * effect, 0.0)
            error = math.sqrt(residual / (degrees[v] * rest[v]))
            beta[row, v] = effect * scale[c]
            standard_error[row, v] = error * scale[c]
            ratio = effect / error if error > 0 else math.inf
            log10_p[row, v] = student_log10_p(ratio, degrees[v])


@numba.njit(cache=True, nogil=True)
def without_missing(
    products: Floats,
    squares: Floats,
    starts: Integers,
    places: Integers,
    table: Floats,
    mask: NDArray[np.bool_],
    first: int,
    k: int,
    score: Floats,
    trait_squares: Floats,
    rest: Floats,
    used: Integers,
) -> None:
    """Take the people whose genotype is missing out of every sum, exactly.

    ``table`` (n, columns) holds the basis Q from column ``first`` and behind it the traits Y;
    ``places[starts[v] : starts[v + 1]]`` are the people Z without genotype v. With
    A = I - Q_Z' Q_Z = L L', the sums over the others are those over all, less what L^-1 leaves.
    ``trait_squares`` enters as the sums over all, ``used`` as their number.
    """
    t = score.shape[1]
    traits = first + k
    for v in range(products.shape[0]):
        for c in range(t):
            score[v, c] = products[v, traits + c]
        rest[v] = squares[v]
        gram = np.eye(k)
        cross = np.zeros((k, t))
        own = places[starts[v] : starts[v + 1]]
        absent = _take_out(own, mask, table[:, first:], gram, cross, trait_squares[v])
        used[v] -= absent
        if absent and not factorise(gram, k):
            rest[v] = math.nan
            continue
        if absent:
            _project(products[v, first:traits], gram, cross, score[v], trait_squares[v])
        for a in range(k):
            rest[v] -= products[v, first + a] * products[v, first + a]


@numba.njit(cache=True, nogil=True)
def _take_out(
    people: Integers,
    mask: NDArray[np.bool_],
    table: Floats,
    gram: Floats,
    cross: Floats,
    trait_squares: Floats,
) -> int:
    """Subtract the people's products of basis, basis with traits, traits; return their number."""
    k, t = cross.shape
    absent = 0
    for i in people:
        if not mask[i]:
            continue
        absent += 1
        for a in range(k):
            weight = table[i, a]
            for b in range(a + 1):
                gram[a, b] -= weight * table[i, b]
            for c in range(t):
                cross[a, c] -= weight * table[i, k + c]
        for c in range(t):
            trait_squares[c] -= table[i, k + c] * table[i, k + c]
    return absent


@numba.njit(cache=True, nogil=True)
def factorise(gram: Floats, k: int) -> bool:
    """Cholesky factor of the lower triangle in place; False where the matrix is singular."""
    for a in range(k):
        for b in range(a + 1):
            value = gram[a, b]
            for c in range(b):
                value -= gram[a, c] * gram[b, c]
            if a == b:
                if value < 1e-9:
                    return False
                gram[a, a] = math.sqrt(value)
            else:
                gram[a, b] = value / gram[b, b]
    return True


@numba.njit(cache=True, nogil=True)
def _project(
    variant: Floats,
    factor: Floats,
    cross: Floats,
    score: Floats,
    trait_squares: Floats,
) -> None:
    """Solve L u = q'g in place and take u'(L^-1 q'y) out of scores, |L^-1 q'y|^2 out of squares."""
    k, t = cross.shape
    for a in range(k):
        for b in range(a):
            variant[a] -= factor[a, b] * variant[b]
            for c in range(t):
                cross[a, c] -= factor[a, b] * cross[b, c]
        variant[a] /= factor[a, a]
        for c in range(t):
            cross[a, c] /= factor[a, a]
            score[c] -= variant[a] * cross[a, c]
            trait_squares[c] -= cross[a, c] * cross[a, c]
