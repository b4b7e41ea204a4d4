"""The image's mechanism in a causal model: abduct its noise, change its parents, predict it.

The noise of an image is what is left when its parents are known: latents, and of every
pixel its deviation from the decoder's mean. Both are abducted, so an intervention that
changes nothing returns the image itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from spinecast.errors import error
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.models.deep_hvae import DeepConfig, DeepHVAE, Level
from spinecast.models.hvae import TwoLevelConfig, TwoLevelHVAE
from spinecast.models.hvae_layers import Pixels, abduct_noise, apply_noise
from spinecast.models.image_model import ImageModel, repeat_rows

Kind = Literal["two_level", "deep"]

#: Pixels (of images times particles) that go through a network together.
PIXELS_PER_PASS = 2**22


@dataclass(frozen=True)
class ImageNoise:
    """Exogenous noise of n images, drawn from the posterior so many times each.

    Attributes
    ----------
    latents
        Coarsest first; rows run over image, particle (fastest).
    pixels
        (n, particles, rows, columns), in units of the density's scale.
    before
        The density it was abducted with, where the noise moves with the anatomy; its rows
        as those of ``latents``.
    maps
        How parents act on each image, where the model has such effects.
    known, draws
        The standardised parents it was abducted with, and what says how far off the effects
        are, (rows, 3, *windows), standard normal; None without a generator or where
        that was not measured.
    """

    latents: tuple[torch.Tensor, ...]
    pixels: torch.Tensor
    before: Pixels | None
    maps: torch.Tensor | None
    known: torch.Tensor
    draws: torch.Tensor | None


@dataclass(frozen=True)
class CounterfactualImages:
    """Images under m interventions, float32 in [0, 1].

    Attributes
    ----------
    mean, spread
        (m, n, rows, columns): over the particles of each image; the spread is 0 of one. The
        mean is of effects as estimated: only the spread knows how far off they may be.
    particles
        (m, n, particles, rows, columns), or None where they were not asked for.
    """

    mean: np.ndarray
    spread: np.ndarray
    particles: np.ndarray | None


class ImageMechanism:
    """A fitted image model as one node of a causal model.

    Parameters
    ----------
    model
        Of either kind; its parents in the order of ``parents``.
    parents
        Their names.

    Raises
    ------
    ModelError
        SC-407 where the model has another number of parents.
    """

    def __init__(self, model: ImageModel, parents: tuple[str, ...]) -> None:
        if len(parents) != len(model.scale.logged):
            raise error(
                "SC-407",
                expected=f"{len(model.scale.logged)} image parents",
                got=", ".join(parents),
                where="image mechanism",
            )
        self.model, self.parents = model.eval(), tuple(parents)

    @torch.no_grad()
    def abduct(
        self,
        images: np.ndarray | torch.Tensor,
        parents: np.ndarray | torch.Tensor,
        *,
        particles: int = 1,
        generator: torch.Generator | None = None,
    ) -> ImageNoise:
        """Return the noise of images under their own parents.

        Parameters
        ----------
        images
            (n, rows, columns) in [0, 1]; the encoder reads each once, whatever the particles.
        parents
            (n, parents) in their units.
        particles
            Draws from the posterior of the latents.
        generator
            Of the draws. Without one the latents are the posterior's means, and more than
            one particle is refused.

        Raises
        ------
        ModelError
            SC-404 for another shape; SC-407 for particles without a generator.
        CohortError
            SC-305 for parents that cannot be used.
        """
        if particles < 1 or (particles > 1 and generator is None):
            raise error("SC-407", expected="a generator to draw particles", got=str(particles))
        given, known = self._tensor(images), self._standardised(parents)
        seen = repeat_rows(self.model.look(given), particles)
        repeated, known = repeat_rows([given, known], particles)
        inferred = self.model.infer(seen, known, rng=generator)
        noise = abduct_noise(repeated, inferred.pixels)
        effects, draws = self.model.effects, None
        if effects is not None and generator is not None and bool(effects.stray.any()):
            shape = (len(repeated), 3, *effects.windows)
            draws = torch.randn(shape, generator=generator, device=repeated.device)
        moves = self.model.transport == "transported" and inferred.pixels.field is not None
        return ImageNoise(
            latents=inferred.latents,
            pixels=noise.unflatten(0, (len(given), particles)),
            before=inferred.pixels if moves else None,
            maps=inferred.maps,
            known=known,
            draws=draws,
        )

    @torch.no_grad()
    def predict(self, noise: ImageNoise, parents: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Return images of this noise under any parents, (n, particles, rows, columns) in [0, 1].

        Notes
        -----
        Parents far from any in training give an image all the same; it then says more of the
        network than of anatomy.
        """
        n, particles = noise.pixels.shape[:2]
        (known,) = repeat_rows([self._standardised(parents)], particles)
        if noise.before is None:
            after = self.model.decode(noise.latents, known, maps=noise.maps)
        else:
            after = self.model.under(noise.latents, known, maps=noise.maps, before=noise.before)
            after = self._astray(after, noise, known)
        drawn = apply_noise(
            noise.pixels.flatten(0, 1), after, before=noise.before, redraw=self.model.redraw
        )
        return drawn.clamp(0, 1).unflatten(0, (n, particles))

    def _astray(self, after: Pixels, noise: ImageNoise, known: torch.Tensor) -> Pixels:
        effects = self.model.effects
        if effects is None or noise.draws is None or after.field is None or after.log_gain is None:
            return after
        field, log_gain = effects.astray(noise.draws, known - noise.known)
        return after.with_effects(after.field + field, after.log_gain + log_gain)

    @torch.no_grad()
    def reconstruct(self, images: np.ndarray, parents: np.ndarray) -> np.ndarray:
        """Return the decoder's means at the posterior's means, (n, rows, columns).

        The model's own drawing, without pixel noise: what its reconstruction is judged by.
        """
        parts = []
        for rows in self._passes(len(images), 1):
            known = self._standardised(parents[rows])
            inferred = self.model.infer(
                self.model.look(self._tensor(images[rows])), known, rng=None
            )
            parts.append(inferred.pixels.mean.clamp(0, 1).cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros(np.shape(images), np.float32)

    def generate(
        self,
        images: np.ndarray,
        parents: np.ndarray,
        parents_do: np.ndarray,
        *,
        particles: int = 1,
        generator: torch.Generator | None = None,
        keep_particles: bool = False,
    ) -> CounterfactualImages:
        """Return images under interventions, the noise abducted once for all of them.

        Parameters
        ----------
        images, parents
            (n, rows, columns) in [0, 1] and (n, parents), as they are.
        parents_do
            (m, n, parents): under each of m interventions.
        particles, generator
            See :meth:`abduct`.
        keep_particles
            Return every particle, not their mean and spread alone; takes memory.
        """
        asked = np.asarray(parents_do)
        if asked.ndim != 3 or asked.shape[1:] != np.shape(parents):
            raise error(
                "SC-407",
                expected=f"parents of shape (interventions, *{np.shape(parents)})",
                got=str(asked.shape),
                where="interventions",
            )
        shape = (len(asked), *np.shape(images))
        mean, spread = np.empty(shape, np.float32), np.empty(shape, np.float32)
        kept = None
        if keep_particles:
            kept = np.empty((*shape[:2], particles, *shape[2:]), np.float32)
        for rows in self._passes(len(images), particles):
            noise = self.abduct(
                images[rows], parents[rows], particles=particles, generator=generator
            )
            for number in range(len(asked)):
                drawn = self.predict(noise, asked[number, rows])
                centre = drawn
                if noise.draws is not None:
                    centre = self.predict(replace(noise, draws=None), asked[number, rows])
                mean[number, rows] = centre.mean(dim=1).cpu().numpy()
                spread[number, rows] = drawn.std(dim=1, correction=0).cpu().numpy()
                if kept is not None:
                    kept[number, rows] = drawn.cpu().numpy()
        return CounterfactualImages(mean, spread, kept)

    def save(self, folder: Path, *, name: str = "image_mechanism", half: bool = False) -> Path:
        """Write the mechanism as a checkpoint (see :mod:`spinecast.models.checkpoint`)."""
        kind: Kind = "deep" if isinstance(self.model, DeepHVAE) else "two_level"
        config = {
            "kind": kind,
            "parents": list(self.parents),
            "model": asdict(self.model.config),
        }
        return save_checkpoint(folder, self.model, name=name, config=config, half=half)

    @staticmethod
    def load(folder: Path, name: str = "image_mechanism") -> ImageMechanism:
        """Read what :meth:`save` wrote (raises SC-402, SC-403, SC-406)."""
        state, config = load_checkpoint(folder, name)
        model = build_image_model(config_from_dict(config["kind"], config["model"]))
        load_weights(model, state, where=str(folder))
        return ImageMechanism(model, tuple(config["parents"]))

    def _tensor(self, values: np.ndarray | torch.Tensor) -> torch.Tensor:
        # copied where reversed or strided: torch cannot look at such arrays
        given = values if isinstance(values, torch.Tensor) else np.ascontiguousarray(values)
        return torch.as_tensor(given).to(self.model.mean_image)

    def _standardised(self, parents: np.ndarray | torch.Tensor) -> torch.Tensor:
        # double on its way to the logarithm, so that equal parents stay equal
        given = parents if isinstance(parents, torch.Tensor) else np.ascontiguousarray(parents)
        values = torch.as_tensor(given, dtype=torch.float64)
        return self.model.scale(values.to(self.model.mean_image.device))

    def _passes(self, n: int, particles: int) -> Iterator[slice]:
        rows, columns = self.model.image_shape
        together = max(1, PIXELS_PER_PASS // (rows * columns * particles))
        return (slice(start, start + together) for start in range(0, n, together))


def build_image_model(config: TwoLevelConfig | DeepConfig) -> TwoLevelHVAE | DeepHVAE:
    """Return a new model of the kind that ``config`` describes."""
    return DeepHVAE(config) if isinstance(config, DeepConfig) else TwoLevelHVAE(config)


def config_from_dict(kind: str, plain: Mapping[str, Any]) -> TwoLevelConfig | DeepConfig:
    """Rebuild a model's config from its JSON form.

    Raises
    ------
    ModelError
        SC-403 for a kind that this version does not know.
    """
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    if kind == "two_level":
        return TwoLevelConfig(**values)
    if kind == "deep":
        values["levels"] = tuple(Level(**one) for one in plain["levels"])
        return DeepConfig(**values)
    raise error("SC-403", expected="two_level or deep", got=kind, where="image mechanism")


__all__ = [
    "CounterfactualImages",
    "ImageMechanism",
    "ImageNoise",
    "build_image_model",
    "config_from_dict",
]
