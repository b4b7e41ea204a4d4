"""Commands that run a study and look after its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spinecast.cli.application import MapOption, OutOption, SeedOption, app, console
from spinecast.errors import error

PANEL = "A study"


@app.command(rich_help_panel=PANEL)
def run(
    study: Annotated[str, typer.Argument(help="Name of a study, see `spinecast studies`.")],
    out: OutOption,
    preset: Annotated[
        str, typer.Option(help="tiny, demo, films, weights or paper, see `spinecast studies`.")
    ] = "demo",
    source: Annotated[
        str, typer.Option(help="simulated:PRESET, ukbiobank:DIR or a cohort folder.")
    ] = "simulated:demo",
    seed: SeedOption = 1,
    train: Annotated[
        bool, typer.Option("--train", help="Train the networks on this cohort from scratch.")
    ] = False,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Start from the weights and train on this cohort.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Weights folder; without it the shipped demo weights.")
    ] = None,
    column_map: MapOption = None,
    *,
    graph: Annotated[
        Path | None, typer.Option(help="TOML file of your own causal graph (counterfactual-dxa).")
    ] = None,
    discover: Annotated[
        bool, typer.Option("--discover", help="Also look for the graph's edges in the data.")
    ] = False,
    cluster: Annotated[str | None, typer.Option(help="threads, processes:N, tcp://...")] = None,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="One JSON object a line.")
    ] = False,
) -> None:
    """Run a study from images to report. The same command again goes on where it ended.

    Example: spinecast run followup-xray --preset demo --source simulated:demo --seed 1 --out run1
    """
    from spinecast.console import SIMULATED_BANNER, open_listener, print_result
    from spinecast.run.study import RunRequest, refuse_strange_options, run_study
    from spinecast.stages.graph_option import read_graph
    from spinecast.studies import open_study

    options = {
        "networks": _networks(train=train, fine_tune=fine_tune),
        "weights": None if weights is None else str(weights),
        "map": None if column_map is None else str(column_map),
        "graph": None if graph is None else read_graph(graph),
        "discover": discover or None,
    }
    refuse_strange_options(open_study(study), options)
    request = RunRequest(preset, source, seed, options, cluster)
    if source.startswith("simulated:"):
        console.print(SIMULATED_BANNER)
    with open_listener(console, as_json=json_progress) as listener:
        folder = run_study(open_study(study), request, out, listener=listener)
    if not json_progress:
        print_result(console, folder.path, study=study)


def _networks(*, train: bool, fine_tune: bool) -> str:
    if train and fine_tune:
        raise error("SC-706", expected="--train or --fine-tune", got="both")
    return "train" if train else "fine-tune" if fine_tune else "weights"


@app.command(rich_help_panel=PANEL)
def status(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
) -> None:
    """Say of every stage of a run whether it is kept, stale, partial or missing.

    Example: spinecast status run1
    """
    from spinecast.run import RunFolder
    from spinecast.studies import open_study

    opened = RunFolder.existing(folder)
    table = Table("stage", "state")
    for stage in opened.status(open_study(opened.record["study"]).stages):
        table.add_row(f"{stage.number:02d} {stage.name}", stage.state)
    console.print(table)


@app.command(rich_help_panel=PANEL)
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
) -> None:
    """Build the report page again from what the run saved; no model is loaded.

    Example: spinecast report run1
    """
    from spinecast.run import RunFolder
    from spinecast.stages.page_again import rebuild_page

    page = rebuild_page(RunFolder.existing(folder))
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)


@app.command(rich_help_panel=PANEL)
def export(
    folder: Annotated[Path, typer.Argument(help="A finished run that trained its networks.")],
    out: OutOption,
) -> None:
    """Make a weights folder of a run: networks, scorers, risk models, a model card.

    Example: spinecast export run1 --out weights1
    """
    from spinecast.run import RunFolder
    from spinecast.stages.weights import export_weights

    made = export_weights(RunFolder.existing(folder), out)
    console.print(f"Weights: {made}; use them with --weights {made}", soft_wrap=True)
