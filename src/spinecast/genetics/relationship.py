"""The relationship matrix of a whole-genome model, multiplied without being formed.

K = Z Z' / m, Z the model's variants standardised over the people, m their number; for a
chromosome left out, K of the others with their own m. Products run over blocks of
variants, two matrix products a block; blocks that fit are decoded once and kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
_PANEL = 16
Tile = NDArray[np.float32]
Read = TypeVar("Read")
# Threads that decode ahead; each holds a block.
_READERS = 2


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
        Places of the variants used, shape (v,).
    kept
        Rows of the block that are used, shape (rows,), bool.
    precision
        One over the variance of each variant used, shape (v,).
    """

    blocks: GenotypeBlocks
    number: int
    chromosome: int
    variants: Places
    kept: NDArray[np.bool_]
    precision: NDArray[np.float32]

    def read(self) -> Tile:
        """Decode the centred dosages of the variants used, shape (v, n)."""
        tile = self.blocks.block(self.number).tile
        return tile if self.kept.all() else np.ascontiguousarray(tile[self.kept])

    def standardised(self) -> Tile:
        """Decode and scale to unit variance, shape (v, n)."""
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
    """

    blocks: list[ModelBlock]
    chromosomes: tuple[str, ...]
    people: int
    left_out: dict[str, int]
    tiles: dict[int, Tile]

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

    def each_tile(self) -> Iterator[tuple[ModelBlock, Tile]]:
        """Go through the blocks with their centred dosages (v, n), reading one ahead."""
        yield from zip(self.blocks, _read_ahead(self._tile, len(self.blocks)), strict=True)

    def _tile(self, place: int) -> Tile:
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
        product = np.zeros(narrow.shape)
        for block, tile in self.each_tile():
            scores = tile @ narrow
            scores *= block.precision[:, None]
            scores[:, :width][:, left_out == block.chromosome] = 0.0
            product += tile.T @ scores
        sizes = self.sizes
        used = sizes.sum() - np.where(left_out == WHOLE, 0, sizes[left_out])
        return product[:, :width] / np.maximum(used, 1)

    def trace_within(self, basis: Floats) -> float:
        """Return the trace of basis' K basis for orthonormal columns (n, c)."""
        narrow = np.ascontiguousarray(basis, dtype=np.float32)
        total = 0.0
        for block, tile in self.each_tile():
            scores = (tile @ narrow).astype(np.float64)
            total += float(((scores**2).sum(axis=1) * block.precision).sum())
        return total / len(self.variants)

    def diagonal(self) -> Floats:
        """Return the diagonal of K, shape (n,)."""
        total = np.zeros(self.people)
        for block, tile in self.each_tile():
            total += np.square(tile).T @ block.precision
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
    reads = _read_ahead(lambda job: jobs[job][1].block(jobs[job][2]), len(jobs))
    for (name, part, number), read in zip(jobs, reads, strict=True):
        kept = _usable(read, least_copies)
        counts["constant or rarer than asked"] += int((~kept).sum())
        if not kept.any():
            continue
        if name not in chromosomes:
            chromosomes.append(name)
        tile = read.tile if kept.all() else np.ascontiguousarray(read.tile[kept])
        if tile.nbytes <= spare:
            tiles[len(model)] = tile
            spare -= tile.nbytes
        precision = (blocks.n_samples / read.sum_squares[kept]).astype(np.float32)
        place = len(chromosomes) - 1
        model.append(ModelBlock(part, number, place, read.variants[kept], kept, precision))
    if not model:
        raise error(
            "SC-541",
            expected="autosomal variants that vary among the people",
            got=", ".join(f"{number} {reason}" for reason, number in counts.items()),
            where=blocks.genotypes.origin,
        )
    return Relationship(model, tuple(chromosomes), blocks.n_samples, counts, tiles)


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


def _read_ahead(read: Callable[[int], Read], count: int) -> Iterator[Read]:
    """Give ``read`` of 0, 1, ... in order, the next ones being read meanwhile."""
    with ThreadPoolExecutor(_READERS) as pool:
        ahead = deque(pool.submit(read, place) for place in range(min(_READERS, count)))
        for place in range(_READERS, count + _READERS):
            if not ahead:
                return
            found = ahead.popleft().result()
            if place < count:
                ahead.append(pool.submit(read, place))
            yield found
