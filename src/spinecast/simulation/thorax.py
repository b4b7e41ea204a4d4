"""Ribs and shoulder blades.

Each rib leaves the spine at the upper edge of its vertebra, runs back to its
angle behind the bodies, turns and sweeps forward and down around the chest.
Left and right are drawn apart, so that magnification and a small turn of the
person doubles them as on real films.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.posterior import bone_strength
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.tubes import Tube, Tubes, equal_tubes
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN

Floats = NDArray[np.float64]

_SLOPE = np.radians([14, 20, 26, 31, 35, 38, 41, 43, 44, 46, 46, 48])
_REACH = np.array([0.5, 0.68, 0.8, 0.88, 0.94, 0.98, 1.0, 0.97, 0.9, 0.8, 0.5, 0.3])
_BEHIND = np.array([14, 22, 29, 34, 38, 41, 42, 42, 40, 37, 32, 24], dtype=np.float64)
_SIDE = np.array([45, 70, 90, 105, 115, 121, 126, 128, 128, 124, 110, 85], dtype=np.float64)


_ROWS = np.array([CHAIN.index(f"T{number}") for number in range(1, 13)])
_FLOATING = np.arange(12) >= 10
_SHORT = 0.55
"""Where the sweep around the chest begins, radians from straight back."""

# (12, 1, 15) angles around the chest, and the fade towards the front end (12, 1, 19)
_AROUND = np.linspace(_SHORT, _SHORT + 2.1 * _REACH, 15, axis=-1)[:, None, :]
_FADE = np.ones((12, 1, 19))
_FADE[:, 0, -5:] = np.where(_FLOATING[:, None], np.linspace(1.0, 0.6, 5), np.linspace(1.0, 0.25, 5))
_GIRTH = np.concatenate([[0.8], np.ones(16), [0.95, 0.75]])


def ribs(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> Tubes:
    """Return the 24 ribs, mm, from the first down, left before right."""
    slope_die, reach_die, radius_die = np.moveaxis(dice.ribs, (0, 1, 2), (2, 1, 0))[..., None]
    size = 0.95 if state.sex == "F" else 1.03
    cage = size * (1 + 0.05 * dice.frame["rib_cage"])
    slope = _SLOPE[:, None, None] + np.radians(4.0 * dice.frame["rib_slope"] + 1.6 * slope_die)
    head_x, head_y = _heads(bodies)
    x, z = _sweep(cage, reach_die)
    sink = _sink(x, z, slope)
    hand = np.array([-1.0, 1.0])[:, None]
    points = np.stack([head_x + x, head_y + sink, z * hand], axis=-1)
    thick = np.where(_FLOATING, 4.6, 5.4)[:, None, None] * cage * (1 + 0.06 * radius_die)
    strength = bone_strength(state)
    return equal_tubes(
        points.reshape(24, 19, 3),
        (thick * _GIRTH).reshape(24, 19),
        material=(0.72 * strength**0.5, 1.0, 0.06 * strength, 0.52, 0.0),
        fade=np.broadcast_to(_FADE, (12, 2, 19)).reshape(24, 19),
    )


def _heads(bodies: VertebralBodies) -> tuple[Floats, Floats]:
    """Return x and y (12, 1, 1) where the ribs leave the spine."""
    angle = bodies.inclination[_ROWS]
    half = 0.5 * bodies.depth[_ROWS].mean(axis=1)
    x = bodies.centre[_ROWS, 0] + half * np.cos(angle)
    y = bodies.centre[_ROWS, 1] + half * np.sin(angle) - 0.36 * bodies.posterior[_ROWS]
    return x[:, None, None], y[:, None, None]


def _sweep(cage: float, reach_die: Floats) -> tuple[Floats, Floats]:
    """Return the way to the back and to the side (12, 2, 19): neck, angle, then an ellipse."""
    behind = _BEHIND[:, None, None] * cage * (1 + 0.04 * reach_die)
    reach = _REACH[:, None, None]
    forward = 92.0 * cage * (np.cos(_SHORT) - np.cos(_AROUND)) * (0.75 + 0.25 * reach)
    x = np.empty((12, 2, 19))
    x[..., 0], x[..., 1] = -2.0, 7.0
    x[..., 2:4] = np.array([0.55, 0.90]) * behind
    x[..., 4:] = behind - forward
    z = np.empty((12, 1, 19))
    z[..., :4] = np.array([10.0, 20.0, 32.0, 46.0])
    z[..., 4:] = np.maximum(_SIDE[:, None, None] * cage * np.sin(_AROUND), 52.0)
    return x, z


def _sink(x: Floats, z: Floats, slope: Floats) -> Floats:
    """Return how far below its head each point of the ribs lies, (12, 2, 19)."""
    steps = np.hypot(np.diff(x), 0.55 * np.diff(z))
    path = np.concatenate([np.zeros((12, 2, 1)), np.cumsum(steps, axis=-1)], axis=-1)
    turn = path[..., 4:5]
    sink = 0.30 * np.minimum(path, turn) + np.tan(slope) * np.maximum(path - turn, 0.0) * 0.82
    rest = np.maximum(path[..., -1:] - turn, 1.0)
    return sink + 9.0 * np.sin(np.pi * np.clip((path - turn) / rest, 0, 1))


def shoulder_blades(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> list[Tube]:
    """Return the edges of both shoulder blades; the arms are raised for the film."""
    top = bodies.centre[CHAIN.index("T3")]
    strength = bone_strength(state)
    tubes = []
    for hand in (-1.0, 1.0):
        shift = 5.0 * dice.frame["scapula"] + 6.0 * hand
        x = top[0] + shift + np.array([-38.0, -22.0, -2.0, 16.0, 26.0, 24.0])
        y = top[1] + 4.0 * hand + np.array([-42.0, -14.0, 24.0, 62.0, 98.0, 116.0])
        points = np.stack([x, y, np.full(6, 105.0 * hand)], axis=1)
        tubes.append(
            Tube(
                points,
                np.array([7.0, 6.0, 5.0, 5.0, 4.5, 3.0]),
                wall=0.8 * strength,
                core=0.05 * strength,
                flatness=0.7,
                fade=np.array([0.3, 0.8, 1.0, 1.0, 0.9, 0.3]),
            )
        )
    return tubes
