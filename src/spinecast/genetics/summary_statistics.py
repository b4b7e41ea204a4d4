"""Summary statistics in the catalog's format, GWAS-SSF: a table and its metadata, out and in.

References
----------
Hayhurst J et al. bioRxiv 2022.07.15.500230; GWAS-SSF 1.1.0.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.files import write_text
from spinecast.genetics.associations import (
    UNPLACED,
    checked_associations,
    chromosome_name,
    in_genome_order,
    neg_log_10_p,
    validate_associations,
)
from spinecast.genetics.delimited_statistics import (
    Numbers,
    PValues,
    read_text_columns,
    whole_numbers,
    write_columns,
)
from spinecast.genotypes.variant_tables import canonical_build

MANDATORY = (
    "chromosome", "base_pair_location", "effect_allele", "other_allele", "beta",
    "standard_error", "effect_allele_frequency", "p_value",
)  # fmt: skip
_NUMBERS = ("beta", "standard_error", "effect_allele_frequency", "n", "info")
_WRITTEN_CODES = {str(k): k for k in range(1, 23)} | {"X": 23, "XY": 23, "Y": 24, "MT": 25}
_RS = r"^rs[0-9]+$"


@dataclass(frozen=True)
class Provenance:
    """What a reader must know about a table of summary statistics.

    Attributes
    ----------
    build
        Genome build, ``GRCh37`` or ``GRCh38`` by any of their names.
    trait
        What was measured, in words.
    samples
        Largest number of people behind a variant.
    cases, controls
        For case-control traits.
    ancestry
        Broad ancestry categories of the people.
    sex
        ``combined``, ``M``, ``F`` or ``NR``.
    genotyping
        Technology, e.g. ``Genome-wide genotyping array``.
    covariates
        What was adjusted for.
    software
        Name and version of what computed the table.
    reference_allele
        ``OA`` or ``EA`` where it is known which allele is the reference genome's.
    notes
        Anything else, e.g. that the people are simulated.
    """

    build: str
    trait: str
    samples: int
    cases: int | None = None
    controls: int | None = None
    ancestry: tuple[str, ...] = ("NR",)
    sex: str = "NR"
    genotyping: tuple[str, ...] = ("NR",)
    covariates: tuple[str, ...] = ()
    software: str = "spinecast"
    reference_allele: str | None = None
    notes: str = ""


@dataclass(frozen=True)
class SummaryStatistics:
    """A table of associations with its genome build and metadata as read."""

    table: pd.DataFrame
    build: str
    metadata: dict[str, Any] = field(default_factory=dict)


def known_build(name: str | None, *, where: str = "") -> str:
    """Return ``GRCh37`` or ``GRCh38`` for any of a build's names, patches left aside.

    Raises
    ------
    GeneticsError
        SC-510 for an unknown or missing build: positions mean nothing without it.
    """
    word = re.sub(r"\.?p\d+$", "", str(name or "").strip(), flags=re.IGNORECASE)
    build = canonical_build(word or None)
    if build is None:
        raise error("SC-510", expected="GRCh37 or GRCh38", got="no build", where=where)
    return build


def require_same_build(first: str, second: str, *, where: str = "") -> None:
    """Raise SC-552 where two builds differ; their positions cannot be compared."""
    if known_build(first) != known_build(second):
        raise error("SC-552", expected=known_build(first), got=known_build(second), where=where)


def write_gwas_ssf(path: Path, associations: pd.DataFrame, provenance: Provenance) -> Path:
    """Write ``NAME.tsv`` or ``NAME.tsv.gz`` and, beside it, ``NAME.yaml``.

    Rows are written in genome order; variants without a place or a
    result are left out.
    p-values below 1e-308 are written in full (``3.1e-812``), so none is zero.

    Parameters
    ----------
    path
        Ends in ``.tsv`` or ``.tsv.gz``.
    associations
        The table; see :func:`~spinecast.genetics.associations.validate_associations`.
    provenance
        What the metadata say.

    Returns
    -------
    Path
        The metadata file.

    Raises
    ------
    GeneticsError
        SC-510 for an unknown build, SC-550 for impossible values.
    """
    build = known_build(provenance.build, where=path.name)
    table = checked_associations(associations)
    tested = table["beta"].notna() & table["standard_error"].notna()
    tested &= table["chromosome"] != UNPLACED
    table = in_genome_order(table, tested & ~np.isnan(neg_log_10_p(table)))
    write_columns(path, _columns(table, provenance.reference_allele), separator="\t")
    beside = metadata_path(path)
    write_text(beside, _metadata(path, table, provenance, build=build))
    return beside


def metadata_path(path: Path) -> Path:
    """Return where the metadata of a table lie: ``NAME.yaml`` beside ``NAME.tsv.gz``."""
    return path.with_name(f"{_stem(path)}.yaml")


def _stem(path: Path) -> str:
    return re.sub(r"\.tsv(\.gz)?$", "", path.name)


def _columns(table: pd.DataFrame, reference_allele: str | None) -> dict[str, Any]:
    chromosome = table["chromosome"].map(_WRITTEN_CODES)
    columns: dict[str, Any] = {
        "chromosome": whole_numbers(chromosome),
        "base_pair_location": whole_numbers(table["base_pair_location"]),
        "effect_allele": _upper(table["effect_allele"]),
        "other_allele": _upper(table["other_allele"]),
    }
    for name in ("beta", "standard_error", "effect_allele_frequency"):
        columns[name] = Numbers(table[name].to_numpy(dtype=np.float64))
    columns["p_value"] = PValues(neg_log_10_p(table))
    ids = table["variant_id"]
    if reference_allele in {"OA", "EA"}:
        first, second = columns["other_allele"], columns["effect_allele"]
        if reference_allele == "EA":
            first, second = second, first
        places = chromosome.astype(str) + "_" + table["base_pair_location"].astype(str)
        columns["variant_id"] = places + "_" + first.astype(object) + "_" + second.astype(object)
    columns["rsid"] = ids.where(_are_rs_numbers(ids))
    if reference_allele in {"OA", "EA"}:
        columns["ref_allele"] = np.full(len(table), reference_allele, dtype=object)
    if "info" in table.columns:
        columns["info"] = Numbers(table["info"].to_numpy(dtype=np.float64))
    columns["n"] = whole_numbers(table["n"])
    columns["study_variant_id"] = ids
    return columns


def _upper(alleles: pd.Series) -> pd.Series:
    """Return alleles in capitals; a few texts stand for millions of rows."""
    return alleles.map({name: name.upper() for name in alleles.unique()})


def _are_rs_numbers(ids: pd.Series) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(ids, pa.string())
    found: np.ndarray = pc.match_substring_regex(names, _RS).to_numpy(zero_copy_only=False)
    return found


def _metadata(path: Path, table: pd.DataFrame, provenance: Provenance, *, build: str) -> str:
    import yaml

    sample: dict[str, Any] = {
        "sample_ancestry_category": list(provenance.ancestry),
        "sample_size": int(provenance.samples),
        "case_control_study": provenance.cases is not None,
    }
    if provenance.cases is not None:
        sample |= {"case_count": provenance.cases, "control_count": provenance.controls}
    content: dict[str, Any] = {
        "date_metadata_last_modified": date.today(),
        "trait_description": [provenance.trait],
        "genome_assembly": build,
        "coordinate_system": "1-based",
        "genotyping_technology": list(provenance.genotyping),
        "samples": [sample],
        "sex": provenance.sex,
        "data_file_name": path.name,
        "file_type": "GWAS-SSF v1.0",
        "data_file_md5sum": _md5(path),
        "analysis_software": provenance.software,
        "adjusted_covariates": list(provenance.covariates),
        "minor_allele_freq_lower_limit": 0.0,
        "is_harmonised": False,
        "is_sorted": True,
        "author_notes": f"{len(table)} variants. {provenance.notes}".strip(),
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # the format asks for MD5: a check sum
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_summary_statistics(path: Path, *, build: str | None = None) -> SummaryStatistics:
    """Read GWAS-SSF (``.tsv``, ``.tsv.gz``) or a scan's ``.parquet``.

    Parameters
    ----------
    path
        The table; metadata are looked for as ``NAME.yaml`` and ``FILE-meta.yaml``.
    build
        Genome build where the metadata do not know it.

    Raises
    ------
    GeneticsError
        SC-554 unreadable or columns missing, SC-550 impossible values, SC-510
        build unknown, SC-552 metadata contradict ``build``.
    """
    metadata = _read_metadata(path)
    stated = metadata.get("genome_assembly")
    if stated is not None and build is not None:
        require_same_build(build, str(stated), where=path.name)
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    return SummaryStatistics(
        validate_associations(table), known_build(stated or build, where=path.name), metadata
    )


def _read_metadata(path: Path) -> dict[str, Any]:
    import yaml

    for beside in (metadata_path(path), path.with_name(f"{path.name}-meta.yaml")):
        if not beside.exists():
            continue
        try:
            content = yaml.safe_load(beside.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as cause:
            raise error("SC-554", expected="metadata in YAML", got=str(cause)[:200],
                        where=beside.name) from None  # fmt: skip
        return content if isinstance(content, dict) else {}
    return {}


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as cause:
        raise error("SC-554", expected="a Parquet table", got=str(cause)[:200],
                    where=path.name) from None  # fmt: skip


def _read_text(path: Path) -> pd.DataFrame:
    table = read_text_columns(path, numbers=_NUMBERS)
    if "odds_ratio" in table.columns and "beta" not in table.columns:
        with np.errstate(divide="ignore"):
            table["beta"] = np.log(pd.to_numeric(table["odds_ratio"], errors="coerce"))
    absent = [name for name in MANDATORY if name not in table.columns]
    if absent:
        raise error("SC-554", expected=f"column {absent[0]!r}", where=path.name,
                    got=", ".join(map(str, table.columns))[:300])  # fmt: skip
    table["chromosome"] = chromosome_name(table["chromosome"])
    if "n" not in table.columns:
        table["n"] = np.nan
    return table.assign(variant_id=_names(table))


def _names(table: pd.DataFrame) -> pd.Series:
    """Return the study's own name of each variant, else rs number, else position and alleles."""
    place = table["chromosome"].astype(str) + "_" + table["base_pair_location"].astype(str)
    names = place + "_" + table["other_allele"] + "_" + table["effect_allele"]
    for column in ("variant_id", "rsid", "study_variant_id"):
        if column in table.columns:
            names = table[column].where(table[column].notna(), names)
    return names
