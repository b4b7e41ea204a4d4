"""Pictures of a scan, and the page that shows them with loci, estimates and who was analysed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast import __version__
from spinecast.cluster import Progress
from spinecast.files import write_text
from spinecast.genetics.gwas import GwasResult
from spinecast.report import Section, render_page
from spinecast.report.digits import decimals_for, write_interval, write_number
from spinecast.report.tables import frame_table
from spinecast.stages.gwas_inputs import GwasInputs, GwasRequest
from spinecast.stages.gwas_results import FEW_TRAITS, Findings

# Heading of each number: (where it was estimated, its term); the second table is of heritability.
_INFLATION = {"λ GC": ("gwas", "lambda_gc"), "mean χ²": ("gwas", "mean_chi_square")}
_HERITABILITY = {
    "h² (mixed model)": ("whole_genome", "h2"),
    "variance predicted": ("whole_genome", "variance_predicted"),
    "h² (LD score)": ("ld_score", "h2"),
    "intercept": ("ld_score", "intercept"),
    "ratio": ("ld_score", "ratio"),
}
_MOST_LOCI, _MOST_TRAITS = 40, 1000
LOCUS_CAPTION = (
    "Loci by their lead variant. Frequency and effect (standard error) are of the first allele, "
    "the effect per copy, in the trait's unit, log odds for cases and controls. kb: from the "
    "first to the last variant with p < 5e-8."
)
"""Beneath :func:`locus_rows`."""


@dataclass(frozen=True)
class ScanPage:
    """What the page of a scan is made of.

    Parameters
    ----------
    request, inputs, result, findings
        The scan.
    simulated
        Stamp pictures and page.
    genes
        Drawn beneath regions, see :func:`~spinecast.stages.references.read_genes`; or None.
    """

    request: GwasRequest
    inputs: GwasInputs
    result: GwasResult
    findings: Findings
    simulated: bool
    genes: pd.DataFrame | None = None

    @property
    def with_pictures(self) -> bool:
        """Whether every trait is drawn."""
        asked = self.request.pictures
        return len(self.result.files) <= FEW_TRAITS if asked is None else asked


def write_scan_page(page: ScanPage, folder: Path, *, progress: Progress | None = None) -> Path:
    """Draw every trait, where there are few, and write ``index.html``.

    Parameters
    ----------
    page
        What to show.
    folder
        Where ``<trait>.manhattan.svg``, ``<trait>.qq.svg``, ``<trait>.region.svg`` (of the
        strongest locus) and the page go.
    progress
        Called after each trait.

    Returns
    -------
    Path
        The page.
    """
    sections = [_people(page), _summary(page), _loci(page)]
    if page.with_pictures:
        # the library of drawing takes as long to load as a small scan takes to run
        from spinecast.stages.gwas_pictures import DrawnScan, draw_trait

        scan = DrawnScan(page.inputs, page.findings, page.simulated, page.genes)
        total = len(page.result.files)
        for done, (trait, path) in enumerate(page.result.files.items(), start=1):
            sections.append(draw_trait(scan, trait, path, number=done))
            if progress is not None:
                progress(done, total)
    if len(page.findings.missing):
        table = frame_table(page.findings.missing)
        sections.append(Section(title="What could not be estimated", anchor="absent",
                                tables=(table,), group="How far to trust it"))  # fmt: skip
    target = folder / "index.html"
    names = list(page.result.files)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    html = render_page(
        f"Genome-wide association of {shown}",
        sections,
        simulated=page.simulated,
        meta={"subtitle": "Which variants go with the traits, and how far to trust it.",
              "cohort": _cohort(page), "facts": _facts(page)},
    )  # fmt: skip
    write_text(target, html)
    return target


def _cohort(page: ScanPage) -> str:
    n = len(page.inputs.people.samples)
    return (
        f"{n:,} people of {page.inputs.chosen.genotypes.origin}. Associations speak for people "
        "of their ancestry, and say nothing about causes."
    )


def _facts(page: ScanPage) -> dict[str, str]:
    inputs = page.inputs
    facts = {
        "genotypes": inputs.chosen.genotypes.origin,
        "build": inputs.build,
        "traits": page.request.traits.name,
        "covariates": ", ".join(inputs.covariate_names) or "none",
        "method": f"{inputs.settings.method}, missing {inputs.settings.missing}",
        "version": __version__,
    }
    if page.request.normalise:
        facts["scale"] = "residuals by rank on a normal scale"
    return facts


def _people(page: ScanPage) -> Section:
    tables = []
    for what, counts in page.inputs.flow().items():
        rows: list[tuple[str, int]] = [("given", counts["given"])]
        rows += list(counts["dropped"].items())
        rows.append(("used", counts["used"]))
        rows += [(k, n) for k, n in counts.items() if k not in {"given", "dropped", "used"} and n]
        frame = pd.DataFrame(rows, columns=[what, "count"])
        writers = {"count": lambda value: write_number(value, 0)}
        tables.append(frame_table(frame, caption=f"{what.capitalize()}: given = dropped + used",
                                  writers=writers))  # fmt: skip
    return Section(
        title="Who and what was analysed", anchor="flow", tables=tuple(tables),
        group="The scan",
        note="Every trait is tested among those of them who have it.",
    )  # fmt: skip


def _summary(page: ScanPage) -> Section:
    summary = page.result.summary.set_index("trait")
    columns: dict[str, list[Any]] = {"trait": list(summary.index)}
    for name in ("people", "variants", "dropped"):
        columns[name] = [write_number(value, 0) for value in summary[name]]
    counted = page.findings.loci["trait"].value_counts()
    columns["loci"] = [write_number(int(counted.get(name, 0)), 0) for name in summary.index]
    columns |= _estimates(page, _INFLATION)
    tables = [frame_table(pd.DataFrame(columns), max_rows=_MOST_TRAITS)]
    if inherited := _estimates(page, _HERITABILITY):
        frame = pd.DataFrame({"trait": columns["trait"], **inherited})
        tables.append(frame_table(frame, caption="Heritability", max_rows=_MOST_TRAITS))
    return Section(
        title="Traits at a glance", anchor="traits", group="The scan", tables=tuple(tables),
        markup="Loci: variants with p < 5e-8, at most 500 kb apart. Dropped: variants constant "
        "among the trait's people, or explained by the covariates.",
        note="λ GC above 1 in a large sample of a polygenic trait is no sign of confounding; the "
        "intercept of LD score regression tells the two apart.",
    )  # fmt: skip


def _estimates(page: ScanPage, headings: Mapping[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Return a column of each number that any trait has, with its interval."""
    rows = page.findings.estimates.to_dict("records")
    known = {(row["analysis"], row["term"]): row for row in rows}
    columns = {}
    for heading, (home, term) in headings.items():
        keys = [(f"{home}/{trait}", term) for trait in page.result.summary["trait"]]
        if any(key in known for key in keys):
            columns[heading] = [_write_estimate(known[k]) if k in known else "" for k in keys]
    return columns


def _write_estimate(row: Mapping[Any, Any]) -> str:
    """Write one estimate, with its interval where there is one."""
    value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    return write_number(value, 3) if np.isnan(low) else write_interval(value, low, high)


def _loci(page: ScanPage) -> Section:
    loci = page.findings.loci
    shown = loci.nlargest(_MOST_LOCI, "neg_log_10_p_value").sort_index()
    if not len(loci):
        return Section(title="Loci", anchor="loci", group="The scan",
                       markup="No variant has p < 5e-8.")  # fmt: skip
    words = f"Loci with p < 5e-8 over all traits: {len(loci):,}; all of them are in loci.csv."
    if len(loci) > len(shown):
        words += f" Here are the {len(shown)} strongest."
    if len(page.result.files) > 1:
        words += " p-values are not corrected for the number of traits."
    table = frame_table(locus_rows(shown), caption=LOCUS_CAPTION)
    return Section(title="Loci", anchor="loci", markup=words, tables=(table,), group="The scan")


def locus_rows(loci: pd.DataFrame) -> pd.DataFrame:
    """Return what a reader wants of each locus, few columns wide.

    Parameters
    ----------
    loci
        ``trait``, then columns of :func:`~spinecast.genetics.loci.find_loci`.
    """
    place = loci["chromosome"].astype(str) + ":" + loci["base_pair_location"].map("{:,}".format)
    pairs = zip(loci["beta"], loci["standard_error"], strict=True)
    columns = {
        "trait": loci["trait"],
        "lead variant": loci["variant_id"],
        "place": place,
        "alleles": loci["effect_allele"] + " / " + loci["other_allele"],
        "freq.": [write_number(value, 3) for value in loci["effect_allele_frequency"]],
        "effect (SE)": [_write_effect(beta, error) for beta, error in pairs],
        "−log₁₀ p": [write_number(value, 1) for value in loci["neg_log_10_p_value"]],
        "kb": [write_number(value, 1) for value in (loci["end"] - loci["start"]) / 1000],
    }
    if "known" in loci.columns:
        columns["known"] = np.where(loci["known"], "yes", "no")
    return pd.DataFrame(columns)


def _write_effect(beta: float, error: float) -> str:
    decimals = decimals_for(error)
    return f"{write_number(beta, decimals)} ({write_number(error, decimals)})"
