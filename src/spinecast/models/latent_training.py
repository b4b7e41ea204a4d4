"""Fit the autoencoder and the two latent diffusion models.

Latents are made once; the diffusion models never see a pixel. The prompt model can
be fitted as published (image and sentence, apart from the structure model) or, by
default, on pairs of one person's images with the structure model's features handed
over in the loop, so that what is drawn later is what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error
from spinecast.models.autoencoder import AutoencoderConfig, RadiographAutoencoder, autoencoder_loss
from spinecast.models.feature_injection import Blocks, Features, recording
from spinecast.models.fit import Batch, FitResult, FitSettings, fit, index_batches
from spinecast.models.latent_diffusion import DiffXPair, NoiseConfig, ddim_scheduler
from spinecast.models.latent_pairs import (
    ImagePairs,
    LatentSet,
    PairSampler,
    PromptTraining,
    ReadsImages,
    pairs_forward_in_time,
)
from spinecast.models.prompts import Attributes
from spinecast.seeds import generator

Progress = Callable[[float, str], None]
Loss = Callable[[nn.Module, Batch, torch.Generator], torch.Tensor]

#: Weight of the structure model's second task, see :class:`DiffXConfig`.
PROBE_WEIGHT = 1.0

#: Images read and encoded at once.
ROWS_PER_READ = 256


def fit_autoencoder(
    images: ReadsImages,
    rows: np.ndarray,
    *,
    config: AutoencoderConfig,
    settings: FitSettings,
    start: RadiographAutoencoder | None = None,
    validation_rows: np.ndarray | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> tuple[RadiographAutoencoder, FitResult]:
    """Fit an autoencoder to images, then measure the scale of its latents on them.

    Parameters
    ----------
    images
        Where images are read from; only ``rows`` are.
    rows
        Training images.
    start
        Autoencoder to go on from (fine-tuning), changed in place; else a new one.
    validation_rows
        Images whose mean squared error decides which weights are kept.
    folder, progress
        See :func:`spinecast.models.fit.fit`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        module = start or RadiographAutoencoder(config)
    order = index_batches(len(rows), batch_size=settings.batch_size, seed=settings.seed)

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in order(epoch):
            yield (torch.from_numpy(images.read(rows[batch])),)

    result = fit(
        module,
        batches,
        autoencoder_loss,
        settings=settings,
        validate=_reconstruction_error(images, validation_rows),
        folder=folder,
        progress=progress,
    )
    some = generator(settings.seed, "latent scale").permutation(len(rows))[:ROWS_PER_READ]
    module.measure_scale(images.read(rows[some]))
    return module, result


def encode_images(pair: DiffXPair, images: ReadsImages, rows: np.ndarray) -> LatentSet:
    """Return the latents of the images at ``rows`` and of their low-resolution copies."""
    latents, low = [], []
    for start in range(0, len(rows), ROWS_PER_READ):
        part = images.read(rows[start : start + ROWS_PER_READ])
        latents.append(pair.autoencoder.encode(part).cpu())
        low.append(pair.encode_low_resolution(part).cpu())
    return LatentSet(torch.cat(latents), torch.cat(low))


def fit_structure(
    pair: DiffXPair,
    latents: LatentSet,
    *,
    settings: FitSettings,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit the pair's structure model, in place, on images and their low-resolution copies."""
    order = index_batches(len(latents), batch_size=settings.batch_size, seed=settings.seed)

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in order(epoch):
            yield latents.latents[batch], latents.low_resolution[batch]

    return fit(
        pair.structure,
        batches,
        structure_loss(pair),
        settings=settings,
        folder=folder,
        progress=progress,
    )


def fit_prompt(
    pair: DiffXPair,
    latents: LatentSet,
    attributes: Sequence[Attributes],
    *,
    pairs: ImagePairs,
    training: PromptTraining,
    settings: FitSettings,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit the pair's prompt model, in place; the structure model stays as it is.

    With pairs, a prompt model never fitted before starts from the structure model's
    weights; one that was (fine-tuning) goes on from its own.

    Parameters
    ----------
    latents
        Of the training images.
    attributes
        What is known of each of them, in the same order.
    pairs
        Rows of ``latents`` that are one person's, forward in time; may be empty in
        ``separate`` mode.

    Raises
    ------
    ModelError
        SC-407 where attributes and latents differ in number, or no pair was given.
    """
    if len(attributes) != len(latents):
        raise error(
            "SC-407",
            expected=f"attributes of {len(latents)} images",
            got=str(len(attributes)),
            where="prompt model",
        )
    if training.mode == "paired" and not len(pairs.years):
        raise error("SC-407", expected="pairs of images", got="none", where="paired training")
    if training.mode == "paired" and not pair.prompt.fitted:
        pair.prompt.start_from(pair.structure)
    pair.prompt.fitted.fill_(1)
    sampler = PairSampler(
        pair, latents, attributes=attributes, pairs=pairs, training=training, settings=settings
    )
    return fit(
        pair.prompt,
        sampler.batches(),
        paired_loss(pair, training),
        settings=settings,
        folder=folder,
        progress=progress,
    )


def structure_loss(pair: DiffXPair) -> Loss:
    """Return the denoising loss of the structure model: latents, low-resolution latents."""

    def loss(module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        latents, low_resolution = batch
        timestep = _structure_timesteps(pair, len(latents), rng=rng)
        noised = _Noised.draw(pair.config.noise, latents, rng=rng, timestep=timestep)
        if module.probe is None:
            predicted = module(noised.sample, noised.timestep, low_resolution)
            return _weighted_error(pair, predicted, noised.target)
        with recording(frozenset({module.probe.block}), frozenset()) as features:
            predicted = module(noised.sample, noised.timestep, low_resolution)
        read = _weighted_error(pair, module.probe(features), latents)
        return _weighted_error(pair, predicted, noised.target) + PROBE_WEIGHT * read

    return loss


def _structure_timesteps(pair: DiffXPair, n: int, *, rng: torch.Generator) -> torch.Tensor:
    """Draw timesteps over the whole schedule; every other one where features are handed over."""
    total, often = pair.config.noise.timesteps, pair.config.structure_noise
    timestep = torch.randint(total, (n,), generator=rng, device=rng.device)
    if often < total:
        timestep[::2] = torch.randint(
            often + 1, (len(timestep[::2]),), generator=rng, device=rng.device
        )
    return timestep


def paired_loss(pair: DiffXPair, training: PromptTraining) -> Loss:
    """Return the loss of the prompt model: follow-up, baseline, its copy, tokens.

    The structure model sees the baseline noised to the same timestep by noise of its
    own, as it will when drawing.
    """
    structure = pair.structure

    def loss(module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        target, baseline, low_resolution, tokens = batch
        power = training.noise_power if training.mode == "paired" else 1.0
        place = torch.rand(len(target), generator=rng, device=target.device) ** power
        total = pair.config.noise.timesteps
        timestep = (place * total).long().clamp(max=total - 1)
        noised = _Noised.draw(pair.config.noise, target, rng=rng, timestep=timestep)
        context = module.text(tokens)
        share = torch.rand(len(target), generator=rng, device=target.device)
        handed = share >= (training.injection_dropout if training.mode == "paired" else 1.0)
        if not bool(handed.any()):
            alone = module(noised.sample, noised.timestep, context)
            return _weighted_error(pair, alone, noised.target)
        structure.to(target.device)
        least = noised.timestep.clamp(max=pair.config.structure_noise)
        seen = _Noised.draw(pair.config.noise, baseline, rng=rng, timestep=least)
        prediction = torch.empty_like(target)
        for rows, blocks in _groups(pair, noised.timestep, handed):
            features = None
            if blocks is not None:
                with torch.no_grad():
                    features = structure.features(
                        seen.sample[rows], seen.timestep[rows], low_resolution[rows], blocks=blocks
                    )
            prediction[rows] = _predict(
                module, noised, rows=rows, context=context, features=features
            )
        return _weighted_error(pair, prediction, noised.target)

    return loss


def _weighted_error(pair: DiffXPair, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    weight = pair.autoencoder.channel_weight.to(predicted.device)
    return (F.mse_loss(predicted, target, reduction="none") * weight).mean()


def _groups(
    pair: DiffXPair, timestep: torch.Tensor, handed: torch.Tensor
) -> list[tuple[torch.Tensor, Blocks | None]]:
    """Group a batch's rows by what is handed over to them; None is nothing."""
    found: dict[Blocks | None, list[int]] = {}
    for row, (t, given) in enumerate(zip(timestep.tolist(), handed.tolist(), strict=True)):
        blocks = pair.config.injection.at(t) if given else None
        found.setdefault(blocks if blocks and any(blocks) else None, []).append(row)
    return [(torch.tensor(rows, device=timestep.device), blocks) for blocks, rows in found.items()]


def _predict(
    module: nn.Module,
    noised: _Noised,
    *,
    rows: torch.Tensor,
    context: torch.Tensor,
    features: Features | None,
) -> torch.Tensor:
    return module(noised.sample[rows], noised.timestep[rows], context[rows], features=features)


@dataclass(frozen=True)
class _Noised:
    sample: torch.Tensor
    timestep: torch.Tensor
    target: torch.Tensor

    @classmethod
    def draw(
        cls,
        noise: NoiseConfig,
        clean: torch.Tensor,
        *,
        rng: torch.Generator,
        timestep: torch.Tensor,
    ) -> _Noised:
        scheduler = ddim_scheduler(noise)
        added = torch.randn(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)
        sample = scheduler.add_noise(clean, added, timestep)
        target = added
        if noise.prediction == "v_prediction":
            signal = scheduler.alphas_cumprod.to(clean)[timestep].view(-1, 1, 1, 1)
            target = signal.sqrt() * added - (1 - signal).sqrt() * clean
        return cls(sample, timestep, target)


def _reconstruction_error(
    images: ReadsImages, rows: np.ndarray | None
) -> Callable[[nn.Module], float] | None:
    if rows is None or not len(rows):
        return None
    held_out = torch.from_numpy(images.read(np.asarray(rows)))

    def validate(module: nn.Module) -> float:
        given = held_out.to(next(module.parameters()).device)
        parts = [module.raw_decode(module.posterior(p).mode()) for p in given.split(32)]
        return float(F.mse_loss(torch.cat(parts), given))

    return validate


__all__ = [
    "ImagePairs",
    "LatentSet",
    "PromptTraining",
    "ReadsImages",
    "encode_images",
    "fit_autoencoder",
    "fit_prompt",
    "fit_structure",
    "pairs_forward_in_time",
    "paired_loss",
    "structure_loss",
]
