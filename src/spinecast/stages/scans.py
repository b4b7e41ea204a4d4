"""Stage `images` of the counterfactual study: scans whose variables are known, prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cohort import Cohort
from spinecast.cohort.eligibility import (
    Rule,
    acquired_only,
    has_baseline_image,
    modality_in,
    view_is,
)
from spinecast.cohort.visits import pair_images
from spinecast.counterfactuals import CausalGraph, Node, spine_graph
from spinecast.counterfactuals.row_codes import fill_levels, usable_values
from spinecast.errors import error
from spinecast.images.store import ImageStore
from spinecast.run import StageContext
from spinecast.stages.cohort import prepare_eligible, read_cohort, read_images
from spinecast.stages.counterfactual_settings import CounterfactualSettings

#: The variable that passes by itself; a graph without it has no follow-up to foretell.
TIME = "age"


@dataclass(frozen=True)
class ChosenScans:
    """Some rows of a store, counted from 0.

    Attributes
    ----------
    store
        All prepared images.
    rows
        Positions in the store, (n,).
    """

    store: ImageStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return (n, rows, columns) float32 in [0, 1]."""
        return self.store.read(self.rows[np.asarray(indices)])


def make_scans(context: StageContext) -> None:
    """Prepare every eligible scan; write the final cohort, flow, splits and Table 1."""
    settings: CounterfactualSettings = context.settings
    graph = fill_levels(study_graph(context), variables_of(read_cohort(context.needs["cohort"])))
    numbers = [node.name for node in graph.nodes if not node.discrete]
    prepare_eligible(context, scan_rules(settings, graph), described=numbers)


def study_graph(context: StageContext) -> CausalGraph:
    """Return the run's causal graph: the one given with it, else the study's.

    Raises
    ------
    ModelError
        SC-407 for a graph whose image has no parents; see also :class:`CausalGraph`.
    """
    text = context.options.get("graph")
    if text is not None:
        graph = CausalGraph.from_text(str(text), where="--graph")
    else:
        graph = getattr(spine_graph, context.settings.causal.graph.upper())
    if not graph.image_parents:
        raise error("SC-407", expected="parents of the image", got="none", where="graph")
    return graph


def scan_rules(settings: CounterfactualSettings, graph: CausalGraph) -> list[Rule]:
    """Return the study's rules in their order: nothing is filled in."""
    view = settings.cohort.view
    return [
        acquired_only(),
        *([modality_in(*settings.modalities)] if settings.modalities else []),
        *([view_is(view, keep_unknown=settings.cohort.keep_unknown)] if view else []),
        *(_known(node) for node in graph.nodes),
        has_baseline_image(),
    ]


def variables_of(cohort: Cohort) -> pd.DataFrame:
    """Return one row a visit: what is known of the visit and of its person."""
    fresh = [c for c in cohort.people.columns if c not in cohort.visits]
    return cohort.visits.merge(cohort.people[["person_id", *fresh]], on="person_id", how="left")


def read_scans(folder: Path) -> tuple[ChosenScans, pd.DataFrame]:
    """Open the prepared scans of stage `images`.

    Returns
    -------
    scans : ChosenScans
    index : DataFrame
        One row a scan, in their order: see :func:`read_images`, with all that is known of
        the visit and of the person.
    """
    store, index = read_images(folder)
    people = read_cohort(folder).people
    fresh = [c for c in people.columns if c not in index]
    index = index.merge(people[["person_id", *fresh]], on="person_id", how="left")
    return ChosenScans(store, index["row"].to_numpy()), index


def follow_up_scans(folder: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Return the last later scan of each baseline scan, by its ``image_id``.

    ``follow_up_image_id`` and ``years``; only where both are in ``index`` and the time is known.
    """
    pairs = pair_images(read_cohort(folder)).dropna(subset=["years"])
    known = set(index["image_id"])
    pairs = pairs[
        pairs["follow_up_image_id"].isin(known) & pairs["baseline_image_id"].isin(known)
    ].sort_values("follow_up_visit", kind="stable")
    last = pairs.drop_duplicates("person_id", keep="last")
    return last.set_index("baseline_image_id")[["follow_up_image_id", "years"]]


def foretold(graph: CausalGraph) -> list[str]:
    """Return the image parents that are numbers and follow from time."""
    if TIME not in graph.names:
        return []
    later = graph.descendants(TIME)
    return [n for n in graph.image_parents if n in later and not graph[n].discrete]


def short_name(variable: str) -> str:
    """Return how a variable is called in names of estimates: ``width``, ``bmd``."""
    return variable.removeprefix("lumbar_").removesuffix("_spine")


def _known(node: Node) -> Rule:
    def keep(cohort: Cohort) -> pd.Series:
        keys = cohort.images[["person_id", "visit"]]
        rows = keys.merge(variables_of(cohort), on=["person_id", "visit"], how="left")
        column = rows[node.name] if node.name in rows else pd.Series(np.nan, rows.index)
        return pd.Series(usable_values(node, column), index=cohort.images.index)

    return Rule(f"{node.name} not known at the visit", keep)
