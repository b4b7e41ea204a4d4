"""Compiled sums behind the Cox likelihood: one pass over people, no array of people x covariates.

Each returns moments: the sum of the weights, then that of weight times each covariate.
"""

from __future__ import annotations

import numba
import numpy as np

from spinecast.outcomes.inputs import FloatArray, IntArray


@numba.njit(cache=True)
def running_moments(
    x: FloatArray, weight: FloatArray, order: IntArray, marks: IntArray
) -> FloatArray:
    """Return moments (m, 1 + p) of the first ``marks`` people of ``order``; marks ascend."""
    width = x.shape[1]
    sums = np.zeros(1 + width)
    found = np.empty((marks.size, 1 + width))
    placed = 0
    for mark in range(marks.size):
        while placed < marks[mark]:
            row = order[placed]
            sums[0] += weight[row]
            for column in range(width):
                sums[1 + column] += weight[row] * x[row, column]
            placed += 1
        found[mark] = sums
    return found


@numba.njit(cache=True)
def group_moments(
    x: FloatArray, weight: FloatArray, rows: IntArray, group: IntArray, groups: int
) -> FloatArray:
    """Return moments (groups, 1 + p) of ``rows`` by the group of each."""
    found = np.zeros((groups, 1 + x.shape[1]))
    for place in range(rows.size):
        row, into = rows[place], group[place]
        found[into, 0] += weight[row]
        for column in range(x.shape[1]):
            found[into, 1 + column] += weight[row] * x[row, column]
    return found


@numba.njit(cache=True, error_model="numpy")
def term_means(
    at_risk: FloatArray, dying: FloatArray, group: IntArray, fraction: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return each term's denominator (t,) and mean (t, p), a fraction of the dying taken away."""
    denominator = np.empty(group.size)
    mean = np.empty((group.size, at_risk.shape[1] - 1))
    for term in range(group.size):
        row = group[term]
        denominator[term] = at_risk[row, 0] - fraction[term] * dying[row, 0]
        for column in range(mean.shape[1]):
            rest = at_risk[row, 1 + column] - fraction[term] * dying[row, 1 + column]
            mean[term, column] = rest / denominator[term]
    return denominator, mean
