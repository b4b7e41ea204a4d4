"""Commands that make or look over a cohort."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from spinecast.cli.application import MapOption, OutOption, SeedOption, app, console

PANEL = "A cohort"


class Layout(StrEnum):
    """How a cohort is written to disk."""

    hospital = "hospital"
    ukbiobank = "ukbiobank"
    plink = "plink"
    pgen = "pgen"
    bgen = "bgen"


_GENOTYPES = {Layout.plink: "bed", Layout.pgen: "pgen", Layout.bgen: "bgen"}


@app.command(rich_help_panel=PANEL)
def simulate(
    write: Annotated[Path, typer.Option("--write", help="Folder to write the cohort to.")],
    preset: Annotated[
        str,
        typer.Option(
            help="tiny (60 people), demo (600), bench (5,000), dxa-tiny, dxa-demo, gwas-tiny, "
            "gwas-demo."
        ),
    ] = "tiny",
    layout: Annotated[
        Layout,
        typer.Option(help="hospital; ukbiobank for DXA; plink, pgen or bgen for genomes (gwas-)."),
    ] = Layout.hospital,
    seed: SeedOption = 1,
) -> None:
    """Write a simulated cohort to disk: of a hospital, a UK Biobank extract, or a genetic study.

    Example: spinecast simulate --preset tiny --seed 1 --write hospital
    """
    if layout in _GENOTYPES:
        _simulate_genomes(preset, write, layout, seed=seed)
        return
    from spinecast.cohort.sources.simulated import write_simulated_extract, write_simulated_folder

    writers = {"hospital": write_simulated_folder, "ukbiobank": write_simulated_extract}
    summary = writers[layout.value](preset, write, seed=seed)
    console.print(f"SIMULATED cohort written to {write}: {summary}", highlight=False)
    following = {
        "hospital": f"ingest {write} --out ingested",
        "ukbiobank": f"run counterfactual-dxa --source ukbiobank:{write} --train --out run1",
    }
    console.print(f"Next: spinecast {following[layout.value]}", highlight=False, soft_wrap=True)


def _simulate_genomes(preset: str, write: Path, layout: Layout, *, seed: int) -> None:
    from spinecast.cli.genetics import say, telling
    from spinecast.stages.simulated_genomes import write_simulated_genomes

    with telling() as teller:
        summary = write_simulated_genomes(
            preset, write, layout=layout.value, seed=seed, teller=teller
        )
    say(f"SIMULATED cohort written to {write}: {summary}")
    genotypes = f"{write}/genomes.{_GENOTYPES[layout]}"
    say(f"Next: spinecast genotypes qc --genotypes {genotypes} --build GRCh38 --out qc")


@app.command(rich_help_panel=PANEL)
def ingest(
    folder: Annotated[Path, typer.Argument(help="Cohort folder, or any folder of images.")],
    out: OutOption,
    column_map: MapOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    cluster: Annotated[str | None, typer.Option(help="threads, processes:N, tcp://...")] = None,
) -> None:
    """Read every image once, say what is usable, skipped or quarantined, and why.

    Example: spinecast ingest ~/dicom --out study1 --plan
    """
    from spinecast.stages.ingest import ingest_folder

    summary = ingest_folder(folder, out, column_map=column_map, plan=plan, cluster=cluster)
    console.print(summary.sentence(), highlight=False, soft_wrap=True)
    table = Table("count", "what", "code", "reason")
    for row in summary.rows:
        table.add_row(str(row["count"]), row["what"], row["code"], escape(row["reason"]))
    console.print(table)
