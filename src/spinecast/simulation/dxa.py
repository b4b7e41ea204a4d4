"""AP spine DXA of an anatomy, with its truth.

A pixel is areal density in g/cm2: mineral integrated from front to back, soft tissue
cancelled by the second energy but for a faint rest, blurred by the scanner, with noise that
grows with the thickness of the trunk. The mean over L1 to L4 is the person's areal density.
All chance is in :class:`DxaAcquisition`; rendering is a pure function.

Sizes are those of pencil-like fan-beam scanners, rounded and ours: pixels of about a
millimetre after resampling, some 0.02 g/cm2 of noise a pixel in a person of average build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.bone_rays import add_tubes
from spinecast.simulation.dxa_rays import (
    BODY_COLUMNS,
    Image,
    add_baseline,
    add_cover,
    add_crests,
    add_frontal_bodies,
)
from spinecast.simulation.dxa_shapes import FrontalSpine, edge_knots, frontal_spine
from spinecast.simulation.lateral import RenderedImage
from spinecast.simulation.morphometry import Morphometry
from spinecast.simulation.population import Floats
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.tubes import Tubes

MAKER = "GE Healthcare"
FIELD = 205.0
"""Height and width of the scanned field, mm."""

DENSITY_PER_GREY, GREY_OF_NOTHING = 0.010, 16.0
"""g/cm2 a grey value, and the grey value of no mineral: 8 bits reach from -0.16 to 2.39."""

BLUR = 0.75
"""Standard deviation of the scanner's resolution, mm."""

BASELINE = 0.014
"""Size of what soft tissue leaves behind, g/cm2."""

NOISE, THICKENING = 0.020, 0.011
"""Noise of a pixel at a trunk of 215 mm (g/cm2), and how much it grows with a mm more: the
square root of a loss of photons of 2.2 % a mm."""

LABELS: tuple[str, ...] = ("L1", "L2", "L3", "L4")
"""Names of the labels 1 to 4 of :func:`dxa_masks`."""


@dataclass(frozen=True)
class DxaAcquisition:
    """Everything random about one scan.

    Parameters
    ----------
    shift
        Offset of the field from the middle of L1 to L4, columns then rows, mm.
    tilt, turn
        Of the person in the image plane and about the long axis, radians.
    gain
        Factor of the scanner's calibration on the day.
    noise_seed
        Of the noise.
    """

    shift: tuple[float, float]
    tilt: float
    turn: float
    gain: float
    noise_seed: int


@dataclass(frozen=True, eq=False)
class DxaImage(RenderedImage):
    """One scan as the device stores it: 8 bits, MONOCHROME2, linear in g/cm2."""

    pixels: NDArray[Any]

    def density(self) -> Image:
        """Return areal density, g/cm2."""
        return (self.pixels.astype(np.float32) - np.float32(GREY_OF_NOTHING)) * np.float32(
            DENSITY_PER_GREY
        )


def draw_dxa_acquisition(rng: np.random.Generator) -> DxaAcquisition:
    """Draw how one scan is taken, without looking at the person."""
    jitter = np.clip(rng.standard_normal(5), -2.5, 2.5)
    return DxaAcquisition(
        shift=(2.5 * jitter[0], 3.0 * jitter[1]),
        tilt=float(np.radians(0.8 * jitter[2])),
        turn=float(np.radians(1.8 * jitter[3])),
        gain=1.0 + 0.003 * jitter[4],
        noise_seed=int(rng.integers(1, 2**31 - 1)),
    )


def render_dxa(
    person: tuple[SpineState, AnatomyDice],
    morphometry: Morphometry,
    acquisition: DxaAcquisition,
    *,
    shape: tuple[int, int] = (192, 192),
) -> DxaImage:
    """Render one AP spine scan.

    Parameters
    ----------
    person
        State at the time, and the person's own shape.
    morphometry
        True size of L1 to L4 (as without fractures).
    acquisition
        Everything random about the scan.
    shape
        Rows and columns of the square field.

    Returns
    -------
    DxaImage
        Equal for equal arguments on one machine.
    """
    state, dice = person
    spine, whole = frontal_spine(state, dice, morphometry)
    density = _clean(spine, whole, acquisition, shape=shape, state=state, seed=dice.seed)
    pixel = FIELD / shape[0]
    noise = _grain(acquisition, shape) * np.float32(noise_of(state) / pixel)
    noisy = density * np.float32(acquisition.gain) + noise
    grey = np.rint(noisy / DENSITY_PER_GREY + GREY_OF_NOTHING)
    return DxaImage(
        pixels=np.clip(grey, 0, 255).astype(np.uint8),
        spacing=(pixel, pixel),
        monochrome1=False,
        maker=MAKER,
        region="LS",
        bits=8,
    )


def _grain(acquisition: DxaAcquisition, shape: tuple[int, int]) -> Image:
    """Return noise of variance 1 that a pixel shares a little with its neighbours."""
    rng = np.random.default_rng(acquisition.noise_seed)
    white = rng.standard_normal((shape[0] + 2, shape[1] + 2), dtype=np.float32)
    side, middle = np.float32(0.22), np.float32(0.95)
    rows: Image = middle * white[1:-1] + side * (white[:-2] + white[2:])
    both: Image = middle * rows[:, 1:-1] + side * (rows[:, :-2] + rows[:, 2:])
    return both / np.float32(0.95**2 + 2 * 0.22**2)


def noise_of(state: SpineState) -> float:
    """Return the noise of 1 mm2 in g/cm2; the trunk is the thicker the greater the BMI."""
    bmi = state.weight / (state.height / 100.0) ** 2
    thickness = 215.0 * np.sqrt(bmi / 26.0)
    return float(NOISE * np.exp(THICKENING * (thickness - 215.0)))


def clean_density(
    person: tuple[SpineState, AnatomyDice],
    morphometry: Morphometry,
    acquisition: DxaAcquisition,
    *,
    shape: tuple[int, int] = (192, 192),
) -> Image:
    """Return the areal density (g/cm2) behind a scan, before noise and storage."""
    state, dice = person
    spine, whole = frontal_spine(state, dice, morphometry)
    return _clean(spine, whole, acquisition, shape=shape, state=state, seed=dice.seed)


def dxa_masks(
    person: tuple[SpineState, AnatomyDice],
    morphometry: Morphometry,
    acquisition: DxaAcquisition,
    *,
    shape: tuple[int, int] = (192, 192),
) -> NDArray[np.uint8]:
    """Return labels (rows, columns): 0 outside, 1 for L1 to 4 for L4, fractures as they are.

    A vertebra's region reaches from the middle of the disc above to that of the disc below
    and to the edges of the bone; the four together are the region the density is the mean of.
    """
    spine, _ = frontal_spine(*person, morphometry)
    labels = np.zeros(shape, np.uint8)
    for number in range(1, 5):
        labels[
            _cover(spine, acquisition, shape=shape, upper=6 - number, lower=5 - number) >= 0.5
        ] = number
    return labels


def _clean(
    spine: FrontalSpine,
    whole: FrontalSpine,
    acquisition: DxaAcquisition,
    *,
    shape: tuple[int, int],
    state: SpineState,
    seed: int,
) -> Image:
    pixel = FIELD / shape[0]
    others = np.zeros((2, *shape), np.float32)
    add_tubes(others, _pack(spine.others, spine, acquisition, shape=shape), pixel)
    pose = _pose(acquisition, shape)
    crests = np.column_stack([spine.crest, [-1.0, 1.0], [spine.strength] * 2])
    add_crests(others[0], crests, pose)
    rest = gaussian_filter(others[0], BLUR / pixel, truncate=3.0)
    add_baseline(rest, np.array([pixel, BASELINE, seed % 100003]))
    vertebrae = _vertebrae(whole, acquisition, shape=shape, seed=seed)
    # The device is calibrated: the mean over the whole L1 to L4 is the density it stands for.
    region = _cover(whole, acquisition, shape=shape, upper=5, lower=1)
    wanted = state.bmd_spine * float(region.sum()) - float((region * rest).sum())
    scale = np.float32(wanted / float((region * vertebrae).sum()))
    if spine is not whole:
        vertebrae = _vertebrae(spine, acquisition, shape=shape, seed=seed)
    return rest + scale * vertebrae


def _vertebrae(
    spine: FrontalSpine, acquisition: DxaAcquisition, *, shape: tuple[int, int], seed: int
) -> Image:
    pixel = FIELD / shape[0]
    mineral = np.zeros((2, *shape), np.float32)
    add_tubes(mineral, _pack(spine.tubes, spine, acquisition, shape=shape), pixel)
    add_frontal_bodies(mineral[0], _pack_bodies(spine, acquisition, shape=shape, seed=seed), pixel)
    blurred: Image = gaussian_filter(mineral[0], BLUR / pixel, truncate=3.0)
    return blurred


def _pose(acquisition: DxaAcquisition, shape: tuple[int, int]) -> Floats:
    """Return pixel, middle column and row (mm), cosine and sine of the tilt."""
    pixel = FIELD / shape[0]
    middle = 0.5 * pixel * np.array(shape)
    tilt = acquisition.tilt
    return np.array([
        pixel, middle[1] - acquisition.shift[0], middle[0] - acquisition.shift[1],
        np.cos(tilt), np.sin(tilt),
    ])  # fmt: skip


def _turned(spine: FrontalSpine, x: Floats, z: Floats, *, turn: float) -> Floats:
    """Return z after the person has turned about the middle of L1 to L4."""
    reference = spine.bodies.centre[1:5, 0].mean()
    return z + (x - reference) * np.sin(turn)


def _project(
    spine: FrontalSpine, points: Floats, acquisition: DxaAcquisition, *, shape: tuple[int, int]
) -> Floats:
    """Turn (n, 3) points into (n, 2) column and row positions, mm of the image."""
    _, column, row, cosine, sine = _pose(acquisition, shape)
    z = _turned(spine, points[:, 0], points[:, 2], turn=acquisition.turn)
    y = points[:, 1]
    return np.stack([cosine * z - sine * y + column, sine * z + cosine * y + row], axis=1)


def _pack(
    tubes: Tubes, spine: FrontalSpine, acquisition: DxaAcquisition, *, shape: tuple[int, int]
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Project tubes; rays that run along a tube cross more of it."""
    flat = _project(spine, tubes.points, acquisition, shape=shape)
    step = np.diff(tubes.points, axis=0, append=tubes.points[-1:])
    ends = tubes.start[1:] - 1
    step[ends] = step[ends - 1]
    across = np.hypot(step[:, 1], step[:, 2]) / np.maximum(np.linalg.norm(step, axis=1), 1e-6)
    plate = np.repeat(tubes.material[:, 4] > 0, np.diff(tubes.start))
    longer = np.where(plate, 1.0, 1.0 / np.clip(across, 0.5, 1.0))
    points = np.column_stack([flat, tubes.radius, tubes.fade * longer])
    return np.ascontiguousarray(points), tubes.start, np.ascontiguousarray(tubes.material)


def _pack_bodies(
    spine: FrontalSpine, acquisition: DxaAcquisition, *, shape: tuple[int, int], seed: int
) -> Floats:
    bodies, rows = spine.bodies, spine.rows
    points = np.stack([bodies.centre[rows, 0], spine.down, spine.across], axis=1)
    place = _project(spine, points, acquisition, shape=shape)
    angle = bodies.coronal[rows] + acquisition.tilt
    packed = np.empty((len(rows), BODY_COLUMNS))
    packed[:, :2] = place
    packed[:, 2:] = np.stack(
        [
            np.cos(angle), np.sin(angle), spine.half_height, spine.width, spine.slant,
            bodies.dish[rows].mean(axis=1), bodies.depth[rows].mean(axis=1),
            np.full(len(rows), spine.waist), bodies.core[rows], bodies.shell[rows],
            bodies.endplate[rows], bodies.texture[rows], bodies.band[rows],
            0.6 * bodies.roughness[rows], seed % 100003 + 101.0 * rows,
        ],
        axis=1,
    )  # fmt: skip
    return packed


def _cover(
    spine: FrontalSpine,
    acquisition: DxaAcquisition,
    *,
    shape: tuple[int, int],
    upper: int,
    lower: int,
) -> Image:
    """Return the share of each pixel between two disc lines and the bone's edges."""
    y = np.linspace(spine.markers[upper], spine.markers[lower], 161)
    knots, widths = edge_knots(spine.width, spine.down, spine.half_height)
    half = 0.5 * np.interp(y, knots, widths)
    for row in range(len(spine.rows) - 1):
        t = (y - spine.down[row]) / spine.half_height[row]
        half = np.where(np.abs(t) < 1.0, half * (1.0 - spine.waist * (1.0 - t * t)), half)
    upward = slice(len(spine.rows) - 2, None, -1)
    x = spine.bodies.centre[spine.rows, 0]
    across = _turned(spine, x, spine.across, turn=acquisition.turn)
    middle = np.interp(y, spine.down[upward], across[upward])
    image = np.zeros(shape, np.float32)
    edges = np.stack([y, middle - half, middle + half], axis=1)
    add_cover(image, edges, _pose(acquisition, shape))
    return image
