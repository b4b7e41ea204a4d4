"""Stage `scores`: every acquired film scored by networks that have not seen its person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.files import write_json, write_table
from spinecast.run import StageContext
from spinecast.scores.aggregate import score_rows
from spinecast.scores.attribution import grad_cam
from spinecast.scores.cross_fit import score_out_of_fold
from spinecast.scores.out_of_distribution import judge, load_familiarity
from spinecast.scores.predict import FittedScorer
from spinecast.stages.arrays import write_array
from spinecast.stages.cohort import read_images
from spinecast.stages.networks import load_scorers

_GALLERY = 6


def make_scores(context: StageContext) -> None:
    """Score all films; where a network was fitted on this cohort, out of fold."""
    store, index = read_images(context.needs["images"])
    folder = context.needs["scorers"]
    scorers = load_scorers(folder)
    cross_fitted = is_cross_fitted(context)
    tables = []
    for number, (name, members) in enumerate(scorers.items()):
        context.progress(number / len(scorers), name)
        fold = scoring_folds(index, cross_fitted=cross_fitted)
        values = score_rows_out_of_fold(members, store.read(index["row"].to_numpy()), fold)
        tables.append(score_rows(index, values, score=name))
    if tables:
        write_table(context.folder / "scores.parquet", pd.concat(tables, ignore_index=True))
    _write_familiarity(context, folder)
    if "vertebral_fracture" in scorers:
        _write_attribution(context, scorers["vertebral_fracture"])


def is_cross_fitted(context: StageContext) -> bool:
    """Say whether training people have a network of their own fold."""
    return context.options["networks"] == "train" and context.settings.cohort.folds > 1


def scoring_folds(index: pd.DataFrame, *, cross_fitted: bool) -> np.ndarray:
    """Return which network may score each film: its own fold's, or -1 for the ensemble.

    Training people of a cross-fit are scored by the network of their fold, which has not
    seen them; everybody else was seen by none.
    """
    fold = index["fold"].to_numpy().astype(np.int64)
    inside = (index["split"] == "train").to_numpy() & cross_fitted
    return np.where(inside, fold, -1)


def score_rows_out_of_fold(
    members: Sequence[FittedScorer], images: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Score images by the networks their folds allow; none gives an empty array."""
    if not len(images):
        return np.zeros(0)
    values: np.ndarray = score_out_of_fold(members, images, fold)
    return values


def _write_familiarity(context: StageContext, folder: Path) -> None:
    """Say of every film how far it lies from the training films."""
    if not (folder / "familiarity.json").exists():
        return
    store, index = read_images(context.needs["images"])
    scorers = load_scorers(folder)
    first = next(iter(scorers.values()))[0]
    verdicts = judge(load_familiarity(folder), first, store.read(index["row"].to_numpy()))
    table = verdicts.assign(image_id=index["image_id"].to_numpy(), split=index["split"].to_numpy())
    write_table(context.folder / "familiarity.csv", table)


def _write_attribution(context: StageContext, members: Sequence[FittedScorer]) -> None:
    """Keep Grad-CAM maps of the test films with the highest and lowest scores."""
    store, index = read_images(context.needs["images"])
    scores = pd.read_parquet(context.folder / "scores.parquet")
    own = scores[(scores["score"] == "vertebral_fracture") & (scores["split"] == "test")]
    own = own[own["visit"] == 0].sort_values("value", ascending=False, kind="stable")
    chosen = pd.concat([own.head(_GALLERY - 2), own.tail(2)]).drop_duplicates("image_id")
    if chosen.empty:
        return
    rows = index.set_index("image_id").loc[chosen["image_id"], "row"].to_numpy()
    images = store.read(rows)
    write_array(context.folder / "attribution.npy", grad_cam(members[0], images))
    write_json(
        context.folder / "attribution.json",
        {"image_id": chosen["image_id"].tolist(), "value": chosen["value"].tolist()},
    )
