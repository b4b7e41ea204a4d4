"""What the terminal shows while a study runs: stages, bars with time left, heartbeats."""

from __future__ import annotations

import json
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_HEARTBEAT_SECONDS = 5.0
SIMULATED_BANNER = (
    "[black on yellow] SIMULATED [/] every person and image here is computer-made; "
    "results mean nothing clinically"
)


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
