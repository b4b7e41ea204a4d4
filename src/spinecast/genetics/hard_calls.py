"""Hard calls of chosen samples: in 2-bit codes, and as planes of bits that are counted fast.

Two bits say all of a genotype: whether it is homozygous, and whether it carries the effect
allele. Two effect alleles are both, none is only homozygous, one only carries, and a missing
call is neither. So every statistic of pairs (kinship, linkage) is a count of bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.genotypes.decode import select_samples, to_packed
from spinecast.genotypes.genotypes import Dosages, Genotypes, PackedCalls, Places

Words = NDArray[np.uint64]

# A dosage further than this from 0, 1 and 2 is no call (PLINK's --hard-call-threshold).
HARD_CALL_THRESHOLD = 0.1
_SAMPLES_PER_WORD = 64


@dataclass(frozen=True)
class BitPlanes:
    """Genotypes as two bits in two planes.

    Parameters
    ----------
    homozygous
        Whether both alleles are the same, (rows, words); bit b of word w is entry 64 w + b.
    carries
        Whether there is an effect allele, (rows, words).
    width
        How many entries a row has; the bits behind them are 0, as in missing calls.
    """

    homozygous: Words
    carries: Words
    width: int

    def transposed(self) -> BitPlanes:
        """Return the planes with rows and entries exchanged: variants a row to samples a row."""
        rows = self.homozygous.shape[0]
        return BitPlanes(
            _transpose(self.homozygous, self.width), _transpose(self.carries, self.width), rows
        )


def _planes_of_bytes() -> NDArray[np.uint8]:
    """Return per byte of four codes its bits of ``homozygous`` (low) and ``carries`` (high)."""
    table = np.zeros(256, dtype=np.uint8)
    for k in range(4):
        code = (np.arange(256) >> (2 * k)) & 3
        table |= (np.isin(code, (0, 3)).astype(np.uint8) << k).astype(np.uint8)
        table |= (np.isin(code, (0, 2)).astype(np.uint8) << (4 + k)).astype(np.uint8)
    return table


_PLANES = _planes_of_bytes()


@numba.njit(cache=True, nogil=True)
def _split(packed: PackedCalls, n: int, homozygous: Words, carries: Words) -> None:
    bytes_a_row = (n + 3) // 4
    last = n - 64 * (homozygous.shape[1] - 1)
    kept = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - last)
    for v in range(packed.shape[0]):
        for word in range(homozygous.shape[1]):
            same, effect = np.uint64(0), np.uint64(0)
            for k in range(min(16, bytes_a_row - 16 * word)):
                both = np.uint64(_PLANES[packed[v, 16 * word + k]])
                same |= (both & np.uint64(15)) << np.uint64(4 * k)
                effect |= (both >> np.uint64(4)) << np.uint64(4 * k)
            homozygous[v, word] = same
            carries[v, word] = effect
        homozygous[v, homozygous.shape[1] - 1] &= kept
        carries[v, homozygous.shape[1] - 1] &= kept


@numba.njit(cache=True, nogil=True)
def _transpose_square(square: Words) -> None:
    """Exchange rows and bits of 64 words: halves, quarters, ... of blocks change places."""
    span = 32
    mask = np.uint64(0x00000000FFFFFFFF)
    while span:
        shift = np.uint64(span)
        k = 0
        while k < 64:
            swap = ((square[k] >> shift) ^ square[k + span]) & mask
            square[k] ^= swap << shift
            square[k + span] ^= swap
            k = (k + span + 1) & ~span
        span >>= 1
        mask ^= mask << np.uint64(span)


@numba.njit(cache=True, nogil=True)
def _transpose(plane: Words, width: int) -> Words:
    rows = plane.shape[0]
    words = (rows + 63) // 64
    out = np.zeros((width, words), dtype=np.uint64)
    square = np.empty(64, dtype=np.uint64)
    for word in range(words):
        held = min(64, rows - 64 * word)
        for column in range(plane.shape[1]):
            square[:] = np.uint64(0)
            for k in range(held):
                square[k] = plane[64 * word + k, column]
            _transpose_square(square)
            for k in range(min(64, width - 64 * column)):
                out[64 * column + k, word] = square[k]
    return out


def hard_calls(dosages: Dosages) -> NDArray[np.int8]:
    """Return the nearest whole number of alleles, -1 where it is further than 0.1 away.

    Parameters
    ----------
    dosages
        Copies of the effect allele, any shape; NaN is missing.
    """
    nearest = np.rint(dosages)
    certain = np.abs(dosages - nearest) <= HARD_CALL_THRESHOLD
    return np.where(certain, np.nan_to_num(nearest), -1).astype(np.int8)


def packed_calls(genotypes: Genotypes, variants: Places, samples: Places) -> PackedCalls:
    """Read hard calls of ``samples`` in 2-bit codes, (v, ceil(n / 4)).

    Dosages become calls by :func:`hard_calls`.
    """
    if not genotypes.packed:
        return to_packed(hard_calls(genotypes.dosages(variants, samples=samples)))
    packed = genotypes.read_packed(variants)
    everyone = np.arange(genotypes.n_samples)
    return packed if np.array_equal(samples, everyone) else select_samples(packed, samples)


def split_planes(packed: PackedCalls, n: int) -> BitPlanes:
    """Return the planes of 2-bit codes (v, ceil(n / 4)): a variant a row, a sample a bit."""
    words = -(-n // _SAMPLES_PER_WORD)
    homozygous = np.empty((packed.shape[0], words), dtype=np.uint64)
    carries = np.empty_like(homozygous)
    _split(packed, n, homozygous, carries)
    return BitPlanes(homozygous, carries, n)


def bit_planes(genotypes: Genotypes, variants: Places, samples: Places) -> BitPlanes:
    """Read the planes of ``samples`` at ``variants``: n / 4 bytes a variant."""
    return split_planes(packed_calls(genotypes, variants, samples), samples.size)
