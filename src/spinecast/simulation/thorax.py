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
from spinecast.simulation.tubes import Tube
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN

Floats = NDArray[np.float64]

_SLOPE = np.radians([14, 20, 26, 31, 35, 38, 41, 43, 44, 46, 46, 48])
_REACH = np.array([0.5, 0.68, 0.8, 0.88, 0.94, 0.98, 1.0, 0.97, 0.9, 0.8, 0.5, 0.3])
_BEHIND = np.array([14, 22, 29, 34, 38, 41, 42, 42, 40, 37, 32, 24], dtype=np.float64)
_SIDE = np.array([45, 70, 90, 105, 115, 121, 126, 128, 128, 124, 110, 85], dtype=np.float64)


def ribs(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> list[Tube]:
    """Return the 24 ribs, mm."""
    return [
        _rib(bodies, number, dice=dice, hand=hand, state=state)
        for number in range(12)
        for hand in (0, 1)
    ]


def _rib(
    bodies: VertebralBodies, number: int, *, dice: AnatomyDice, hand: int, state: SpineState
) -> Tube:
    row = CHAIN.index(f"T{number + 1}")
    slope_die, reach_die, radius_die = dice.ribs[hand, number]
    size = 0.95 if state.sex == "F" else 1.03
    cage = size * (1 + 0.05 * dice.frame["rib_cage"])
    slope = _SLOPE[number] + np.radians(4.0 * dice.frame["rib_slope"] + 1.6 * slope_die)
    angle = float(bodies.inclination[row])
    half = 0.5 * float(bodies.depth[row].mean())
    wall_x = bodies.centre[row, 0] + half * np.cos(angle)
    head_y = bodies.centre[row, 1] + half * np.sin(angle) - 0.36 * bodies.posterior[row]
    behind = _BEHIND[number] * cage * (1 + 0.04 * reach_die)
    # the neck and the angle, then an ellipse forward
    around = np.linspace(0.55, 0.55 + 2.1 * _REACH[number], 15)
    forward = 92.0 * cage * (np.cos(0.55) - np.cos(around)) * (0.75 + 0.25 * _REACH[number])
    x = np.concatenate([[-2.0, 7.0, 0.55 * behind, 0.90 * behind], behind - forward])
    z = np.concatenate([[10.0, 20.0, 32.0, 46.0], _SIDE[number] * cage * np.sin(around)])
    z[4:] = np.maximum(z[4:], 52.0)
    path = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), 0.55 * np.diff(z)))])
    turn = path[4]
    sink = 0.30 * np.minimum(path, turn) + np.tan(slope) * np.maximum(path - turn, 0.0) * 0.82
    bow = 9.0 * np.sin(np.pi * np.clip((path - turn) / max(path[-1] - turn, 1.0), 0, 1))
    points = np.stack([wall_x + x, head_y + sink + bow, z * (1.0 if hand else -1.0)], axis=1)
    thick = (5.4 if number < 10 else 4.6) * cage * (1 + 0.06 * radius_die)
    radius = np.full(len(x), thick)
    radius[0] *= 0.8
    radius[-4:] *= np.array([1.0, 1.0, 0.95, 0.75])
    fade = np.ones(len(x))
    fade[-5:] = np.linspace(1.0, 0.25, 5) if number < 10 else np.linspace(1.0, 0.6, 5)
    strength = bone_strength(state)
    return Tube(
        points, radius, wall=0.72 * strength**0.5, core=0.06 * strength, flatness=0.52, fade=fade
    )


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
