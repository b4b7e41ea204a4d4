"""The two latent diffusion models of Diff-X, and the pair that draws follow-ups.

The structure model (LDM-1) sees a low-resolution copy of the input beside the noisy
latents at every timestep (after SRDiff). The prompt model (LDM-2) reads a sentence.
Both have the same blocks, so that features can be handed over (feature_injection).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F

from spinecast.errors import SpinecastError, error
from spinecast.models.autoencoder import RadiographAutoencoder
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.models.diffx_config import (
    DEMO,
    PAPER,
    TINY,
    DiffXConfig,
    NoiseConfig,
    UNetConfig,
    check_config,
)
from spinecast.models.exact_inverse import ExactInverseScheduler
from spinecast.models.feature_injection import (
    Blocks,
    Features,
    attach_handover,
    check_blocks,
    predict_above,
    recording,
    replacing,
)
from spinecast.models.first_guess import FirstGuess
from spinecast.models.prompts import PromptEncoder
from spinecast.run.settings import settings_from_dict, settings_to_dict


class StructureDenoiser(nn.Module):
    """LDM-1: noisy latents and the encoded low-resolution copy, concatenated, to the prediction.

    It keeps the cross-attention of its twin, over one learnt token instead of a sentence.
    """

    def __init__(self, config: DiffXConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = build_unet(config, in_channels=2 * config.autoencoder.latent_channels)
        self.token = nn.Parameter(torch.randn(1, 1, config.text.width) * 0.02)
        self.probe = _Probe(config) if config.probe and config.injection.feature_blocks else None

    def forward(
        self, noisy: torch.Tensor, timestep: torch.Tensor, low_resolution: torch.Tensor
    ) -> torch.Tensor:
        """Return the prediction, shaped like ``noisy``."""
        given = torch.cat([noisy, low_resolution], dim=1)
        token = self.token.expand(len(noisy), -1, -1)
        return self.unet(given, timestep, encoder_hidden_states=token).sample

    def features(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        low_resolution: torch.Tensor,
        *,
        blocks: Blocks,
    ) -> Features:
        """Return what is to be handed over at ``blocks`` (features; queries and keys)."""
        with recording(*blocks) as features:
            self(noisy, timestep, low_resolution)
        probe = self.probe
        if self.config.first_guess and probe is not None and probe.block in features.blocks:
            features.guess = probe(features)
        return features


class _Probe(nn.Module):
    """Read clean latents off the features of the last block that hands them over."""

    def __init__(self, config: DiffXConfig) -> None:
        super().__init__()
        self.block = max(config.injection.feature_blocks)
        level = self.block // (config.unet.layers_per_block + 1)
        coarse_first = config.unet.block_out_channels[::-1]
        self.stretch = 2 ** (len(coarse_first) - 1 - level)
        channels = config.autoencoder.latent_channels * self.stretch**2
        self.read = nn.Conv2d(coarse_first[level], channels, 1)

    def forward(self, features: Features) -> torch.Tensor:
        """Return an estimate of the clean latents."""
        return F.pixel_shuffle(self.read(features.blocks[self.block]), self.stretch)


class PromptDenoiser(nn.Module):
    """LDM-2: noisy latents and a sentence to the prediction; text encoder included."""

    fitted: torch.Tensor

    def __init__(self, config: DiffXConfig) -> None:
        super().__init__()
        self.config = config
        self.text = PromptEncoder(config.text)
        self.unet = build_unet(config, in_channels=config.autoencoder.latent_channels)
        self.about = FirstGuess(config) if config.first_guess else None
        self.register_buffer("fitted", torch.zeros(()))

    @torch.no_grad()
    def start_from(self, structure: StructureDenoiser) -> None:
        """Take over the structure model's weights: its twin has learnt to denoise already."""
        state = structure.unet.state_dict()
        own = self.unet.conv_in.weight.shape[1]
        # noisy latents come first among the structure model's inputs
        state["conv_in.weight"] = state["conv_in.weight"][:, :own]
        self.unet.load_state_dict(state)

    def context(self, prompts: list[str]) -> torch.Tensor:
        """Return what cross-attention reads of ``prompts``, (n, tokens, width)."""
        return self.text(self.text.tokenize(prompts).to(self.unet.device))

    def forward(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        *,
        features: Features | None = None,
        draws: int = 1,
        shortcut: bool = True,
    ) -> torch.Tensor:
        """Return the prediction, shaped like ``noisy``.

        Parameters
        ----------
        noisy
            (rows of context * draws, channels, rows, columns), draws fastest.
        timestep
            One, or one per row.
        context
            Of :meth:`context`.
        features
            Of the structure model, whose rows each serve equally many rows here.
        draws
            Rows of ``noisy`` per row of ``context``.
        shortcut
            Leave out what a replaced feature makes ineffective; the same result sooner.
        """
        if features is not None and features.blocks and shortcut:
            output = predict_above(
                self.unet, noisy, timestep, context=context, features=features, draws=draws
            )
        else:
            per_row = context.repeat_interleave(draws, dim=0) if draws > 1 else context
            with replacing(features or Features()):
                output = self.unet(noisy, timestep, encoder_hidden_states=per_row).sample
        if self.about is None or features is None or features.guess is None:
            return output
        return self.about(output, noisy, timestep=timestep, guess=features.guess)


@dataclass
class DiffXPair:
    """Autoencoder, structure model and prompt model that belong together.

    Attributes
    ----------
    config
        Fixes every shape; stored beside the weights.
    """

    config: DiffXConfig
    autoencoder: RadiographAutoencoder
    structure: StructureDenoiser
    prompt: PromptDenoiser

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.autoencoder.latent_mean.device

    def modules(self) -> dict[str, nn.Module]:
        """Return the three networks by the names of their checkpoints."""
        return {
            "autoencoder": self.autoencoder,
            "structure": self.structure,
            "prompt": self.prompt,
        }

    def to(self, device: torch.device | str) -> DiffXPair:
        """Move every network, in place."""
        for module in self.modules().values():
            module.to(device)
        return self

    def encode_low_resolution(self, images: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Return the latents of the images' low-resolution copies, at the latents' own size."""
        return self.autoencoder.encode(reduced(images, self.config.low_resolution))


def build_pair(config: DiffXConfig, *, seed: int = 0) -> DiffXPair:
    """Return an untrained pair, equal for equal seeds.

    Raises
    ------
    ModelError
        SC-407 where the configuration contradicts itself.
    """
    check_config(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = DiffXPair(
            config=config,
            autoencoder=RadiographAutoencoder(config.autoencoder),
            structure=StructureDenoiser(config),
            prompt=PromptDenoiser(config),
        )
    check_blocks(config.injection, pair.prompt.unet)
    for module in pair.modules().values():
        module.eval()
    return pair


def build_unet(config: DiffXConfig, *, in_channels: int) -> UNet2DConditionModel:
    """Return one denoising network with its hand-over hooks."""
    shape = config.unet
    down = ["CrossAttnDownBlock2D" if with_it else "DownBlock2D" for with_it in shape.attention]
    up = ["CrossAttnUpBlock2D" if with_it else "UpBlock2D" for with_it in shape.attention[::-1]]
    unet = UNet2DConditionModel(
        sample_size=config.autoencoder.latent_shape[1:],
        in_channels=in_channels,
        out_channels=config.autoencoder.latent_channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=shape.block_out_channels,
        layers_per_block=shape.layers_per_block,
        cross_attention_dim=config.text.width,
        # diffusers' name for the number of heads
        attention_head_dim=shape.heads,
        norm_num_groups=shape.norm_groups,
        addition_embed_type="text" if shape.text_in_time else None,
        addition_embed_type_num_heads=shape.heads,
    )
    attach_handover(unet)
    return unet


def reduced(images: torch.Tensor | np.ndarray, factor: int) -> torch.Tensor:
    """Return ``images``, (n, rows, columns), averaged down by ``factor`` and stretched back."""
    given = torch.as_tensor(images, dtype=torch.float32)[:, None]
    small = F.avg_pool2d(given, factor) if factor > 1 else given
    return F.interpolate(small, size=given.shape[2:], mode="bilinear")[:, 0]


def ddim_scheduler(noise: NoiseConfig, steps: int | None = None) -> DDIMScheduler:
    """Return the schedule for training, or for sampling in ``steps``."""
    scheduler = DDIMScheduler(
        num_train_timesteps=noise.timesteps,
        beta_start=noise.beta_start,
        beta_end=noise.beta_end,
        beta_schedule="scaled_linear",
        prediction_type=noise.prediction,
        clip_sample=False,
        timestep_spacing="trailing",
    )
    if steps is not None:
        scheduler.set_timesteps(steps)
    return scheduler


def exact_scheduler(noise: NoiseConfig, steps: int) -> ExactInverseScheduler:
    """Return the exactly invertible sampler on the same timesteps."""
    scheduler = ExactInverseScheduler(
        num_train_timesteps=noise.timesteps,
        beta_start=noise.beta_start,
        beta_end=noise.beta_end,
        prediction_type=noise.prediction,
    )
    scheduler.set_timesteps(steps)
    return scheduler


def save_pair(folder: Path, pair: DiffXPair, *, half: bool = False, notes: Any = None) -> None:
    """Write the three networks with their configuration; ``half`` stores 16-bit floats."""
    values = {"diffx": settings_to_dict(pair.config), "notes": notes}
    for name, module in pair.modules().items():
        save_checkpoint(folder, module, name=name, config=values, half=half)


def load_pair(folder: Path) -> DiffXPair:
    """Read what :func:`save_pair` wrote.

    Raises
    ------
    ModelError
        SC-402, SC-403, SC-406: damaged, foreign or missing weights.
    """
    pair: DiffXPair | None = None
    for name in ("autoencoder", "structure", "prompt"):
        state, values = load_checkpoint(folder, name)
        config = _stored_config(values, where=str(folder / name))
        if pair is None:
            pair = build_pair(config)
        if config != pair.config:
            raise error(
                "SC-403", expected="networks of one pair", got=f"another {name}", where=str(folder)
            )
        load_weights(pair.modules()[name], state, where=str(folder / name))
    assert pair is not None
    return pair


def _stored_config(values: dict[str, Any], *, where: str) -> DiffXConfig:
    try:
        return settings_from_dict(DiffXConfig, values["diffx"])
    except (KeyError, TypeError, AttributeError, SpinecastError) as cause:
        raise error(
            "SC-403", expected="the configuration of a Diff-X pair", got=str(cause), where=where
        ) from cause


__all__ = [
    "DEMO",
    "PAPER",
    "TINY",
    "DiffXConfig",
    "DiffXPair",
    "NoiseConfig",
    "PromptDenoiser",
    "StructureDenoiser",
    "UNetConfig",
    "build_pair",
    "load_pair",
    "save_pair",
]
