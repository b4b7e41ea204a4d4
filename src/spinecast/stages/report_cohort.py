"""Sections of the page on who was looked at: flow, Table 1, quarantine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from spinecast.report.digits import MISSING, write_count, write_number, write_p
from spinecast.report.goods import FlowStep
from spinecast.report.parts import Section
from spinecast.report.sections import flow_section, quarantine_section, table_one_section
from spinecast.stages.cohort import read_flow
from spinecast.stages.saved_stages import SavedStages
from spinecast.terms import TERMS

_SPLITS = ("train", "validation", "test")
_SHORT = {
    "age": "Age",
    "height": "Height",
    "weight": "Weight",
    "bmi": "Body mass index",
    "bmd_spine": "BMD, lumbar spine",
    "bmd_femoral_neck": "BMD, femoral neck",
    "frax_mof": "FRAX, major osteoporotic",
    "prevalent_vf": "Prevalent vertebral fracture",
    "prior_fracture": "Prior fracture",
    "glucocorticoids": "Glucocorticoids",
    "rheumatoid_arthritis": "Rheumatoid arthritis",
    "secondary_osteoporosis": "Secondary osteoporosis",
    "osteoporosis": "Osteoporosis (T ≤ −2.5)",
}
_UNITS = {"kg/m2": "kg/m²", "g/cm2": "g/cm²", "cm2": "cm²", "percent": "%"}
_SEXES = {"F": "women", "M": "men"}


def flow(saved: SavedStages, thing: str = "film") -> Section:
    """Show how many people and images each rule left, and how they were divided."""
    counts = read_flow(saved.folders["images"])
    index = saved.films[1]
    splits = [
        FlowStep(name.capitalize(), part["person_id"].nunique(), len(part), thing)
        for name in _SPLITS
        if len(part := index[index["split"] == name])
    ]
    section = flow_section(
        [replace(step, thing=thing) for step in _steps(counts)],
        simulated=saved.simulated,
        splits=splits,
    )
    biased = [step["bias"] for step in _rules(counts) if step["bias"]]
    note = f"{biased[0][0].upper()}{biased[0][1:]}. " if biased else (
        "People without a later film stay in: they count for risk, not for follow-up agreement. "
    )  # fmt: skip
    idle = [step["label"] for step in _rules(counts) if not step["n_people"] + step["n_images"]]
    words = f"Rules that left nobody out: {'; '.join(idle)}." if idle else ""
    return replace(section, markup=words, note=f"{note}Every person is in one split only.")


def _rules(counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(counts["steps"])


def _steps(counts: Mapping[str, Any]) -> list[FlowStep]:
    people, images = counts["given_people"], counts["given_images"]
    steps = [FlowStep("Given", people, images)]
    aside = (("quarantined", "set aside for a fault"), ("repeated", "exact repeat"))
    for name, label in aside:
        if counts[f"{name}_people"] + counts[f"{name}_images"]:
            people, images = people - counts[f"{name}_people"], images - counts[f"{name}_images"]
            steps.append(FlowStep(label, people, images))
    steps += [
        FlowStep(rule["label"], rule["people_left"], rule["images_left"])
        for rule in _rules(counts)
        if rule["n_people"] + rule["n_images"]
    ]
    return steps


def table_one(saved: SavedStages) -> Section:
    """Show Table 1 by split."""
    table = pd.read_csv(saved.folders["images"] / "table_one.csv", dtype={"level": str})
    groups = ["overall", *(name for name in _SPLITS if f"{name} n" in table)]
    rows: list[dict[str, str]] = []
    for variable, part in table.groupby("variable", sort=False):
        rows += _variable_rows(str(variable), part, groups)
    frame = pd.DataFrame(rows).rename(columns={"overall": "all", "smd": "largest SMD"})
    section = table_one_section(
        frame,
        text="Baseline visit. Mean (standard deviation), or number (% of the known). Unknown "
        "values are counted, never filled in. A standardised mean difference (SMD) below 0.1 is "
        "small; p-values of a random split answer no question.",
    )
    if not saved.simulated or "frax_mof" not in set(table["variable"]):
        return section
    note = "FRAX here is a simulated column: a noisy function of the clinical risk factors."
    return replace(section, note=note)


def _variable_rows(name: str, part: pd.DataFrame, groups: list[str]) -> list[dict[str, str]]:
    records = part.to_dict("records")
    first = records[0]
    tail = {
        "unknown": write_count(first["missing"]),
        "smd": write_number(abs(first["smd"]), 2),
        "p": write_p(first["p_value"]),
    }
    if name == "n":
        cells = {g: write_count(first[f"{g} n"]) for g in groups}
        return [{"variable": "People", **cells, "unknown": "", "smd": "", "p": ""}]
    label = _label(name)
    if math.isfinite(first.get("overall mean", math.nan)):
        return [{"variable": label, **{g: _mean_cell(first, g) for g in groups}, **tail}]
    if {str(record["level"]) for record in records} <= {"0", "1", "0.0", "1.0"}:
        present = [r for r in records if str(r["level"]) in {"1", "1.0"}]
        cells = {g: _count_cell(present[0], g) if present else "0" for g in groups}
        return [{"variable": label, **cells, **tail}]
    blank = dict.fromkeys([*groups, *tail], "")
    levels = [
        {
            "variable": f"  {_SEXES.get(str(record['level']), str(record['level']))}",
            **{g: _count_cell(record, g) for g in groups},
            **(tail if place == 0 else dict.fromkeys(tail, "")),
        }
        for place, record in enumerate(records)
    ]
    return [{"variable": label, **blank}, *levels]


def _label(name: str) -> str:
    unit = TERMS[name].unit if name in TERMS else ""
    words = _SHORT.get(name, name.replace("_", " ").capitalize())
    return f"{words} ({_UNITS.get(unit, unit)})" if unit else words


def _mean_cell(record: Mapping[Any, Any], group: str) -> str:
    mean, sd = record.get(f"{group} mean", math.nan), record.get(f"{group} sd", math.nan)
    if not math.isfinite(mean):
        return MISSING
    decimals = 2 if abs(mean) < 10 else 1
    return f"{write_number(mean, decimals)} ({write_number(sd, decimals)})"


def _count_cell(record: Mapping[Any, Any], group: str) -> str:
    count, percent = record[f"{group} n"], record.get(f"{group} percent", math.nan)
    if not math.isfinite(percent):
        return write_count(count)
    return f"{write_count(count)} ({percent:.1f} %)"


def quarantine(saved: SavedStages, things: str = "Films") -> Section:
    """Show what was set aside or skipped, and that the counts add up."""
    counts = read_flow(saved.folders["images"])
    shown = {}
    for thing in ("images", "people"):
        steps = sum(rule[f"n_{thing}"] for rule in _rules(counts))
        shown[thing] = {
            "given": int(counts[f"given_{thing}"]),  # type: ignore[call-overload]
            "used": int(counts[f"used_{thing}"]),  # type: ignore[call-overload]
            "skipped": int(counts[f"repeated_{thing}"]) + steps,  # type: ignore[call-overload]
            "quarantined": int(counts[f"quarantined_{thing}"]),  # type: ignore[call-overload]
        }
    section = quarantine_section(
        saved.cohort.quarantine, shown["images"], skipped=saved.cohort.skipped
    )
    people = ", ".join(f"{name} {write_count(n)}" for name, n in shown["people"].items())
    notes = " ".join(f"{note}." for note in saved.cohort.notes if not note.startswith("SIMULATED"))
    return replace(
        section,
        markup=f"{str(section.markup).replace('Inputs:', f'{things}:')} People: {people}.",
        note=f"Read otherwise than written: {notes}" if notes else "",
    )
