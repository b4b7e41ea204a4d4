"""What the diffusion models are fitted to: latents, pairs of images in time, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from spinecast.errors import error
from spinecast.models.fit import Batch, Batches, FitSettings, index_batches
from spinecast.models.latent_diffusion import DiffXPair
from spinecast.models.prompts import CONDITIONS, Attributes, build_prompt
from spinecast.seeds import generator


class ReadsImages(Protocol):
    """What training needs of an image store."""

    def read(self, which: np.ndarray) -> np.ndarray:
        """Return images in [0, 1], (n, rows, columns) float32, at these positions."""
        ...


@dataclass(frozen=True)
class LatentSet:
    """Latents of some images, made once.

    Attributes
    ----------
    latents, low_resolution
        Of the images and of their low-resolution copies, (n, channels, rows, columns).
    """

    latents: torch.Tensor
    low_resolution: torch.Tensor

    def __len__(self) -> int:
        return len(self.latents)


@dataclass(frozen=True)
class ImagePairs:
    """Pairs of images of one person, forward in time, as rows of a latent set.

    Attributes
    ----------
    baseline, follow_up
        Rows, (k,) int.
    years
        Time between them, (k,), positive; NaN where only the order is known.

    Raises
    ------
    ModelError
        SC-407 for lengths that differ or a pair that goes back in time.
    """

    baseline: np.ndarray
    follow_up: np.ndarray
    years: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.baseline) == len(self.follow_up) == len(self.years):
            raise error("SC-407", expected="pairs of one length", got="several", where="pairs")
        if np.any(np.asarray(self.years, dtype=float) <= 0):
            raise error(
                "SC-407",
                expected="follow-ups after their baseline",
                got="one before",
                where="pairs",
            )


def pairs_forward_in_time(person_id: Sequence[str], years: Sequence[float]) -> ImagePairs:
    """Return every pair of images of one person, earlier to later.

    Parameters
    ----------
    person_id, years
        Of each image: whose it is and when it was taken (on any one clock per person).
    """
    times = np.asarray(years, dtype=float)
    rows_of: dict[str, list[int]] = {}
    for row, person in enumerate(person_id):
        rows_of.setdefault(person, []).append(row)
    found = [
        (a, b, times[b] - times[a])
        for rows in rows_of.values()
        for a in rows
        for b in rows
        if times[b] > times[a]
    ]
    columns = np.asarray(found, dtype=float).reshape(-1, 3).T
    return ImagePairs(columns[0].astype(int), columns[1].astype(int), columns[2])


@dataclass(frozen=True)
class PromptTraining:
    """How the prompt model is fitted.

    Attributes
    ----------
    mode
        ``separate``: image and sentence without the structure model, as published.
        ``paired``: baseline's features handed over, follow-up drawn; ours, the default.
    self_share
        Share of a batch in which baseline and follow-up are one image, 0 years apart:
        teaches reconstruction. ``separate`` uses nothing else.
    injection_dropout
        Share of a batch drawn without the structure model, so that the same network
        remains the single model that Diff-X is compared with.
    prompt_dropout
        Share of empty sentences, for classifier-free guidance.
    attribute_dropout
        Share of sentences that say age, sex and years only, as when drawing.
    gap_power
        Pairs are drawn in proportion to this power of the years between them: most
        people come back soon, when little has changed. It weighs horizons, not what
        follows at any of them. 0, or unknown years, draws all alike.
    noise_power
        Timesteps of pairs are drawn as this power of a uniform share of the schedule: below
        1 noisy ones more often, where it is decided what will be drawn. 1 is as published,
        and what ``separate`` does.
    """

    mode: Literal["paired", "separate"] = "paired"
    self_share: float = 0.2
    injection_dropout: float = 0.15
    prompt_dropout: float = 0.1
    attribute_dropout: float = 0.6
    gap_power: float = 1.0
    noise_power: float = 0.5


class PairSampler:
    """Batches of (follow-up, baseline, its low-resolution copy, tokens)."""

    def __init__(
        self,
        pair: DiffXPair,
        latents: LatentSet,
        *,
        attributes: Sequence[Attributes],
        pairs: ImagePairs,
        training: PromptTraining,
        settings: FitSettings,
    ) -> None:
        self.latents, self.attributes, self.pairs = latents, attributes, pairs
        self.training, self.settings = training, settings
        self.tokenize = pair.prompt.text.tokenize

    def batches(self) -> Batches:
        """Return the callable that :func:`spinecast.models.fit.fit` takes."""
        paired = self.training.mode == "paired"
        n = len(self.pairs.years) if paired else len(self.latents)
        size, seed = self.settings.batch_size, self.settings.seed
        order = index_batches(n, batch_size=size, seed=seed)
        weight = self._weights() if paired else None

        def batches(epoch: int) -> Iterator[Batch]:
            rng = generator(seed, "pairs", epoch)
            for index in order(epoch):
                drawn = index if weight is None else rng.choice(n, size=len(index), p=weight)
                yield self._batch(drawn, rng)

        return batches

    def _weights(self) -> np.ndarray | None:
        """Return the chance of each pair to be the next; None where all are alike."""
        years = np.asarray(self.pairs.years, dtype=float)
        if not self.training.gap_power or not np.isfinite(years).all():
            return None
        weight = years**self.training.gap_power
        return weight / weight.sum()

    def _batch(self, index: np.ndarray, rng: np.random.Generator) -> Batch:
        if self.training.mode == "paired":
            baseline, follow_up = self.pairs.baseline[index], self.pairs.follow_up[index]
            years = self.pairs.years[index].astype(float)
            alone = rng.random(len(index)) < self.training.self_share
            itself = rng.integers(len(self.latents), size=len(index))
            baseline = np.where(alone, itself, baseline)
            follow_up = np.where(alone, itself, follow_up)
            years = np.where(alone, 0.0, years)
        else:
            baseline, follow_up, years = index, index, np.full(len(index), np.nan)
        prompts = [
            self._prompt(self.attributes[row], gap, rng)
            for row, gap in zip(follow_up, years, strict=True)
        ]
        latents, low = self.latents.latents, self.latents.low_resolution
        return latents[follow_up], latents[baseline], low[baseline], self.tokenize(prompts)

    def _prompt(self, known: Attributes, years: float, rng: np.random.Generator) -> str:
        drop, brief, silent = rng.random(3)
        if drop < self.training.prompt_dropout:
            return ""
        if brief < self.training.attribute_dropout:
            known = known.without(("bmi", *CONDITIONS))
        # a few sentences stay silent about the gap: the published prompt must work too
        gap = None if np.isnan(years) or silent < 0.1 else years
        return build_prompt(known, years_later=gap)


__all__ = [
    "ImagePairs",
    "LatentSet",
    "PairSampler",
    "PromptTraining",
    "ReadsImages",
    "pairs_forward_in_time",
]
