"""How well models tell who will fracture, and whether acting on them helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spinecast.report.digits import write_interval
from spinecast.report.figures.agreement import draw_band
from spinecast.report.figures.canvas import (
    MUTED,
    as_svg,
    chart_style,
    colour_of,
    new_drawing,
    short_name,
    stamp_chart,
    symbol_of,
)
from spinecast.report.goods import CurveData, ForestRow
from spinecast.report.parts import Figure


def draw_auroc_over_time(curves: Sequence[CurveData], *, simulated: bool) -> Figure:
    """Draw time-dependent AUROC with 95 % bands; points of several models stand side by side."""
    with chart_style():
        drawing = new_drawing(6.6, 3.6)
        ax = drawing.subplots()
        for position, curve in enumerate(curves):
            draw_band(ax, curve, position=position, marker=len(curve.x) < 30)
        ax.axhline(0.5, color=MUTED, linewidth=1)
        ax.set(xlabel="years since baseline", ylabel="AUROC (weighted for censoring)")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{c.label}: {_points(c)}" for c in curves)
    return Figure(content, alt=f"AUROC over time. {words}.",
                  caption="The line at 0.5 is chance. Bands are 95 % intervals.")  # fmt: skip


def draw_roc(panels: Mapping[str, Sequence[CurveData]], *, simulated: bool) -> Figure:
    """Draw ROC curves, one panel per horizon; ``x`` = 1 - specificity, ``y`` = sensitivity."""
    with chart_style():
        drawing = new_drawing(2.9 * len(panels), 3.6)
        axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, curves) in zip(axes, panels.items(), strict=True):
            ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1)
            for position, curve in enumerate(curves):
                draw_band(ax, curve, position=position)
            ax.set(title=title, xlabel="1 − specificity", xlim=(0, 1), ylim=(0, 1))
            ax.set_aspect("equal")
        axes[0].set_ylabel("sensitivity")
        handles, labels = axes[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=3)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(content, alt=f"ROC curves of {', '.join(labels)} at {', '.join(panels)}.",
                  caption="The diagonal is chance.")  # fmt: skip


def draw_decision_curve(curves: Sequence[CurveData], *, horizon: float, simulated: bool) -> Figure:
    """Draw net benefit over threshold risks; pass "treat all" as a curve, treat none is zero."""
    with chart_style():
        drawing = new_drawing(6.0, 3.4)
        ax = drawing.subplots()
        ax.axhline(0, color=MUTED, linewidth=1, label="treat nobody")
        for position, curve in enumerate(curves):
            draw_band(ax, curve, position=position)
        top = max(float(np.nanmax(c.y)) for c in curves)
        ax.set_ylim(-0.35 * max(top, 1e-3), 1.15 * max(top, 1e-3))
        ax.set(xlabel="threshold risk for treatment", ylabel="net benefit (per person)")
        ax.legend(loc="upper right")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(
        content,
        alt=f"Decision curves of {', '.join(c.label for c in curves)} at {horizon:g} years.",
        caption=f"Fractures within {horizon:g} years. A model helps where it lies above both "
        "treating everybody and treating nobody.",
    )


def draw_recovery(comparison: pd.DataFrame, *, simulated: bool = True) -> Figure:
    """Draw estimate minus truth in units of the interval's half-width: inside ±1 is covered.

    Parameters
    ----------
    comparison
        Columns ``label``, ``estimate``, ``ci_low``, ``ci_high``, ``truth``
        (see :func:`spinecast.report.recovery.compare_with_truth`).
    simulated
        Stamp the picture; truth is known of simulated cohorts only.
    """
    half = (comparison["ci_high"] - comparison["ci_low"]).to_numpy(dtype=float) / 2
    error = (comparison["estimate"] - comparison["truth"]).to_numpy(dtype=float)
    keep = np.flatnonzero(np.isfinite(half) & (half > 0) & np.isfinite(error))
    with chart_style():
        drawing = new_drawing(6.6, 0.27 * len(keep) + 1.0)
        ax = drawing.subplots()
        ax.axvspan(-1, 1, color=MUTED, alpha=0.15, linewidth=0)
        ax.axvline(0, color=MUTED, linewidth=1)
        for y, index in enumerate(keep):
            size = float(np.clip(error[index] / half[index], -5, 5))
            _draw_offset(ax, size, y=y)
        labels = [short_name(str(comparison["label"].iloc[i])) for i in keep]
        ax.set_yticks(range(len(keep)), labels=labels)
        ax.set(ylim=(len(keep) - 0.4, -0.6), xlim=(-5.3, 5.3))
        ax.set_xlabel("(estimate − truth) / half-width of the 95 % interval")
        ax.grid(visible=False, axis="y")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    inside = int((np.abs(error[keep]) <= half[keep]).sum())
    return Figure(
        content,
        alt=f"Estimates against truth: {inside} of {len(keep)} within their interval.",
        caption="Inside the grey band the interval holds the truth. Beyond ±5 clipped.",
    )


def draw_intervals(
    panels: Mapping[str, Sequence[ForestRow]], *, simulated: bool, line: float | None = None
) -> Figure:
    """Draw one measure per panel and one model per row, with intervals (c-index, AUROC at t).

    ``line`` marks a value that matters, such as one not to be exceeded.
    """
    with chart_style():
        most = max(len(rows) for rows in panels.values())
        drawing = new_drawing(2.4 * len(panels) + 1.4, 0.34 * most + 0.9)
        axes = drawing.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, (title, rows) in zip(axes, panels.items(), strict=True):
            if line is not None:
                ax.axvline(line, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            for y, row in enumerate(rows):
                e, colour = row.estimate, colour_of(row.label, y)
                ax.plot([e.ci_low, e.ci_high], [y, y], color=colour)
                ax.plot(e.value, y, symbol_of(y), color=colour, markersize=6)
            ax.set_title(title)
            ax.grid(visible=False, axis="y")
        labels = [short_name(row.label) for row in next(iter(panels.values()))]
        axes[0].set_yticks(range(len(labels)), labels=labels)
        axes[0].set_ylim(len(labels) - 0.5, -0.5)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(
        f"{t}: " + ", ".join(f"{r.label} {_words(r)}" for r in rows) for t, rows in panels.items()
    )
    return Figure(content, alt=f"Models compared. {words}.", caption="Bars are 95 % intervals.")


def _draw_offset(ax: Axes, size: float, *, y: float) -> None:
    position = 0 if abs(size) <= 1 else 1
    ax.plot([0, size], [y, y], color=colour_of("", position), linewidth=1.4)
    ax.plot(size, y, symbol_of(position), color=colour_of("", position), markersize=6)


def _points(curve: CurveData) -> str:
    return ", ".join(f"{y:.2f} at {x:g} y" for x, y in zip(curve.x[:12], curve.y[:12], strict=True))


def _words(row: ForestRow) -> str:
    e = row.estimate
    return write_interval(e.value, e.ci_low, e.ci_high)
