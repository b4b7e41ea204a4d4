"""A run of the counterfactual study whose tables and scans are real and whose networks are not.

Cohort, images, agreement and report are the real stages; what networks would have made
follows the measured values with noise, so that every section has something to show.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.counterfactuals.linear_summary import residual_independence, standardised_weights
from spinecast.files import write_json, write_table
from spinecast.images import Preparation
from spinecast.run import RunFolder, StageContext, run_study
from spinecast.run.study import RunRequest
from spinecast.seeds import generator
from spinecast.stages import counterfactual_report, recovery_counterfactuals
from spinecast.stages.arrays import write_pixels
from spinecast.stages.counterfactual_run import BACKBONES
from spinecast.stages.mechanisms import baseline_rows
from spinecast.stages.recovery_counterfactuals import (
    CHAPTERS,
    against_true_parents,
    against_true_readings,
)
from spinecast.stages.scans import follow_up_scans, foretold, read_scans, study_graph
from spinecast.studies.counterfactual_dxa import STUDY, TINY

ORACLES = (against_true_parents, against_true_readings)
SHAPE = (24, 24)
SETTINGS = replace(
    TINY,
    preparation=Preparation(shape=SHAPE, equalisation="none", window=(0.0, 255.0)),
    judging=replace(TINY.judging, bootstrap=8, plus_years_people=4, gallery=1),
)


def make_mechanisms(context: StageContext) -> None:
    graph = study_graph(context)
    table = baseline_rows(read_scans(context.needs["images"])[1])
    graph.to_toml(context.folder / "graph.toml")
    write_table(context.folder / "weights.csv", standardised_weights(graph, table, bootstrap=10))
    write_table(context.folder / "residuals.csv", residual_independence(graph, table))
    write_json(context.folder / "scm.json", {"sha256": "ab" * 32})
    edges = [(a, b, 0.9, 0.95, True, True) for a, b in graph.edges]
    names = ["from", "to", "frequency", "adjacent", "found", "in_graph"]
    if context.options.get("discover"):
        write_table(context.folder / "discovery.csv", pd.DataFrame(edges, columns=names))


def make_image_models(context: StageContext) -> None:
    steps = np.arange(1, 31)
    for name in BACKBONES:
        history = pd.DataFrame({"step": steps, "loss": 3 / steps, "validation": 1 + 3 / steps})
        write_table(context.folder / f"history_{name}.csv", history)
        write_json(context.folder / f"{name}.json", {"sha256": "cd" * 32})


def make_judges(context: StageContext) -> None:
    write_json(context.folder / "judge.json", {"sha256": "ef" * 32})
    parents = study_graph(context).image_parents
    rows = [(name, 1.0, 1.3, 0.8, 12) for name in parents]
    names = ["parent", "mae", "rmse", "r_squared", "n"]
    write_table(context.folder / "judge_errors.csv", pd.DataFrame(rows, columns=names))


def make_counterfactuals(context: StageContext) -> None:
    scans, index = read_scans(context.needs["images"])
    test = baseline_rows(index)
    test = test[test["split"] == "test"].reset_index(drop=True)
    rng = generator(context.seed, "fake counterfactuals")
    graph_names = foretold(study_graph(context))
    write_table(context.folder / "fidelity.csv", _fidelity(test, rng))
    write_table(context.folder / "axioms.csv", _axioms(test, study_graph(context), rng))
    pairs = follow_up_scans(context.needs["images"], index)
    rows = _follow_up(test, index.set_index("image_id"), pairs, graph_names)
    write_table(context.folder / "follow_up.parquet", rows)
    write_table(context.folder / "follow_up_images.csv", _follow_up_images(rows, rng))
    _write_images(context, scans.store, test)
    older = [
        (row["person_id"], row["image_id"], name, row[name], row[name] * 1.01)
        for row in test.head(4).to_dict("records")
        for name in graph_names
    ]
    names = ["person_id", "image_id", "variable", "baseline", "predicted"]
    write_table(context.folder / "plus_ten_variables.csv", pd.DataFrame(older, columns=names))
    write_json(context.folder / "speed.json", dict.fromkeys(BACKBONES, 0.2))


def _fidelity(test: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for name, level in zip(BACKBONES, (0.86, 0.80), strict=True):
        part = test[["image_id", "person_id"]].assign(backbone=name, mae=0.02, rmse=0.03)
        parts.append(part.assign(psnr=30 + rng.normal(size=len(test)),
                                 ssim=level + 0.01 * rng.normal(size=len(test))))  # fmt: skip
    return pd.concat(parts)


def _axioms(test: pd.DataFrame, graph, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    plain = {"composition_l1": 1e-8, "composition_decoder_l1": 0.02, "reversibility_l1": 0.01,
             "minimality": 0.2}  # fmt: skip
    for person in test[["image_id", "person_id"]].to_dict("records"):
        for backbone in BACKBONES:
            own = {**person, "backbone": backbone, "target": np.nan, "read": np.nan}
            rows += [{**own, "axiom": a, "parent": "", "intervened": "", "value": v}
                     for a, v in plain.items()]  # fmt: skip
            for parent in graph.image_parents:
                for axiom, on in (("effectiveness", parent), ("untouched", "other")):
                    error = 1 + abs(rng.normal(0, 0.2)) + 0.2 * (backbone == "two_level")
                    rows.append(
                        {**own, "axiom": axiom, "parent": parent, "intervened": on, "value": error}
                    )
    return pd.DataFrame(rows)


def _follow_up(test, scans, pairs, names) -> pd.DataFrame:
    rows = []
    for person in test[test["image_id"].isin(pairs.index)].to_dict("records"):
        pair = pairs.loc[person["image_id"]]
        later = scans.loc[pair["follow_up_image_id"]]
        for mode in ("age_only", "all_covariates"):
            sources = [("variables", ""), ("persistence", ""), ("acquired", "")]
            for source, backbone in [*sources, *(("image", b) for b in BACKBONES)]:
                row = {"person_id": person["person_id"], "image_id": person["image_id"],
                       "follow_up_image_id": pair["follow_up_image_id"], "years": pair["years"],
                       "mode": mode, "source": source, "backbone": backbone}  # fmt: skip
                for name in names:
                    before, after = float(person[name]), float(later[name])
                    share = {"persistence": 0.0, "variables": 0.5}.get(source, 0.3)
                    row |= {f"{name}_baseline": before, f"{name}_follow_up": after,
                            f"{name}_predicted": before + share * (after - before),
                            f"{name}_read": np.nan}  # fmt: skip
                rows.append(row)
    return pd.DataFrame(rows)


def _follow_up_images(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame({"backbone": [], "mode": []})
    table = rows[rows["source"] == "image"][["person_id", "image_id", "backbone", "mode"]]
    for name, level in (("generated", 0.05), ("unchanged", 0.06), ("copy", 0.055)):
        table[f"mae_{name}"] = level + 0.005 * rng.uniform(size=len(table))
        table[f"rmse_{name}"] = table[f"mae_{name}"] * 1.3
    return table


def _write_images(context: StageContext, store, test: pd.DataFrame) -> None:
    folder, judging = context.folder, context.settings.judging
    shown, older = test.head(judging.gallery), test.head(judging.plus_years_people)
    images = store.read(shown["row"].to_numpy())
    aged = np.stack([images * (1 - 0.02 * k) for k in range(len(judging.ages))], axis=1)
    write_pixels(folder / "ageing_mean.npy", aged)
    write_pixels(folder / "ageing_spread.npy", 0.02 * aged)
    write_pixels(folder / "factual.npy", images)
    write_json(
        folder / "ageing_images.json",
        {"image_id": shown["image_id"].tolist(), "ages": list(judging.ages), "backbone": "deep"},
    )
    drawn = store.read(older["row"].to_numpy())
    for backbone in BACKBONES:
        for kind, shift in (("", 0.0), ("low_", -0.05), ("high_", 0.05)):
            write_pixels(folder / f"plus_ten_{kind}{backbone}.npy", 0.98 * drawn + shift)
    write_json(folder / "plus_ten.json", {"image_id": older["image_id"].tolist(), "years": 10.0})


def fake_study():
    """The study with causal model, networks and drawings made up."""
    fakes = {
        "mechanisms": make_mechanisms,
        "image_models": make_image_models,
        "judges": make_judges,
        "counterfactuals": make_counterfactuals,
    }
    stages = [replace(stage, make=fakes.get(stage.name, stage.make)) for stage in STUDY.stages]
    return replace(STUDY, stages=tuple(stages), presets={"tiny": SETTINGS})


def make_fake_run(folder: Path, *, source: str = "simulated:dxa-tiny", **options) -> RunFolder:
    """Run the fake study: intervals of a few resamples, no oracle that needs networks."""
    askable = [chapter for chapter in CHAPTERS if chapter not in ORACLES]
    request = RunRequest("tiny", source, 3, {"networks": "train", **options})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery_counterfactuals, "RESAMPLES", 8)
        patch.setattr(counterfactual_report, "CHAPTERS", askable)
        return run_study(fake_study(), request, folder)
