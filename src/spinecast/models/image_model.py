"""What every image model of the causal engine answers, whatever its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from spinecast.errors import error
from spinecast.models.hvae_layers import (
    Inferred,
    Likelihood,
    ParentScale,
    Pixels,
    Transport,
    abduct_noise,
    apply_noise,
)
from spinecast.models.parent_effects import ParentEffects, displace


class ImageModel(nn.Module, ABC):
    """A density of images given parents, with latents that are independent of the parents.

    Three steps, so that what is dear is done once: :meth:`look` reads the images,
    :meth:`infer` draws latents, :meth:`decode` returns the density under any parents. A
    backbone has the same three without the effects of the parents: ``_look``, ``_infer``
    and ``_decode``.

    Attributes
    ----------
    image_shape
        Rows and columns.
    likelihood, transport
        Family of the pixels' density; whether its noise moves with the anatomy.
    scale
        Of the parents.
    effects
        Displacement and gain by the parents, or None.
    mean_image
        (rows, columns), of the training images; decoders draw the difference from it.
    redraw
        Share of what parents change in the network's drawing, beside displacement and gain,
        that counterfactuals take over: 1, or 0 where follow-ups were learnt from.
    """

    mean_image: torch.Tensor
    redraw: torch.Tensor

    def __init__(
        self,
        image_shape: tuple[int, int],
        logged: tuple[bool, ...],
        *,
        likelihood: Likelihood,
        transport: Transport,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.likelihood, self.transport = likelihood, transport
        self.scale = ParentScale(logged)
        self.effects: ParentEffects | None = None
        self.register_buffer("mean_image", torch.full(self.image_shape, 0.5))
        self.register_buffer("redraw", torch.ones(()))

    def add_effects(self) -> None:
        """Give the model a displacement and a gain by its parents."""
        self.effects = ParentEffects(len(self.scale.logged), image_shape=self.image_shape)

    def look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return what is seen of images (n, rows, columns): tensors with a row an image."""
        self.check(images)
        seen = self._look(images)
        return seen if self.effects is None else [*seen, self._maps(images)]

    def infer(
        self, seen: list[torch.Tensor], standardised: torch.Tensor, *, rng: torch.Generator | None
    ) -> Inferred:
        """Draw latents of images already looked at (their means without ``rng``)."""
        if self.effects is None:
            return self._infer(seen, standardised, rng=rng)
        *rest, maps = seen
        found = self._infer(rest, standardised, rng=rng)
        pixels = self._put_in(found.pixels, maps, standardised)
        return replace(found, pixels=pixels, maps=maps)

    def decode(
        self,
        latents: tuple[torch.Tensor, ...],
        standardised: torch.Tensor,
        *,
        maps: torch.Tensor | None = None,
    ) -> Pixels:
        """Return the density of the pixels under latents and standardised parents.

        ``maps`` are how parents act on this person; without them they are read off what the
        network draws.
        """
        drawn = self._decode(latents, standardised)
        if self.effects is None:
            return drawn
        return self._put_in(drawn, self._maps(drawn.mean) if maps is None else maps, standardised)

    def under(
        self,
        latents: tuple[torch.Tensor, ...],
        standardised: torch.Tensor,
        *,
        maps: torch.Tensor | None,
        before: Pixels,
    ) -> Pixels:
        """Return what counterfactuals take of the density under other parents.

        ``before`` is the images' own. Where nothing that the network would redraw is taken
        over (``redraw`` is 0) it is not asked to draw: effects alone are of these parents.
        """
        if self.effects is None or maps is None or float(self.redraw) > 0:
            return self.decode(latents, standardised, maps=maps)
        return before.with_effects(*self.effects(maps, standardised))

    def _maps(self, images: torch.Tensor) -> torch.Tensor:
        assert self.effects is not None
        return self.effects.read(images - self.mean_image)

    def _put_in(self, drawn: Pixels, maps: torch.Tensor, standardised: torch.Tensor) -> Pixels:
        """Return the density with the parents' effects in its mean."""
        assert self.effects is not None
        field, log_gain = self.effects(maps, standardised)
        return Pixels(
            displace(drawn.mean, field) * log_gain.exp(), drawn.log_scale, field, log_gain
        )

    @abstractmethod
    def _look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return what the encoder sees."""

    @abstractmethod
    def _infer(
        self, seen: list[torch.Tensor], standardised: torch.Tensor, *, rng: torch.Generator | None
    ) -> Inferred:
        """Draw latents; the density is of average parents' effects."""

    @abstractmethod
    def _decode(self, latents: tuple[torch.Tensor, ...], standardised: torch.Tensor) -> Pixels:
        """Return the density as the network draws it."""

    @abstractmethod
    def draw_prior(self, n: int, rng: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return latents of n images that no one has; the prior knows no parents."""

    @torch.no_grad()
    def measure(self, images: torch.Tensor, parents: torch.Tensor) -> None:
        """Set the mean image and the parents' scale from training images (no gradient)."""
        self.check(images)
        self.mean_image.copy_(images.mean(dim=0))
        self.scale.measure(parents)

    def check(self, images: torch.Tensor) -> None:
        """Refuse images of another shape (SC-404)."""
        if images.ndim != 3 or tuple(images.shape[1:]) != self.image_shape:
            raise error(
                "SC-404",
                expected=f"images of {self.image_shape[0]} x {self.image_shape[1]}",
                got=" x ".join(str(side) for side in images.shape[1:]),
                where="image model",
            )


class ParentEmbedding(nn.Sequential):
    """Standardised parents to the vector that every block hears."""

    def __init__(self, parents: int, width: int) -> None:
        super().__init__(nn.Linear(parents, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())


def counterfactual_images(
    images: torch.Tensor, before: Pixels, after: Pixels, *, module: ImageModel
) -> torch.Tensor:
    """Return the images with their own noise under another density, not clipped."""
    moved = before if module.transport == "transported" else None
    return apply_noise(abduct_noise(images, before), after, before=moved, redraw=module.redraw)


def drawn_under(
    images: torch.Tensor, inferred: Inferred, standardised: torch.Tensor, *, module: ImageModel
) -> torch.Tensor:
    """Return the images with their own noise under other parents, not clipped."""
    before = inferred.pixels
    after = module.under(inferred.latents, standardised, maps=inferred.maps, before=before)
    return counterfactual_images(images, before, after, module=module)


def repeat_rows(tensors: Sequence[torch.Tensor], times: int) -> list[torch.Tensor]:
    """Return the tensors with each row so many times in a row: one per particle."""
    if times == 1:
        return list(tensors)
    return [tensor.repeat_interleave(times, dim=0) for tensor in tensors]


def require_multiple(image_shape: tuple[int, int], factor: int, *, where: str) -> None:
    """Refuse images that cannot be halved as often as the network does (SC-407)."""
    if any(side % factor for side in image_shape):
        raise error(
            "SC-407",
            expected=f"image sides that are multiples of {factor}",
            got=str(tuple(image_shape)),
            where=where,
        )


__all__ = [
    "ImageModel",
    "ParentEmbedding",
    "counterfactual_images",
    "drawn_under",
    "repeat_rows",
    "require_multiple",
]
