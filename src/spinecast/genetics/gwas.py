"""Genome-wide association of many traits: planned, said, run in parts, resumed, joined."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.files import read_json, write_json
from spinecast.genetics.gwas_joining import join_tasks, release_columns, run_join_task
from spinecast.genetics.gwas_parts import ScanSettings, release_inputs, run_scan_task, save_inputs
from spinecast.genetics.gwas_plan import GwasPlan, estimate_gwas_memory, plan_gwas
from spinecast.genetics.people import align_people
from spinecast.genotypes.genotypes import Genotypes

if TYPE_CHECKING:
    from spinecast.genetics.whole_genome import WholeGenomeFit

__all__ = ["GwasResult", "ScanSettings", "estimate_gwas_memory", "run_gwas"]

Floats = NDArray[np.float64]


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

    Work is cut into tasks by (chromosome, part); each leaves a file in ``folder/gwas.partial``.
    Started again with the same input, finished tasks are kept, and a finished scan is only
    read; other input throws old parts away. Threads, processes and clusters write the same bytes.

    Parameters
    ----------
    genotypes
        Opened files.
    traits, covariates
        Indexed by sample id, NaN where missing; gaps in covariates leave people out, counted.
    folder
        Where ``<trait>.parquet`` and ``gwas.json`` go.
    settings
        Method and what is done about missing genotypes.
    samples, variants
        Places to consider, ascending; None for all.
    offsets, fit
        See :func:`~spinecast.genetics.gwas_plan.plan_gwas`.
    cluster
        See :mod:`spinecast.cluster`.
    progress
        Called as ``progress(done, total)`` after each task of the scan, then of the joining.
    announce
        Called once before the start with a sentence on size and memory.

    Raises
    ------
    GeneticsError
        As :func:`~spinecast.genetics.gwas_plan.plan_gwas`; SC-502 and others from reading.
    """
    people = align_people(genotypes, traits, covariates, samples=samples)
    plan = plan_gwas(genotypes, people, folder, settings=settings or ScanSettings(),
                     variants=variants, offsets=offsets, fit=fit)  # fmt: skip
    done = _finished(plan) or _carry_out(
        plan, cluster=cluster, progress=progress, announce=announce
    )
    shutil.rmtree(plan.inputs, ignore_errors=True)
    return done


def _carry_out(
    plan: GwasPlan,
    *,
    cluster: str | None,
    progress: Progress | None,
    announce: Callable[[str], None] | None,
) -> GwasResult:
    if _fingerprint_of(plan.inputs) != plan.fingerprint:
        _clear(plan)
        save_inputs(plan.inputs, plan.people, plan.settings, offsets=plan.offsets, fit=plan.fit,
                    fingerprint=plan.fingerprint)  # fmt: skip
    tasks = plan.tasks()
    waiting = [task for task in tasks if not task.part.exists()]
    if announce is not None:
        announce(plan.sentence(tasks, waiting=len(waiting)))
    with _one_core_each(cluster):
        map_blocks(run_scan_task, waiting, cluster=cluster, label="scan", progress=progress)
        joins = join_tasks(plan.genotypes, tasks, list(plan.targets.values()))
        release_inputs()
        counts = map_blocks(run_join_task, joins, cluster=cluster, label="join", progress=progress)
        release_columns()
    _finish(plan, [pair for chunk in counts for pair in chunk])
    result = _finished(plan)
    assert result is not None
    return result


def _fingerprint_of(inputs: Path) -> str:
    plan = inputs / "plan.json"
    return str(read_json(plan)["fingerprint"]) if plan.exists() else ""


def _clear(plan: GwasPlan) -> None:
    """Remove what an earlier scan of other input left, and only that."""
    if plan.inputs.exists():
        shutil.rmtree(plan.inputs)
    if plan.record.exists():
        for trait in read_json(plan.record)["traits"]:
            (plan.folder / str(Path(trait["file"]).name)).unlink(missing_ok=True)
        plan.record.unlink()


def _finish(plan: GwasPlan, counts: Sequence[tuple[int, int]]) -> None:
    known = (~np.isnan(plan.people.traits)).sum(axis=0)
    rows = [
        {"trait": name, "file": target.name, "people": n, "variants": kept, "dropped": left}
        for (name, target), n, (kept, left) in zip(plan.targets.items(), known, counts, strict=True)
    ]
    content = {
        "fingerprint": plan.fingerprint,
        "settings": asdict(plan.settings),
        "flow": plan.people.flow,
        "traits": rows,
    }
    write_json(plan.record, content)


def _finished(plan: GwasPlan) -> GwasResult | None:
    """Return the result of a scan that ended, None where it is of other input or not complete."""
    if not plan.record.exists() or not all(path.exists() for path in plan.targets.values()):
        return None
    content = read_json(plan.record)
    if content["fingerprint"] != plan.fingerprint:
        return None
    summary = pd.DataFrame(content["traits"]).drop(columns="file")
    return GwasResult(dict(plan.targets), summary, content["flow"])


@contextmanager
def _one_core_each(cluster: str | None) -> Iterator[None]:
    """On threads each task keeps to one core: tasks are what runs side by side."""
    if cluster not in {None, "threads"}:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
