"""The drawn causal graph: causes left of effects, nothing on top of anything, weights told."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from spinecast.report.figures.causal_graph import draw_causal_graph, place_nodes
from spinecast.report.goods import Estimate, GraphArrow, GraphData


def graph_of(edges: dict[str, str], *, weight: float | None = 0.5) -> GraphData:
    """Return a graph of one-letter nodes: effect -> its causes, as ``{"c": "ab"}``."""
    known = None if weight is None else Estimate(weight)
    arrows = tuple(GraphArrow(c, e, known) for e, causes in edges.items() for c in causes)
    return GraphData(tuple(edges), {n: f"{n.upper()} (mm)" for n in edges}, arrows)


CHAIN = graph_of({"a": "", "b": "a", "c": "b", "d": "abc"})
WIDE = graph_of({"a": "", "b": "", "c": "ab", "d": "ab", "e": "abcd", "f": "a", "g": "aef"})
GRAPHS = pytest.mark.parametrize("graph", [CHAIN, WIDE], ids=["chain", "wide"])


@GRAPHS
def test_every_cause_stands_left_of_its_effects(graph):
    points = place_nodes(graph)
    for arrow in graph.arrows:
        assert points[arrow.cause][0] < points[arrow.effect][0]


@GRAPHS
def test_no_box_covers_another_and_no_passing_edge_runs_through_one(graph):
    points = place_nodes(graph)
    for one, other in combinations(points.items(), 2):
        (name, (x0, y0)), (against, (x1, y1)) = one, other
        if x0 != x1:
            continue
        boxes = isinstance(name, str) + isinstance(against, str)
        assert abs(y0 - y1) >= {2: 0.6, 1: 0.4, 0: 0.2}[boxes], (name, against)


def test_an_edge_over_two_columns_passes_a_place_in_the_one_between():
    passages = [place for place in place_nodes(CHAIN) if isinstance(place, tuple)]
    assert set(passages) == {("a", "d", 1), ("a", "d", 2), ("b", "d", 2)}


@GRAPHS
def test_every_edge_is_told_in_words_with_its_weight(graph):
    figure = draw_causal_graph(graph, simulated=True)
    for arrow in graph.arrows:
        assert f"{arrow.cause} to {arrow.effect} 0.5" in figure.alt


def test_weights_are_written_once_an_edge_and_not_where_there_is_none():
    drawn = draw_causal_graph(WIDE, simulated=False).content.decode()
    assert len(re.findall(r">0\.50<", drawn)) == len(WIDE.arrows)
    silent = graph_of({"a": "", "image": "a"}, weight=None)
    assert not re.findall(
        r">\d\.\d\d<", draw_causal_graph(silent, simulated=False).content.decode()
    )


def test_raising_and_lowering_edges_have_different_colours():
    up, down = (
        draw_causal_graph(graph_of({"a": "", "b": "a"}, weight=w), simulated=False).content
        for w in (0.5, -0.5)
    )
    assert b"#0072b2" in up
    assert b"#0072b2" not in down
    assert b"#d55e00" in down


def test_names_that_are_markup_stay_text_and_long_ones_are_cut():
    hostile = "<script>alert(1)</script>" + "x" * 50
    graph = GraphData(("a", "b"), {"a": hostile, "b": "b"}, (GraphArrow("a", "b"),))
    drawn = draw_causal_graph(graph, simulated=False).content
    assert b"<script" not in drawn
    assert b"x" * 40 not in drawn


def test_equal_graphs_give_equal_bytes_and_simulated_ones_say_so():
    first, second = (draw_causal_graph(WIDE, simulated=True).content for _ in range(2))
    assert first == second
    assert b"SIMULATED" in first
    assert b"SIMULATED" not in draw_causal_graph(WIDE, simulated=False).content


def test_a_graph_of_one_variable_can_be_drawn():
    figure = draw_causal_graph(graph_of({"a": ""}), simulated=False)
    assert "1 nodes" in figure.alt
