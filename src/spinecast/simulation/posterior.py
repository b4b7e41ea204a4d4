"""What lies behind and around the bodies: pedicles, facets, spines, osteophytes.

Shapes are written once for a thoracic and once for a lumbar vertebra of mean
size, in body coordinates (mm behind the posterior wall, mm above the middle),
and blended over the junction from T10 to T12.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.tubes import Tube
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN, N_CHAIN

Floats = NDArray[np.float64]

_LUMBAR_LIKE = {"T9": 0.1, "T10": 0.25, "T11": 0.55, "T12": 0.85}

# each row: behind the posterior wall, above the middle, to the side, radius (mm)
_PARTS: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]] = {
    "pedicle": (
        ((-2, 4.0, 11, 4.6), (5, 4.0, 12, 4.2), (11, 3.0, 13, 4.4)),
        ((-2, 4.5, 13, 6.6), (6, 5.0, 14, 5.8), (13, 3.5, 15, 6.2)),
    ),
    "upper facet": (
        ((10, 2.0, 14, 4.2), (12, 8.0, 15, 3.6), (12.5, 13.0, 15, 2.2)),
        ((12, 4.0, 17, 5.0), (15, 12.0, 18, 4.6), (17, 20.0, 18, 2.6)),
    ),
    "lower facet": (
        ((11, 2.0, 13, 4.2), (14, -6.0, 13, 4.0), (15, -14.0, 13, 2.2)),
        ((13, 3.0, 15, 5.0), (19, -10.0, 14, 4.8), (21, -24.0, 15, 3.0)),
    ),
    "spine": (
        ((13, -1.0, 0, 4.5), (24, -9.0, 0, 4.4), (36, -20.0, 0, 4.0), (45, -28.0, 0, 3.4)),
        ((20, -3.0, 0, 8.0), (30, -6.0, 0, 8.6), (40, -9.0, 0, 9.2), (49, -12.0, 0, 8.4)),
    ),
    "transverse": (
        ((10, 4.0, 18, 4.4), (17, 4.5, 27, 4.0), (22, 3.5, 32, 3.4)),
        ((9, 3.0, 22, 3.8), (11, 3.5, 32, 3.6), (12, 3.0, 40, 2.6)),
    ),
}
_THORACIC, _LUMBAR = 0, 1


def posterior_elements(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> list[Tube]:
    """Return the posterior elements of L5 up to C3 as tubes and plates, mm."""
    strength = bone_strength(state)
    tubes: list[Tube] = []
    for row in range(N_CHAIN):
        tubes += _of_one(bodies, row, dice=dice, strength=strength)
    return tubes


def bone_strength(state: SpineState) -> float:
    """Return the factor by which bones other than bodies are denser than at 1 g/cm2."""
    return float(np.clip(state.bmd_spine, 0.35, 1.6) ** 0.8)


def _of_one(bodies: VertebralBodies, row: int, *, dice: AnatomyDice, strength: float) -> list[Tube]:
    scale = float(bodies.width[row]) / (45.0 if CHAIN[row].startswith("L") else 36.0)
    scale = 0.5 * scale + 0.5 * float(bodies.depth[row].mean()) / 31.0
    blend = _lumbar_like(row)
    length, drop, facet, side = dice.posterior[row]
    wall = 0.75 * strength**0.5
    tubes = []
    for part in ("pedicle", "upper facet", "lower facet", "transverse"):
        for hand in (-1.0, 1.0):
            place = _template(part, blend, scale) * np.array([1, 1, hand, 1.0])
            place[:, 3] *= 1 + 0.07 * facet
            place[:, 1] += 0.6 * side * hand
            tubes.append(
                Tube(
                    _placed(bodies, row, place),
                    place[:, 3],
                    wall=wall,
                    core=0.11 * strength,
                    flatness=0.65 if part != "transverse" else 0.9,
                    fade=np.array([0.9, 1.0, 0.45]) if part == "transverse" else None,
                )
            )
    place = _template("spine", blend, scale)
    place[:, 0] *= 1 + 0.06 * length
    place[:, 1] += np.linspace(0.0, 2.2, len(place)) * drop
    tubes.append(
        Tube(
            _placed(bodies, row, place),
            place[:, 3],
            wall=wall,
            core=0.13 * strength,
            breadth=6.5 * scale,
        )
    )
    return tubes


def _lumbar_like(row: int) -> float:
    level = CHAIN[row]
    return 1.0 if level.startswith("L") else _LUMBAR_LIKE.get(level, 0.0)


def _template(part: str, blend: float, scale: float) -> Floats:
    both = _PARTS[part]
    thoracic = np.array(both[_THORACIC], dtype=np.float64)
    lumbar = np.array(both[_LUMBAR], dtype=np.float64)
    return ((1 - blend) * thoracic + blend * lumbar) * scale


def _placed(bodies: VertebralBodies, row: int, place: Floats) -> Floats:
    """Turn template rows into points in mm."""
    angle = bodies.inclination[row]
    u = place[:, 0] + 0.5 * bodies.depth[row].mean()
    v = place[:, 1]
    x = bodies.centre[row, 0] + u * np.cos(angle) + v * np.sin(angle)
    y = bodies.centre[row, 1] + u * np.sin(angle) - v * np.cos(angle)
    return np.stack([x, y, place[:, 2]], axis=1)


def osteophytes(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> list[Tube]:
    """Return the anterior spurs of the lower and upper rims, growing with the state."""
    tubes = []
    corners = bodies.six_points()[:N_CHAIN, [3, 0]]
    for row in range(N_CHAIN - 5):
        for rim in (0, 1):
            start, curl = dice.spur[row, rim]
            # each rim has its own moment; lower thoracic and lumbar rims spur most
            growth = np.clip(1.35 * state.osteophytes - 0.85 * start, 0.0, 1.0)
            if growth <= 0.02:
                continue
            size = growth * (0.45 + 0.55 * _lumbar_like(row)) * 9.0
            tubes.append(
                _spur(bodies, row, corner=corners[row, rim], rim=rim, size=size, curl=curl)
            )
    return tubes


def _spur(
    bodies: VertebralBodies, row: int, *, corner: Floats, rim: int, size: float, curl: float
) -> Tube:
    angle = bodies.inclination[row]
    toward_disc = 1.0 if rim else -1.0
    u = np.array([0.34, 0.0, -0.55, -0.85]) * size
    v = np.array([-0.30, -0.12, 0.05, 0.18 + 0.55 * curl]) * size * toward_disc
    x = corner[0] + u * np.cos(angle) + v * np.sin(angle)
    y = corner[1] + u * np.sin(angle) - v * np.cos(angle)
    radius = np.array([0.34, 0.30, 0.22, 0.10]) * size + 0.35
    points = np.stack([x, y, np.zeros(4)], axis=1)
    return Tube(points, radius, wall=0.7, core=0.30, cortex=0.95, breadth=0.42 * bodies.width[row])
