"""The page of two scans compared: numbers first, then the genome, loci and known variants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast import __version__
from spinecast.files import write_bytes, write_text
from spinecast.genetics.associations import natural_log_p
from spinecast.genetics.comparison import ScanComparison
from spinecast.genetics.summary_statistics import SummaryStatistics
from spinecast.report import Figure, Section, render_page
from spinecast.report.digits import write_interval, write_number, write_p
from spinecast.report.figures.genome import draw_miami
from spinecast.report.figures.genome_thinning import ThinnedScan, thin_scan
from spinecast.report.tables import frame_table
from spinecast.stages.gwas_page import LOCUS_CAPTION, locus_rows

# Terms in the order of the page, and what they are called there.
_WORDS = {
    "effective_sample_size_ratio": "effective sample size, {second} over {first}",
    "known_chi_square_difference": "mean χ² of known variants, {second} minus {first}",
    "mean_chi_square_difference": "mean χ² of all variants, {second} minus {first}",
    "rg": "genetic correlation",
    "mean_chi_square_first": "mean χ² of {first}",
    "mean_chi_square_second": "mean χ² of {second}",
    "lambda_gc_first": "λ GC of {first}",
    "lambda_gc_second": "λ GC of {second}",
    "loci_first": "loci of {first}",
    "loci_second": "loci of {second}",
    "loci_shared": "loci of {first} that {second} has too",
}
# Against 1 for the ratio, against 0 for the others.
_TESTED = {"effective_sample_size_ratio", "known_chi_square_difference",
           "mean_chi_square_difference", "rg"}  # fmt: skip
_COUNTS = {"loci_first", "loci_second", "loci_shared"}
_NAMED, _MOST_ROWS = 10, 60


@dataclass(frozen=True)
class ComparisonPage:
    """What the page is made of.

    Parameters
    ----------
    names
        The two traits.
    scans
        Their associations.
    found
        What the comparison found.
    listed
        How many known variants were listed; None for no list.
    simulated
        Stamp picture and page.
    """

    names: tuple[str, str]
    scans: tuple[SummaryStatistics, SummaryStatistics]
    found: ScanComparison
    listed: int | None
    simulated: bool


def write_comparison_page(page: ComparisonPage, folder: Path) -> Path:
    """Write ``miami.svg`` and ``index.html``; return the page's path."""
    picture = _miami(page)
    write_bytes(folder / "miami.svg", picture.content)
    sections = [
        _numbers(page),
        Section(title="Along the genome", anchor="genome", figures=(picture,)),
        _loci(page),
    ]
    if page.listed is not None:
        sections.append(_known(page))
    first, second = page.names
    target = folder / "index.html"
    html = render_page(
        f"{second} against {first}",
        sections,
        simulated=page.simulated,
        meta={
            "subtitle": "Two scans of the same people: which tells more about the genome?",
            "cohort": f"{_people(page)}. Associations say nothing about causes.",
            "facts": {"build": page.scans[0].build, "version": __version__},
        },
    )
    write_text(target, html)
    return target


def _people(page: ComparisonPage) -> str:
    most = [scan.table["n"].max() for scan in page.scans]
    words = [f"{name} in {'an unknown number of' if np.isnan(n) else f'up to {n:,.0f}'} people"
             for n, name in zip(most, page.names, strict=True)]  # fmt: skip
    return f"Scans of {' and '.join(words)}"


def _numbers(page: ComparisonPage) -> Section:
    first, second = page.names
    rows = page.found.estimates.set_index("term")
    shown = []
    for term, words in _WORDS.items():
        if term not in rows.index:
            continue
        row = rows.loc[term]
        value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
        written = write_number(value, 0 if term in _COUNTS else 3)
        if np.isfinite(low):
            written = write_interval(value, low, high)
        shown.append(
            {
                "": words.format(first=first, second=second),
                "estimate (95 % interval)": written,
                "p": write_p(float(row["p_value"])) if term in _TESTED else "",
                "from": "" if term in _COUNTS else f"{int(row['n']):,} variants",
            }
        )
    return Section(
        title="In numbers", anchor="numbers", tables=(frame_table(pd.DataFrame(shown)),),
        markup="Effective sample size: how many times its sample the first trait would need to "
        "tell as much about the known variants as the second. Intervals by jackknife over blocks "
        "of neighbours; known variants one by one.",
        note="Known variants must come from other people, because those that one of these scans "
        "found favour it, and be one a locus, or the interval is too narrow. Two Manhattan plots "
        "of the same people differ by noise, too.",
    )  # fmt: skip


def _miami(page: ComparisonPage) -> Figure:
    drawn = [_thinned(scan.table) for scan in page.scans]
    leads = [_leads(page, scan) for scan in ("first", "second")]
    return draw_miami(drawn[0], drawn[1], titles=page.names, simulated=page.simulated,
                      leads=(leads[0], leads[1]))  # fmt: skip


def _thinned(table: pd.DataFrame) -> ThinnedScan:
    strength = -natural_log_p(table) / np.log(10)
    return thin_scan(table["chromosome"], table["base_pair_location"], strength)


def _leads(page: ComparisonPage, scan: str) -> pd.DataFrame:
    loci = page.found.loci
    own = loci[loci["scan"] == scan].nlargest(_NAMED, "neg_log_10_p_value")
    renamed = {"neg_log_10_p_value": "neg_log_10_p", "variant_id": "label"}
    return own.rename(columns=renamed)[["chromosome", "base_pair_location", *renamed.values()]]


def _loci(page: ComparisonPage) -> Section:
    loci = page.found.loci
    named = dict(zip(("first", "second"), page.names, strict=True))
    words = f"Loci with p < 5e-8 of either trait: {len(loci):,}; all of them are in loci.csv."
    shown = loci.nlargest(_MOST_ROWS, "neg_log_10_p_value").sort_index()
    rows = locus_rows(shown.assign(trait=shown["scan"].map(named)))
    rows["of both"] = np.where(shown["shared"], "yes", "no")
    tables = (frame_table(rows, caption=LOCUS_CAPTION),) if len(rows) else ()
    return Section(title="Loci", anchor="loci", markup=words, tables=tables)


def _known(page: ComparisonPage) -> Section:
    """Return the known variants with what each scan says of them."""
    known = page.found.known
    chromosome = known["chromosome"].astype(str)
    rows = pd.DataFrame(
        {
            "variant": known["variant_id"],
            "place": chromosome + ":" + known["base_pair_location"].map("{:,}".format),
            "first": known["first"],
            "second": known["second"],
        }
    )
    heads = {scan: f"χ² of {name}" for scan, name in zip(rows.columns[2:], page.names, strict=True)}
    return Section(
        title="Known variants", anchor="known",
        markup=f"{len(known):,} of {page.listed:,} known variants were tested in both scans; all "
        "of them are in known.csv.",
        tables=(frame_table(rows, headers=heads, max_rows=_MOST_ROWS),) if len(rows) else (),
    )  # fmt: skip
