"""From founders to people: copying, meiosis, and what the array reads.

A gamete of somebody without known parents is a mosaic of founder haplotypes, as if the
founders had lived some dozen generations ago: it copies one and, with a chance that grows with
genetic distance, goes on with another (Li & Stephens, Genetics 2003;165:2213). The ancestry it
copies from changes more seldom. A gamete of a known parent is a meiosis of the parent's two
(crossovers without interference).

All dice are hashes of who and where, so that anybody's genome can be made alone. Kernels take
few arguments packed in tuples, because compiled functions have no keyword-only parameters.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.hashed_dice import (
    die,
    gamete_key,
    high_half,
    low_below,
    mix,
    unit,
)

Bytes = NDArray[np.uint8]
Calls = NDArray[np.int8]
Places = NDArray[np.int64]

TILE = 64
"""People at a time, so that what one variant's row receives lies in one cache line."""

CHUNK = 128
"""Variants that a tile goes through before the next chunk; their rows stay in cache."""

MISSING = -1
AUTOSOME, ON_X, ON_Y = range(3)

_ONE, _DONATED = np.uint64(1), np.uint64(0x9FB21C651E98DF25)
_WAIT = np.uint64(0xA0761D6478BD642F)
_DROPPED, _BIT = np.uint64(0xD6E8FEB86659FD93), np.uint64(1 << 40)


@numba.njit(cache=True, nogil=True)
def _copy_founders(
    founders: tuple, chunk: tuple, own: np.uint64, gamete: tuple, running: tuple, out: Bytes
) -> None:
    """Go on copying founders over a chunk.

    ``running`` is (founder, ancestry, changes so far) and where the next change is due.
    """
    pool, sizes, _, place, tract, _ = founders
    column, asian = gamete
    numbers, due = running
    copied, ancestry = numbers[0], numbers[1]
    until = due[0]
    for variant in range(chunk[0], chunk[1]):
        if place[variant] >= until:
            word = die(own, numbers[2])
            if numbers[2] == 0 or high_half(word) < tract:
                ancestry = 1 if high_half(mix(word ^ _DONATED)) < asian else 0
            copied = ancestry * sizes[0] + low_below(word, sizes[ancestry])
            # the way to the next change is memoryless
            until = place[variant] - math.log(unit(mix(word ^ _WAIT)))
            numbers[2] += 1
        out[variant, column] = pool[copied, variant]
    numbers[0], numbers[1], due[0] = copied, ancestry, until


@numba.njit(cache=True, nogil=True)
def _pass_on(
    founders: tuple, chunk: tuple, own: np.uint64, gamete: tuple, running: Places, out: Bytes
) -> None:
    """Go on with a meiosis over a chunk; ``running`` is which of the parent's two it follows."""
    kind, crossovers = founders[2], founders[5]
    column, parent, side = gamete
    phase = running[0]
    whole = kind == ON_Y or (kind == ON_X and side == 1)
    if whole:
        phase = 1 if kind == ON_Y else 0
    for variant in range(chunk[0], chunk[1]):
        if not whole and die(own, variant) < crossovers[variant]:
            phase = 1 - phase
        out[variant, column] = out[variant, parent + phase]
    running[0] = phase


@numba.njit(cache=True, nogil=True)
def fill_haplotypes(founders: tuple, family: tuple, haplotypes: Bytes) -> None:
    """Fill the two haplotypes of every member of some families along one chromosome.

    Parameters
    ----------
    founders
        Alleles (founders, m); their numbers in either population; the kind of chromosome;
        places (m,) in mean distances between changes of founder, ascending from 0; threshold
        of a change of ancestry then (32 bits); thresholds (m,) of a crossover.
    family
        Node numbers (n,), ancestors first; the places of their mothers and fathers (n, 2) in
        it, -1 where unknown; thresholds (n,) of East Asian ancestry (32 bits); the key.
    haplotypes
        Receives 0 and 1, (m, 2 n): maternal and paternal in turn. In men the paternal one of
        X, and in all the maternal one of Y, mean nothing.
    """
    nodes, parents, asian, key = family
    variants = founders[0].shape[1]
    state = np.zeros((TILE, 2, 3), np.int64)
    due = np.zeros((TILE, 2, 1))
    for start in range(0, nodes.size, TILE):
        state[:] = 0
        due[:] = 0.0
        stop = min(start + TILE, nodes.size)
        for first in range(0, variants, CHUNK):
            chunk = (first, min(first + CHUNK, variants))
            for member in range(start, stop):
                for side in range(2):
                    gamete = (2 * member + side, 2 * parents[member, side], side)
                    own = gamete_key(key, nodes[member], side)
                    running = state[member - start, side]
                    if parents[member, side] < 0:
                        mosaic = (gamete[0], asian[member])
                        until = (running, due[member - start, side])
                        _copy_founders(founders, chunk, own, mosaic, until, haplotypes)
                    else:
                        _pass_on(founders, chunk, own, gamete, running, haplotypes)


@numba.njit(cache=True, nogil=True)
def true_calls(haplotypes: Bytes, people: tuple, kind: int, out: Calls) -> None:
    """Fill the true copies of the effect allele, (m, n); a single X or Y counts twice.

    Parameters
    ----------
    haplotypes
        See :func:`fill_haplotypes`.
    people
        Places of the people's genomes (n,) among the family, and whether they have two X (n,)
        and a Y (n,).
    kind
        Of chromosome.
    out
        Receives 0 to 2; :data:`MISSING` on Y for those without one.
    """
    places, two_x, has_y = people
    for variant in range(out.shape[0]):
        for person in range(places.size):
            column = 2 * places[person]
            if kind == AUTOSOME or (kind == ON_X and two_x[person]):
                call = haplotypes[variant, column] + haplotypes[variant, column + 1]
            elif kind == ON_X:
                call = 2 * haplotypes[variant, column]
            elif has_y[person]:
                call = 2 * haplotypes[variant, column + 1]
            else:
                call = MISSING
            out[variant, person] = call


@numba.njit(cache=True, nogil=True)
def read_calls(calls: Calls, chances: tuple, first: int, key: np.uint64) -> None:
    """Turn true calls into what the array reads: contaminated, wrong or missing.

    Parameters
    ----------
    calls
        (m, n), changed in place.
    chances
        32-bit thresholds: of a missing call by variant (m,) and by person (n,), of a wrong
        call (one number), of a heterozygote read as homozygous by variant (m,), of a donor's
        other allele showing (one number); and each person's donor (n,), -1 where none.
    first
        Number of the first variant in the genome.
    key
        Of the dice.
    """
    missing, failing, wrong, dropped, shown, donors = chances
    for variant in range(calls.shape[0]):
        row = mix(key + np.uint64(first + variant))
        for person in range(calls.shape[1]):
            donor = donors[person]
            call = calls[variant, person]
            if donor >= 0 and call in (0, 2):
                other = calls[variant, donor]
                if (
                    other not in (call, np.int8(MISSING))
                    and high_half(mix(die(row, person) ^ _DONATED)) < shown
                ):
                    calls[variant, person] = 1
        for person in range(calls.shape[1]):
            word = die(row, person)
            call = calls[variant, person]
            if call == 1 and dropped[variant] > 0:
                again = mix(word ^ _DROPPED)
                if high_half(again) < dropped[variant]:
                    call = 2 * np.int8(again & _ONE)
            if high_half(word) < wrong and call != MISSING:
                call = np.int8(1) if call != 1 else np.int8(2 if word & _BIT else 0)
            if (word & np.uint64(0xFFFFFFFF)) < missing[variant] + failing[person]:
                call = np.int8(MISSING)
            calls[variant, person] = call


@numba.njit(cache=True, nogil=True)
def pack_calls(calls: Calls) -> Bytes:
    """Return calls (m, n) in the 2-bit codes of PLINK 1 .bed rows, (m, ceil(n / 4))."""
    variants, people = calls.shape
    packed = np.zeros((variants, (people + 3) // 4), np.uint8)
    for variant in range(variants):
        for person in range(people):
            call = calls[variant, person]
            code = 1 if call == MISSING else (0 if call == 2 else (2 if call == 1 else 3))
            packed[variant, person // 4] |= np.uint8(code << (2 * (person % 4)))
    return packed
