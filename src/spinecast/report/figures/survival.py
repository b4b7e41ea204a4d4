"""Fracture over time: curves with bands and numbers at risk, and hazard ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from spinecast.report.digits import write_interval
from spinecast.report.figures.agreement import draw_band
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    as_svg,
    chart_style,
    colour_of,
    new_drawing,
    short_name,
    stamp_chart,
)
from spinecast.report.goods import CurveData, ForestRow
from spinecast.report.parts import Figure


def draw_survival(
    curves: Sequence[CurveData], *, ylabel: str, simulated: bool, note: str = ""
) -> Figure:
    """Draw Kaplan-Meier or cumulative-incidence curves with numbers at risk beneath.

    Parameters
    ----------
    curves
        Step curves of years (``x``) and probability (``y``), with bands, ``risk_times``
        and ``at_risk``.
    ylabel
        ``"free of fracture"`` or ``"cumulative incidence of fracture"``.
    simulated
        Stamp the picture.
    note
        A line written into the plot, such as the log-rank p-value.
    """
    with_risk = [c for c in curves if c.at_risk]
    with chart_style():
        height = 3.5 + 0.24 * len(with_risk)
        drawing = new_drawing(6.6, height)
        ratios = [3.2, 0.24 * len(with_risk) + 0.2] if with_risk else [1]
        axes = drawing.subplots(len(ratios), 1, height_ratios=ratios, sharex=True, squeeze=False)
        ax = axes[0, 0]
        for position, curve in enumerate(curves):
            draw_band(ax, curve, position=position, step=True)
            _label_end(ax, curve, position=position)
        _frame_probability(ax, curves)
        ax.set_ylabel(ylabel)
        ax.text(0.01, 0.03, note, transform=ax.transAxes, fontsize=8.5, color=MUTED)
        if with_risk:
            _draw_at_risk(axes[1, 0], with_risk)
            ax.tick_params(labelbottom=True)
        ax.set_xlabel("years since baseline")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(content, alt=_curve_words(curves, ylabel), caption="Bands are 95 % intervals.")


def draw_forest(
    rows: Sequence[ForestRow], *, simulated: bool, xlabel: str = "hazard ratio (95 % interval)"
) -> Figure:
    """Draw hazard ratios with intervals on a logarithmic axis, the numbers beside."""
    known = [r for r in rows if math.isfinite(r.estimate.value)]
    with chart_style():
        headings = sum(bool(r.heading) for r in known)
        drawing = new_drawing(7.4, 0.3 * (len(known) + headings) + 0.9)
        ax = drawing.subplots()
        y, ticks, labels = 0.0, [], []
        for row in known:
            if row.heading:
                ax.text(-0.01, y, row.heading, transform=ax.get_yaxis_transform(), ha="right",
                        va="center", weight="bold", fontsize=9)  # fmt: skip
                y += 1
            _draw_ratio(ax, row, y=y)
            ticks.append(y)
            labels.append(short_name(row.label))
            y += 1
        _frame_ratios(ax, known, height=y)
        ax.set_yticks(ticks, labels=labels)
        ax.set_xlabel(xlabel)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{r.heading} {r.label} {_ratio_words(r)}".strip() for r in known)
    return Figure(content, alt=f"Forest plot of hazard ratios. {words}.",
                  caption="Logarithmic axis; the vertical line is no effect.")  # fmt: skip


def _label_end(ax: Axes, curve: CurveData, *, position: int) -> None:
    known = np.flatnonzero(np.isfinite(curve.y))
    if len(known):
        last = known[-1]
        ax.annotate(
            curve.label,
            (float(curve.x[last]), float(curve.y[last])),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            weight="bold",
            color=colour_of(curve.label, position),
            annotation_clip=False,
        )


def _frame_probability(ax: Axes, curves: Sequence[CurveData]) -> None:
    values = np.concatenate([np.r_[c.y, _or_empty(c.ci_low), _or_empty(c.ci_high)] for c in curves])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    falling = curves[0].y[0] > curves[0].y[-1] or low > 0.5
    if falling:
        ax.set_ylim(0 if low < 0.4 else max(low - 0.06, 0), 1.01)
    else:
        ax.set_ylim(0, min(high * 1.08 + 1e-3, 1.01))
    times = sorted({t for c in curves for t in c.risk_times})
    if times:
        ax.set_xticks(times)
    ax.set_xlim(left=0)


def _or_empty(values: np.ndarray | None) -> np.ndarray:
    return np.empty(0) if values is None else values


def _draw_at_risk(ax: Axes, curves: Sequence[CurveData]) -> None:
    ax.set_axis_off()
    ax.set_ylim(len(curves) - 0.4, -1.0)
    ax.text(0, -0.95, "number at risk", transform=ax.get_yaxis_transform(), fontsize=8,
            color=MUTED, va="center", ha="left")  # fmt: skip
    for row, curve in enumerate(curves):
        colour = colour_of(curve.label, row)
        # half the width of the first count lies left of the axis
        ax.annotate(curve.label, (0, row), xycoords=ax.get_yaxis_transform(), ha="right",
                    va="center", xytext=(-22, 0), textcoords="offset points", fontsize=8.5,
                    weight="bold", color=colour)  # fmt: skip
        for time, count in zip(curve.risk_times, curve.at_risk, strict=True):
            ax.text(time, row, f"{count:,}", ha="center", va="center", fontsize=8.5, color=INK)


def _draw_ratio(ax: Axes, row: ForestRow, *, y: float) -> None:
    e = row.estimate
    colour = BLUE
    if math.isfinite(e.ci_low) and math.isfinite(e.ci_high):
        ax.plot([e.ci_low, e.ci_high], [y, y], color=colour, linewidth=1.6)
    ax.plot(e.value, y, "s", color=colour, markersize=6)
    ax.text(1.02, y, _ratio_words(row), transform=ax.get_yaxis_transform(), va="center",
            fontsize=8.5, color=INK)  # fmt: skip


def _ratio_words(row: ForestRow) -> str:
    e = row.estimate
    return write_interval(e.value, e.ci_low, e.ci_high, null=1.0)


def _frame_ratios(ax: Axes, rows: Sequence[ForestRow], *, height: float) -> None:
    ends = [v for r in rows for v in (r.estimate.ci_low, r.estimate.ci_high, r.estimate.value)]
    finite = [v for v in ends if math.isfinite(v) and v > 0] or [1.0]
    low, high = min(*finite, 0.9), max(*finite, 1.2)
    ax.set_xscale("log")
    ax.set(xlim=(low / 1.15, high * 1.15), ylim=(height - 0.4, -0.7))
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20) if low / 1.15 <= t <= high * 1.15]
    ax.set_xticks(ticks, labels=[f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.axvline(1, color=MUTED, linewidth=1)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)


def _curve_words(curves: Sequence[CurveData], ylabel: str) -> str:
    ends = []
    for curve in curves:
        known = np.flatnonzero(np.isfinite(curve.y))
        if len(known):
            ends.append(f"{curve.label} {curve.y[known[-1]]:.3f} at {curve.x[known[-1]]:.1f} years")
    return f"{ylabel} over years: {'; '.join(ends)}."
