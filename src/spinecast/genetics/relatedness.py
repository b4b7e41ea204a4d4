"""Kinship by KING-robust, people with too many relatives, and a set without relatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.genetics.chromosomes import autosomal, chosen_samples
from spinecast.genetics.hard_calls import BitPlanes, bit_planes
from spinecast.genetics.kinship_counts import homozygous_pairs, pair_counts
from spinecast.genotypes.genotypes import Genotypes, Places

Floats = NDArray[np.float64]

# Kinship above 2^-(d + 1.5) is a relation of degree d or closer (Manichaikul 2010, Table 1).
DEGREE_LIMITS = tuple(2.0 ** -(degree + 1.5) for degree in range(4))
DEGREES = ("duplicate or twin", "first", "second", "third")
_VARIANTS_A_READ = 4096
_ROWS = 64


@dataclass(frozen=True)
class _Strip:
    rows: Places
    first: int


def king_kinship(
    genotypes: Genotypes,
    *,
    variants: Places | None = None,
    samples: Places | None = None,
    above: float = DEGREE_LIMITS[3],
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Estimate the kinship of every pair and keep the related ones.

    KING-robust needs no allele frequencies, so several ancestries may lie in one sample; a
    pair of different ancestries comes out too low (negative), never too high. It equals
    PLINK 2's ``--make-king-table``. Bits of two planes are counted: four counts for 64
    variants of a pair, so time goes with pairs times variants, and memory is a quarter byte
    a genotype besides 2 kB a sample.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    variants
        Places; None for all. Autosomal ones are used: common, not pruned hard.
    samples
        Places; None for all.
    above
        Kinship from which a pair is kept; 2^-4.5 = 0.0442, third degree.
    progress
        Called as ``progress(done, total)`` after each strip of samples.

    Returns
    -------
    DataFrame
        A row a pair, in file order: ``id_1``, ``id_2``, ``place_1``, ``place_2``; ``n``
        variants called in both, ``het_het`` and ``ibs0`` as shares of them; ``kinship`` and
        ``degree`` (0 duplicate or twin, 1, 2, 3, or -1 beyond).

    References
    ----------
    Manichaikul et al., Bioinformatics 26, 2867 (2010), equation 11.
    """
    people = chosen_samples(genotypes, samples)
    planes = _sample_planes(genotypes, autosomal(genotypes, variants), people)
    strips = [
        _Strip(np.arange(start, min(people.size, start + _ROWS)), start)
        for start in range(0, people.size, _ROWS)
    ]
    pairs = map_blocks(partial(_related, planes, above), strips, label="kinship", progress=progress)
    place = np.concatenate([found[0] for found in pairs])
    counts = np.concatenate([found[1] for found in pairs])
    return _pair_table(genotypes, people, (planes, place, counts))


def kinship_matrix(
    genotypes: Genotypes, *, variants: Places | None = None, samples: Places | None = None
) -> Floats:
    """Return KING-robust kinship of every pair, (n, n), 0.5 on the diagonal.

    NaN where one of the two is nowhere heterozygous. For some thousands of samples: 8 n^2
    bytes. See :func:`king_kinship`.
    """
    people = chosen_samples(genotypes, samples)
    planes = _sample_planes(genotypes, autosomal(genotypes, variants), people)
    matrix = np.full((people.size, people.size), 0.5)
    for start in range(0, people.size, _ROWS):
        rows = np.arange(start, min(people.size, start + _ROWS))
        matrix[rows, start:] = robust_kinship(
            pair_counts(planes.homozygous, planes.carries, rows, start)
        )
        matrix[start:, rows] = matrix[rows, start:].T
    np.fill_diagonal(matrix, 0.5)
    return matrix


def robust_kinship(counts: NDArray[np.int64]) -> Floats:
    """Return KING-robust kinship of pair counts (4, ...), see ``kinship_counts.pair_counts``."""
    both, opposite, row_only, column_only = counts.astype(np.float64)
    fewer = 4.0 * (both + np.minimum(row_only, column_only))
    found = np.full(both.shape, np.nan)
    differences = 4.0 * opposite + row_only + column_only
    np.divide(differences, fewer, out=found, where=fewer > 0)
    return 0.5 - found


def _sample_planes(genotypes: Genotypes, variants: Places, people: Places) -> BitPlanes:
    """Return planes with a sample a row, read some thousand variants at a time."""
    words = [
        bit_planes(genotypes, variants[start : start + _VARIANTS_A_READ], people).transposed()
        for start in range(0, variants.size, _VARIANTS_A_READ)
    ]
    # Every read but the last is a whole number of words, so variants stay in order.
    homozygous = np.concatenate([part.homozygous for part in words], axis=1)
    carries = np.concatenate([part.carries for part in words], axis=1)
    return BitPlanes(homozygous, carries, variants.size)


def _related(
    planes: BitPlanes, above: float, strip: _Strip
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    counts = pair_counts(planes.homozygous, planes.carries, strip.rows, strip.first)
    later = np.arange(counts.shape[2]) > np.arange(counts.shape[1])[:, None]
    row, column = np.nonzero(later & (robust_kinship(counts) >= above))
    places = np.column_stack([strip.rows[row], strip.first + column])
    return places, counts[:, row, column].T


def _pair_table(
    genotypes: Genotypes,
    people: Places,
    found: tuple[BitPlanes, NDArray[np.int64], NDArray[np.int64]],
) -> pd.DataFrame:
    planes, place, counts = found
    n = counts[:, [0, 2, 3]].sum(axis=1) + homozygous_pairs(planes.homozygous, place)
    kinship = robust_kinship(counts.T)
    ids = genotypes.samples["sample_id"].to_numpy()[people]
    frame = {
        "id_1": ids[place[:, 0]],
        "id_2": ids[place[:, 1]],
        "place_1": people[place[:, 0]],
        "place_2": people[place[:, 1]],
        "n": n,
        "het_het": counts[:, 0] / np.maximum(n, 1),
        "ibs0": counts[:, 1] / np.maximum(n, 1),
        "kinship": kinship,
        "degree": degree_of(kinship),
    }
    return pd.DataFrame(frame)


def degree_of(kinship: Floats) -> NDArray[np.int64]:
    """Return the degree of relation, 0 (duplicate or twin) to 3, or -1 beyond."""
    degree = np.searchsorted(-np.array(DEGREE_LIMITS), -np.asarray(kinship), side="left")
    return np.where(degree == len(DEGREE_LIMITS), -1, degree).astype(np.int64)


def people_with_many_relatives(pairs: pd.DataFrame, *, more_than: int = 10) -> Places:
    """Return the places of people with more than ``more_than`` relatives of third degree.

    Such people are more often bad samples than members of large families: contamination
    and mixed-up chips look related to everybody.
    """
    third = pairs.loc[pairs["degree"] == 3, ["place_1", "place_2"]]
    places, counts = np.unique(third.to_numpy(dtype=np.int64), return_counts=True)
    return places[counts > more_than]


def unrelated_people(
    pairs: pd.DataFrame,
    places: Places,
    *,
    above: float = DEGREE_LIMITS[3],
    preference: Floats | None = None,
) -> Places:
    """Return a large set of people of whom no two are related.

    Greedy: who has the fewest relatives left is kept and the relatives leave. Of equals, the
    one with the higher ``preference`` is kept, then the earlier. Not always the largest set
    (that is NP-hard), never a wrong one.

    Parameters
    ----------
    pairs
        From :func:`king_kinship`.
    places
        Everybody to choose from, (n,).
    above
        Kinship from which two are related.
    preference
        Who is rather kept, e.g. minus the missing share or having images, (n,) by ``places``.

    Returns
    -------
    int64 array
        Places kept, ascending.
    """
    worth = np.zeros(places.size) if preference is None else np.asarray(preference, dtype=float)
    cost = dict(zip(places.tolist(), (-worth).tolist(), strict=True))
    relatives: dict[int, set[int]] = {place: set() for place in cost}
    related = pairs.loc[pairs["kinship"] >= above, ["place_1", "place_2"]]
    for one, other in related.to_numpy(dtype=np.int64).tolist():
        if one in cost and other in cost:
            relatives[one].add(other)
            relatives[other].add(one)
    queue = [(len(known), cost[place], place) for place, known in relatives.items()]
    heapify(queue)
    kept = []
    while queue:
        count, _, place = heappop(queue)
        if place not in relatives or count != len(relatives[place]):
            continue  # gone, or queued again with fewer relatives
        kept.append(place)
        for other in relatives.pop(place):
            for further in relatives.pop(other) - {place}:
                relatives[further].discard(other)
                heappush(queue, (len(relatives[further]), cost[further], further))
    return np.sort(np.array(kept, dtype=np.int64))
