"""Command `gwas-compare`: two scans of the same people, in numbers, in a picture, on a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spinecast.errors import error
from spinecast.files import write_table
from spinecast.genetics.comparison import compare_scans
from spinecast.genetics.summary_statistics import read_summary_statistics
from spinecast.stages.association_tables import are_simulated, names_of, tables_in_memory
from spinecast.stages.genotype_inputs import Teller, gibibytes
from spinecast.stages.references import read_references

_COLUMNS = ["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]


@dataclass(frozen=True)
class ComparedScans:
    """Rows of the estimates table, as written, the page, and whether people are simulated."""

    estimates: pd.DataFrame
    page: Path
    simulated: bool


def compare_tables(
    sumstats: tuple[Path, ...],
    folder: Path,
    *,
    teller: Teller,
    build: str | None = None,
    known: Path | None = None,
    ld_scores: Path | None = None,
) -> ComparedScans:
    """Compare two scans; write numbers, loci, a Miami plot and a page.

    Parameters
    ----------
    sumstats
        Two tables: GWAS-SSF or a scan's ``.parquet``.
    folder
        Where ``estimates.csv``, ``loci.csv``, ``known.csv``, ``miami.svg`` and ``index.html``
        go.
    teller
        Hears what is done.
    build
        Genome build where the tables do not name it.
    known
        Table of loci known from *other* people.
    ld_scores
        Folder of LD scores, for the genetic correlation.

    Raises
    ------
    RunError
        SC-706 where there are not two tables.
    GeneticsError
        As :func:`~spinecast.genetics.comparison.compare_scans`; SC-510, SC-550, SC-554,
        SC-557 and SC-573 of reading.
    """
    if len(sumstats) != 2:
        raise error("SC-706", expected="two tables", got=str(len(sumstats)), where="--sumstats")
    size = gibibytes(2 * tables_in_memory(sumstats))
    teller.say(f"Comparison of {sumstats[0].name} and {sumstats[1].name}; about {size} of memory")
    with teller.step("read"):
        first, second = (read_summary_statistics(path, build=build) for path in sumstats)
        references = read_references(ld_scores, known)
    with teller.step("compare"):
        found = compare_scans(first, second, known=references.known, ld_scores=references.scores)
    names = names_of(sumstats)
    estimates = found.estimates.assign(analysis=f"compare/{names[0]} and {names[1]}")[_COLUMNS]
    write_table(folder / "estimates.csv", estimates)
    write_table(folder / "loci.csv", found.loci)
    if known is not None:
        write_table(folder / "known.csv", found.known)
    with teller.step("page"):
        # drawing loads its library late: tables that cannot be compared cost nothing
        from spinecast.stages.comparison_page import ComparisonPage, write_comparison_page

        simulated = are_simulated(first.table)
        listed = None if references.known is None else len(references.known)
        page = ComparisonPage((names[0], names[1]), (first, second), found, listed, simulated)
        return ComparedScans(estimates, write_comparison_page(page, folder), simulated)
