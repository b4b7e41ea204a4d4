"""Structural causal models: true counterfactuals, exact ones, and honest refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.counterfactuals.linear_sem import UNITS, draw_noise, people

from spinecast.counterfactuals import ScmSettings, fit_scm, load_scm, save_scm
from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.counterfactuals.scm import Noise, StructuralCausalModel
from spinecast.counterfactuals.spine_graph import WITH_DENSITY
from spinecast.errors import SpinecastError
from spinecast.models.context_net import MechanismSettings

SHAPE = ["lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine"]


def short(steps, **changes):
    settings = ScmSettings(**changes)
    return replace(settings, fit=replace(settings.fit, max_steps=steps, warmup_steps=10))


@pytest.fixture(scope="module")
def spine():
    return fit_scm(WITH_DENSITY, people(draw_noise(3_000, 0)), settings=short(100))


@pytest.fixture(scope="module")
def rows():
    return people(draw_noise(500, 99))


# -- against the truth ----------------------------------------------------------------------


def test_ten_years_more_do_to_each_person_what_they_truly_do(spine):
    noise = draw_noise(2_000, 98)
    now, truly = people(noise), people(noise, years=10.0)
    drawn = spine.counterfactual(now, {"age": now["age"] + 10})
    sd = np.array([UNITS[name][1] for name in SHAPE])
    true, ours = ((table[SHAPE] - now[SHAPE]).to_numpy() / sd for table in (truly, drawn))
    explained = 1 - ((true - ours) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    assert explained > 0.9
    # each alone, against the answer that nothing changes
    skill = 1 - ((true - ours) ** 2).sum(axis=0) / (true**2).sum(axis=0)
    assert (skill > 0.85).all(), dict(zip(SHAPE, skill, strict=True))


def test_people_of_the_model_are_distributed_like_people(spine):
    drawn, real = spine.sample(4_000, seed=3), people(draw_noise(4_000, 97))
    numbers = list(UNITS)
    assert list(drawn.columns) == list(WITH_DENSITY.names)
    spread = real[numbers].std()
    assert ((drawn[numbers].mean() - real[numbers].mean()).abs() / spread < 0.1).all()
    assert ((drawn[numbers].std() / spread - 1).abs() < 0.1).all()
    assert (drawn[numbers].corr() - real[numbers].corr()).abs().to_numpy().max() < 0.08
    assert (drawn["sex"] == "M").mean() == pytest.approx(0.5, abs=0.04)


def test_a_confounded_and_bent_world_is_answered_by_intervention_not_by_regression():
    rng = np.random.default_rng(5)
    n = 2_500
    graph = CausalGraph(
        (
            Node("cause", "real"),
            Node("dose", "real", parents=("cause",)),
            Node("effect", "real", parents=("cause", "dose")),
        )
    )
    cause = rng.uniform(-2, 2, n)
    dose = np.tanh(1.5 * cause) + 0.5 * (rng.exponential(1, n) - 1)
    own = 0.3 * rng.normal(size=n)
    table = pd.DataFrame(
        {"cause": cause, "dose": dose, "effect": 0.5 * dose**2 + 1.5 * np.sin(cause) + own}
    )
    model = fit_scm(
        graph, table, settings=short(200, mechanism=MechanismSettings(kind="spline", ridge=1e-4))
    )
    # causes are symmetric, so they cancel under an intervention, not among those who took it
    near = (table["dose"] - 1).abs() < 0.1
    assert table["effect"][near].mean() > 1.2
    given = model.sample(4_000, do={"dose": 1.0}, seed=1)
    assert (given["dose"] == 1).all()
    assert given["effect"].mean() == pytest.approx(0.5, abs=0.15)
    doubled = model.counterfactual(table, {"dose": table["dose"] + 0.5})
    change, true = doubled["effect"] - table["effect"], 0.5 * table["dose"] + 0.125
    assert 1 - ((change - true) ** 2).sum() / ((true - true.mean()) ** 2).sum() > 0.9
    skewness = (dose - dose.mean()) ** 3
    drawn = model.sample(4_000, seed=2)["dose"]
    assert ((drawn - drawn.mean()) ** 3).mean() == pytest.approx(skewness.mean(), abs=0.12)


# -- exact ----------------------------------------------------------------------------------


def test_the_noise_of_people_makes_them_again(spine, rows):
    again = spine.predict(spine.abduct(rows))
    assert (again["sex"] == rows["sex"]).all()
    numbers = list(UNITS)
    assert again[numbers].to_numpy() == pytest.approx(rows[numbers].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("names", [["age"], ["sex", "height"], list(WITH_DENSITY.names), []])
def test_setting_what_is_already_so_returns_every_person_bit_for_bit(spine, rows, names):
    null = spine.counterfactual(rows, {name: rows[name] for name in names})
    pd.testing.assert_frame_equal(null, rows, check_exact=True)


def test_only_descendants_of_what_is_set_move(spine, rows):
    older = spine.counterfactual(rows, {"age": 75})
    assert (older["age"] == 75).all()
    still = ["person_id", "sex", "height", "weight"]
    pd.testing.assert_frame_equal(older[still], rows[still], check_exact=True)
    assert (older[SHAPE] != rows[SHAPE]).to_numpy().mean() > 0.99


def test_variables_that_are_set_stay_set_and_block_what_comes_through_them(spine, rows):
    done = {"age": 75.0, "lumbar_width": rows["lumbar_width"]}
    both = spine.counterfactual(rows, done)
    age_alone = spine.counterfactual(rows, {"age": 75.0})
    assert (both["lumbar_width"] == rows["lumbar_width"]).all()
    assert (both["lumbar_height"] == age_alone["lumbar_height"]).all()
    assert not (both["lumbar_area"] == age_alone["lumbar_area"]).any()
    area_alone = spine.counterfactual(rows, {"lumbar_area": 50.0})
    assert (area_alone["lumbar_area"] == 50).all()
    assert (area_alone.drop(columns="lumbar_area") == rows.drop(columns="lumbar_area")).all(None)


def test_people_whom_an_intervention_leaves_as_they_are_do_not_move(spine, rows):
    ages = rows["age"].where(rows.index % 2 == 0, rows["age"] + 5)
    drawn = spine.counterfactual(rows, {"age": ages})
    pd.testing.assert_frame_equal(drawn[::2], rows[::2], check_exact=True)
    assert (drawn[1::2]["lumbar_width"] != rows[1::2]["lumbar_width"]).all()


def test_going_and_coming_back_returns_the_person(spine, rows):
    there = spine.counterfactual(rows, {"age": 75.0, "sex": "M"})
    back = spine.counterfactual(there, {"age": rows["age"], "sex": rows["sex"]})
    numbers = list(UNITS)
    assert back[numbers].to_numpy() == pytest.approx(rows[numbers].to_numpy(), rel=1e-9)
    assert (back["sex"] == rows["sex"]).all()


def test_shared_noise_gives_what_fresh_noise_gives(spine, rows):
    noise = spine.abduct(rows)
    for do in ({"age": 80}, {"sex": "F"}, {"height": 150.0, "age": 50}):
        pd.testing.assert_frame_equal(
            spine.counterfactual(rows, do, noise=noise), spine.counterfactual(rows, do)
        )


def test_the_index_and_foreign_columns_are_passed_on(spine, rows):
    some = rows.head(4).set_index(pd.Index([9, 7, 7, 1])).assign(scanner="x")
    drawn = spine.counterfactual(some, {"age": 80, "sex": ["M", "F", "M", "F"]})
    assert list(drawn.index) == [9, 7, 7, 1]
    assert list(drawn.columns) == list(some.columns)
    assert list(drawn["sex"]) == ["M", "F", "M", "F"]
    nobody = spine.counterfactual(rows.head(0), {"age": 80})
    assert len(nobody) == 0


# -- levels ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def treated():
    """A binary and a category that a number causes, and a number that they cause."""
    rng = np.random.default_rng(8)
    n = 1_500
    age = rng.uniform(50, 80, n)
    fracture = (rng.random(n) < 1 / (1 + np.exp(-(age - 68) / 4))).astype(int)
    utility = np.stack([np.zeros(n), (age - 60) / 8, -fracture * 2.0], axis=1)
    drug = np.array(["none", "oral", "drip"])[(utility + rng.gumbel(size=(n, 3))).argmax(axis=1)]
    pain = 2.0 * fracture + (drug == "oral") + 0.5 * rng.normal(size=n)
    graph = CausalGraph(
        (
            Node("pain", "real", parents=("fracture", "drug")),
            Node("age", "positive", "years"),
            Node("fracture", "binary", parents=("age",)),
            Node("drug", "category", parents=("age", "fracture")),
        )
    )
    table = pd.DataFrame({"age": age, "fracture": fracture, "drug": drug, "pain": pain})
    return fit_scm(graph, table, settings=short(120)), table


def test_levels_are_learned_and_move_only_where_their_chance_moves(treated):
    model, table = treated
    assert model.graph["drug"].levels == ("drip", "none", "oral")
    older = model.counterfactual(table, {"age": table["age"] + 10})
    before, after = table["fracture"], older["fracture"]
    assert (after >= before).all()  # a higher chance breaks bones and mends none
    expected = (1 / (1 + np.exp(-(table["age"] - 58) / 4))).mean()
    assert after.mean() == pytest.approx(expected, abs=0.06)
    assert 0.1 < (older["drug"] != table["drug"]).mean() < 0.6


def test_effects_of_levels_reach_what_they_cause(treated):
    model, table = treated
    mended = model.counterfactual(table, {"fracture": 0, "drug": "none"})
    change = mended["pain"] - table["pain"]
    true = -2.0 * table["fracture"] - (table["drug"] == "oral")
    assert 1 - ((change - true) ** 2).sum() / ((true - true.mean()) ** 2).sum() > 0.95
    unchanged = (table["fracture"] == 0) & (table["drug"] == "none")
    assert (mended["pain"][unchanged] == table["pain"][unchanged]).all()


def test_a_persons_noise_does_not_depend_on_the_company(treated):
    model, table = treated
    named = table.assign(person_id=[f"p{i}" for i in range(len(table))])
    everybody = model.counterfactual(named, {"age": 75})
    few = model.counterfactual(named.iloc[[700, 3]], {"age": 75})
    pd.testing.assert_frame_equal(few, everybody.iloc[[700, 3]])
    other = model.counterfactual(named, {"age": 75}, seed=1)
    assert (other["drug"] != everybody["drug"]).any()


def test_all_levels_come_back_from_their_noise(treated):
    model, table = treated
    again = model.predict(model.abduct(table))
    assert (again["drug"] == table["drug"]).all()
    assert (again["fracture"] == table["fracture"]).all()


# -- the life of a model --------------------------------------------------------------------


def test_a_model_survives_the_disk(tmp_path, treated, spine, rows):
    for model, table, do in ((*treated, {"age": 75}), (spine, rows, {"sex": "M"})):
        save_scm(tmp_path, model)
        loaded = load_scm(tmp_path)
        assert loaded.graph == model.graph
        assert loaded.settings == model.settings
        assert loaded.support == model.support
        pd.testing.assert_frame_equal(
            loaded.counterfactual(table, do), model.counterfactual(table, do), check_exact=True
        )
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_equal_seeds_give_equal_models_and_a_finished_fit_is_not_repeated(tmp_path):
    table = people(draw_noise(200, 1))
    models = [
        fit_scm(WITH_DENSITY, table, settings=short(20, seed=s), folder=tmp_path / str(place))
        for place, s in enumerate((0, 0, 1))
    ]
    first, again, other = (model.log_prob(table) for model in models)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(other)
    seen = []
    resumed = fit_scm(
        WITH_DENSITY, table, settings=short(20), folder=tmp_path / "0",
        progress=lambda share, text: seen.append((share, text)),
    )  # fmt: skip
    pd.testing.assert_frame_equal(resumed.log_prob(table), first, check_exact=True)
    assert seen[-1][0] == 1.0
    assert list(resumed.history["step"]) == list(models[0].history["step"])


def test_support_says_where_the_training_people_were(spine):
    table = people(draw_noise(3_000, 0))
    low, high = spine.support["age"]
    assert table["age"].min() <= low < high <= table["age"].max()
    assert high - low > 0.98 * (table["age"].max() - table["age"].min())
    assert "sex" not in spine.support


def test_a_right_graph_is_likelier_than_one_that_forgets_an_edge(spine):
    nodes = [replace(n, parents=("sex",)) if n.name == "lumbar_area" else n
             for n in WITH_DENSITY.nodes]  # fmt: skip
    poorer = fit_scm(CausalGraph(tuple(nodes)), people(draw_noise(1_000, 0)), settings=short(30))
    new = people(draw_noise(500, 96))
    gain = spine.log_prob(new)["lumbar_area"].mean() - poorer.log_prob(new)["lumbar_area"].mean()
    assert gain > 1.0


# -- refusals -------------------------------------------------------------------------------


def code_of(call):
    with pytest.raises(SpinecastError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", np.nan), ("age", np.inf), ("height", 0.0), ("height", -3.0), ("age", "old"),
     ("sex", "X"), ("sex", None)],
)  # fmt: skip
def test_a_row_that_does_not_fit_is_named_and_nothing_is_filled_in(spine, rows, column, value):
    broken = rows.head(5).astype({column: object})
    broken.loc[3, column] = value
    for call in (
        lambda: spine.abduct(broken),
        lambda: spine.counterfactual(broken, {"age": 75}),
        lambda: spine.log_prob(broken),
        lambda: fit_scm(WITH_DENSITY, pd.concat([broken] * 5)),
    ):
        fault = code_of(call)
        assert fault.code == "SC-413"
        assert column in fault.where
        assert "p3" in fault.where


def test_a_missing_column_is_named(spine, rows):
    fault = code_of(lambda: spine.abduct(rows.drop(columns="weight")))
    assert fault.code == "SC-413"
    assert "weight" in fault.message


@pytest.mark.parametrize(
    ("do", "code"),
    [
        ({"image": 1}, "SC-410"),
        ({"lumbar_depth": 30.0}, "SC-410"),
        ({"age": -1}, "SC-414"),
        ({"age": np.nan}, "SC-414"),
        ({"age": [70.0, 71.0]}, "SC-414"),
        ({"age": np.ones((500, 2))}, "SC-414"),
        ({"sex": "X"}, "SC-414"),
        ({"sex": 1}, "SC-414"),
    ],
)
def test_an_impossible_intervention_is_refused(spine, rows, do, code):
    assert code_of(lambda: spine.counterfactual(rows, do)).code == code
    assert code_of(lambda: spine.sample(10, do=do)).code == code


def test_noise_of_other_people_is_refused(spine, rows):
    noise = spine.abduct(rows.head(3))
    assert isinstance(noise, Noise)
    assert code_of(lambda: spine.counterfactual(rows, {"age": 75}, noise=noise)).code == "SC-414"


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (people(draw_noise(19, 0)), "SC-609"),
        (people(draw_noise(60, 0)).assign(height=170.0), "SC-603"),
    ],
)
def test_tables_that_teach_nothing_are_refused(table, code):
    assert code_of(lambda: fit_scm(WITH_DENSITY, table)).code == code


def test_a_category_with_one_level_is_refused():
    table = pd.DataFrame({"drug": ["none"] * 30})
    graph = CausalGraph((Node("drug", "category"),))
    assert code_of(lambda: fit_scm(graph, table)).code == "SC-412"


def test_an_unfitted_model_of_another_shape_does_not_load(tmp_path, spine):
    save_scm(tmp_path, spine)
    other = StructuralCausalModel(WITH_DENSITY.without("weight"), ScmSettings())
    description = (tmp_path / "scm.json").read_text()
    text = other.graph.to_text()
    content = json.loads(description)
    content["config"]["graph"] = text
    (tmp_path / "scm.json").write_text(json.dumps(content))
    assert code_of(lambda: load_scm(tmp_path)).code == "SC-403"
