"""Attenuation of soft tissue along each ray: fat, muscle, lung, airway, heart, bowel gas.

The linear attenuation coefficients belong to about 55 keV, the mean energy of
an 85 kVp beam behind a body (NIST XCOM, rounded).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.smooth_noise import value_noise
from spinecast.simulation.soft_tissue import COLUMNS, ROW_STEP, SoftTissue

Image = NDArray[np.float32]
Floats = NDArray[np.float64]

MUSCLE = 0.0212
FAT = 0.0186
"""Linear attenuation, 1/mm."""

LUNG_LOSS = 0.0155
"""What a mm of inflated lung lets through more than a mm of muscle, 1/mm."""

(
    _BACK,
    _FRONT,
    _WIDTH,
    _FAT_BACK,
    _FAT_FRONT,
    _FAT_SIDE,
    _SPINE,
    _SPINE_HALF,
    _LUNG_WIDTH,
    _LUNG_BACK,
    _LUNG_FRONT,
    _MEDIASTINUM,
    _FAT_SHARE,
    _AIRWAY,
) = range(len(COLUMNS))
# geometry: 7 numbers of View.geometry, then
_FIRST_ROW, _GAS, _GAS_TOP, _GAS_BOTTOM, _SEED = range(7, 12)


def pack_soft(soft: SoftTissue, geometry: Floats) -> tuple[Floats, Floats, Floats]:
    """Lay soft tissue in three arrays for the kernel: table, domes with heart, numbers."""
    inner = np.zeros((3, 5))
    inner[:2] = soft.domes
    inner[2] = soft.heart
    numbers = np.concatenate(
        [geometry, [soft.first_row, soft.gas, *soft.gas_bounds, soft.seed % 100003]]
    )
    return np.ascontiguousarray(soft.table), inner, numbers


@numba.njit(cache=True, fastmath=True)
def ramp(value: float, start: float, end: float) -> float:
    """Rise smoothly from 0 at ``start`` to 1 at ``end``."""
    t = min(1.0, max(0.0, (value - start) / (end - start)))
    return t * t * (3.0 - 2.0 * t)


@numba.njit(cache=True, fastmath=True)
def body_chord(x: float, now: Floats) -> float:
    """Return mm of body that the ray at ``x`` crosses."""
    half = 0.5 * (now[_BACK] - now[_FRONT])
    place = abs(x - 0.5 * (now[_BACK] + now[_FRONT])) / half
    if place >= 1.0:
        return 0.0
    return now[_WIDTH] * (1.0 - place**2.6) ** 0.5


@numba.njit(cache=True, fastmath=True)
def tissue(place: tuple[float, float], now: Floats, numbers: Floats) -> float:
    """Return the attenuation of fat and muscle at a place (x, y)."""
    x, y = place
    whole = body_chord(x, now)
    if whole <= 0.0:
        return 0.0
    seed = int(numbers[_SEED])
    fascia = now[_BACK] - now[_FAT_BACK]
    skin_front = now[_FRONT] + now[_FAT_FRONT]
    in_fat = ramp(x, fascia - 3.0, fascia + 2.0) + 1.0 - ramp(x, skin_front - 3.0, skin_front + 4.0)
    before_spine = 1.0 - ramp(x, now[_SPINE] - now[_SPINE_HALF] - 14.0, now[_SPINE] + 2.0)
    lumps = 0.6 * value_noise(x / 31.0, y / 27.0, seed + 21)
    lumps += 0.4 * value_noise(x / 13.0, y / 12.0, seed + 22)
    inner = max(0.0, whole - 2.0 * now[_FAT_SIDE])
    share = in_fat + (1.0 - in_fat) * before_spine * now[_FAT_SHARE] * (1.0 + 0.5 * lumps)
    # streaks of fat between the bundles of the back muscles
    streak = value_noise(x / 5.0, y / 34.0 + x / 22.0, seed + 23)
    share += (1.0 - before_spine) * (1.0 - in_fat) * 0.06 * (1.0 + streak)
    share = min(1.0, share)
    return FAT * (whole - inner) + inner * (MUSCLE + share * (FAT - MUSCLE))


@numba.njit(cache=True, fastmath=True)
def lung_chord(place: tuple[float, float], now: Floats, inner: Floats) -> float:
    """Return mm of lung at a place (x, y), both sides together."""
    x, y = place
    half = 0.5 * (now[_LUNG_BACK] - now[_LUNG_FRONT])
    off = (x - 0.5 * (now[_LUNG_BACK] + now[_LUNG_FRONT])) / half
    if abs(off) >= 1.0 or now[_LUNG_WIDTH] <= 1.0:
        return 0.0
    width = now[_LUNG_WIDTH] * (1.0 - abs(off) ** 3.0) ** 0.5
    # behind the bodies there is no mediastinum, only the two gutters
    hilum = 1.0 - 0.75 * ramp(x, now[_SPINE] + now[_SPINE_HALF], now[_LUNG_BACK])
    dx = (x - inner[2, 0]) / inner[2, 2]
    dy = (y - inner[2, 1]) / inner[2, 3]
    heart = inner[2, 4] * math.sqrt(max(0.0, 1.0 - dx * dx - dy * dy))
    width = max(0.0, width - max(now[_MEDIASTINUM] * hilum, heart))
    total = 0.0
    for side in range(2):
        away = x - inner[side, 0]
        curve = inner[side, 3] if away > 0.0 else inner[side, 2]
        above = inner[side, 1] + curve * away * away - y
        if above > 0.0:
            total += inner[side, 4] * math.sqrt(min(1.0, above / 75.0)) * ramp(above, -1.0, 5.0)
    return width * total


@numba.njit(cache=True, fastmath=True)
def gas_chord(place: tuple[float, float], now: Floats, numbers: Floats) -> float:
    """Return mm of bowel gas: smooth noise above a threshold, in front of the lumbar spine."""
    x, y = place
    front = now[_SPINE] - now[_SPINE_HALF]
    room = ramp(x, now[_FRONT] + 20.0, now[_FRONT] + 50.0) * (
        1.0 - ramp(x, front - 34.0, front + 12.0)
    )
    room *= ramp(y, numbers[_GAS_TOP], numbers[_GAS_TOP] + 50.0)
    room *= 1.0 - ramp(y, numbers[_GAS_BOTTOM] - 40.0, numbers[_GAS_BOTTOM])
    if room <= 0.01:
        return 0.0
    seed = int(numbers[_SEED])
    warp = 9.0 * value_noise(x / 24.0, y / 24.0, seed + 31)
    big = value_noise((x + warp) / 33.0, (y - warp) / 23.0, seed + 32)
    folds = value_noise((x - warp) / 12.0, (y + warp) / 10.0, seed + 33)
    height = 0.78 * big + 0.30 * folds - (0.52 - 0.42 * numbers[_GAS] * room)
    if height <= 0.0:
        return 0.0
    return 42.0 * math.sqrt(min(1.0, height / 0.45)) * ramp(height, 0.0, 0.10) * room


@numba.njit(cache=True, fastmath=True)
def airway_chord(x: float, now: Floats) -> float:
    """Return mm of windpipe air in front of the upper spine."""
    if now[_AIRWAY] <= 0.5:
        return 0.0
    away = (x - (now[_SPINE] - now[_SPINE_HALF] - 17.0 - 0.4 * now[_AIRWAY])) / now[_AIRWAY]
    return 2.0 * now[_AIRWAY] * math.sqrt(max(0.0, 1.0 - away * away))


@numba.njit(cache=True, fastmath=True)
def soft_at(place: tuple[float, float], now: Floats, packed: tuple[Floats, Floats]) -> float:
    """Return the attenuation of all soft tissue at a place."""
    inner, numbers = packed
    total = tissue(place, now, numbers)
    if total <= 0.0:
        return 0.0
    lung = lung_chord(place, now, inner)
    air = airway_chord(place[0], now)
    if lung > 0.0:
        seed = int(numbers[_SEED])
        vessels = value_noise(place[0] / 9.0 + place[1] / 30.0, place[1] / 11.0, seed + 41)
        vessels += 0.6 * value_noise(place[0] / 4.5, place[1] / 5.0, seed + 42)
        total -= LUNG_LOSS * lung * (1.0 - 0.055 * vessels)
    elif place[1] > numbers[_GAS_TOP]:
        air += gas_chord(place, now, numbers)
    return max(0.2 * total, total - 0.95 * MUSCLE * air)


@numba.njit(cache=True, fastmath=True)
def add_soft(image: Image, table: Floats, packed: tuple[Floats, Floats]) -> None:
    """Add the attenuation of soft tissue to every pixel that lies on the person."""
    numbers = packed[1]
    rows, columns = image.shape
    count, width = table.shape
    now = np.empty(width)
    for row in range(rows):
        for column in range(columns):
            across = (column + 0.5) * numbers[0] - numbers[1]
            down = (row + 0.5) * numbers[0] - numbers[2]
            x = numbers[3] * across + numbers[4] * down + numbers[5]
            y = numbers[3] * down - numbers[4] * across + numbers[6]
            place = min(max((y - numbers[_FIRST_ROW]) / ROW_STEP, 0.0), count - 1.001)
            index = int(place)
            part = place - index
            for item in range(width):
                now[item] = table[index, item] * (1.0 - part) + table[index + 1, item] * part
            image[row, column] += soft_at((x, y), now, packed)
