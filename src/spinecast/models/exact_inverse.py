"""Samplers whose inversion gives back the image, in diffusers' scheduler interface.

DDIM inversion (Song et al., ICLR 2021) evaluates the network at the wrong end of each
step and loses up to a tenth of the signal. Bi-directional integration approximation,
BDIA (Zhang et al., ECCV 2024, arXiv:2307.10829), keeps one earlier state and
becomes exactly invertible at one network call a step:

    z[i-1] = ddim(z[i], e[i]; i -> i-1) + gamma * (z[i+1] - ddim(z[i], e[i]; i -> i+1))

where e[i] is the network's noise estimate at z[i]. Solving for z[i+1] inverts it.
gamma = 1 is time-symmetric: rounding errors do not grow in either direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerOutput

from spinecast.errors import error

Predict = Callable[[torch.Tensor, int], torch.Tensor]


class ExactInverseScheduler(SchedulerMixin, ConfigMixin):
    """BDIA over the noise schedule of Stable Diffusion, forwards and backwards.

    Parameters
    ----------
    num_train_timesteps, beta_start, beta_end
        The ``scaled_linear`` schedule.
    prediction_type
        What the network predicts.
    gamma
        In (0, 1]; 0 would be DDIM, which cannot be inverted.
    """

    order = 1
    init_noise_sigma = 1.0

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        *,
        prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
        gamma: float = 1.0,
    ) -> None:
        if prediction_type not in {"epsilon", "v_prediction"}:
            raise error(
                "SC-407",
                expected="epsilon or v_prediction",
                got=str(prediction_type),
                where="sampler",
            )
        if not 0 < gamma <= 1:
            raise error("SC-407", expected="gamma in (0, 1]", got=str(gamma), where="sampler")
        roots = np.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps)
        # double precision: the inverse divides by what the forward step multiplied with
        self._signal = np.sqrt(np.cumprod(1 - roots**2))
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)
        self.reset()

    def set_timesteps(
        self, num_inference_steps: int, device: torch.device | str | None = None
    ) -> None:
        """Spread the steps over the schedule, from the noisiest timestep down."""
        total = int(self.config.num_train_timesteps)
        grid = np.round(np.arange(total, 0, -total / num_inference_steps)).astype(np.int64) - 1
        self.timesteps = torch.from_numpy(grid).to(device)
        self.reset()

    def scale_model_input(self, sample: torch.Tensor, timestep: int | None = None) -> torch.Tensor:
        """Return ``sample``: this schedule scales nothing."""
        del timestep
        return sample

    def reset(self, neighbour: torch.Tensor | None = None) -> None:
        """Forget the state before, or set it (to regenerate from an inversion's end)."""
        self._neighbour = neighbour

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int,
        sample: torch.Tensor,
        *,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """Go one step towards the image; the first step of a chain is a DDIM step."""
        level = self._level(timestep)
        noise = self._noise(model_output, sample, level)
        ahead = self._move(sample, noise, source=level, target=level - 1)
        if self._neighbour is not None:
            back = self._move(sample, noise, source=level, target=level + 1)
            ahead = ahead + self.config.gamma * (self._neighbour - back)
        self._neighbour = sample
        return SchedulerOutput(prev_sample=ahead) if return_dict else (ahead,)

    def inverse_step(
        self, model_output: torch.Tensor, timestep: int, sample: torch.Tensor
    ) -> torch.Tensor:
        """Go one step towards noise, undoing :meth:`step`; the first is a DDIM inversion step.

        ``timestep`` is 0 for the clean image, else one of ``timesteps``.
        """
        level = self._level(timestep) if self._neighbour is not None else 0
        noise = self._noise(model_output, sample, level)
        later = self._move(sample, noise, source=level, target=level + 1)
        if self._neighbour is not None:
            ahead = self._move(sample, noise, source=level, target=level - 1)
            later = later + (self._neighbour - ahead) / self.config.gamma
        self._neighbour = sample
        return later

    def _level(self, timestep: int) -> int:
        """Return the step's number: 0 the clean image, 1 the last timestep, and so on."""
        place = (self.timesteps == int(timestep)).nonzero()
        if len(place) == 0:
            raise error(
                "SC-407", expected="a timestep of set_timesteps", got=str(timestep), where="sampler"
            )
        return len(self.timesteps) - int(place[0])

    def _signal_and_noise(self, level: int) -> tuple[float, float]:
        if level == 0:
            return 1.0, 0.0
        signal = float(self._signal[int(self.timesteps[len(self.timesteps) - level])])
        return signal, float(np.sqrt(1 - signal**2))

    def _noise(self, model_output: torch.Tensor, sample: torch.Tensor, level: int) -> torch.Tensor:
        if self.config.prediction_type == "epsilon":
            return model_output
        signal, sigma = self._signal_and_noise(level)
        return signal * model_output + sigma * sample

    def _move(
        self, sample: torch.Tensor, noise: torch.Tensor, *, source: int, target: int
    ) -> torch.Tensor:
        """Return the DDIM update between two levels."""
        if target > len(self.timesteps):
            # the noisiest level has none beyond it: a chain starts there without a neighbour
            raise error("SC-407", expected="a level of the chain", got=str(target), where="sampler")
        from_signal, from_sigma = self._signal_and_noise(source)
        to_signal, to_sigma = self._signal_and_noise(target)
        ratio = to_signal / from_signal
        return ratio * sample + (to_sigma - ratio * from_sigma) * noise


def invert(
    scheduler: ExactInverseScheduler, latents: torch.Tensor, predict: Predict
) -> list[torch.Tensor]:
    """Return the chain from clean latents to noise, one state per level, clean first.

    Parameters
    ----------
    scheduler
        After ``set_timesteps``.
    latents
        Clean latents.
    predict
        Network output at (state, timestep); called once a step.
    """
    scheduler.reset()
    chain = [latents]
    for timestep in [0, *reversed(scheduler.timesteps[1:].tolist())]:
        chain.append(scheduler.inverse_step(predict(chain[-1], timestep), timestep, chain[-1]))
    return chain


def regenerate(
    scheduler: ExactInverseScheduler, chain: list[torch.Tensor], predict: Predict
) -> torch.Tensor:
    """Return the clean latents that the two noisiest states of ``chain`` lead back to."""
    scheduler.reset(chain[-1])
    sample = chain[-2]
    for timestep in scheduler.timesteps[1:].tolist():
        sample = scheduler.step(predict(sample, timestep), timestep, sample, return_dict=False)[0]
    return sample


def ddim_invert(
    scheduler: ExactInverseScheduler, latents: torch.Tensor, predict: Predict
) -> list[torch.Tensor]:
    """Return the chain of plain DDIM inversion, as Plug-and-Play uses it; not exact."""
    chain = [latents]
    for level, timestep in enumerate([0, *reversed(scheduler.timesteps[1:].tolist())]):
        noise = scheduler._noise(predict(chain[-1], timestep), chain[-1], level)
        chain.append(scheduler._move(chain[-1], noise, source=level, target=level + 1))
    return chain


__all__ = ["ExactInverseScheduler", "ddim_invert", "invert", "regenerate"]
