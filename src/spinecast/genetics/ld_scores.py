"""LD scores: how much of its neighbourhood each variant tags."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.genetics.chromosomes import ChromosomeRun, autosomal, chosen_samples, chromosome_runs
from spinecast.genotypes.blocks import GenotypeBlocks
from spinecast.genotypes.genotypes import Genotypes, Places

Floats = NDArray[np.float64]

_SMALLEST_BLOCK, _BLOCK = 64, 512
_COMMON = 0.05
_BASE_PAIRS_PER_KB = 1000.0
UNITS = ("cM", "kb", "variants")


@dataclass(frozen=True)
class LDScores:
    """LD scores of variants that vary.

    Parameters
    ----------
    table
        ``chromosome``, ``base_pair_location``, ``variant_id``, ``maf``, ``ld_score``.
    constant
        Variants left out because they do not vary.
    """

    table: pd.DataFrame
    constant: int

    @property
    def n_variants(self) -> int:
        """How many variants were summed over: M of LD score regression."""
        return len(self.table)

    @property
    def n_common(self) -> int:
        """How many of them have a minor allele frequency of 5 % or more: M_5_50."""
        return int((self.table["maf"] >= _COMMON).sum())


@dataclass(frozen=True)
class _Task:
    genotypes: Genotypes
    run: ChromosomeRun
    coordinates: Floats
    people: Places
    reach: float


@dataclass(frozen=True)
class _Tile:
    start: int
    rows: NDArray[np.float32]

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)


def compute_ld_scores(
    genotypes: Genotypes,
    *,
    window: float = 1.0,
    unit: str = "cM",
    variants: Places | None = None,
    samples: Places | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> LDScores:
    """Sum each variant's adjusted r-square with all variants within the window, itself too.

    r-square of allele counts (missing as the mean) is adjusted for chance by
    r2 - (1 - r2) / (n - 2). The window is exact, where ldsc rounds it up to whole chunks, so
    its scores are a little higher. Work is one product of matrices: 2 n operations a pair
    within the window, and so linear in variants and in samples.

    Parameters
    ----------
    genotypes
        A reference of one ancestry; positions ascend within chromosomes.
    window
        Reach to either side, in ``unit``.
    unit
        "cM" (needs the genetic map in the genotypes), "kb" or "variants".
    variants
        Places; None for all. Those not on autosomes are left out.
    samples
        Places of unrelated people; None for all.
    cluster, progress
        See :func:`spinecast.cluster.map_blocks`; a task a chromosome.

    Raises
    ------
    GeneticsError
        SC-520 positions or centimorgans not ascending, SC-522 no autosomal variants, SC-523
        no genetic map, SC-525 an impossible window, SC-526 fewer than three samples.
    """
    people = np.sort(chosen_samples(genotypes, samples))
    if people.size < 3:
        raise error("SC-526", expected="at least 3 samples", got=str(people.size))
    reach = _reach(window, unit)
    tasks = [
        _Task(genotypes, run, _coordinates(genotypes, run, unit), people, reach)
        for run in chromosome_runs(genotypes, autosomal(genotypes, variants))
    ]
    parts = map_blocks(_score_run, tasks, cluster=cluster, label="LD scores", progress=progress)
    places = np.concatenate([task.run.places for task in tasks])
    score, maf = (np.concatenate([part[k] for part in parts]) for k in range(2))
    varies = maf > 0
    columns = ["chromosome", "base_pair_location", "variant_id"]
    table = genotypes.variants.iloc[places[varies]][columns].reset_index(drop=True)
    table = table.assign(maf=maf[varies], ld_score=score[varies])
    return LDScores(table, int((~varies).sum()))


def _reach(window: float, unit: str) -> float:
    if unit not in UNITS or not window > 0:
        expected = f"a reach in {' or '.join(UNITS)}"
        raise error("SC-525", expected=expected, got=f"{window:g} {unit}", where="LD scores")
    return window * _BASE_PAIRS_PER_KB if unit == "kb" else window


def _coordinates(genotypes: Genotypes, run: ChromosomeRun, unit: str) -> Floats:
    if unit == "kb":
        return run.locations.astype(np.float64)
    if unit == "variants":
        return np.arange(run.places.size, dtype=np.float64)
    where = f"{genotypes.origin}, chromosome {run.chromosome}"
    morgans = genotypes.variants.get("centimorgans")
    known = np.zeros(run.places.size) if morgans is None else morgans.to_numpy(float)[run.places]
    if not np.all(np.isfinite(known)) or (known.size > 1 and np.ptp(known) == 0.0):
        raise error("SC-523", expected="centimorgans of every variant", got="none", where=where)
    if np.any(np.diff(known) < 0):
        raise error("SC-520", expected="ascending centimorgans", got="others", where=where)
    return known


def _score_run(task: _Task) -> tuple[Floats, Floats]:
    """Return LD score and minor allele frequency (0 where constant) of a chromosome."""
    size, n = task.run.places.size, task.people.size
    first = np.searchsorted(task.coordinates, task.coordinates - task.reach, side="left")
    score, maf = np.zeros(size), np.zeros(size)
    # Tiles much longer than the reach would be multiplied for pairs that do not count.
    rows = int(np.clip(np.median(np.arange(size) - first), _SMALLEST_BLOCK, _BLOCK))
    held: deque[_Tile] = deque()
    start = 0
    for block in GenotypeBlocks(task.genotypes, task.people, task.run.places, rows):
        length = np.sqrt(block.sum_squares)
        varies = length > 0
        scale = np.divide(1.0, length, out=np.zeros_like(length), where=varies)
        tile = _Tile(start, block.tile * scale[:, None].astype(np.float32))
        frequency = np.where(varies, block.mean, 0.0) / 2.0
        maf[start : tile.stop] = np.minimum(frequency, 1.0 - frequency)
        while held and held[0].stop <= first[start]:
            held.popleft()
        for earlier in held:
            _add_pairs(earlier, tile, first=first, sums=(score, n))
        _add_pairs(tile, tile, first=first, sums=(score, n))
        held.append(tile)
        start = tile.stop
    return score, maf


def _add_pairs(
    left: _Tile, right: _Tile, *, first: NDArray[np.int64], sums: tuple[Floats, int]
) -> None:
    """Add adjusted r-square of all pairs within reach of two tiles, to both sides once."""
    score, n = sums
    squared = (right.rows @ left.rows.T).astype(np.float64) ** 2
    known_left, known_right = left.rows.any(axis=1), right.rows.any(axis=1)
    adjusted = squared - (1.0 - squared) / (n - 2)
    columns = np.arange(left.start, left.stop)
    counted = np.greater_equal.outer(columns, first[right.start : right.stop]).T
    counted &= np.logical_and.outer(known_right, known_left)
    if left is right:
        counted &= columns <= np.arange(right.start, right.stop)[:, None]
    adjusted = np.where(counted, adjusted, 0.0)
    score[right.start : right.stop] += adjusted.sum(axis=1)
    if left is right:  # the variant with itself counts once
        adjusted[np.diag_indices(len(adjusted))] = 0.0
    score[left.start : left.stop] += adjusted.sum(axis=0)
