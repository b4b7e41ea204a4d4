"""The counterfactual study on the tiny simulated cohort, run once from images to recovery."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from spinecast.cohort import open_cohort
from spinecast.counterfactuals import CausalGraph, load_scm
from spinecast.counterfactuals.answer import image_counterfactual, parent_values
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.errors import SpinecastError
from spinecast.files import write_bytes
from spinecast.images import Image, Preparation, prepare_radiograph
from spinecast.images.fidelity import middle_columns
from spinecast.run import RunFolder, StageContext, run_study
from spinecast.run.settings import fingerprint, settings_from_dict, settings_to_dict, to_toml
from spinecast.run.study import RunRequest
from spinecast.stages.arrays import read_pixels
from spinecast.stages.axiom_estimates import LESS_TWO_LEVEL
from spinecast.stages.cohort import read_cohort
from spinecast.stages.counterfactual_blocks import (
    Block,
    DrawCounterfactuals,
    donors,
    possible_values,
)
from spinecast.stages.counterfactual_goods import Folders, open_goods
from spinecast.stages.counterfactual_run import SavedCounterfactuals
from spinecast.stages.counterfactual_settings import CounterfactualSettings
from spinecast.stages.counterfactuals import gallery
from spinecast.stages.image_models import make_image_models, make_judges
from spinecast.stages.mechanisms import make_mechanisms
from spinecast.stages.morphometry_agreement import changes, determination
from spinecast.stages.recovery import compared
from spinecast.stages.recovery_counterfactuals import CHAPTERS
from spinecast.stages.recovery_rows import Recovered
from spinecast.stages.scans import (
    follow_up_scans,
    make_scans,
    read_scans,
    short_name,
    study_graph,
)
from spinecast.stages.weights import export_weights, weights_folder
from spinecast.studies.counterfactual_dxa import PICTURES, STUDY, TINY

SOURCE, SEED = "simulated:dxa-tiny", 1
SIZES = ("width", "height", "area", "bmd")
BACKBONES = {"", "_two_level"}
SETTINGS = replace(
    TINY,
    two_level=replace(TINY.two_level, steps=20),
    deep=replace(TINY.deep, steps=20),
    reader=replace(TINY.reader, steps=30),
    judge=replace(TINY.judge, steps=40),
    judging=replace(TINY.judging, particles=4, bootstrap=20),
)
#: Without the report, which is tested by itself.
SHORT = replace(STUDY, presets={"tiny": SETTINGS}, stages=STUDY.stages[:-1], publishes={})


class Witness:
    """Remembers which stages were made and which were kept."""

    def __init__(self) -> None:
        self.kept: dict[str, bool] = {}

    def stage_started(self, name: str) -> None:
        pass

    def stage_progress(self, done: float, text: str) -> None:
        assert 0 <= done <= 1, text

    def stage_finished(self, name: str, *, seconds: float, kept: bool) -> None:
        self.kept[name] = kept


def make_run(folder: Path, options: dict | None = None) -> tuple[RunFolder, Witness]:
    witness = Witness()
    request = RunRequest("tiny", SOURCE, SEED, {"networks": "train", **(options or {})})
    return run_study(SHORT, request, folder, listener=witness), witness


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("counterfactual") / "run")[0]


@pytest.fixture(scope="module")
def made(run) -> Path:
    return run.stage_path("counterfactuals")


@pytest.fixture(scope="module")
def goods(run):
    return open_goods(Folders.of({s.name: run.stage_path(s.name) for s in SHORT.stages}))


@pytest.fixture(scope="module")
def estimates(run) -> pd.DataFrame:
    return pd.read_csv(run.stage_path("agreement") / "estimates.csv")


@pytest.fixture(scope="module")
def recovery(run) -> pd.DataFrame:
    folders = {stage.name: run.stage_path(stage.name) for stage in SHORT.stages}
    saved = SavedCounterfactuals(folders, SETTINGS, SOURCE, SEED, {})
    truth, rows = open_cohort(SOURCE, seed=SEED).truth(), Recovered()
    for chapter in CHAPTERS:
        chapter(rows, saved, truth)
    return compared(rows.to_frame())


def context_of(run: RunFolder, folder: Path, **changes) -> StageContext:
    needs = {stage.name: run.stage_path(stage.name) for stage in SHORT.stages}
    values = {"folder": folder, "needs": needs, "settings": SETTINGS, "source": SOURCE,
              "seed": SEED, "options": {"networks": "train"}}  # fmt: skip
    return StageContext(**{**values, **changes})


def terms_of(table: pd.DataFrame, analysis: str) -> set[str]:
    return set(table.loc[table["analysis"] == analysis, "term"])


def test_every_image_given_is_used_skipped_or_quarantined(run) -> None:
    flow = json.loads((run.stage_path("images") / "flow.json").read_text())
    left_out = sum(step["n_images"] for step in flow["steps"])
    given = len(open_cohort(SOURCE, seed=SEED).load().images)
    assert flow["given_images"] == given == flow["used_images"] + left_out
    assert "lumbar_width not known at the visit" in [step["label"] for step in flow["steps"]]


def test_images_whose_variables_are_not_known_are_left_out(run, tmp_path) -> None:
    loaded = open_cohort(SOURCE, seed=SEED).load()
    unknown = set(loaded.visits.loc[loaded.visits["height"].isna(), "person_id"])
    used = read_cohort(run.stage_path("images")).images
    rows = used.merge(loaded.visits, on=["person_id", "visit"])
    assert unknown
    assert rows["height"].notna().all()


def test_no_person_is_in_two_splits_and_all_judged_people_are_test_people(run, made) -> None:
    _, index = read_scans(run.stage_path("images"))
    assert (index.groupby("person_id")["split"].nunique() == 1).all()
    test = set(index.loc[index["split"] == "test", "person_id"])
    for name in ("fidelity.csv", "axioms.csv", "plus_ten_variables.csv", "follow_up_images.csv"):
        assert set(pd.read_csv(made / name)["person_id"]) <= test, name
    assert set(pd.read_parquet(made / "follow_up.parquet")["person_id"]) <= test


def test_grey_values_mean_the_same_in_every_prepared_scan(run) -> None:
    scans, index = read_scans(run.stage_path("images"))
    source = open_cohort(SOURCE, seed=SEED)
    for place in (0, len(index) - 1):
        native = source.open_image(index["image_id"][place]).pixels
        prepared = scans.read([place])[0]
        assert prepared.mean() == pytest.approx(native.mean() / 255, abs=0.002)


def test_a_window_maps_its_ends_to_black_and_white_and_clips_beyond() -> None:
    ramp = np.tile(np.linspace(-50, 300, 32, dtype=np.float32), (32, 1))
    plain = Preparation((32, 32), equalisation="none", window=(0.0, 200.0))
    expected = np.clip(ramp / 200, 0, 1)
    assert np.allclose(prepare_radiograph(Image(ramp), plain), expected, atol=1e-6)


@pytest.mark.parametrize("window", [(5.0,), (5.0, 5.0), (9.0, 1.0)])
def test_a_window_that_does_not_rise_is_refused(window) -> None:
    with pytest.raises(SpinecastError, match="SC-706"):
        Preparation((32, 32), equalisation="none", window=window)
    with pytest.raises(SpinecastError, match="SC-706"):
        Preparation((32, 32), equalisation="clahe", window=(0.0, 1.0))


def test_mechanisms_leave_the_model_its_graph_and_checks_of_it(run) -> None:
    folder = run.stage_path("mechanisms")
    graph = CausalGraph.from_toml(folder / "graph.toml")
    assert load_scm(folder).graph == graph
    weights = pd.read_csv(folder / "weights.csv")
    assert list(zip(weights["from"], weights["to"], strict=True)) == list(graph.edges)
    assert (weights["ci_low"] < weights["ci_high"]).all()
    assert pd.read_csv(folder / "residuals.csv")["p_holm"].between(0, 1).all()
    assert not (folder / "discovery.csv").exists()


def test_networks_are_kept_with_their_histories_and_no_training_is_left(run) -> None:
    folder = run.stage_path("image_models")
    # in so few steps the divergence's weight still grows, and the loss of a batch hangs on how
    # many came twice: the two-level model falls on its batches, the deep one on strangers
    for name, falls in (("two_level", "loss"), ("deep", "validation")):
        history = pd.read_csv(folder / f"history_{name}.csv")
        assert history[falls].iloc[-1] < history[falls].iloc[0]
        assert (
            ImageMechanism.load(folder, name).parents
            == load_scm(run.stage_path("mechanisms")).graph.image_parents
        )
    assert not (folder / "training").exists()


def test_the_judge_is_not_the_reader_that_the_models_were_trained_against(run) -> None:
    reader = ParentJudge.load(run.stage_path("image_models"), "reader").reader
    judge = ParentJudge.load(run.stage_path("judges")).reader
    assert reader.config.widths != judge.config.widths
    errors = pd.read_csv(run.stage_path("judges") / "judge_errors.csv")
    assert list(errors.columns) == ["parent", "mae", "rmse", "r_squared", "n"]
    assert (errors["mae"] <= errors["rmse"]).all()


def test_no_change_of_parents_returns_the_image_itself(estimates) -> None:
    composed = estimates[estimates["term"].str.startswith("composition_l1")]
    assert len(composed) == 2
    assert (composed["estimate"] < 1e-5).all()


def test_an_intervention_moves_what_follows_from_it_and_nothing_else(goods) -> None:
    rows = goods.test.head(3)
    answer = image_counterfactual(
        goods.scm, goods.backbones["deep"], rows, images=goods.images(rows),
        do=[{}, {"lumbar_width": rows["lumbar_width"] + 3}],
    )  # fmt: skip
    same, wider = answer.variables
    assert np.abs(answer.images.mean[0] - goods.images(rows)).max() < 1e-5
    assert (same["lumbar_area"] == rows["lumbar_area"]).all()
    assert (wider["lumbar_area"] > rows["lumbar_area"]).all()
    assert (wider["lumbar_height"] == rows["lumbar_height"]).all()


def test_image_and_variables_must_be_of_one_graph(goods) -> None:
    rows = goods.test.head(1)
    other = ImageMechanism(goods.backbones["deep"].model, ("a", "b", "c", "d", "e"))
    with pytest.raises(SpinecastError, match="SC-403"):
        image_counterfactual(goods.scm, other, rows, images=goods.images(rows), do=[{}])


def test_image_parents_with_three_levels_are_refused() -> None:
    graph = CausalGraph.from_text(
        '[variables.kind]\nkind = "category"\nlevels = ["a", "b", "c"]\n[image]\nparents = ["kind"]'
    )
    with pytest.raises(SpinecastError, match="SC-407"):
        parent_values(graph, pd.DataFrame({"kind": ["a"]}))


def test_predictions_have_a_row_for_each_person_mode_and_source(made, goods) -> None:
    table = pd.read_parquet(made / "follow_up.parquet")
    people = set(goods.test["image_id"]) & set(goods.pairs.index)
    sources = {("variables", ""), ("persistence", ""), ("acquired", ""), ("image", "deep"),
               ("image", "two_level")}  # fmt: skip
    keys = table[["image_id", "mode", "source", "backbone"]]
    assert not keys.duplicated().any()
    assert len(table) == len(people) * 2 * len(sources)
    assert set(zip(table["source"], table["backbone"], strict=True)) == sources
    still = table[table["source"] == "persistence"]
    assert (still["lumbar_width_predicted"] == still["lumbar_width_baseline"]).all()


def test_age_only_and_all_covariates_foretell_differently_from_the_same_baseline(made) -> None:
    table = pd.read_parquet(made / "follow_up.parquet")
    told = table[table["source"] == "variables"].set_index(["person_id", "mode"])
    wide = told["lumbar_width_predicted"].unstack()
    assert not np.allclose(wide["age_only"], wide["all_covariates"])
    assert (told["lumbar_width_baseline"].unstack().nunique(axis=1) == 1).all()


def test_axioms_are_measured_for_each_intervention_and_parent(made, goods) -> None:
    table = pd.read_csv(made / "axioms.csv").fillna({"parent": "", "intervened": ""})
    parents = set(goods.scm.graph.image_parents)
    people = min(SETTINGS.judging.axiom_people, len(goods.test))
    for axiom in ("reversibility_l1", "minimality"):
        rows = table[table["axiom"] == axiom]
        assert set(rows["intervened"]) == parents
        assert len(rows) == 2 * people * len(parents)
    read = table[table["axiom"].isin(["effectiveness", "untouched"])]
    assert np.allclose(read["value"], (read["target"] - read["read"]).abs())
    moved = read[read["intervened"] == "lumbar_width"].groupby("axiom")["parent"].unique()
    assert set(moved["effectiveness"]) == {"lumbar_width", "lumbar_area"}
    assert set(moved["untouched"]) == parents - {"lumbar_width", "lumbar_area"}


def test_values_to_set_are_lent_by_another_person_of_the_same_sex(goods) -> None:
    rows = goods.test.head(8)
    lender = donors(goods, rows, "lumbar_width", seed=3)
    assert lender["sex"].tolist() == rows["sex"].tolist()
    assert (lender["person_id"] != rows["person_id"]).all()
    assert possible_values(goods, rows, lender, name="age") == lender["age"].tolist()


def test_values_to_set_fit_the_persons_own_causes(goods) -> None:
    rows = goods.test.head(8)
    lender = donors(goods, rows, "lumbar_area", seed=3)
    ours = possible_values(goods, rows, lender, name="lumbar_area")
    assert possible_values(goods, rows, rows, name="lumbar_area") == rows["lumbar_area"].tolist()
    gap = (rows["lumbar_area"] - ours).abs().mean()
    assert 0 < gap < (rows["lumbar_area"] - lender["lumbar_area"]).abs().mean()


def test_the_gallery_takes_sexes_in_turn_and_people_with_a_later_scan_first(goods) -> None:
    shown = goods.test.iloc[gallery(goods, 4)]
    assert shown["sex"].nunique() == 2
    assert shown["image_id"].iloc[:2].isin(goods.pairs.index).all()


def test_drawn_arrays_are_named_and_of_one_shape(made) -> None:
    older = json.loads((made / "plus_ten.json").read_text())
    size = (len(older["image_id"]), *SETTINGS.preparation.shape)
    for backbone in ("two_level", "deep"):
        low, mean, high = (
            read_pixels(made / f"plus_ten_{kind}{backbone}.npy") for kind in ("low_", "", "high_")
        )
        assert low.shape == mean.shape == high.shape == size
        assert (low <= high).all()
    ages = json.loads((made / "ageing_images.json").read_text())
    shape = (len(ages["image_id"]), len(ages["ages"]), *SETTINGS.preparation.shape)
    assert read_pixels(made / "ageing_mean.npy").shape == shape
    assert read_pixels(made / "ageing_spread.npy").shape == shape
    assert read_pixels(made / "factual.npy").shape == (shape[0], *shape[2:])
    assert set(json.loads((made / "speed.json").read_text())) == {"two_level", "deep"}
    assert not (made / "blocks").exists()


def test_later_scans_are_paired_by_person_and_time(run) -> None:
    _, index = read_scans(run.stage_path("images"))
    pairs = follow_up_scans(run.stage_path("images"), index)
    known = index.set_index("image_id")
    later = known.loc[pairs["follow_up_image_id"]]
    assert (later["visit"] > 0).all()
    gap = later["age"].to_numpy() - known.loc[pairs.index, "age"].to_numpy()
    assert np.allclose(gap, pairs["years"], atol=0.01)


def test_every_promised_estimate_is_a_finite_number(estimates) -> None:
    fidelity = {f"{m}{s}" for m in ("mae", "rmse", "psnr", "ssim") for s in BACKBONES}
    assert terms_of(estimates, "reconstruction") == fidelity
    promised = {f"{t}_{v}{s}" for t in ("r_squared", "r_squared_change") for v in SIZES
                for s in ("", "_image", "_image_two_level", "_all_covariates", "_persistence",
                          "_acquired")}  # fmt: skip
    promised |= {f"{t}_{v}" for t in ("icc", "lin", "bias", "lower_limit", "upper_limit")
                 for v in SIZES}  # fmt: skip
    promised |= {f"measurement_error_floor_{v}" for v in SIZES}
    promised |= {"sign_agreement", "sign_agreement_width", "sign_agreement_image", "image_skill"}
    assert promised <= terms_of(estimates, "follow_up")
    axioms = {"composition_l1", "composition_decoder_l1", "reversibility_l1", "minimality",
              "reversibility_ratio", "effectiveness_ratio", "untouched_ratio",
              "effectiveness_marginal_ratio"}  # fmt: skip
    judged = ("effectiveness", "effectiveness_marginal", "untouched")
    axioms |= {f"{a}{r}_{v}" for a in judged for r in ("", "_ratio")
               for v in (*SIZES, "age")}  # fmt: skip
    axioms = {f"{term}{s}" for term in axioms for s in BACKBONES}
    assert terms_of(estimates, "axioms") == {*axioms, LESS_TWO_LEVEL}
    assert np.isfinite(estimates["estimate"]).all()
    assert not estimates.duplicated(["analysis", "term"]).any()


def test_the_two_backbones_are_compared_on_the_same_people(estimates) -> None:
    rows = estimates.set_index("term")
    first, other = rows.loc["effectiveness_ratio"], rows.loc["effectiveness_ratio_two_level"]
    less = rows.loc[LESS_TWO_LEVEL]
    assert less["estimate"] == pytest.approx(first["estimate"] - other["estimate"])
    assert less["ci_low"] < less["estimate"] < less["ci_high"]
    assert less["n"] == first["n"]


def test_no_change_has_no_sign_and_no_skill_of_change(estimates) -> None:
    table = estimates.set_index("term")["estimate"]
    assert "sign_agreement_persistence" not in table
    assert (table[[f"r_squared_change_{v}_persistence" for v in SIZES]] <= 0).all()


def test_estimates_lie_within_their_intervals(estimates) -> None:
    known = estimates.dropna(subset=["ci_low"])
    formula = known[known["term"].str.match("icc|lin|bias|mae|psnr|ssim")]
    assert len(formula) > 20
    assert (formula["ci_low"] <= formula["estimate"]).all()
    assert (formula["estimate"] <= formula["ci_high"]).all()


def test_the_truth_is_set_beside_graph_effects_images_and_signs(recovery) -> None:
    rows = recovery.set_index(["analysis", "term"])
    weights = recovery[recovery["analysis"] == "graph"]
    assert len(weights) == 14
    assert (weights["kind"] == "parameter").all()
    assert rows.loc[("graph", "weight_sex_to_height"), "truth"] == pytest.approx(1.439)
    assert rows.loc[("mechanisms", "effect_of_age_on_width"), "truth"] > 0
    for suffix in BACKBONES:
        assert rows.loc[("truth", f"skill_over_no_change{suffix}"), "estimate"] < 1
        assert rows.loc[("truth", f"skill_given_true_parents{suffix}"), "estimate"] < 1
        assert 0 <= rows.loc[("truth", f"interval_coverage{suffix}"), "estimate"] <= 1
    assert 0 < rows.loc[("truth", "skill_true_parents_only"), "estimate"] <= 1
    for name in (*SIZES, "age"):
        term = f"effectiveness_ratio_{name}_of_true_images"
        assert rows.loc[("axioms", term), "estimate"] > 0
    attained = rows.loc[("follow_up", "sign_agreement_attainable"), "estimate"]
    share = rows.loc[("follow_up", "sign_agreement_fraction_of_attainable"), "estimate"]
    ours = rows.loc[("follow_up", "sign_agreement"), "estimate"]
    assert share == pytest.approx(ours / attained)
    assert np.isfinite(recovery["estimate"]).all()


def test_running_again_keeps_every_stage_and_another_graph_begins_anew(run) -> None:
    _, witness = make_run(run.path)
    assert witness.kept == {stage.name: True for stage in SHORT.stages}
    record = {**run.record, "options": {**run.record["options"], "graph": "other"}}
    states = {s.name: s.state for s in RunFolder(run.path, record).status(SHORT.stages)}
    assert states["cohort"] == "kept"
    assert {s for n, s in states.items() if n != "cohort"} == {"stale"}


def test_a_graph_of_the_users_own_replaces_the_studys(run, tmp_path) -> None:
    text = '[variables.weight]\n\n[image]\nparents = ["weight"]\n'.replace(
        "[variables.weight]", '[variables.weight]\nkind = "positive"'
    )
    context = context_of(run, tmp_path, options={"networks": "train", "graph": text})
    assert study_graph(context).names == ("weight",)
    make_scans(replace_settings(context))
    flow = json.loads((tmp_path / "flow.json").read_text())
    labels = [step["label"] for step in flow["steps"]]
    assert "weight not known at the visit" in labels
    assert not any("height" in label for label in labels)


def replace_settings(context: StageContext) -> StageContext:
    small = replace(SETTINGS, preparation=Preparation((48, 48), equalisation="none"))
    return replace(context, settings=small)


@pytest.fixture(scope="module")
def weights(run, tmp_path_factory) -> Path:
    write_bytes(
        run.path / "estimates.csv",
        (run.stage_path("agreement") / "estimates.csv").read_bytes(),
    )
    return export_weights(run, tmp_path_factory.mktemp("weights") / "w")


def given(run: RunFolder, folder: Path, weights: Path, networks: str = "weights") -> StageContext:
    short = {name: replace(getattr(SETTINGS, name), steps=2) for name in
             ("two_level", "deep", "reader", "judge")}  # fmt: skip
    options = {"networks": networks, "weights": str(weights)}
    return context_of(run, folder, options=options, settings=replace(SETTINGS, **short))


@pytest.fixture
def strangers(weights, tmp_path) -> Path:
    """Weights that do not say what they were fitted to."""
    target = tmp_path / "strangers"
    shutil.copytree(weights, target, ignore=shutil.ignore_patterns("seen.npy"))
    return target


def test_weights_of_a_run_may_not_judge_the_scans_they_were_fitted_to(
    run, weights, tmp_path
) -> None:
    assert "effectiveness_ratio" in (weights / "CARD.md").read_text()
    for make in (make_image_models, make_judges):
        with pytest.raises(SpinecastError, match="SC-408"):
            make(given(run, tmp_path, weights))


def test_given_weights_are_taken_as_they_are(run, strangers, tmp_path) -> None:
    context = given(run, tmp_path, strangers)
    make_image_models(context)
    make_judges(context)
    before = run.stage_path("image_models")
    for name in ("two_level", "deep"):
        theirs, ours = (ImageMechanism.load(f, name).model.state_dict() for f in (before, tmp_path))
        assert all((theirs[key] == ours[key]).all() for key in theirs)
    assert (tmp_path / "judge_errors.csv").read_text() == (
        run.stage_path("judges") / "judge_errors.csv"
    ).read_text()
    assert not (tmp_path / "history_deep.csv").exists()


def test_fine_tuning_starts_where_the_weights_ended(run, strangers, tmp_path) -> None:
    make_image_models(given(run, tmp_path, strangers, "fine-tune"))
    begun, before = (
        pd.read_csv(folder / "history_deep.csv")["validation"]
        for folder in (tmp_path, run.stage_path("image_models"))
    )
    assert begun.iloc[0] < before.iloc[0]


def test_weights_for_other_images_are_refused(run, strangers, tmp_path) -> None:
    context = given(run, tmp_path, strangers)
    other = replace(SETTINGS, preparation=Preparation((64, 64), equalisation="none"))
    with pytest.raises(SpinecastError, match="SC-403"):
        make_image_models(replace(context, settings=other))


def test_edges_are_looked_for_where_the_run_asks(run, tmp_path) -> None:
    causal = replace(SETTINGS.causal, steps=2, discovery_resamples=1, resamples=3)
    options = {"networks": "train", "discover": True}
    context = context_of(run, tmp_path, options=options, settings=replace(SETTINGS, causal=causal))
    make_mechanisms(context)
    found = pd.read_csv(tmp_path / "discovery.csv")
    assert {"from", "to", "frequency", "in_graph"} <= set(found.columns)
    assert found["in_graph"].sum() == len(pd.read_csv(tmp_path / "weights.csv"))
    assert not found["to"].isin(["sex", "age"]).any()


def test_blocks_that_were_finished_before_a_kill_are_kept(run, goods, tmp_path) -> None:
    folders = Folders.of({s.name: run.stage_path(s.name) for s in SHORT.stages})
    work = DrawCounterfactuals(folders, tmp_path, SETTINGS.judging, seed=5)
    block = Block(3, "plus_ten", (0, 1))
    done = work(block)
    first = done.stat().st_mtime_ns
    assert work(block).stat().st_mtime_ns == first
    again = replace(work, target=tmp_path / "again")(block)
    arrays, same = (np.load(file, allow_pickle=False) for file in (done, again))
    assert len(arrays.files) == 6
    assert all(np.array_equal(arrays[name], same[name]) for name in arrays.files)


def picture_folder(folder: Path) -> Path:
    """Bright discs as PNG files, with what shapes them in tables of the user's own columns."""
    rng, visits, images = np.random.default_rng(0), [], []
    rows, columns = np.mgrid[:64, :64]
    for person in range(40):
        age, own = rng.uniform(40, 80), rng.normal(0, 1.5)
        for visit in (0, 1):
            radius = 8 + 0.15 * (age + 5 * visit - 40) + own
            disc = (rows - 32) ** 2 + (columns - 32) ** 2 < radius**2
            name = f"p{person}v{visit}"
            pixels = 255 * (0.7 * disc + 0.2 * rng.random((64, 64)))
            Picture.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
            who = {"person_id": f"p{person}", "visit": visit}
            visits.append({**who, "age": age + 5 * visit, "diameter": 2 * radius})
            images.append({**who, "image_id": name, "path": f"{name}.png"})
    pd.DataFrame(visits).to_csv(folder / "visits.csv", index=False)
    pd.DataFrame(images).to_csv(folder / "images.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        pytest.param(
            '[variables.diameter]\nkind = "positive"\n[image]\nparents = ["diameter"]',
            set(), id="no time",
        ),
        pytest.param(
            '[variables.age]\nkind = "positive"\n[image]\nparents = ["age"]',
            {"image_mae", "image_skill", "image_skill_against_copy"}, id="time alone",
        ),
    ],
)  # fmt: skip
def test_any_folder_of_pictures_with_a_graph_is_a_study(tmp_path, graph, told) -> None:
    (tmp_path / "data").mkdir()
    brief = {name: replace(getattr(TINY, name), steps=3) for name in
             ("two_level", "deep", "reader", "judge")}  # fmt: skip
    settings = replace(
        PICTURES,
        **brief,
        networks="tiny",
        preparation=Preparation((32, 32), equalisation="none"),
        cohort=replace(PICTURES.cohort, fractions=(0.6, 0.2, 0.2)),
        causal=replace(TINY.causal, steps=5, resamples=5),
        judging=replace(TINY.judging, particles=2, bootstrap=10, precision={}, pooled=()),
    )
    study = replace(SHORT, presets={"pictures": settings})
    source = str(picture_folder(tmp_path / "data"))
    request = RunRequest("pictures", source, SEED, {"networks": "train", "graph": graph})
    run = run_study(study, request, tmp_path / "run")
    estimates = pd.read_csv(run.stage_path("agreement") / "estimates.csv")
    assert terms_of(estimates, "follow_up") == {f"{t}{s}" for t in told for s in BACKBONES}
    composed = estimates[estimates["term"] == "composition_l1"]["estimate"]
    assert (composed < 1e-5).all()


def test_too_few_people_for_three_splits_are_refused(run, tmp_path) -> None:
    few = tmp_path / "images"
    shutil.copytree(run.stage_path("images"), few)
    splits = pd.read_csv(few / "splits.csv").assign(split="train")
    splits.to_csv(few / "splits.csv", index=False)
    with pytest.raises(SpinecastError, match="SC-609"):
        make_judges(context_of(run, tmp_path, needs={"images": few}))


def test_a_graph_without_image_parents_is_refused(run, tmp_path) -> None:
    text = '[variables.age]\nkind = "positive"\n'
    with pytest.raises(SpinecastError, match="SC-407"):
        study_graph(context_of(run, tmp_path, options={"graph": text}))


def test_without_shipped_weights_the_study_says_so(tmp_path) -> None:
    with pytest.raises(SpinecastError, match="SC-406"):
        weights_folder(str(tmp_path), study="counterfactual-dxa", sign="deep.json")


@pytest.mark.parametrize("preset", sorted(STUDY.presets))
def test_settings_survive_the_run_folder(preset) -> None:
    settings = STUDY.presets[preset]
    written = tomllib.loads(to_toml({"settings": settings_to_dict(settings)}))
    assert settings_from_dict(CounterfactualSettings, written["settings"]) == settings


def test_settings_without_a_window_keep_the_fingerprint_they_had() -> None:
    plain = settings_to_dict(Preparation((32, 32)))
    assert fingerprint(plain) == fingerprint({k: v for k, v in plain.items() if k != "window"})


def test_changes_of_readings_are_taken_between_readings() -> None:
    table = pd.DataFrame(
        {"x_baseline": [10.0], "x_follow_up": [11.0], "x_predicted": [14.0], "x_read": [13.5]}
    )
    predicted, measured = changes(table, "x")
    assert (predicted[0], measured[0]) == (0.5, 1.0)
    unread, _ = changes(table.assign(x_read=np.nan), "x")
    assert unread[0] == 4.0


def test_determination_is_one_for_the_truth_zero_for_the_mean_and_unknown_without_spread() -> None:
    known = np.array([1.0, 2.0, 4.0])
    assert determination(known, known) == 1.0
    assert determination(np.full(3, known.mean()), known) == pytest.approx(0.0)
    assert np.isnan(determination(known, np.ones(3)))


@pytest.mark.parametrize(("name", "short"), [("lumbar_width", "width"), ("bmd_spine", "bmd"),
                                             ("age", "age")])  # fmt: skip
def test_estimates_are_called_by_short_names(name, short) -> None:
    assert short_name(name) == short


def test_the_region_of_interest_is_the_middle_of_the_columns() -> None:
    assert middle_columns(10, 0.4) == slice(3, 7)
    assert middle_columns(192, 0.4) == slice(57, 134)
