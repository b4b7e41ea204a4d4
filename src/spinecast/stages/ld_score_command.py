"""Command `ld-score`: heritability of one trait, or genetic correlation of two."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spinecast.errors import error
from spinecast.files import write_json, write_table
from spinecast.genetics.ld_score_tables import (
    ReferenceScores,
    estimate_genetic_correlation,
    estimate_heritability,
    read_ld_scores,
)
from spinecast.genetics.munging import Munged, munge, read_munged
from spinecast.genetics.summary_statistics import read_summary_statistics
from spinecast.stages.association_tables import names_of, tables_in_memory
from spinecast.stages.genotype_inputs import Teller, gibibytes

_MUNGED = (".sumstats", ".sumstats.gz")


def regress_on_ld_scores(
    sumstats: tuple[Path, ...],
    ld_scores: Path,
    folder: Path,
    *,
    teller: Teller,
    build: str | None = None,
    n: float | None = None,
    intercept: float | None = None,
) -> pd.DataFrame:
    """Estimate heritability of one table of summary statistics, or the correlation of two.

    Parameters
    ----------
    sumstats
        One or two: GWAS-SSF, a scan's ``.parquet``, or LDSC's ``.sumstats``.
    ld_scores
        Folder of LD scores, or one file.
    folder
        Where ``estimates.csv`` and ``flow.json`` go.
    teller
        Hears what is done.
    build
        Genome build where the tables do not name it.
    n
        Sample size where the tables do not know it.
    intercept
        Fixed intercept of the heritabilities.

    Returns
    -------
    pandas.DataFrame
        Rows of the estimates table, as written.

    Raises
    ------
    RunError
        SC-706 for none or more than two tables.
    GeneticsError
        SC-510, SC-550 to SC-557 and SC-559 of reading, munging and regression.
    """
    if not 1 <= len(sumstats) <= 2:
        raise error("SC-706", expected="one or two tables", got=str(len(sumstats)),
                    where="--sumstats")  # fmt: skip
    teller.say(f"LD score regression of {' and '.join(path.name for path in sumstats)}; about "
               f"{gibibytes(tables_in_memory(sumstats))} of memory")  # fmt: skip
    with teller.step("read"):
        scores = read_ld_scores(ld_scores)
    munged = [_read(path, build=build, n=n, teller=teller) for path in sumstats]
    names = names_of(sumstats)
    with teller.step("regression"):
        estimates = _estimate(munged, names, scores=scores, intercept=intercept)
    write_table(folder / "estimates.csv", estimates)
    flow = {
        f"{number}: {path.name}": each.flow.to_dict("records")
        for number, (path, each) in enumerate(zip(sumstats, munged, strict=True), start=1)
    }
    write_json(folder / "flow.json", flow)
    return estimates


def _read(path: Path, *, build: str | None, n: float | None, teller: Teller) -> Munged:
    with teller.step("munge", "rules") as progress:
        if path.name.endswith(_MUNGED):
            return read_munged(path)
        table = read_summary_statistics(path, build=build).table
        known = n if table["n"].isna().all() else None
        return munge(table, n=known, progress=progress)


def _estimate(
    munged: list[Munged], names: list[str], *, scores: ReferenceScores, intercept: float | None
) -> pd.DataFrame:
    if len(munged) == 1:
        found = estimate_heritability(munged[0], scores, intercept=intercept)
        return found.to_frame(f"ld_score/{names[0]}")
    intercepts = (intercept, intercept, None)
    both = estimate_genetic_correlation(munged[0], munged[1], scores, intercepts=intercepts)
    frames = [
        both.to_frame(f"ld_score/{names[0]} and {names[1]}"),
        both.first.to_frame(f"ld_score/{names[0]}"),
        both.second.to_frame(f"ld_score/{names[1]}"),
    ]
    return pd.concat(frames, ignore_index=True)
