"""Augmentation: draw the dice, then apply them; the second step is deterministic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed while training.

    Attributes
    ----------
    rotation
        Largest angle, degrees.
    scale
        Largest relative change of size; 0.1 means 0.9 to 1.1.
    shift
        Largest shift, as a share of rows and columns.
    noise
        Largest standard deviation of Gaussian noise, in grey levels of [0, 1].
    contrast
        Largest relative change of contrast about the image's mean.
    gamma
        Largest log exponent of the grey curve.
    blur
        Largest share of a 3 x 3 binomial blur that is mixed in, so that a scorer does not
        live on the grain that generated images lack.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    noise: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0


@dataclass(frozen=True)
class AugmentationDice:
    """What was drawn for a batch; every field is (n,) except ``shift`` (n, 2) and ``noise``."""

    angle: torch.Tensor
    size: torch.Tensor
    shift: torch.Tensor
    contrast: torch.Tensor
    gamma: torch.Tensor
    blur: torch.Tensor
    noise: torch.Tensor


def draw_augmentation(
    images: torch.Tensor, augmentation: Augmentation, rng: torch.Generator
) -> AugmentationDice:
    """Draw the dice for ``images`` (n, 1, H, W), each image its own."""
    n = len(images)

    def uniform(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(*shape, generator=rng, device=images.device) - 1

    spread = augmentation.noise * uniform(n, 1, 1, 1).abs()
    grain = torch.randn(images.shape, generator=rng, device=images.device)
    return AugmentationDice(
        angle=math.radians(augmentation.rotation) * uniform(n),
        size=1 + augmentation.scale * uniform(n),
        shift=2 * augmentation.shift * uniform(n, 2),
        contrast=1 + augmentation.contrast * uniform(n),
        gamma=torch.exp(augmentation.gamma * uniform(n)),
        blur=augmentation.blur * uniform(n).abs(),
        noise=spread * grain,
    )


def apply_augmentation(images: torch.Tensor, dice: AugmentationDice) -> torch.Tensor:
    """Return changed copies of ``images`` (n, 1, H, W) in [0, 1].

    Turned, scaled and shifted about the centre (outside is black, like the padding),
    then blurred, contrast and gamma, then noise; clipped to [0, 1].
    """
    moved = functional.grid_sample(
        images, _grid(images, dice), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    share = dice.blur[:, None, None, None]
    soft = (1 - share) * moved + share * _binomial_blur(moved)
    mean = soft.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = mean + dice.contrast[:, None, None, None] * (soft - mean)
    curved = contrasted.clamp(1e-6, 1) ** dice.gamma[:, None, None, None]
    return (curved + dice.noise).clamp(0, 1)


def augment(images: torch.Tensor, augmentation: Augmentation, rng: torch.Generator) -> torch.Tensor:
    """Draw and apply in one call; images (n, 1, H, W) in [0, 1] come back in [0, 1]."""
    if augmentation == Augmentation():
        return images
    return apply_augmentation(images, draw_augmentation(images, augmentation, rng))


def _grid(images: torch.Tensor, dice: AugmentationDice) -> torch.Tensor:
    """Return the sampling grid; it runs -1..1 on both axes, so angles need the aspect."""
    rows, columns = images.shape[-2:]
    cos, sin = torch.cos(dice.angle) / dice.size, torch.sin(dice.angle) / dice.size
    aspect = rows / columns
    first = torch.stack([cos, -sin * aspect, dice.shift[:, 0]], dim=1)
    second = torch.stack([sin / aspect, cos, dice.shift[:, 1]], dim=1)
    theta = torch.stack([first, second], dim=1)
    return functional.affine_grid(theta, list(images.shape), align_corners=False)


def _binomial_blur(images: torch.Tensor) -> torch.Tensor:
    line = torch.tensor([1.0, 2.0, 1.0], device=images.device, dtype=images.dtype) / 4
    kernel = (line[:, None] * line[None, :])[None, None]
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel)
