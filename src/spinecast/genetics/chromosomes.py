"""Which variants lie on autosomes, and the runs of one chromosome each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.genotypes import Genotypes, Places, checked_places

AUTOSOMES = frozenset(str(number) for number in range(1, 23))


@dataclass(frozen=True)
class ChromosomeRun:
    """Variants of one chromosome in ascending position.

    Parameters
    ----------
    chromosome
        As in the genotypes' variants.
    places
        Where they stand among the genotypes' variants, (v,).
    locations
        Their positions in base pairs, (v,).
    """

    chromosome: str
    places: Places
    locations: NDArray[np.int64]


def chosen(genotypes: Genotypes, variants: Places | None) -> Places:
    """Return ``variants`` after checking their range, or every place where None."""
    if variants is None:
        return np.arange(genotypes.n_variants, dtype=np.int64)
    return checked_places(variants, genotypes.n_variants, what="variants")


def chosen_samples(genotypes: Genotypes, samples: Places | None) -> Places:
    """Return ``samples`` after checking their range, or every place where None."""
    if samples is None:
        return np.arange(genotypes.n_samples, dtype=np.int64)
    return checked_places(samples, genotypes.n_samples, what="samples")


def autosomal(genotypes: Genotypes, variants: Places | None = None) -> Places:
    """Return those of ``variants`` that lie on chromosomes 1 to 22, in file order.

    Raises
    ------
    GeneticsError
        SC-522 where none does.
    """
    places = np.sort(chosen(genotypes, variants))
    chromosomes = genotypes.variants["chromosome"].to_numpy()[places]
    found = places[np.isin(chromosomes, list(AUTOSOMES))]
    if not found.size:
        got = f"none among {places.size}"
        raise error("SC-522", expected="autosomal variants", got=got, where=genotypes.origin)
    return found


def chromosome_runs(genotypes: Genotypes, places: Places) -> list[ChromosomeRun]:
    """Split ascending ``places`` by chromosome.

    Raises
    ------
    GeneticsError
        SC-520 where a chromosome's positions do not ascend.
    """
    table = genotypes.variants
    chromosomes = table["chromosome"].to_numpy()[places]
    locations = table["base_pair_location"].to_numpy(dtype=np.int64)[places]
    runs = []
    for chromosome in dict.fromkeys(chromosomes):
        rows = np.flatnonzero(chromosomes == chromosome)
        falls = np.flatnonzero(np.diff(locations[rows]) < 0)
        if falls.size:
            later = places[rows[falls[0] + 1]]
            got = f"{table['variant_id'].iloc[later]} before its predecessor"
            where = f"{genotypes.origin}, chromosome {chromosome}"
            raise error("SC-520", expected="ascending positions", got=got, where=where)
        runs.append(ChromosomeRun(str(chromosome), places[rows], locations[rows]))
    return runs
