"""Stages `image_models` and `judges`: networks trained on this cohort, or taken from weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.counterfactuals import StructuralCausalModel, load_scm
from spinecast.counterfactuals.answer import parent_values
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.errors import error
from spinecast.files import write_table
from spinecast.images.fidelity import middle_columns
from spinecast.models.effect_spread import measure_stray
from spinecast.models.fit import FitResult
from spinecast.models.hvae_training import fit_image_model
from spinecast.models.image_follow_ups import FollowUps, find_follow_ups
from spinecast.models.parent_reader import ParentReader, ReaderConfig, fit_reader
from spinecast.run import StageContext
from spinecast.seeds import integer
from spinecast.stages.counterfactual_run import BACKBONES
from spinecast.stages.counterfactual_settings import CounterfactualSettings
from spinecast.stages.image_networks import (
    Lesson,
    image_training,
    judge_config,
    load_backbones,
    new_image_model,
    reader_config,
    require_fit,
)
from spinecast.stages.scans import TIME
from spinecast.stages.seen import refuse_seen
from spinecast.stages.settings import TrainingSettings
from spinecast.stages.training import fitting, part_of
from spinecast.stages.weights import weights_folder

STUDY = "counterfactual-dxa"
#: Most validation scans whose evidence bound chooses the weights that are kept.
_VALIDATION_SCANS = 128


@dataclass(frozen=True)
class _Teachers:
    """The reader of parents, and pairs of training and of validation people where any is asked."""

    reader: ParentReader
    follow_ups: FollowUps | None
    held_out: FollowUps | None


def make_image_models(context: StageContext) -> None:
    """Write both image mechanisms and, of a training, the reader that they were fitted against."""
    lesson, choice = Lesson.of(context), context.options["networks"]
    started: dict[str, ImageMechanism] = {}
    if choice != "train":
        given = given_weights(context, lesson)
        started = load_backbones(given)
        for mechanism in started.values():
            require_fit(mechanism, lesson.settings, lesson.graph)
        if choice == "weights":
            for name, mechanism in started.items():
                mechanism.save(context.folder, name=name, half=True)
            return
    reader = _fitted_reader(
        lesson, "reader", config=reader_config(lesson.settings, lesson.graph),
        progress=part_of(context, (0.0, 0.05), label="reader"),
    )  # fmt: skip
    ParentJudge(reader, lesson.graph.image_parents).save(context.folder, name="reader", half=True)
    teachers = _Teachers(reader, None, None)
    if any(image_training(name, lesson.settings, seed=lesson.seed).follow_up for name in BACKBONES):
        scm = load_scm(context.needs["mechanisms"])
        told = part_of(context, (0.05, 0.08), label="follow-ups")
        teachers = _Teachers(
            reader,
            follow_ups_of(lesson, scm, progress=told),
            follow_ups_of(lesson, scm, split="validation"),
        )
    for number, (name, words) in enumerate(BACKBONES.items()):
        low, high = (0.08 + 0.92 * (number + k) / len(BACKBONES) for k in (0, 1))
        progress = part_of(context, (low, high), label=f"{words} model")
        mechanism, result = _fitted_mechanism(
            lesson,
            name,
            teachers=teachers,
            start=started.get(name),
            progress=progress,
        )
        mechanism.save(context.folder, name=name, half=True)
        write_table(context.folder / f"history_{name}.csv", result.history)
    shutil.rmtree(lesson.folder, ignore_errors=True)


def make_judges(context: StageContext) -> None:
    """Write the judge of every image parent, and its errors on real scans of test people."""
    lesson = Lesson.of(context)
    if context.options["networks"] == "weights":
        judge = ParentJudge.load(given_weights(context, lesson), "judge")
        if judge.parents != lesson.graph.image_parents:
            raise error("SC-403", expected=", ".join(lesson.graph.image_parents),
                        got=", ".join(judge.parents), where="judge of the weights")  # fmt: skip
    else:
        reader = _fitted_reader(
            lesson, "judge", config=judge_config(lesson.settings, lesson.graph),
            progress=part_of(context, (0.0, 1.0), label="judge"),
        )  # fmt: skip
        judge = ParentJudge(reader, lesson.graph.image_parents)
    # judged with what is kept, not with what was fitted
    judge.save(context.folder, half=True)
    judge = ParentJudge.load(context.folder)
    test = lesson.places("test")
    errors = judge_errors(judge.read(lesson.scans.read(test)), lesson.parents[test], judge.parents)
    write_table(context.folder / "judge_errors.csv", errors)
    shutil.rmtree(lesson.folder, ignore_errors=True)


def judge_errors(readings: np.ndarray, known: np.ndarray, parents: tuple[str, ...]) -> pd.DataFrame:
    """Return ``parent``, ``mae``, ``rmse``, ``r_squared`` and ``n`` of readings (n, parents)."""
    missed = readings - known
    spread = ((known - known.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = 1 - (missed**2).sum(axis=0) / spread
    return pd.DataFrame(
        {
            "parent": list(parents),
            "mae": np.abs(missed).mean(axis=0),
            "rmse": np.sqrt((missed**2).mean(axis=0)),
            "r_squared": explained,
            "n": len(known),
        }
    )


def follow_ups_of(
    lesson: Lesson,
    scm: StructuralCausalModel,
    *,
    split: str = "train",
    progress: Callable[[float, str], None] | None = None,
) -> FollowUps | None:
    """Return a split's scans beside the same person's scan of the most distant age.

    The parents asked for are what the causal model foretells of the first scan's under the
    other's age alone. None where the graph knows no time.
    """
    if TIME not in scm.graph.names:
        return None
    rows, others = _most_distant(lesson.index, lesson.places(split))
    before = lesson.index.iloc[rows].reset_index(drop=True)
    then = scm.counterfactual(before, {TIME: lesson.index[TIME].to_numpy(float)[others]},
                              seed=integer(lesson.seed, "follow-ups") % 2**31)  # fmt: skip
    asked = parent_values(lesson.graph, then)
    return find_follow_ups(
        lesson.scans, rows, others, parents=asked, columns=_middle(lesson.settings),
        progress=progress,
    )  # fmt: skip


def _middle(settings: CounterfactualSettings) -> slice:
    """Return the columns of the region of interest."""
    return middle_columns(settings.preparation.shape[1], settings.judging.roi_columns)


def _most_distant(index: pd.DataFrame, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places of scans and of the same person's scan whose age differs most."""
    known = index.iloc[places][["person_id", TIME]].assign(place=places)
    by_age = known.sort_values([TIME, "place"], kind="stable").groupby("person_id", sort=False)
    ends = {side: getattr(by_age, side)() for side in ("first", "last")}
    first, last = (known["person_id"].map(end["place"]).to_numpy() for end in ends.values())
    young, old = (known["person_id"].map(end[TIME]).to_numpy() for end in ends.values())
    age = known[TIME].to_numpy()
    other = np.where(age - young > old - age, first, last)
    differs = old > young
    return places[differs], other[differs]


def given_weights(context: StageContext, lesson: Lesson) -> Path:
    """Return the run's weights folder, if it may judge these scans.

    Raises
    ------
    ModelError
        SC-406 where there is none, SC-408 where it was fitted to scans that it would judge.
    """
    folder = weights_folder(context.options.get("weights"), study=STUDY, sign="deep.json")
    judged = lesson.index
    if context.options["networks"] == "fine-tune":
        judged = judged[judged["split"] != "train"]
    refuse_seen(folder, judged)
    return folder


def _fitted_reader(
    lesson: Lesson, name: str, *, config: ReaderConfig, progress: Callable[[float, str], None]
) -> ParentReader:
    lengths: TrainingSettings = getattr(lesson.settings, name)
    reader, _ = fit_reader(
        lesson.scans,
        lesson.places("train"),
        lesson.parents,
        config=config,
        settings=fitting(lengths, integer(lesson.seed, "fit", name)),
        validation_rows=lesson.places("validation"),
        folder=lesson.folder / name,
        progress=progress,
    )
    return reader.cpu().eval()


def _fitted_mechanism(
    lesson: Lesson,
    name: str,
    *,
    teachers: _Teachers,
    start: ImageMechanism | None,
    progress: Callable[[float, str], None],
) -> tuple[ImageMechanism, FitResult]:
    settings, graph = lesson.settings, lesson.graph
    model = start.model if start else new_image_model(name, settings, graph, seed=lesson.seed)
    result = fit_image_model(
        model,
        lesson.scans,
        lesson.places("train"),
        parents=lesson.parents,
        training=image_training(name, settings, seed=lesson.seed),
        reader=teachers.reader,
        follow_ups=teachers.follow_ups,
        validation_rows=lesson.places("validation")[:_VALIDATION_SCANS],
        folder=lesson.folder / name,
        progress=progress,
    )
    model.cpu()
    if teachers.held_out is not None:
        measure_stray(model, lesson.scans, teachers.held_out, parents=lesson.parents,
                      columns=_middle(settings))  # fmt: skip
    return ImageMechanism(model, graph.image_parents), result
