"""Mineral along each ray: bodies, tubes and iliac wings, each inside its own box.

Kernels add g/cm2 to an image. They take (image, shapes, geometry), because
compiled functions have no keyword-only parameters.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.projection import View
from spinecast.simulation.smooth_noise import value_noise
from spinecast.simulation.tubes import Tubes
from spinecast.simulation.vertebra import CORTEX, VertebralBodies

Image = NDArray[np.float32]
Floats = NDArray[np.float64]

# columns of a packed body
_X, _Y, _COS, _SIN, _FRONT, _BACK, _LOW, _HIGH = range(8)
_DEPTH_LOW, _DEPTH_HIGH, _WIDTH, _WAIST, _CORE, _SHELL, _PLATE = range(8, 15)
_TEXTURE, _ROUGH, _BAND, _SPREAD, _SEED = range(15, 20)

SQRT_TAU = 2.5066282746


def pack_bodies(bodies: VertebralBodies, view: View, *, seed: int) -> Floats:
    """Project bodies into the image and lay their numbers in rows for the kernel."""
    count = len(bodies.levels)
    points = view.project(np.column_stack([bodies.centre, np.zeros(count)]))
    angle = bodies.inclination + view.tilt
    ray = (points[:, 1] - 0.5 * view.height) / view.distance
    spread = bodies.width * np.abs(0.8 * ray - view.lean - bodies.coronal) / math.sqrt(12.0)
    columns = [
        points[:, 0],
        points[:, 1],
        np.cos(angle),
        np.sin(angle),
        bodies.anterior,
        bodies.posterior,
        bodies.dish[:, 0],
        bodies.dish[:, 1],
        bodies.depth[:, 0],
        bodies.depth[:, 1],
        bodies.width,
        bodies.waist,
        bodies.core,
        bodies.shell,
        bodies.endplate,
        bodies.texture,
        bodies.roughness,
        bodies.band,
        spread,
        (seed % 100003) + 101.0 * np.arange(count),
    ]
    return np.stack(columns, axis=1)


@numba.njit(cache=True, fastmath=True)
def line_profile(distance: float, thickness: float, blur: float) -> float:
    """Return the height of a line of ``thickness`` mm seen with Gaussian blur (mm)."""
    sigma = math.sqrt(blur * blur + thickness * thickness / 12.0)
    ratio = distance / sigma
    return thickness / (SQRT_TAU * sigma) * math.exp(-0.5 * ratio * ratio)


@numba.njit(cache=True, fastmath=True)
def plate_positions(along: float, body: Floats) -> tuple[float, float, float, float]:
    """Return rim and dish heights of the upper and of the lower endplate at ``along`` (-1 to 1)."""
    rim = 0.25 * (body[_FRONT] * (1.0 - along) + body[_BACK] * (1.0 + along))
    bowl = 1.0 - abs(along) ** 2.4
    seed = int(body[_SEED])
    bumps = body[_ROUGH] * bowl
    upper = bumps * value_noise(along * 2.3, 0.5, seed + 7)
    lower = bumps * 0.5 * value_noise(along * 2.3, 0.5, seed + 13)
    return rim, rim - body[_HIGH] * bowl + upper, -rim, -rim + body[_LOW] * bowl + lower


@numba.njit(cache=True, fastmath=True)
def chord(along: float) -> float:
    """Return the share of the width that a ray crosses at ``along``: round front, flat back."""
    inside = 1.0 - abs((along - 0.16) / 1.16) ** 2.6
    return math.sqrt(inside) if inside > 0.0 else 0.0


@numba.njit(cache=True, fastmath=True)
def texture(u: float, v: float, body: Floats) -> float:
    """Return the relative density of the lattice: upright struts, crossed by weaker ones."""
    seed = int(body[_SEED])
    coarse = value_noise(u / 2.7, v / 13.0, seed + 1)
    fine = value_noise(u / 1.35, v / 8.0, seed + 2)
    cross = value_noise(u / 7.0, v / 2.4, seed + 3)
    patch = value_noise(u / 8.0, v / 8.0, seed + 4)
    contrast = body[_TEXTURE]
    weak = max(0.0, 0.35 - 0.6 * contrast)
    return 1.0 + contrast * (0.75 * coarse + 0.55 * fine + 0.35 * patch) + weak * cross


@numba.njit(cache=True, fastmath=True)
def rounded_inside(first: float, second: float, radius: float) -> float:
    """Return the depth below two edges that meet in a rounded corner."""
    if first < radius and second < radius:
        return radius - math.hypot(radius - first, radius - second)
    return min(first, second)


@numba.njit(cache=True, fastmath=True)
def body_mineral(u: float, v: float, body: Floats) -> float:
    """Return g/cm2 across the body at u mm behind and v mm above its middle; -1 where outside."""
    pixel = body[_SEED + 1]
    mean_half = 0.25 * (body[_FRONT] + body[_BACK])
    t = min(1.0, max(-1.0, v / mean_half))
    half = 0.25 * (body[_DEPTH_HIGH] * (1.0 + t) + body[_DEPTH_LOW] * (1.0 - t))
    drawn = body[_WAIST] * (1.0 - t * t)
    to_front = u + half * (1.0 - 1.25 * drawn)
    to_back = half * (1.0 - 0.55 * drawn) - u
    along = min(1.0, max(-1.0, u / half))
    rim_up, dish_up, rim_low, dish_low = plate_positions(along, body)
    wall = min(to_front, to_back)
    depth = rounded_inside(wall, min(dish_up - v, v - dish_low) + 0.6, 2.6)
    blur = 0.42 * pixel + 0.22
    outer = rounded_inside(wall, min(rim_up - v, v - rim_low) + 1.2, 2.6)
    if outer < -3.0 * blur - body[_SPREAD] * 2.0:
        return 0.0
    across = body[_WIDTH] * chord(along)
    cover = min(1.0, max(0.0, depth / (2.0 * blur) + 0.5))
    core = 0.0
    if cover > 0.0:
        lattice = texture(u, v, body) * (0.84 + 0.26 * t * t * abs(t))
        core = cover * (body[_CORE] * across * max(lattice, 0.15) + 2.0 * body[_SHELL] * CORTEX)
        gap = dish_up - v
        core += cover * body[_BAND] * across * math.exp(-((gap - 2.5) ** 2) / 9.0)
    # plates: a third of the beam meets the rim, the rest the bottom of the dish
    side = min(1.0, max(0.0, wall / (2.0 * blur) + 0.6))
    spread = math.sqrt(blur * blur + body[_SPREAD] ** 2)
    plate = 0.66 * line_profile(dish_up - v, body[_PLATE], spread)
    plate += 0.34 * line_profile(rim_up - v, body[_PLATE], spread)
    plate += 0.66 * line_profile(dish_low - v, body[_PLATE], spread)
    plate += 0.34 * line_profile(rim_low - v, body[_PLATE], spread)
    plates = side * CORTEX * max(across, 0.25 * body[_WIDTH]) * plate
    within = min(1.0, max(0.0, min(rim_up - v, v - rim_low) / (2.0 * blur) + 0.5))
    walls = 0.30 * body[_WIDTH] * line_profile(to_front - 0.5, body[_SHELL], 1.3 * blur)
    walls += 0.34 * body[_WIDTH] * line_profile(to_back - 0.4, body[_SHELL], blur)
    return 0.1 * (core + plates + within * CORTEX * walls)


@numba.njit(cache=True, fastmath=True)
def add_bodies(image: Image, packed: Floats, pixel: float) -> None:
    """Add the mineral of all bodies to ``image`` (g/cm2), each inside its own box."""
    rows, columns = image.shape
    body = np.empty(_SEED + 2)
    body[_SEED + 1] = pixel
    for index in range(packed.shape[0]):
        body[: _SEED + 1] = packed[index]
        reach = 0.5 * math.hypot(
            max(body[_FRONT], body[_BACK]) + 8.0, max(body[_DEPTH_LOW], body[_DEPTH_HIGH]) + 4.0
        )
        first_row = max(0, int((body[_Y] - reach) / pixel))
        last_row = min(rows, int((body[_Y] + reach) / pixel) + 2)
        first_column = max(0, int((body[_X] - reach) / pixel))
        last_column = min(columns, int((body[_X] + reach) / pixel) + 2)
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                dx = (column + 0.5) * pixel - body[_X]
                dy = (row + 0.5) * pixel - body[_Y]
                u = dx * body[_COS] + dy * body[_SIN]
                v = dx * body[_SIN] - dy * body[_COS]
                image[row, column] += body_mineral(u, v, body)


@numba.njit(cache=True, fastmath=True)
def tube_mineral(distance: float, radius: float, matter: Floats) -> float:
    """Return g/cm2 of a tube or plate at ``distance`` mm from its line.

    ``matter`` is wall, cortex, core, flatness, breadth, pixel.
    """
    wall, pixel = matter[0], matter[5]
    blur = 0.42 * pixel + 0.15
    if matter[4] > 0.0:
        cover = min(1.0, max(0.0, (radius - distance) / (2.0 * blur) + 0.5))
        edge = line_profile(radius - 0.5 * wall - distance, wall, blur)
        faces = cover * (matter[4] * matter[2] + 2.0 * wall * matter[1])
        return 0.1 * (faces + edge * 0.75 * matter[4] * matter[1])
    total = 0.0
    for step in range(-1, 2):
        away = distance + 0.7 * blur * step
        outer = radius * radius - away * away
        if outer > 0.0:
            whole = math.sqrt(outer)
            inner = max(radius - wall, 0.0) ** 2 - away * away
            hollow = math.sqrt(inner) if inner > 0.0 else 0.0
            total += (whole - hollow) * matter[1] + hollow * matter[2]
    return 0.1 * 2.0 * matter[3] * total / 3.0


@numba.njit(cache=True, fastmath=True)
def add_segment(scratch: Image, ends: Floats, matter: Floats) -> None:
    """Lay one piece of a tube on the scratch image, keeping the larger value.

    ``ends`` is x, y, radius and strength of both ends.
    """
    pixel = matter[5]
    rows, columns = scratch.shape
    reach = max(ends[2], ends[6]) + 1.5 * pixel
    first_row = max(0, int((min(ends[1], ends[5]) - reach) / pixel))
    last_row = min(rows, int((max(ends[1], ends[5]) + reach) / pixel) + 2)
    first_column = max(0, int((min(ends[0], ends[4]) - reach) / pixel))
    last_column = min(columns, int((max(ends[0], ends[4]) + reach) / pixel) + 2)
    ax, ay = ends[4] - ends[0], ends[5] - ends[1]
    length = ax * ax + ay * ay + 1e-9
    for row in range(first_row, last_row):
        for column in range(first_column, last_column):
            dx = (column + 0.5) * pixel - ends[0]
            dy = (row + 0.5) * pixel - ends[1]
            along = min(1.0, max(0.0, (dx * ax + dy * ay) / length))
            across, down = dx - along * ax, dy - along * ay
            radius = ends[2] + along * (ends[6] - ends[2])
            square = across * across + down * down
            if square < (radius + 1.5 * pixel) ** 2:
                away = math.sqrt(square)
                value = tube_mineral(away, radius, matter)
                value *= ends[3] + along * (ends[7] - ends[3])
                scratch[row, column] = max(scratch[row, column], value)


@numba.njit(cache=True, fastmath=True)
def pour(image: Image, scratch: Image, box: NDArray[np.int64]) -> None:
    """Add the scratch image to ``image`` inside a box and clear it."""
    for row in range(box[0], box[1]):
        for column in range(box[2], box[3]):
            image[row, column] += scratch[row, column]
            scratch[row, column] = 0.0


@numba.njit(cache=True, fastmath=True)
def add_tubes(
    images: Image, packed: tuple[Floats, NDArray[np.int64], Floats], pixel: float
) -> None:
    """Add all tubes to ``images[0]`` (g/cm2); ``images[1]`` is scratch, left at zero."""
    points, start, material = packed
    _, rows, columns = images.shape
    box = np.empty(4, np.int64)
    matter = np.empty(6)
    matter[5] = pixel
    for index in range(len(start) - 1):
        own = points[start[index] : start[index + 1]]
        reach = own[:, 2].max() + 2.0 * pixel
        box[0] = max(0, int((own[:, 1].min() - reach) / pixel))
        box[1] = min(rows, int((own[:, 1].max() + reach) / pixel) + 2)
        box[2] = max(0, int((own[:, 0].min() - reach) / pixel))
        box[3] = min(columns, int((own[:, 0].max() + reach) / pixel) + 2)
        if box[0] >= box[1] or box[2] >= box[3]:
            continue
        matter[:5] = material[index]
        for piece in range(len(own) - 1):
            add_segment(images[1], own[piece : piece + 2].ravel(), matter)
        pour(images[0], images[1], box)


def pack_tubes(bones: Tubes, view: View) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Project tubes; rays that run along a tube cross more of it."""
    flat = view.project(bones.points)
    step = np.diff(bones.points, axis=0, append=bones.points[-1:])
    ends = bones.start[1:] - 1
    step[ends] = step[ends - 1]
    across = np.hypot(step[:, 0], step[:, 1]) / np.maximum(np.linalg.norm(step, axis=1), 1e-6)
    plate = np.repeat(bones.material[:, 4] > 0, np.diff(bones.start))
    longer = np.where(plate, 1.0, 1.0 / np.clip(across, 0.42, 1.0))
    points = np.column_stack([flat, bones.radius, bones.fade * longer])
    return np.ascontiguousarray(points), bones.start, np.ascontiguousarray(bones.material)


@numba.njit(cache=True, fastmath=True)
def add_wing(image: Image, wing: Floats, geometry: Floats) -> None:
    """Add one iliac wing: rows of ``wing`` are x (even steps), y of the crest, g/cm2 below it."""
    rows, columns = image.shape
    first, step = wing[0, 0], wing[0, 1] - wing[0, 0]
    count = wing.shape[1]
    for row in range(rows):
        for column in range(columns):
            across = (column + 0.5) * geometry[0] - geometry[1]
            down = (row + 0.5) * geometry[0] - geometry[2]
            x = geometry[3] * across + geometry[4] * down + geometry[5]
            y = geometry[3] * down - geometry[4] * across + geometry[6]
            place = (x - first) / step
            if place <= 0.0 or place >= count - 1.001:
                continue
            left = int(place)
            part = place - left
            below = y - (wing[1, left] + part * (wing[1, left + 1] - wing[1, left]))
            if below <= -2.0:
                continue
            mineral = wing[2, left] + part * (wing[2, left + 1] - wing[2, left])
            grain = 1.0 + 0.16 * value_noise(x / 5.0, y / 9.0, 31)
            edge = min(1.0, max(0.0, 0.25 * (below + 2.0)))
            image[row, column] += mineral * grain * edge * (0.75 + 0.25 * math.exp(-below / 60.0))
