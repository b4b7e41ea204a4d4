"""Commands that answer one question: of a patient, of a person of a run, of a table."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from spinecast.cli.application import OutOption, SeedOption, app, console
from spinecast.errors import error

PANEL = "One question"


class Sex(StrEnum):
    """How sex is written on the command line."""

    female = "F"
    male = "M"


@app.command(rich_help_panel=PANEL)
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


@app.command(rich_help_panel=PANEL)
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


@app.command(rich_help_panel=PANEL)
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
