"""Value noise that is a fixed function of place in mm, so that it needs no stored field."""

from __future__ import annotations

import math

import numba


@numba.njit(cache=True, fastmath=True)
def lattice(column: int, row: int, seed: int) -> float:
    """Return a fixed number in -1 to 1 for a lattice point."""
    mixed = (column * 374761393 + row * 668265263 + seed * 1274126177) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 16)) * 2246822519) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) / 2147483647.5 - 1.0


@numba.njit(cache=True, fastmath=True)
def value_noise(x: float, y: float, seed: int) -> float:
    """Return smooth noise in -1 to 1 with one lattice point a unit."""
    column, row = math.floor(x), math.floor(y)
    u, v = x - column, y - row
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    left, top = int(column), int(row)
    upper = (1.0 - u) * lattice(left, top, seed) + u * lattice(left + 1, top, seed)
    lower = (1.0 - u) * lattice(left, top + 1, seed) + u * lattice(left + 1, top + 1, seed)
    return (1.0 - v) * upper + v * lower
