"""Sections of the page on the causal model: graph, weights, edges found, training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import pandas as pd

from spinecast.counterfactuals.graph import IMAGE
from spinecast.counterfactuals.spine_graph import PUBLISHED_WEIGHTS
from spinecast.report.digits import MISSING, write_interval, write_number, write_p
from spinecast.report.goods import Estimate, GraphArrow, GraphData
from spinecast.report.parts import Section, Table
from spinecast.report.sections import (
    discovery_section,
    graph_section,
    recovery_section,
    training_section,
)
from spinecast.report.tables import frame_table
from spinecast.stages.counterfactual_run import BACKBONES, AbsentError, SavedCounterfactuals
from spinecast.stages.report_trust import accuracy_table

_NAMES = {"bmd_spine": "BMD spine", "bmi": "BMI", "image": "Image"}
_UNITS = {"cm2": "cm²", "g/cm2": "g/cm²", "kg/m2": "kg/m²"}
_SMALL = 0.05


def label_of(saved: SavedCounterfactuals, name: str, *, unit: bool = True) -> str:
    """Return how a variable of the run's graph is called on the page."""
    words = _NAMES.get(name, name.replace("_", " ").capitalize())
    known = name in saved.graph.names and unit and unit_of(saved, name)
    return f"{words} ({known})" if known else words


def unit_of(saved: SavedCounterfactuals, name: str) -> str:
    """Return the unit of a variable as it is printed; empty where it has none."""
    return _UNITS.get(saved.graph[name].unit, saved.graph[name].unit)


def graph(saved: SavedCounterfactuals) -> Section:
    """Show the graph with its weights beside the published ones, and what contradicts it."""
    nodes, arrows = saved.graph, []
    weights = _by_edge(saved)
    for cause, effect in nodes.edges:
        arrows.append(GraphArrow(cause, effect, weights.get((cause, effect), [None])[0]))
    arrows += [GraphArrow(parent, IMAGE) for parent in nodes.image_parents]
    names = (*nodes.order, *([IMAGE] if nodes.image_parents else []))
    drawn = GraphData(names, {name: label_of(saved, name) for name in names}, tuple(arrows))
    tables = [_weights_table(saved)] if weights else []
    with suppress(AbsentError):
        tables.append(_residual_table(saved))
    return graph_section(drawn, tables, simulated=saved.simulated)


def _by_edge(saved: SavedCounterfactuals) -> dict[tuple[str, str], list[Estimate]]:
    """Return the weights of each edge: several where a category has several levels."""
    found: dict[tuple[str, str], list[Estimate]] = {}
    if not saved.graph.edges:
        return found
    for row in saved.weights.to_dict("records"):
        edge = (_variable(row["from"]), _variable(row["to"]))
        numbers = Estimate(row["weight"], row["ci_low"], row["ci_high"])
        found.setdefault(edge, []).append(numbers)
    return found


def _variable(label: str) -> str:
    """Return the variable of ``name[level]``."""
    return label.partition("[")[0]


def _weights_table(saved: SavedCounterfactuals) -> Table:
    rows = [
        {
            "edge": f"{_edge_end(saved, row['from'])} → {_edge_end(saved, row['to'])}",
            "weight (95 % interval)": write_interval(
                row["weight"], row["ci_low"], row["ci_high"], null=0.0
            ),
            "published": _published((_variable(row["from"]), _variable(row["to"]))),
        }
        for row in saved.weights.to_dict("records")
    ]
    return frame_table(
        pd.DataFrame(rows),
        caption="Standardised weights; intervals by bootstrap of people. Published: read from the "
        "graph figure of the public repository, real scans, no intervals given.",
    )


def _edge_end(saved: SavedCounterfactuals, label: str) -> str:
    name, bracket, level = label.partition("[")
    return label_of(saved, name, unit=False) + bracket + level


def _published(edge: tuple[str, str]) -> str:
    weight = PUBLISHED_WEIGHTS.get(edge, math.nan)
    return write_number(weight, 3) if math.isfinite(weight) else MISSING


def _residual_table(saved: SavedCounterfactuals) -> Table:
    table = saved.residuals
    against = int((table["p_holm"] < _SMALL).sum())
    spoken = partial(label_of, saved, unit=False)
    frame = pd.DataFrame(
        {
            "pair": [
                f"{spoken(a)}, {spoken(b)}"
                for a, b in zip(table["first"], table["second"], strict=True)
            ],
            "given": table["given"].fillna("").str.replace("_", " "),
            "partial correlation": [write_number(v, 3) for v in table["partial_correlation"]],
            "p": [write_p(v) for v in table["p_value"]],
            "p (Holm)": [write_p(v) for v in table["p_holm"]],
        }
    )
    return frame_table(
        frame,
        caption=f"Pairs the graph calls independent: the data contradict {against} of {len(table)} "
        f"(Holm's p below {_SMALL:g})",
        folded=True,
    )


def discovery(saved: SavedCounterfactuals) -> Section:
    """Show how often each edge is found again in the data."""
    table = saved.discovery
    spoken = partial(label_of, saved, unit=False)
    frame = pd.DataFrame(
        {
            "edge": [
                f"{spoken(a)} → {spoken(b)}"
                for a, b in zip(table["from"], table["to"], strict=True)
            ],
            "this arrow": [f"{100 * v:.0f} %" for v in table["frequency"]],
            "joined": [f"{100 * v:.0f} %" for v in table["adjacent"]],
            "in the graph": ["yes" if v else "no" for v in table["in_graph"].astype(bool)],
        }
    )
    return discovery_section(frame_table(frame, caption="Share of resamples with the edge."))


def training(saved: SavedCounterfactuals) -> Section:
    """Show the image models' training curves."""
    named = {f"{BACKBONES[name]} model": table for name, table in saved.histories.items()}
    return training_section(named, simulated=saved.simulated)


def recovery(saved: SavedCounterfactuals, comparison: pd.DataFrame) -> list[Section]:
    """Show what was estimated beside what is true of the simulated world."""
    if comparison.empty:
        raise AbsentError(
            "Nothing is known of the truth of this cohort: only simulated people have one."
        )
    sections = []
    parameters = comparison[comparison["kind"] == "parameter"].reset_index(drop=True)
    if len(parameters):
        parameters["label"] = [_edge_words(row) for row in parameters.to_dict("records")]
        text = (
            "True weights are those of the equations that made these people. Measured "
            "sizes carry error, which pulls weights of what follows from them towards 0."
        )
        sections.append(recovery_section(parameters, text=text, simulated=saved.simulated))
    rest = comparison[comparison["kind"] != "parameter"]
    if len(rest):
        sections.append(_against_truth(rest))
    return sections


def _edge_words(row: Mapping[Any, Any]) -> str:
    """Return the label of a recovery row; of an edge ``sex → lumbar width``, which is shorter."""
    cause, to, effect = str(row["term"]).removeprefix("weight_").partition("_to_")
    if row["analysis"] != "graph" or not to:
        return str(row["label"])
    return f"{cause} → {effect}".replace("_", " ")


def _against_truth(rows: pd.DataFrame) -> Section:
    return Section(
        title="Against the true counterfactual",
        anchor="truth",
        group="How far to trust it",
        markup="Drawings against the scan that the same person would truly have had: same "
        "positioning, same noise, other age. Skill is the share of the error of the unchanged scan "
        "that is taken away. The attainable is what the true causal model reaches under the same "
        "measurement error. Given true parents: what the image model does where the causal model "
        "makes no mistake. Of true images: what the judge gets where the image model makes none.",
        tables=(accuracy_table(rows),),
        note="The truth repeats the noise of the scan, and so do both the unchanged scan and a "
        "counterfactual that abducts it: the comparison favours neither.",
    )
