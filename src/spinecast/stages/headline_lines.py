"""Lines of a headline: an estimate found by its name, its target, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from spinecast.report.digits import write_interval, write_number, write_p
from spinecast.report.goods import Estimate, HeadlineRow
from spinecast.stages.saved_stages import SavedStages

_TINY = 1e-5


@dataclass(frozen=True)
class Line:
    """One line of the headline: the names of its estimate, and the row as the page shows it."""

    analysis: str
    term: str
    row: HeadlineRow


@dataclass(frozen=True)
class Found:
    """Estimates and recovery rows looked up by name."""

    saved: SavedStages
    recovery: pd.DataFrame

    def estimate(self, analysis: str, term: str) -> Estimate | None:
        """Return one estimate, None where there is no finite number."""
        found = self.saved.estimate(analysis, term)
        return found if found is not None and math.isfinite(found.value) else None

    def value(self, analysis: str, term: str, default: float = math.nan) -> float:
        """Return the number of one estimate."""
        found = self.estimate(analysis, term)
        return default if found is None else found.value

    def recovered(self, analysis: str, term: str) -> dict[str, Any] | None:
        """Return one row of the recovery table as a mapping."""
        table = self.recovery
        rows = table[(table["analysis"] == analysis) & (table["term"] == term)]
        return None if rows.empty else dict(rows.iloc[0])


def gather_lines(
    found: Found, chapters: Sequence[Callable[[Found], list[Line | None]]]
) -> list[Line]:
    """Return the lines of all chapters that the run has estimates for.

    Targets are stated for simulated cohorts only, for which they were set.
    """
    lines = [line for chapter in chapters for line in chapter(found) if line is not None]
    if found.saved.simulated:
        return [replace(line, row=_with_doubt(line.row)) for line in lines]
    # the targets were set for simulated test people; real ones are described, not judged
    return [replace(line, row=replace(line.row, target=None, met=None)) for line in lines]


def page_rows(lines: list[Line]) -> list[HeadlineRow]:
    """Return the rows the page shows: those with a target or a naive alternative."""
    return [line.row for line in lines if line.row.target is not None or line.row.naive is not None]


def headline_json(lines: list[Line]) -> list[dict[str, str]]:
    """Return the lines as plain text for the table of the command line."""
    return [
        {
            "analysis": line.analysis,
            "term": line.term,
            "estimate": _written(line),
            "target": _target_words(line.row),
            "met": _met_word(line.row),
        }
        for line in lines
    ]


def _written(line: Line) -> str:
    e = line.row.estimate
    if line.term == "log_rank":
        return f"χ² {write_number(e.value, 1)}, p {write_p(e.p_value)}"
    if 0 < abs(e.value) < _TINY:
        return f"{e.value:.1e}"  # seven zeros would say nothing
    return write_interval(e.value, e.ci_low, e.ci_high, null=line.row.null)


def _target_words(row: HeadlineRow) -> str:
    if row.target is None:
        return "-"
    return row.target.wording or f"{row.target.sense} {row.target.threshold:g}"


def _met_word(row: HeadlineRow) -> str:
    if row.met is not None:
        return "yes" if row.met else "no"
    if row.target is None:
        return "-"
    return "yes" if row.target.is_met(row.estimate.value) else "no"


def make_line(found: Found, analysis: str, term: str, *, label: str, **fields: Any) -> Line | None:
    """Return the line of one estimate, None where the run has none."""
    estimate = found.estimate(analysis, term)
    if estimate is None:
        return None
    return Line(analysis, term, HeadlineRow(label, estimate, **fields))


def _with_doubt(row: HeadlineRow) -> HeadlineRow:
    """Say in the comment where a target is met, but not by the whole interval."""
    if row.target is None or row.met is not None or not row.target.is_met(row.estimate.value):
        return row
    limits = (row.estimate.ci_low, row.estimate.ci_high)
    if not all(map(math.isfinite, limits)) or row.target.is_met_throughout(row.estimate):
        return row
    side = "below" if row.target.sense in {"at least", "above"} else "above"
    words = f"The interval reaches {side} the target. {row.comment}".strip()
    return replace(row, met=True, comment=words)
