"""Two measurements of the same thing: scatter, Bland-Altman, age, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from spinecast.report.digits import write_interval, write_number
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    VERMILLION,
    as_svg,
    chart_style,
    colour_of,
    new_drawing,
    stamp_chart,
    symbol_of,
)
from spinecast.report.goods import BlandAltmanData, CurveData, PairedValues
from spinecast.report.parts import Figure

_MANY_POINTS = 1500  # beyond this, points are embedded as pixels


def draw_agreement(pair: PairedValues, bland_altman: BlandAltmanData, *, simulated: bool) -> Figure:
    """Draw generated against real scores, and their difference against their mean.

    Parameters
    ----------
    pair
        Reference (real film) and compared (generated film) scores, 0 to 1.
    bland_altman
        Bias and limits, computed by ``outcomes.bland_altman``.
    simulated
        Stamp the picture.
    """
    with chart_style():
        drawing = new_drawing(8.2, 3.7)
        left, right = drawing.subplots(1, 2)
        _scatter(left, pair.reference, pair.compared)
        _identity(left, pair)
        left.set(xlabel=pair.reference_label, ylabel=pair.compared_label, title="Agreement")
        left.set_aspect("equal", adjustable="datalim")
        _annotate(left, pair)
        mean = (pair.reference + pair.compared) / 2
        _scatter(right, mean, pair.compared - pair.reference)
        draw_limits(right, bland_altman)
        right.set(xlabel="mean of the two scores", ylabel="difference", title="Bland–Altman")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    bias = bland_altman.bias
    return Figure(
        content,
        alt=f"Scatter of {len(pair.reference)} pairs and Bland-Altman plot: bias "
        f"{write_interval(bias.value, bias.ci_low, bias.ci_high)}, limits of agreement "
        f"{write_number(bland_altman.lower, 2)} to {write_number(bland_altman.upper, 2)}.",
        caption=f"{len(pair.reference):,} pairs. Left: the line is equality. Right: compared minus "
        "reference; solid line bias, dashed lines 95 % limits of agreement.",
    )


def draw_paired_scatter(
    pairs: Sequence[PairedValues], *, titles: Sequence[str], unit: str, simulated: bool
) -> Figure:
    """Draw one scatter per pair side by side, on one scale (age prompted against age read)."""
    every = np.concatenate([np.r_[p.reference, p.compared] for p in pairs])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    margin = 0.04 * (high - low or 1.0)
    with chart_style():
        drawing = new_drawing(4.1 * len(pairs), 3.8)
        axes = drawing.subplots(1, len(pairs), squeeze=False)[0]
        for ax, pair, title in zip(axes, pairs, titles, strict=True):
            _scatter(ax, pair.reference, pair.compared)
            ax.plot([low, high], [low, high], color=MUTED, linewidth=1)
            ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
            ax.set(xlabel=f"{pair.reference_label} ({unit})", title=title)
            ax.set_ylabel(f"{pair.compared_label} ({unit})")
            _annotate(ax, pair)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{t}: {_summary_words(p)}" for t, p in zip(titles, pairs, strict=True))
    return Figure(content, alt=f"Scatter plots. {words}.", caption="The line is equality.")


def draw_calibration(
    curves: Sequence[CurveData], *, horizon: float, simulated: bool, predicted: Sequence[float] = ()
) -> Figure:
    """Draw observed against predicted risk with bands, and the spread of predictions beneath.

    Parameters
    ----------
    curves
        ``x`` predicted and ``y`` observed risk, 0 to 1.
    horizon
        Years ahead.
    simulated
        Stamp the picture.
    predicted
        Predicted risks of everybody, for the histogram beneath.
    """
    top = max(float(np.nanmax(np.r_[c.x, c.y])) for c in curves)
    with chart_style():
        drawing = new_drawing(5.2, 4.7)
        ratios = [4, 1] if len(predicted) else [1]
        axes = drawing.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)
        ax = axes[0, 0]
        ax.plot([0, top], [0, top], color=MUTED, linewidth=1, label="perfect")
        for position, curve in enumerate(curves):
            draw_band(ax, curve, position=position, marker=len(curve.x) < 30)
        ax.set(ylabel=f"observed risk at {horizon:g} years", title="Calibration")
        ax.legend(loc="upper left")
        if len(predicted):
            axes[1, 0].hist(np.clip(predicted, 0, top), bins=40, color=MUTED)
            axes[1, 0].set_ylabel("people")
        axes[-1, 0].set_xlabel(f"predicted risk at {horizon:g} years")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(
        content,
        alt=f"Calibration of {', '.join(c.label for c in curves)} at {horizon:g} years.",
        caption="Bands are 95 % intervals. Below the line, risk is overstated.",
    )


def draw_band(
    ax: Axes, curve: CurveData, *, position: int, marker: bool = False, step: bool = False
) -> None:
    """Draw one curve with its confidence band in the colour of its series."""
    colour = colour_of(curve.label, position)
    symbol = symbol_of(position) if marker else ""
    if step:
        ax.step(curve.x, curve.y, where="post", color=colour, label=curve.label)
    else:
        ax.plot(curve.x, curve.y, color=colour, marker=symbol, markersize=5, label=curve.label)
    if curve.ci_low is not None and curve.ci_high is not None:
        ax.fill_between(
            curve.x,
            curve.ci_low,
            curve.ci_high,
            color=colour,
            alpha=0.15,
            linewidth=0,
            step="post" if step else None,
        )


def _scatter(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    many = len(x) > _MANY_POINTS
    ax.scatter(x, y, s=9 if many else 16, color=BLUE, alpha=0.45, linewidth=0, rasterized=many)


def _identity(ax: Axes, pair: PairedValues) -> None:
    every = np.r_[pair.reference, pair.compared]
    ends = [float(np.nanmin(every)), float(np.nanmax(every))]
    ax.plot(ends, ends, color=MUTED, linewidth=1)


def _annotate(ax: Axes, pair: PairedValues) -> None:
    lines = _summary_lines(pair)
    ax.text(0.02, 0.98, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8.5, color=INK)


def _summary_lines(pair: PairedValues) -> list[str]:
    return [
        f"{name} {write_interval(e.value, e.ci_low, e.ci_high)}" for name, e in pair.summary.items()
    ]


def _summary_words(pair: PairedValues) -> str:
    return ", ".join([f"{len(pair.reference)} pairs", *_summary_lines(pair)])


def draw_limits(ax: Axes, data: BlandAltmanData, *, decimals: int = 2) -> None:
    """Draw bias with its interval, and limits of agreement, over differences."""
    ax.axhline(0, color=MUTED, linewidth=0.8)
    ax.axhline(data.bias.value, color=VERMILLION)
    ax.axhspan(data.bias.ci_low, data.bias.ci_high, color=VERMILLION, alpha=0.15, linewidth=0)
    for limit in (data.lower, data.upper):
        ax.axhline(limit, color=VERMILLION, linestyle=(0, (4, 3)), linewidth=1.2)
        ax.annotate(
            f"{limit:+.{decimals}f}".replace("-", "−"),
            (1, limit),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
