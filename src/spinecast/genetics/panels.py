"""Many columns multiplied in panels of one width, so that a column never feels its neighbours.

A matrix product may round differently as the number of columns changes, because libraries
choose other kernels. In panels of fixed width every column goes through the same arithmetic,
whichever traits are run beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

WIDTH = 32


def to_panels(columns: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Cut columns (n, c) into panels (ceil(c / 32), n, 32), the last filled up with zeros."""
    n, c = columns.shape
    count = -(-c // WIDTH)
    panels = np.zeros((count, n, WIDTH), dtype=dtype)
    for place in range(count):
        chosen = columns[:, place * WIDTH : (place + 1) * WIDTH]
        panels[place, :, : chosen.shape[1]] = chosen
    return panels


def multiply(tile: NDArray[Any], panels: NDArray[Any]) -> NDArray[Any]:
    """Return ``tile`` (v, n) times every column of ``panels`` (p, n, 32), as (v, 32 p)."""
    out = np.empty((tile.shape[0], panels.shape[0] * WIDTH), dtype=panels.dtype)
    for place, panel in enumerate(panels):
        np.matmul(tile, panel, out=out[:, place * WIDTH : (place + 1) * WIDTH])
    return out
