"""Out-of-fold scores: everyone is scored by a network that has not seen them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.models.backbones import ScorerConfig
from spinecast.models.fit import FitSettings
from spinecast.scores.fitting import Progress, ScorerRows, ScorerSettings, fit_scorer
from spinecast.scores.predict import FittedScorer, Floats, Images, Indices, ScoreTask, score_images
from spinecast.seeds import generator

#: Fold of people outside all folds (a test set): they are scored by the ensemble.
OUTSIDE = -1


@dataclass(frozen=True)
class CrossFit:
    """Scores and the networks that made them.

    Attributes
    ----------
    values
        (n,) out-of-fold scores; rows of fold -1 by the ensemble.
    fold
        (n,) fold of each row's person: network ``fold`` has not seen that person.
    scorers
        One per fold; together the ensemble for outside images.
    """

    values: Floats
    fold: Indices
    scorers: tuple[FittedScorer, ...]


def person_folds(
    person_id: Sequence[str], *, folds: int, seed: int = 0, stratify: Floats | None = None
) -> Indices:
    """Give every person a fold; all rows of a person share it.

    Parameters
    ----------
    person_id
        (n,) person of each row.
    folds
        How many, at least 2.
    seed
        Of the assignment.
    stratify
        (n,) optional label; a person counts with the largest value among known ones.

    Returns
    -------
    ndarray
        (n,) fold numbers from 0; sizes differ by at most one person per stratum.

    Raises
    ------
    ModelError
        SC-407 fewer than two folds, or fewer people than folds.
    """
    people, row_person = np.unique(np.asarray(person_id, dtype=str), return_inverse=True)
    if folds < 2 or len(people) < folds:
        raise error("SC-407", expected=f"2 to {len(people)} folds", got=str(folds))
    stratum = np.full(len(people), -np.inf)
    if stratify is not None:
        known = np.isfinite(stratify)
        np.maximum.at(stratum, row_person[known], np.asarray(stratify, dtype=float)[known])
    rng = generator(seed, "folds")
    order = rng.permutation(len(people))
    order = order[np.argsort(stratum[order], kind="stable")]
    fold = np.empty(len(people), dtype=np.int64)
    fold[order] = np.arange(len(people)) % folds
    return fold[row_person]


def cross_fit_scores(
    images: Images,
    target: Floats,
    person_id: Sequence[str],
    *,
    task: ScoreTask,
    config: ScorerConfig,
    settings: FitSettings | ScorerSettings,
    folds: int | Indices = 5,
    validation_share: float = 0.15,
    extra_images: Sequence[Images] = (),
    folder: Path | None = None,
    progress: Progress | None = None,
) -> CrossFit:
    """Fit one network per fold and score everyone out of fold.

    Parameters
    ----------
    images, target, task, config, settings, extra_images, folder, progress
        As for :func:`~spinecast.scores.fitting.fit_scorer`; unknown targets are scored too.
    person_id
        (n,) person of each row.
    folds
        Number of folds, or (n,) fold numbers from 0, with -1 for rows outside (test).
    validation_share
        Share of each network's training people that stops and calibrates it.

    Returns
    -------
    CrossFit
        Networks of different folds have scales of their own, so pooled ranks are a
        little worse than ranks within a fold; calibration keeps the difference small.

    Raises
    ------
    CohortError
        SC-310 a person has rows in two folds.
    """
    people, seed = np.asarray(person_id, dtype=str), _seed(settings)
    if isinstance(folds, int | np.integer):
        folds = person_folds(people.tolist(), folds=int(folds), seed=seed, stratify=target)
    fold = np.asarray(folds, dtype=np.int64)
    require_one_fold_each(people, fold)
    count = int(fold.max()) + 1
    scorers = [
        fit_scorer(
            images,
            target,
            task=task,
            config=config,
            settings=_with_seed(settings, number),
            rows=_rows(people, fold, number, share=validation_share, seed=seed),
            extra_images=extra_images,
            folder=None if folder is None else folder / f"fold-{number}",
            progress=_part(progress, number, count),
        )
        for number in range(count)
    ]
    return CrossFit(score_out_of_fold(scorers, images, fold), fold, tuple(scorers))


def score_out_of_fold(scorers: Sequence[FittedScorer], images: Images, fold: Indices) -> Floats:
    """Score each image by the network of its person's fold; fold -1 by the ensemble.

    Parameters
    ----------
    scorers
        One per fold.
    images
        (n, rows, columns), e.g. generated futures.
    fold
        (n,) fold of the person whose image it is.

    Returns
    -------
    ndarray
        (n,) scores.
    """
    fold = np.asarray(fold)
    if (
        len(fold) != len(images)
        or fold.min(initial=0) < OUTSIDE
        or fold.max(initial=OUTSIDE) >= len(scorers)
    ):
        raise error(
            "SC-606",
            expected=f"{len(images)} folds from {OUTSIDE} to {len(scorers) - 1}",
            got=f"{len(fold)} from {fold.min()} to {fold.max()}",
        )
    values = np.empty(len(fold))
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        chosen = list(scorers) if number == OUTSIDE else scorers[number]
        values[rows] = score_images(chosen, images, rows=rows)
    return values


def require_one_fold_each(person_id: Sequence[str] | NDArray[np.str_], fold: Indices) -> None:
    """Raise SC-310 where a person has rows in two folds."""
    pairs = np.unique(np.stack([np.asarray(person_id, str), fold.astype(str)]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        raise error(
            "SC-310",
            expected="every person in one fold",
            got=f"{int((counts > 1).sum())} people in several",
            where=str(names[counts > 1][0]),
        )


def _rows(
    people: NDArray[np.str_], fold: Indices, number: int, *, share: float, seed: int
) -> ScorerRows:
    """Training and validation rows of one fold's network, split by person."""
    usable = (fold != number) & (fold != OUTSIDE)
    names = np.unique(people[usable])
    shuffled = generator(seed, "validation", number).permutation(names)
    held = usable & np.isin(people, shuffled[: round(share * len(names))])
    return ScorerRows(np.flatnonzero(usable & ~held), np.flatnonzero(held))


def _seed(settings: FitSettings | ScorerSettings) -> int:
    return settings.seed if isinstance(settings, FitSettings) else settings.fit.seed


def _with_seed(settings: FitSettings | ScorerSettings, number: int) -> FitSettings | ScorerSettings:
    """Return settings whose network starts and shuffles in its own way."""
    seed = 1000 * _seed(settings) + number
    if isinstance(settings, FitSettings):
        return replace(settings, seed=seed)
    return replace(settings, fit=replace(settings.fit, seed=seed))


def _part(
    progress: Progress | None, number: int, count: int
) -> Callable[[float, str], None] | None:
    if progress is None:
        return None
    return lambda done, text: progress((number + done) / count, f"fold {number + 1}: {text}")
