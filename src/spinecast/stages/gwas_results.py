"""From a scan's Parquet files to what people read: estimates, loci, tables for other tools."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spinecast import __version__
from spinecast.cluster import Progress, map_blocks
from spinecast.errors import GeneticsError, error
from spinecast.files import read_json, write_json
from spinecast.genetics.gwas import GwasResult
from spinecast.genetics.loci import GENOME_WIDE, find_loci, inflation, overlap_with_known
from spinecast.stages.gwas_inputs import GwasInputs, GwasRequest
from spinecast.stages.references import References

if TYPE_CHECKING:
    from spinecast.genetics.whole_genome import WholeGenomeFit

FEW_TRAITS = 10
"""Up to so many traits text tables and pictures are made without being asked for."""

# Rows of tables held in memory at a time, and about what one takes there.
_ROWS_AT_A_TIME = 2_000_000
_BYTES_A_ROW = 500
_REPETITIVE = ["chromosome", "effect_allele", "other_allele"]
_LINE = -np.log10(GENOME_WIDE)


@dataclass(frozen=True)
class Findings:
    """What a scan found.

    Parameters
    ----------
    estimates
        Rows of the estimates table.
    loci
        ``trait``, then columns of :func:`~spinecast.genetics.loci.find_loci` (and of
        :func:`~spinecast.genetics.loci.overlap_with_known`).
    missing
        What could not be estimated: ``analysis``, ``why``.
    """

    estimates: pd.DataFrame
    loci: pd.DataFrame
    missing: pd.DataFrame


@dataclass(frozen=True)
class _Description:
    trait: str
    path: Path = field(repr=False)
    people: int
    scores: Any = field(repr=False, default=None)


def describe_scan(
    result: GwasResult,
    references: References,
    *,
    fit: WholeGenomeFit | None,
    progress: Progress | None = None,
) -> Findings:
    """Estimate inflation and heritability of every trait, and join hits into loci.

    LD score regression that cannot be done (too few variants with LD scores, say) is listed in
    ``missing``; all else is an error.
    """
    people = dict(zip(result.summary["trait"], result.summary["people"], strict=True))
    jobs = [
        _Description(trait, path, int(people[trait]), references.scores)
        for trait, path in result.files.items()
    ]
    found = map_blocks(_describe, jobs, label="estimates", progress=progress)
    rows = [row for estimates, _, _ in found for row in estimates]
    if fit is not None:
        rows += _model_rows(fit, people)
    loci = _loci([hits for _, hits, _ in found], list(result.files), references.known)
    missing = [entry for _, _, entries in found for entry in entries]
    columns = ["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]
    return Findings(
        pd.DataFrame(rows, columns=columns),
        loci,
        pd.DataFrame(missing, columns=["analysis", "why"]),
    )


def _describe(
    job: _Description,
) -> tuple[list[dict[str, Any]], pa.Table, list[dict[str, str]]]:
    with pq.ParquetFile(job.path, read_dictionary=_REPETITIVE) as opened:
        strength = opened.read(columns=["neg_log_10_p_value"], use_threads=False)
        significant = pc.greater(strength["neg_log_10_p_value"], _LINE)
        if pc.any(significant).as_py():
            hits = opened.read(use_threads=False).filter(significant)
        else:
            hits = opened.schema_arrow.empty_table()
    statistics = strength.to_pandas()
    rows: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    try:
        inflated = inflation(statistics)
    except GeneticsError as cause:
        missing.append({"analysis": f"gwas/{job.trait}", "why": cause.message})
    else:
        rows = [
            _row(f"gwas/{job.trait}", term, value, n=job.people)
            for term, value in (
                ("lambda_gc", inflated.lambda_gc),
                ("mean_chi_square", inflated.mean_chi_square),
            )
        ]
    if job.scores is not None:
        try:
            rows += _ld_score_rows(job)
        except GeneticsError as cause:
            missing.append({"analysis": f"ld_score/{job.trait}", "why": cause.message})
    return rows, hits, missing


def _loci(
    hits: Sequence[pa.Table], traits: Sequence[str], known: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the loci of all traits at once: for each of many alone it would take longer."""
    kinds = dict.fromkeys(_REPETITIVE, object)
    table = pa.concat_tables(hits).to_pandas().astype(kinds)
    trait = np.repeat(np.array(traits, dtype=object), [len(part) for part in hits])
    loci = find_loci(table.assign(trait=trait), within="trait")
    if known is not None:
        loci = overlap_with_known(loci, known)
    return loci[["trait", *loci.columns.drop("trait")]]


def _ld_score_rows(job: _Description) -> list[dict[str, Any]]:
    from spinecast.genetics.ld_score_tables import estimate_heritability
    from spinecast.genetics.munging import munge

    munged = munge(pd.read_parquet(job.path))
    found = estimate_heritability(munged, job.scores)
    rows = found.to_frame(f"ld_score/{job.trait}").to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _model_rows(fit: WholeGenomeFit, people: dict[str, int]) -> list[dict[str, Any]]:
    from spinecast.genetics.block_jackknife import Estimate

    rows = []
    for place, (trait, n) in enumerate(people.items()):
        name = f"whole_genome/{trait}"
        if fit.way == "ridge":
            rows.append(_row(name, "variance_predicted", float(fit.predicted[place]), n=n))
        else:
            share = Estimate(float(fit.h2[place]), float(fit.h2_error[place]))
            rows.append(_row(name, "h2", share.estimate, n=n, limits=share.ci))
    return rows


def _row(
    analysis: str,
    term: str,
    value: float,
    *,
    n: int,
    limits: tuple[float, float] = (np.nan, np.nan),
) -> dict[str, Any]:
    return {"analysis": analysis, "term": term, "estimate": value, "ci_low": limits[0],
            "ci_high": limits[1], "p_value": np.nan, "n": n}  # fmt: skip


@dataclass(frozen=True)
class _Export:
    trait: str
    source: Path = field(repr=False)
    stem: Path = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    formats: tuple[str, ...]


def export_tables(
    request: GwasRequest,
    inputs: GwasInputs,
    result: GwasResult,
    *,
    simulated: bool,
    progress: Progress | None = None,
) -> None:
    """Write the associations as GWAS-SSF tables with metadata, and in formats asked for.

    Traits are done one after another, several at a time where they are small; what an earlier
    start of the same scan has written is left as it is (``exports.json`` says what).
    """
    with_text = request.tables if request.tables is not None else len(result.files) <= FEW_TRAITS
    formats = (*(("ssf",) if with_text else ()), *request.formats)
    if not formats:
        return
    jobs = []
    people = dict(zip(result.summary["trait"], result.summary["people"], strict=True))
    for trait, source in result.files.items():
        about = _about(request, inputs, (trait, int(people[trait])), simulated=simulated)
        jobs.append(_Export(trait, source, source.with_suffix(""), about, formats))
    folder = jobs[0].source.parent
    done = _Done(folder, _mark(folder, jobs))
    waiting = [job for job in jobs if job.trait not in done.traits]
    largest = int(result.summary["variants"].max())
    together = max(1, min(os.cpu_count() or 1, _ROWS_AT_A_TIME // max(largest, 1)))
    for start in range(0, len(waiting), together):
        part = waiting[start : start + together]
        map_blocks(_export, part, label="tables")
        done.add([job.trait for job in part])
        if progress is not None:
            progress(start + len(part), len(waiting))


def tables_memory(variants: int) -> int:
    """Return about how many bytes reading and writing tables of traits takes at its peak."""
    together = max(1, min(os.cpu_count() or 1, _ROWS_AT_A_TIME // max(variants, 1)))
    return together * _BYTES_A_ROW * variants


class _Done:
    """Which traits' tables are written, on disk, so that a second start goes on."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._record = folder / "exports.json"
        self._mark = mark
        known = read_json(self._record) if self._record.exists() else {}
        self.traits: list[str] = known["traits"] if known.get("fingerprint") == mark else []

    def add(self, traits: Sequence[str]) -> None:
        """Say that these are written, too."""
        self.traits = [*self.traits, *traits]
        write_json(self._record, {"fingerprint": self._mark, "traits": self.traits})


def _mark(folder: Path, jobs: Sequence[_Export]) -> str:
    scan = read_json(folder / "gwas.json")["fingerprint"]
    words = [scan, [(job.trait, job.formats, job.provenance) for job in jobs]]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


def _about(
    request: GwasRequest, inputs: GwasInputs, trait: tuple[str, int], *, simulated: bool
) -> dict[str, Any]:
    """Return the trait's metadata."""
    from spinecast.genetics.summary_statistics import Provenance

    name, people = trait
    cases, controls = inputs.cases.get(name, (None, None))
    words = [f"Method {inputs.settings.method}, missing genotypes: {inputs.settings.missing}."]
    if request.normalise:
        words.append("Residuals on a normal scale by their ranks.")
    if simulated:
        words.append("SIMULATED people; the results mean nothing clinically.")
    return asdict(
        Provenance(
            build=inputs.build,
            trait=name,
            samples=people,
            cases=cases,
            controls=controls,
            covariates=inputs.covariate_names,
            software=f"spinecast {__version__}",
            notes=" ".join(words),
        )
    )


def _export(job: _Export) -> None:
    from spinecast.genetics.summary_statistics import Provenance, write_gwas_ssf

    texts = {pa.string(): pd.ArrowDtype(pa.string())}
    with pq.ParquetFile(job.source, read_dictionary=_REPETITIVE) as opened:
        table = opened.read().to_pandas(types_mapper=texts.get)
    for layout in job.formats:
        if layout == "ssf":
            target = job.stem.with_name(f"{job.stem.name}.tsv.gz")
            write_gwas_ssf(target, table, Provenance(**job.provenance))
        else:
            from spinecast.genetics.export_formats import FORMATS, export_associations

            suffix = FORMATS[layout].suffix
            export_associations(job.stem.with_name(job.stem.name + suffix), table, layout=layout)


def require_formats(formats: Sequence[str]) -> None:
    """Raise SC-558 for a layout that is not known, before anything is run."""
    if not formats:
        return
    from spinecast.genetics.export_formats import FORMATS

    for name in formats:
        if name not in FORMATS:
            raise error("SC-558", expected=", ".join(FORMATS), got=repr(name), where="--format")
