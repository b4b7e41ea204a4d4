"""A deep hierarchical VAE of images: a stochastic layer in every block, parents at every level.

The family of very deep VAEs with causal parents. A bottom-up encoder leaves features
at every resolution. The top-down decoder is a residual stream that hears the parents in
every block (FiLM); each of its blocks draws latents from a posterior that sees the
encoder's features, the stream and the parents. The prior is exogenous: a second, narrow
stream made of the latents above alone, so that latents are noise, independent of the
parents, and changing the parents leaves them as they were.

References
----------
Child R. ICLR 2021. De Sousa Ribeiro F et al. ICML 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import nn
from torch.nn import functional as F

from spinecast.models.autoencoder import CosineCode
from spinecast.models.hvae_layers import (
    FIRST_LOG_STD,
    FilmBlock,
    Inferred,
    Likelihood,
    Pixels,
    Transport,
    draw,
    gaussian_kl,
    split_gaussian,
)
from spinecast.models.image_model import ImageModel, ParentEmbedding, require_multiple


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes
    ----------
    reduce
        How many times smaller its sides are than the level's before (of the finest: than
        the folded image, so 1).
    width
        Channels of the image stream and of the encoder.
    encoder_blocks, decoder_blocks
        Blocks on either side.
    latents
        Channels of the latents of each decoder block; 0 draws none here.
    """

    reduce: int
    width: int
    encoder_blocks: int
    decoder_blocks: int
    latents: int


@dataclass(frozen=True)
class DeepConfig:
    """Shape of the deep model.

    Attributes
    ----------
    image_shape, logged, patch
        As in :class:`~spinecast.models.hvae.TwoLevelConfig`.
    levels
        Finest first.
    bottleneck, convolutions
        Inner width of a block is its width divided by this; 3 x 3 layers inside.
    embedding
        Width of the parents' embedding.
    noise_width
        Channels of the stream from which the prior is read.
    linear_path
        Let the finest latents start as the lowest cosine frequencies of their squares of
        pixels, so that training begins where image compression ends.
    effects
        Have a displacement and a gain by the parents.
    lowest_log_scale
        Floor of the pixels' log scale: about half a grey level of 8-bit images.
    likelihood, transport
        See :class:`~spinecast.models.image_model.ImageModel`.
    """

    image_shape: tuple[int, int] = (192, 192)
    logged: tuple[bool, ...] = (True, True, True)
    patch: int = 1
    levels: tuple[Level, ...] = ()
    bottleneck: int = 2
    convolutions: int = 1
    embedding: int = 32
    noise_width: int = 16
    linear_path: bool = False
    effects: bool = False
    lowest_log_scale: float = -6.0
    likelihood: Likelihood = "gaussian"
    transport: Transport = "additive"


#: Sizes that the field reports for images of this side (not the study's paper; optional there).
PAPER = DeepConfig(
    levels=(
        Level(1, 32, 1, 2, 0),
        Level(2, 64, 3, 4, 16),
        Level(2, 96, 7, 8, 16),
        Level(2, 128, 11, 12, 16),
        Level(2, 160, 7, 8, 16),
        Level(2, 192, 3, 4, 16),
        Level(6, 512, 2, 2, 16),
    ),
    bottleneck=4,
    convolutions=2,
    embedding=64,
    noise_width=32,
)

#: Ours: trains from scratch in minutes on two cores.
DEMO = DeepConfig(
    patch=4,
    levels=(
        Level(1, 32, 1, 1, 0),
        Level(2, 48, 1, 2, 4),
        Level(2, 64, 1, 2, 8),
        Level(2, 96, 1, 2, 16),
    ),
    linear_path=True,
    effects=True,
    transport="transported",
)


class DeepHVAE(ImageModel):
    """Latents of many resolutions, each block's given those above (see the module).

    Raises
    ------
    ModelError
        SC-407 where the image shape cannot be reduced as the levels ask.
    """

    def __init__(self, config: DeepConfig) -> None:
        super().__init__(
            config.image_shape,
            config.logged,
            likelihood=config.likelihood,
            transport=config.transport,
        )
        factor = config.patch * prod(level.reduce for level in config.levels)
        require_multiple(config.image_shape, factor, where="deep model")
        self.config = config
        first, last = config.levels[0], config.levels[-1]
        self.enter = nn.Conv2d(config.patch**2, first.width, 3, padding=1)
        self.encoder = nn.ModuleList(
            _EncoderLevel(config, number) for number in range(len(config.levels))
        )
        self.embed = ParentEmbedding(len(config.logged), config.embedding)
        self.start = nn.Parameter(torch.zeros(last.width, *(s // factor for s in self.image_shape)))
        self.levels = nn.ModuleList(
            _DecoderLevel(config, number) for number in reversed(range(len(config.levels)))
        )
        finest = self._finest() if config.linear_path else None
        self.linear = None if finest is None else CosineCode(*finest)
        self.leave = nn.Conv2d(first.width, 2 * config.patch**2, 3, padding=1)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()
            # a wide density at first: about a tenth of the grey range
            self.leave.bias[config.patch**2 :] = -2.3
        if config.effects:
            self.add_effects()

    def _look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's features, coarsest first."""
        folded = F.pixel_unshuffle((images - self.mean_image)[:, None], self.config.patch)
        h, seen = self.enter(folded), []
        for level in self.encoder:
            h = level(h)
            seen.append(h)
        if self.linear is not None:
            seen.insert(0, self.linear.analyse(2 * (images - self.mean_image)[:, None]))
        return seen[::-1]

    def _infer(
        self, seen: list[torch.Tensor], standardised: torch.Tensor, *, rng: torch.Generator | None
    ) -> Inferred:
        """Draw all latents from coarse to fine (see :class:`ImageModel`)."""
        heard = self.embed(standardised)
        latents: list[torch.Tensor] = []
        means: list[torch.Tensor] = []
        last = self._stochastic_blocks() - 1
        kl = standardised.new_zeros(len(standardised))
        noise = self._noise_start(len(standardised))

        def choose(block: _DecoderBlock, h: torch.Tensor, level: int) -> torch.Tensor:
            nonlocal kl, noise
            features = torch.cat([h, seen[level]], dim=1)
            posterior = split_gaussian(block.posterior(features, heard))
            if len(latents) == last and self.linear is not None:
                posterior = posterior[0] + seen[-1], posterior[1]
            noise = grown(noise, h)
            kl = kl + gaussian_kl(posterior, block.prior_of(noise))
            z = draw(*posterior, rng)
            noise = block.next_noise(noise, z)
            latents.append(z)
            means.append(posterior[0])
            return z

        pixels = self._top_down(choose, heard)
        return Inferred(latents=tuple(latents), means=tuple(means), kl=kl, pixels=pixels)

    def _decode(self, latents: tuple[torch.Tensor, ...], standardised: torch.Tensor) -> Pixels:
        """Return the density of the pixels; the prior's stream is not needed for it."""
        given = iter(latents)

        def choose(_block: _DecoderBlock, _h: torch.Tensor, _level: int) -> torch.Tensor:
            return next(given)

        return self._top_down(choose, self.embed(standardised))

    def draw_prior(self, n: int, rng: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return latents of n images that no one has."""
        noise = self._noise_start(n)
        latents: list[torch.Tensor] = []
        for level in self.levels:
            for block in level.stochastic():
                sides = [length // level.factor for length in self.image_shape]
                noise = F.interpolate(noise, size=sides, mode="nearest")
                mean, log_std = block.prior_of(noise)
                z = draw(mean, log_std, rng)
                noise = block.next_noise(noise, z)
                latents.append(z)
        return tuple(latents)

    def _stochastic_blocks(self) -> int:
        return sum(1 for level in self.levels for _ in level.stochastic())

    def _finest(self) -> tuple[int, int]:
        """Return side and number of the cosine patterns that the finest latents stand for."""
        level = next(level for level in reversed(self.levels) if any(level.stochastic()))
        return level.factor, next(level.stochastic()).latents

    def _noise_start(self, n: int) -> torch.Tensor:
        return self.start.new_zeros(n, self.config.noise_width, *self.start.shape[1:])

    def _top_down(
        self,
        choose: Callable[[_DecoderBlock, torch.Tensor, int], torch.Tensor],
        heard: torch.Tensor,
    ) -> Pixels:
        config = self.config
        h = self.start.expand(len(heard), -1, -1, -1)
        finest = h
        for number, level in enumerate(self.levels):
            h = level.enter(h)
            for block in level.blocks:
                if block.latents:
                    finest = choose(block, h, number)
                    h = h + block.to_image(finest)
                h = block.body(h, heard)
        drawn, log_scale = self.leave(F.silu(h)).chunk(2, dim=1)
        drawn = F.pixel_shuffle(drawn, config.patch)[:, 0] + self.mean_image
        if self.linear is not None:
            drawn = drawn + self.linear.synthesise(finest)[:, 0] / 2
        log_scale = F.pixel_shuffle(log_scale, config.patch)[:, 0]
        log_scale = log_scale.clamp(min=config.lowest_log_scale, max=0.0)
        return Pixels(drawn, log_scale)


class _EncoderLevel(nn.Module):
    """Shrink, then residual blocks."""

    def __init__(self, config: DeepConfig, number: int) -> None:
        super().__init__()
        level = config.levels[number]
        before = config.levels[max(0, number - 1)].width
        self.reduce = level.reduce
        same = number == 0 or before == level.width
        self.widen = nn.Identity() if same else nn.Conv2d(before, level.width, 1)
        self.blocks = nn.Sequential(
            *(_block(config, number, level.width) for _ in range(level.encoder_blocks))
        )

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Return this level's features."""
        return self.blocks(self.widen(F.avg_pool2d(h, self.reduce) if self.reduce > 1 else h))


class _DecoderLevel(nn.Module):
    """Grow from the coarser level, then blocks with latents."""

    def __init__(self, config: DeepConfig, number: int) -> None:
        super().__init__()
        level = config.levels[number]
        self.factor = config.patch * prod(one.reduce for one in config.levels[: number + 1])
        self.grow = 1
        self.widen: nn.Module = nn.Identity()
        if number + 1 < len(config.levels):
            coarser = config.levels[number + 1]
            self.grow = coarser.reduce
            self.widen = nn.Conv2d(coarser.width, level.width, 1)
        self.blocks = nn.ModuleList(
            _DecoderBlock(config, number) for _ in range(level.decoder_blocks)
        )

    def enter(self, h: torch.Tensor) -> torch.Tensor:
        """Return the coarser level's stream at this level's size and width."""
        h = self.widen(h)
        return F.interpolate(h, scale_factor=self.grow, mode="nearest") if self.grow > 1 else h

    def stochastic(self) -> Iterator[_DecoderBlock]:
        """Return the blocks that draw latents."""
        return (block for block in self.blocks if block.latents)


class _DecoderBlock(nn.Module):
    """Posterior, exogenous prior, and the residual block that both streams go through."""

    def __init__(self, config: DeepConfig, number: int) -> None:
        super().__init__()
        level = config.levels[number]
        self.latents = level.latents
        self.body = _block(config, number, level.width, heard=True)
        if not level.latents:
            return
        self.posterior = _block(
            config, number, 2 * level.width, after=2 * level.latents, heard=True
        )
        with torch.no_grad():
            self.posterior.leave.bias[level.latents :] = FIRST_LOG_STD
        self.prior = nn.Conv2d(config.noise_width, 2 * level.latents, 1)
        nn.init.zeros_(self.prior.weight)
        nn.init.zeros_(self.prior.bias)
        self.to_noise = nn.Conv2d(level.latents, config.noise_width, 1)
        self.noise_body = _block(config, number, config.noise_width)
        self.to_image = nn.Conv2d(level.latents, level.width, 1)

    def prior_of(self, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the prior given the latents above; no parents are in it."""
        return split_gaussian(self.prior(F.silu(noise)))

    def next_noise(self, noise: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the prior's stream with these latents in it."""
        return self.noise_body(noise + self.to_noise(z))


def grown(noise: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return the prior's stream at the sides of ``like``."""
    if noise.shape[2:] == like.shape[2:]:
        return noise
    return F.interpolate(noise, size=like.shape[2:], mode="nearest")


def _block(
    config: DeepConfig, number: int, width: int, *, after: int | None = None, heard: bool = False
) -> FilmBlock:
    """Return a block of the level; where an image is fewer than 3 pixels wide, 1 x 1."""
    factor = config.patch * prod(level.reduce for level in config.levels[: number + 1])
    blocks = sum(level.decoder_blocks for level in config.levels)
    return FilmBlock(
        width,
        after or width,
        width=max(4, width // config.bottleneck),
        embedding=config.embedding if heard else 0,
        convolutions=config.convolutions,
        kernel=3 if min(config.image_shape) // factor >= 3 else 1,
        start=1.0 if after else blocks**-0.5,
    )


__all__ = ["DEMO", "PAPER", "DeepConfig", "DeepHVAE", "Level"]
