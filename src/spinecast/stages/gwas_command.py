"""Command `gwas`: genotypes and traits in, associations, loci, estimates and a page out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spinecast.files import write_json, write_table
from spinecast.genetics.gwas import GwasResult, run_gwas
from spinecast.stages.genotype_inputs import Teller, gibibytes, is_simulated
from spinecast.stages.gwas_inputs import GwasInputs, GwasRequest, read_inputs
from spinecast.stages.gwas_results import (
    Findings,
    describe_scan,
    export_tables,
    require_formats,
    tables_memory,
)

if TYPE_CHECKING:
    from spinecast.genetics.whole_genome import WholeGenomeFit

from spinecast.stages.references import read_references


@dataclass(frozen=True)
class GwasSummary:
    """What a scan left.

    Parameters
    ----------
    result
        The scan's files.
    findings
        Estimates and loci, as written.
    method
        The statistic that was used.
    simulated
        Whether the people are.
    page
        The report.
    """

    result: GwasResult
    findings: Findings
    method: str
    simulated: bool
    page: Path

    def rows(self) -> pd.DataFrame:
        """Return a row a trait: people, variants, loci, lambda_gc."""
        counted = self.findings.loci["trait"].value_counts()
        estimates = self.findings.estimates
        inflated = estimates[estimates["term"] == "lambda_gc"].set_index("analysis")["estimate"]
        summary = self.result.summary[["trait", "people", "variants", "dropped"]]
        return summary.assign(
            loci=[int(counted.get(trait, 0)) for trait in summary["trait"]],
            lambda_gc=[float(inflated.get(f"gwas/{trait}", float("nan")))
                       for trait in summary["trait"]],
        )  # fmt: skip


def scan_genome(request: GwasRequest, folder: Path, *, teller: Teller) -> GwasSummary:
    """Test traits on variants and write all that comes of it.

    Started again with the same input it goes on where it ended: the whole-genome model, finished
    parts of the scan and written tables are kept.

    Parameters
    ----------
    request
        What is asked.
    folder
        Where ``<trait>.parquet``, ``<trait>.tsv.gz`` with ``<trait>.yaml``, ``loci.csv``,
        ``estimates.csv``, ``flow.json``, pictures and ``index.html`` go.
    teller
        Hears what is done, and how much memory it takes before it starts.

    Raises
    ------
    GeneticsError
        As :func:`~spinecast.stages.gwas_inputs.read_inputs`,
        :func:`~spinecast.genetics.gwas.run_gwas` and, for method ``mixed``,
        :func:`~spinecast.genetics.whole_genome.whole_genome_model`; SC-557 and SC-573
        references, SC-558 an unknown format.
    """
    require_formats(request.formats)
    with teller.step("open"):
        inputs = read_inputs(request)
        references = read_references(request.ld_scores, request.known, request.genes)
    write_json(folder / "flow.json", inputs.flow())
    _write_peers(request, inputs, folder)
    simulated = is_simulated(inputs.chosen.genotypes)
    fit = None
    if inputs.settings.method == "mixed":
        from spinecast.stages.gwas_model import fit_or_reload

        fit = fit_or_reload(request, inputs, folder, teller=teller)
    result = _scan(request, inputs, folder, teller=teller, fit=fit)
    with teller.step("estimates", "traits") as progress:
        findings = describe_scan(result, references, fit=fit, progress=progress)
    write_table(folder / "estimates.csv", findings.estimates)
    write_table(folder / "loci.csv", findings.loci)
    flow = {**inputs.flow(), "traits": result.summary.to_dict("records")}
    write_json(folder / "flow.json", flow)
    with teller.step("tables", "traits") as progress:
        export_tables(request, inputs, result, simulated=simulated, progress=progress)
    with teller.step("page", "traits") as progress:
        # drawing loads its library late: a scan that fails before costs nothing
        from spinecast.stages.gwas_page import ScanPage, write_scan_page

        page = ScanPage(request, inputs, result, findings, simulated, references.genes)
        html = write_scan_page(page, folder, progress=progress)
    return GwasSummary(result, findings, inputs.settings.method, simulated, html)


def _write_peers(request: GwasRequest, inputs: GwasInputs, folder: Path) -> None:
    """Write traits and covariates of the analysed people as other tools take them."""
    if not request.peers:
        return
    from spinecast.genetics.peer_files import write_peer_files

    samples = inputs.chosen.genotypes.samples.iloc[inputs.people.samples]
    ids = samples["sample_id"]
    families = dict(zip(ids, samples["family_id"], strict=True))
    for peer in request.peers:
        write_peer_files(
            folder / peer, inputs.traits.loc[ids], inputs.covariates, peer=peer, families=families
        )


def _scan(
    request: GwasRequest,
    inputs: GwasInputs,
    folder: Path,
    *,
    teller: Teller,
    fit: WholeGenomeFit | None,
) -> GwasResult:
    def announce(sentence: str) -> None:
        tables = gibibytes(tables_memory(len(inputs.chosen.places)))
        teller.say(f"Scan: {sentence}; afterwards {tables} for tables")

    with teller.step("scan", "parts") as progress:
        return run_gwas(
            inputs.chosen.genotypes,
            inputs.traits,
            inputs.covariates,
            folder=folder,
            settings=inputs.settings,
            samples=inputs.chosen.samples,
            variants=inputs.chosen.variants,
            fit=fit,
            cluster=request.cluster,
            progress=progress,
            announce=announce,
        )
