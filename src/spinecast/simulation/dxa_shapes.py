"""The anatomy seen from the front: what lies where in an AP scan, in mm.

The same bodies and bones as in every other modality, looked at along the front-to-back axis
and stretched so that L1 to L4 are on average as wide and as high as the person's morphometry
says. Parts that a lateral film shows on their side (pedicles, laminae, spinous processes)
are seen end-on here. Axes: z to the person's right, y to the feet; the origin is the middle
of L1 to L4.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.morphometry import Morphometry
from spinecast.simulation.pelvis import iliac_wings
from spinecast.simulation.population import Floats
from spinecast.simulation.posterior import bone_strength, posterior_elements
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.thorax import ribs
from spinecast.simulation.tubes import Tube, Tubes, equal_tubes, join, merge
from spinecast.simulation.vertebra import VertebralBodies, build_bodies
from spinecast.simulation.vertebral_sizes import N_CHAIN

SEEN = 8
"""Mobile vertebrae laid down: L5 up to T10."""

L1_TO_L4 = slice(1, 5)
"""Their rows (L4 first) among the vertebrae seen."""

PARTS = 9
"""Tubes of a vertebra's posterior elements: eight paired ones and the spinous process."""

LYING = MappingProxyType({"lordosis": (27.0, 0.55), "kyphosis": (40.0, 0.30)})
"""Lying on the back with the lower legs on a block, as for every AP spine scan, a person
has this curve (degrees) where they have 49 and 40 degrees standing, and keeps this share of
what they differ by: the discs are seen edge-on. Ours."""

_STANDING = MappingProxyType({"lordosis": 49.0, "kyphosis": 40.0})

MOST_WAIST, LEAST_WAIST = 0.45, -0.30
"""Beyond these a body has no believable side wall; an area that asks for more is not met."""


@dataclass(frozen=True, eq=False)
class FrontalSpine:
    """Vertebrae as an AP scan shows them, L5 up to T10 and S1 last; arrays (9,) in mm.

    Parameters
    ----------
    bodies
        The bodies behind it, with their depths and densities.
    rows
        Which bodies.
    across, down
        Middle of each body.
    half_height
        From the middle to an endplate, as seen.
    width
        Widest extent.
    slant
        How far an endplate's front and back edge lie apart as seen, halved.
    waist
        Fraction by which the side walls are drawn in.
    markers
        (8,) heights y of the lines in the middle of the discs, below L5 up to above T11.
    tubes
        Posterior elements and spurs of the vertebrae.
    others
        Ribs.
    crest
        (2, 2) z and y of the top of the left and right iliac crest.
    strength
        Factor on the density of bones other than bodies.
    """

    bodies: VertebralBodies
    rows: Floats
    across: Floats
    down: Floats
    half_height: Floats
    width: Floats
    slant: Floats
    waist: float
    markers: Floats
    tubes: Tubes
    others: Tubes
    crest: Floats
    strength: float


@dataclass(frozen=True)
class Stretch:
    """What brings a person's bodies to the true morphometry: factors, and the waist."""

    across: float
    along: float
    waist: float


def frontal_spine(
    state: SpineState, dice: AnatomyDice, morphometry: Morphometry
) -> tuple[FrontalSpine, FrontalSpine]:
    """Lay the anatomy down as seen from the front.

    Parameters
    ----------
    state, dice
        The person at one time.
    morphometry
        Size of L1 to L4 as it would be without fractures.

    Returns
    -------
    tuple
        The spine as it is, and as it would be without fractures (the same object where
        there are none). Both have equal stretch, so a crushed vertebra is lower.
    """
    state = lying(state)
    sound = state.with_changes(fractures=())
    bodies, _ = build_bodies(sound, dice)
    stretch = _stretch(bodies, morphometry)
    whole = _place(bodies, sound, dice, stretch=stretch)
    if not state.fractures:
        return whole, whole
    broken, _ = build_bodies(state, dice)
    return _place(broken, state, dice, stretch=stretch), whole


def lying(state: SpineState) -> SpineState:
    """Return the person with the curves of the spine as on the scanner's table."""
    curves = {
        name: curve + share * (getattr(state, name) - _STANDING[name])
        for name, (curve, share) in LYING.items()
    }
    return state.with_changes(**curves)


def _rows() -> Floats:
    return np.array([*range(SEEN), N_CHAIN])


def _heights(bodies: VertebralBodies) -> tuple[Floats, Floats]:
    """Return y of the middle (9,) and the half heights (9,) as seen from the front."""
    rows = _rows()
    half = 0.5 * bodies.middle_rim[rows] * np.cos(bodies.inclination[rows])
    return bodies.centre[rows, 1], half


def _markers(down: Floats, half: Floats) -> Floats:
    """Return the middles of the discs (8,): below L5 (above S1), L4 ... T10."""
    top, bottom = down - half, down + half
    below = np.concatenate([top[-1:], top[: SEEN - 1]])
    return 0.5 * (bottom[:SEEN] + below)


def _stretch(bodies: VertebralBodies, morphometry: Morphometry) -> Stretch:
    down, half = _heights(bodies)
    markers = _markers(down, half)
    four = markers[1] - markers[5]
    along = 4.0 * morphometry.lumbar_height / four
    across = morphometry.lumbar_width / float(_widest(bodies.width).mean())
    width, half = across * bodies.width[_rows()], along * half
    full = _full_area(edge_knots(width, along * down, half), along * markers)
    drawn_in = float(np.sum(width[L1_TO_L4] * 2.0 * half[L1_TO_L4]) * 2.0 / 3.0)
    waist = (full - 100.0 * morphometry.lumbar_area) / drawn_in
    return Stretch(across, along, float(np.clip(waist, LEAST_WAIST, MOST_WAIST)))


def _widest(width: Floats) -> Floats:
    """Return the widest extent of the regions of L4 to L1, which end in mid-disc, (4,)."""
    own, below, above = width[1:5], width[0:4], width[2:6]
    return np.maximum(own, 0.5 * (own + np.maximum(below, above)))


def _full_area(knots: tuple[Floats, Floats], markers: Floats) -> float:
    """Return the area (mm2) of L1 to L4 without waists; widths run on straight over discs."""
    knots_y, knots_width = knots
    inside = (knots_y > markers[5]) & (knots_y < markers[1])
    y = np.concatenate([[markers[5]], knots_y[inside], [markers[1]]])
    return float(np.trapezoid(np.interp(y, knots_y, knots_width), y))


def edge_knots(width: Floats, down: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Return y and width at every endplate of the mobile bodies, downward, (16,) each."""
    upward = np.arange(SEEN)[::-1]
    y = np.stack([down[upward] - half[upward], down[upward] + half[upward]], axis=1).ravel()
    return y, np.repeat(width[upward], 2)


def _place(
    bodies: VertebralBodies, state: SpineState, dice: AnatomyDice, *, stretch: Stretch
) -> FrontalSpine:
    rows = _rows()
    down, half = _heights(bodies)
    markers = _markers(down, half)
    middle = 0.5 * (markers[1] + markers[5])
    across = _side_curve(bodies, down)
    across = across - across[L1_TO_L4].mean()
    place = (stretch, middle, across)
    down_placed = stretch.along * (down - middle)
    depth = bodies.depth[rows].mean(axis=1)
    wings = iliac_wings(bodies, state, dice)
    crest_y = wings.crest.min(axis=1) - down[0] + down_placed[0]
    crest_z = np.array([-1.0, 1.0]) * (80.0 + 4.0 * dice.frame["iliac_length"])
    return FrontalSpine(
        bodies=bodies,
        rows=rows,
        across=across,
        down=down_placed,
        half_height=stretch.along * half,
        width=stretch.across * bodies.width[rows],
        slant=0.5 * depth * np.abs(np.sin(bodies.inclination[rows])),
        waist=stretch.waist,
        markers=stretch.along * (markers - middle),
        tubes=merge([_posterior(bodies, state, dice, place=place),
                     _spurs(bodies, state, dice, place=place)]),
        others=_twelfth_ribs(bodies, state, dice, place=place),
        crest=np.stack([crest_z, crest_y], axis=1),
        strength=bone_strength(state),
    )  # fmt: skip


Place = tuple[Stretch, float, Floats]
"""Stretch, y of the middle of L1 to L4, and how far each vertebra lies to the side."""

Matter = tuple[float, float, float, float, float]
"""Wall, cortex, core, flatness and breadth (see ``tubes``)."""


def _side_curve(bodies: VertebralBodies, down: Floats) -> Floats:
    """Return how far each body lies to the side: the side tilts, added up from S1."""
    tilt = bodies.coronal[_rows()[:SEEN]]
    climb = -np.diff(np.concatenate([down[-1:], down[:SEEN]]))
    return np.concatenate([np.cumsum(np.tan(tilt) * climb), [0.0]])


def _stretched(points: Floats, place: Place) -> Floats:
    """Move (8, ..., 3) points of the vertebrae seen to where an AP scan shows them."""
    stretch, middle, across = place
    moved = points.copy()
    shift = across[:SEEN].reshape(SEEN, *([1] * (points.ndim - 2)))
    moved[..., 1] = stretch.along * (points[..., 1] - middle)
    moved[..., 2] = stretch.across * points[..., 2] + shift
    return moved


def _posterior(
    bodies: VertebralBodies, state: SpineState, dice: AnatomyDice, *, place: Place
) -> Tubes:
    """Turn the posterior elements to the front."""
    lateral = posterior_elements(bodies, state, dice)
    knots = 3 * (PARTS - 1) + 4
    points = lateral.points.reshape(N_CHAIN, knots, 3)[:SEEN]
    radius = lateral.radius.reshape(N_CHAIN, knots)[:SEEN]
    breadth = lateral.material.reshape(N_CHAIN, PARTS, 5)[:SEEN, -1, 4]
    moved = _stretched(points, place)
    paired = moved[:, :-4].reshape(SEEN, 4, 2, 3, 3)
    girth = radius[:, :-4].reshape(SEEN, 4, 2, 3)
    strength = bone_strength(state)
    wall = 0.75 * strength**0.5
    pedicle = _group(paired[:, 0], girth[:, 0], (wall, 0.34, 0.045 * strength, 1.0, 15.0))
    joint = (wall, 0.75, 0.20 * strength, 0.85, 0.0)
    facets = _group(paired[:, 1:3], girth[:, 1:3], joint, fade=np.array([0.45, 1.0, 0.9]))
    transverse = _group(paired[:, 3], girth[:, 3], (0.8 * wall, 0.7, 0.10 * strength, 0.6, 0.0))
    spine = _spinous(moved[:, -4:], radius[:, -4:], breadth, strength=strength)
    laminae = _laminae(paired[:, 2], moved[:, -4], strength=strength)
    return merge([pedicle, facets, transverse, laminae, spine])


def _group(
    points: Floats, radius: Floats, material: Matter, *, fade: Floats | float = 1.0
) -> Tubes:
    """Lay tubes of equally many points end to end; ``points`` (..., k, 3)."""
    knots = points.shape[-2]
    return equal_tubes(
        points.reshape(-1, knots, 3),
        radius.reshape(-1, knots),
        material=material,
        fade=np.asarray(fade),
    )


def _spinous(points: Floats, radius: Floats, breadth: Floats, *, strength: float) -> Tubes:
    """Return the spinous processes end-on: upright drops in the midline."""
    narrow = 0.5 * breadth
    reach = np.maximum(radius.mean(axis=1) - narrow, 1.0)
    top, bottom = points[..., 1].min(axis=1) - reach, points[..., 1].max(axis=1) + reach
    y = top[:, None] + (bottom - top)[:, None] * np.array([0.0, 0.35, 0.7, 1.0])
    z = np.repeat(points[..., 2].mean(axis=1)[:, None], 4, axis=1)
    girth = narrow[:, None] * np.array([0.75, 0.95, 1.15, 1.0])
    x = np.repeat(points[..., 0].mean(axis=1)[:, None], 4, axis=1)
    line = np.stack([x, y, z], axis=-1)
    return _group(line, girth, (0.6 * strength**0.5, 0.20, 0.075 * strength, 1.0, 26.0))


def _laminae(facet: Floats, spine: Floats, *, strength: float) -> Tubes:
    """Return the laminae: from between the facets down to the root of the spinous process."""
    start = facet[:, :, 0]
    root = np.repeat(spine[:, None], 2, axis=1)
    end = root + np.array([0.0, 3.0, 0.0])
    middle = 0.5 * (start + end) + np.array([0.0, 1.5, 0.0])
    line = np.stack([start, middle, end], axis=2)
    girth = np.broadcast_to(np.array([5.2, 6.0, 6.4]), line.shape[:-1])
    return _group(line, girth, (0.5 * strength**0.5, 0.30, 0.10 * strength, 1.0, 7.0))


def _spurs(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice, *, place: Place) -> Tubes:
    """Return the lateral osteophytes: claws at the corners of the bodies that curl to the disc."""
    start, curl = dice.spur[:SEEN, :, 0], dice.spur[:SEEN, :, 1]
    growth = np.clip(1.35 * state.osteophytes - 0.85 * start, 0.0, 1.0)
    row, rim = np.nonzero(growth > 0.02)
    # rims alternate between the sides, as single beaks do
    hand = np.where((row + rim + (curl[row, rim] > 0.5)) % 2 == 0, 1.0, -1.0)
    size = (6.5 * growth[row, rim])[:, None]
    down, half = _heights(bodies)
    corner_y = down[row] + np.where(rim, -half[row], half[row])
    corner = np.zeros((len(row), 1, 3))
    corner[:, 0, 0] = bodies.centre[row, 0]
    corner[:, 0, 1] = corner_y
    corner[:, 0, 2] = hand * 0.5 * bodies.width[row]
    line = np.repeat(corner, 3, axis=1)
    toward_disc = np.where(rim, -1.0, 1.0)[:, None]
    line[..., 2] += hand[:, None] * size * np.array([-0.45, 0.35, 0.75])
    tip = np.array([0.0, 0.0, 0.4]) * curl[row, rim][:, None]
    line[..., 1] += toward_disc * size * (np.array([-0.45, -0.10, 0.15]) + tip)
    stretch, middle, across = place
    line[..., 1] = stretch.along * (line[..., 1] - middle)
    line[..., 2] = stretch.across * line[..., 2] + across[row][:, None]
    girth = size * np.array([0.42, 0.34, 0.14]) + 0.4
    return _group(line, girth, (0.6, 0.85, 0.22, 1.0, 0.0))


def _rounded(line: Floats) -> Floats:
    """Lay the points of a polyline at equal steps and take the corners off; its ends stay."""
    path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.linspace(0.0, path[-1], len(line))
    line = np.stack([np.interp(even, path, column) for column in line.T], axis=1)
    for _ in range(8):
        inner = 0.25 * line[:-2] + 0.5 * line[1:-1] + 0.25 * line[2:]
        line = np.concatenate([line[:1], inner, line[-1:]])
    return line


def _twelfth_ribs(
    bodies: VertebralBodies, state: SpineState, dice: AnatomyDice, *, place: Place
) -> Tubes:
    """Return the last two pairs of ribs, hung on their vertebrae as these have moved."""
    stretch, middle, across = place
    every = ribs(bodies, state, dice)
    knots = len(every.points) // 24
    tubes = []
    for rib in range(20, 24):
        own = slice(rib * knots, (rib + 1) * knots)
        row = 6 if rib < 22 else 5
        points = every.points[own].copy()
        anchor = bodies.centre[row, 1]
        points[:, 1] += stretch.along * (anchor - middle) - anchor
        points[:, 2] += across[row]
        points = _rounded(points)
        wall, cortex, core, flat, _ = every.material[rib]
        tubes.append(Tube(points, every.radius[own], wall=wall, cortex=0.75 * cortex, core=core,
                          flatness=flat, fade=every.fade[own]))  # fmt: skip
    return join(tubes)
