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
from spinecast.simulation.tubes import Tubes, equal_tubes
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN, LUMBAR, N_CHAIN

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
_PAIRED = ("pedicle", "upper facet", "lower facet", "transverse")
_HANDS = np.array([-1.0, 1.0])
_KNOTS, _SPINE_KNOTS = 3, 4


def _lumbar_like(level: str) -> float:
    return 1.0 if level.startswith("L") else _LUMBAR_LIKE.get(level, 0.0)


LUMBAR_LIKE: Floats = np.array([_lumbar_like(level) for level in CHAIN])
"""How lumbar each vertebra of ``CHAIN`` is: 0 thoracic or cervical, 1 lumbar."""


def _templates(part: str) -> Floats:
    """Return (22, k, 4) rows of one part for every level, before scaling."""
    thoracic, lumbar = (np.array(rows, dtype=np.float64) for rows in _PARTS[part])
    blend = LUMBAR_LIKE[:, None, None]
    return (1 - blend) * thoracic + blend * lumbar


# (22, 4 parts, 3 points, 4) and (22, 4 points, 4)
_PAIRED_TEMPLATES = np.stack([_templates(part) for part in _PAIRED], axis=1)
_SPINE_TEMPLATES = _templates("spine")
_DROOP = np.linspace(0.0, 2.2, _SPINE_KNOTS)
_PAIRED_FLATNESS = np.repeat([0.9 if part == "transverse" else 0.65 for part in _PAIRED], 2)
_FADE = np.ones((len(_PAIRED), len(_HANDS), _KNOTS))
_FADE[_PAIRED.index("transverse")] = np.array([0.9, 1.0, 0.45])


def posterior_elements(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> Tubes:
    """Return the posterior elements of L5 up to C3 as tubes and plates, mm.

    Each vertebra has eight paired tubes of three points (left before right) and its
    spinous process, a plate of four points.
    """
    strength = bone_strength(state)
    mean_depth = bodies.depth[:N_CHAIN].mean(axis=1)
    scale = bodies.width[:N_CHAIN] / np.where(LUMBAR, 45.0, 36.0)
    scale = 0.5 * scale + 0.5 * mean_depth / 31.0
    paired = _paired(scale, dice).reshape(N_CHAIN, -1, 4)
    place = np.concatenate([paired, _spinous(scale, dice)], axis=1)
    points = _placed(bodies, place, half_depth=0.5 * mean_depth)
    counts = np.tile([*[_KNOTS] * (2 * len(_PAIRED)), _SPINE_KNOTS], N_CHAIN)
    fade = np.concatenate([_FADE.ravel(), np.ones(_SPINE_KNOTS)])
    return Tubes(
        points=points.reshape(-1, 3),
        radius=place[..., 3].ravel(),
        fade=np.tile(fade, N_CHAIN),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        material=_material(strength, breadth=6.5 * scale).reshape(-1, 5),
    )


def bone_strength(state: SpineState) -> float:
    """Return the factor by which bones other than bodies are denser than at 1 g/cm2."""
    return float(np.clip(state.bmd_spine, 0.35, 1.6) ** 0.8)


def _paired(scale: Floats, dice: AnatomyDice) -> Floats:
    """Return (22, parts, hands, points, 4) template rows, each hand on its own side."""
    facet, side = dice.posterior[:, 2], dice.posterior[:, 3]
    one_side = _PAIRED_TEMPLATES * scale[:, None, None, None]
    place = np.repeat(one_side[:, :, None], len(_HANDS), axis=2)
    place[..., 2] *= _HANDS[:, None]
    place[..., 3] *= (1 + 0.07 * facet)[:, None, None, None]
    place[..., 1] += ((0.6 * side)[:, None] * _HANDS)[:, None, :, None]
    return place


def _spinous(scale: Floats, dice: AnatomyDice) -> Floats:
    """Return (22, 4, 4) template rows of the spinous processes."""
    length, drop = dice.posterior[:, 0], dice.posterior[:, 1]
    place = _SPINE_TEMPLATES * scale[:, None, None]
    place[..., 0] *= (1 + 0.06 * length)[:, None]
    place[..., 1] += _DROOP * drop[:, None]
    return place


def _material(strength: float, *, breadth: Floats) -> Floats:
    """Return (22, 9, 5): wall, cortex, core, flatness and breadth; the plate comes last."""
    material = np.empty((N_CHAIN, 2 * len(_PAIRED) + 1, 5))
    material[..., 0] = 0.75 * strength**0.5
    material[..., 1] = 1.0
    material[:, :-1, 2] = 0.11 * strength
    material[:, -1, 2] = 0.13 * strength
    material[:, :-1, 3] = _PAIRED_FLATNESS
    material[:, -1, 3] = 1.0
    material[:, :-1, 4] = 0.0
    material[:, -1, 4] = breadth
    return material


def _placed(bodies: VertebralBodies, place: Floats, *, half_depth: Floats) -> Floats:
    """Turn (22, k, 4) template rows into (22, k, 3) points in mm."""
    angle = bodies.inclination[:N_CHAIN, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    u = place[..., 0] + half_depth[:, None]
    v = place[..., 1]
    x = bodies.centre[:N_CHAIN, :1] + u * cosine + v * sine
    y = bodies.centre[:N_CHAIN, 1:] + u * sine - v * cosine
    return np.stack([x, y, place[..., 2]], axis=-1)


_SPURRED = N_CHAIN - 5
"""Bodies from L5 up to T1 may carry anterior spurs."""


def osteophytes(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> Tubes:
    """Return the anterior spurs of the lower and upper rims, growing with the state."""
    start, curl = dice.spur[:_SPURRED, :, 0], dice.spur[:_SPURRED, :, 1]
    # each rim has its own moment; lower thoracic and lumbar rims spur most
    growth = np.clip(1.35 * state.osteophytes - 0.85 * start, 0.0, 1.0)
    row, rim = np.nonzero(growth > 0.02)
    size = (growth[row, rim] * (0.45 + 0.55 * LUMBAR_LIKE[row]) * 9.0)[:, None]
    corner = bodies.six_points()[row, np.array([3, 0])[rim]]
    angle = bodies.inclination[row, None]
    toward_disc = np.where(rim, 1.0, -1.0)[:, None]
    climb = np.tile([-0.30, -0.12, 0.05, 0.18], (len(row), 1))
    climb[:, 3] += 0.55 * curl[row, rim]
    u = np.array([0.34, 0.0, -0.55, -0.85]) * size
    v = climb * size * toward_disc
    x = corner[:, :1] + u * np.cos(angle) + v * np.sin(angle)
    y = corner[:, 1:] + u * np.sin(angle) - v * np.cos(angle)
    radius = np.array([0.34, 0.30, 0.22, 0.10]) * size + 0.35
    return equal_tubes(
        np.stack([x, y, np.zeros_like(x)], axis=-1),
        radius,
        material=(0.7, 0.95, 0.30, 1.0, 0.42 * bodies.width[row]),
        fade=np.ones(1),
    )
