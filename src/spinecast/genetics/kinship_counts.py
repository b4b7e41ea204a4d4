"""Compiled: counts of genotype pairs between samples, by bits."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.genetics.bit_counts import popcount
from spinecast.genetics.hard_calls import Words

# Words of a row counted before the next pair: 128 rows of two planes stay in the cache.
_CHUNK = 256
_TILE = 64


@numba.njit(cache=True, nogil=True)
def pair_counts(
    homozygous: Words, carries: Words, rows: NDArray[np.int64], first: int
) -> NDArray[np.int64]:
    """Count genotype pairs of ``rows`` with every sample from ``first`` on.

    Parameters
    ----------
    homozygous, carries
        Planes with a sample a row, (n, words).
    rows
        Samples, (r,).
    first
        The first sample of the columns.

    Returns
    -------
    int64 array
        (4, r, n - first): both heterozygous; homozygous for different alleles; row
        heterozygous and column homozygous; the reverse.
    """
    n, words = homozygous.shape
    counts = np.zeros((4, rows.size, n - first), dtype=np.int64)
    for start in range(0, words, _CHUNK):
        stop = min(words, start + _CHUNK)
        for tile in range(first, n, _TILE):
            for r in range(rows.size):
                same, effect = homozygous[rows[r], start:stop], carries[rows[r], start:stop]
                for column in range(tile, min(n, tile + _TILE)):
                    other, other_effect = (
                        homozygous[column, start:stop],
                        carries[column, start:stop],
                    )
                    both, opposite, row_only, column_only = 0, 0, 0, 0
                    for k in range(stop - start):
                        het = effect[k] & ~same[k]
                        other_het = other_effect[k] & ~other[k]
                        both += popcount(het & other_het)
                        opposite += popcount(same[k] & other[k] & (effect[k] ^ other_effect[k]))
                        row_only += popcount(het & other[k])
                        column_only += popcount(same[k] & other_het)
                    counts[0, r, column - first] += both
                    counts[1, r, column - first] += opposite
                    counts[2, r, column - first] += row_only
                    counts[3, r, column - first] += column_only
    return counts


@numba.njit(cache=True, nogil=True)
def homozygous_pairs(homozygous: Words, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at how many variants both samples of each pair (m, 2) are homozygous."""
    counts = np.zeros(pairs.shape[0], dtype=np.int64)
    for m in range(pairs.shape[0]):
        for k in range(homozygous.shape[1]):
            counts[m] += popcount(homozygous[pairs[m, 0], k] & homozygous[pairs[m, 1], k])
    return counts
