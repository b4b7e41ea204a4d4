"""Counterfactual scans: the graph, what ageing does, what is foretold, whether it is sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from spinecast.report.figures.causal_graph import draw_causal_graph
from spinecast.report.figures.counterfactuals import (
    draw_age_sweep,
    draw_foretold,
    draw_histories,
)
from spinecast.report.figures.discrimination import draw_intervals
from spinecast.report.figures.distributions import Series, draw_boxes
from spinecast.report.goods import AgeSweep, ForestRow, ForetoldValues, GraphData
from spinecast.report.parts import Section, Table
from spinecast.report.published import CAVEAT_DXA, PUBLISHED_DXA, SOURCE_DXA, published_table

_CAUSES, _SCANS, _AHEAD = "What causes what", "Counterfactual scans", "Follow-up"
_ROI = "One value per person, in the region of interest (ROI: the middle columns)."


def graph_section(graph: GraphData, tables: Sequence[Table], *, simulated: bool) -> Section:
    """Show the causal graph with its weights, and what the data say against it."""
    return Section(
        title="Causal graph",
        anchor="graph",
        group=_CAUSES,
        markup="The graph is a belief stated before anything is fitted. The mechanisms bend; the "
        "weights are a straight-line summary of baseline visits outside the test set.",
        figures=(draw_causal_graph(graph, simulated=simulated),),
        tables=tuple(tables),
        note="No table proves a graph: a cause that nobody measured leaves no trace in it. Every "
        "counterfactual on this page is right only as far as the graph is.",
    )


def discovery_section(table: Table) -> Section:
    """Show how often each edge is found again when the data are asked without the graph."""
    return Section(
        title="Edges found in the data",
        anchor="discovery",
        group=_CAUSES,
        markup="PC-stable with tiers, in halves of the people. “Joined” counts an edge either way; "
        "an arrow whose direction the data leave open counts half.",
        tables=(table,),
        note="Trust “joined” before the direction: within a tier arrows turn easily.",
    )


def sweeps_section(sweeps: Sequence[AgeSweep], *, backbone: str, simulated: bool) -> Section:
    """Show scans at a row of ages, all set by intervention."""
    return Section(
        title="The same scan at other ages",
        anchor="ageing",
        group=_SCANS,
        markup=f"Each plate is one test person ({backbone} model). Age is set; what age causes "
        "follows from the person's own noise, and so does every pixel. The difference is taken "
        "from the scan itself, so what it shows was changed by the intervention alone.",
        figures=tuple(draw_age_sweep(sweep, simulated=simulated) for sweep in sweeps),
        note="Nobody's future: what a person would have looked like, were the graph right and "
        "nothing but age another.",
    )


def reconstruction_section(
    measures: Mapping[str, Series], table: Table, *, simulated: bool
) -> Section:
    """Show MAE, RMSE, PSNR and SSIM of the models' own drawings of test scans."""
    return Section(
        title="Reconstruction",
        anchor="reconstruction",
        group=_SCANS,
        figures=(draw_boxes(measures, simulated=simulated, caption="One value per test scan."),),
        tables=(table,),
        note="Of the decoder's own drawing, without the abducted noise of pixels: with it, every "
        "scan is returned exactly and the measure would say nothing.",
    )


def axioms_section(
    table: Table,
    panels: Mapping[str, Sequence[ForestRow]],
    *,
    simulated: bool,
    most: float,
) -> Section:
    """Show composition, reversibility, effectiveness and minimality.

    Parameters
    ----------
    table
        Measures by backbone.
    panels
        Backbone -> error of effectiveness by parent, as a multiple of the judge's own error;
        may be empty.
    simulated
        Stamp the picture.
    most
        The multiple not to be exceeded; drawn as a line.
    """
    figures = (draw_intervals(panels, simulated=simulated, line=most),) if panels else ()
    return Section(
        title="Soundness: do answers behave as counterfactuals must?",
        anchor="axioms",
        group=_SCANS,
        markup="Composition: changing nothing returns the scan. Reversibility: there and back "
        "again returns it. Effectiveness: an independent predictor reads off the drawing what was "
        "set; what was not touched stays. Minimality: nothing changes where nothing should.",
        figures=figures,
        tables=(table,),
        note="The figure shows the predictor's error on drawings as a multiple of its own error on "
        "real test scans; 1 is as good as a real scan. The predictors were trained apart from the "
        "reader that the image models were trained with.",
    )


def foretold_section(
    sources: Mapping[str, Sequence[ForetoldValues]], tables: Sequence[Table], *, simulated: bool
) -> Section:
    """Show what was foretold of the later visit beside what was measured then.

    Parameters
    ----------
    sources
        Where predictions come from -> one per variable; one figure each.
    tables
        Agreement in numbers.
    simulated
        Stamp the pictures.
    """
    figures = [
        replace(figure, caption=f"{words}. {figure.caption}")
        for words, values in sources.items()
        for figure in [draw_foretold(values, simulated=simulated)]
    ]
    return Section(
        title="The later visit: level and change",
        anchor="foretold",
        group=_AHEAD,
        markup="Predicted from the baseline visit with age alone set to that of the later scan. "
        "Both visits are measured with error, so even the true causal model cannot foretell the "
        "measured change; the recovery section says how far it gets.",
        figures=tuple(figures),
        tables=tuple(tables),
        note="An R² of the level is a weak claim: adult vertebrae hardly change, so that no change "
        "scores about as high. Read the change. R² of a change below 0 is worse than foretelling "
        "everybody the mean change.",
    )


def follow_up_images_section(
    measures: Mapping[str, Series], table: Table, *, simulated: bool
) -> Section:
    """Show errors of generated, unchanged and copied images against the real later scan."""
    return Section(
        title="Generated against real later scans",
        anchor="follow-up-images",
        group=_AHEAD,
        figures=(draw_boxes(measures, simulated=simulated, caption=_ROI),),
        tables=(table,),
        note="The real later scan has its own positioning and noise, "
        "which nothing can foretell, and a smooth copy is nearer to it for its smoothness alone: "
        "the copy of the baseline is the fair comparison.",
    )


def training_section(histories: Mapping[str, pd.DataFrame], *, simulated: bool) -> Section:
    """Show how the image models' training went."""
    return Section(
        title="Training of the image models",
        anchor="training",
        group="How far to trust it",
        figures=(draw_histories(histories, simulated=simulated),),
    )


def published_dxa_section(estimates: pd.DataFrame) -> Section:
    """Show the published numbers of counterfactual DXA beside ours."""
    return Section(
        title="The published numbers beside ours",
        anchor="published",
        group="How far to trust it",
        markup=CAVEAT_DXA,
        tables=(published_table(estimates, numbers=PUBLISHED_DXA, source=SOURCE_DXA),),
    )
