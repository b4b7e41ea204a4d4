"""The application that commands are added to, its options that several share, and its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from spinecast.errors import SpinecastError

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
