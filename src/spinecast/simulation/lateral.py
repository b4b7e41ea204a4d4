"""Lateral radiographs of an anatomy, with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation import detector
from spinecast.simulation.acquisition import Acquisition, draw_acquisition
from spinecast.simulation.anatomy import Anatomy
from spinecast.simulation.bone_rays import (
    add_bodies,
    add_tubes,
    add_wing,
    pack_bodies,
    pack_tubes,
)
from spinecast.simulation.projection import View, frame
from spinecast.simulation.soft_rays import add_soft, pack_soft
from spinecast.simulation.spine_state import LEVELS

__all__ = [
    "Acquisition",
    "RenderedImage",
    "draw_acquisition",
    "lateral_landmarks",
    "lateral_masks",
    "ray_sums",
    "render_lateral",
]

Image = NDArray[np.float32]

MINERAL = 0.47
"""Extra attenuation of bone mineral, cm2/g at about 55 keV, marrow displaced."""


@dataclass(frozen=True, eq=False)
class RenderedImage:
    """One simulated radiograph as a detector would store it.

    Parameters
    ----------
    pixels
        (rows, columns) unsigned integers of ``bits`` bits.
    spacing
        Row and column size, mm.
    monochrome1
        Whether low values are meant to be shown white.
    maker, region
        As in the image index.
    bits
        Stored bits.
    """

    pixels: NDArray[np.uint16]
    spacing: tuple[float, float]
    monochrome1: bool
    maker: str
    region: str
    bits: int

    def brightness(self) -> Image:
        """Return the image as shown, 0 (black) to 1 (white)."""
        shown = self.pixels.astype(np.float32) / np.float32(2**self.bits - 1)
        return np.float32(1.0) - shown if self.monochrome1 else shown


def render_lateral(
    anatomy: Anatomy, acquisition: Acquisition, *, shape: tuple[int, int] = (256, 128)
) -> RenderedImage:
    """Render one lateral radiograph; the person faces left.

    Parameters
    ----------
    anatomy
        The shapes.
    acquisition
        Everything random about the exposure.
    shape
        Rows and columns. The field of view is the acquisition's, so the spacing follows.

    Returns
    -------
    RenderedImage
        Equal for equal arguments on one machine.
    """
    soft, mineral = ray_sums(anatomy, acquisition, shape=shape)
    reference = exposure_reference(soft)
    log_signal = detector.expose(soft + np.float32(MINERAL) * mineral, reference, acquisition)
    brightness = detector.process(log_signal, reference, acquisition)
    brightness = brightness * detector.open_field(acquisition, shape)
    spacing = acquisition.height / shape[0]
    return RenderedImage(
        pixels=detector.store(brightness, acquisition),
        spacing=(spacing, spacing),
        monochrome1=acquisition.maker.monochrome1,
        maker=acquisition.maker.name,
        region=acquisition.region.name,
        bits=acquisition.maker.bits,
    )


def ray_sums(
    anatomy: Anatomy, acquisition: Acquisition, *, shape: tuple[int, int] = (256, 128)
) -> tuple[Image, Image]:
    """Return the line integrals: soft tissue (attenuation) and mineral (g/cm2)."""
    view = frame(anatomy, acquisition, shape=shape)
    soft = np.zeros(shape, np.float32)
    table, inner, numbers = pack_soft(anatomy.soft, view.geometry())
    add_soft(soft, table, (inner, numbers))
    bones = np.zeros((2, *shape), np.float32)
    add_tubes(bones, pack_tubes(anatomy.bones, view), view.spacing)
    mineral = bones[0]
    add_bodies(mineral, pack_bodies(anatomy.bodies, view, seed=anatomy.seed), view.spacing)
    wings = anatomy.wings
    for hand in (0, 1):
        wing = np.stack([wings.x, wings.crest[hand], wings.mineral[hand]])
        add_wing(mineral, wing, view.geometry(float(wings.side[hand])))
    return soft, mineral


def exposure_reference(soft: Image) -> float:
    """Return what automatic exposure works to: soft tissue in the middle of the field."""
    rows, columns = soft.shape
    middle = soft[rows // 8 : -rows // 8, columns // 4 : -columns // 4]
    return float(0.5 * middle.mean() + 0.5 * np.median(middle))


def lateral_landmarks(
    anatomy: Anatomy, acquisition: Acquisition, *, shape: tuple[int, int] = (256, 128)
) -> dict[str, NDArray[np.float64]]:
    """Return the six points of every vertebra T4 to L5 that lies wholly in view.

    Returns
    -------
    dict
        Level to (6, 2) row and column positions in pixels (the middle of the first pixel
        is 0, 0): front, middle and back of the upper endplate, then of the lower one.
    """
    view = frame(anatomy, acquisition, shape=shape)
    points = anatomy.bodies.six_points()
    top, bottom, left, right = (edge / view.spacing for edge in acquisition.shutters)
    first = np.array([top, left]) - 0.5
    last = np.array(shape) - 0.5 - np.array([bottom, right])
    found = {}
    for level in LEVELS:
        own = points[anatomy.bodies.levels.index(level)]
        place = _pixels(own, view)
        if np.all(place >= first) and np.all(place <= last):
            found[level] = place
    return found


def lateral_masks(
    anatomy: Anatomy, acquisition: Acquisition, *, shape: tuple[int, int] = (256, 128)
) -> NDArray[np.uint8]:
    """Return labels (rows, columns): 0 outside, 1 for T4 up to 14 for L5."""
    view = frame(anatomy, acquisition, shape=shape)
    packed = pack_bodies(anatomy.bodies, view, seed=anatomy.seed)
    labels = np.zeros(shape, np.uint8)
    for number, level in enumerate(LEVELS, start=1):
        alone = np.zeros(shape, np.float32)
        row = anatomy.bodies.levels.index(level)
        add_bodies(alone, packed[row : row + 1], view.spacing)
        labels[alone > 0.10] = number
    labels[detector.open_field(acquisition, shape) < 0.5] = 0
    return labels


def _pixels(points: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    flat = view.project(np.column_stack([points, np.zeros(len(points))]))
    return flat[:, ::-1] / view.spacing - 0.5
