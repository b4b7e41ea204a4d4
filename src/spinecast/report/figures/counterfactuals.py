"""Counterfactual scans and what is read off them: ages set, changes foretold, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from spinecast.report.figures.agreement import draw_limits
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    as_svg,
    chart_style,
    colour_of,
    new_drawing,
    stamp_chart,
)
from spinecast.report.figures.strips import Panel, draw_panels, strip_caption
from spinecast.report.goods import AgeSweep, ForetoldValues, Numbers
from spinecast.report.parts import Figure

_LIMITS = (
    " Last row (Bland–Altman): solid line bias with its 95 % interval, dashed lines 95 % limits of "
    "agreement."
)
_SIZE = 12
_MANY_POINTS = 1500  # beyond this, points are embedded as pixels


def draw_age_sweep(sweep: AgeSweep, *, simulated: bool) -> Figure:
    """Draw one scan at a row of ages: images, their difference from the scan, their spread.

    Parameters
    ----------
    sweep
        Images of one scan.
    simulated
        Stamp every image; drawn ones are stamped as generated in any cohort.
    """
    panels = [Panel("the scan", sweep.scan)]
    panels += [
        Panel(f"do(age = {age:g})", image, generated=True, difference=image - sweep.scan,
              spread=spread)
        for age, image, spread in zip(sweep.ages, sweep.generated, sweep.spread, strict=True)
    ]  # fmt: skip
    content, limit = draw_panels(panels, title=sweep.label, against="scan", simulated=simulated)
    ages = ", ".join(f"{age:g}" for age in sweep.ages)
    return Figure(
        content,
        alt=f"Scan of {sweep.label} and drawings of it at ages {ages}; beneath each, the "
        "difference from the scan and the standard deviation over draws.",
        caption=f"{strip_caption(limit, 'the scan')} Last row: standard deviation over draws of "
        "what the scan leaves open, white is much.",
    )


def draw_foretold(values: Sequence[ForetoldValues], *, simulated: bool) -> Figure:
    """Draw predicted against measured values, and predicted against measured change.

    Parameters
    ----------
    values
        One per variable; persistence ("no change") is drawn beside them: the baseline value
        above, a change of 0 below.
    simulated
        Stamp the picture.
    """
    with chart_style():
        rows = 3 if all(each.bland_altman is not None for each in values) else 2
        drawing = new_drawing(2.3 * len(values), 2.35 * rows)
        axes = drawing.subplots(rows, len(values), squeeze=False)
        for column, each in zip(axes.T, values, strict=True):
            _draw_level(column[0], each)
            _draw_change(column[1], each)
            if rows > 2:
                _draw_differences(column[2], each)
        axes[0, 0].legend(loc="lower right", fontsize=8, handletextpad=0.2)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(
        f"{v.label}: {v.level_words}; change {v.change_words}"
        for v in values
        if v.level_words or v.change_words
    )
    return Figure(
        content,
        alt=f"Scatter plots of predicted against measured values of {len(values[0].baseline)} "
        f"people. {words}",
        caption=f"{len(values[0].baseline):,} people. Above: the value at the later scan; "
        "“no change” (orange) is the baseline value. Below: the change since baseline; no change "
        "is the level line at 0, perfect the slope; both axes of a panel have one scale."
        + (_LIMITS if rows > 2 else ""),
    )


def draw_histories(histories: Mapping[str, pd.DataFrame], *, simulated: bool) -> Figure:
    """Draw training and validation loss over steps, one panel per model.

    Parameters
    ----------
    histories
        Model -> columns ``step``, ``loss``, ``validation`` (NaN where not measured).
    simulated
        Stamp the picture.
    """
    with chart_style():
        drawing = new_drawing(4.1 * len(histories), 2.9)
        axes = drawing.subplots(1, len(histories), squeeze=False)[0]
        for ax, (name, table) in zip(axes, histories.items(), strict=True):
            for position, (column, words) in enumerate(
                (("loss", "training"), ("validation", "validation"))
            ):
                known = table.dropna(subset=[column])
                ax.plot(
                    known["step"],
                    known[column],
                    color=colour_of("", position),
                    label=words,
                    linewidth=0.9 if position == 0 else 1.9,
                )
            ax.set(title=name, xlabel="step", ylabel="loss")
            _limit_to_the_end(ax, table)
            ax.legend(loc="upper right")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(
        content,
        alt=f"Training curves of {', '.join(histories)}.",
        caption="The loss at its start lies above the panel where it was far larger. Terms that "
        "are warmed up let the training loss rise.",
    )


def _draw_level(ax: Axes, each: ForetoldValues) -> None:
    _identity(ax, each.follow_up, each.baseline, each.predicted)
    _points(ax, each.follow_up, each.baseline, colour=ORANGE, label="no change")
    _points(ax, each.follow_up, each.predicted, colour=BLUE, label="predicted")
    unit = f" ({each.unit})" if each.unit else ""
    ax.set(title=each.label, xlabel=f"measured later{unit}", ylabel="predicted")
    ax.text(0.03, 0.97, each.level_words, transform=ax.transAxes, va="top", fontsize=7.5, color=INK)


def _draw_change(ax: Axes, each: ForetoldValues) -> None:
    start = each.baseline if each.start is None else each.start
    measured, predicted = each.follow_up - each.baseline, each.predicted - start
    _identity(ax, measured, predicted)
    ax.axhline(0, color=ORANGE, linewidth=1.2)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    _points(ax, measured, predicted, colour=BLUE, label="predicted")
    ax.set(xlabel="measured change", ylabel="predicted change")
    ax.set_title(each.change_words, fontsize=8, fontweight="normal")


def _draw_differences(ax: Axes, each: ForetoldValues) -> None:
    if each.bland_altman is None:
        return
    mean = (each.follow_up + each.predicted) / 2
    _points(ax, mean, each.predicted - each.follow_up, colour=BLUE, label="predicted")
    reach = each.bland_altman.upper - each.bland_altman.lower
    draw_limits(ax, each.bland_altman, decimals=2 if reach > 0.5 else 3)
    ax.set(xlabel="mean of both", ylabel="predicted − measured")


def _points(ax: Axes, x: Numbers, y: Numbers, *, colour: str, label: str) -> None:
    many = len(x) > _MANY_POINTS
    ax.scatter(
        x, y, s=_SIZE / 2 if many else _SIZE, color=colour, alpha=0.5, linewidth=0, label=label,
        rasterized=many,
    )  # fmt: skip


def _identity(ax: Axes, *values: Numbers) -> None:
    every = np.concatenate([np.asarray(v, dtype=float) for v in values])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    margin = 0.05 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color=MUTED, linewidth=1)
    ax.set(xlim=ends, ylim=ends)


def _limit_to_the_end(ax: Axes, table: pd.DataFrame) -> None:
    """Leave the first tenth of training out of the scale, where losses are far larger."""
    late = table[table["step"] > 0.1 * table["step"].max()]
    values = late[["loss", "validation"]].to_numpy(dtype=float)
    if np.isfinite(values).any():
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        margin = 0.06 * (high - low or 1.0)
        ax.set_ylim(low - margin, high + margin)
