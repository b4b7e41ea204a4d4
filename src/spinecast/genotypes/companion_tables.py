"""The tables written beside genotypes: .fam, .bim, .psam, .pvar and .sample as text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spinecast.errors import error


def fam_text(samples: pd.DataFrame) -> str:
    """Return the lines of a .fam file; parents and phenotype unknown."""
    return _lines(samples.assign(none="0", trait="-9"), "family_id sample_id none none sex trait")


def psam_text(samples: pd.DataFrame) -> str:
    """Return the lines of a .psam file."""
    named = samples.assign(sex=_sex_or_missing(samples))
    return "#FID\tIID\tSEX\n" + _lines(named, "family_id sample_id sex")


def sample_text(samples: pd.DataFrame) -> str:
    """Return the lines of a .sample file, separated by blanks as the format wants."""
    named = samples.assign(none="0", sex=_sex_or_missing(samples))
    text = _lines(named, "family_id sample_id none sex").replace("\t", " ")
    return "ID_1 ID_2 missing sex\n0 0 0 D\n" + text


def bim_text(variants: pd.DataFrame) -> str:
    """Return the lines of a .bim file; unknown genetic positions as 0."""
    named = variants.assign(cm=_centimorgans(variants))
    order = "chromosome variant_id cm base_pair_location effect_allele other_allele"
    return _lines(named, order)


def pvar_text(variants: pd.DataFrame) -> str:
    """Return the lines of a .pvar file: the other allele as REF, the effect allele as ALT."""
    named = variants.assign(cm=_centimorgans(variants))
    order = "chromosome base_pair_location variant_id other_allele effect_allele"
    if (named["cm"] == "0").all():
        return "#CHROM\tPOS\tID\tREF\tALT\n" + _lines(named, order)
    return "#CHROM\tPOS\tID\tREF\tALT\tCM\n" + _lines(named, order + " cm")


def _lines(table: pd.DataFrame, columns: str) -> str:
    """Join columns by tabs; a cell with a blank would shift every cell after it."""
    cells = [table[column].astype(str) for column in columns.split()]
    for column, name in zip(cells, columns.split(), strict=True):
        bad = column.str.contains(r"\s") | (column == "")
        if bad.any():
            raise error(
                "SC-505", expected="cells without blanks", got=repr(column[bad].iloc[0]), where=name
            )
    rows = zip(*cells, strict=True)
    return "".join("\t".join(row) + "\n" for row in rows)


def _sex_or_missing(samples: pd.DataFrame) -> Any:
    return samples["sex"].map({1: "1", 2: "2"}).fillna("NA")


def _centimorgans(variants: pd.DataFrame) -> Any:
    if "centimorgans" not in variants:
        return "0"
    return variants["centimorgans"].fillna(0).map("{:.9g}".format)
