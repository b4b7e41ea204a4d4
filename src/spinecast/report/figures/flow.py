"""The flow chart: who came in, who left by which rule, who stayed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import FancyBboxPatch

from spinecast.report.digits import write_count
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    RULE,
    as_svg,
    chart_style,
    stamp_chart,
)
from spinecast.report.goods import FlowStep
from spinecast.report.parts import Figure

_STEP, _BOX, _WIDTH, _ASIDE = 1.0, 0.62, 4.2, 4.7


def draw_flow(
    steps: Sequence[FlowStep], *, simulated: bool, splits: Sequence[FlowStep] = ()
) -> Figure:
    """Draw a CONSORT-like flow chart.

    Parameters
    ----------
    steps
        What was left after each step, first step first; the label of every later step
        is the rule that took people or images away.
    simulated
        Stamp the picture.
    splits
        Boxes the last step is divided into (train, validation, test).

    Returns
    -------
    Figure
        SVG; its alternative text holds every count.
    """
    rows = len(steps) + bool(splits)
    with chart_style():
        drawing = Drawing(figsize=(8.2, 0.84 * rows + 0.25))
        ax = drawing.add_axes((0.01, 0.01, 0.98, 0.97))
        ax.set(xlim=(0, 11.4), ylim=(-(rows - 1) * _STEP - 0.42, 0.45))
        ax.set_axis_off()
        for position in range(len(steps)):
            _draw_step(ax, steps, position)
        _draw_splits(ax, splits, y=-len(steps) * _STEP)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(
        content, alt=_words(steps, splits), caption=f"People and {steps[0].thing}s after each step."
    )


def _draw_step(ax: Axes, steps: Sequence[FlowStep], position: int) -> None:
    y, step = -position * _STEP, steps[position]
    title = step.label if position == 0 else "Remaining"
    if position == len(steps) - 1 and position:
        title = "Analysed"
    _box(ax, (0.2, y), text=f"{title}\n{_counts(step)}", strong=position in {0, len(steps) - 1})
    if position:
        _arrow(ax, (0.2 + _WIDTH / 2, y + _STEP - _BOX / 2), (0.2 + _WIDTH / 2, y + _BOX / 2))
        _draw_loss(ax, steps[position - 1], step, y=y + _STEP / 2)


def _draw_loss(ax: Axes, before: FlowStep, after: FlowStep, *, y: float) -> None:
    people, images = before.n_people - after.n_people, before.n_images - after.n_images
    _arrow(ax, (0.2 + _WIDTH / 2, y), (_ASIDE + 0.05, y))
    label = "\n".join(textwrap.wrap(after.label, 58, max_lines=2, placeholder=" …"))
    ax.text(_ASIDE + 0.2, y + 0.02, label, va="bottom", fontsize=9, color=INK)
    loss = f"− {_plural(people, 'person', 'people')}, {_things(images, after)}"
    ax.text(_ASIDE + 0.2, y - 0.04, loss, va="top", fontsize=8.5, color=MUTED)


def _draw_splits(ax: Axes, splits: Sequence[FlowStep], *, y: float) -> None:
    if not splits:
        return
    width = min(3.4, 10.8 / len(splits) - 0.25)
    for position, split in enumerate(splits):
        x = 0.2 + position * (width + 0.3)
        _box(ax, (x, y), text=f"{split.label}\n{_counts(split)}", width=width)
        _arrow(
            ax, (0.2 + _WIDTH / 2, y + _STEP - _BOX / 2), (x + width / 2, y + _BOX / 2), bent=True
        )


def _box(
    ax: Axes, corner: tuple[float, float], *, text: str, strong: bool = False, width: float = _WIDTH
) -> None:
    x, y = corner
    style = "round,pad=0,rounding_size=0.07"
    edge = BLUE if strong else RULE
    ax.add_patch(
        FancyBboxPatch(
            (x, y - _BOX / 2), width, _BOX, boxstyle=style, fc="none", ec=edge, linewidth=1.4
        )
    )
    title, counts = text.split("\n")
    title = textwrap.shorten(title, 38, placeholder=" …") or " "
    ax.text(x + width / 2, y + 0.05, title, ha="center", va="bottom", weight="bold", fontsize=9.5)
    ax.text(x + width / 2, y - 0.05, counts, ha="center", va="top", color=MUTED, fontsize=9)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, bent: bool = False
) -> None:
    connection = "arc3"
    if bent and start[0] != end[0]:
        connection = "angle,angleA=0,angleB=90,rad=0"
        middle = (start[0], (start[1] + end[1]) / 2)
        ax.plot([start[0], middle[0]], [start[1], middle[1]], color=MUTED, linewidth=1)
        start = middle
    ax.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": MUTED,
            "linewidth": 1,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 9,
            "connectionstyle": connection,
        },
    )


def _counts(step: FlowStep) -> str:
    return f"{_plural(step.n_people, 'person', 'people')} · {_things(step.n_images, step)}"


def _things(count: int, step: FlowStep) -> str:
    return _plural(count, step.thing, f"{step.thing}s")


def _plural(count: int, one: str, many: str) -> str:
    return f"{write_count(count)} {one if count == 1 else many}"


def _words(steps: Sequence[FlowStep], splits: Sequence[FlowStep]) -> str:
    parts = [f"{s.label}: {_counts(s)}" for s in [*steps, *splits]]
    return "Flow chart. " + "; ".join(parts) + "."
