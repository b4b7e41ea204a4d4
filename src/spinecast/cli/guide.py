"""Commands that say what there is: studies, this machine, codes."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from spinecast.cli.application import app, console
from spinecast.errors import error

PANEL = "What there is"


@app.command(rich_help_panel=PANEL)
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


@app.command(rich_help_panel=PANEL)
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


@app.command(rich_help_panel=PANEL)
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
