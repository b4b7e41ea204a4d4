"""Parts shared by the image models: parents as numbers, blocks that hear them, pixels as densities.

An image model decodes latents z and parents pa to a density of every pixel. What the
parents do is split in two. A network hears them in every block (FiLM). And a smooth
displacement and a smooth gain act on the image that the network drew (see
``parent_effects``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error
from spinecast.models.parent_effects import displace_exactly

Likelihood = Literal["laplace", "gaussian"]
Transport = Literal["additive", "transported"]

#: log standard deviations of latents are kept in this range, as published.
LOG_STD_RANGE = (-8.0, 2.0)

#: Of the posteriors before anything is learnt: latents that start as noise are given up
#: before they say anything.
FIRST_LOG_STD = -2.0


@dataclass(frozen=True)
class Pixels:
    """The density of the pixels of n images.

    Attributes
    ----------
    mean
        (n, rows, columns), not clipped.
    log_scale
        Logarithm of the scale, shaped to broadcast against ``mean``.
    field
        Displacement by the parents, (n, 2, rows, columns) in pixels down and right; None
        where the model has none.
    log_gain
        Logarithm of the gain by the parents, (n, rows, columns), or None.
    """

    mean: torch.Tensor
    log_scale: torch.Tensor
    field: torch.Tensor | None = None
    log_gain: torch.Tensor | None = None

    def with_effects(self, field: torch.Tensor, log_gain: torch.Tensor) -> Pixels:
        """Return the same under other parents' displacement and gain; the mean stays."""
        return replace(self, field=field, log_gain=log_gain)

    def __getitem__(self, rows: slice | torch.Tensor) -> Pixels:
        """Return the same of some images."""
        log_scale = self.log_scale.expand_as(self.mean)
        parts = (self.field, self.log_gain)
        chosen = (None if part is None else part[rows] for part in parts)
        return Pixels(self.mean[rows], log_scale[rows], *chosen)


@dataclass(frozen=True)
class Inferred:
    """What a pass of images through the posterior leaves.

    Attributes
    ----------
    latents
        Drawn, coarsest first; each (n, channels, rows, columns) or (n, channels).
    means
        The posterior means of the same.
    kl
        (n,) nats between posterior and prior, summed over all latents.
    pixels
        Density of the images under these latents and the images' own parents.
    maps
        How the parents act on each image (see ``parent_effects``); None where the model has
        no effects.
    """

    latents: tuple[torch.Tensor, ...]
    means: tuple[torch.Tensor, ...]
    kl: torch.Tensor
    pixels: Pixels
    maps: torch.Tensor | None = None

    def __getitem__(self, rows: slice | torch.Tensor) -> Inferred:
        """Return the same of some images."""
        return Inferred(
            latents=tuple(z[rows] for z in self.latents),
            means=tuple(mean[rows] for mean in self.means),
            kl=self.kl[rows],
            pixels=self.pixels[rows],
            maps=None if self.maps is None else self.maps[rows],
        )


class ParentScale(nn.Module):
    """Standardise parents: the logarithm of positive ones, then mean 0 and variance 1.

    Mean and standard deviation are measured on training people and kept with the
    weights; until then they are 0 and 1.
    """

    mean: torch.Tensor
    std: torch.Tensor
    logged: torch.Tensor

    def __init__(self, logged: Sequence[bool]) -> None:
        super().__init__()
        self.register_buffer("logged", torch.tensor(list(logged), dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(len(logged)))
        self.register_buffer("std", torch.ones(len(logged)))

    def forward(self, parents: torch.Tensor) -> torch.Tensor:
        """Return (n, parents) standardised, of values in their units.

        Raises
        ------
        CohortError
            SC-305 for a value that is not finite, or not positive where its logarithm is used.
        """
        return ((self._logs(parents) - self.mean) / self.std).to(self.mean.dtype)

    def measure(self, parents: torch.Tensor) -> None:
        """Set mean and standard deviation from training people's values."""
        logs = self._logs(parents)
        self.mean.copy_(logs.mean(dim=0))
        spread = logs.std(dim=0)
        self.std.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))

    def _logs(self, parents: torch.Tensor) -> torch.Tensor:
        usable = parents.isfinite() & ((parents > 0) | ~self.logged)
        if parents.ndim != 2 or parents.shape[1] != len(self.logged) or not bool(usable.all()):
            raise error(
                "SC-305",
                expected=f"(n, {len(self.logged)}) finite values, positive where logarithms are",
                got=f"{tuple(parents.shape)} with {int((~usable).sum())} unusable",
                where="image parents",
            )
        wide = parents.double()
        return torch.where(self.logged, wide.clamp(min=1e-12).log(), wide)


class FilmBlock(nn.Module):
    """A residual bottleneck block whose inner channels are scaled and shifted by the parents.

    The last layer starts small (``start``), so that a deep stack begins near the identity.
    Without ``embedding`` no parents enter.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        *,
        width: int,
        embedding: int = 0,
        convolutions: int = 1,
        kernel: int = 3,
        start: float = 0.3,
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width_in, width, 1)
        self.inner = nn.ModuleList(
            nn.Conv2d(width, width, kernel, padding=kernel // 2) for _ in range(convolutions)
        )
        self.leave = nn.Conv2d(width, width_out, 1)
        self.film = nn.Linear(embedding, 2 * width) if embedding else None
        self.skip = width_in == width_out
        with torch.no_grad():
            self.leave.weight.mul_(start)
            self.leave.bias.zero_()
            if self.film is not None:
                self.film.weight.zero_()
                self.film.bias.zero_()

    def forward(self, x: torch.Tensor, parents: torch.Tensor | None = None) -> torch.Tensor:
        """Return (n, width_out, rows, columns); ``parents`` is their embedding."""
        h = self.enter(F.silu(x))
        if self.film is not None:
            scale, shift = self.film(parents)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        for layer in self.inner:
            h = layer(F.silu(h))
        h = self.leave(F.silu(h))
        return x + h if self.skip else h


def abduct_noise(images: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """Return the pixels' exogenous noise, (image - mean) / scale."""
    return (images - pixels.mean) * (-pixels.log_scale).exp()


def apply_noise(
    noise: torch.Tensor,
    pixels: Pixels,
    *,
    before: Pixels | None = None,
    redraw: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """Return mean + scale x noise; with ``before``, the image's own anatomy is carried along.

    Parameters
    ----------
    noise
        From :func:`abduct_noise`.
    pixels
        Density under the parents that are asked for.
    before
        Density under the parents the noise was abducted with. Mean and what of the residual
        is anatomy (edges and texture that the mean lacks) are then displaced and amplified
        as the parents' effects differ; the residual's grain, which is the detector's, stays
        where it is. None, or a model without effects: all of the residual stays and only
        the scales change.
    redraw
        With ``before``: share, 0 to 1, of what the network draws otherwise than by effects.

    Notes
    -----
    Displacing by the difference of two fields is their composition to first order.
    """
    if before is None or before.field is None or pixels.field is None:
        return pixels.mean + pixels.log_scale.exp() * noise
    residual = before.log_scale.exp() * noise
    anatomy = without_grain(residual)
    carried = residual - anatomy + carry(before.mean + anatomy, before, pixels)
    if float(redraw) == 0:
        return carried
    return carried + redraw * (pixels.mean - carry(before.mean, before, pixels))


def carry(images: torch.Tensor, before: Pixels, after: Pixels) -> torch.Tensor:
    """Return images displaced and amplified by the difference of two densities' effects.

    As they are where either has none. No difference gives the images bit for bit.
    """
    if before.field is None or after.field is None:
        return images
    moved = displace_exactly(images, after.field - before.field)
    if before.log_gain is None or after.log_gain is None:
        return moved
    return moved * (after.log_gain - before.log_gain).exp()


def negative_log_likelihood(
    images: torch.Tensor, pixels: Pixels, *, likelihood: Likelihood
) -> torch.Tensor:
    """Return (n,) nats, summed over pixels, of continuous intensities in [0, 1]."""
    noise = abduct_noise(images, pixels)
    log_scale = pixels.log_scale.expand_as(noise)
    if likelihood == "laplace":
        each = noise.abs() + log_scale + math.log(2)
    else:
        each = 0.5 * noise**2 + log_scale + 0.5 * math.log(2 * math.pi)
    return each.flatten(1).sum(dim=1)


def split_gaussian(both: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and bounded log standard deviation from channels that hold both."""
    mean, log_std = both.chunk(2, dim=1)
    return mean, log_std.clamp(*LOG_STD_RANGE)


def draw(mean: torch.Tensor, log_std: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
    """Return mean + std x standard normal noise; without ``rng``, the mean."""
    if rng is None:
        return mean
    noise = torch.randn(mean.shape, generator=rng, device=mean.device, dtype=mean.dtype)
    return mean + log_std.exp() * noise


def gaussian_kl(
    posterior: tuple[torch.Tensor, torch.Tensor], prior: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Return (n,) nats between diagonal Gaussians given as (mean, log standard deviation)."""
    (mean, log_std), (prior_mean, prior_log_std) = posterior, prior
    ratio = (2 * (log_std - prior_log_std)).exp()
    gap = (mean - prior_mean) * (-prior_log_std).exp()
    return (prior_log_std - log_std + 0.5 * (ratio + gap**2 - 1)).flatten(1).sum(dim=1)


def standard_normal_like(mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the standard normal as (mean, log standard deviation) of this shape."""
    return torch.zeros_like(mean), torch.zeros_like(mean)


def without_grain(images: torch.Tensor) -> torch.Tensor:
    """Return images (n, rows, columns) less what varies no more than their quiet places do.

    A Wiener filter by the mean and variance of 5 x 5 pixels: smooth where the variance is
    that of the grain, taken to be twice the lower third's of an image, as it is where it
    is more. Source: Lee JS, IEEE Trans Pattern Anal Mach Intell 1980;2:165.
    """
    level = _averaged(images)
    variance = (_averaged(images.square()) - level.square()).clamp(min=1e-12)
    with torch.no_grad():
        grain = 2 * variance[:, ::4, ::4].flatten(1).quantile(0.3, dim=1)[:, None, None]
    return level + (1 - grain / variance).clamp(min=0) * (images - level)


def _averaged(images: torch.Tensor) -> torch.Tensor:
    padded = F.pad(images[:, None], (2, 2, 2, 2), mode="replicate")
    return F.avg_pool2d(padded, 5, stride=1)[:, 0]


def blurred(images: torch.Tensor) -> torch.Tensor:
    """Return images under a binomial window of 5 x 5 pixels, the border repeated."""
    once = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device, dtype=images.dtype) / 16
    padded = F.pad(images[:, None], (2, 2, 2, 2), mode="replicate")
    across = F.conv2d(padded, once.view(1, 1, 1, 5))
    return F.conv2d(across, once.view(1, 1, 5, 1))[:, 0]
