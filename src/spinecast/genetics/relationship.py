"""The relationship matrix of a whole-genome model, multiplied without being formed.

K = Z Z' / m, Z the model's variants standardised over the people, m their number; for a
chromosome left out, K of the others with their own m. Products run over blocks of
variants, two matrix products a block; blocks that fit are decoded once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.chromosomes import AUTOSOMES
from spinecast.genetics.projection import Floats
from spinecast.genotypes.blocks import GenotypeBlocks
from spinecast.genotypes.genotypes import Places

# The place of "no chromosome left out".
WHOLE = -1
Tile = NDArray[np.float32]


@dataclass(frozen=True)
class ModelBlock:
    """A block of the model's variants, all of one chromosome.

    Attributes
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

    Attributes
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
        with ThreadPoolExecutor(1) as pool:
            ahead: Future[Tile] = pool.submit(self._tile, 0)
            for place, block in enumerate(self.blocks):
                tile = ahead.result()
                if place + 1 < len(self.blocks):
                    ahead = pool.submit(self._tile, place + 1)
                yield block, tile

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
        narrow = np.ascontiguousarray(columns, dtype=np.float32)
        product = np.zeros(columns.shape)
        for block, tile in self.each_tile():
            scores = tile @ narrow
            scores *= block.precision[:, None]
            scores[:, left_out == block.chromosome] = 0.0
            product += tile.T @ scores
        sizes = self.sizes
        used = sizes.sum() - np.where(left_out == WHOLE, 0, sizes[left_out])
        return product / np.maximum(used, 1)

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
    model: list[ModelBlock] = []
    chromosomes: list[str] = []
    tiles: dict[int, Tile] = {}
    counts = {"constant or rarer than asked": 0, "not autosomal": 0}
    spare, people = memory, 0
    for chromosome, part in _by_chromosome(blocks, counts):
        before = len(model)
        for number in range(len(part)):
            block, tile = _model_block(part, number, len(chromosomes), least_copies=least_copies)
            people = tile.shape[1]
            counts["constant or rarer than asked"] += int((~block.kept).sum())
            if len(block.variants) and tile.nbytes <= spare:
                tiles[len(model)] = tile
                spare -= tile.nbytes
            if len(block.variants):
                model.append(block)
        if len(model) > before:
            chromosomes.append(chromosome)
    if not model:
        raise error(
            "SC-541",
            expected="autosomal variants that vary among the people",
            got=", ".join(f"{number} {reason}" for reason, number in counts.items()),
            where=blocks.genotypes.origin,
        )
    return Relationship(model, tuple(chromosomes), people, counts, tiles)


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


def _model_block(
    part: GenotypeBlocks, number: int, chromosome: int, *, least_copies: float
) -> tuple[ModelBlock, Tile]:
    block = part.block(number)
    n = block.tile.shape[1]
    copies = n * np.minimum(block.mean, 2.0 - block.mean)
    # NaN (no call at all) compares false and is left out too.
    kept = (copies >= least_copies) & (block.sum_squares > 0)
    model = ModelBlock(
        part,
        number,
        chromosome,
        variants=np.asarray(block.variants)[kept],
        kept=kept,
        precision=(n / block.sum_squares[kept]).astype(np.float32),
    )
    tile = block.tile if kept.all() else np.ascontiguousarray(block.tile[kept])
    return model, tile
