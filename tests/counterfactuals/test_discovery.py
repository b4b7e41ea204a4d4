"""Graph discovery: finds the published skeleton, keeps the tiers, counts people once."""

from __future__ import annotations

import builtins
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.counterfactuals.linear_sem import draw_noise, people

from spinecast.counterfactuals import DiscoverySettings, discover_edges
from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.counterfactuals.spine_graph import TIERS, WITH_DENSITY
from spinecast.errors import SpinecastError

pytest.importorskip("causallearn")

QUICK = DiscoverySettings(resamples=10, tiers=TIERS)


def numbers(**columns):
    graph = CausalGraph(tuple(Node(name, "real") for name in columns))
    return graph, pd.DataFrame(columns)


def row(found, source, target):
    chosen = found[(found["from"] == source) & (found["to"] == target)]
    return chosen.iloc[0] if len(chosen) else None


@pytest.fixture(scope="module")
def found():
    return discover_edges(WITH_DENSITY, people(draw_noise(3_000, 0)), settings=QUICK)


def test_every_published_edge_that_can_be_seen_is_found_and_no_other(found):
    often = found[found["adjacent"] > 0.5]
    skeleton = {frozenset(pair) for pair in zip(often["from"], often["to"], strict=True)}
    expected = {frozenset(edge) for edge in WITH_DENSITY.edges}
    # its weight is 0.002: nobody's data show that
    assert skeleton == expected - {frozenset(("sex", "lumbar_area"))}


def test_edges_of_the_graph_are_listed_even_where_they_were_never_found(found):
    listed = found[found["in_graph"]]
    assert set(zip(listed["from"], listed["to"], strict=True)) == set(WITH_DENSITY.edges)
    assert row(found, "sex", "lumbar_area")["frequency"] == 0
    assert found["frequency"].between(0, 1).all()
    assert (found["adjacent"] >= found["frequency"]).all()


def test_nothing_causes_what_comes_before_it(found):
    for _, edge in found[found["frequency"] > 0].iterrows():
        assert TIERS[edge["from"]] <= TIERS[edge["to"]]
        assert edge["to"] not in {"sex", "age"}


def test_held_common_effects_hide_no_edge_only_where_tiers_are_given():
    table = people(draw_noise(3_000, 0))
    roots_only = discover_edges(WITH_DENSITY, table, settings=replace(QUICK, tiers=None))
    # sex and weight both raise density; held fixed, it hides that sex changes weight
    assert row(roots_only, "sex", "weight")["adjacent"] < 0.5
    assert (roots_only[roots_only["from"] == "sex"]["to"] != "age").all()


def test_a_collider_gives_directions_and_a_chain_leaves_them_open():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2_000))
    graph, table = numbers(a=a, b=b, c=a + b + rng.normal(size=2_000))
    settings = DiscoverySettings(resamples=5, tiers={"a": 1, "b": 1, "c": 1})
    collider = discover_edges(graph, table, settings=settings)
    assert row(collider, "a", "c")["frequency"] == row(collider, "b", "c")["frequency"] == 1
    assert row(collider, "c", "a") is None
    chain = a + 0.5 * rng.normal(size=2_000)
    graph, table = numbers(a=a, b=chain, c=chain + 0.5 * rng.normal(size=2_000))
    settings = replace(settings, tiers={"a": 1, "b": 1, "c": 1})
    undecided = discover_edges(graph, table, settings=settings)
    assert row(undecided, "a", "b")["frequency"] == row(undecided, "b", "a")["frequency"] == 0.5
    assert row(undecided, "a", "b")["adjacent"] == 1


def test_measures_of_the_image_cause_nothing():
    rng = np.random.default_rng(1)
    brightness, width = rng.normal(size=(2, 1_000))
    graph, table = numbers(brightness=brightness, width=width, area=brightness + width)
    table["area"] += 0.5 * rng.normal(size=1_000)
    settings = DiscoverySettings(
        resamples=5, tiers={"width": 1, "area": 1}, effects_only=("brightness",)
    )
    found = discover_edges(graph, table, settings=settings)
    assert row(found, "area", "brightness")["frequency"] == 1
    assert row(found, "brightness", "area") is None


def test_noise_alone_gives_few_edges_and_repeated_people_more():
    rng = np.random.default_rng(2)
    graph, table = numbers(**dict(zip("abcdef", rng.normal(size=(6, 400)), strict=True)))
    settings = DiscoverySettings(resamples=30, alpha=0.05, tiers=dict.fromkeys("abcdef", 1))
    rates = {}
    for kind in ("half", "bootstrap"):
        found = discover_edges(graph, table, settings=replace(settings, resampling=kind))
        rates[kind] = found["frequency"].sum() / 15
    assert rates["half"] < 0.1
    assert rates["bootstrap"] > 1.5 * rates["half"]


def test_visits_of_one_person_are_drawn_together():
    table = people(draw_noise(200, 3))
    twice = pd.concat([table, table], ignore_index=True)
    seen = []
    from spinecast.counterfactuals import discovery

    for number in range(3):
        for kind in ("half", "bootstrap"):
            groups = discovery.person_groups(twice)
            rows = discovery._resample(groups, replace(QUICK, resampling=kind), number)
            counts = twice.iloc[rows]["person_id"].value_counts()
            assert (counts % 2 == 0).all()
            seen.append(tuple(rows))
            assert len(counts) == 100 if kind == "half" else len(counts) > 100
    assert len(set(seen)) == 6


def test_equal_seeds_give_equal_tables_and_the_bar_ends_full():
    table = people(draw_noise(300, 4))
    shares = []
    first = discover_edges(
        WITH_DENSITY, table, settings=QUICK, progress=lambda share, _: shares.append(share)
    )
    pd.testing.assert_frame_equal(first, discover_edges(WITH_DENSITY, table, settings=QUICK))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_without_the_library_the_line_that_installs_it_is_given(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("causallearn"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SpinecastError) as caught:
        discover_edges(WITH_DENSITY, people(draw_noise(50, 0)))
    assert caught.value.code == "SC-710"
    assert "pip install 'spinecast[discovery]'" in caught.value.message


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: DiscoverySettings(alpha=0), "SC-407"),
        (lambda: DiscoverySettings(resamples=0), "SC-407"),
        (lambda: DiscoverySettings(resampling="thirds"), "SC-407"),
        (lambda: run(settings=DiscoverySettings(tiers={"lumbar_depth": 1})), "SC-410"),
        (lambda: run(settings=DiscoverySettings(effects_only=("brightness",))), "SC-410"),
        (lambda: run(table=people(draw_noise(50, 0)).assign(age=np.nan)), "SC-413"),
        (lambda: run(graph=CausalGraph((Node("maker", "category"),))), "SC-407"),
    ],
)
def test_impossible_questions_are_refused(make, code):
    with pytest.raises(SpinecastError) as caught:
        make()
    assert caught.value.code == code


def run(graph=WITH_DENSITY, table=None, settings=QUICK):
    table = people(draw_noise(50, 0)) if table is None else table
    return discover_edges(graph, table, settings=settings)
