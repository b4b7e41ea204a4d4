"""Fit a structural causal model to a table: all mechanisms together, by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.graph_network import GraphNetwork
from spinecast.counterfactuals.row_codes import encode_rows, fill_levels, person_groups
from spinecast.counterfactuals.scm import ScmSettings, StructuralCausalModel
from spinecast.counterfactuals.scm_follow_ups import ChangeLikelihood, FollowedPeople, enough
from spinecast.errors import error
from spinecast.models.fit import Batch, fit, index_batches
from spinecast.seeds import generator, integer

#: Fewer rows than this say nothing about a mechanism.
FEWEST_ROWS = 20


def fit_scm(
    graph: CausalGraph,
    table: pd.DataFrame,
    *,
    settings: ScmSettings | None = None,
    follow_ups: FollowedPeople | None = None,
    folder: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> StructuralCausalModel:
    """Fit a mechanism for every variable of ``graph``.

    Parameters
    ----------
    graph
        What causes what. Its image, if it has one, is left to an image mechanism.
    table
        One row a person (or visit), one column a variable. With ``person_id``, people are
        held out whole; several visits of one person count as so many people, so give one
        each where noise is to be a person's own.
    settings
        See :class:`ScmSettings`.
    follow_ups
        People at two times, whose changes then count in the likelihood; ``person_id`` says
        which of them are held out. Too few to say anything (under 20) are not looked at.
    folder, progress
        As of :func:`spinecast.models.fit.fit`: where a broken fit is continued, and who waits.

    Returns
    -------
    StructuralCausalModel

    Raises
    ------
    ModelError
        SC-413 for missing or impossible values: none is filled in.
    StatisticsError
        SC-603 for a variable with one value only, SC-609 for fewer than 20 rows.

    Notes
    -----
    A good likelihood says that the distribution is right, not that the arrows are.
    """
    settings = settings or ScmSettings()
    model, kept, judged = _started(graph, table, settings)
    changes = _changes(model.network, table, follow_ups, settings=settings)
    order = index_batches(len(kept), batch_size=settings.fit.batch_size, seed=settings.seed)
    result = fit(
        model.network,
        lambda epoch: ((kept[rows],) for rows in order(epoch)),
        partial(_penalised, changes=changes[0]),
        settings=replace(settings.fit, seed=settings.seed),
        validate=partial(_judged, codes=judged, changes=changes[1]) if len(judged) else None,
        folder=folder,
        progress=progress,
    )
    model.history = result.history
    return model


def _started(
    graph: CausalGraph, table: pd.DataFrame, settings: ScmSettings
) -> tuple[StructuralCausalModel, torch.Tensor, torch.Tensor]:
    """Return a model before its first step, and the codes that teach and that judge it."""
    if len(table) < FEWEST_ROWS:
        raise error("SC-609", expected=f"{FEWEST_ROWS} rows", got=str(len(table)), where="SCM")
    graph = fill_levels(graph, table)
    codes = encode_rows(graph, table)
    everyone = torch.from_numpy(np.stack([codes[name] for name in graph.names], axis=1))
    held = _held_out(table, settings)
    with torch.random.fork_rng():
        torch.manual_seed(integer(settings.seed, "scm", "first weights"))
        model = StructuralCausalModel(graph, settings)
    kept = everyone[~held]
    model.network.start(dict(zip(graph.names, kept.unbind(1), strict=True)))
    return model, kept, everyone[held]


def _changes(
    network: GraphNetwork,
    table: pd.DataFrame,
    follow_ups: FollowedPeople | None,
    *,
    settings: ScmSettings,
) -> tuple[ChangeLikelihood | None, ChangeLikelihood | None]:
    """Return the likelihoods of changes that teach and that judge the fit."""
    if follow_ups is None or not enough(network.graph, follow_ups):
        return None, None
    judges = np.zeros(len(follow_ups), dtype=bool)
    if "person_id" in table:
        held = table["person_id"][_held_out(table, settings)]
        judges = follow_ups.before["person_id"].isin(held).to_numpy()
    share = len(follow_ups) / len(table)
    teaching, judging = (follow_ups.of(chosen) for chosen in (~judges, judges))
    return (
        ChangeLikelihood(network, teaching, share) if enough(network.graph, teaching) else None,
        ChangeLikelihood(network, judging, share) if enough(network.graph, judging) else None,
    )


def _penalised(
    network: nn.Module, batch: Batch, _rng: torch.Generator, *, changes: ChangeLikelihood | None
) -> torch.Tensor:
    assert isinstance(network, GraphNetwork)
    told = _surprise(network, batch[0]) + network.penalty()
    return told if changes is None else told + changes(network)


def _judged(network: nn.Module, *, codes: torch.Tensor, changes: ChangeLikelihood | None) -> float:
    assert isinstance(network, GraphNetwork)
    told = _surprise(network, codes)
    return float(told if changes is None else told + changes(network))


def _surprise(network: nn.Module, codes: torch.Tensor) -> torch.Tensor:
    """Return minus the mean log-density of (n, variables) codes in the graph's order."""
    assert isinstance(network, GraphNetwork)
    columns = dict(zip(network.graph.names, codes.unbind(1), strict=True))
    return -torch.stack(list(network.log_prob(columns).values())).sum(dim=0).mean()


def _held_out(table: pd.DataFrame, settings: ScmSettings) -> np.ndarray:
    """Return which rows judge the fit, (n,): those of whole people."""
    people = person_groups(table)
    count = int(people.max()) + 1
    chosen = generator(settings.seed, "scm", "held out").permutation(count)
    return np.isin(people, chosen[: int(settings.held_out * count)])
