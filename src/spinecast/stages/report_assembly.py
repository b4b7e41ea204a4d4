"""What every study's page is put together by: sections that can be made, and why others cannot."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.files import read_json, write_bytes
from spinecast.report import Section
from spinecast.report.sections import headline_section
from spinecast.report.tables import frame_table
from spinecast.run import RunFolder
from spinecast.stages.headline_lines import Line, page_rows
from spinecast.stages.recovery import read_recovery
from spinecast.stages.saved_stages import AbsentError, SavedStages

Part = tuple[str, Callable[[], Section | list[Section]]]


#: What a report stage writes, by its place at the top of the run folder.
PUBLISHED = {
    "estimates.csv": "estimates.csv",
    "recovery.csv": "recovery.csv",
    "headline.json": "headline.json",
    "index.html": "report/index.html",
}


def write_again(run: RunFolder, write: Callable[[Path, pd.DataFrame], None]) -> Path:
    """Build the page of a run again from its saved files; no model is loaded.

    The truth is not asked again: the saved `recovery.csv` stands.

    Parameters
    ----------
    run
        With a finished report.
    write
        Writes tables and page into a folder, given the comparison with the truth.

    Returns
    -------
    Path
        The page, at its published place.
    """
    with run.locked():
        folder = run.stage_path("report")
        write(folder, read_recovery(folder / "recovery.csv"))
        for name, place in PUBLISHED.items():
            write_bytes(run.path / place, (folder / name).read_bytes())
    return run.path / PUBLISHED["index.html"]


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


def page_meta(
    saved: SavedStages, record: Mapping[str, Any], *, subtitle: str, images: str
) -> dict[str, Any]:
    """Return what stands at the head of the page; ``images`` is what the study calls them."""
    environment = read_json(saved.top / "environment.json")
    cohort = "" if saved.simulated else (
        f"Cohort {saved.cohort.name}: {len(saved.cohort.people):,} people, "
        f"{len(saved.cohort.images):,} {images}. For research only; it does not speak for people "
        "who are not like them."
    )  # fmt: skip
    return {
        "subtitle": subtitle,
        "cohort": cohort,
        "facts": {
            "study": record.get("study", ""),
            "preset": record.get("preset", ""),
            "source": saved.source if saved.simulated else saved.cohort.name,
            "seed": saved.seed,
            "version": environment["spinecast"],
        },
    }


def headline_card(saved: SavedStages, lines: list[Line], *, images: str, unseen_by: str) -> Section:
    """Return the headline, saying on whom it was measured."""
    test = saved.films[1]
    test = test[test["split"] == "test"]
    whose = "simulated test people" if saved.simulated else "test people"
    text = (
        f"Measured on {test['person_id'].nunique():,} {whose} ({len(test):,} {images}) that "
        f"{unseen_by} has seen."
    )
    return headline_section(page_rows(lines), text=text)


def read_record(top: Path) -> dict[str, Any]:
    """Return the resolved record of a run."""
    return tomllib.loads((top / "study.toml").read_text(encoding="utf-8"))
