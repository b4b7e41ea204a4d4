"""What every study's page is put together by: sections that can be made, and why others cannot."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.report import Section
from spinecast.report.tables import frame_table
from spinecast.stages.saved_stages import AbsentError

Part = tuple[str, Callable[[], Section | list[Section]]]


def collect(parts: Iterable[Part]) -> tuple[list[Section], list[tuple[str, str]]]:
    """Return the sections there are data for, and of the others the title and the reason."""
    sections: list[Section] = []
    missing: list[tuple[str, str]] = []
    for title, make in parts:
        try:
            made = make()
        except AbsentError as why:
            missing.append((title, str(why)))
        except StatisticsError as problem:
            missing.append((title, problem.message))
        else:
            sections.extend(made if isinstance(made, list) else [made])
    return sections, missing


def missing_section(missing: list[tuple[str, str]]) -> Section:
    """List what is not on the page, and why."""
    frame = pd.DataFrame(missing, columns=["section", "why it is not here"])
    return Section(
        title="What is not on this page",
        anchor="absent",
        group="How far to trust it",
        markup="The saved files hold nothing to make these sections of.",
        tables=(frame_table(frame),),
    )


def read_record(top: Path) -> dict[str, Any]:
    """Return the resolved record of a run."""
    return tomllib.loads((top / "study.toml").read_text(encoding="utf-8"))
