"""Who was looked at: flow chart, Table 1, what was set aside and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from spinecast.report.digits import write_count
from spinecast.report.figures.flow import draw_flow
from spinecast.report.goods import FlowStep
from spinecast.report.parts import Section, Table
from spinecast.report.tables import frame_table

_GROUP = "People and films"
_DEMANDED = "Only people with a later film enter, so those who died or left early are missing."
_KEPT = (
    "People without a later film stay in: they count for risk, not for agreement with real "
    "follow-up."
)


def flow_section(
    steps: Sequence[FlowStep],
    *,
    simulated: bool,
    splits: Sequence[FlowStep] = (),
    follow_up_demanded: bool = False,
) -> Section:
    """Show how the cohort became the analysed people, and how they were divided.

    Parameters
    ----------
    steps, splits
        As :func:`spinecast.report.figures.draw_flow` takes them.
    simulated
        Stamp the picture.
    follow_up_demanded
        Whether people without a later film were left out; the note says what follows from it.
    """
    frame = pd.DataFrame(
        [(s.label, write_count(s.n_people), write_count(s.n_images)) for s in [*steps, *splits]],
        columns=["step", "people", f"{steps[0].thing}s"],
    )
    return Section(
        title=f"Flow of people and {steps[0].thing}s",
        anchor="flow",
        group=_GROUP,
        figures=(draw_flow(steps, simulated=simulated, splits=splits),),
        tables=(frame_table(frame, caption="The same counts as a table", folded=True),),
        note=f"{_DEMANDED if follow_up_demanded else _KEPT} Every person is in one split only.",
    )


def table_one_section(table_one: pd.DataFrame, *, text: str = "") -> Section:
    """Show Table 1 as it was made by the cohort room: one row per variable, one column per group.

    Parameters
    ----------
    table_one
        Ready-written cells. A row whose cells after the first are all empty is a heading;
        first cells that start with two spaces are levels of the variable above.
    text
        What the columns are.
    """
    marks = [_mark(row) for row in table_one.fillna("").astype(str).to_numpy().tolist()]
    return Section(
        title="Table 1: who they are",
        anchor="table-one",
        group=_GROUP,
        markup=text,
        tables=(frame_table(table_one.fillna(""), caption="", marks=marks),),
    )


def quarantine_section(
    quarantine: pd.DataFrame, counts: Mapping[str, int], *, skipped: pd.DataFrame | None = None
) -> Section:
    """Show what was set aside: by code with counts, then row by row.

    Parameters
    ----------
    quarantine, skipped
        Columns ``source``, ``code``, ``reason``.
    counts
        ``given``, ``used``, ``skipped``, ``quarantined``: the last three must add up to
        the first, and the section says whether they do.
    """
    whole = [f for f in (_by_code(quarantine, "Quarantined"), _by_code(skipped, "Skipped")) if f]
    added = sum(counts.get(name, 0) for name in ("used", "skipped", "quarantined"))
    agrees = "The counts add up." if added == counts.get("given") else "THE COUNTS DO NOT ADD UP."
    words = ", ".join(f"{name} {write_count(count)}" for name, count in counts.items())
    rows = []
    for frame, name in ((quarantine, "quarantined"), (skipped, "skipped")):
        if frame is not None and len(frame):
            caption = f"Every {name} input ({len(frame):,})"
            rows.append(
                frame_table(frame[["source", "code", "reason"]], caption=caption, folded=True)
            )
    return Section(
        title="Quarantine",
        anchor="quarantine",
        group=_GROUP,
        markup=f"Every input is used, skipped by a rule, or set aside with a code. "
        f"Inputs: {words}. {agrees}",
        tables=(*whole, *rows),
    )


def _by_code(frame: pd.DataFrame | None, name: str) -> Table | None:
    if frame is None or frame.empty:
        return None
    counted = (
        frame.groupby("code", sort=True)
        .agg(count=("code", "size"), reason=("reason", "first"))
        .reset_index()
    )
    return frame_table(
        counted[["code", "count", "reason"]],
        caption=f"{name}, by code",
        headers={"reason": "reason (first of its kind)"},
        writers={"count": write_count},
    )


def _mark(row: list[str]) -> str:
    if not any(cell.strip() for cell in row[1:]):
        return "head"
    return "sub" if row[0].startswith("  ") else ""
