"""Iliac wings, the back of the sacrum, and its side masses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.posterior import bone_strength
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.tubes import Tube
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN

Floats = NDArray[np.float64]
N_CREST = 41


@dataclass(frozen=True, eq=False)
class IliacWings:
    """Both wings: plates below their crest lines.

    ``x`` (41,) mm from front to back; ``crest`` (2, 41) y of the crest, mm; ``mineral``
    (2, 41) areal density across the person below the crest, g/cm2; ``side`` (2,) z, mm.
    """

    x: Floats
    crest: Floats
    mineral: Floats
    side: Floats


def iliac_wings(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> IliacWings:
    """Return the wings; the crests reach the lower part of L4 or the upper part of L5."""
    strength = bone_strength(state)
    level = bodies.centre[CHAIN.index("L5")]
    top = level[1] - 4.0 + 7.0 * dice.frame["iliac_height"]
    length = (1.0 if state.sex == "M" else 0.96) * (1 + 0.04 * dice.frame["iliac_length"])
    x = np.linspace(-92.0, 64.0, N_CREST) * length
    peak = level[0] - 2.0
    sides = []
    for hand in (-1.0, 1.0):
        away = (x - peak - 2.0 * hand) / length
        front = np.where(away < 0, 0.0068 * away**2, 0.0)
        back = np.where(away >= 0, 0.0165 * away**2, 0.0)
        sides.append(top + front + back + 1.5 * hand * dice.frame["dome_side"])
    place = np.linspace(0.0, 1.0, N_CREST)
    # thin in the fossa, thick towards the sacroiliac joint, fading at both ends
    thickness = 0.18 + 0.22 * np.exp(-(((place - 0.80) / 0.13) ** 2))
    ends = np.clip(place / 0.10, 0, 1) * np.clip((1 - place) / 0.06, 0, 1)
    mineral = strength * thickness * ends
    return IliacWings(x, np.array(sides), np.stack([mineral, mineral]), np.array([-62.0, 62.0]))


def crest_rims(wings: IliacWings, state: SpineState) -> list[Tube]:
    """Return the thickened rims of both crests."""
    strength = bone_strength(state)
    place = np.linspace(0.0, 1.0, N_CREST)
    fade = np.clip(place / 0.15, 0, 1) * np.clip((1 - place) / 0.08, 0, 1)
    return [
        Tube(
            np.stack(
                [wings.x, wings.crest[hand] + 4.0, np.full(N_CREST, wings.side[hand])], axis=1
            ),
            np.full(N_CREST, 4.6),
            wall=0.9 * strength**0.5,
            core=0.10 * strength,
            flatness=1.1,
            fade=fade,
        )
        for hand in (0, 1)
    ]


def sacral_back(bodies: VertebralBodies, state: SpineState) -> list[Tube]:
    """Return the median crest, the roof of the sacral canal and both side masses."""
    strength = bone_strength(state)
    rows = slice(len(CHAIN), len(CHAIN) + 4)
    centre, angle = bodies.centre[rows], bodies.inclination[rows]
    half = 0.5 * bodies.depth[rows].mean(axis=1)
    back = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    tubes = []
    for gap, radius, breadth in ((17.0, 5.0, 9.0), (8.5, 2.2, 18.0)):
        line = centre + (half + gap * np.array([1.0, 0.95, 0.8, 0.6]))[:, None] * back
        points = np.column_stack([line, np.zeros(4)])
        tubes.append(
            Tube(points, np.full(4, radius), core=0.10 * strength, breadth=breadth, wall=0.7)
        )
    for hand in (-1.0, 1.0):
        line = centre[:3] + np.array([2.0, 3.0, 3.0])[:, None] * back[:3]
        points = np.column_stack([line, np.full(3, 34.0 * hand)])
        tubes.append(
            Tube(
                points,
                np.array([15.0, 13.0, 9.0]),
                wall=0.3,
                core=0.07 * strength,
                breadth=26.0,
                fade=np.array([0.8, 1.0, 0.6]),
            )
        )
    return tubes
