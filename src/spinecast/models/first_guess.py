"""Start the prompt model's prediction from what the structure model knows of the baseline.

Were the clean latents x Gaussian about a guess g with variance s2, and the noisy ones
z = a x + b e, then the best prediction of v = a e - b x and the variance left would be

    v = b (a (1 - s2) z - g) / (a2 s2 + b2),    s2 / (a2 s2 + b2).

The network predicts the rest in units of its standard deviation (the preconditioning of
Karras et al., NeurIPS 2022, about a guess other than 0). With g = 0 and s2 = 1, when
nothing is known, v is the network's output as it is.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from spinecast.models.diffx_config import DiffXConfig
from spinecast.models.feature_injection import repeated

#: Variance of the follow-up's latents about the baseline's before anything is learnt.
_FIRST_DOUBT = 0.05


class FirstGuess(nn.Module):
    """Combine a guess of the clean latents with the network's output.

    ``doubt`` is the logarithm of s2, one per latent channel, and is learnt.
    """

    signal: torch.Tensor

    def __init__(self, config: DiffXConfig) -> None:
        super().__init__()
        noise = config.noise
        roots = torch.linspace(noise.beta_start**0.5, noise.beta_end**0.5, noise.timesteps)
        self.register_buffer("signal", (1 - roots**2).cumprod(dim=0).sqrt(), persistent=False)
        shape = (config.autoencoder.latent_channels, 1, 1)
        self.doubt = nn.Parameter(torch.full(shape, math.log(_FIRST_DOUBT)))

    def forward(
        self,
        output: torch.Tensor,
        noisy: torch.Tensor,
        *,
        timestep: torch.Tensor,
        guess: torch.Tensor,
    ) -> torch.Tensor:
        """Return the prediction of v.

        Parameters
        ----------
        output
            Of the network, shaped like ``noisy``.
        timestep
            One, or one per row.
        guess
            Clean latents, whose rows each serve equally many rows of ``noisy``.
        """
        a = self.signal[timestep].view(-1, 1, 1, 1)
        b2 = 1 - a**2
        s2 = self.doubt.exp()
        spread = a**2 * s2 + b2
        expected = b2.sqrt() * (a * (1 - s2) * noisy - repeated(guess, len(noisy))) / spread
        return expected + (s2 / spread).sqrt() * output


__all__ = ["FirstGuess"]
