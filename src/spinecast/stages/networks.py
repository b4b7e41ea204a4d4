"""Stages `generator` and `scorers`: networks trained on this cohort, or taken from weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.counterfactuals import SamplingSettings, reconstruct
from spinecast.errors import error
from spinecast.files import read_json, write_json, write_table
from spinecast.images.store import ImageStore
from spinecast.models import backbones, diffx_config
from spinecast.models.device import best_device
from spinecast.models.diffx_config import DiffXConfig
from spinecast.models.fit import FitResult, FitSettings
from spinecast.models.latent_diffusion import DiffXPair, build_pair, load_pair, save_pair
from spinecast.models.latent_pairs import ImagePairs, PromptTraining, pairs_forward_in_time
from spinecast.models.latent_training import (
    encode_images,
    fit_autoencoder,
    fit_prompt,
    fit_structure,
)
from spinecast.models.pair_alignment import add_aligned_follow_ups
from spinecast.models.prompts import CONDITIONS, Attributes
from spinecast.run import StageContext
from spinecast.scores.cross_fit import OUTSIDE, cross_fit_scores
from spinecast.scores.fitting import ScorerRows, ScorerSettings, fit_scorer
from spinecast.scores.out_of_distribution import fit_familiarity, save_familiarity
from spinecast.scores.predict import (
    AGE,
    OSTEOPOROSIS,
    VERTEBRAL_FRACTURE,
    FittedScorer,
    ScoreTask,
    load_scorer,
    save_scorer,
)
from spinecast.seeds import integer
from spinecast.stages.cohort import read_images
from spinecast.stages.seen import refuse_seen
from spinecast.stages.settings import FollowUpSettings, TrainingSettings
from spinecast.stages.training import fitting, part_of
from spinecast.stages.weights import weights_folder

TASKS: dict[str, ScoreTask] = {
    "prevalent_vf": VERTEBRAL_FRACTURE,
    "osteoporosis": OSTEOPOROSIS,
    "age": AGE,
}
_VALIDATION_IMAGES = 128
_FEWEST_LABELS = 30
_LEVELS = 255
_COPY_STEPS = 3


class Copies:
    """Reconstructions of a store's films in 8 bits: a quarter of the memory of floats."""

    def __init__(self, store: ImageStore, films: pd.DataFrame) -> None:
        self._pixels = np.zeros((len(store), *store.shape), np.uint8)
        self._known = np.zeros(len(store), bool)
        self._store, self._films = store, films

    def __len__(self) -> int:
        return len(self._store)

    def fill(self, pair: DiffXPair, progress: Callable[[float, str], None]) -> Copies:
        """Let the pair draw each film as it is now; films of other people stay themselves."""
        drawing = SamplingSettings(steps=_COPY_STEPS)
        for start in range(0, len(self._films), 256):
            films = self._films.iloc[start : start + 256]
            rows = films["row"].to_numpy()
            made = reconstruct(pair, self._store.read(rows), attributes_of(films), settings=drawing)
            self._pixels[rows] = np.rint(np.clip(made, 0, 1) * _LEVELS).astype(np.uint8)
            self._known[rows] = True
            progress(start / max(1, len(self._films)), "copies for the scorers")
        return self

    def read(self, indices: Any) -> np.ndarray:
        """Return (n, rows, columns) float32 in [0, 1]."""
        at = np.asarray(indices)
        images = self._pixels[at].astype(np.float32) / _LEVELS
        strange = ~self._known[at]
        if strange.any():
            images[strange] = self._store.read(at[strange])
        return images


def make_generator(context: StageContext) -> None:
    """Write the Diff-X pair: shipped or given weights, or trained on the training people."""
    choice = context.options["networks"]
    _require_strangers(context)
    if choice == "weights":
        pair = load_pair(weights_folder(context.options.get("weights")) / "pair")
        _require_shape(pair, context.settings)
        save_pair(context.folder / "pair", pair, half=True)
        return
    start = None
    if choice == "fine-tune":
        start = load_pair(weights_folder(context.options.get("weights")) / "pair")
        _require_shape(start, context.settings)
    pair, histories = train_pair(context, start)
    save_pair(context.folder / "pair", pair, half=True)
    for name, result in histories.items():
        write_table(context.folder / f"history_{name}.csv", result.history)
    shutil.rmtree(context.folder / "training", ignore_errors=True)


def train_pair(
    context: StageContext, start: DiffXPair | None
) -> tuple[DiffXPair, dict[str, FitResult]]:
    """Fit autoencoder, structure and prompt model on the films of the training people."""
    settings: FollowUpSettings = context.settings
    store, index = read_images(context.needs["images"])
    train = training_films(index, settings).reset_index(drop=True)
    rows = train["row"].to_numpy()
    held = index.loc[index["split"] == "validation", "row"].to_numpy()[:_VALIDATION_IMAGES]
    pair = start or build_pair(network_config(settings), seed=integer(context.seed, "pair"))
    folder = context.folder / "training"
    results: dict[str, FitResult] = {}
    pair.autoencoder, results["autoencoder"] = fit_autoencoder(
        store,
        rows,
        config=pair.config.autoencoder,
        settings=fit_settings(settings.autoencoder, context.seed),
        start=pair.autoencoder,
        validation_rows=held,
        folder=folder / "autoencoder",
        progress=part_of(context, (0.0, 0.25), label="autoencoder"),
    )
    pair.autoencoder.to(best_device())
    latents = encode_images(pair, store, rows)
    results["structure"] = fit_structure(
        pair,
        latents,
        settings=fit_settings(settings.structure, context.seed),
        folder=folder / "structure",
        progress=part_of(context, (0.25, 0.5), label="structure model"),
    )
    context.progress(0.5, "follow-ups moved into their baseline's pose")
    latents, known, pairs = add_aligned_follow_ups(
        pair,
        store,
        rows,
        latents=latents,
        attributes=attributes_of(train),
        pairs=training_pairs(train),
    )
    results["prompt"] = fit_prompt(
        pair,
        latents,
        known,
        pairs=pairs,
        training=PromptTraining(mode=settings.training_mode),  # type: ignore[arg-type]
        settings=fit_settings(settings.prompt, context.seed),
        folder=folder / "prompt",
        progress=part_of(context, (0.5, 1.0), label=f"prompt model, {len(pairs.years)} pairs"),
    )
    return pair.to("cpu"), results


def training_films(index: pd.DataFrame, settings: FollowUpSettings) -> pd.DataFrame:
    """Return the films of the training people, of no more people than the settings allow."""
    train = index[index["split"] == "train"]
    people = train["person_id"].drop_duplicates()
    if settings.training_people and settings.training_people < len(people):
        train = train[train["person_id"].isin(set(people.head(settings.training_people)))]
    return train


def training_pairs(train: pd.DataFrame) -> ImagePairs:
    """Pair the films of each person that show the same region, earlier to later.

    Where no time is known, the order of visits is all there is: the gap stays unknown.
    """
    years = train["years_since_baseline"].to_numpy(dtype=float)
    # a baseline is at 0 years by definition: only later films can be dated
    dated = bool(np.isfinite(years[train["visit"].to_numpy() > 0]).any())
    clock = years if dated else train["visit"].to_numpy(dtype=float)
    whose = (train["person_id"] + "/" + train["region"].fillna("")).tolist()
    pairs = pairs_forward_in_time(whose, clock.tolist())
    if dated:
        return pairs
    return ImagePairs(pairs.baseline, pairs.follow_up, np.full(len(pairs.years), np.nan))


def make_scorers(context: StageContext) -> None:
    """Write the scorers: taken from weights, or cross-fitted on the training people."""
    choice = context.options["networks"]
    if choice in {"weights", "fine-tune"}:
        _copy_scorers(weights_folder(context.options.get("weights")), context)
        if choice == "weights":
            return
    store, index = read_images(context.needs["images"])
    if choice == "train":
        _train_scorers(context, store, index)
    _fit_familiarity(context, store, index)
    shutil.rmtree(context.folder / "training", ignore_errors=True)


def _train_scorers(context: StageContext, store: ImageStore, index: pd.DataFrame) -> None:
    """Fit a scorer for every task with labels; one network a fold, or one in all (folds = 1)."""
    train = training_films(index, context.settings)
    pair = load_pair(context.needs["generator"] / "pair").to(best_device())
    copies = Copies(store, train).fill(pair, part_of(context, (0, 0.05), label=""))
    known = pd.concat([train, index[index["split"] != "train"]])
    counts = {}
    for number, (column, task) in enumerate(TASKS.items()):
        labels = pd.to_numeric(train[column], errors="coerce")
        if labels.notna().sum() < _FEWEST_LABELS or labels.nunique() < 2:
            continue
        low, high = (0.05 + 0.95 * (number + k) / len(TASKS) for k in (0, 1))
        lesson = _Lesson(store, known, column, task, copies)
        fitted = _fit_task(context, lesson, part_of(context, (low, high), label=task.name))
        for place, scorer in enumerate(fitted):
            save_scorer(context.folder / "scorers", scorer, name=f"{task.name}-{place}", half=True)
        counts[task.name] = len(fitted)
    write_json(context.folder / "scorers.json", {"scorers": counts})


@dataclass(frozen=True)
class _Lesson:
    """One task's films, labels and copies."""

    store: ImageStore
    index: pd.DataFrame
    column: str
    task: ScoreTask
    copies: Copies

    def of_split(self, name: str) -> pd.DataFrame:
        return self.index[self.index["split"] == name]

    def labels(self, splits: Sequence[str]) -> np.ndarray:
        """Return (n,) labels by store row; films of other splits stay unknown."""
        target = np.full(len(self.store), np.nan)
        part = self.index[self.index["split"].isin(splits)]
        target[part["row"]] = pd.to_numeric(part[self.column], errors="coerce")
        return target


def _fit_task(
    context: StageContext, lesson: _Lesson, progress: Callable[[float, str], None]
) -> Sequence[FittedScorer]:
    settings: FollowUpSettings = context.settings
    fitting = ScorerSettings(fit_settings(settings.scorer, context.seed))
    folder = context.folder / "training" / lesson.task.name
    train = lesson.of_split("train")
    if settings.cohort.folds == 1:
        held = lesson.of_split("validation")["row"].to_numpy()
        single = fit_scorer(
            lesson.store,
            lesson.labels(["train", "validation"]),
            task=lesson.task,
            config=scorer_config(settings),
            settings=fitting,
            rows=ScorerRows(train["row"].to_numpy(), held),
            extra_images=(lesson.copies,),
            folder=folder,
            progress=progress,
        )
        return [single]
    fold = np.full(len(lesson.store), OUTSIDE)
    fold[train["row"]] = train["fold"]
    people = np.full(len(lesson.store), "", dtype=object)
    people[lesson.index["row"]] = lesson.index["person_id"]
    return cross_fit_scores(
        lesson.store,
        lesson.labels(["train"]),
        people.tolist(),
        task=lesson.task,
        config=scorer_config(settings),
        settings=fitting,
        folds=fold,
        extra_images=(lesson.copies,),
        folder=folder,
        progress=progress,
    ).scorers


def load_scorers(folder: Path) -> dict[str, list[FittedScorer]]:
    """Return the fitted scorers of a `scorers` stage or weights folder, by task name."""
    counts = read_json(folder / "scorers.json")["scorers"]
    return {
        name: [
            load_scorer(folder / "scorers", f"{name}-{place}", device=best_device())
            for place in range(count)
        ]
        for name, count in counts.items()
    }


def attributes_of(index: pd.DataFrame) -> list[Attributes]:
    """Return what is known of each row of an image index joined with its visit."""
    names = ("age", "bmi", *CONDITIONS)
    columns = {name: pd.to_numeric(index[name], errors="coerce") for name in names if name in index}
    sexes = [sex if sex in {"F", "M"} else None for sex in index["sex"]]
    return [
        Attributes(sex=sex, **{name: float(values.iloc[at]) for name, values in columns.items()})
        for at, sex in enumerate(sexes)
    ]


def network_config(settings: FollowUpSettings) -> DiffXConfig:
    """Return the sizes of the generator that the settings name."""
    found: DiffXConfig = getattr(diffx_config, settings.networks.upper())
    return found


def scorer_config(settings: FollowUpSettings) -> backbones.ScorerConfig:
    """Return the sizes of the scorers that the settings name."""
    found: backbones.ScorerConfig = getattr(backbones, settings.networks.upper())
    return found


def fit_settings(training: TrainingSettings, seed: int) -> FitSettings:
    """Return the training loop's settings."""
    return fitting(training, integer(seed, "fit"))


def _require_strangers(context: StageContext) -> None:
    """Refuse weights fitted to films that they are to judge here; SC-408."""
    choice = context.options["networks"]
    if choice == "train":
        return
    _, index = read_images(context.needs["images"])
    # fine-tuning fits to the training films again, and does not judge them
    judged = index[index["split"] != "train"] if choice == "fine-tune" else index
    refuse_seen(weights_folder(context.options.get("weights")), judged)


def _require_shape(pair: DiffXPair, settings: FollowUpSettings) -> None:
    expected, got = settings.preparation.shape, pair.config.autoencoder.image_shape
    if tuple(expected) != tuple(got):
        raise error(
            "SC-403",
            expected=f"weights for images of {expected[0]} x {expected[1]}",
            got=f"{got[0]} x {got[1]}",
            where="weights",
        )


def _copy_scorers(source: Path, context: StageContext) -> None:
    for name, members in load_scorers(source).items():
        for place, scorer in enumerate(members):
            save_scorer(context.folder / "scorers", scorer, name=f"{name}-{place}", half=True)
    for name in ("scorers.json", "familiarity.json", "familiarity.safetensors"):
        if (source / name).exists():
            shutil.copyfile(source / name, context.folder / name)


def _fit_familiarity(context: StageContext, store: ImageStore, index: pd.DataFrame) -> None:
    """Learn what the training films look like, for the out-of-distribution verdict."""
    scorers = load_scorers(context.folder)
    first: Sequence[FittedScorer] = next(iter(scorers.values()), [])
    if not first:
        return
    rows = {
        name: index.loc[index["split"] == name, "row"].to_numpy()
        for name in ("train", "validation")
    }
    familiarity = fit_familiarity(first[0], store, rows["train"], held_out=rows["validation"])
    save_familiarity(context.folder, familiarity)
