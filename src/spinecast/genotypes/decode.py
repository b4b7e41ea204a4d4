"""Compiled: PLINK's 2-bit genotype codes to counts and centred tiles, and back.

A byte holds four samples, the first in the lowest bits: 0 two effect alleles, 1 missing,
2 one, 3 none. Every kernel runs without the interpreter's lock and on one thread, so that
blocks can be decoded side by side; results do not depend on how many threads do so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.compiling import start_numba
from spinecast.genotypes.genotypes import Dosages, PackedCalls, Places

start_numba()

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
TWO, MISSING, ONE, NONE = range(4)


@dataclass(frozen=True)
class Centred:
    """A centred tile and its sums.

    Parameters
    ----------
    tile
        Dosage minus mean, missing as 0, (v, n) float32.
    mean
        Mean dosage over the samples with a call, (v,); NaN where there is none.
    missing
        Samples without a call, (v,).
    sum_squares
        Of the centred dosages, (v,); 0 for a constant variant.
    """

    tile: Dosages
    mean: Floats
    missing: Counts
    sum_squares: Floats


def _codes_of_bytes() -> NDArray[np.uint8]:
    every = np.arange(256, dtype=np.uint8)
    return np.stack([(every >> shift) & 3 for shift in (0, 2, 4, 6)], axis=1)


def _counts_of_bytes() -> NDArray[np.int64]:
    """Return per byte how many of its samples have two, one, no effect alleles, in one number."""
    codes = _codes_of_bytes()
    counted = [(codes == code).sum(axis=1).astype(np.int64) for code in (TWO, ONE, NONE)]
    return counted[0] + (counted[1] << 20) + (counted[2] << 40)


_COUNTS = _counts_of_bytes()
_FIELD = (1 << 20) - 1
# Bytes whose counts fit into 20 bits each.
_RUN = 1 << 17


@numba.njit(cache=True, nogil=True)
def _count_rows(packed: PackedCalls, n: int, counts: Counts) -> None:
    whole = n >> 2
    rest = n & 3
    for v in range(packed.shape[0]):
        two, one, none = 0, 0, 0
        for start in range(0, whole, _RUN):
            sums = 0
            for j in range(start, min(whole, start + _RUN)):
                sums += _COUNTS[packed[v, j]]
            two += sums & _FIELD
            one += (sums >> 20) & _FIELD
            none += sums >> 40
        for k in range(rest):
            code = (packed[v, whole] >> (2 * k)) & 3
            two += code == TWO
            one += code == ONE
            none += code == NONE
        counts[v, 0] = two
        counts[v, 1] = one
        counts[v, 2] = none
        counts[v, 3] = n - two - one - none


@numba.njit(cache=True, nogil=True)
def _expand_rows(packed: PackedCalls, n: int, values: NDArray[Any], out: NDArray[Any]) -> None:
    """Write ``values[v, code]`` of every sample; two samples are looked up at a time."""
    whole = n >> 2
    pairs = np.empty((16, 2), dtype=values.dtype)
    for v in range(packed.shape[0]):
        for both in range(16):
            pairs[both, 0] = values[v, both & 3]
            pairs[both, 1] = values[v, both >> 2]
        for j in range(whole):
            byte = packed[v, j]
            low = byte & 15
            high = byte >> 4
            out[v, 4 * j] = pairs[low, 0]
            out[v, 4 * j + 1] = pairs[low, 1]
            out[v, 4 * j + 2] = pairs[high, 0]
            out[v, 4 * j + 3] = pairs[high, 1]
        for s in range(4 * whole, n):
            out[v, s] = values[v, (packed[v, s >> 2] >> (2 * (s & 3))) & 3]


@numba.njit(cache=True, nogil=True)
def _select_rows(packed: PackedCalls, samples: Places, out: PackedCalls) -> None:
    n = samples.size
    whole = n >> 2
    for v in range(packed.shape[0]):
        row = packed[v]
        for j in range(whole):
            byte = 0
            for k in range(4):
                s = samples[4 * j + k]
                byte |= ((row[s >> 2] >> (2 * (s & 3))) & 3) << (2 * k)
            out[v, j] = byte
        if n & 3:
            byte = 0
            for k in range(n & 3):
                s = samples[4 * whole + k]
                byte |= ((row[s >> 2] >> (2 * (s & 3))) & 3) << (2 * k)
            out[v, whole] = byte


@numba.njit(cache=True, nogil=True)
def _mask_rows(packed: PackedCalls, mask: NDArray[np.bool_]) -> None:
    for v in range(mask.shape[0]):
        for s in range(mask.shape[1]):
            mask[v, s] = (packed[v, s >> 2] >> (2 * (s & 3))) & 3 == MISSING


@numba.njit(cache=True, nogil=True)
def _pack_rows(calls: NDArray[np.int8], out: PackedCalls) -> int:
    """Write codes; return how many calls were neither 0, 1, 2 nor negative."""
    wrong = 0
    n = calls.shape[1]
    for v in range(calls.shape[0]):
        for j in range(out.shape[1]):
            byte = 0
            for k in range(min(4, n - 4 * j)):
                call = calls[v, 4 * j + k]
                code = MISSING
                if call == 2:
                    code = TWO
                elif call == 1:
                    code = ONE
                elif call == 0:
                    code = NONE
                elif call > 2:
                    wrong += 1
                byte |= code << (2 * k)
            out[v, j] = byte
    return wrong


@numba.njit(cache=True, nogil=True)
def _centre_rows(
    tile: Dosages, mean: NDArray[np.float64], missing: Counts, squares: NDArray[np.float64]
) -> None:
    # Four sums side by side: one alone waits for each addition to end. The order of additions
    # is fixed, so that every machine gets the same sums.
    n = tile.shape[1]
    sums = np.empty(4)
    for v in range(tile.shape[0]):
        absent = 0
        sums[:] = 0.0
        for s in range(n):
            unknown = np.isnan(tile[v, s])
            sums[s & 3] += 0.0 if unknown else tile[v, s]
            absent += unknown
        centre = (sums[0] + sums[1] + sums[2] + sums[3]) / (n - absent) if absent < n else np.nan
        sums[:] = 0.0
        for s in range(n):
            deviation = 0.0 if np.isnan(tile[v, s]) else tile[v, s] - centre
            sums[s & 3] += deviation * deviation
            tile[v, s] = deviation
        mean[v] = centre
        missing[v] = absent
        squares[v] = sums[0] + sums[1] + sums[2] + sums[3]


def bytes_per_variant(n: int) -> int:
    """Return how many bytes hold the 2-bit codes of ``n`` samples."""
    return (n + 3) // 4


def select_samples(packed: PackedCalls, samples: Places) -> PackedCalls:
    """Return the 2-bit codes of some samples, packed anew.

    Parameters
    ----------
    packed
        Codes of all samples, (v, bytes), C-contiguous.
    samples
        Places to keep, (n,), in the order wanted; the caller has checked their range.
    """
    out = np.empty((packed.shape[0], bytes_per_variant(samples.size)), dtype=np.uint8)
    _select_rows(packed, np.ascontiguousarray(samples, dtype=np.int64), out)
    return out


def count_calls(packed: PackedCalls, n: int) -> Counts:
    """Return per variant how many of ``n`` samples have two, one, no effect alleles, no call.

    Parameters
    ----------
    packed
        2-bit codes, (v, ceil(n / 4)).
    n
        Number of samples; unused bits of the last byte are not counted.

    Returns
    -------
    int64 array
        (v, 4).
    """
    counts = np.empty((packed.shape[0], 4), dtype=np.int64)
    _count_rows(_of_width(packed, n), n, counts)
    return counts


def decode_dosages(packed: PackedCalls, n: int) -> Dosages:
    """Return copies of the effect allele, (v, n) float32, NaN where missing."""
    out = np.empty((packed.shape[0], n), dtype=np.float32)
    values = np.tile(np.array([2.0, np.nan, 1.0, 0.0], dtype=np.float32), (packed.shape[0], 1))
    _expand_rows(_of_width(packed, n), n, values, out)
    return out


def decode_calls(packed: PackedCalls, n: int) -> NDArray[np.int8]:
    """Return copies of the effect allele, (v, n) int8, -1 where missing."""
    out = np.empty((packed.shape[0], n), dtype=np.int8)
    values = np.tile(np.array([2, -1, 1, 0], dtype=np.int8), (packed.shape[0], 1))
    _expand_rows(_of_width(packed, n), n, values, out)
    return out


def decode_missing(packed: PackedCalls, n: int) -> NDArray[np.bool_]:
    """Return where calls are missing, (v, n)."""
    mask = np.empty((packed.shape[0], n), dtype=np.bool_)
    _mask_rows(_of_width(packed, n), mask)
    return mask


def decode_centred(packed: PackedCalls, n: int, *, out: Dosages | None = None) -> Centred:
    """Decode to dosage minus the variant's mean, missing as 0, with the sums that go with it.

    Parameters
    ----------
    packed
        2-bit codes of the samples wanted, (v, ceil(n / 4)).
    n
        Number of samples.
    out
        Where to write the tile, (v, n) float32, C-contiguous; made where None.

    Returns
    -------
    Centred
        Mean and sum of squares are exact: they come from counts, not from the tile.
    """
    counts = count_calls(packed, n)
    two, one, none, missing = (counts[:, k].astype(np.float64) for k in range(4))
    called = two + one + none
    mean = np.full(len(counts), np.nan)
    np.divide(2.0 * two + one, called, out=mean, where=called > 0)
    values = np.zeros((len(counts), 4), dtype=np.float32)
    centre = np.where(called > 0, mean, 0.0)
    values[:, TWO], values[:, ONE], values[:, NONE] = 2.0 - centre, 1.0 - centre, -centre
    squares = two * (2.0 - centre) ** 2 + one * (1.0 - centre) ** 2 + none * centre**2
    tile = np.empty((len(counts), n), dtype=np.float32) if out is None else out
    _expand_rows(_of_width(packed, n), n, values, tile)
    return Centred(tile, mean, missing.astype(np.int64), squares)


def centre_dosages(dosages: Dosages) -> Centred:
    """Centre dosages where they lie, missing (NaN) becoming 0, with the sums that go with it."""
    v = dosages.shape[0]
    mean, squares = np.empty(v), np.empty(v)
    missing = np.empty(v, dtype=np.int64)
    _centre_rows(dosages, mean, missing, squares)
    return Centred(dosages, mean, missing, squares)


def to_packed(calls: NDArray[Any]) -> PackedCalls:
    """Return the 2-bit codes of hard calls.

    Parameters
    ----------
    calls
        Copies of the effect allele, (v, n), integers 0, 1, 2 (or equal floats); negative or
        NaN is missing.

    Raises
    ------
    GeneticsError
        SC-515 for other numbers, fractions among them.
    """
    whole = calls
    if not np.issubdtype(calls.dtype, np.integer):
        whole = np.where(np.isnan(calls), -1, calls)
        if not np.array_equal(whole, np.rint(whole)):
            raise error("SC-515", expected="0, 1, 2 or missing", got="fractions of alleles")
    whole = np.clip(whole, -1, 3).astype(np.int8)
    out = np.empty((whole.shape[0], bytes_per_variant(whole.shape[1])), dtype=np.uint8)
    wrong = _pack_rows(np.ascontiguousarray(whole), out)
    if wrong:
        raise error("SC-515", expected="0, 1, 2 or missing", got=f"{wrong} numbers above 2")
    return out


def _of_width(packed: PackedCalls, n: int) -> PackedCalls:
    if packed.ndim != 2 or packed.shape[1] != bytes_per_variant(n):
        raise error(
            "SC-504",
            expected=f"{bytes_per_variant(n)} bytes a variant for {n} samples",
            got=f"codes of shape {packed.shape}",
        )
    return packed
