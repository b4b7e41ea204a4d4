"""What the terminal shows: bars with time left and heartbeats while a study runs, then results."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from spinecast.stages.outcome_run import OutcomesSummary

_HEARTBEAT_SECONDS = 5.0
SIMULATED_BANNER = (
    "[black on yellow] SIMULATED [/] every person and image here is computer-made; "
    "results mean nothing clinically"
)


_NEXT = {
    "followup-xray": "spinecast predict FILM.dcm --age 71 --sex F --out patient1",
    "counterfactual-dxa": "spinecast counterfactual {folder} --do age=75 --person ID --out older",
}


class BarListener:
    """Draws one bar a stage on a terminal.

    Use as a context manager; implements :class:`spinecast.run.study.Listener`.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
        )
        self._task = self._progress.add_task("", text="", visible=False)

    def __enter__(self) -> BarListener:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage_started(self, name: str) -> None:
        """Open a bar for the stage."""
        self._task = self._progress.add_task(name, total=1.0, text="")

    def stage_progress(self, done: float, text: str) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, text=text)

    def stage_finished(self, name: str, *, seconds: float, kept: bool) -> None:
        """Close the bar with what happened."""
        text = "kept from the earlier run" if kept else f"{seconds:.1f} s"
        self._progress.update(self._task, description=name, completed=1.0, text=text)


class LineListener:
    """Writes a line at least every five seconds where there is no terminal.

    Parameters
    ----------
    console
        Where to write.
    as_json
        One JSON object a line, for programs (``--json-progress``).
    """

    def __init__(self, console: Console, *, as_json: bool = False) -> None:
        self._console = console
        self._as_json = as_json
        self._stage = ""
        self._last = 0.0

    def __enter__(self) -> LineListener:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def stage_started(self, name: str) -> None:
        """Say that the stage begins."""
        self._stage = name
        self._say(state="started")

    def stage_progress(self, done: float, text: str) -> None:
        """Say how far it is, not more often than every five seconds."""
        if time.monotonic() - self._last >= _HEARTBEAT_SECONDS:
            self._say(state="running", done=round(done, 4), text=text)

    def stage_finished(self, name: str, *, seconds: float, kept: bool) -> None:
        """Say that the stage ended."""
        self._stage = name
        self._say(state="kept" if kept else "done", seconds=round(seconds, 1))

    def _say(self, **fields: object) -> None:
        self._last = time.monotonic()
        if self._as_json:
            self._console.out(json.dumps({"stage": self._stage, **fields}), highlight=False)
            return
        words = " ".join(_spoken(name, value) for name, value in fields.items() if value != "")
        self._console.out(f"{self._stage:<12} {words}", highlight=False)


def _spoken(name: str, value: object) -> str:
    if name == "done" and isinstance(value, float):
        return f"{100 * value:.0f} %"
    return f"{value} s" if name == "seconds" else str(value)


def open_listener(console: Console, *, as_json: bool = False) -> BarListener | LineListener:
    """Return bars on a terminal, lines elsewhere."""
    if as_json or not console.is_terminal:
        return LineListener(console, as_json=as_json)
    return BarListener(console)


def print_result(console: Console, folder: Path, *, study: str) -> None:
    """Print the headline table and where to go next."""
    headline = json.loads((folder / "headline.json").read_text(encoding="utf-8"))
    table = Table("analysis", "term", "estimate (95 % ci)", "target", "met", title="Headline")
    for row in headline:
        table.add_row(row["analysis"], row["term"], row["estimate"], row["target"], row["met"])
    console.print(table)
    console.print(f"Report: {folder / 'report' / 'index.html'}", highlight=False, soft_wrap=True)
    console.print(
        f"Next: spinecast status {folder} | {_NEXT.get(study, '').format(folder=folder)} | "
        "spinecast explain SC-401",
        highlight=False,
        soft_wrap=True,
    )


def print_outcomes(console: Console, found: OutcomesSummary) -> None:
    """Print the comparisons, or the discrimination of a single score."""
    rows = found.estimates
    shown = rows[rows["analysis"].str.startswith(("discrimination/", "comparison/"))]
    printed = Table("analysis", "term", "estimate (95 % ci)", "p")
    for row in shown.to_dict("records"):
        interval = f"{row['estimate']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"
        p_value = "" if row["p_value"] != row["p_value"] else f"{row['p_value']:.2g}"
        printed.add_row(escape(row["analysis"]), row["term"], interval, p_value)
    console.print(printed)
    console.print(f"Rows: {found.used} of {found.given} used; the others are in excluded.csv.")
    for each in found.missing:
        console.print(f"Not estimated: {escape(each.analysis)}: {escape(each.why)}", soft_wrap=True)
    console.print(f"Report: {found.page}", highlight=False, soft_wrap=True)
