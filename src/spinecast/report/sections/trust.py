"""How far to trust it: truth, the published numbers, limits, checklist, provenance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from spinecast.report.checklists import FOLLOW_UP_ANSWERS, Answer, checklist_table
from spinecast.report.figures.discrimination import draw_recovery
from spinecast.report.parts import Section, Table
from spinecast.report.published import (
    CAVEAT,
    OWN_LIMITS,
    inconsistency_table,
    published_table,
)
from spinecast.report.recovery import recovery_table
from spinecast.report.tables import frame_table
from spinecast.report.templating import render

_GROUP = "How far to trust it"


def recovery_section(
    comparison: pd.DataFrame, *, text: str = "", simulated: bool = True
) -> Section:
    """Show estimates beside the truth of the simulated world.

    Parameters
    ----------
    comparison
        As :func:`spinecast.report.recovery.compare_with_truth` makes it.
    text
        What truth means here, and the best c-index anybody could reach.
    simulated
        Stamp the picture; only a phantom, or films with planted changes, have a truth otherwise.
    """
    known = comparison["covered"].dropna()
    words = f"{int(known.sum())} of {len(known)} intervals hold the truth; 95 % should."
    drawable = bool(len(known)) and bool((comparison["ci_high"] > comparison["ci_low"]).any())
    return Section(
        title="Recovery of the known truth",
        anchor="recovery",
        group=_GROUP,
        markup=f"{text} {words}".strip(),
        figures=(draw_recovery(comparison, simulated=simulated),) if drawable else (),
        tables=(recovery_table(comparison),),
        note="Truth is read only here, after every estimate was written.",
    )


def published_section(estimates: pd.DataFrame) -> Section:
    """Show the published numbers beside ours, with what must be known to read them."""
    return Section(
        title="The published numbers beside ours",
        anchor="published",
        group=_GROUP,
        markup=CAVEAT,
        tables=(published_table(estimates), inconsistency_table()),
    )


def limits_section(limits: Sequence[str], *, simulated: bool, published: bool = True) -> Section:
    """Say what this cannot show; the published study's own limits are added."""
    ours = list(limits)
    if simulated:
        ours.insert(0, "Simulated people and films: nothing here speaks of any patient.")
    theirs = [f"Of the published study: {limit}" for limit in OWN_LIMITS] if published else []
    markup = render("list.html.j2", text="", items=[*ours, *theirs])
    return Section(title="Limits", anchor="limits", group=_GROUP, markup=markup)


def checklist_section(
    anchors: Collection[str],
    *,
    simulated: bool,
    answers: Mapping[str, Answer] = FOLLOW_UP_ANSWERS,
) -> Section:
    """Show the TRIPOD+AI items with where this page answers them, or that it does not."""
    return Section(
        title="TRIPOD+AI checklist",
        anchor="checklist",
        group=_GROUP,
        tables=(checklist_table(answers, anchors=anchors, simulated=simulated),),
    )


def provenance_section(
    facts: Mapping[str, Any], *, versions: Mapping[str, str], hashes: Mapping[str, str]
) -> Section:
    """Say what made these numbers: run, seeds and config, library versions, file hashes.

    Parameters
    ----------
    facts
        Short words to values: study, version, seed, config hash, duration, machine.
    versions
        Library to version.
    hashes
        File or stage to SHA-256.
    """
    tables = [_pairs(facts, "Run")]
    if versions:
        tables.append(_pairs(versions, "Versions", folded=True))
    if hashes:
        coded = {k: Markup('<span class="hash">{}</span>').format(v) for k, v in hashes.items()}
        tables.append(_pairs(coded, "Hashes (SHA-256)", folded=True))
    return Section(title="Provenance", anchor="provenance", group=_GROUP, tables=tuple(tables))


def _pairs(values: Mapping[str, Any], caption: str, *, folded: bool = False) -> Table:
    rows = [(k, v if isinstance(v, str) else str(v)) for k, v in values.items()]
    return frame_table(
        pd.DataFrame(rows, columns=["name", "value"]), caption=caption, folded=folded
    )
