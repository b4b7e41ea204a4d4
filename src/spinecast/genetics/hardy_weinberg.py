"""Exact test of Hardy-Weinberg equilibrium, with mid-p."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

# Two configurations whose probabilities agree to this are tied.
_TIE = 1e-11
# Probability over the observed one below which the falling rest of a side is left out.
_NEGLIGIBLE = 1e-18
# Where all others are so much more likely than the observed one, p is told as 0.
_UNLIKELY = 1e300


@numba.njit(cache=True, nogil=True)
def _side(het: int, rare: int, common: int, step: int) -> tuple[float, float]:
    """Sum over configurations on one side of the observed, relative to its probability.

    Returns all of them, and those at most as likely with ties counted half.
    """
    weight, total, tail = 1.0, 0.0, 0.0
    while True:
        if step > 0:
            if rare == 0 or common == 0:
                break
            ratio = 4.0 * rare * common / ((het + 2.0) * (het + 1.0))
        else:
            if het < 2:
                break
            ratio = het * (het - 1.0) / (4.0 * (rare + 1.0) * (common + 1.0))
        weight *= ratio
        het += 2 * step
        rare -= step
        common -= step
        total += weight
        if weight < 1.0 - _TIE:
            tail += weight
        elif weight <= 1.0 + _TIE:
            tail += 0.5 * weight
        if total > _UNLIKELY or (ratio < 1.0 and weight < _NEGLIGIBLE):
            break
    return total, tail


@numba.njit(cache=True, nogil=True)
def _mid_p(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    p = np.full(counts.shape[0], np.nan)
    for v in range(counts.shape[0]):
        two, one, none = counts[v, 0], counts[v, 1], counts[v, 2]
        if two + one + none == 0:
            continue
        more, more_tail = _side(one, two, none, 1)
        fewer, fewer_tail = _side(one, two, none, -1)
        total = 1.0 + more + fewer
        p[v] = (0.5 + more_tail + fewer_tail) / total if total < _UNLIKELY else 0.0
    return p


def hardy_weinberg_mid_p(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mid-p value of the exact test per variant.

    Given the alleles, the number of heterozygotes has a known distribution; p sums the
    probabilities of all numbers less likely than the observed one and half of those as likely
    (Wigginton 2005; Graffelman and Moreno 2013). It equals PLINK's ``--hardy midp``. In a
    mixture of ancestries it is small for good variants too.

    Parameters
    ----------
    counts
        Samples with two, one, no effect alleles, (v, 3) or more columns.

    Returns
    -------
    float64 array
        (v,); 0 below about 1e-300, NaN where nobody has a call.
    """
    return _mid_p(np.ascontiguousarray(counts[:, :3], dtype=np.int64))
