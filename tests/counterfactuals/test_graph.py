"""Causal graphs: what is read, what is refused, who causes whom."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.counterfactuals.spine_graph import (
    PUBLISHED,
    PUBLISHED_WEIGHTS,
    TIERS,
    WITH_DENSITY,
)
from spinecast.errors import ModelError, SpinecastError

PAGE = Path(__file__).parents[2] / "docs/reference/causal-graph.md"


def graph(**parents):
    return CausalGraph(tuple(Node(name, parents=tuple(p)) for name, p in parents.items()))


def refused(code, text):
    with pytest.raises(ModelError) as caught:
        CausalGraph.from_text(text)
    assert caught.value.code == code
    return caught.value


def test_causes_come_before_effects_and_ties_keep_their_order():
    assert graph(d="ab", c="b", b="a", a="").order == ("a", "b", "d", "c")
    order = WITH_DENSITY.order
    assert all(order.index(cause) < order.index(effect) for cause, effect in WITH_DENSITY.edges)


def test_ancestors_and_descendants_follow_paths_of_any_length():
    chain = graph(a="", b="a", c="b", alone="")
    assert chain.ancestors("c") == {"a", "b"}
    assert chain.descendants("a") == {"b", "c"}
    assert chain.descendants("a", "alone") == {"b", "c"}
    assert chain.roots == ("a", "alone")
    assert WITH_DENSITY.ancestors("image") == set(WITH_DENSITY.names)
    assert WITH_DENSITY.descendants("age") == {
        "lumbar_width",
        "lumbar_height",
        "lumbar_area",
        "bmd_spine",
    }


def test_leaving_a_variable_out_keeps_the_paths_through_it():
    smaller = WITH_DENSITY.without("height", "lumbar_area")
    assert smaller.parents("weight") == ("sex",)
    assert smaller.parents("lumbar_width") == ("sex", "age")
    assert smaller.parents("lumbar_height") == ("age", "sex")
    assert smaller.image_parents == ("lumbar_width", "lumbar_height", "bmd_spine", "age", "sex")
    assert WITH_DENSITY.without("bmd_spine").nodes == PUBLISHED.nodes


def test_the_published_graph_has_the_published_edges():
    assert set(PUBLISHED.edges) == set(PUBLISHED_WEIGHTS)
    assert len(PUBLISHED.edges) == 11
    assert set(TIERS) == set(WITH_DENSITY.names)
    assert all(TIERS[cause] <= TIERS[effect] for cause, effect in WITH_DENSITY.edges)


@pytest.mark.parametrize("written", [PUBLISHED, WITH_DENSITY, graph(a="", b="a")])
def test_a_graph_survives_its_file(tmp_path, written):
    written.to_toml(tmp_path / "g.toml")
    assert CausalGraph.from_toml(tmp_path / "g.toml") == written


@given(name=st.text(min_size=1, max_size=12), unit=st.text(max_size=6))
def test_any_name_and_unit_survives_the_text(name, unit):
    if name == "image":
        return
    written = CausalGraph((Node(name, "real", unit), Node(name + "'", parents=(name,))), (name,))
    assert CausalGraph.from_text(written.to_text()) == written


def test_the_graph_on_the_reference_page_is_one():
    text = PAGE.read_text().split("```toml\n")[1].split("```")[0]
    assert CausalGraph.from_text(text).image_parents == ("lumbar_width",)
    assert tomllib.loads(text)["variables"]["sex"]["levels"] == ["F", "M"]


def test_a_cycle_is_named_in_its_direction():
    text = "\n".join(
        f'[variables.{name}]\nkind = "real"\nparents = [{parents}]'
        for name, parents in {"root": "", "a": '"root", "c"', "b": '"a"', "c": '"b"'}.items()
    )
    fault = refused("SC-409", text)
    a_to_b_to_c = ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c")
    assert fault.got in a_to_b_to_c


def test_a_variable_cannot_cause_itself():
    refused("SC-409", '[variables.a]\nkind = "real"\nparents = ["a"]')


@pytest.mark.parametrize(
    "text",
    [
        '[variables.a]\nkind = "real"\nparents = ["b"]',
        '[variables.a]\nkind = "real"\n[image]\nparents = ["b"]',
    ],
)
def test_an_unknown_parent_is_named(text):
    assert "b" in refused("SC-410", text).got


@pytest.mark.parametrize(
    "text",
    [
        '[variables.a]\nkind = "real"\n[[image]]\nparents = ["a"]\n[[image]]\nparents = ["a"]',
        '[variables.a]\nkind = "image"',
        '[variables.image]\nkind = "real"',
        '[variables.a]\nkind = "real"\nparents = ["image"]',
        '[variables.a]\nkind = "real"\n[image]\nparents = ["image"]',
    ],
)
def test_there_is_one_image_and_it_causes_nothing(text):
    refused("SC-411", text)


@pytest.mark.parametrize(
    "text",
    [
        "variables = [",
        "",
        "variables = 3",
        "[variables]\na = 3",
        "[variables.a]",
        '[variables.a]\nkind = "ordinal"',
        "[variables.a]\nkind = 3",
        '[variables.a]\nkind = "real"\nparent = ["b"]',
        '[variables.a]\nkind = "real"\nparents = "b"',
        '[variables.a]\nkind = "real"\nlevels = ["x", "y"]',
        '[variables.a]\nkind = "binary"\nlevels = ["x"]',
        '[variables.a]\nkind = "category"\nlevels = ["x", "x"]',
        '[variables.""]\nkind = "real"',
        '[variables.a]\nkind = "real"\n[variables.b]\nkind = "real"\nparents = ["a", "a"]',
        '[variables.a]\nkind = "real"\n[edges]\na = "b"',
        '[variables.a]\nkind = "real"\n[image]\ncauses = []',
        "image = 3\n[variables.a]\nkind = 'real'",
        "a = " + "[" * 5_000,
    ],
)
def test_a_text_that_is_no_graph_is_refused(text):
    refused("SC-412", text)


def test_two_variables_of_one_name_are_refused():
    with pytest.raises(ModelError) as caught:
        CausalGraph((Node("a"), Node("a")))
    assert caught.value.code == "SC-412"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"#" * (2**20 + 1)])
def test_an_unreadable_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpinecastError) as caught:
        CausalGraph.from_toml(path)
    assert caught.value.code == "SC-412"
    assert "broken.toml" in caught.value.message


def test_a_question_about_an_unknown_variable_is_refused():
    for ask in (PUBLISHED.parents, PUBLISHED.ancestors, PUBLISHED.descendants, PUBLISHED.without):
        with pytest.raises(ModelError) as caught:
            ask("lumbar_depth")
        assert caught.value.code == "SC-410"


def test_a_study_file_may_hold_a_graph_without_loading_torch():
    code = (
        "import sys; from spinecast.counterfactuals import CausalGraph\n"
        "from spinecast.counterfactuals.spine_graph import WITH_DENSITY\n"
        "assert WITH_DENSITY.order and CausalGraph\n"
        "assert not {'torch', 'scipy', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_at_the_door_can_be_had_and_no_other():
    import spinecast.counterfactuals as door

    for name in door.__all__:
        assert callable(getattr(door, name)), name
    assert sorted(door.__all__) == door.__all__
    with pytest.raises(AttributeError):
        _ = door.no_such_name
