"""Weights come with honest intervals, and a graph that the data contradict is found out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.counterfactuals.linear_sem import WEIGHTS, draw_noise, people

from spinecast.counterfactuals import residual_independence, standardised_weights
from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.counterfactuals.spine_graph import PUBLISHED, WITH_DENSITY
from spinecast.errors import SpinecastError


def truth(weights):
    return np.array([WEIGHTS[pair] for pair in zip(weights["from"], weights["to"], strict=True)])


def test_intervals_hold_the_published_weights_at_the_nominal_rate():
    held, estimates = [], []
    for seed in range(60):
        table = people(draw_noise(1_000, seed))
        found = standardised_weights(WITH_DENSITY, table, bootstrap=100, seed=seed)
        true = truth(found)
        held.append((found["ci_low"] <= true) & (true <= found["ci_high"]))
        estimates.append(found["weight"].to_numpy() - true)
    assert len(held[0]) == len(WITH_DENSITY.edges)
    assert 0.92 < np.mean(held) < 0.975
    assert np.abs(np.mean(estimates, axis=0)).max() < 0.015


def test_a_large_cohort_gives_the_published_weights():
    found = standardised_weights(PUBLISHED, people(draw_noise(3_000, 7)))
    assert list(zip(found["from"], found["to"], strict=True)) == list(PUBLISHED.edges)
    assert np.abs(found["weight"] - truth(found)).max() < 0.07


def test_weights_are_statsmodels_regressions():
    import statsmodels.api as sm

    table = people(draw_noise(300, 1))
    found = standardised_weights(PUBLISHED, table).set_index(["from", "to"])["weight"]
    z = table.drop(columns=["person_id", "sex"])
    z = (z - z.mean()) / z.std(ddof=0)
    z["sex"] = (table["sex"] == "M").astype(float)
    design = sm.add_constant(z[["sex", "age", "height"]])
    peer = sm.OLS(z["lumbar_width"], design).fit().params
    for name in ("sex", "age", "height"):
        assert found[name, "lumbar_width"] == pytest.approx(peer[name], abs=1e-9)


def test_repeated_visits_do_not_narrow_the_intervals():
    table = people(draw_noise(400, 2))
    once = standardised_weights(PUBLISHED, table)
    thrice = standardised_weights(PUBLISHED, pd.concat([table] * 3))
    width, repeated = ((t["ci_high"] - t["ci_low"]).to_numpy() for t in (once, thrice))
    assert repeated == pytest.approx(width)
    rows_as_people = pd.concat([table] * 3).drop(columns="person_id")
    narrow = standardised_weights(PUBLISHED, rows_as_people)
    assert ((narrow["ci_high"] - narrow["ci_low"]).to_numpy() < 0.75 * width).all()


def test_equal_seeds_give_equal_intervals():
    table = people(draw_noise(200, 3))
    first, again, other = (standardised_weights(PUBLISHED, table, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["weight"] == other["weight"]).all()
    assert not (first["ci_low"] == other["ci_low"]).any()


def test_a_category_has_a_weight_for_each_level_but_the_first():
    rng = np.random.default_rng(0)
    maker = rng.choice(["a", "b", "c"], 4_000)
    dose = pd.Series(maker).map({"a": 0.0, "b": 1.0, "c": -2.0}) + rng.normal(size=4_000)
    graph = CausalGraph((Node("maker", "category"), Node("dose", "real", parents=("maker",))))
    found = standardised_weights(graph, pd.DataFrame({"maker": maker, "dose": dose}))
    assert list(found["from"]) == ["maker[b]", "maker[c]"]
    assert found["weight"].to_numpy() * dose.std() == pytest.approx([1, -2], abs=0.12)


def test_every_pair_without_an_edge_is_tested_and_a_missing_edge_is_found():
    table = people(draw_noise(3_000, 4))
    right = residual_independence(WITH_DENSITY, table)
    pairs = {frozenset(pair) for pair in zip(right["first"], right["second"], strict=True)}
    edges = {frozenset(edge) for edge in WITH_DENSITY.edges}
    assert len(pairs) == len(right) == 8 * 7 / 2 - len(edges)
    assert not pairs & edges
    nodes = [n if n.name != "lumbar_height" else Node(n.name, parents=("height",))
             for n in WITH_DENSITY.nodes]  # fmt: skip
    wrong = residual_independence(CausalGraph(tuple(nodes)), table).iloc[0]
    assert {wrong["first"], wrong["second"]} == {"age", "lumbar_height"}
    assert wrong["given"] == "height"
    assert wrong["p_holm"] < 1e-6
    assert wrong["partial_correlation"] < -0.1


def test_a_true_graph_is_accused_no_more_often_than_the_level_says():
    found = [residual_independence(WITH_DENSITY, people(draw_noise(400, s))) for s in range(40)]
    p = np.concatenate([table["p_value"] for table in found])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.08)
    assert np.mean([table["p_holm"].min() < 0.05 for table in found]) <= 0.15


def test_holm_is_statsmodels_holm():
    from statsmodels.stats.multitest import multipletests

    found = residual_independence(WITH_DENSITY, people(draw_noise(500, 5)))
    peer = multipletests(found["p_value"], method="holm")[1]
    assert found["p_holm"].to_numpy() == pytest.approx(peer)


def test_a_hidden_common_cause_shows():
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=1_000)
    table = pd.DataFrame(
        {"a": hidden + rng.normal(size=1_000), "b": hidden + rng.normal(size=1_000)}
    )
    found = residual_independence(CausalGraph((Node("a", "real"), Node("b", "real"))), table)
    assert found["partial_correlation"][0] == pytest.approx(0.5, abs=0.08)
    assert found["p_holm"][0] < 1e-9


def damaged(**cells):
    table = people(draw_noise(50, 6))
    return table.assign(**cells)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (damaged(height=170.0), "SC-603"),
        (damaged().drop(columns="age"), "SC-413"),
        (damaged(weight=[np.nan, *range(1, 50)]), "SC-413"),
        (damaged().head(10), "SC-609"),
        (damaged(lumbar_width=lambda t: t["lumbar_height"] * 2), "SC-607"),
    ],
)
def test_tables_that_say_nothing_are_refused(table, code):
    with pytest.raises(SpinecastError) as caught:
        standardised_weights(PUBLISHED, table)
    assert caught.value.code == code


def test_one_resample_is_no_interval():
    with pytest.raises(SpinecastError) as caught:
        standardised_weights(PUBLISHED, damaged(), bootstrap=1)
    assert caught.value.code == "SC-407"
