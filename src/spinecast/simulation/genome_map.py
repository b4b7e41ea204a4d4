"""Where the variants of a simulated genome lie, and how much recombination lies between.

Chromosomes have their true lengths (GRCh38) and genetic lengths, so that relatives share as
much, and as variably, as they do in life. They are scaled down in another way: only some
stretches are typed, each as densely as an imputed array, and nothing between them. Within a
stretch linkage decays as in life; between stretches there is next to none, but in two regions
that are known for linkage over megabases (GRCh38: the histocompatibility complex and the
inversion of 8p23), where hardly anything recombines here either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.simulation.population import Floats

Places = NDArray[np.int64]

BUILD = "GRCh38"

CHROMOSOMES: tuple[str, ...] = (*(str(number) for number in range(1, 23)), "X", "Y")

X, Y = 22, 23
"""Places of the sex chromosomes in :data:`CHROMOSOMES`."""

LENGTHS = np.array([
    248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636,
    138394717, 133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345,
    83257441, 80373285, 58617616, 64444167, 46709983, 50818468, 156040895, 57227415,
])  # fmt: skip
"""Base pairs (GRCh38)."""

CENTIMORGANS = np.array([
    286.3, 268.8, 223.4, 214.7, 204.1, 192.0, 187.2, 168.0, 166.4, 181.1, 158.2, 174.7,
    125.7, 120.2, 141.9, 134.0, 128.5, 117.7, 107.7, 108.3, 62.8, 74.1, 180.0, 0.0,
])  # fmt: skip
"""Genetic lengths about those of the HapMap map, sexes averaged; X as in women, Y without."""

LONG_RANGE: tuple[tuple[str, int, int], ...] = (
    ("6", 25_391_792, 33_424_245),
    ("8", 8_142_478, 12_142_491),
)
"""Regions of linkage over megabases (chromosome, first, last; GRCh38)."""

STRONG_LOCUS = ("7", 121_330_000)
"""A stretch lies here, beside WNT16, for the strong variant."""

SPACING = 5_000.0
"""Mean distance of neighbours in a stretch, base pairs."""

UNLINKED = 0.3
"""Distance (cM) beyond which stretches are independent in the founders."""

_HOT_SHARE, _HOT, _COLD, _FROZEN = 0.15, 5.3, 0.241, 0.02
_X_SHARE, _Y_SHARE, _Y_LEAST = 0.04, 1 / 600, 8

_PAIRS = np.array([
    ("A", "G"), ("G", "A"), ("C", "T"), ("T", "C"), ("A", "G"), ("G", "A"), ("C", "T"), ("T", "C"),
    ("A", "C"), ("C", "A"), ("G", "T"), ("T", "G"), ("A", "T"), ("C", "G"),
])  # fmt: skip
"""Effect and other allele; two in three are transitions."""


@dataclass(frozen=True)
class VariantMap:
    """All variants of a genome in order.

    Parameters
    ----------
    chromosome
        Places in :data:`CHROMOSOMES`, (m,).
    position
        Base pairs (GRCh38), strictly increasing within a chromosome, (m,).
    step
        Genetic distance to the variant before, cM; infinite at the start of a chromosome, (m,).
    alleles
        Effect and other allele, (m, 2).
    """

    chromosome: Places
    position: Places
    step: Floats
    alleles: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of variants."""
        return len(self.position)

    def on(self, chromosome: int) -> slice:
        """Return the places of the variants of one chromosome."""
        first, last = np.searchsorted(self.chromosome, [chromosome, chromosome + 1])
        return slice(int(first), int(last))

    def centimorgans(self) -> Floats:
        """Return genetic positions, cM from the start of the chromosome."""
        rate = CENTIMORGANS / LENGTHS
        starts = ~np.isfinite(self.step)
        steps = np.where(starts, self.position * rate[self.chromosome], self.step)
        total = np.cumsum(steps)
        before = np.where(starts, total - steps, 0.0)
        return total - np.maximum.accumulate(before)

    def frame(self) -> pd.DataFrame:
        """Return the variants table: GWAS-SSF names, ``centimorgans``, ids ``sim:1:12345``."""
        names = np.array(CHROMOSOMES)[self.chromosome]
        return pd.DataFrame(
            {
                "chromosome": names,
                "base_pair_location": self.position,
                "variant_id": [
                    f"sim:{name}:{position}"
                    for name, position in zip(names, self.position.tolist(), strict=True)
                ],
                "effect_allele": self.alleles[:, 0],
                "other_allele": self.alleles[:, 1],
                "centimorgans": self.centimorgans(),
            }
        )


def lay_variants(count: int, rng: np.random.Generator) -> VariantMap:
    """Lay ``count`` variants over 22 chromosomes, X and Y.

    Parameters
    ----------
    count
        At least 200; 4 in 100 lie on X and some on Y, the others in proportion to length.
    rng
        Draws places, hotspots and alleles.
    """
    if count < 200:
        raise ValueError(f"a genome has at least 200 variants, got {count}")
    counts = _share_out(count)
    size = max(5, round(0.2 * np.sqrt(count)))
    positions, steps = [], []
    for chromosome, many in enumerate(counts):
        place = _positions(chromosome, many, rng, size=size)
        positions.append(place)
        steps.append(_steps(chromosome, place, rng))
    return VariantMap(
        chromosome=np.repeat(np.arange(len(counts)), counts),
        position=np.concatenate(positions),
        step=np.concatenate(steps),
        alleles=_PAIRS[rng.integers(len(_PAIRS), size=count)],
    )


def _share_out(count: int) -> Places:
    counts = np.zeros(len(CHROMOSOMES), dtype=np.int64)
    counts[X] = round(_X_SHARE * count)
    counts[Y] = max(_Y_LEAST, round(_Y_SHARE * count))
    left = count - counts.sum()
    cuts = np.rint(left * np.cumsum(LENGTHS[:X]) / LENGTHS[:X].sum()).astype(np.int64)
    counts[:X] = np.diff(cuts, prepend=0)
    return counts


def _positions(chromosome: int, count: int, rng: np.random.Generator, *, size: int) -> Places:
    length = int(LENGTHS[chromosome])
    stretches = -(-count // size)
    spacing = 0.94 * length / stretches
    centres = 0.03 * length + (np.arange(stretches) + rng.uniform(0.2, 0.8, stretches)) * spacing
    if CHROMOSOMES[chromosome] == STRONG_LOCUS[0]:
        centres[np.argmin(np.abs(centres - STRONG_LOCUS[1]))] = STRONG_LOCUS[1]
    gap = min(SPACING, 0.3 * spacing / size)
    places = []
    for centre, members in zip(centres, np.array_split(np.arange(count), stretches), strict=True):
        walked = np.cumsum(1.0 + rng.exponential(gap, len(members)))
        places.append(centre + walked - walked.mean())
    position = np.sort(np.concatenate(places).astype(np.int64))
    # no two at one place
    turn = np.arange(count)
    return np.maximum.accumulate(np.maximum(position, 1) - turn) + turn


def _steps(chromosome: int, position: Places, rng: np.random.Generator) -> Floats:
    """Return genetic distances; within stretches most recombination falls into hotspots."""
    gap = np.diff(position)
    hot = np.where(rng.random(len(gap)) < _HOT_SHARE, _HOT, _COLD)
    factor = np.where(gap < 40 * SPACING, hot, 1.0)
    for name, first, last in LONG_RANGE:
        if CHROMOSOMES[chromosome] == name:
            inside = (position[:-1] >= first) & (position[1:] <= last)
            factor = np.where(inside, _FROZEN * factor, factor)
    rate = CENTIMORGANS[chromosome] / LENGTHS[chromosome]
    return np.concatenate([[np.inf], gap * rate * factor])
