"""Compiled: linkage of two variants from bits, and the walk of a pruning window."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.genetics.bit_counts import popcount
from spinecast.genetics.hard_calls import Words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# PLINK's tolerance of comparisons: 2^-44.
SMALL = 2.0**-44


@numba.njit(cache=True, nogil=True)
def _product(same: Words, effect: Words, other: Words, other_effect: Words) -> int:
    """Return the sum of products: those homozygous at both, minus twice those unlike."""
    both, unlike = 0, 0
    for k in range(same.size):
        pair = same[k] & other[k]
        both += popcount(pair)
        unlike += popcount(pair & (effect[k] ^ other_effect[k]))
    return both - 2 * unlike


@numba.njit(cache=True, nogil=True)
def _one_sided(
    same: Words, effect: Words, other: Words, other_effect: Words
) -> tuple[int, int, int]:
    """Return n, sum and sum of squares of the first variant where the second is called too."""
    n, plus, homozygous = 0, 0, 0
    for k in range(same.size):
        called = other[k] | other_effect[k]
        n += popcount((same[k] | effect[k]) & called)
        homozygous += popcount(same[k] & called)
        plus += popcount(same[k] & effect[k] & called)
    return n, 2 * plus - homozygous, homozygous


@numba.njit(cache=True, nogil=True)
def correlation_parts(
    homozygous: Words, carries: Words, i: int, j: int
) -> tuple[float, float, float]:
    """Return n^2 times covariance and variances of two variants over samples called in both.

    Genotypes are coded -1, 0, 1; the three numbers are whole and exact.
    """
    same, effect = homozygous[i], carries[i]
    other, other_effect = homozygous[j], carries[j]
    product = _product(same, effect, other, other_effect)
    n, sum_i, square_i = _one_sided(same, effect, other, other_effect)
    _, sum_j, square_j = _one_sided(other, other_effect, same, effect)
    covariance = float(n * product - sum_i * sum_j)
    return covariance, float(n * square_i - sum_i**2), float(n * square_j - sum_j**2)


@numba.njit(cache=True, nogil=True)
def complete_parts(
    homozygous: Words, carries: Words, sums: Ints, i: int, j: int
) -> tuple[float, float, float]:
    """Return :func:`correlation_parts` of two variants that everybody is called at.

    ``sums`` holds n, sum and sum of squares per variant, (v, 3).
    """
    n = sums[i, 0]
    product = _product(homozygous[i], carries[i], homozygous[j], carries[j])
    covariance = float(n * product - sums[i, 1] * sums[j, 1])
    variance_i = float(n * sums[i, 2] - sums[i, 1] ** 2)
    return covariance, variance_i, float(n * sums[j, 2] - sums[j, 1] ** 2)


@numba.njit(cache=True, nogil=True)
def genotype_r2(homozygous: Words, carries: Words, i: int, others: Ints) -> Floats:
    """Return r-square of allele counts of variant ``i`` with others; NaN where constant."""
    found = np.full(others.size, math.nan)
    for k in range(others.size):
        covariance, first, second = correlation_parts(homozygous, carries, i, others[k])
        if first > 0.0 and second > 0.0:
            found[k] = (covariance / first) * (covariance / second)
    return found


@numba.njit(cache=True, nogil=True)
def prune_windows(
    homozygous: Words,
    carries: Words,
    width: int,
    sums: Ints,
    major: Floats,
    windows: Ints,
    limit: float,
    removed: NDArray[np.bool_],
    unchecked: Ints,
) -> None:
    """Walk over ``windows`` (w, 2) as PLINK 1.9 does and mark what goes.

    Of a pair above ``limit`` the variant with the more frequent major allele goes, of equals
    the later one; a variant's pairs are looked at in order, one removal at a time, until a
    whole pass over the window removes nothing. ``unchecked`` is where each goes on.
    """
    for w in range(windows.shape[0]):
        start, stop = windows[w, 0], windows[w, 1]
        changed = True
        while changed:
            changed = False
            for i in range(start, stop):
                if removed[i]:
                    continue
                at = stop
                for j in range(max(unchecked[i], i + 1), stop):
                    if removed[j]:
                        continue
                    if sums[i, 0] == width and sums[j, 0] == width:
                        parts = complete_parts(homozygous, carries, sums, i, j)
                    else:
                        parts = correlation_parts(homozygous, carries, i, j)
                    if parts[0] * parts[0] > limit * parts[1] * parts[2]:
                        changed = True
                        if major[i] > major[j] * (1.0 + SMALL):
                            removed[i] = True
                        else:
                            removed[j] = True
                        at = j + 1
                        break
                unchecked[i] = max(unchecked[i], at)


@numba.njit(cache=True, nogil=True)
def pair_table(homozygous: Words, carries: Words, i: int, j: int) -> Ints:
    """Count samples by their genotypes at two variants, (3, 3): two, one, no effect alleles."""
    table = np.zeros((3, 3), dtype=np.int64)
    for k in range(homozygous.shape[1]):
        same, effect = homozygous[i, k], carries[i, k]
        other, other_effect = homozygous[j, k], carries[j, k]
        first = (same & effect, effect & ~same, same & ~effect)
        second = (other & other_effect, other_effect & ~other, other & ~other_effect)
        for a in range(3):
            for b in range(3):
                table[a, b] += popcount(first[a] & second[b])
    return table


@numba.njit(cache=True, nogil=True)
def haplotype_r2(table: Ints) -> float:
    """Return r-square of the haplotypes most likely behind genotype counts (3, 3).

    Only those heterozygous twice have an unknown phase. The likelihood of the share of
    haplotypes with both effect alleles is stationary at the roots of a cubic; the most
    likely root is taken. NaN where a variant does not vary.
    """
    known = 2.0 * table[0, 0] + table[0, 1] + table[1, 0]
    first = 2.0 * table[0].sum() + table[1].sum()
    second = 2.0 * table[:, 0].sum() + table[:, 1].sum()
    total, unknown = 2.0 * table.sum(), float(table[1, 1])
    if total == 0.0 or min(first, total - first) == 0.0 or min(second, total - second) == 0.0:
        return math.nan
    best, share = -math.inf, 0.0
    for root in _stationary(known, unknown, first, second, total):
        likelihood = _log_likelihood(root, known, unknown, first, second, total)
        if likelihood > best:
            best, share = likelihood, root
    p, q = first / total, second / total
    d = share / total - p * q
    return d * d / (p * (1.0 - p) * q * (1.0 - q))


@numba.njit(cache=True, nogil=True)
def haplotype_r2_with(homozygous: Words, carries: Words, i: int, others: Ints) -> Floats:
    """Return :func:`haplotype_r2` of variant ``i`` with others."""
    found = np.empty(others.size)
    for k in range(others.size):
        found[k] = haplotype_r2(pair_table(homozygous, carries, i, others[k]))
    return found


@numba.njit(cache=True, nogil=True)
def _cells(
    x: float, first: float, second: float, total: float
) -> tuple[float, float, float, float]:
    return x, first - x, second - x, total - first - second + x


@numba.njit(cache=True, nogil=True)
def _log_likelihood(
    x: float, known: float, unknown: float, first: float, second: float, total: float
) -> float:
    """Return the log likelihood of ``x`` haplotypes with both effect alleles."""
    cells = _cells(x, first, second, total)
    counts = _cells(known, first - unknown, second - unknown, total - 2.0 * unknown)
    value = 0.0
    for k in range(4):
        if counts[k] > 0.0:
            if cells[k] <= 0.0:
                return -math.inf
            value += counts[k] * math.log(cells[k])
    if unknown > 0.0:
        mixed = cells[0] * cells[3] + cells[1] * cells[2]
        if mixed <= 0.0:
            return -math.inf
        value += unknown * math.log(mixed)
    return value


@numba.njit(cache=True, nogil=True)
def _stationary(known: float, unknown: float, first: float, second: float, total: float) -> Floats:
    """Return haplotype counts at which the step of expectation-maximisation rests.

    x = known + unknown s(x), s the share of double heterozygotes in coupling: bisected
    between changes of sign on a grid, because up to three such x exist.
    """
    low, high = known, known + unknown
    found = np.empty(33)
    found[0], found[1] = low, high
    size = 2
    steps = 30
    previous = _excess(low, known, unknown, first, second, total)
    for k in range(1, steps + 1):
        x = low + (high - low) * k / steps
        here = _excess(x, known, unknown, first, second, total)
        if previous * here <= 0.0:
            left, right, sign = low + (high - low) * (k - 1) / steps, x, previous
            for _ in range(60):
                middle = 0.5 * (left + right)
                value = _excess(middle, known, unknown, first, second, total)
                if value * sign > 0.0:
                    left = middle
                else:
                    right = middle
            found[size] = 0.5 * (left + right)
            size += 1
        previous = here
    return found[:size]


@numba.njit(cache=True, nogil=True)
def _excess(
    x: float, known: float, unknown: float, first: float, second: float, total: float
) -> float:
    both, one, other, neither = _cells(x, first, second, total)
    coupling, repulsion = both * neither, one * other
    if coupling + repulsion <= 0.0:
        return 0.0
    return known + unknown * coupling / (coupling + repulsion) - x
