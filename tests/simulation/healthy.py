"""A healthy man, other people's own shapes, and films taken of them."""

from __future__ import annotations

import numpy as np

from spinecast.seeds import generator
from spinecast.simulation import SpineState
from spinecast.simulation.acquisition import Acquisition, draw_acquisition
from spinecast.simulation.anatomy import Anatomy, build_anatomy
from spinecast.simulation.anatomy_dice import AnatomyDice, draw_anatomy_dice
from spinecast.simulation.lateral import render_lateral
from spinecast.simulation.vertebra import VertebralBodies

MAN = SpineState(age=60, sex="M", height=175, weight=75, bmd_spine=1.0)
UPPER, LOWER = slice(0, 3), slice(3, 6)


def own_shape(number: int) -> AnatomyDice:
    return draw_anatomy_dice(generator(7, "tests", "shape", number))


def person(number: int = 0, **changes) -> Anatomy:
    return build_anatomy(MAN.with_changes(**changes), own_shape(number))


def exposure(number: int = 0, *, maker=None, region="TLS") -> Acquisition:
    return draw_acquisition(generator(7, "tests", "exposure", number), maker=maker, region=region)


def brightness(anatomy: Anatomy, acquisition: Acquisition, shape=(256, 128)):
    return render_lateral(anatomy, acquisition, shape=shape).brightness()


def heights(points):
    """Front, middle and back height of six points (..., 6, 2)."""
    return np.linalg.norm(points[..., UPPER, :] - points[..., LOWER, :], axis=-1)


def six_points(bodies: VertebralBodies, level: str):
    return bodies.six_points()[bodies.levels.index(level)]


def angle_of_plate(points, plate):
    """Inclination of one endplate from its front to its back, degrees below horizontal."""
    front, _, back = points[plate]
    across, down = back - front
    return np.degrees(np.arctan2(down, across))


def cobb(bodies: VertebralBodies, upper: str, lower: str) -> float:
    """Angle between the top of one body and the bottom of another, degrees."""
    top = angle_of_plate(six_points(bodies, upper), UPPER)
    bottom = angle_of_plate(six_points(bodies, lower), LOWER)
    return float(bottom - top)
