"""Toy images whose parents and noise are known: four rounded boxes, as a spine of blocks.

Width, height and brightness are the parents; place, texture and grain are the noise. An
image is a pure function of both, so the true counterfactual is one more call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

LOGGED = (True, True, True)


@dataclass(frozen=True)
class Boxes:
    """People, their parents (n, 3) and their dice; ``images`` draws them."""

    parents: np.ndarray
    place: np.ndarray
    texture: np.ndarray
    grain: np.ndarray

    @property
    def images(self) -> np.ndarray:
        return draw_boxes(self)

    def under(self, parents: np.ndarray) -> np.ndarray:
        """Return the true counterfactual images."""
        return draw_boxes(replace(self, parents=parents))

    def read(self, which: np.ndarray) -> np.ndarray:
        """Return images, as an image store does."""
        part = Boxes(*(v[which] for v in (self.parents, self.place, self.texture, self.grain)))
        return part.images


class Drawn:
    """Images drawn once, read as from a store."""

    def __init__(self, boxes: Boxes) -> None:
        self.images = boxes.images

    def read(self, which: np.ndarray) -> np.ndarray:
        return self.images[which]


def draw_people(n: int, *, side: int = 32, seed: int = 0, grain: float = 0.02) -> Boxes:
    """Return n people with parents of the spread that lumbar vertebrae have, and more."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 3))
    z[:, 1] = 0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1]  # taller bodies are wider bodies
    parents = np.array([0.36, 0.15, 0.55]) * np.exp(z * np.array([0.12, 0.10, 0.15]))
    texture = gaussian_filter(rng.standard_normal((n, side, side)), (0, side / 24, side / 24))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    return Boxes(
        parents=parents,
        place=rng.normal(0, 0.03, (n, 2)),
        texture=texture,
        grain=grain * rng.standard_normal((n, side, side)),
    )


def draw_boxes(people: Boxes) -> np.ndarray:
    """Return (n, side, side) float32 in [0, 1]."""
    n, side, _ = people.texture.shape
    at = (np.arange(side) + 0.5) / side - 0.5
    width, height, brightness = (people.parents[:, k, None, None] for k in range(3))
    x = at[None, None, :] - people.place[:, 0, None, None]
    y = at[None, :, None] - people.place[:, 1, None, None]
    boxes = np.zeros((n, side, side))
    for number in range(4):
        centre = (number - 1.5) * 1.35 * height
        across, along = np.abs(x) / (width / 2), np.abs(y - centre) / (height / 2)
        radius = (across**6 + along**6) ** (1 / 6)
        # a soft edge about one pixel wide
        boxes += 1 / (1 + np.exp(np.clip((radius - 1) * side * 0.25, -30, 30)))
    bright = np.clip(boxes, 0, 1) * brightness * (1 + 0.1 * _carried(people, x, y))
    return np.clip(0.08 + bright + people.grain, 0, 1).astype(np.float32)


def _carried(people: Boxes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the texture where the anatomy has carried it."""
    n, side, _ = people.texture.shape
    width, height, _ = (people.parents[:, k, None, None] for k in range(3))
    across = (x * 0.36 / width + 0.5) * side - 0.5
    along = (y * 0.15 / height + 0.5) * side - 0.5
    which = np.arange(n)[:, None, None]
    where = np.broadcast_arrays(which, along, across)
    return map_coordinates(people.texture, where, order=1, mode="nearest", prefilter=False)
