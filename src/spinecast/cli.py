"""The command line: parses, calls a study, a stage or a room, prints.

Rooms are imported inside the commands, so that ``--help`` stays instant.
"""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spinecast.errors import SpinecastError, error

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Follow-up images, scores and fracture risk from spine images, each beside its naive "
    "baseline.\n\nStart with: [bold]spinecast run followup-xray --preset demo --source "
    "simulated:demo --seed 1 --out demo-run[/bold]",
)
console = Console()
complaints = Console(stderr=True)

OutOption = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
SeedOption = Annotated[int, typer.Option(help="One seed; equal seeds give equal results.")]
MapOption = Annotated[
    Path | None, typer.Option("--map", help="TOML file naming your columns, codes and units.")
]


class Layout(StrEnum):
    """How a cohort is written to disk."""

    hospital = "hospital"
    ukbiobank = "ukbiobank"


class Sex(StrEnum):
    """How sex is written on the command line."""

    female = "F"
    male = "M"


def main() -> None:
    """Run the command line; errors with a code end it in one sentence and exit status 2."""
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(args=arguments)
    except SpinecastError as problem:
        if debug:
            raise
        complaints.print(
            f"[bold red]{problem.code}[/] {escape(problem.message[7:])}", soft_wrap=True
        )
        complaints.print(f"More: spinecast explain {problem.code}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        complaints.print("Stopped. The same command goes on where this one ended.")
        sys.exit(130)


@app.command()
def studies(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the studies, their inputs and presets.

    Example: spinecast studies --json
    """
    from spinecast.studies import open_study, study_names

    listed = [open_study(name) for name in study_names()]
    rows = [
        {"name": s.name, "title": s.title, "inputs": s.inputs, "presets": list(s.presets),
         "stages": [stage.name for stage in s.stages], "citation": s.citation}
        for s in listed
    ]  # fmt: skip
    if as_json:
        console.print_json(json.dumps(rows))
        return
    table = Table("study", "what it does", "takes", "presets")
    for row in rows:
        table.add_row(row["name"], row["title"], row["inputs"], ", ".join(row["presets"]))  # type: ignore[arg-type]
    console.print(table)


@app.command()
def doctor() -> None:
    """Say what this machine can do: Python, torch, memory, disk, decoders, browser.

    Example: spinecast doctor
    """
    from spinecast.stages.doctor import examine

    table = Table("what", "state", "detail")
    checks = examine()
    for check in checks:
        colour = "green" if check.ok else "yellow"
        table.add_row(check.name, f"[{colour}]{'ok' if check.ok else 'missing'}[/]", check.detail)
    console.print(table)


@app.command()
def simulate(
    write: Annotated[Path, typer.Option("--write", help="Folder to write the cohort to.")],
    preset: Annotated[
        str, typer.Option(help="tiny (60 people), demo (600), bench (5,000), dxa-tiny, dxa-demo.")
    ] = "tiny",
    layout: Annotated[Layout, typer.Option(help="hospital; ukbiobank for DXA.")] = Layout.hospital,
    seed: SeedOption = 1,
) -> None:
    """Write a simulated cohort to disk: DICOM and CSV as of a hospital, or a UK Biobank extract.

    Example: spinecast simulate --preset tiny --seed 1 --write hospital
    """
    from spinecast.cohort.sources.simulated import write_simulated_extract, write_simulated_folder

    writers = {"hospital": write_simulated_folder, "ukbiobank": write_simulated_extract}
    summary = writers[layout.value](preset, write, seed=seed)
    console.print(f"SIMULATED cohort written to {write}: {summary}", highlight=False)
    following = {
        "hospital": f"ingest {write} --out ingested",
        "ukbiobank": f"run counterfactual-dxa --source ukbiobank:{write} --train --out run1",
    }
    console.print(f"Next: spinecast {following[layout.value]}", highlight=False, soft_wrap=True)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="One lateral radiograph (DICOM, PNG) or a CT.")],
    out: OutOption,
    age: Annotated[float | None, typer.Option(help="Age in years.", min=0, max=120)] = None,
    sex: Annotated[Sex | None, typer.Option(help="F or M.")] = None,
    bmi: Annotated[float | None, typer.Option(help="Body mass index, kg/m2.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights folder.")] = None,
    seed: SeedOption = 1,
) -> None:
    """Generate one patient's futures with scores, risk group and survival; research use only.

    Example: spinecast predict film.dcm --age 71 --sex F --bmi 24 --out patient1
    """
    from spinecast.stages.predict import predict_patient

    known: dict[str, Any] = {"age": age, "sex": None if sex is None else sex.value, "bmi": bmi}
    prediction = predict_patient(image, out, known=known, weights=weights, seed=seed)
    for line in prediction.sentences():
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def counterfactual(
    folder: Annotated[Path, typer.Argument(help="A finished run of counterfactual-dxa.")],
    do: Annotated[list[str], typer.Option(help="NAME=VALUE, such as age=75; may be repeated.")],
    person: Annotated[str, typer.Option(help="person_id of somebody in the run.")],
    out: OutOption,
    visit: Annotated[int, typer.Option(help="Visit of the scan; 0 is the baseline.")] = 0,
    particles: Annotated[int, typer.Option(help="Draws of what the scan leaves open.", min=1)] = 32,
    seed: SeedOption = 1,
) -> None:
    """Draw one person's scan as it would have been, had a variable been another.

    Example: spinecast counterfactual run1 --do age=75 --person P00012 --out older
    """
    from spinecast.run import RunFolder

    opened = RunFolder.existing(folder)  # before the networks' library is loaded
    from spinecast.stages.counterfactual_command import answer_person

    answer = answer_person(
        opened, out, do=do, person=person, visit=visit, particles=particles,
        seed=seed,
    )  # fmt: skip
    for line in answer.sentences():
        console.print(escape(line), highlight=False, soft_wrap=True)
    console.print(f"Page: {out / 'index.html'}", highlight=False, soft_wrap=True)


@app.command()
def outcomes(
    table: Annotated[Path, typer.Option(help="CSV file, one row per person (or see --person).")],
    duration: Annotated[str, typer.Option(help="Column: time to the event or to censoring.")],
    event: Annotated[str, typer.Option(help="Column: 0 censored, 1 event, 2 died before.")],
    score: Annotated[
        list[str], typer.Option(help="Column of a score, higher = earlier event; may be repeated.")
    ],
    out: OutOption,
    times: Annotated[str, typer.Option(help="Horizons in years, such as 2,3,5.")] = "1,5,10",
    unit: Annotated[
        str, typer.Option(help="Unit of the duration: years, months, weeks or days.")
    ] = "years",
    person: Annotated[
        str, typer.Option(help="Column that says whose a row is; errors are then clustered.")
    ] = "",
    risk_at: Annotated[
        float | None,
        typer.Option(help="The scores are predicted risks by this year: judge them as such."),
    ] = None,
) -> None:
    """Judge scores by what happened: AUROC over time, c-index, paired tests, hazard ratios.

    Example: spinecast outcomes --table cohort.csv --duration years --event status --score new
    --score old --times 2,5 --out judged
    """
    from spinecast.console import open_listener, print_outcomes
    from spinecast.stages.outcome_estimates import Question
    from spinecast.stages.outcome_run import describe_outcomes
    from spinecast.stages.outcome_table import OutcomeColumns

    columns = OutcomeColumns(duration, event, tuple(score), person=person, unit=unit)
    question = Question(_numbers(times), risk_at=risk_at)
    with open_listener(console, as_json=False) as listener:
        started = time.monotonic()
        listener.stage_started("outcomes")
        found = describe_outcomes(
            table, columns, question, out=out, progress=listener.stage_progress
        )
        seconds = time.monotonic() - started
        listener.stage_finished("outcomes", seconds=seconds, kept=False)
    print_outcomes(console, found)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise error(
            "SC-706", expected="numbers such as 2,3,5", got=repr(text), where="times"
        ) from None


@app.command()
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


@app.command()
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


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="A code such as SC-112.")],
) -> None:
    """Say what an error code means and what to do.

    Example: spinecast explain SC-112
    """
    from spinecast.error_codes import CODES

    known = code.upper()
    if known not in CODES:
        raise error("SC-707", expected="a code such as SC-112", got=repr(code))
    explanation = CODES[known]
    console.print(f"[bold]{known}[/] {explanation.title}")
    console.print(explanation.meaning, highlight=False)
    console.print(f"What to do: {explanation.remedy}", highlight=False)
