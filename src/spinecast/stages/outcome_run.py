"""Command `outcomes`: a table of scores in, estimates, comparisons, plots and one page out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spinecast import __version__
from spinecast.errors import error
from spinecast.files import write_json, write_table, write_text
from spinecast.report import render_page
from spinecast.stages.outcome_estimates import Question, Unanswered, estimate_outcomes
from spinecast.stages.outcome_page import outcome_sections
from spinecast.stages.outcome_table import OutcomeColumns, OutcomeTable, read_outcomes


@dataclass(frozen=True)
class OutcomesSummary:
    """What a run of ``outcomes`` found.

    Attributes
    ----------
    given, used
        Rows of the table; the difference is in ``excluded.csv``.
    estimates
        As written to ``estimates.csv``.
    missing
        What could not be estimated, and why.
    page
        The report.
    """

    given: int
    used: int
    estimates: pd.DataFrame
    missing: list[Unanswered]
    page: Path


def describe_outcomes(
    path: Path,
    columns: OutcomeColumns,
    question: Question,
    *,
    out: Path,
    progress: Callable[[float, str], None],
) -> OutcomesSummary:
    """Judge the scores of a table by what happened to its people.

    Parameters
    ----------
    path
        CSV file; one row per person, or several with a ``person`` column.
    columns, question
        Which columns, what is asked.
    out
        Folder for ``estimates.csv``, ``excluded.csv``, ``flow.json``, ``index.html``.
    progress
        Called with the fraction done and a few words.

    Raises
    ------
    SpinecastError
        As :func:`~spinecast.stages.outcome_table.read_outcomes`; SC-706 for horizons that are
        not positive, a score named twice, or scores outside 0 to 1 taken as risks.
    """
    _require_sense(columns, question)
    progress(0.0, "reading")
    table = read_outcomes(path, columns)
    if question.risk_at is not None:
        _require_risks(table)
    estimates, missing = estimate_outcomes(table, question, progress=progress)
    write_table(out / "estimates.csv", estimates)
    write_table(out / "excluded.csv", table.excluded)
    flow = {"given": table.given, "used": len(table), "set_aside": len(table.excluded)}
    write_json(out / "flow.json", flow)
    page = out / "index.html"
    write_text(
        page,
        render_page(
            f"Outcomes: {' and '.join(columns.scores)}",
            outcome_sections(table, question, estimates, missing=missing),
            simulated=False,
            meta={
                "subtitle": "How well scores tell who has the event, and when.",
                "cohort": f"{path.name}: {len(table):,} rows. In-sample: scores fitted on these "
                "people look better here than they are.",
                "facts": {
                    "table": path.name, "duration": f"{columns.duration} ({columns.unit})",
                    "event": columns.event, "version": __version__,
                },
            },
        ),
    )  # fmt: skip
    return OutcomesSummary(table.given, len(table), estimates, missing, page)


def _require_sense(columns: OutcomeColumns, question: Question) -> None:
    if not question.times or min(question.times) <= 0:
        raise error("SC-706", expected="times above 0", got=str(question.times), where="times")
    if len(set(columns.scores)) < len(columns.scores):
        raise error("SC-706", expected="different scores", got="one twice", where="score")


def _require_risks(table: OutcomeTable) -> None:
    for name, values in table.scores.items():
        if values.min() < 0 or values.max() > 1:
            raise error(
                "SC-706", expected="risks in 0..1 with --risk-at",
                got=f"{values.min():g} to {values.max():g}", where=name,
            )  # fmt: skip
