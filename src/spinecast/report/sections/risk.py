"""Fracture risk: groups, discrimination, calibration, and whether acting on it helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from spinecast.report.digits import write_count
from spinecast.report.figures.agreement import draw_calibration
from spinecast.report.figures.discrimination import (
    draw_auroc_over_time,
    draw_decision_curve,
    draw_intervals,
    draw_roc,
)
from spinecast.report.figures.distributions import Series, draw_boxes, draw_trajectories
from spinecast.report.figures.survival import draw_forest, draw_survival
from spinecast.report.goods import CurveData, ForestRow
from spinecast.report.parts import Section
from spinecast.report.tables import frame_table

_GROUP = "Fracture risk"


def risk_groups_section(
    curves: Sequence[CurveData],
    forest: Sequence[ForestRow],
    groups: pd.DataFrame,
    *,
    simulated: bool,
    incidence: Sequence[CurveData] = (),
    text: str = "",
    log_rank: str = "",
) -> Section:
    """Show LL, LH and HIGH: who they are, how they fare, and by how much.

    Parameters
    ----------
    curves
        Kaplan-Meier curves, one per group.
    forest
        Hazard ratios against LL, plain and adjusted.
    groups
        One row per group, ready columns (people, fractures, share, mean age, ...).
    simulated
        Stamp the pictures.
    incidence
        Cumulative incidence with death as a competing event, where deaths are known.
    text
        How the cut-offs were chosen.
    log_rank
        Line written into the first plot.
    """
    figures = [draw_survival(curves, ylabel="free of fracture", simulated=simulated, note=log_rank)]
    if incidence:
        label = "cumulative incidence of fracture"
        figures.append(draw_survival(incidence, ylabel=label, simulated=simulated))
    figures.append(draw_forest(forest, simulated=simulated))
    return Section(
        title="Risk groups",
        anchor="risk-groups",
        group=_GROUP,
        markup=text,
        figures=tuple(figures),
        tables=(frame_table(groups, caption="Groups of the people scored out of fold."),),
        note="Kaplan-Meier counts the dead as if they could still fracture and so overstates risk; "
        "where deaths are known, read the cumulative incidence.",
    )


def trajectories_section(
    curves: Sequence[CurveData],
    *,
    simulated: bool,
    ylabel: str = "mean pVF score",
    bmd: Mapping[str, Series] | None = None,
) -> Section:
    """Show how the score of each group moves over the years, and its bone density."""
    figures = [draw_trajectories(curves, ylabel=ylabel, simulated=simulated)]
    if bmd:
        figures.append(draw_boxes(bmd, simulated=simulated))
    return Section(
        title="Groups over the years", anchor="trajectories", group=_GROUP, figures=tuple(figures)
    )


def auroc_section(
    curves: Sequence[CurveData],
    *,
    simulated: bool,
    roc: Mapping[str, Sequence[CurveData]] | None = None,
) -> Section:
    """Show time-dependent AUROC of several models with bands, and ROC curves at fixed years."""
    figures = [draw_auroc_over_time(curves, simulated=simulated)]
    if roc:
        figures.append(draw_roc(roc, simulated=simulated))
    return Section(
        title="Discrimination over time",
        anchor="auroc",
        group=_GROUP,
        figures=tuple(figures),
        note="Cases fractured by that year, controls are still free of fracture. Bands that "
        "overlap do not show that two models are equal; the paired tests are in the table.",
    )


def models_section(
    table: pd.DataFrame,
    panels: Mapping[str, Sequence[ForestRow]],
    *,
    simulated: bool,
    text: str = "",
) -> Section:
    """Show all models side by side: c-index, likelihood ratio, AUROC; Cox and DeepSurv.

    Parameters
    ----------
    table
        One row per model, ready-written cells.
    panels
        Measure -> one row per model, for the figure; may be empty.
    simulated
        Stamp the picture.
    text
        How the models were fitted and judged.
    """
    figures = (draw_intervals(panels, simulated=simulated),) if panels else ()
    return Section(
        title="Models side by side",
        anchor="models",
        group=_GROUP,
        markup=text,
        figures=figures,
        tables=(frame_table(table),),
        note="Age alone and the baseline score alone are the alternatives to beat: a generated "
        "film asked to look older may carry nothing but age.",
    )


def calibration_section(
    curves: Sequence[CurveData],
    *,
    horizon: float,
    simulated: bool,
    predicted: Sequence[float] = (),
    table: pd.DataFrame | None = None,
) -> Section:
    """Show observed against predicted risk."""
    figure = draw_calibration(curves, horizon=horizon, simulated=simulated, predicted=predicted)
    return Section(
        title="Calibration",
        anchor="calibration",
        group=_GROUP,
        figures=(figure,),
        tables=() if table is None else (frame_table(table),),
    )


def decision_section(curves: Sequence[CurveData], *, horizon: float, simulated: bool) -> Section:
    """Show net benefit over thresholds."""
    return Section(
        title="Decision curve",
        anchor="decision",
        group=_GROUP,
        figures=(draw_decision_curve(curves, horizon=horizon, simulated=simulated),),
    )


def treatment_section(
    scenario: pd.DataFrame, *, text: str = "", counts: Sequence[str] = ("treated", "fractures")
) -> Section:
    """Show who would be treated under each rule, and how often rightly.

    Parameters
    ----------
    scenario
        One row per rule; the columns of ``counts`` are written as whole numbers.
    text
        The rules in words.
    counts
        Names of count columns.
    """
    writers = {c: write_count for c in counts if c in scenario.columns}
    return Section(
        title="Treatment scenario",
        anchor="treatment",
        group=_GROUP,
        markup=text,
        tables=(frame_table(scenario, writers=writers),),
        note="No drug was given and none is modelled: the table counts who would be picked, "
        "not what treating them would do.",
    )
