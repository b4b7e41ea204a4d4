"""Stacking the spine: where each vertebra lies and how it is turned.

Coordinates of the whole simulation, in mm: x runs to the back, y to the feet,
z to the person's right. The middle of the upper endplate of S1 is the origin.
The inclination of an endplate is the angle of its front-to-back direction
below the horizontal; it grows where a segment is taller in front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """Posed bodies in stacking order: centre (n, 2) mm, inclination (n,) radians, slope of S1."""

    centre: Floats
    inclination: Floats
    sacral_inclination: float


def upward(inclination: Floats | float) -> Floats:
    """Return the unit vectors (..., 2) that point out of the top of endplates."""
    angle = np.asarray(inclination, dtype=np.float64)
    return np.stack([np.sin(angle), -np.cos(angle)], axis=-1)


def stack_spine(
    body_height: Floats, disc_height: Floats, *, body_wedge: Floats, disc_wedge: Floats
) -> Stack:
    """Stack bodies and discs on a level sacrum.

    Parameters
    ----------
    body_height, disc_height
        Heights at mid-depth, mm, from L5 upward; each disc lies below its body.
    body_wedge, disc_wedge
        Angles between the two endplates, radians, positive where the front is taller.
    """
    below = np.cumsum(body_wedge + disc_wedge) - body_wedge
    above = below + body_wedge
    body_angle = 0.5 * (below + above)
    disc_angle = below - 0.5 * disc_wedge
    steps = disc_height[:, None] * upward(disc_angle) + body_height[:, None] * upward(body_angle)
    tops = np.cumsum(steps, axis=0)
    centre = tops - 0.5 * body_height[:, None] * upward(body_angle)
    return Stack(centre, body_angle, 0.0)


def balance(stack: Stack, *, nominal: float, target: float, reference: int) -> Stack:
    """Tilt the pelvis so that the trunk stands over it, as people do.

    Parameters
    ----------
    nominal
        Inclination of S1 where no compensation is needed, radians (negative).
    target
        Wanted x of the reference vertebra over S1, mm.
    reference
        Position of that vertebra in the stack (T4).

    Notes
    -----
    The pelvis gives at most 16 degrees (retroversion is limited by the hips); a
    person with more kyphosis than that stays bent forward.
    """
    point = stack.centre[reference]
    length = float(np.hypot(*point))
    lean = np.arcsin(np.clip(target / length, -0.9, 0.9))
    wanted = lean - float(np.arctan2(point[0], -point[1]))
    slope = float(np.clip(wanted, nominal - np.radians(16), nominal + np.radians(16)))
    turned = stack.centre @ rotation(slope).T
    return Stack(turned, stack.inclination + slope, slope)


def rotation(angle: float) -> Floats:
    """Return the matrix that turns inclinations by ``angle`` radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
