"""Stage `report` of the counterfactual study: the published tables and one page.

Only the oracles of the recovery section ask networks; building the page again loads none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.files import write_json, write_table, write_text
from spinecast.report import Section, render_page
from spinecast.report.checklists import COUNTERFACTUAL_ANSWERS
from spinecast.report.published import LIMITS_DXA
from spinecast.report.sections import checklist_section, limits_section, published_dxa_section
from spinecast.run import RunFolder, StageContext
from spinecast.stages import report_causal, report_cohort, report_counterfactuals, report_trust
from spinecast.stages.counterfactual_headline import headline_lines
from spinecast.stages.counterfactual_run import SavedCounterfactuals
from spinecast.stages.counterfactual_settings import CounterfactualSettings
from spinecast.stages.headline_lines import Line, headline_json
from spinecast.stages.recovery import beside_truth
from spinecast.stages.recovery_counterfactuals import CHAPTERS
from spinecast.stages.report_assembly import (
    Part,
    collect,
    headline_card,
    missing_section,
    page_meta,
    read_record,
    write_again,
)

NEEDS = (
    "cohort", "images", "mechanisms", "image_models", "judges", "counterfactuals", "agreement",
)  # fmt: skip
_PEOPLE = "People and scans"
TITLE = "Counterfactual spine scans"
_SUBTITLE = (
    "What a person's scan would have shown, had age been another: study S1 (causal hierarchical "
    "VAE of spine DXA)."
)


def make_report(context: StageContext) -> None:
    """Write `estimates.csv`, `recovery.csv`, `headline.json` and `index.html`."""
    saved = SavedCounterfactuals(
        context.needs, context.settings, context.source, context.seed, dict(context.options)
    )
    context.progress(0.0, "beside the truth")
    comparison = beside_truth(saved, CHAPTERS)
    context.progress(0.7, "page")
    write_report(saved, comparison, folder=context.folder, record=read_record(saved.top))


def rebuild_report(run: RunFolder) -> Path:
    """Build the page of a run again (see ``report_assembly.write_again``; raises SC-703)."""
    saved = SavedCounterfactuals.of_run(run, NEEDS, CounterfactualSettings)
    return write_again(
        run,
        lambda folder, comparison: write_report(
            saved, comparison, folder=folder, record=run.record
        ),
    )


def write_report(
    saved: SavedCounterfactuals,
    comparison: pd.DataFrame,
    *,
    folder: Path,
    record: Mapping[str, Any],
) -> None:
    """Write the tables and the page into ``folder``."""
    lines = headline_lines(saved, comparison)
    write_table(folder / "estimates.csv", saved.estimates)
    write_table(folder / "recovery.csv", comparison)
    write_json(folder / "headline.json", headline_json(lines))
    sections = page_sections(saved, comparison, lines=lines, record=record)
    meta = page_meta(saved, record, subtitle=_SUBTITLE, images="scans")
    write_text(
        folder / "index.html", render_page(TITLE, sections, simulated=saved.simulated, meta=meta)
    )


def page_sections(
    saved: SavedCounterfactuals,
    comparison: pd.DataFrame,
    *,
    lines: list[Line],
    record: Mapping[str, Any],
) -> list[Section]:
    """Return every section there are data for, then the list of those there are none for."""
    parts: list[Part] = [
        ("Flow of people and scans", partial(_flow, saved)),
        ("Table 1", lambda: replace(report_cohort.table_one(saved), group=_PEOPLE)),
        ("Quarantine", lambda: replace(report_cohort.quarantine(saved, "Scans"), group=_PEOPLE)),
        ("Causal graph", partial(report_causal.graph, saved)),
        ("Edges found in the data", partial(report_causal.discovery, saved)),
        ("The same scan at other ages", partial(report_counterfactuals.ageing, saved)),
        ("Reconstruction", partial(report_counterfactuals.reconstruction, saved)),
        ("Soundness", partial(report_counterfactuals.axioms, saved)),
        ("The later visit", partial(report_counterfactuals.foretold, saved)),
        ("Real later scans", partial(report_counterfactuals.follow_up_images, saved)),
        ("Recovery of the known truth", partial(report_causal.recovery, saved, comparison)),
        ("Training of the image models", partial(report_causal.training, saved)),
        ("Published numbers", partial(published_dxa_section, saved.estimates)),
    ]
    made, missing = collect(parts)
    sections = [
        headline_card(saved, lines, images="scans", unseen_by="no network"),
        *made,
        _limits(saved),
    ]
    if missing:
        sections.append(missing_section(missing))
    anchors = [*(section.anchor for section in sections), "checklist", "provenance"]
    sections.append(
        checklist_section(anchors, simulated=saved.simulated, answers=COUNTERFACTUAL_ANSWERS)
    )
    folders = [saved.folders[name] for name in ("mechanisms", "image_models", "judges")]
    hashes = report_trust.checkpoint_hashes(*folders)
    sections.append(report_trust.provenance(saved, record, hashes=hashes))
    return sections


def _flow(saved: SavedCounterfactuals) -> Section:
    section = report_cohort.flow(saved, "scan")
    return replace(
        section,
        group=_PEOPLE,
        note="People without a later scan stay in: they count for drawings and axioms, not for "
        "follow-up. Every person is in one split only.",
    )


def _limits(saved: SavedCounterfactuals) -> Section:
    """Say what this run cannot show."""
    shape = saved.films[0].read([0]).shape[1:] if len(saved.films[1]) else (0, 0)
    said = [
        "One seed, one training: how much the numbers would move with another is not shown.",
        "A counterfactual is right only as far as the graph is: a cause that nobody measured moves "
        "in the world and stays put here.",
        f"Scans of {shape[0]} x {shape[1]}: what is smaller than a pixel is lost before anything "
        "is judged.",
        "Intervals over draws hold what the scan leaves open under this model; that the model "
        "itself may be wrong is not in them.",
    ]
    if saved.options.get("networks") != "train":
        said.append("The networks were trained elsewhere; what they saw is on their card.")
    said += [f"Of the published study: {limit}" for limit in LIMITS_DXA]
    return limits_section(said, simulated=saved.simulated, published=False)


__all__ = ["NEEDS", "make_report", "page_sections", "rebuild_report", "write_report"]
