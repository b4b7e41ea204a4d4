"""The plan of a genome-wide scan: who, what, where, in which parts, with how much memory."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.gwas_parts import ScanSettings, ScanTask
from spinecast.genetics.people import AnalysedPeople
from spinecast.genetics.scan import require_offset
from spinecast.genotypes.genotypes import Genotypes

if TYPE_CHECKING:
    from spinecast.genetics.whole_genome import WholeGenomeFit

Floats = NDArray[np.float64]

# Raised whenever numbers could change: parts of an older engine are not taken up.
_ENGINE = 1
_TILE_BYTES = 8 << 20
_PART_BYTES = 48 << 20
_PART_VARIANTS = 8192
# The interpreter with its libraries, measured.
_BASE_BYTES = 320 << 20
# Of one variant and trait in a part and in a trait's file together, measured.
_BYTES_A_RESULT = 80


@dataclass(frozen=True)
class GwasPlan:
    """A scan that is ready to start; made by :func:`plan_gwas`.

    Parameters
    ----------
    genotypes, people, settings
        What is tested on whom, and how.
    variants
        Places of the variants, (v,).
    offsets
        Chromosome to what its variants are tested beside; empty for nothing.
    fit
        The whole-genome model, for method ``mixed``.
    folder
        Where results go.
    targets
        Trait to file.
    fingerprint
        Of everything that decides the numbers.
    """

    genotypes: Genotypes
    people: AnalysedPeople
    settings: ScanSettings
    variants: NDArray[np.int64]
    offsets: dict[str, NDArray[Any]]
    fit: WholeGenomeFit | None
    folder: Path
    targets: dict[str, Path]
    fingerprint: str

    @property
    def inputs(self) -> Path:
        """Folder of parts while the scan runs."""
        return self.folder / "gwas.partial"

    @property
    def record(self) -> Path:
        """The file that says that the scan ended, and how."""
        return self.folder / "gwas.json"

    def tasks(self) -> list[ScanTask]:
        """Return the tasks: whole blocks of one chromosome each, in the order of the file."""
        block = self.settings.block or _block(len(self.people.samples))
        blocks_each = _part_blocks(block, len(self.people.names))
        chromosomes = self.genotypes.variants["chromosome"].iloc[self.variants]
        codes, names = pd.factorize(chromosomes)
        tasks = []
        for code, chromosome in enumerate(names):
            own = self.variants[codes == code]
            blocks = -(-own.size // block)
            parts = -(-blocks // blocks_each)
            bounds = [block * (blocks * part // parts) for part in range(parts)] + [own.size]
            tasks += [
                ScanTask(
                    self.genotypes, self.inputs, str(chromosome), part, own[start:end], block,
                    self.fingerprint,
                )
                for part, (start, end) in enumerate(pairwise(bounds))
            ]  # fmt: skip
        return tasks

    def sentence(self, tasks: Sequence[ScanTask], *, waiting: int) -> str:
        """Say how large the scan is, what is there already and what memory it takes."""
        n, t = self.people.traits.shape
        masks = {np.isnan(column).tobytes() for column in self.people.traits.T}
        memory = estimate_gwas_memory(
            n, t,
            covariates=self.people.covariates.shape[1],
            groups=len(masks) if self.settings.method in {"linear", "mixed"} else t,
            settings=self.settings,
        )  # fmt: skip
        v = len(self.variants)
        kept = f"; {len(tasks) - waiting} are there already" if waiting < len(tasks) else ""
        return (
            f"{n} people, {t} traits in {len(masks)} groups of equal missingness, {v} variants "
            f"in {len(tasks)} parts{kept}; about {memory / 2**30:.1f} GiB of memory, "
            f"{v * t * _BYTES_A_RESULT / 2**30:.1f} GiB of files"
        )


def plan_gwas(
    genotypes: Genotypes,
    people: AnalysedPeople,
    folder: Path,
    *,
    settings: ScanSettings,
    variants: NDArray[np.int64] | None = None,
    offsets: Mapping[str, Floats] | None = None,
    fit: WholeGenomeFit | None = None,
) -> GwasPlan:
    """Check that a scan can be done and fix everything that decides its numbers.

    Parameters
    ----------
    genotypes, people, folder, settings
        What is tested on whom, where results go, how.
    variants
        Places to consider, ascending; None for all.
    offsets
        Chromosome to predictions without it, (n, t), for ``people``.
    fit
        The whole-genome model of the same people, for method ``mixed``; its predictions take
        the place of ``offsets``.

    Raises
    ------
    GeneticsError
        SC-530 traits whose files would have one name, SC-536 settings that do not go together.
    """
    places = np.arange(genotypes.n_variants) if variants is None else np.asarray(variants)
    places = places.astype(np.int64)
    predicted = _predictions(genotypes, places, settings, offsets=offsets, fit=fit)
    targets = _targets(folder, people.names)
    fingerprint = _fingerprint(genotypes, people, settings, variants=places, offsets=predicted,
                               fit=fit)  # fmt: skip
    return GwasPlan(
        genotypes, people, settings, places, predicted, fit, folder, targets, fingerprint
    )


def estimate_gwas_memory(
    n: int,
    traits: int,
    *,
    covariates: int = 0,
    groups: int = 1,
    settings: ScanSettings | None = None,
    workers: int | None = None,
) -> int:
    """Return about how many bytes a scan needs at its peak, all workers of one machine together.

    Parameters
    ----------
    n, traits, covariates
        People, traits, covariates.
    groups
        Sets of traits that the same people have; as many as traits for case-control traits.
    settings, workers
        As for :func:`run_gwas`; None for the defaults and one worker per core.
    """
    chosen = settings or ScanSettings()
    block = chosen.block or _block(n)
    number = 8 if chosen.missing == "exact" else 4
    columns = traits + groups * (covariates + 2)
    tile = n * block * (4 + (8 if number == 8 else 0) + (number if groups > 1 else 0))
    part = 3 * traits * _part_blocks(block, traits) * block * 40
    design = n * columns * (number + 16) + n * groups * number
    return _BASE_BYTES + design + (workers or os.cpu_count() or 1) * (tile + part)


def _block(n: int) -> int:
    """Return variants a block: a tile that stays in the cache, by the number of people only.

    It must not depend on the traits, or a trait's rounding would.
    """
    fitting = max(1, _TILE_BYTES // (4 * n))
    return min(1024, max(64, 1 << (fitting.bit_length() - 1)))


def _part_blocks(block: int, traits: int) -> int:
    return max(1, min(_PART_VARIANTS, _PART_BYTES // (40 * traits)) // block)


def _targets(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return each trait's file; characters that file names do not bear become underscores."""
    safe = [re.sub(r"[^A-Za-z0-9_+-]|^-", "_", name)[:120] for name in names]
    lowered = [name.casefold() for name in safe]
    twice = [name for name, low in zip(names, lowered, strict=True) if lowered.count(low) > 1]
    if twice or not names:
        got = ", ".join(twice[:4]) or "no traits"
        raise error("SC-530", expected="traits with names that make different files", got=got)
    return {name: folder / f"{stem}.parquet" for name, stem in zip(names, safe, strict=True)}


def _predictions(
    genotypes: Genotypes,
    places: NDArray[np.int64],
    settings: ScanSettings,
    *,
    offsets: Mapping[str, Floats] | None,
    fit: WholeGenomeFit | None,
) -> dict[str, NDArray[Any]]:
    """Return what each scanned chromosome is tested beside; nothing where nothing was given."""
    if not places.size:
        raise error("SC-536", expected="variants to test", got="none", where=genotypes.origin)
    if (settings.method == "mixed") != (fit is not None):
        got = f"method {settings.method} {'with' if fit is not None else 'without'} one"
        raise error("SC-536", expected="a whole-genome model for method mixed", got=got)
    chromosomes = [str(c) for c in genotypes.variants["chromosome"].iloc[places].unique()]
    if fit is not None:
        return {chromosome: fit.prediction(chromosome) for chromosome in chromosomes}
    if offsets is None:
        return {}
    for chromosome in chromosomes:
        require_offset(chromosome, offsets)
    return {chromosome: offsets[chromosome] for chromosome in chromosomes}


def _fingerprint(
    genotypes: Genotypes,
    people: AnalysedPeople,
    settings: ScanSettings,
    *,
    variants: NDArray[np.int64],
    offsets: Mapping[str, NDArray[Any]],
    fit: WholeGenomeFit | None,
) -> str:
    words: list[Any] = [_ENGINE, asdict(settings), genotypes.stamps, people.names]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    arrays = [people.samples, people.traits, people.covariates, variants]
    if fit is not None:
        digest.update(fit.way.encode())
        arrays.append(fit.calibration)
    for chromosome, values in sorted(offsets.items()):
        digest.update(chromosome.encode())
        arrays.append(values)
    for values in arrays:
        digest.update(f"{values.shape}{values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
