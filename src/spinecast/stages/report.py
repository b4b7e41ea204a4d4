"""Stage `report`: the published tables and one page, from what the other stages saved. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.files import write_json, write_table, write_text
from spinecast.report import Section, render_page
from spinecast.run import RunFolder, StageContext
from spinecast.stages import (
    report_cohort,
    report_models,
    report_pictures,
    report_risk,
    report_scores,
    report_trust,
)
from spinecast.stages.headline import Line, headline_json, headline_lines
from spinecast.stages.recovery import recover
from spinecast.stages.report_assembly import (
    collect,
    headline_card,
    missing_section,
    page_meta,
    read_record,
    write_again,
)
from spinecast.stages.saved_run import SavedRun
from spinecast.stages.settings import FollowUpSettings

NEEDS = (
    "cohort", "images", "generator", "scorers", "scores", "follow_up", "agreement", "risk",
)  # fmt: skip
_SUBTITLE = (
    "A film, its drawn futures, the score of each, and who fractured: study S2 (Diff-X and "
    "VERTE-X)."
)
_PARTS: tuple[tuple[str, Callable[[SavedRun], Section]], ...] = (
    ("Flow of people and films", report_cohort.flow),
    ("Table 1", report_cohort.table_one),
    ("Quarantine", report_cohort.quarantine),
    ("Futures beside the real follow-up", report_pictures.strips),
    ("Draws of one future", report_pictures.draws),
    ("Fidelity", report_pictures.fidelity),
    ("Age of generated films", report_scores.ages),
    ("Nearest training films", report_pictures.neighbours),
    ("What the layers hold", report_pictures.features),
    ("Generated against real follow-up scores", report_scores.agreement),
    ("Score distributions", report_scores.distributions),
    ("Uncertain people", report_scores.uncertainty),
    ("Where the score looked", report_scores.attribution),
    ("Films unlike the training films", report_scores.familiarity),
    ("Risk groups", report_risk.risk_groups),
    ("Groups over the years", report_risk.trajectories),
    ("Discrimination over time", report_models.auroc),
    ("Models side by side", report_models.models),
    ("Calibration", report_models.calibrated),
    ("Decision curve", report_models.decision),
    ("Treatment scenario", report_models.treatment),
)


def make_report(context: StageContext) -> None:
    """Write `estimates.csv`, `recovery.csv`, `headline.json` and `index.html`."""
    saved = SavedRun(
        context.needs, context.settings, context.source, context.seed, dict(context.options)
    )
    context.progress(0.0, "beside the truth")
    comparison = recover(saved)
    context.progress(0.4, "page")
    write_report(saved, comparison, folder=context.folder, record=read_record(saved.top))


def rebuild_report(run: RunFolder) -> Path:
    """Build the page of a run again (see ``report_assembly.write_again``; raises SC-703)."""
    saved = SavedRun.of_run(run, NEEDS, FollowUpSettings)
    return write_again(
        run,
        lambda folder, comparison: write_report(
            saved, comparison, folder=folder, record=run.record
        ),
    )


def write_report(
    saved: SavedRun, comparison: pd.DataFrame, *, folder: Path, record: Mapping[str, Any]
) -> None:
    """Write the tables and the page into ``folder``."""
    lines = headline_lines(saved, comparison)
    write_table(folder / "estimates.csv", saved.estimates)
    write_table(folder / "recovery.csv", comparison)
    write_json(folder / "headline.json", headline_json(lines))
    sections = page_sections(saved, comparison, lines=lines, record=record)
    page = render_page(
        "Follow-up radiographs, fracture scores and risk groups",
        sections,
        simulated=saved.simulated,
        meta=page_meta(saved, record, subtitle=_SUBTITLE, images="films"),
    )
    write_text(folder / "index.html", page)


def page_sections(
    saved: SavedRun,
    comparison: pd.DataFrame,
    *,
    lines: list[Line],
    record: Mapping[str, Any],
) -> list[Section]:
    """Return every section there are data for, then the list of those there are none for."""
    made, missing = collect(
        [
            *((title, partial(part, saved)) for title, part in _PARTS),
            ("Recovery of the known truth", lambda: report_trust.recovery(comparison)),
            ("Published numbers", lambda: report_trust.published(saved)),
        ]
    )
    sections = [
        headline_card(saved, lines, images="films", unseen_by="no network and no threshold"),
        *made,
    ]
    sections.append(report_trust.limits(saved))
    if missing:
        sections.append(missing_section(missing))
    anchors = [*(section.anchor for section in sections), "checklist", "provenance"]
    sections.append(report_trust.checklist(saved, anchors))
    hashes = report_trust.weight_hashes(saved)
    sections.append(report_trust.provenance(saved, record, hashes=hashes))
    return sections


__all__ = ["make_report", "page_sections", "rebuild_report", "write_report"]
