"""The table of associations in the columns that other tools write or take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genetics.associations import (
    checked_associations,
    chi_squares,
    in_genome_order,
    neg_log_10_p,
    z_scores,
)
from spinecast.genetics.delimited_statistics import (
    Numbers,
    PValues,
    whole_numbers,
    write_columns,
)

if TYPE_CHECKING:
    from spinecast.genetics.munging import Munged

_PLINK_CODES = {"X": "23", "Y": "24", "XY": "25", "MT": "26"}


@dataclass(frozen=True)
class ExportFormat:
    """One tool's layout.

    Attributes
    ----------
    suffix
        What the file's name ends in.
    separator, missing
        Between cells; in place of an unknown value.
    columns
        Makes the columns from a checked table in genome order.
    """

    suffix: str
    separator: str
    missing: str
    columns: Callable[[pd.DataFrame], dict[str, Any]]


def export_associations(path: Path, associations: pd.DataFrame, *, layout: str) -> None:
    """Write associations as another tool would.

    Variants without a result are left out; rows are in genome order. The effect
    allele becomes the tool's tested allele: PheWeb's ``alt``, LDSC's ``A1``,
    REGENIE's and BOLT-LMM's ``ALLELE1``, SAIGE's ``Allele2``.

    Parameters
    ----------
    path
        Target; compressed where it ends in ``.gz``.
    associations
        See :func:`~spinecast.genetics.associations.validate_associations`.
    layout
        A key of :data:`FORMATS`: ``pheweb``, ``ldsc``, ``regenie``, ``saige``, ``bolt``.

    Raises
    ------
    GeneticsError
        SC-558 unknown layout, SC-550 impossible values.

    Notes
    -----
    PheWeb takes ``ref`` for the reference genome's allele: give it tables whose
    other allele is that.
    """
    if layout not in FORMATS:
        raise error("SC-558", expected=", ".join(FORMATS), got=repr(layout), where="format")
    table = checked_associations(associations)
    table = in_genome_order(table, table["beta"].notna() & ~np.isnan(neg_log_10_p(table)))
    chosen = FORMATS[layout]
    columns = chosen.columns(table)
    write_columns(path, columns, separator=chosen.separator, missing=chosen.missing)


def write_munged(path: Path, munged: Munged) -> None:
    """Write munged z-scores as LDSC's ``.sumstats`` (compressed where it ends in ``.gz``)."""
    write_columns(path, _munged_columns(munged.table), separator="\t", missing="NA")


def _numbers(table: pd.DataFrame, column: str) -> Numbers:
    return Numbers(table[column].to_numpy(dtype=np.float64))


def _whole(table: pd.DataFrame, column: str) -> Numbers:
    return whole_numbers(table[column])


def _p_values(table: pd.DataFrame) -> PValues:
    return PValues(neg_log_10_p(table))


def _plink_chromosome(table: pd.DataFrame) -> Any:
    return table["chromosome"].astype(object).replace(_PLINK_CODES)


def _missing_share(table: pd.DataFrame) -> Numbers:
    n = table["n"].to_numpy(dtype=np.float64)
    return Numbers(1 - n / np.nanmax(n) if np.isfinite(n).any() else n)


def _pheweb(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "chrom": table["chromosome"],
        "pos": _whole(table, "base_pair_location"),
        "ref": table["other_allele"],
        "alt": table["effect_allele"],
        "pval": _p_values(table),
        "beta": _numbers(table, "beta"),
        "sebeta": _numbers(table, "standard_error"),
        "af": _numbers(table, "effect_allele_frequency"),
        "num_samples": _whole(table, "n"),
    }


def _ldsc(table: pd.DataFrame) -> dict[str, Any]:
    return _munged_columns(table.assign(z=z_scores(table)))


def _munged_columns(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "SNP": table["variant_id"],
        "A1": table["effect_allele"],
        "A2": table["other_allele"],
        "N": Numbers(table["n"].to_numpy(dtype=np.float64), 9),
        "Z": _numbers(table, "z"),
    }


def _regenie(table: pd.DataFrame) -> dict[str, Any]:
    size = len(table)
    columns: dict[str, Any] = {
        "CHROM": _plink_chromosome(table),
        "GENPOS": _whole(table, "base_pair_location"),
        "ID": table["variant_id"],
        "ALLELE0": table["other_allele"],
        "ALLELE1": table["effect_allele"],
        "A1FREQ": _numbers(table, "effect_allele_frequency"),
    }
    if "info" in table.columns:
        columns["INFO"] = _numbers(table, "info")
    return columns | {
        "N": _whole(table, "n"),
        "TEST": np.full(size, "ADD", dtype=object),
        "BETA": _numbers(table, "beta"),
        "SE": _numbers(table, "standard_error"),
        "CHISQ": Numbers(chi_squares(table)),
        "LOG10P": Numbers(neg_log_10_p(table)),
        "EXTRA": np.full(size, "NA", dtype=object),
    }


def _saige(table: pd.DataFrame) -> dict[str, Any]:
    beta = table["beta"].to_numpy(dtype=np.float64)
    precision = table["standard_error"].to_numpy(dtype=np.float64) ** -2
    frequency = table["effect_allele_frequency"].to_numpy(dtype=np.float64)
    return {
        "CHR": table["chromosome"],
        "POS": _whole(table, "base_pair_location"),
        "MarkerID": table["variant_id"],
        "Allele1": table["other_allele"],
        "Allele2": table["effect_allele"],
        "AC_Allele2": Numbers(2 * frequency * table["n"].to_numpy(dtype=np.float64), 9),
        "AF_Allele2": Numbers(frequency),
        "MissingRate": _missing_share(table),
        "BETA": Numbers(beta),
        "SE": _numbers(table, "standard_error"),
        "Tstat": Numbers(beta * precision),
        "var": Numbers(precision),
        "p.value": _p_values(table),
        "N": _whole(table, "n"),
    }


def _bolt(table: pd.DataFrame) -> dict[str, Any]:
    known = "centimorgans" in table.columns
    return {
        "SNP": table["variant_id"],
        "CHR": _plink_chromosome(table),
        "BP": _whole(table, "base_pair_location"),
        "GENPOS": Numbers(
            table["centimorgans"].to_numpy() / 100 if known else np.zeros(len(table))
        ),
        "ALLELE1": table["effect_allele"],
        "ALLELE0": table["other_allele"],
        "A1FREQ": _numbers(table, "effect_allele_frequency"),
        "F_MISS": _missing_share(table),
        "BETA": _numbers(table, "beta"),
        "SE": _numbers(table, "standard_error"),
        "P_BOLT_LMM_INF": _p_values(table),
    }


FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        "pheweb": ExportFormat(".pheweb.tsv.gz", "\t", "NA", _pheweb),
        "ldsc": ExportFormat(".sumstats.gz", "\t", "NA", _ldsc),
        "regenie": ExportFormat(".regenie", " ", "NA", _regenie),
        "saige": ExportFormat(".saige.txt", "\t", "NA", _saige),
        "bolt": ExportFormat(".bolt.tsv", "\t", "NA", _bolt),
    }
)
