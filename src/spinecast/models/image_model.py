"""What every image model of the causal engine answers, whatever its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from spinecast.errors import error
from spinecast.models.hvae_layers import (
    Inferred,
    Likelihood,
    ParentEffects,
    ParentScale,
    Pixels,
    Transport,
    abduct_noise,
    apply_noise,
)


class ImageModel(nn.Module, ABC):
    """A density of images given parents, with latents that are independent of the parents.

    Three steps, so that what is dear is done once: :meth:`look` reads the images,
    :meth:`infer` draws latents, :meth:`decode` returns the density under any parents.

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

    def add_effects(self, width: int) -> None:
        """Give the model a displacement and a gain, read off features of this width."""
        parents = len(self.scale.logged)
        self.effects = ParentEffects(width, parents, image_shape=self.image_shape)

    @abstractmethod
    def look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return what the encoder sees: tensors whose first axis is the image's."""

    @abstractmethod
    def infer(
        self, seen: list[torch.Tensor], standardised: torch.Tensor, *, rng: torch.Generator | None
    ) -> Inferred:
        """Draw latents of images already looked at (their means without ``rng``)."""

    @abstractmethod
    def decode(self, latents: tuple[torch.Tensor, ...], standardised: torch.Tensor) -> Pixels:
        """Return the density of the pixels under latents and standardised parents."""

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
    "repeat_rows",
    "require_multiple",
]
