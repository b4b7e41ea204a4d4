"""Stage `mechanisms`: the causal model of the variables, and what the data say of its graph."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd

from spinecast.counterfactuals import (
    CausalGraph,
    DiscoverySettings,
    FollowedPeople,
    ScmSettings,
    discover_edges,
    fit_scm,
    residual_independence,
    save_scm,
    standardised_weights,
)
from spinecast.counterfactuals.spine_graph import TIERS
from spinecast.files import write_table
from spinecast.run import StageContext
from spinecast.seeds import integer
from spinecast.stages.counterfactual_settings import CausalSettings
from spinecast.stages.scans import TIME, read_scans, study_graph
from spinecast.stages.training import part_of


def make_mechanisms(context: StageContext) -> None:
    """Fit the causal model to visits of training people; write its graph and checks.

    Noise is a person's own, so people enter with their baseline visit; a last later one adds
    what changed. Weights, residuals and discovery look at the baseline visits of all but
    test people.
    """
    causal: CausalSettings = context.settings.causal
    graph = study_graph(context)
    index = read_scans(context.needs["images"])[1]
    known = baseline_rows(index)
    training = known[known["split"] == "train"]
    model = fit_scm(
        graph,
        training,
        settings=scm_settings(causal, context.seed),
        follow_ups=followed(index, training) if TIME in graph.names else None,
        folder=context.folder / "training",
        progress=part_of(context, (0.0, 0.6), label="mechanisms"),
    )
    save_scm(context.folder, model)
    write_table(context.folder / "history.csv", model.history)
    graph.to_toml(context.folder / "graph.toml")
    seen = known[known["split"] != "test"]
    weights = standardised_weights(
        graph, seen, bootstrap=causal.resamples, seed=integer(context.seed, "weights") % 2**31
    )
    write_table(context.folder / "weights.csv", weights)
    write_table(context.folder / "residuals.csv", residual_independence(graph, seen))
    if context.options.get("discover"):
        write_table(context.folder / "discovery.csv", _discovered(graph, seen, context))
    shutil.rmtree(context.folder / "training", ignore_errors=True)


def baseline_rows(index: pd.DataFrame) -> pd.DataFrame:
    """Return one row a person: the baseline visit, whatever number of images it has."""
    baseline = index[index["visit"] == 0]
    return baseline.drop_duplicates("person_id").reset_index(drop=True)


def followed(index: pd.DataFrame, baseline: pd.DataFrame) -> FollowedPeople:
    """Return the people of ``baseline`` who came again, beside their last visit."""
    later = index[index["visit"] > 0].sort_values(["visit", "image_id"], kind="stable")
    last = later.drop_duplicates("person_id", keep="last").set_index("person_id", drop=False)
    again = baseline[baseline["person_id"].isin(last.index)].reset_index(drop=True)
    return FollowedPeople(again, last.loc[again["person_id"]].reset_index(drop=True), TIME)


def scm_settings(causal: CausalSettings, seed: int) -> ScmSettings:
    """Return how the causal model is fitted."""
    start = ScmSettings()
    length = replace(
        start.fit,
        max_steps=causal.steps,
        warmup_steps=min(start.fit.warmup_steps, causal.steps // 4),
    )
    return replace(start, fit=length, seed=integer(seed, "scm") % 2**31)


def _discovered(graph: CausalGraph, table: pd.DataFrame, context: StageContext) -> pd.DataFrame:
    known = set(graph.names) <= set(TIERS)
    settings = DiscoverySettings(
        tiers={name: TIERS[name] for name in graph.names} if known else None,
        resamples=context.settings.causal.discovery_resamples,
        seed=integer(context.seed, "discovery") % 2**31,
    )
    return discover_edges(
        graph, table, settings=settings, progress=part_of(context, (0.7, 1.0), label="edges")
    )
