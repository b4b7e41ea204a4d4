"""Dice by number: a fixed hash of a key and a counter, for draws too many to keep.

Whoever needs the 7th die of a key computes it, in any order and on any thread, and gets the
same. The mixing function is the finaliser of SplitMix64 (Steele et al., OOPSLA 2014). Keys
come from ``seeds``.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11, _32 = (np.uint64(bits) for bits in (30, 27, 31, 11, 32))
_LOW = np.uint64(0xFFFFFFFF)


@numba.njit(cache=True, nogil=True)
def mix(word: np.uint64) -> np.uint64:
    """Return 64 mixed bits of 64 bits; distinct words have distinct mixtures."""
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@numba.njit(cache=True, nogil=True)
def die(key: np.uint64, number: int) -> np.uint64:
    """Return the 64 bits of die ``number`` of ``key``."""
    return mix(key + np.uint64(number) * _GOLDEN)


@numba.njit(cache=True, nogil=True)
def low_below(word: np.uint64, count: int) -> np.int64:
    """Return a number in 0 to ``count`` - 1 from the lower half of the bits."""
    return np.int64(((word & _LOW) * np.uint64(count)) >> _32)


@numba.njit(cache=True, nogil=True)
def high_half(word: np.uint64) -> np.uint64:
    """Return the upper 32 bits, independent of what ``low_below`` uses."""
    return word >> _32


@numba.njit(cache=True, nogil=True)
def unit(word: np.uint64) -> float:
    """Return a number in (0, 1) from 53 of the bits."""
    return (float(word >> _11) + 0.5) / 9007199254740992.0


@numba.njit(cache=True, nogil=True)
def next_uniform(state: Words) -> float:
    """Return a number in (0, 1) and advance ``state`` (1,), for loops that draw in order."""
    state[0] = state[0] + _GOLDEN
    return unit(mix(state[0]))


@numba.njit(cache=True, nogil=True)
def gamete_key(key: np.uint64, node: int, side: int) -> np.uint64:
    """Return the key of one gamete: the maternal (side 0) or paternal (1) one of ``node``."""
    return mix(mix(key + np.uint64(node)) + np.uint64(side))


def thresholds(chance: NDArray[np.float64]) -> Words:
    """Return the words below which a die falls with each chance (0 to 1)."""
    capped = np.clip(chance, 0.0, 1.0 - 2.0**-53)
    return (capped * 2.0**64).astype(np.uint64)


def half_thresholds(chance: NDArray[np.float64]) -> Words:
    """Return thresholds (0 to 2^32) for one half of a die's bits."""
    return np.rint(np.clip(chance, 0.0, 1.0) * 2.0**32).astype(np.uint64)
