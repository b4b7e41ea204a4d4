"""A causal graph drawn in columns: causes left of effects, long edges led around the others.

Columns follow the longest path from a root; an edge that passes a column takes a place in
it, and places are ordered by the mean place of their neighbours (Sugiyama et al., IEEE
Trans Syst Man Cybern 1981;11:109).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from spinecast.report.digits import write_number
from spinecast.report.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    PAPER,
    RULE,
    VERMILLION,
    as_svg,
    chart_style,
    new_drawing,
    short_name,
    stamp_chart,
)
from spinecast.report.goods import GraphArrow, GraphData
from spinecast.report.parts import Figure

_COLUMN, _ROW, _PASSAGE = 1.75, 0.66, 0.3  # inches between columns; of a box, of an edge
_BOX = (1.12, 0.42)  # inches of a variable
_LABEL = (0.42, 0.2)
_SWEEPS = 12
_PLACES = (0.5, 0.38, 0.62, 0.28, 0.72, 0.2, 0.8)

Place = str | tuple[str, str, int]
Point = tuple[float, float]


def draw_causal_graph(graph: GraphData, *, simulated: bool) -> Figure:
    """Draw variables as boxes and edges as arrows, as wide as their weight is large.

    Parameters
    ----------
    graph
        Edges without a weight, into the image say, are dashed.
    simulated
        Stamp the picture.
    """
    points = place_nodes(graph)
    xs, ys = zip(*points.values(), strict=True)
    with chart_style():
        wide, high = max(xs) - min(xs) + _BOX[0] + 0.3, max(ys) - min(ys) + _BOX[1] + 0.5
        drawing = new_drawing(wide, high)
        ax = drawing.subplots()
        ax.set(xlim=(min(xs) - wide / 2 + (max(xs) - min(xs)) / 2, min(xs) + wide / 2
                     + (max(xs) - min(xs)) / 2))  # fmt: skip
        ax.set(ylim=(min(ys) - 0.4, max(ys) + 0.4))
        ax.set_axis_off()
        taken = [(*points[name], *_BOX) for name in graph.names]
        for arrow in graph.arrows:
            _draw_arrow(ax, arrow, points)
        for arrow in graph.arrows:
            _draw_weight(ax, arrow, points, taken=taken)
        for name in graph.names:
            _draw_node(ax, graph.labels.get(name, name), points[name])
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(content, alt=_words(graph), caption=_CAPTION)


_CAPTION = (
    "An arrow says that the left variable acts on the right one directly. Numbers: standard "
    "deviations of the effect per standard deviation of the cause (of a yes/no variable: per "
    "step); blue raises, red lowers. Dashed: into the image, by the image model."
)


def place_nodes(graph: GraphData) -> dict[Place, Point]:
    """Return the centre of every variable, and of every passage of a long edge, in inches.

    A passage is ``(cause, effect, column)``. Columns are ``_COLUMN`` apart, causes left.
    """
    rank = _ranks(graph)
    columns = _columns(graph, rank)
    neighbours = _neighbours(graph, rank)
    height = {place: y for column in columns for place, y in _stacked(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            middle = {p: _mean([height[n] for n in neighbours[p]], height[p]) for p in column}
            column.sort(key=middle.__getitem__)
            height.update(_stacked(column))
    return {
        place: (number * _COLUMN, -height[place])
        for number, column in enumerate(columns)
        for place in column
    }


def _stacked(column: Sequence[Place]) -> list[tuple[Place, float]]:
    """Return the places of a column with their heights, evenly about 0; passages are narrow."""
    rooms = np.array([_PASSAGE if isinstance(place, tuple) else _ROW for place in column])
    middles = np.cumsum(rooms) - rooms / 2 - rooms.sum() / 2
    return list(zip(column, middles.tolist(), strict=True))


def _ranks(graph: GraphData) -> dict[str, int]:
    rank: dict[str, int] = {}
    for name in graph.names:
        above = [rank[a.cause] for a in graph.arrows if a.effect == name]
        rank[name] = max(above, default=-1) + 1
    return rank


def _columns(graph: GraphData, rank: Mapping[str, int]) -> list[list[Place]]:
    columns: list[list[Place]] = [[] for _ in range(max(rank.values()) + 1)]
    for name in graph.names:
        columns[rank[name]].append(name)
    for arrow in graph.arrows:
        for column in range(rank[arrow.cause] + 1, rank[arrow.effect]):
            columns[column].append((arrow.cause, arrow.effect, column))
    return columns


def _stations(arrow: GraphArrow, places: Mapping[Place, object]) -> list[Place]:
    """Return cause, passages and effect of an edge, left to right."""
    passages = [p for p in places if isinstance(p, tuple) and p[:2] == (arrow.cause, arrow.effect)]
    return [arrow.cause, *sorted(passages, key=lambda p: p[2]), arrow.effect]


def _neighbours(graph: GraphData, rank: Mapping[str, int]) -> dict[Place, list[Place]]:
    found: dict[Place, list[Place]] = {p: [] for column in _columns(graph, rank) for p in column}
    for arrow in graph.arrows:
        for left, right in pairwise(_stations(arrow, found)):
            found[left].append(right)
            found[right].append(left)
    return found


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _route(arrow: GraphArrow, points: Mapping[Place, Point]) -> list[Point]:
    """Return the points an edge goes through, from the right of its cause to its effect."""
    route = [points[p] for p in _stations(arrow, points)]
    half = _BOX[0] / 2
    start, end = route[0], route[-1]
    return [(start[0] + half, start[1]), *route[1:-1], (end[0] - half, end[1])]


def _draw_arrow(ax: Axes, arrow: GraphArrow, points: Mapping[Place, Point]) -> None:
    route = _route(arrow, points)
    vertices, codes = [route[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(route):
        reach = (x1 - x0) / 2
        vertices += [(x0 + reach, y0), (x1 - reach, y1), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    weight = 0.0 if arrow.weight is None else arrow.weight.value
    ax.add_patch(
        FancyArrowPatch(
            path=Curve(vertices, codes),
            arrowstyle="-|>,head_length=5,head_width=2.6",
            color=_colour(arrow),
            linewidth=0.9 + 2.2 * min(abs(weight), 1.5),
            linestyle=(0, (4, 2.5)) if arrow.weight is None else "solid",
            fill=False,
            alpha=0.75,
        )
    )


def _colour(arrow: GraphArrow) -> str:
    if arrow.weight is None:
        return MUTED
    return BLUE if arrow.weight.value >= 0 else VERMILLION


def _draw_weight(
    ax: Axes,
    arrow: GraphArrow,
    points: Mapping[Place, Point],
    *,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write the weight on its edge, at the first place where nothing else is written."""
    if arrow.weight is None:
        return
    segments = list(pairwise(_route(arrow, points)))
    spots = [_along(*segment, share) for share in _PLACES for segment in segments]
    free = [spot for spot in spots if not any(_overlap((*spot, *_LABEL), box) for box in taken)]
    x, y = (free or spots)[0]
    taken.append((x, y, *_LABEL))
    ax.text(
        x, y, write_number(arrow.weight.value, 2), ha="center", va="center", fontsize=8, color=INK,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.2, "alpha": 0.9},
    )  # fmt: skip


def _along(start: Point, end: Point, share: float) -> Point:
    """Return the point of the S-shaped curve at parameter ``share``."""
    reach = (end[0] - start[0]) / 2
    xs = np.array([start[0], start[0] + reach, end[0] - reach, end[0]])
    ys = np.array([start[1], start[1], end[1], end[1]])
    t = share
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return float(weights @ xs), float(weights @ ys)


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return all(abs(one[i] - other[i]) < (one[i + 2] + other[i + 2]) / 2 for i in (0, 1))


def _draw_node(ax: Axes, label: str, centre: Point) -> None:
    wide, high = _BOX
    ax.add_patch(
        FancyBboxPatch(
            (centre[0] - wide / 2, centre[1] - high / 2),
            wide,
            high,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=PAPER,
            edgecolor=MUTED if label else RULE,
            linewidth=1.1,
        )
    )
    name, _, unit = label.partition(" (")
    text = short_name(name, most=18) + (f"\n({unit}" if unit else "")
    ax.text(*centre, text, ha="center", va="center", fontsize=8.5, linespacing=1.1, color=INK)


def _words(graph: GraphData) -> str:
    edges = [
        f"{a.cause} to {a.effect}"
        + ("" if a.weight is None else f" {write_number(a.weight.value, 2)}")
        for a in graph.arrows
    ]
    return f"Causal graph of {len(graph.names)} nodes. Edges: {'; '.join(edges)}."
