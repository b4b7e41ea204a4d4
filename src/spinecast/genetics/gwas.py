"""Genome-wide association of many traits: planned, said, run in parts, resumed, joined."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.files import read_json, write_json
from spinecast.genetics.gwas_joining import join_tasks, run_join_task
from spinecast.genetics.gwas_parts import (
    ScanSettings,
    ScanTask,
    release_inputs,
    run_scan_task,
    save_inputs,
)
from spinecast.genetics.people import AnalysedPeople, align_people
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


@dataclass(frozen=True)
class GwasResult:
    """What a scan left.

    Parameters
    ----------
    files
        Trait to Parquet file with GWAS-SSF columns and ``neg_log_10_p_value``; ``chromosome``
        is text.
    summary
        One row per trait: ``trait``, ``people`` (with a value), ``variants`` (in the file),
        ``dropped`` (constant among the trait's people, or explained by the covariates).
    flow
        How many people each rule left out, as :func:`~spinecast.genetics.align_people` counts.
    """

    files: dict[str, Path]
    summary: pd.DataFrame
    flow: dict[str, int]


def run_gwas(
    genotypes: Genotypes,
    traits: pd.DataFrame,
    covariates: pd.DataFrame | None = None,
    *,
    folder: Path,
    settings: ScanSettings | None = None,
    samples: NDArray[np.int64] | None = None,
    variants: NDArray[np.int64] | None = None,
    offsets: Mapping[str, Floats] | None = None,
    fit: WholeGenomeFit | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> GwasResult:
    """Test every trait on every variant and leave one Parquet file per trait.

    Work is cut into tasks by (chromosome, part). Each leaves a file in ``folder/gwas.partial``;
    started again with the same input, finished tasks are kept, and a finished scan is only
    read. Another input throws old parts away. Threads, processes and clusters write the same
    bytes.

    Parameters
    ----------
    genotypes
        Opened files.
    traits, covariates
        Indexed by sample id, NaN where missing. People with a gap in the covariates are left
        out and counted.
    folder
        Where ``<trait>.parquet`` and ``gwas.json`` go.
    settings
        Method and what is done about missing genotypes; None for the defaults.
    samples, variants
        Places to consider, ascending; None for all.
    offsets
        Chromosome to predictions without it, (n, t), for the people of
        :func:`~spinecast.genetics.align_people` given the same tables and samples.
    fit
        The whole-genome model of the same people, for method ``mixed``; its predictions take
        the place of ``offsets``.
    cluster
        See :mod:`spinecast.cluster`.
    progress
        Called as ``progress(done, total)`` after each task of the scan, then of the joining.
    announce
        Called once before the start with a sentence on size and memory.

    Raises
    ------
    GeneticsError
        SC-530 traits whose files would have one name, SC-533 to SC-539 traits, covariates and
        settings that do not work; SC-502 and others from reading genotypes.
    """
    chosen = settings or ScanSettings()
    people = align_people(genotypes, traits, covariates, samples=samples)
    places = np.arange(genotypes.n_variants) if variants is None else np.asarray(variants)
    predicted = _predictions(genotypes, places, chosen, offsets=offsets, fit=fit)
    targets = _targets(folder, people.names)
    fingerprint = _fingerprint(genotypes, people, chosen, variants=places, offsets=predicted,
                               fit=fit)  # fmt: skip
    inputs = folder / "gwas.partial"
    if (done := _finished(folder, fingerprint, targets)) is not None:
        shutil.rmtree(inputs, ignore_errors=True)
        return done
    if _plan_of(inputs) != fingerprint:
        _clear(folder)
        save_inputs(inputs, people, chosen, offsets=predicted, fit=fit,
                    fingerprint=fingerprint)  # fmt: skip
    tasks = _scan_tasks(genotypes, people, chosen, variants=places, inputs=inputs,
                        fingerprint=fingerprint)  # fmt: skip
    waiting = [task for task in tasks if not task.part.exists()]
    if announce is not None:
        announce(_sentence(people, chosen, tasks, waiting=len(waiting)))
    with _one_core_each(cluster):
        map_blocks(run_scan_task, waiting, cluster=cluster, label="scan", progress=progress)
        joins = join_tasks(genotypes, tasks, list(targets.values()))
        release_inputs()
        counts = map_blocks(run_join_task, joins, cluster=cluster, label="join", progress=progress)
    _finish(folder, fingerprint, people, settings=chosen, targets=targets,
            counts=[pair for chunk in counts for pair in chunk])  # fmt: skip
    shutil.rmtree(inputs)
    result = _finished(folder, fingerprint, targets)
    assert result is not None
    return result


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


def _sentence(
    people: AnalysedPeople, settings: ScanSettings, tasks: Sequence[ScanTask], *, waiting: int
) -> str:
    n, t = people.traits.shape
    masks = {np.isnan(column).tobytes() for column in people.traits.T}
    groups = len(masks) if settings.method == "linear" else t
    memory = estimate_gwas_memory(
        n, t, covariates=people.covariates.shape[1], groups=groups, settings=settings
    )
    variants = sum(len(task.variants) for task in tasks)
    kept = f"; {len(tasks) - waiting} are there already" if waiting < len(tasks) else ""
    return (
        f"{n} people, {t} traits in {len(masks)} groups of equal missingness, {variants} "
        f"variants in {len(tasks)} parts{kept}; about {memory / 2**30:.1f} GiB of memory, "
        f"{variants * t * 60 / 2**30:.1f} GiB of files"
    )


def _block(n: int) -> int:
    """Return variants a block: a tile that stays in the cache, by the number of people only.

    It must not depend on the traits, or a trait's rounding would.
    """
    fitting = max(1, _TILE_BYTES // (4 * n))
    return min(1024, max(64, 1 << (fitting.bit_length() - 1)))


def _part_blocks(block: int, traits: int) -> int:
    return max(1, min(_PART_VARIANTS, _PART_BYTES // (40 * traits)) // block)


def _scan_tasks(
    genotypes: Genotypes,
    people: AnalysedPeople,
    settings: ScanSettings,
    *,
    variants: NDArray[np.int64],
    inputs: Path,
    fingerprint: str,
) -> list[ScanTask]:
    block = settings.block or _block(len(people.samples))
    blocks_each = _part_blocks(block, len(people.names))
    chromosomes = genotypes.variants["chromosome"].to_numpy()[variants]
    tasks = []
    for chromosome in dict.fromkeys(chromosomes):
        own = variants[chromosomes == chromosome].astype(np.int64)
        blocks = -(-own.size // block)
        parts = -(-blocks // blocks_each)
        bounds = [block * (blocks * part // parts) for part in range(parts)] + [own.size]
        tasks += [
            ScanTask(genotypes, inputs, str(chromosome), part, own[start:end], block, fingerprint)
            for part, (start, end) in enumerate(pairwise(bounds))
        ]
    return tasks


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


def _plan_of(inputs: Path) -> str:
    plan = inputs / "plan.json"
    return str(read_json(plan)["fingerprint"]) if plan.exists() else ""


def _clear(folder: Path) -> None:
    """Remove what an earlier scan of other input left, and only that."""
    if (folder / "gwas.partial").exists():
        shutil.rmtree(folder / "gwas.partial")
    record = folder / "gwas.json"
    if record.exists():
        for trait in read_json(record)["traits"]:
            (folder / str(Path(trait["file"]).name)).unlink(missing_ok=True)
        record.unlink()


def _finish(
    folder: Path,
    fingerprint: str,
    people: AnalysedPeople,
    *,
    settings: ScanSettings,
    targets: Mapping[str, Path],
    counts: Sequence[tuple[int, int]],
) -> None:
    known = (~np.isnan(people.traits)).sum(axis=0)
    rows = [
        {"trait": name, "file": target.name, "people": n, "variants": kept, "dropped": left}
        for (name, target), n, (kept, left) in zip(targets.items(), known, counts, strict=True)
    ]
    record = {"fingerprint": fingerprint, "settings": asdict(settings), "flow": people.flow}
    write_json(folder / "gwas.json", {**record, "traits": rows})


def _finished(folder: Path, fingerprint: str, targets: Mapping[str, Path]) -> GwasResult | None:
    record = folder / "gwas.json"
    if not record.exists() or not all(target.exists() for target in targets.values()):
        return None
    content = read_json(record)
    if content["fingerprint"] != fingerprint:
        return None
    summary = pd.DataFrame(content["traits"]).drop(columns="file")
    return GwasResult(dict(targets), summary, content["flow"])


@contextmanager
def _one_core_each(cluster: str | None) -> Iterator[None]:
    """On threads each task keeps to one core: tasks are what runs side by side."""
    if cluster not in {None, "threads"}:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
