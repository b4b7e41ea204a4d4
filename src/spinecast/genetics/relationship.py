"""The relationship matrix of a whole-genome model, multiplied without being formed.

K = Z Z' / m, Z the model's variants standardised over the people, m their number; for a
chromosome left out, K of the others with their own m. Products run over blocks of
variants, two matrix products a block; blocks that fit are decoded once and kept. Blocks
are multiplied side by side and added in their order: the sum does not depend on how many
cores there are, if one product is left to one core (``threadpool_limits``).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.chromosomes import AUTOSOMES
from spinecast.genetics.projection import Floats
from spinecast.genotypes.blocks import GenotypeBlock, GenotypeBlocks
from spinecast.genotypes.genotypes import Places

# The place of "no chromosome left out".
WHOLE = -1
# Products with odd numbers of columns take longer than with the next multiple of this.
_PANEL = 8
Tile = NDArray[np.float32]
Done = TypeVar("Done")
# Bytes that blocks being worked on may take, all together.
_AT_WORK = 2**29


@dataclass(frozen=True)
class ModelBlock:
    """A block of the model's variants, all of one chromosome.

    Parameters
    ----------
    blocks, number
        Where it is read: block ``number`` of ``blocks``.
    chromosome
        Place of its chromosome among :attr:`Relationship.chromosomes`.
    variants
        Places of the variants used.
    precision
        One over the variance of each variant, 0 for one that is not used, shape (v,).
    """

    blocks: GenotypeBlocks
    number: int
    chromosome: int
    variants: Places
    precision: NDArray[np.float32]

    def read(self) -> Tile:
        """Decode the centred dosages, shape (v, n)."""
        return self.blocks.block(self.number).tile

    def standardised(self) -> Tile:
        """Decode and scale to unit variance, shape (v, n); 0 for a variant that is not used."""
        return self.read() * np.sqrt(self.precision)[:, None]


@dataclass(frozen=True)
class Relationship:
    """The variants of a whole-genome model by block, and products with their K.

    Parameters
    ----------
    blocks
        In order of the chromosomes.
    chromosomes
        Names of those with variants in the model.
    people
        Number of people n.
    left_out
        Variants that were not used: ``constant`` or too rare, ``not autosomal``.
    tiles
        Decoded blocks kept in memory, by place in ``blocks``.
    threads
        Blocks that are read or multiplied at a time.
    """

    blocks: list[ModelBlock]
    chromosomes: tuple[str, ...]
    people: int
    left_out: dict[str, int]
    tiles: dict[int, Tile]
    threads: int

    @property
    def sizes(self) -> Places:
        """Variants used by chromosome, shape (chromosomes,)."""
        sizes = np.zeros(len(self.chromosomes), dtype=np.int64)
        for block in self.blocks:
            sizes[block.chromosome] += len(block.variants)
        return sizes

    @property
    def variants(self) -> Places:
        """Places of the variants used, in order of the blocks."""
        return np.concatenate([block.variants for block in self.blocks])

    def _tile(self, place: int) -> Tile:
        """Return the centred dosages of block ``place``, (v, n)."""
        kept = self.tiles.get(place)
        return self.blocks[place].read() if kept is None else kept

    def times(self, columns: Floats, left_out: Places) -> Floats:
        """Multiply columns by K, each with its own chromosome left out.

        Parameters
        ----------
        columns
            Shape (n, k).
        left_out
            Place of the chromosome left out, or :data:`WHOLE`, shape (k,).

        Returns
        -------
        float64 array
            Shape (n, k); single precision within a block. Columns whose chromosome is the
            model's only one become 0.
        """
        width = columns.shape[1]
        narrow = np.zeros((self.people, _whole_panels(width)), dtype=np.float32)
        narrow[:, :width] = columns

        def of_block(place: int) -> Tile:
            block, tile = self.blocks[place], self._tile(place)
            scores: Tile = tile @ narrow
            scores *= block.precision[:, None]
            scores[:, :width][:, left_out == block.chromosome] = 0.0
            scored: Tile = scores.T @ tile
            return scored

        total = np.zeros(narrow.shape[::-1])
        for part in _side_by_side(of_block, len(self.blocks), self.threads):
            total += part
        sizes = self.sizes
        used = sizes.sum() - np.where(left_out == WHOLE, 0, sizes[left_out])
        product: Floats = np.ascontiguousarray(total[:width].T) / np.maximum(used, 1)
        return product

    def diagonal(self) -> Floats:
        """Return the diagonal of K, shape (n,)."""
        total = np.zeros(self.people)
        for place, block in enumerate(self.blocks):
            total += np.square(self._tile(place)).T @ block.precision
        return total / len(self.variants)


def _whole_panels(width: int) -> int:
    """Return the width filled up to what matrix products are fast at."""
    return -(-width // _PANEL) * _PANEL


def open_relationship(
    blocks: GenotypeBlocks, *, least_copies: float = 5.0, memory: int = 2**29
) -> Relationship:
    """Choose the model's variants and read them once.

    Parameters
    ----------
    blocks
        Variants offered (autosomes are used) and the people, whose number is n.
    least_copies
        Variants with fewer copies of the rarer allele among the people are left out:
        standardised, a few carriers would weigh more than a genome.
    memory
        Bytes that decoded blocks may take; what does not fit is decoded at each pass.

    Raises
    ------
    GeneticsError
        SC-541 when no variant is left.
    """
    counts = {"constant or rarer than asked": 0, "not autosomal": 0}
    parts = list(_by_chromosome(blocks, counts))
    jobs = [(name, part, number) for name, part in parts for number in range(len(part))]
    model: list[ModelBlock] = []
    chromosomes: list[str] = []
    tiles: dict[int, Tile] = {}
    spare = memory
    threads = blocks_at_work(blocks.n_samples, blocks.size)
    reads = _side_by_side(lambda job: jobs[job][1].block(jobs[job][2]), len(jobs), threads)
    for (name, part, number), read in zip(jobs, reads, strict=True):
        used = _usable(read, least_copies)
        counts["constant or rarer than asked"] += int((~used).sum())
        if not used.any():
            continue
        if name not in chromosomes:
            chromosomes.append(name)
        if read.tile.nbytes <= spare:
            tiles[len(model)] = read.tile
            spare -= read.tile.nbytes
        precision = np.zeros(used.shape, dtype=np.float32)
        precision[used] = blocks.n_samples / read.sum_squares[used]
        place = len(chromosomes) - 1
        model.append(ModelBlock(part, number, place, read.variants[used], precision))
    if not model:
        raise error(
            "SC-541",
            expected="autosomal variants that vary among the people",
            got=", ".join(f"{number} {reason}" for reason, number in counts.items()),
            where=blocks.genotypes.origin,
        )
    return Relationship(model, tuple(chromosomes), blocks.n_samples, counts, tiles, threads)


def _by_chromosome(
    blocks: GenotypeBlocks, counts: dict[str, int]
) -> Iterator[tuple[str, GenotypeBlocks]]:
    names = blocks.genotypes.variants["chromosome"].to_numpy()
    places = np.arange(len(names)) if blocks.variants is None else blocks.variants
    on = names[places]
    counts["not autosomal"] = int((~np.isin(on, list(AUTOSOMES))).sum())
    for name in sorted(AUTOSOMES, key=int):
        chosen = places[on == name]
        if chosen.size:
            yield (
                name,
                GenotypeBlocks(
                    blocks.genotypes, samples=blocks.samples, variants=chosen, size=blocks.size
                ),
            )


def _usable(block: GenotypeBlock, least_copies: float) -> NDArray[np.bool_]:
    copies = block.tile.shape[1] * np.minimum(block.mean, 2.0 - block.mean)
    # NaN (no call at all) compares false and is left out too.
    return (copies >= least_copies) & (block.sum_squares > 0)


def blocks_at_work(people: int, size: int) -> int:
    """Return how many blocks of ``size`` variants are read or multiplied at a time."""
    return max(1, min(os.cpu_count() or 1, _AT_WORK // (4 * people * size)))


def _side_by_side(work: Callable[[int], Done], count: int, threads: int) -> Iterator[Done]:
    """Give ``work`` of 0, 1, ... in order, so many at a time and one waiting to be taken."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Done]] = deque()
        for place in range(count):
            ahead.append(pool.submit(work, place))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
