"""The aorta and its calcified plaques."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.tubes import Tubes, equal_tubes
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Aorta:
    """Descending aorta from T4 to the fork at L4: line (k, 3) mm and radius (k,) mm."""

    line: Floats
    radius: Floats


def aorta(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> Aorta:
    """Return the aorta in front of the spine, winding more with age-like stiffening."""
    rows = [
        CHAIN.index(level) for level in ("L4", "L3", "L2", "L1", "T12", "T10", "T8", "T6", "T4")
    ]
    front = bodies.six_points()[rows][:, [0, 3]].mean(axis=1)
    radius = np.array([8.0, 8.6, 9.0, 9.6, 10.5, 11.5, 12.0, 12.5, 13.0])
    radius = radius * (0.95 if state.sex == "F" else 1.05) * (1 + 0.12 * state.aortic_calcification)
    gap = 3.0 + 1.5 * dice.frame["aorta_gap"]
    winding = (2.0 + 5.0 * state.aortic_calcification) * np.sin(
        np.arange(9) * 0.9 + 2.0 * dice.frame["aorta_wave"]
    )
    # in the chest it lies beside the bodies, in the belly in front of them
    beside = np.array([0.0, 0.0, 0.0, 1.0, 3.0, 9.0, 14.0, 16.0, 12.0])
    x = front[:, 0] - gap - radius + winding + beside
    z = np.array([-2.0, -6.0, -9.0, -11.0, -14.0, -20.0, -24.0, -25.0, -22.0])
    return Aorta(np.stack([x, front[:, 1], z], axis=1), radius)


def plaques(vessel: Aorta, state: SpineState, dice: AnatomyDice) -> Tubes:
    """Return the plaques that the present degree of calcification shows.

    Every plaque has its own threshold, so that they appear one by one and then
    only grow; most lie below L1, as on abdominal films.
    """
    growth = np.clip((state.aortic_calcification - 0.10 - 0.85 * dice.plaque[:, 0]) / 0.25, 0, 1)
    seen = growth > 0.0
    growth = growth[seen]
    _, place, wall, length, density = dice.plaque[seen].T
    extent = (0.12 + 0.42 * length) * (0.4 + 0.6 * growth)
    spread = extent[:, None] * np.linspace(-0.5, 0.5, 5)
    knots = np.clip((place**1.5 * 7.0)[:, None] + spread, 0.0, 8.0)
    index = np.arange(9.0)
    line = np.stack([np.interp(knots, index, vessel.line[:, axis]) for axis in range(3)], axis=-1)
    radius = np.interp(knots, index, vessel.radius)
    side = np.where(wall < 0.45, -1.0, 1.0) * np.where(length > 0.5, 0.9, 0.97)
    line[..., 0] += radius * side[:, None]
    bulk = density * growth
    return equal_tubes(
        line,
        (0.55 + 0.75 * bulk)[:, None] * np.array([0.5, 1.0, 0.9, 1.0, 0.5]),
        material=(0.3, 0.9, 0.8, 1.0, 2.5 + 6.0 * bulk),
        fade=np.ones(1),
    )
