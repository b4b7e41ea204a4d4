"""How values are spread: boxes, histograms, pairs, trajectories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spinecast.report.figures.agreement import draw_band
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    VERMILLION,
    as_svg,
    chart_style,
    colour_of,
    new_drawing,
    short_name,
    stamp_chart,
)
from spinecast.report.goods import CurveData, Numbers
from spinecast.report.parts import Figure

Series = Mapping[str, Numbers]


def draw_boxes(measures: Mapping[str, Series], *, simulated: bool, caption: str = "") -> Figure:
    """Draw box plots, one panel per measure (named with its unit), one box per series.

    Boxes are quartiles with the median, whiskers reach the 5th and 95th percentile.
    """
    with chart_style():
        most = max(len(series) for series in measures.values())
        drawing = new_drawing(4.1 * len(measures), 0.55 * most + 1.3)
        axes = drawing.subplots(1, len(measures), squeeze=False)[0]
        for ax, (measure, series) in zip(axes, measures.items(), strict=True):
            _draw_box_panel(ax, series)
            ax.set_title(measure)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{m}: {_medians(series)}" for m, series in measures.items())
    default = "Box: quartiles and median; whiskers: 5th and 95th percentile."
    return Figure(content, alt=f"Box plots. {words}.", caption=f"{caption} {default}".strip())


def draw_score_distributions(
    scores: Mapping[str, Series], *, simulated: bool, thresholds: Mapping[str, float] | None = None
) -> Figure:
    """Draw one histogram panel per score, one outline per outcome group, scaled to density.

    Parameters
    ----------
    scores
        Score name -> outcome label -> values (0 to 1).
    simulated
        Stamp the picture.
    thresholds
        Cut-off of each score, drawn as a line.
    """
    with chart_style():
        columns = min(len(scores), 2)
        rows = math.ceil(len(scores) / columns)
        drawing = new_drawing(4.1 * columns, 2.6 * rows)
        axes = drawing.subplots(rows, columns, squeeze=False).ravel()
        for ax, (name, series) in zip(axes, scores.items(), strict=False):
            _draw_histograms(ax, series)
            threshold = (thresholds or {}).get(name)
            if threshold is not None:
                ax.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            ax.set(title=name, xlabel="score", ylabel="density")
        for spare in axes[len(scores) :]:
            spare.set_axis_off()
        axes[0].set_ylim(top=1.3 * axes[0].get_ylim()[1])  # room for the legend
        axes[0].legend(loc="upper right")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{n}: {_medians(series)}" for n, series in scores.items())
    caption = "Dashed: cut-off." if thresholds else ""
    return Figure(content, alt=f"Score distributions. {words}.", caption=caption)


def draw_pairs(scores: pd.DataFrame, *, simulated: bool, event: Numbers | None = None) -> Figure:
    """Draw every pair of score columns: scatter below, correlation above, histograms between.

    Parameters
    ----------
    scores
        One column per score, one row per person.
    simulated
        Stamp the picture.
    event
        1 for people who fractured; they are drawn in another colour and symbol.
    """
    names = [str(c) for c in scores.columns]
    values = scores.to_numpy(dtype=float)
    marked = np.zeros(len(values), dtype=bool) if event is None else np.asarray(event) == 1
    with chart_style():
        size = 1.75 * len(names)
        drawing = new_drawing(size, size)
        axes = drawing.subplots(len(names), len(names), squeeze=False)
        for row in range(len(names)):
            for column in range(len(names)):
                ax = axes[row, column]
                _draw_pair_cell(ax, values, row=row, column=column, marked=marked)
                ax.set_xlabel(names[column] if row == len(names) - 1 else "")
                ax.set_ylabel(names[row] if column == 0 else "")
                ax.tick_params(labelbottom=row == len(names) - 1, labelleft=column == 0 and row > 0)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(
        content,
        alt=f"Pair plot of {', '.join(names)} of {len(values)} people, with correlations.",
        caption="Below the diagonal: one point per person"
        + (" (orange-red triangles: fractured)" if marked.any() else "")
        + ". Above: Pearson correlation.",
    )


def draw_uncertainty(
    spread: Numbers, *, threshold: float, simulated: bool, label: str = "variation of GpVF"
) -> Figure:
    """Draw the histogram of a person's score variation over draws, and who counts as uncertain."""
    values = np.asarray(spread, dtype=float)
    with chart_style():
        drawing = new_drawing(5.4, 2.9)
        ax = drawing.subplots()
        edges = np.histogram_bin_edges(values[np.isfinite(values)], bins=40)
        above = values > threshold
        ax.hist([values[~above], values[above]], bins=edges.tolist(), stacked=True,
                color=[BLUE, VERMILLION], label=["stable", "uncertain"])  # fmt: skip
        ax.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.set(xlabel=f"{label} (standard deviation over draws)", ylabel="people")
        ax.legend(loc="upper right")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    count = int(above.sum())
    return Figure(
        content,
        alt=f"Histogram of {label}: {count} of {len(values)} people above {threshold:.3f}.",
        caption=f"{count:,} of {len(values):,} people vary by more than the dashed line "
        f"({threshold:.3f}) and are called uncertain.",
    )


def draw_trajectories(curves: Sequence[CurveData], *, ylabel: str, simulated: bool) -> Figure:
    """Draw the mean of a value over years in each group, with 95 % bands."""
    with chart_style():
        drawing = new_drawing(5.4, 3.1)
        ax = drawing.subplots()
        for position, curve in enumerate(curves):
            draw_band(ax, curve, position=position, marker=True)
        ax.set(xlabel="years since baseline", ylabel=ylabel)
        ax.legend(loc="best")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    names = ", ".join(c.label for c in curves)
    return Figure(content, alt=f"{ylabel} over years in {names}.", caption="Mean with 95 % band.")


def _draw_box_panel(ax: Axes, series: Series) -> None:
    known = [np.asarray(v, dtype=float)[np.isfinite(v)] for v in series.values()]
    boxes = ax.boxplot(
        known,
        orientation="horizontal",
        whis=(5, 95),
        showfliers=False,
        widths=0.55,
        patch_artist=True,
        tick_labels=[
            f"{short_name(name)} (n = {len(v):,})" for name, v in zip(series, known, strict=True)
        ],
        medianprops={"color": INK, "linewidth": 1.6},
        whiskerprops={"color": MUTED},
        capprops={"color": MUTED},
    )
    for position, (patch, name) in enumerate(zip(boxes["boxes"], series, strict=True)):
        patch.set(facecolor=colour_of(name, position), alpha=0.55, edgecolor=MUTED)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")


def _draw_histograms(ax: Axes, series: Series) -> None:
    edges = np.linspace(0, 1, 31)
    for position, (name, values) in enumerate(series.items()):
        known = np.asarray(values, dtype=float)
        known = np.clip(known[np.isfinite(known)], 0, 1)
        if not len(known):
            continue
        style = {"bins": edges.tolist(), "density": True, "color": colour_of(name, position)}
        ax.hist(known, alpha=0.25, **style)
        ax.hist(
            known, histtype="step", linewidth=1.5, label=f"{name} (n = {len(known):,})", **style
        )


def _draw_pair_cell(
    ax: Axes, values: Numbers, *, row: int, column: int, marked: np.ndarray
) -> None:
    x, y = values[:, column], values[:, row]
    ax.tick_params(labelsize=7.5)
    if row == column:
        ax.hist(x[np.isfinite(x)], bins=24, color=MUTED, alpha=0.6)
        ax.set_yticks([])
        return
    if row < column:
        ax.set_axis_off()
        both = np.isfinite(x) & np.isfinite(y)
        varied = both.sum() > 2 and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0
        words = f"r = {np.corrcoef(x[both], y[both])[0, 1]:.2f}" if varied else "r –"
        ax.text(0.5, 0.5, words.replace("-", "−"), ha="center", va="center", fontsize=11,
                transform=ax.transAxes)  # fmt: skip
        return
    many = len(x) > 400
    style: dict[str, Any] = {"alpha": 0.5, "linewidth": 0, "rasterized": many}
    ax.scatter(x[~marked], y[~marked], s=7, color=BLUE, **style)
    ax.scatter(x[marked], y[marked], s=11, color=VERMILLION, marker="^", **style)


def _medians(series: Series) -> str:
    parts = []
    for name, values in series.items():
        known = np.asarray(values, dtype=float)
        known = known[np.isfinite(known)]
        parts.append(f"{name} median {np.median(known):.3f}" if len(known) else f"{name} empty")
    return ", ".join(parts)
