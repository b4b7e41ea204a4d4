"""Draw radiographs of a person's future spine from one radiograph of today (Diff-X).

At every sampling step the structure model looks at the baseline once; all horizons
and all draws of that image share what it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from spinecast.counterfactuals.sampling import SamplingRun, SamplingSettings
from spinecast.errors import error
from spinecast.models.feature_injection import InjectionConfig
from spinecast.models.latent_diffusion import DiffXPair
from spinecast.models.prompts import Attributes


@dataclass(frozen=True)
class FollowUp:
    """Drawn images, all in [0, 1] and float32.

    Attributes
    ----------
    images
        (n, horizons, draws, rows, columns).
    reconstruction
        The pair's drawing for 0 years, (n, rows, columns).
    autoencoded
        What the autoencoder alone makes of the baseline: the best any drawing can do.
    """

    images: np.ndarray
    reconstruction: np.ndarray
    autoencoded: np.ndarray


def generate_follow_up(
    pair: DiffXPair,
    images: np.ndarray,
    attributes: Sequence[Attributes],
    *,
    horizons: np.ndarray,
    draws: int = 10,
    settings: SamplingSettings | None = None,
    seed: int = 0,
) -> FollowUp:
    """Draw follow-up radiographs.

    Draws of one image differ by noise and stay the same draw across horizons: the
    third draw at 5 years leads to the third draw at 10. They depend on the image and
    the seed, not on what else is drawn in the same call.

    Parameters
    ----------
    pair
        Fitted networks.
    images
        Baselines, (n, rows, columns) float32 in [0, 1], prepared as in training.
    attributes
        What is known of each; prompts say age and sex only, as published.
    horizons
        Years from baseline, (n, h) or (h,), not negative.
    draws
        Images per horizon.
    settings, seed
        How, and which draws.

    Returns
    -------
    FollowUp

    Raises
    ------
    ModelError
        SC-404 for images of another shape, SC-407 for settings that do not fit.

    Notes
    -----
    A drawn future is a sample of what the training images make likely for this
    baseline, age and sex. It foretells nobody's fracture: an image unlike the training
    images gives a confident-looking drawing too.
    """
    return _generate(
        pair, images, attributes, horizons=horizons, draws=draws, seed=seed, settings=settings
    )


def generate_unshared(
    pair: DiffXPair,
    images: np.ndarray,
    attributes: Sequence[Attributes],
    *,
    horizons: np.ndarray,
    draws: int = 10,
    settings: SamplingSettings | None = None,
    seed: int = 0,
) -> FollowUp:
    """Draw the same follow-ups with both networks in full for every draw; for timing only."""
    return _generate(
        pair,
        images,
        attributes,
        horizons=horizons,
        draws=draws,
        seed=seed,
        settings=settings,
        share=False,
    )


def reconstruct(
    pair: DiffXPair,
    images: np.ndarray,
    attributes: Sequence[Attributes],
    *,
    by: Literal["pair", "autoencoder", "single", "single_inverted"] = "pair",
    settings: SamplingSettings | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Draw each image as it is now, (n, rows, columns).

    Parameters
    ----------
    by
        ``pair``: with the structure model. ``autoencoder``: without diffusion.
        ``single``: the prompt model alone from random noise, which knows the sentence
        only. ``single_inverted``: the prompt model alone from its own exact inversion of
        the image, a harder comparison than the published one.
    """
    settings = settings or SamplingSettings()
    if by == "autoencoder":
        return _decoded(pair, pair.autoencoder.encode(_checked(pair, images, attributes)))
    if by != "pair":
        start: Literal["random", "inverted"] = "inverted" if by == "single_inverted" else "random"
        settings = replace(settings, injection=InjectionConfig.none(), start=start)
    now = np.zeros((len(images), 1))
    drawn = _draw(
        pair, images, attributes, years=now, draws=1, seed=seed, settings=settings, share=True
    )
    return drawn[:, 0, 0]


def _generate(
    pair: DiffXPair,
    images: np.ndarray,
    attributes: Sequence[Attributes],
    *,
    horizons: np.ndarray,
    draws: int,
    seed: int,
    settings: SamplingSettings | None,
    share: bool = True,
) -> FollowUp:
    settings = settings or SamplingSettings()
    years = _checked_horizons(horizons, len(images))
    keep = settings.detail == "baseline"
    drawn = _draw(
        pair,
        images,
        attributes,
        years=np.concatenate([np.zeros((len(years), 1)), years], axis=1) if keep else years,
        draws=draws,
        seed=seed,
        settings=settings,
        share=share,
    )
    if keep:
        change = drawn[:, 1:] - drawn[:, :1]
        drawn = np.clip(np.asarray(images, np.float32)[:, None, None] + change, 0, 1)
    return FollowUp(
        images=drawn,
        reconstruction=reconstruct(pair, images, attributes, settings=settings, seed=seed),
        autoencoded=reconstruct(pair, images, attributes, by="autoencoder"),
    )


@torch.no_grad()
def _draw(
    pair: DiffXPair,
    images: np.ndarray,
    attributes: Sequence[Attributes],
    *,
    years: np.ndarray,
    draws: int,
    seed: int,
    settings: SamplingSettings,
    share: bool,
) -> np.ndarray:
    """Return drawn images, (n, h, draws, rows, columns), a few baselines at a time."""
    given = _checked(pair, images, attributes)
    per_image = years.shape[1] * draws
    together = max(1, settings.rows_per_pass // max(1, per_image))
    parts = []
    for start in range(0, len(given), together):
        rows = slice(start, start + together)
        group = SamplingRun.prepare(
            pair,
            given[rows],
            attributes[rows],
            years=years[rows],
            draws=draws,
            seed=seed,
            settings=settings,
        )
        latents = group.sample(share=share)
        decoded = _decoded(pair, latents)
        parts.append(decoded.reshape(-1, years.shape[1], draws, *decoded.shape[1:]))
    if not parts:
        return np.zeros(
            (0, years.shape[1], draws, *pair.config.autoencoder.image_shape), np.float32
        )
    return np.concatenate(parts)


def _checked(pair: DiffXPair, images: np.ndarray, attributes: Sequence[Attributes]) -> torch.Tensor:
    expected = pair.config.autoencoder.image_shape
    if images.ndim != 3 or tuple(images.shape[1:]) != tuple(expected):
        raise error(
            "SC-404",
            expected=f"images of {expected[0]} x {expected[1]}",
            got=" x ".join(str(side) for side in images.shape),
            where="follow-up",
        )
    if len(attributes) != len(images):
        raise error(
            "SC-407",
            expected=f"attributes of {len(images)} images",
            got=str(len(attributes)),
            where="follow-up",
        )
    return torch.as_tensor(np.asarray(images, dtype=np.float32)).to(pair.device)


def _checked_horizons(horizons: np.ndarray, n: int) -> np.ndarray:
    years = np.atleast_1d(np.asarray(horizons, dtype=float))
    years = np.broadcast_to(years, (n, years.shape[0])) if years.ndim == 1 else years
    if len(years) != n or not np.isfinite(years).all() or (years < 0).any():
        raise error(
            "SC-407",
            expected=f"horizons of {n} images, in years from baseline, 0 or later",
            got=f"an array of shape {years.shape}" if len(years) != n else "others",
            where="follow-up",
        )
    return years


def _decoded(pair: DiffXPair, latents: torch.Tensor) -> np.ndarray:
    return pair.autoencoder.decode(latents).cpu().numpy().astype(np.float32)


__all__ = [
    "FollowUp",
    "SamplingSettings",
    "generate_follow_up",
    "generate_unshared",
    "reconstruct",
]
