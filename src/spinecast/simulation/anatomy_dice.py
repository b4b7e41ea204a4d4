"""The shape that is a person's own and does not change with time.

Everything random about an anatomy is drawn here, once, as plain numbers.
Building the anatomy of the same person at another age uses the same dice, so
that only what the state says has changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.vertebral_sizes import N_CHAIN

Floats = NDArray[np.float64]

N_BODIES = N_CHAIN + 4
N_PLAQUES = 56
OUTLINE = (
    "back_fat",
    "belly",
    "chest",
    "neck",
    "shoulder",
    "waist",
    "hips",
    "flank",
)
FRAME = (
    "balance",
    "sacral_slope",
    "rib_slope",
    "rib_cage",
    "dome",
    "dome_side",
    "iliac_height",
    "iliac_length",
    "aorta_gap",
    "aorta_wave",
    "scapula",
    "visceral_gas",
    "spinous",
    "curve_apex",
    "thickness",
    "heart",
)


@dataclass(frozen=True, eq=False)
class AnatomyDice:
    """Standard normal and uniform draws behind one person's shape.

    Parameters
    ----------
    size
        (26, 4) normal: height, depth, width and tilt of each body, L5 to C3 then S1 to S4.
    disc
        (22, 2) normal: height of each disc, and how fast it ages.
    endplate
        (26, 3) uniform: depth of the dishes, share of a collapse taken by the upper plate,
        and roughness.
    spur
        (26, 2, 2) uniform: when an anterior osteophyte of the lower and upper rim appears,
        and how far it curls.
    posterior
        (22, 4) normal: spinous length, drop, facet size, side offset.
    ribs
        (2, 12, 3) normal: slope, reach and radius of left and right ribs.
    plaque
        (56, 5) uniform: threshold, place along the aorta, wall, length, density.
    outline, frame
        Normal draws of the body outline and of the large bones, in the order of
        ``OUTLINE`` and ``FRAME``.
    scoliosis
        Normal: amplitude and phase of the side curve.
    seed
        Integer behind bone texture, lung vessels and bowel gas.
    """

    size: Floats
    disc: Floats
    endplate: Floats
    spur: Floats
    posterior: Floats
    ribs: Floats
    plaque: Floats
    outline: dict[str, float]
    frame: dict[str, float]
    scoliosis: Floats
    seed: int


def draw_anatomy_dice(rng: np.random.Generator) -> AnatomyDice:
    """Draw the individual shape of one person.

    Parameters
    ----------
    rng
        Generator of this person and purpose, e.g. ``seeds.generator(seed, "anatomy", person)``.

    Returns
    -------
    AnatomyDice
        Equal for equal generators; independent of age, sex and disease.
    """
    return AnatomyDice(
        size=_normals(rng, (N_BODIES, 4)),
        disc=_normals(rng, (N_CHAIN, 2)),
        endplate=rng.uniform(size=(N_BODIES, 3)),
        spur=rng.uniform(size=(N_BODIES, 2, 2)),
        posterior=_normals(rng, (N_CHAIN, 4)),
        ribs=_normals(rng, (2, 12, 3)),
        plaque=rng.uniform(size=(N_PLAQUES, 5)),
        outline=dict(zip(OUTLINE, _normals(rng, len(OUTLINE)).tolist(), strict=True)),
        frame=dict(zip(FRAME, _normals(rng, len(FRAME)).tolist(), strict=True)),
        scoliosis=_normals(rng, 3),
        seed=int(rng.integers(1, 2**31 - 1)),
    )


def _normals(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
    """Draw normals cut at 2.5 SD, so that no person is an impossible one."""
    return np.clip(rng.standard_normal(shape), -2.5, 2.5)
