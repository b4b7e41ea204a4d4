"""Many columns multiplied in panels of one width, so that a column never feels its neighbours.

A matrix product may round differently as the number of columns changes, because libraries
choose other kernels. In panels of fixed width every column goes through the same arithmetic,
whichever traits are run beside it. One product of all panels costs two thirds as much, since the
genotypes are laid out for it once: it is taken where it was seen to give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

WIDTH = 32
# Shapes multiplied before: whether one product gave the bits of its panels.
_alike: dict[tuple[Any, ...], bool] = {}


def to_panels(columns: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Cut columns (n, c) into panels (ceil(c / 32), n, 32), the last filled up with zeros."""
    n, c = columns.shape
    count = -(-c // WIDTH)
    beside = np.zeros((n, count * WIDTH), dtype=dtype)
    beside[:, :c] = columns
    return beside.reshape(n, count, WIDTH).transpose(1, 0, 2)


def multiply(tile: NDArray[Any], panels: NDArray[Any]) -> NDArray[Any]:
    """Return ``tile`` (v, n) times every column of ``panels`` (p, n, 32), as (v, 32 p)."""
    count, n, width = panels.shape
    beside = panels.transpose(1, 0, 2).reshape(n, count * width)
    out = np.empty((tile.shape[0], count * width), dtype=panels.dtype)
    shape = (tile.shape, beside.shape, panels.dtype)
    if count == 1 or _alike.get(shape, False):
        return np.matmul(tile, beside, out=out)
    for place, panel in enumerate(panels):
        np.matmul(tile, panel, out=out[:, place * width : (place + 1) * width])
    if shape not in _alike:
        _alike[shape] = np.array_equal(out, np.matmul(tile, beside))
    return out
