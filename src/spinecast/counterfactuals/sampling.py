"""One sampling run of Diff-X: DDIM over the prompt model, handed the structure model's features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch

from spinecast.errors import error
from spinecast.models.exact_inverse import ddim_invert, invert
from spinecast.models.feature_injection import Blocks, Features, InjectionConfig
from spinecast.models.latent_diffusion import DiffXPair, ddim_scheduler, exact_scheduler
from spinecast.models.prompts import Attributes, build_prompt
from spinecast.seeds import generator


@dataclass(frozen=True)
class SamplingSettings:
    """How follow-ups are drawn.

    Attributes
    ----------
    steps
        DDIM steps; not reported, Plug-and-Play takes 50.
    guidance_scale
        Classifier-free guidance; 1 draws from the model itself and skips the
        unconditional pass. Larger values sharpen the sentence's effect and narrow the
        draws, so that intervals made from them become too short.
    structure
        What the structure model sees of the baseline at each timestep: ``noised`` (as in
        training), its exact inversion (``inverted``), or plain DDIM inversion (``ddim``).
    start
        First noise: ``random``, or the baseline ``inverted`` by the prompt model itself.
    say_years
        Add "10 years later" to the published prompt.
    detail
        ``drawn``: images as the decoder makes them. ``baseline``: the baseline plus the
        difference between the same draw at that time and at 0 years, which keeps what
        the networks cannot draw (grain, fine edges) at the price of ghosts where
        anatomy moved; a difference map then shows change only.
    injection
        None takes the pair's own; :meth:`InjectionConfig.none` is the single model.
    rows_per_pass
        Images that go through a network together (never less than all of one baseline):
        memory against speed.
    """

    steps: int = 10
    guidance_scale: float = 1.0
    structure: Literal["noised", "inverted", "ddim"] = "noised"
    start: Literal["random", "inverted"] = "random"
    say_years: bool = True
    detail: Literal["drawn", "baseline"] = "drawn"
    injection: InjectionConfig | None = None
    rows_per_pass: int = 40

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rows_per_pass < 1:
            raise error(
                "SC-407",
                expected="at least one step and one row",
                got=f"{self.steps} and {self.rows_per_pass}",
                where="sampling",
            )


@dataclass
class SamplingRun:
    """A few baselines on their way: everything that one sampling run needs.

    Rows of ``noise`` run over image, horizon, draw (fastest); of ``context`` over
    image, horizon; of the rest over images. ``trajectory`` says what the structure model is
    shown at each timestep, and how noisy that is; ``seen`` keeps what it made of the last.
    """

    pair: DiffXPair
    settings: SamplingSettings
    latents: torch.Tensor
    low_resolution: torch.Tensor
    context: torch.Tensor
    unconditional: torch.Tensor | None
    noise: torch.Tensor
    structure_noise: torch.Tensor
    draws: int
    trajectory: dict[int, tuple[int, torch.Tensor]] = field(default_factory=dict)
    seen: dict[tuple[int, Blocks], Features] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls,
        pair: DiffXPair,
        images: torch.Tensor,
        attributes: Sequence[Attributes],
        *,
        years: np.ndarray,
        draws: int,
        seed: int,
        settings: SamplingSettings,
    ) -> SamplingRun:
        """Encode, read the prompts, draw the noise."""
        context = pair.prompt.context(_prompts(attributes, years, settings))
        empty = None
        if settings.guidance_scale != 1:
            empty = pair.prompt.context([""]).expand(len(context), -1, -1)
        latents = pair.autoencoder.encode(images)
        shape = pair.config.autoencoder.latent_shape
        noise = torch.from_numpy(_noise(images, shape, draws=draws, seed=seed)).to(latents)
        group = cls(
            pair=pair,
            settings=settings,
            latents=latents,
            low_resolution=pair.encode_low_resolution(images),
            context=context,
            unconditional=empty,
            # one draw is one noise, whatever the horizon
            noise=noise[:, None, 1:].expand(-1, years.shape[1], -1, -1, -1, -1).flatten(0, 2),
            structure_noise=noise[:, 0],
            draws=draws,
        )
        group.trajectory = group._structure_trajectory()
        if settings.start == "inverted":
            group.noise = group._inverted_start()
        return group

    def sample(self, *, share: bool) -> torch.Tensor:
        """Return clean latents, one row per image, horizon and draw."""
        scheduler = ddim_scheduler(self.pair.config.noise, self.settings.steps)
        latents = self.noise
        for timestep in scheduler.timesteps.tolist():
            features = self.features(timestep, share=share)
            predicted = self.predict(latents, timestep, features, share=share)
            latents = scheduler.step(predicted, timestep, latents).prev_sample
        return latents

    def features(self, timestep: int, *, share: bool = True) -> Features | None:
        """Return what the structure model hands over now; None where nothing."""
        blocks = self._injection().at(timestep)
        if not any(blocks):
            return None
        level, shown = self.trajectory[timestep]
        if not share:
            repeats = len(self.noise) // len(shown)
            return self.pair.structure.features(
                shown.repeat_interleave(repeats, 0),
                torch.tensor(level),
                self.low_resolution.repeat_interleave(repeats, 0),
                blocks=blocks,
            )
        if (level, blocks) not in self.seen:
            look = self.pair.structure.features
            found = look(shown, torch.tensor(level), self.low_resolution, blocks=blocks)
            self.seen = {(level, blocks): found}
        return self.seen[level, blocks]

    def structure_at(self, timestep: int, *, blocks: Blocks) -> Features:
        """Return the structure model's features of the baselines noised to ``timestep``."""
        scheduler = ddim_scheduler(self.pair.config.noise)
        at = torch.tensor(timestep)
        seen = scheduler.add_noise(self.latents, self.structure_noise, at)
        return self.pair.structure.features(seen, at, self.low_resolution, blocks=blocks)

    def predict(
        self, latents: torch.Tensor, timestep: int, features: Features | None, *, share: bool
    ) -> torch.Tensor:
        """Return the guided prediction of the prompt model."""
        run = partial(self._prompt_model, features=features, share=share)
        guided = run(latents, timestep, context=self.context)
        if self.unconditional is None:
            return guided
        free = run(latents, timestep, context=self.unconditional)
        return free + self.settings.guidance_scale * (guided - free)

    def _prompt_model(
        self,
        latents: torch.Tensor,
        timestep: int,
        *,
        features: Features | None,
        context: torch.Tensor,
        share: bool,
    ) -> torch.Tensor:
        return self.pair.prompt(
            latents,
            torch.tensor(timestep),
            context,
            features=features,
            draws=len(latents) // len(context),
            shortcut=share,
        )

    def _injection(self) -> InjectionConfig:
        return self.settings.injection or self.pair.config.injection

    def _structure_trajectory(self) -> dict[int, tuple[int, torch.Tensor]]:
        """Return how noisy a baseline the structure model is shown at each timestep, and it."""
        steps, noise = self.settings.steps, self.pair.config.noise
        scheduler = ddim_scheduler(noise, steps)
        timesteps = scheduler.timesteps.tolist()
        if not any(any(self._injection().at(t)) for t in timesteps):
            return {}
        if self.settings.structure == "noised":
            levels = {t: min(t, self.pair.config.structure_noise) for t in timesteps}
            add = partial(scheduler.add_noise, self.latents, self.structure_noise)
            shown = {level: add(torch.tensor(level)) for level in set(levels.values())}
            return {t: (level, shown[level]) for t, level in levels.items()}

        def predict(sample: torch.Tensor, timestep: int) -> torch.Tensor:
            return self.pair.structure(sample, torch.tensor(timestep), self.low_resolution)

        inversion = invert if self.settings.structure == "inverted" else ddim_invert
        chain = inversion(exact_scheduler(noise, steps), self.latents, predict)
        return {t: (t, x) for t, x in zip(timesteps, reversed(chain[1:]), strict=True)}

    def _inverted_start(self) -> torch.Tensor:
        """Return the noise to which the prompt model itself takes the baseline."""
        per_image = len(self.context) // len(self.latents)
        now = self.context[::per_image]

        def predict(sample: torch.Tensor, timestep: int) -> torch.Tensor:
            return self.pair.prompt(sample, torch.tensor(timestep), now)

        scheduler = exact_scheduler(self.pair.config.noise, self.settings.steps)
        end = ddim_invert(scheduler, self.latents, predict)[-1]
        return end.repeat_interleave(len(self.noise) // len(end), dim=0)


def _prompts(
    attributes: Sequence[Attributes], years: np.ndarray, settings: SamplingSettings
) -> list[str]:
    return [
        build_prompt(known.older(gap), years_later=gap if settings.say_years else None)
        for known, gaps in zip(attributes, years.tolist(), strict=True)
        for gap in gaps
    ]


def _noise(
    images: torch.Tensor, shape: tuple[int, int, int], *, draws: int, seed: int
) -> np.ndarray:
    """Return noise, (n, 1 + draws, channels, rows, columns); the first is the structure model's.

    Named by the image's content, so that it does not depend on the batch.
    """
    drawn = []
    for image in images.cpu().numpy():
        name = hashlib.sha256(image.tobytes()).hexdigest()
        drawn.append(
            [
                generator(seed, "follow-up", name, draw).standard_normal(shape, dtype=np.float32)
                for draw in range(draws + 1)
            ]
        )
    return np.asarray(drawn, dtype=np.float32)


__all__ = ["SamplingRun", "SamplingSettings"]
