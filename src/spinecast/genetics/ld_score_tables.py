"""LD scores as files, and LD score regression on whole tables.

The files are those the field shares: ``NAME.l2.ldscore[.gz]`` with columns CHR,
SNP, BP and L2, and ``NAME.l2.M_5_50`` with the number of common variants the
scores sum over; one pair, or one for each chromosome in one folder.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.files import write_bytes, write_text
from spinecast.genetics.associations import chromosome_name, genome_order
from spinecast.genetics.ld_score import (
    GeneticCorrelation,
    Heritability,
    genetic_correlation,
    heritability,
)
from spinecast.genetics.ld_scores import LDScores
from spinecast.genetics.munging import Munged, align

_SCORES = re.compile(r"(?P<stem>.+)\.l2\.ldscore(?:\.gz)?")
_NAMES = {"CHR": "chromosome", "SNP": "variant_id", "BP": "base_pair_location"}
_PASSENGERS = frozenset({"CM", "MAF"})


@dataclass(frozen=True)
class ReferenceScores:
    """LD scores of one reference panel.

    Attributes
    ----------
    table
        ``chromosome``, ``base_pair_location``, ``variant_id``, ``ld_score``; in
        genome order, each variant once.
    m
        Number of (common) variants the scores sum over.
    """

    table: pd.DataFrame
    m: float


def reference_scores(scores: LDScores) -> ReferenceScores:
    """Return computed LD scores as those of a reference panel, m the common variants."""
    return ReferenceScores(in_genome_order(scores.table), float(scores.n_common))


def read_ld_scores(place: Path) -> ReferenceScores:
    """Read LD scores from a folder of ``.l2.ldscore`` files, or from one such file.

    Raises
    ------
    GeneticsError
        SC-557 no file, no ``.M_5_50`` beside one, columns missing or several
        scores in one file, or a cell that is no number.
    """
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    named = [(path, match) for path in files if (match := _SCORES.fullmatch(path.name))]
    if not named:
        raise error("SC-557", expected="files named *.l2.ldscore or *.l2.ldscore.gz",
                    got="none", where=str(place))  # fmt: skip
    tables = [_read_scores(path) for path, _ in named]
    m = sum(_read_count(path.with_name(f"{match['stem']}.l2.M_5_50")) for path, match in named)
    return ReferenceScores(in_genome_order(pd.concat(tables, ignore_index=True)), m)


def write_ld_scores(folder: Path, scores: ReferenceScores, *, name: str = "ld") -> None:
    """Write ``NAME.l2.ldscore.gz`` and ``NAME.l2.M_5_50`` into ``folder``."""
    renamed = scores.table.rename(columns={ours: theirs for theirs, ours in _NAMES.items()})
    table = renamed.rename(columns={"ld_score": "L2"})[["CHR", "SNP", "BP", "L2"]]
    text = table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")
    write_bytes(folder / f"{name}.l2.ldscore.gz", gzip.compress(text.encode(), 6, mtime=0))
    write_text(folder / f"{name}.l2.M_5_50", f"{scores.m:.12g}\n")


def in_genome_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by chromosome and position, each variant's first row only."""
    ordered = table.iloc[genome_order(table)]
    return ordered.drop_duplicates("variant_id").reset_index(drop=True)


def estimate_heritability(munged: Munged, scores: ReferenceScores, **settings: Any) -> Heritability:
    """Estimate heritability of a munged trait on the variants that have LD scores.

    ``settings`` are those of :func:`spinecast.genetics.ld_score.heritability`.

    Raises
    ------
    GeneticsError
        SC-556 where too few variants have LD scores.
    """
    table = _with_scores(munged.table, scores)
    return heritability(table["z"], table["n"], table["ld_score"], m=scores.m, **settings)


def estimate_genetic_correlation(
    first: Munged, second: Munged, scores: ReferenceScores, **settings: Any
) -> GeneticCorrelation:
    """Estimate the genetic correlation of two munged traits, alleles aligned.

    ``settings`` are those of :func:`spinecast.genetics.ld_score.genetic_correlation`.

    Raises
    ------
    GeneticsError
        SC-553 and SC-556 of :func:`spinecast.genetics.munging.align`.
    """
    one, two = align(first, second)
    table = _with_scores(one.table.assign(z2=two.table["z"], n2=two.table["n"]), scores)
    return genetic_correlation(
        (table["z"], table["n"]), (table["z2"], table["n2"]), table["ld_score"], m=scores.m,
        **settings,
    )  # fmt: skip


def _with_scores(table: pd.DataFrame, scores: ReferenceScores) -> pd.DataFrame:
    # the order of the scores is the order of the jackknife's blocks
    joined = scores.table[["variant_id", "ld_score"]].merge(table, on="variant_id", how="inner")
    if len(joined) < 3:
        raise error("SC-556", expected="variants that have LD scores",
                    got=f"{len(joined)} of {len(table)}")  # fmt: skip
    return joined


def _read_scores(path: Path) -> pd.DataFrame:
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
        table = pd.read_csv(io.BytesIO(text), sep=r"\s+", dtype={"CHR": str, "SNP": str})
    except (OSError, EOFError, ValueError, zlib.error) as cause:
        raise error("SC-557", expected="a table with columns CHR SNP BP L2", got=str(cause),
                    where=path.name) from None  # fmt: skip
    scores = [c for c in table.columns if c not in _NAMES and c not in _PASSENGERS]
    if not set(_NAMES) <= set(table.columns) or len(scores) != 1:
        raise error("SC-557", expected="columns CHR SNP BP and one of scores",
                    got=", ".join(map(str, table.columns)), where=path.name)  # fmt: skip
    numbers = table[["BP", scores[0]]].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(numbers.to_numpy()).all() or table[["CHR", "SNP"]].isna().to_numpy().any():
        rows = int((~np.isfinite(numbers)).any(axis=1).sum())
        got = f"{rows} rows without numbers, or names missing"
        raise error("SC-557", expected="numbers in every row", got=got, where=path.name)
    named = table.rename(columns=_NAMES)[list(_NAMES.values())]
    # old pandas writes whole chromosomes as 1.000
    whole = named["chromosome"].str.replace(r"\.0+$", "", regex=True)
    return named.assign(
        chromosome=chromosome_name(whole),
        base_pair_location=numbers["BP"].astype(np.int64),
        ld_score=numbers[scores[0]].astype(np.float64),
    )


def _read_count(path: Path) -> float:
    try:
        values = [float(word) for word in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        values = []
    if len(values) != 1 or not np.isfinite(values[0]) or values[0] <= 0:
        got = f"{len(values)} numbers" if path.exists() else "no such file"
        raise error("SC-557", expected="one positive number of variants", got=got, where=path.name)
    return values[0]
