"""What fixes the shapes and the meaning of a Diff-X pair, at three sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from spinecast.errors import error
from spinecast.models.autoencoder import AutoencoderConfig
from spinecast.models.feature_injection import InjectionConfig
from spinecast.models.prompts import TextConfig


@dataclass(frozen=True)
class UNetConfig:
    """Shape of both denoising networks.

    Attributes
    ----------
    block_out_channels
        Channels per level, finest first.
    attention
        Whether a level has attention; Stable Diffusion leaves it out at the coarsest.
    layers_per_block, heads, norm_groups
        As in diffusers' ``UNet2DConditionModel``; the up path has one block more a level.
    text_in_time
        Add the pooled sentence to the embedding of the timestep, so that every ResNet block
        hears it; in Stable Diffusion cross-attention alone does. Ours: attention at the
        finest level takes two thirds of a small network's time.
    """

    block_out_channels: tuple[int, ...] = (64, 64, 64)
    attention: tuple[bool, ...] = (True, True, False)
    layers_per_block: int = 2
    heads: int = 2
    norm_groups: int = 16
    text_in_time: bool = False


@dataclass(frozen=True)
class NoiseConfig:
    """The noise schedule: Stable Diffusion's.

    Attributes
    ----------
    timesteps, beta_start, beta_end
        ``scaled_linear``: linear in the square root of beta.
    prediction
        What the networks predict. The paper follows Stable Diffusion 1 (``epsilon``);
        ``v_prediction`` trains faster and stays sound where little signal is left.
    """

    timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction: Literal["epsilon", "v_prediction"] = "v_prediction"


@dataclass(frozen=True)
class DiffXConfig:
    """Everything that fixes the shapes and the meaning of a pair.

    Attributes
    ----------
    low_resolution
        Factor by which the structure model's copy of the input is reduced; not reported.
    injection
        What is handed over, in training with pairs and when drawing.
    probe
        Teach the structure model, beside its own task, that the clean latents can be read
        off the features to be handed over. Left alone, a small network keeps fine detail in
        its last skip connections, past the blocks from which features are taken. Ours.
    first_guess
        Let the prompt model start from those latents and predict the rest. Ours.
    structure_noise
        The structure model sees the baseline as noisy as the prompt model's drawing is,
        but never noisier than at this timestep. 1000 is the published hand-over, where
        early steps know of the person what the low-resolution copy knows; below the
        first timestep of a drawing, one look at the baseline serves every step. Ours.
    """

    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    text: TextConfig = field(default_factory=TextConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    injection: InjectionConfig = field(default_factory=InjectionConfig)
    low_resolution: int = 2
    probe: bool = True
    first_guess: bool = False
    structure_noise: int = 1000


#: Stable Diffusion's sizes at 512 x 512, one grey channel (S2 methods; SD 1 configuration).
PAPER = DiffXConfig(
    autoencoder=AutoencoderConfig(
        image_shape=(512, 512),
        patch=1,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        norm_groups=32,
        mid_attention=True,
        linear_path=False,
        kl_weight=1e-6,
    ),
    unet=UNetConfig(
        block_out_channels=(320, 640, 1280, 1280),
        attention=(True, True, True, False),
        heads=8,
        norm_groups=32,
    ),
    text=TextConfig(width=768, layers=12, heads=12, length=77),
    noise=NoiseConfig(prediction="epsilon"),
    injection=InjectionConfig(feature_blocks=(5,), attention_blocks=(5, 6, 7, 8, 9, 10, 11)),
    low_resolution=4,
    probe=False,
)

#: Trains on two cores; ours.
DEMO = DiffXConfig(
    autoencoder=AutoencoderConfig(latent_channels=16),
    unet=UNetConfig(attention=(False, True, False), text_in_time=True),
    injection=InjectionConfig(attention_blocks=(5,)),
    first_guess=True,
    structure_noise=40,
)

#: For tests; ours.
TINY = DiffXConfig(
    autoencoder=AutoencoderConfig(
        image_shape=(64, 32), patch=2, block_out_channels=(8, 16), latent_channels=4, norm_groups=4
    ),
    unet=UNetConfig(block_out_channels=(16, 16, 16), norm_groups=4, text_in_time=True),
    text=TextConfig(width=16, layers=1),
    first_guess=True,
    structure_noise=40,
)


def check_config(config: DiffXConfig) -> None:
    """Refuse settings that cannot go together.

    Raises
    ------
    ModelError
        SC-407.
    """
    levels = len(config.unet.block_out_channels)
    if len(config.unet.attention) != levels:
        raise error(
            "SC-407",
            expected=f"attention yes or no for {levels} levels",
            got=str(len(config.unet.attention)),
            where="UNet",
        )
    if config.first_guess and not (config.probe and config.noise.prediction == "v_prediction"):
        raise error(
            "SC-407",
            expected="a probe and v_prediction for first_guess",
            got=f"probe {config.probe}, {config.noise.prediction}",
            where="UNet",
        )
    step = 2 ** (levels - 1)
    if any(side % step for side in config.autoencoder.latent_shape[1:]):
        raise error(
            "SC-407",
            expected=f"latent sides that are multiples of {step}",
            got=str(config.autoencoder.latent_shape[1:]),
            where="UNet",
        )


__all__ = [
    "DEMO",
    "PAPER",
    "TINY",
    "DiffXConfig",
    "NoiseConfig",
    "UNetConfig",
    "check_config",
]
