"""Genotypes in blocks of variants, centred and ready to be multiplied."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.decode import (
    Centred,
    centre_dosages,
    decode_centred,
    decode_missing,
    select_samples,
)
from spinecast.genotypes.genotypes import Dosages, Genotypes, Places, checked_places


@dataclass(frozen=True)
class GenotypeBlock:
    """Some variants of all samples asked for.

    Parameters
    ----------
    variants
        Places in the genotypes' table of variants, (v,).
    tile
        Dosage minus the variant's mean, missing as 0, (v, n) float32, C-contiguous.
    mean
        Mean dosage over the samples with a genotype, (v,); NaN where nobody has one.
    missing
        Samples without a genotype, (v,).
    sum_squares
        Of the centred dosages over the samples with a genotype, (v,); 0 for a variant that
        does not vary.
    missing_mask
        Where genotypes are missing, (v, n); None unless it was asked for.
    """

    variants: Places
    tile: Dosages
    mean: NDArray[np.float64]
    missing: NDArray[np.int64]
    sum_squares: NDArray[np.float64]
    missing_mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class GenotypeBlocks:
    """Blocks of variants, read and decoded when they are asked for.

    Parameters
    ----------
    genotypes
        Where they come from.
    samples
        Places of the samples to read, ascending; None for all.
    variants
        Places of the variants to read, in the order wanted; None for all.
    size
        Variants a block.
    with_mask
        Whether blocks say where genotypes are missing.
    threads
        Threads that read ahead while blocks are used one after another; each holds a block.

    Raises
    ------
    GeneticsError
        SC-511 for places out of range, or samples that do not ascend.
    """

    genotypes: Genotypes
    samples: Places | None = None
    variants: Places | None = None
    size: int = 1024
    with_mask: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        if self.samples is not None:
            checked_places(self.samples, self.genotypes.n_samples, what="samples")
            if np.any(np.diff(self.samples) <= 0):
                raise error("SC-511", expected="samples in file order, each once", got="others")
        if self.variants is not None:
            checked_places(self.variants, self.genotypes.n_variants, what="variants")

    @property
    def n_samples(self) -> int:
        """Samples in every tile."""
        return self.genotypes.n_samples if self.samples is None else len(self.samples)

    @property
    def n_variants(self) -> int:
        """Variants in all blocks together."""
        return self.genotypes.n_variants if self.variants is None else len(self.variants)

    def __len__(self) -> int:
        return (self.n_variants + self.size - 1) // self.size

    def __iter__(self) -> Iterator[GenotypeBlock]:
        with ThreadPoolExecutor(max(1, self.threads)) as pool:
            ahead: deque[Future[GenotypeBlock]] = deque()
            for k in range(len(self)):
                ahead.append(pool.submit(self.block, k))
                if len(ahead) > max(1, self.threads):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def places(self, k: int) -> Places:
        """Return the places of the variants of block ``k``."""
        if not 0 <= k < len(self):
            raise error("SC-511", expected=f"a block from 0 to {len(self) - 1}", got=str(k))
        start, end = k * self.size, min((k + 1) * self.size, self.n_variants)
        if self.variants is None:
            return np.arange(start, end, dtype=np.int64)
        return np.asarray(self.variants[start:end], dtype=np.int64)

    def part(self, k: int) -> GenotypeBlocks:
        """Return block ``k`` as blocks of its own, small enough to send to another process."""
        return replace(self, variants=self.places(k))

    def block(self, k: int) -> GenotypeBlock:
        """Read and decode block ``k``; pure, so that blocks may be made in any order."""
        places = self.places(k)
        centred, mask = self._packed(places) if self.genotypes.packed else self._unpacked(places)
        return GenotypeBlock(
            variants=places,
            tile=centred.tile,
            mean=centred.mean,
            missing=centred.missing,
            sum_squares=centred.sum_squares,
            missing_mask=mask,
        )

    def _packed(self, places: Places) -> tuple[Centred, NDArray[np.bool_] | None]:
        packed = self.genotypes.read_packed(places)
        if self.samples is not None:
            packed = select_samples(packed, self.samples)
        mask = decode_missing(packed, self.n_samples) if self.with_mask else None
        return decode_centred(packed, self.n_samples), mask

    def _unpacked(self, places: Places) -> tuple[Centred, NDArray[np.bool_] | None]:
        dosages = self.genotypes.dosages(places, samples=self.samples)
        mask = np.isnan(dosages) if self.with_mask else None
        return centre_dosages(dosages), mask
