"""Fit an image model: evidence bound, region terms, independent latents, moved readings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error
from spinecast.images.fidelity import middle_columns
from spinecast.models.fit import Batch, FitResult, FitSettings, fit, index_batches
from spinecast.models.hvae_layers import (
    Inferred,
    Pixels,
    carry,
    negative_log_likelihood,
)
from spinecast.models.image_follow_ups import FollowUps, missed, with_follow_ups
from spinecast.models.image_model import ImageModel, counterfactual_images, repeat_rows
from spinecast.models.latent_pairs import ReadsImages
from spinecast.models.parent_effects import ParentEffects
from spinecast.models.parent_reader import ParentReader

Model = TypeVar("Model", bound=ImageModel)
Progress = Callable[[float, str], None]

#: Images read at once where no gradient is kept.
ROWS_PER_PASS = 64
_IMAGES_TO_MEASURE = 512


@dataclass(frozen=True)
class HVAETraining:
    """How an image model is fitted. Every term is per pixel.

    Attributes
    ----------
    fit
        Length, rates, batches. One learning rate serves encoder and decoder; the study's
        code has two (3e-4 and 1e-4).
    particles
        Draws of the latents per image and step.
    kl_start, kl_end, kl_warmup
        Weight of the divergence, linear over this share of the training.
    laplacian
        Weight of the absolute error of the image's Laplacian, over the whole image.
    roi_columns
        Share of the columns, in the middle, that is the region of interest.
    roi_charbonnier, roi_laplacian
        Weights of a smoothed absolute error and of the Laplacian's there; they grow with
        the divergence's weight. All three judge the mean, not a noisy draw.
    independence
        Weight of the mean squared correlation between posterior means and parents.
    effects
        Weight of the mean squared displacement (in shares of the reach of the effects) and
        log gain, so that they rest where no reading asks for them.
    counterfactual, counterfactual_share
        Weight of the reader's term (see ``parent_reader``), and the share of each batch
        whose parents are exchanged for another person's.
    follow_up, follow_up_share
        Weight of the difference between people as they were at another visit and
        their counterfactuals at its time, as a share of the difference that no change leaves
        (see ``image_follow_ups``), and the largest share of a batch that is asked.
    """

    fit: FitSettings
    particles: int = 1
    kl_start: float = 1e-6
    kl_end: float = 1.0
    kl_warmup: float = 0.45
    laplacian: float = 0.005
    roi_columns: float = 0.4
    roi_charbonnier: float = 1.5
    roi_laplacian: float = 0.3
    independence: float = 0.1
    effects: float = 0.003
    counterfactual: float = 0.2
    counterfactual_share: float = 0.25
    follow_up: float = 0.0
    follow_up_share: float = 0.5


#: Published (2,000 epochs of 16; gradients cut at 5); no counterfactual or independence term.
PAPER = HVAETraining(
    fit=FitSettings(
        learning_rate=3e-4, optimizer="adam", max_epochs=2000, batch_size=16, clip_norm=5.0,
        schedule="constant", validate_every=1000,
    ),
    particles=2,
    independence=0.0,
    counterfactual=0.0,
)  # fmt: skip

#: The deep model as its field trains it: averaged weights, gradients skipped beyond 500.
PAPER_DEEP = HVAETraining(
    fit=FitSettings(
        learning_rate=1e-3, weight_decay=0.05, max_epochs=2000, batch_size=32, warmup_steps=100,
        ema_decay=0.999, clip_norm=350.0, skip_norm=500.0, schedule="constant",
        validate_every=1000,
    ),
    kl_end=5.0,
    laplacian=0.0,
    roi_charbonnier=0.0,
    roi_laplacian=0.0,
)  # fmt: skip

#: Ours, for either model on two cores.
DEMO = HVAETraining(
    fit=FitSettings(
        learning_rate=2e-3, max_steps=2500, batch_size=16, warmup_steps=50, ema_decay=0.99,
        clip_norm=20.0, skip_norm=2000.0, validate_every=250,
    ),
    counterfactual=0.5,
    follow_up=10.0,
)  # fmt: skip


def fit_image_model(
    model: Model,
    images: ReadsImages,
    rows: np.ndarray,
    *,
    parents: np.ndarray,
    training: HVAETraining,
    reader: ParentReader | None = None,
    follow_ups: FollowUps | None = None,
    validation_rows: np.ndarray | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit ``model`` in place, resumable where a folder is given.

    Parameters
    ----------
    model
        A new or (to go on from) a fitted one; the scales of a new one are measured here.
    images, parents
        Where images are read from, and the value of every parent of every image there,
        (images, parents) in their units, in the model's order.
    rows, validation_rows
        Training images, and those whose evidence bound decides which weights are kept.
    reader
        Frozen; needed where the counterfactual term has a weight.
    follow_ups
        Pairs among ``rows``; without any, that term is left out.
    folder, progress
        See :func:`spinecast.models.fit.fit`.

    Raises
    ------
    ModelError
        SC-407 where a counterfactual term is asked for without a reader.
    """
    if training.counterfactual and reader is None:
        raise error("SC-407", expected="a reader for the counterfactual term", got="none")
    values = torch.from_numpy(np.asarray(parents, dtype=np.float64))
    some = rows[:: max(1, len(rows) // _IMAGES_TO_MEASURE)]
    model.measure(torch.from_numpy(images.read(some)), values[rows])
    known = model.scale(values)
    asks = bool(training.follow_up and follow_ups is not None and len(follow_ups))
    model.redraw.fill_(0.0 if asks else 1.0)
    asked = model.scale(torch.from_numpy(follow_ups.parents)) if asks and follow_ups else None
    lesson = _Lesson(images, rows, known, follow_ups if asks else None, asked)
    unchanged = follow_ups.unchanged if follow_ups is not None else 0.0
    return fit(
        model,
        partial(lesson.batches, training=training),
        image_model_loss(training, reader, unchanged=unchanged),
        settings=training.fit,
        validate=_evidence(training, images, known=known, rows=validation_rows),
        folder=folder,
        progress=progress,
    )


@dataclass(frozen=True)
class _Lesson:
    """What batches are made of: see :func:`fit_image_model`; ``known`` is standardised."""

    images: ReadsImages
    rows: np.ndarray
    known: torch.Tensor
    follow_ups: FollowUps | None
    asked: torch.Tensor | None

    def batches(self, epoch: int, *, training: HVAETraining) -> Iterator[Batch]:
        settings = training.fit
        order = index_batches(len(self.rows), batch_size=settings.batch_size, seed=settings.seed)
        length = sum(1 for _ in order(0))
        for number, batch in enumerate(order(epoch)):
            step = epoch * length + number
            done = torch.tensor(_share_done(settings, epoch, step=step))
            chosen = self.rows[batch]
            given = torch.from_numpy(self.images.read(chosen)), self.known[chosen], done
            if self.follow_ups is None or self.asked is None:
                yield given
                continue
            most = round(training.follow_up_share * len(batch))
            yield (*given, *with_follow_ups(chosen, self.images, self.follow_ups,
                                            asked=self.asked, most=most))  # fmt: skip


class _Loss(Protocol):
    def __call__(self, module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor: ...


def image_model_loss(
    training: HVAETraining, reader: ParentReader | None, *, unchanged: float = 0.0
) -> _Loss:
    """Return the loss of images, standardised parents and the share of training done.

    Where they are followed by what ``with_follow_ups`` yields, ``unchanged`` is what those
    pairs differ by.
    """

    def loss(module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        images, known, done, *followed = batch
        warm = min(1.0, float(done) / training.kl_warmup) if training.kl_warmup else 1.0
        seen = repeat_rows(module.look(images), training.particles)
        images, known = repeat_rows([images, known], training.particles)
        inferred = module.infer(seen, known, rng=rng)
        weight = training.kl_start + (training.kl_end - training.kl_start) * warm
        nll = negative_log_likelihood(images, inferred.pixels, likelihood=module.likelihood)
        total = (nll + weight * inferred.kl).mean() / images[0].numel()
        total = total + _region_terms(training, images, inferred.pixels.mean, warm=warm)
        if training.independence:
            total = total + training.independence * dependence(inferred.means, known)
        if training.effects:
            total = total + training.effects * _effort(inferred.pixels)
        if training.counterfactual and reader is not None:
            readings = _moved_readings(
                module, reader, images=images, known=known, inferred=inferred,
                share=training.counterfactual_share, rng=rng,
            )  # fmt: skip
            total = total + training.counterfactual * readings
        if followed:
            places, later, asked = followed
            gap = missed(
                module, images, inferred, followed=(places * training.particles, later, asked),
                columns=middle_columns(images.shape[2], training.roi_columns),
            )  # fmt: skip
            total = total + training.follow_up * gap / max(unchanged, 1e-9)
        return total

    return loss


def dependence(means: tuple[torch.Tensor, ...], parents: torch.Tensor) -> torch.Tensor:
    """Return the mean squared correlation of posterior means with parents, over a batch.

    Each dimension of each group of latents against each parent; about 1 / n for independent
    ones in a batch of n, which is why it is a penalty and not a test.
    """
    parents = _normalised(parents)
    total = parents.new_zeros(())
    for group in means:
        correlation = _normalised(group.flatten(1)).T @ parents / len(parents)
        total = total + correlation.square().sum(dim=1).mean()
    return total / len(means)


def laplacian(images: torch.Tensor) -> torch.Tensor:
    """Return the discrete Laplacian of (n, rows, columns), the borders left out."""
    middle = images[:, 1:-1, 1:-1]
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return around - 4 * middle


def _region_terms(
    training: HVAETraining, images: torch.Tensor, mean: torch.Tensor, *, warm: float
) -> torch.Tensor:
    total = mean.new_zeros(())
    if training.laplacian:
        total = total + training.laplacian * F.l1_loss(laplacian(mean), laplacian(images))
    if not (training.roi_charbonnier or training.roi_laplacian):
        return total
    columns = middle_columns(images.shape[2], training.roi_columns)
    inside, drawn = images[:, :, columns], mean[:, :, columns]
    smooth = ((inside - drawn).square() + 1e-6).sqrt().mean()
    edges = F.l1_loss(laplacian(drawn), laplacian(inside))
    return total + warm * (training.roi_charbonnier * smooth + training.roi_laplacian * edges)


def _moved_readings(
    module: nn.Module,
    reader: ParentReader,
    *,
    images: torch.Tensor,
    known: torch.Tensor,
    inferred: Inferred,
    share: float,
    rng: torch.Generator,
) -> torch.Tensor:
    """Return how far readings of counterfactuals are from where they should have moved."""
    n = max(1, round(share * len(images)))
    reader.to(images.device)
    other = torch.randperm(len(known), generator=rng, device=known.device)[:n]
    asked, moved = known[other], inferred[:n]
    before = moved.pixels
    if module.effects is not None and moved.maps is not None:
        # what the network draws anew could deceive a reader by grey levels nobody sees; a smooth
        # displacement and gain of the image itself cannot, so where there are any they must do it
        after = before.with_effects(*module.effects(moved.maps, asked))
        made = carry(images[:n], before, after)
    else:
        after = module.decode(moved.latents, asked)
        made = counterfactual_images(images[:n], before, after, module=module)
    jitter = torch.randn(made.shape, generator=rng, device=made.device)
    made = made + reader.config.jitter * jitter
    with torch.no_grad():
        target = reader(images[:n]) + (asked - known[:n]) @ reader.slopes
    spread = reader.spread.clamp(min=0.05)
    # linear where far: a start that moves nothing must not drown the evidence bound
    return F.smooth_l1_loss(reader(made) / spread, target / spread)


def _effort(pixels: Pixels) -> torch.Tensor:
    """Return the mean squared effects of the parents, in the units they are drawn in."""
    if pixels.field is None or pixels.log_gain is None:
        return pixels.mean.new_zeros(())
    reach = ParentEffects.REACH * max(pixels.mean.shape[1:])
    moved = (pixels.field / reach).square().mean()
    return moved + (pixels.log_gain / ParentEffects.GAIN).square().mean()


def _evidence(
    training: HVAETraining,
    images: ReadsImages,
    *,
    known: torch.Tensor,
    rows: np.ndarray | None,
) -> Callable[[nn.Module], float] | None:
    """Return the negative evidence bound per pixel, at the posterior's means."""
    if rows is None or not len(rows):
        return None
    held_out, parents = torch.from_numpy(images.read(np.asarray(rows))), known[rows]

    def validate(module: nn.Module) -> float:
        total, device = 0.0, next(module.parameters()).device
        for some, who in zip(
            held_out.split(ROWS_PER_PASS), parents.split(ROWS_PER_PASS), strict=True
        ):
            here = some.to(device)
            inferred = module.infer(module.look(here), who.to(device), rng=None)
            nll = negative_log_likelihood(here, inferred.pixels, likelihood=module.likelihood)
            total += float((nll + training.kl_end * inferred.kl).sum())
        return total / held_out.numel()

    return validate


def _normalised(values: torch.Tensor) -> torch.Tensor:
    centred = values - values.mean(dim=0)
    return centred / centred.square().mean(dim=0).add(1e-6).sqrt()


def _share_done(settings: FitSettings, epoch: int, *, step: int) -> float:
    by_step = step / settings.max_steps if settings.max_steps else 0.0
    by_epoch = epoch / settings.max_epochs if settings.max_epochs else 0.0
    return max(by_step, by_epoch)


__all__ = [
    "DEMO",
    "HVAETraining",
    "PAPER",
    "PAPER_DEEP",
    "dependence",
    "fit_image_model",
    "image_model_loss",
    "laplacian",
]
