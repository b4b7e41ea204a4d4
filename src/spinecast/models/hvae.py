"""The two-level hierarchical VAE of the counterfactual DXA study: z2 -> z1 -> image.

``PAPER`` has the published sizes: 192 x 192 pixels, latents of 50 and 100, strided
convolutions, parents beside the latents at the encoder's end and the decoder's start,
a Laplace density with one learnt scale. Where the released code strays from its own
text we follow the text: the density is of plain [0, 1] pixels, the parents are
standardised, and pixel noise is abducted. ``DEMO`` trains on two cores: pixels are
folded into channels first, the decoder hears the parents in every block, and width,
height and density act as a displacement and a gain (see ``parent_effects``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import nn
from torch.nn import functional as F

from spinecast.models.hvae_layers import (
    FIRST_LOG_STD,
    LOG_STD_RANGE,
    FilmBlock,
    Inferred,
    Likelihood,
    Pixels,
    Transport,
    draw,
    gaussian_kl,
    split_gaussian,
    standard_normal_like,
)
from spinecast.models.image_model import ImageModel, ParentEmbedding, require_multiple


@dataclass(frozen=True)
class TwoLevelConfig:
    """Shape of the two-level model.

    Attributes
    ----------
    image_shape
        Rows and columns.
    logged
        One entry per parent: whether its logarithm is used (positive quantities).
    patch
        Side of the square of pixels folded into channels before the first convolution.
    encoder, decoder
        Channels per stage; each encoder stage halves the sides, and each decoder stage
        but the first doubles them.
    outer_latents, inner_latents, hidden
        Dimensions of z2 and z1, and of the layers between them.
    film
        Let every decoder block hear the parents; the published one hears them at its
        start alone.
    effects
        Have a displacement and a gain by the parents; the published one has neither.
    likelihood, transport
        See :class:`~spinecast.models.image_model.ImageModel`.
    first_log_scale, highest_scale
        Start and cap of the one learnt scale.
    """

    image_shape: tuple[int, int] = (192, 192)
    logged: tuple[bool, ...] = (True, True, True)
    patch: int = 1
    encoder: tuple[int, ...] = (16, 24, 32, 64, 128)
    decoder: tuple[int, ...] = (128, 64, 32, 24, 16)
    outer_latents: int = 50
    inner_latents: int = 100
    hidden: int = 256
    film: bool = False
    effects: bool = False
    likelihood: Likelihood = "laplace"
    transport: Transport = "additive"
    first_log_scale: float = -5.0
    highest_scale: float = 0.05


#: Published sizes (shared parents: log width, log height, log area).
PAPER = TwoLevelConfig()

#: Ours: trains from scratch in minutes on two cores.
DEMO = TwoLevelConfig(
    patch=4,
    encoder=(24, 32, 48, 64),
    decoder=(48, 40, 32, 24),
    hidden=128,
    film=True,
    effects=True,
    transport="transported",
    first_log_scale=-3.0,
    highest_scale=0.2,
)


class TwoLevelHVAE(ImageModel):
    """z2 ~ N(0, I); z1 given z2; image given z1 and parents. The prior knows no parents.

    Raises
    ------
    ModelError
        SC-407 where the image shape cannot be halved as often as the stages ask.
    """

    def __init__(self, config: TwoLevelConfig) -> None:
        super().__init__(
            config.image_shape,
            config.logged,
            likelihood=config.likelihood,
            transport=config.transport,
        )
        stages = max(len(config.encoder), len(config.decoder) - 1)
        require_multiple(config.image_shape, config.patch * 2**stages, where="two-level model")
        self.config = config
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        if config.effects:
            self.add_effects()
        outer, inner, hidden = config.outer_latents, config.inner_latents, config.hidden
        seen = inner + len(config.logged)
        self.outer = nn.Linear(seen, 2 * outer)
        self.inner = _perceptron(seen + outer, hidden, 2 * inner)
        self.inner_prior = _perceptron(outer, hidden, 2 * inner)
        with torch.no_grad():
            self.outer.bias[outer:] = FIRST_LOG_STD
            self.inner[-1].bias[inner:] = FIRST_LOG_STD
        self.log_scale = nn.Parameter(torch.tensor(config.first_log_scale))

    def _look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's features, (n, inner latents)."""
        return [self.encoder(images - self.mean_image)]

    def _infer(
        self, seen: list[torch.Tensor], standardised: torch.Tensor, *, rng: torch.Generator | None
    ) -> Inferred:
        """Draw z2, then z1 (see :class:`ImageModel`)."""
        context = torch.cat([*seen, standardised], dim=1)
        outer = split_gaussian(self.outer(context))
        z2 = draw(*outer, rng)
        inner = split_gaussian(self.inner(torch.cat([context, z2], dim=1)))
        z1 = draw(*inner, rng)
        kl = gaussian_kl(outer, standard_normal_like(z2))
        kl = kl + gaussian_kl(inner, split_gaussian(self.inner_prior(z2)))
        pixels = self._decode((z2, z1), standardised)
        return Inferred(latents=(z2, z1), means=(outer[0], inner[0]), kl=kl, pixels=pixels)

    def _decode(self, latents: tuple[torch.Tensor, ...], standardised: torch.Tensor) -> Pixels:
        """Return the density of the pixels; z2 acts through z1 alone."""
        drawn = self.decoder(latents[1], standardised) + self.mean_image
        # a cap, because a wide density explains every image and draws none
        log_scale = self.log_scale.clamp(LOG_STD_RANGE[0], _log(self.config.highest_scale))
        return Pixels(drawn, log_scale)

    def draw_prior(self, n: int, rng: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return z2 and z1 of n images that no one has."""
        shape = torch.zeros(n, self.config.outer_latents, device=self.log_scale.device)
        z2 = draw(*standard_normal_like(shape), rng)
        return z2, draw(*split_gaussian(self.inner_prior(z2)), rng)


class _Encoder(nn.Sequential):
    """Two convolutions and one that halves, per stage; then a vector."""

    def __init__(self, config: TwoLevelConfig) -> None:
        widths = (config.patch**2, *config.encoder)
        layers: list[nn.Module] = [_Fold(config.patch)]
        for before, after in pairwise(widths):
            layers += [*_convolution(before, after), *_convolution(after, after)]
            layers += _convolution(after, after, kernel=4, stride=2)
        side = config.patch * 2 ** len(config.encoder)
        size = widths[-1] * prod(length // side for length in config.image_shape)
        layers += [nn.Flatten(), nn.Linear(size, config.inner_latents)]
        super().__init__(*layers, nn.BatchNorm1d(config.inner_latents))


class _Decoder(nn.Module):
    """z1 and parents to an image's difference from the mean image."""

    def __init__(self, config: TwoLevelConfig) -> None:
        super().__init__()
        widths, parents = config.decoder, len(config.logged)
        side = config.patch * 2 ** (len(widths) - 1)
        self.start = (widths[0], *(length // side for length in config.image_shape))
        self.enter = nn.Linear(config.inner_latents + parents, prod(self.start))
        self.embed = ParentEmbedding(parents, 32) if config.film else None
        heard = 32 if config.film else 0
        self.first = FilmBlock(widths[0], widths[0], width=widths[0] // 2, embedding=heard)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), *_convolution(before, after))
            for before, after in pairwise(widths)
        )
        self.blocks = nn.ModuleList(
            FilmBlock(after, after, width=after, embedding=heard, start=0.0) for after in widths[1:]
        )
        self.leave = nn.Conv2d(widths[-1], config.patch**2, 1)
        nn.init.zeros_(self.leave.bias)
        self.patch = config.patch

    def forward(self, z1: torch.Tensor, standardised: torch.Tensor) -> torch.Tensor:
        """Return (n, rows, columns)."""
        heard = None if self.embed is None else self.embed(standardised)
        h = self.enter(torch.cat([z1, standardised], dim=1)).unflatten(1, self.start)
        h = self.first(h, heard)
        for grow, block in zip(self.stages, self.blocks, strict=True):
            h = block(grow(h), heard)
        return F.pixel_shuffle(self.leave(h), self.patch)[:, 0]


class _Fold(nn.Module):
    """Images to channels: each square of pixels is one position."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, patch x patch, rows / patch, columns / patch)."""
        return F.pixel_unshuffle(images[:, None], self.patch)


def _convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.1),
    ]


def _perceptron(before: int, hidden: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, after))


def _log(value: float) -> float:
    return float(torch.tensor(value).log())


__all__ = ["DEMO", "PAPER", "TwoLevelConfig", "TwoLevelHVAE"]
