"""The autoencoder between radiographs and the latents in which diffusion happens.

diffusers' ``AutoencoderKL`` for one grey channel. At small sizes pixels are first
folded into channels (``patch``), so that the costly convolutions at full resolution
fall away, and the network only adds to a linear code that starts as a cosine
transform: it begins where image compression ends, and two cores train it in minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error

#: Rows encoded or decoded at once where no gradient is kept.
ROWS_PER_PASS = 32
_IMAGES_FOR_EFFECTS = 16


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the autoencoder and weights of its loss.

    Attributes
    ----------
    image_shape
        Rows and columns of the images.
    patch
        Side of the square of pixels folded into channels before the first convolution.
    block_out_channels, layers_per_block, latent_channels, norm_groups, mid_attention
        As in diffusers' ``AutoencoderKL``.
    linear_path
        Start from the lowest cosine frequencies of each square of ``factor`` pixels;
        the network learns what to add. Off at the published size, as in Stable Diffusion.
    gradient_weight, similarity_weight, kl_weight
        Weights of the loss terms beside the absolute error; see :func:`autoencoder_loss`.
    """

    image_shape: tuple[int, int] = (192, 96)
    patch: int = 4
    block_out_channels: tuple[int, ...] = (48, 96)
    layers_per_block: int = 1
    latent_channels: int = 8
    norm_groups: int = 8
    mid_attention: bool = False
    linear_path: bool = True
    gradient_weight: float = 0.5
    similarity_weight: float = 0.1
    kl_weight: float = 1e-5

    @property
    def factor(self) -> int:
        """How many pixels one latent position stands for, along each axis."""
        return int(self.patch * 2 ** (len(self.block_out_channels) - 1))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the latents of one image."""
        rows, columns = self.image_shape
        return self.latent_channels, rows // self.factor, columns // self.factor


class RadiographAutoencoder(nn.Module):
    """Encode radiographs in [0, 1] to standardised latents, and decode them.

    The latents' mean and standard deviation per channel are measured on training
    images (:meth:`measure_scale`) and kept with the weights, because the noise
    schedule presumes latents of unit variance. Until then mean 0 and Stable
    Diffusion's factor 0.18215 hold.

    Raises
    ------
    ModelError
        SC-407 where the image shape is not a multiple of the factor.
    """

    latent_mean: torch.Tensor
    latent_std: torch.Tensor
    channel_weight: torch.Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if any(side % config.factor for side in config.image_shape):
            raise error(
                "SC-407",
                expected=f"image sides that are multiples of {config.factor}",
                got=str(config.image_shape),
                where="autoencoder",
            )
        levels = len(config.block_out_channels)
        self.config = config
        self.network = AutoencoderKL(
            in_channels=config.patch**2,
            out_channels=config.patch**2,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            latent_channels=config.latent_channels,
            norm_num_groups=config.norm_groups,
            mid_block_add_attention=config.mid_attention,
        )
        self.linear = (
            CosineCode(config.factor, config.latent_channels) if config.linear_path else None
        )
        if self.linear is not None:
            _silence(self.network)
        shape = (config.latent_channels, 1, 1)
        self.register_buffer("latent_mean", torch.zeros(shape))
        self.register_buffer("latent_std", torch.full(shape, 1 / 0.18215))
        self.register_buffer("channel_weight", torch.ones(shape))

    def posterior(self, images: torch.Tensor) -> Any:
        """Return the Gaussian over raw latents of ``images``, (n, rows, columns) in [0, 1]."""
        self._check(images)
        centred = images[:, None] * 2 - 1
        posterior = self.network.encode(F.pixel_unshuffle(centred, self.config.patch)).latent_dist
        if self.linear is not None:
            posterior.mean = posterior.mean + self.linear.analyse(centred)
        return posterior

    def raw_decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode raw latents to unclipped images; what training differentiates."""
        centred = F.pixel_shuffle(self.network.decode(latents).sample, self.config.patch)
        if self.linear is not None:
            centred = centred + self.linear.synthesise(latents)
        return (centred[:, 0] + 1) / 2

    @torch.no_grad()
    def encode(self, images: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Return standardised latents, (n, channels, rows, columns): the posterior mean.

        Raises
        ------
        ModelError
            SC-404 for images of another shape.
        """
        given = torch.as_tensor(
            images, device=self.latent_mean.device, dtype=self.latent_mean.dtype
        )
        if not len(given):
            return given.new_zeros((0, *self.config.latent_shape))
        parts = [self.posterior(part).mode() for part in given.split(ROWS_PER_PASS)]
        return (torch.cat(parts) - self.latent_mean) / self.latent_std

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images in [0, 1], (n, rows, columns), of standardised latents."""
        if not len(latents):
            return latents.new_zeros((0, *self.config.image_shape))
        raw = latents * self.latent_std + self.latent_mean
        parts = [self.raw_decode(part) for part in raw.split(ROWS_PER_PASS)]
        return torch.cat(parts).clamp(0, 1)

    @torch.no_grad()
    def measure_scale(self, images: torch.Tensor | np.ndarray) -> None:
        """Set the latents' mean and standard deviation from training images.

        With a linear path also each channel's weight in the diffusion models' loss: the
        root of how much a change of it changes the image, with mean 1. The first
        channel holds the brightness of a square, the last little more than its noise.
        """
        self.latent_mean.zero_()
        self.latent_std.fill_(1)
        latents = self.encode(images)
        self.latent_mean.copy_(latents.mean(dim=(0, 2, 3)).view_as(self.latent_mean))
        self.latent_std.copy_(latents.std(dim=(0, 2, 3)).view_as(self.latent_std).clamp(min=1e-6))
        if self.linear is not None:
            weight = self._effects(self.encode(images[:_IMAGES_FOR_EFFECTS])).sqrt()
            self.channel_weight.copy_((weight / weight.mean()).view_as(self.channel_weight))

    def _effects(self, latents: torch.Tensor) -> torch.Tensor:
        """Return what a standard change of each channel does to the image, root mean square."""
        before = self.decode(latents)
        effects = []
        for channel in range(latents.shape[1]):
            changed = latents.clone()
            changed[:, channel] += 0.2
            effects.append((self.decode(changed) - before).pow(2).mean().sqrt())
        return torch.stack(effects).clamp(min=1e-6)

    def _check(self, images: torch.Tensor) -> None:
        if images.ndim != 3 or tuple(images.shape[1:]) != tuple(self.config.image_shape):
            raise error(
                "SC-404",
                expected=f"images of {self.config.image_shape[0]} x {self.config.image_shape[1]}",
                got=" x ".join(str(side) for side in images.shape[1:]),
                where="autoencoder",
            )


class CosineCode(nn.Module):
    """A linear code of squares of pixels, there and back; starts as a cut cosine transform."""

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        frequencies = sorted(
            ((u, v) for u in range(side) for v in range(side)),
            key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair),
        )[:channels]
        basis = torch.stack([_cosine(side, *pair) for pair in frequencies])[:, None]
        # radiographs hold less of higher frequencies; so all channels vary about equally
        gain = torch.tensor([0.25 * (1 + 3 * (u * u + v * v) ** 0.5) for u, v in frequencies])
        self.stride = side
        self.analysis = nn.Parameter(basis * gain.view(-1, 1, 1, 1))
        self.synthesis = nn.Parameter(basis / gain.view(-1, 1, 1, 1))

    def analyse(self, centred: torch.Tensor) -> torch.Tensor:
        """Return the code, (n, channels, rows, columns), of (n, 1, rows, columns)."""
        return F.conv2d(centred, self.analysis, stride=self.stride)

    def synthesise(self, latents: torch.Tensor) -> torch.Tensor:
        """Return what the code stands for."""
        return F.conv_transpose2d(latents, self.synthesis, stride=self.stride)


def _cosine(side: int, down: int, right: int) -> torch.Tensor:
    """Return one orthonormal cosine pattern, (side, side)."""
    at = (torch.arange(side) + 0.5) * torch.pi / side
    row, column = (at * down).cos(), (at * right).cos()
    pattern = row[:, None] * column[None, :]
    return pattern / pattern.norm()


@torch.no_grad()
def _silence(network: nn.Module) -> None:
    """Let the network add nothing at first, and little noise to the latents."""
    for layer in (network.quant_conv, network.decoder.conv_out):
        layer.weight.zero_()
        layer.bias.zero_()
    half = len(network.quant_conv.bias) // 2
    network.quant_conv.bias[half:] = -6.0


def autoencoder_loss(
    module: nn.Module, batch: tuple[torch.Tensor, ...], rng: torch.Generator
) -> torch.Tensor:
    """Return the training loss of one batch of images, (n, rows, columns) in [0, 1].

    Absolute error, plus absolute error of the image gradients (edges are what a
    radiograph is read by), plus structural dissimilarity at three scales, plus a
    light pull of the latents towards a unit Gaussian.
    """
    (images,) = batch
    posterior = module.posterior(images)
    noise = torch.randn(
        posterior.mean.shape, generator=rng, device=images.device, dtype=images.dtype
    )
    rebuilt = module.raw_decode(posterior.mean + posterior.std * noise)
    config: AutoencoderConfig = module.config
    return (
        F.l1_loss(rebuilt, images)
        + config.gradient_weight * _gradient_error(rebuilt, images)
        + config.similarity_weight * _dissimilarity(rebuilt, images)
        + config.kl_weight * posterior.kl().mean()
    )


def _gradient_error(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    vertical = F.l1_loss(a.diff(dim=1), b.diff(dim=1))
    return vertical + F.l1_loss(a.diff(dim=2), b.diff(dim=2))


def _dissimilarity(a: torch.Tensor, b: torch.Tensor, scales: int = 3) -> torch.Tensor:
    """Return 1 - SSIM in square windows, averaged over scales; cheap, not the reported metric."""
    total = a.new_zeros(())
    pair = torch.stack([a, b], dim=1)
    for scale in range(scales):
        if scale:
            pair = F.avg_pool2d(pair, 2)
        total = total + 1 - _window_similarity(pair[:, :1], pair[:, 1:])
    return total / scales


def _window_similarity(a: torch.Tensor, b: torch.Tensor, window: int = 7) -> torch.Tensor:
    moments = F.avg_pool2d(torch.cat([a, b, a * a, b * b, a * b], dim=1), window, stride=2)
    mean_a, mean_b, square_a, square_b, product = moments.unbind(dim=1)
    variance = (square_a - mean_a**2) + (square_b - mean_b**2)
    covariance = product - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return (brightness * (2 * covariance + 9e-4) / (variance + 9e-4)).mean()


__all__ = ["AutoencoderConfig", "CosineCode", "RadiographAutoencoder", "autoencoder_loss"]
