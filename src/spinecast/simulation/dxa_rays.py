"""Mineral along the front-to-back rays of an AP scan, in g/cm2.

Kernels add to an image. They take (image, shapes, numbers), because compiled functions have
no keyword-only parameters.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.bone_rays import line_profile
from spinecast.simulation.population import Floats
from spinecast.simulation.smooth_noise import value_noise
from spinecast.simulation.vertebra import CORTEX

Image = NDArray[np.float32]

# columns of a packed body, as seen from the front
_Z, _Y, _COS, _SIN, _HALF, _WIDTH, _SLANT, _DISH, _DEPTH = range(9)
_WAIST, _CORE, _SHELL, _PLATE, _TEXTURE, _BAND, _ROUGH, _SEED = range(9, 17)
BODY_COLUMNS = 17


@numba.njit(cache=True, fastmath=True)
def side_wall(t: float, waist: float) -> float:
    """Return the half width at ``t`` (-1 lower to 1 upper plate) as a share of the widest."""
    return 1.0 - waist * (1.0 - t * t)


@numba.njit(cache=True, fastmath=True)
def lattice_frontal(r: float, t: float, body: Floats) -> float:
    """Return the relative density of the lattice; ``r`` and ``t`` run with the body's size."""
    seed = int(body[_SEED])
    a, b = 21.0 * r, 13.5 * t
    coarse = value_noise(a / 3.4, b / 9.0, seed + 1)
    patch = value_noise(a / 9.0, b / 7.0, seed + 4)
    return 1.0 + 0.40 * body[_TEXTURE] * (coarse + 0.8 * patch)


@numba.njit(cache=True, fastmath=True)
def body_frontal(a: float, b: float, body: Floats) -> float:
    """Return g/cm2 through the body at a mm beside and b mm above its middle."""
    blur = 0.45
    half, depth = body[_HALF], body[_DEPTH]
    t = min(1.0, max(-1.0, b / half))
    wide = 0.5 * body[_WIDTH] * side_wall(t, body[_WAIST])
    to_wall = wide - abs(a)
    if to_wall < -3.0 * blur or abs(b) > half + body[_SLANT] + 3.0:
        return 0.0
    r = min(abs(a) / wide, 1.0)
    # kidney-shaped: deep beside the canal, thin at the side walls
    chord = depth * max(1.0 - r**2.0, 0.0) ** 0.385 * (1.0 - 0.07 * math.exp(-((a / 8.0) ** 2)))
    cover = min(1.0, max(0.0, to_wall / (2.0 * blur) + 0.5))
    sign = -1.0 if a < 0 else 1.0
    bumps = body[_ROUGH] * value_noise(2.3 * r * sign, 0.5, int(body[_SEED]) + 7)
    slant = max(body[_SLANT] * chord / depth, blur)
    filled = min(1.0, max(0.0, (half + bumps - abs(b)) / (2.0 * slant) + 0.5))
    lattice = lattice_frontal(r * sign, t, body) * (0.90 + 0.16 * t * t)
    total = cover * filled * (body[_CORE] * chord * lattice + 2.0 * body[_SHELL] * CORTEX)
    total += cover * filled * body[_BAND] * chord
    # the endplates, edge-on but for their slant, their dish and the beam's spread
    dish = body[_DISH] * (1.0 - r**2.4)
    spread = math.sqrt(0.6 + slant * slant / 3.0 + dish * dish / 9.0)
    above = line_profile(half + bumps - 0.6 * dish - b, body[_PLATE], spread)
    below = line_profile(half - 0.6 * dish + b, body[_PLATE], spread)
    total += 0.75 * cover * CORTEX * max(chord, 0.2 * depth) * (above + below)
    # the side walls, edge-on
    wall = line_profile(to_wall - 0.7, body[_SHELL], 0.9)
    total += 0.40 * depth * CORTEX * wall * filled
    return 0.1 * total


@numba.njit(cache=True, fastmath=True)
def add_frontal_bodies(image: Image, packed: Floats, pixel: float) -> None:
    """Add the mineral of all bodies to ``image``, each inside its own box."""
    rows, columns = image.shape
    for index in range(packed.shape[0]):
        body = packed[index]
        high = body[_HALF] + body[_SLANT] + 0.1 * body[_WIDTH] + 4.0
        broad = 0.55 * body[_WIDTH] + 0.1 * body[_HALF] + 3.0
        first_row = max(0, int((body[_Y] - high) / pixel))
        last_row = min(rows, int((body[_Y] + high) / pixel) + 2)
        first_column = max(0, int((body[_Z] - broad) / pixel))
        last_column = min(columns, int((body[_Z] + broad) / pixel) + 2)
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                across = (column + 0.5) * pixel - body[_Z]
                down = (row + 0.5) * pixel - body[_Y]
                a = across * body[_COS] + down * body[_SIN]
                b = across * body[_SIN] - down * body[_COS]
                image[row, column] += body_frontal(a, b, body)


@numba.njit(cache=True, fastmath=True)
def add_crests(image: Image, crests: Floats, pose: Floats) -> None:
    """Add both iliac wings.

    Rows of ``crests`` are z and y of the top, side (-1 or 1) and density; ``pose`` is pixel,
    middle column and row in mm, cosine and sine of the tilt.
    """
    rows, columns = image.shape
    # nothing lies above the higher crest, whichever way the person is tilted
    slack = 3.0 + abs(pose[4]) * columns * pose[0]
    top = min(crests[0, 1], crests[1, 1]) - slack
    for row in range(max(0, int((top + pose[2]) / pose[0])), rows):
        for column in range(columns):
            across = (column + 0.5) * pose[0] - pose[1]
            down = (row + 0.5) * pose[0] - pose[2]
            z = pose[3] * across + pose[4] * down
            y = pose[3] * down - pose[4] * across
            for index in range(2):
                crest = crests[index]
                out = crest[2] * (z - crest[0])
                # steep to the sacroiliac joint, gentle to the flank
                edge = crest[1] + (0.030 * out * out if out < 0.0 else 0.006 * out * out)
                below = y - edge
                if below <= -2.0 or out < -42.0:
                    continue
                cover = min(1.0, max(0.0, 0.25 * (below + 2.0)))
                rim = math.exp(-((below - 3.5) ** 2) / 14.0)
                grain = 1.0 + 0.12 * value_noise(z / 6.0, y / 8.0, 31 + index)
                joint = min(1.0, max(0.0, (out + 42.0) / 6.0))
                thick = 0.42 + 0.40 * rim + 0.25 * math.exp(-below / 18.0)
                image[row, column] += crest[3] * cover * joint * thick * grain


@numba.njit(cache=True, fastmath=True)
def add_baseline(image: Image, numbers: Floats) -> None:
    """Add what the two energies do not cancel: lumps of fat; ``numbers`` is pixel, size, seed.

    The lumps are wide, so every fourth pixel is computed and those between are interpolated.
    """
    rows, columns = image.shape
    pixel, seed, step = numbers[0], int(numbers[2]), 4
    coarse = np.empty((rows // step + 2, columns // step + 2))
    for row in range(coarse.shape[0]):
        for column in range(coarse.shape[1]):
            x, y = step * column * pixel, step * row * pixel
            fine = value_noise(x / 17.0, y / 19.0, seed + 52)
            coarse[row, column] = value_noise(x / 46.0, y / 52.0, seed + 51) + 0.5 * fine
    for row in range(rows):
        up, v = row // step, (row % step) / step
        for column in range(columns):
            left, u = column // step, (column % step) / step
            above = (1.0 - u) * coarse[up, left] + u * coarse[up, left + 1]
            below = (1.0 - u) * coarse[up + 1, left] + u * coarse[up + 1, left + 1]
            image[row, column] += numbers[1] * ((1.0 - v) * above + v * below)


@numba.njit(cache=True, fastmath=True)
def add_cover(image: Image, edges: Floats, pose: Floats) -> None:
    """Add the share of each pixel that lies between two lines and the bone's edges.

    ``edges`` has rows y, left and right z in steps of equal y, downward, all mm; pixels
    above the first or below the last row get what part of them is inside.
    """
    rows, columns = image.shape
    count = edges.shape[0]
    first, last = edges[0, 0], edges[count - 1, 0]
    step = (last - first) / (count - 1)
    pixel = pose[0]
    for row in range(rows):
        for column in range(columns):
            across = (column + 0.5) * pixel - pose[1]
            down = (row + 0.5) * pixel - pose[2]
            z = pose[3] * across + pose[4] * down
            y = pose[3] * down - pose[4] * across
            vertical = min(1.0, max(0.0, min(y - first, last - y) / pixel + 0.5))
            if vertical <= 0.0:
                continue
            place = min(max((y - first) / step, 0.0), count - 1.001)
            index = int(place)
            part = place - index
            left = edges[index, 1] + part * (edges[index + 1, 1] - edges[index, 1])
            right = edges[index, 2] + part * (edges[index + 1, 2] - edges[index, 2])
            beside = min(1.0, max(0.0, min(z - left, right - z) / pixel + 0.5))
            image[row, column] += vertical * beside
