"""Pictures of a scan: every trait along the genome, its quantiles, its strongest locus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from spinecast.files import write_bytes
from spinecast.genetics.ld import linkage_with
from spinecast.report import Figure, Section
from spinecast.report.figures.genome import Region, draw_manhattan, draw_quantiles, draw_region
from spinecast.report.figures.genome_thinning import thin_quantiles, thin_scan
from spinecast.stages.gwas_inputs import GwasInputs
from spinecast.stages.gwas_results import Findings

_AROUND = 500_000
# More names than these write over each other.
_NAMED = 10
_DRAWN = ("chromosome", "base_pair_location", "variant_id", "neg_log_10_p_value")


@dataclass(frozen=True)
class DrawnScan:
    """What pictures of a scan need beside its files.

    Parameters
    ----------
    inputs, findings
        The scan.
    simulated
        Stamp the pictures.
    genes
        Drawn beneath regions; or None.
    """

    inputs: GwasInputs
    findings: Findings
    simulated: bool
    genes: pd.DataFrame | None = None


def draw_trait(scan: DrawnScan, trait: str, path: Path, *, number: int) -> Section:
    """Draw one trait, write its pictures beside its file, and return its section of the page.

    Parameters
    ----------
    scan
        The scan.
    trait, path
        Its name and its Parquet file.
    number
        Of the section.
    """
    table = pq.read_table(path, columns=list(_DRAWN), read_dictionary=["chromosome"]).to_pandas()
    strength = table["neg_log_10_p_value"].to_numpy()
    loci = scan.findings.loci
    own = loci[loci["trait"] == trait]
    named = own.nlargest(_NAMED, "neg_log_10_p_value")
    leads = pd.DataFrame(
        {
            "chromosome": named["chromosome"], "base_pair_location": named["base_pair_location"],
            "neg_log_10_p": named["neg_log_10_p_value"], "label": named["variant_id"],
        }
    )  # fmt: skip
    thinned = thin_scan(table["chromosome"], table["base_pair_location"], strength)
    estimates = scan.findings.estimates
    of_trait = (estimates["analysis"] == f"gwas/{trait}") & (estimates["term"] == "lambda_gc")
    inflated = estimates.loc[of_trait, "estimate"]
    figures = {
        "manhattan": draw_manhattan(thinned, title=trait, simulated=scan.simulated, leads=leads),
        "qq": draw_quantiles(
            thin_quantiles(strength), title=trait, simulated=scan.simulated,
            lambda_gc=float(inflated.iloc[0]) if len(inflated) else None,
        ),
    }  # fmt: skip
    if len(own):
        figures["region"] = _region(scan, table, own, trait=trait)
    _save(figures, path)
    return Section(
        title=trait, anchor=f"trait-{number}", figures=tuple(figures.values()), group="Traits"
    )


def _save(figures: Mapping[str, Figure], path: Path) -> None:
    for name, figure in figures.items():
        write_bytes(path.with_name(f"{path.stem}.{name}.svg"), figure.content)


def _region(scan: DrawnScan, table: pd.DataFrame, loci: pd.DataFrame, *, trait: str) -> Figure:
    """Draw the surroundings of the strongest lead variant with its linkage in these people."""
    lead = loci.loc[loci["neg_log_10_p_value"].idxmax()]
    chromosome, centre = str(lead["chromosome"]), int(lead["base_pair_location"])
    near = (table["chromosome"].astype(str) == chromosome).to_numpy()
    near &= (table["base_pair_location"] - centre).abs().to_numpy() <= _AROUND
    there = table[near].reset_index(drop=True)
    chosen = scan.inputs.chosen
    variants = chosen.genotypes.variants
    on = (variants["chromosome"] == chromosome).to_numpy()
    places = np.flatnonzero(on & (variants["base_pair_location"] - centre).abs().le(_AROUND))
    names = pd.Series(places, index=variants["variant_id"].iloc[places])
    names = names[~names.index.duplicated()]
    rows = names.loc[there["variant_id"]].to_numpy(dtype=np.int64)
    which = int(np.flatnonzero(there["variant_id"] == lead["variant_id"])[0])
    r2 = linkage_with(chosen.genotypes, int(rows[which]), rows, samples=scan.inputs.people.samples)
    region = Region(
        chromosome=chromosome,
        position=there["base_pair_location"].to_numpy(),
        neg_log_10_p=there["neg_log_10_p_value"].to_numpy(),
        r2=r2,
        lead=which,
        lead_name=str(lead["variant_id"]),
        genes=None if scan.genes is None else scan.genes[scan.genes["chromosome"] == chromosome],
    )
    return draw_region(region, title=trait, simulated=scan.simulated)
