"""Sections of the page on trust: truth, published numbers, limits, checklist, provenance."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.files import read_json
from spinecast.report.digits import MISSING, write_interval, write_number
from spinecast.report.parts import Section, Table
from spinecast.report.sections import (
    checklist_section,
    limits_section,
    provenance_section,
    published_section,
    recovery_section,
)
from spinecast.report.tables import frame_table
from spinecast.run.settings import fingerprint
from spinecast.stages.saved_run import SavedRun
from spinecast.stages.saved_stages import AbsentError, SavedStages

_GROUP = "How far to trust it"
# published term -> ours, where the names of the stages differ from those of the published table
_ALIASES = {
    ("risk_groups", "hazard_ratio_lh_adjusted"): ("risk_groups", "hazard_ratio_lh_clinical"),
    ("risk_groups", "hazard_ratio_high_adjusted"): ("risk_groups", "hazard_ratio_high_clinical"),
    ("risk_groups", "hazard_ratio_lh_adjusted_frax"): ("risk_groups", "hazard_ratio_lh_frax"),
    ("risk_groups", "hazard_ratio_high_adjusted_frax"): ("risk_groups", "hazard_ratio_high_frax"),
    ("treatment_scenario", "sensitivity_frax_or_groups"): ("treatment", "sensitivity"),
    ("treatment_scenario", "specificity_frax_or_groups"): ("treatment", "specificity"),
}


def recovery(comparison: pd.DataFrame) -> list[Section]:
    """Show the best possible beside ours, parameters beside their truth, accuracies."""
    if comparison.empty:
        raise AbsentError(
            "Nothing is known of the truth of this cohort: only simulated people have one."
        )
    sections = []
    ceilings = comparison[comparison["kind"] == "ceiling"]
    if len(ceilings):
        sections.append(_ceiling_section(ceilings))
    parameters = comparison[comparison["kind"] == "parameter"]
    if len(parameters):
        text = (
            "What the estimates would be if every person's true hazard were known: hazard ratios "
            "solve Cox's equations with expected events, incidences are mean true chances."
        )
        section = recovery_section(parameters.reset_index(drop=True), text=text)
        sections.append(section)
    accuracies = comparison[comparison["kind"] == "accuracy"]
    if len(accuracies):
        sections.append(_accuracy_section(accuracies))
    return sections


def _ceiling_section(rows: pd.DataFrame) -> Section:
    frame = pd.DataFrame(
        {
            "measure": rows["label"],
            "ours": _intervals(rows),
            "best possible": [write_number(v, 3) for v in rows["truth"]],
            "share": [
                MISSING if term == "c_index_share_of_best" else write_number(v, 3)
                for term, v in zip(rows["term"], rows["share_of_truth"], strict=True)
            ],
            "n": [write_number(n, 0) for n in rows["n"]],
        }
    )
    return Section(
        title="Beside the best possible",
        anchor="ceiling",
        group=_GROUP,
        markup="Chance decides who fractures, so no model reaches 1. The best possible is what the "
        "true chance of every person reaches on the same test people and the same events; "
        "“expected” rows average over all pairs of the whole simulated world instead.",
        tables=(frame_table(frame),),
        note="On few events a model can beat the best possible by luck.",
    )


def accuracy_table(rows: pd.DataFrame) -> Table:
    """Show recovery rows that are themselves comparisons with the truth."""
    frame = pd.DataFrame(
        {
            "measure": rows["label"],
            "estimate (95 % interval)": _intervals(rows),
            "truth, or perfect": [
                MISSING if pd.isna(v) else write_number(v, 0 if float(v).is_integer() else 3)
                for v in rows["truth"]
            ],
            "n": [write_number(n, 0) for n in rows["n"]],
        }
    )
    return frame_table(frame)


def _accuracy_section(rows: pd.DataFrame) -> Section:
    return Section(
        title="Accuracy against the truth",
        anchor="accuracy",
        group=_GROUP,
        markup="Scores, ages and drawn films against what is true of the same simulated test "
        "people. True films repeat the baseline's device, pose and noise at the later age, of "
        "people who live that long.",
        tables=(accuracy_table(rows),),
        note="An unchanged baseline shares its noise with the true later film, a drawing does not: "
        "the comparison of squared errors favours no change.",
    )


def _intervals(rows: pd.DataFrame) -> list[str]:
    columns = (rows["estimate"], rows["ci_low"], rows["ci_high"])
    return [write_interval(*numbers) for numbers in zip(*columns, strict=True)]


def published(saved: SavedRun) -> Section:
    """Show the published numbers beside ours."""
    table = saved.estimates.copy()
    pairs = [_ALIASES.get(key, key) for key in zip(table["analysis"], table["term"], strict=True)]
    table["analysis"] = [analysis for analysis, _ in pairs]
    table["term"] = [term for _, term in pairs]
    return published_section(table)


def limits(saved: SavedRun) -> Section:
    """Say what this run cannot show."""
    said = ["One seed, one training: how much the numbers would move with another is not shown."]
    shape = saved.settings.preparation.shape
    said.append(
        f"Films of {shape[0]} x {shape[1]}: what is smaller than a pixel, a fine end-plate say, is "
        "lost before anything is judged."
    )
    said.append(
        "Generated films show what is usual at the age asked for; they are drawings, not "
        "measurements, and nobody's future."
    )
    if saved.options.get("networks") != "train":
        said.append("The networks were trained elsewhere; what they saw is on their card.")
    if not saved.settings.cohort.require_follow_up:
        said.append(
            "People with a later film are those who came back: follow-up agreement is theirs."
        )
    if "frax_mof" in saved.cohort.visits and saved.cohort.visits["frax_mof"].notna().any():
        origin = "simulated" if saved.simulated else "taken as given"
        said.append(f"The FRAX column is {origin}; FRAX itself is never computed.")
    return limits_section(said, simulated=saved.simulated)


def checklist(saved: SavedRun, anchors: Collection[str]) -> Section:
    """Show the TRIPOD+AI items."""
    return checklist_section(anchors, simulated=saved.simulated)


def provenance(
    saved: SavedStages, record: Mapping[str, Any], *, hashes: Mapping[str, str]
) -> Section:
    """Say what made these numbers: settings, versions, fingerprints, weights (SHA-256 by file)."""
    environment = read_json(saved.top / "environment.json")
    facts = {
        "study": record.get("study", ""),
        "preset": record.get("preset", ""),
        "source": saved.source,
        "seed": saved.seed,
        "networks": {
            "train": "trained on this cohort",
            "fine-tune": "fine-tuned on this cohort",
        }.get(str(saved.options.get("networks")), "from a weights folder"),
        "settings (fingerprint; all in study.toml)": fingerprint(record.get("settings", {})),
        "spinecast": environment["spinecast"],
        "platform": f"{environment['platform']}, {environment['cpu_count']} processors",
    }
    versions = {"python": environment["python"], **environment["libraries"]}
    section = provenance_section(facts, versions=versions, hashes=hashes)
    stages = [
        {"stage": folder.name, "fingerprint": read_json(folder / "stage.json")["fingerprint"]}
        for folder in saved.folders.values()
        if (folder / "stage.json").exists()
    ]
    made = frame_table(pd.DataFrame(stages), caption="Stages and their fingerprints", folded=True)
    return replace(
        section,
        tables=(*section.tables, made),
        note="A stage's fingerprint covers its settings, source, seed and the stages before it: "
        "equal fingerprints, equal results.",
    )


def weight_hashes(saved: SavedRun) -> dict[str, str]:
    """Return the SHA-256 of every network's weights by file."""
    return checkpoint_hashes(
        saved.folders["generator"] / "pair", saved.folders["scorers"] / "scorers"
    )


def checkpoint_hashes(*folders: Path) -> dict[str, str]:
    """Return the SHA-256 of every checkpoint in ``folders`` by file."""
    found: dict[str, str] = {}
    for folder in folders:
        for note in sorted(folder.glob("*.json")):
            content = read_json(note)
            if isinstance(content, dict) and "sha256" in content:
                found[_short(folder, note)] = str(content["sha256"])
    return found


def _short(folder: Path, note: Path) -> str:
    return f"{folder.name}/{note.stem}"
