"""Compiled: prefix sums over ranks that are put in one by one."""

from __future__ import annotations

import numba
import numpy as np

from spinecast.outcomes.inputs import FloatArray, IntArray


@numba.njit(cache=True)
def sums_below(
    ranks: IntArray,
    weights: FloatArray,
    order: IntArray,
    prefix: IntArray,
    threshold: IntArray,
    ceiling: int,
) -> FloatArray:
    """Return per query the weight among the first ``prefix`` ranks that is below ``threshold``.

    Queries are answered in ``order``, by growing prefix: n log n steps and one array of sums.
    """
    tree = np.zeros(ceiling + 1)
    total = np.empty(order.size)
    placed = 0
    for query in order:
        while placed < prefix[query]:
            slot = ranks[placed] + 1
            while slot <= ceiling:
                tree[slot] += weights[placed]
                slot += slot & -slot
            placed += 1
        slot = min(threshold[query], ceiling)
        found = 0.0
        while slot > 0:
            found += tree[slot]
            slot -= slot & -slot
        total[query] = found
    return total
