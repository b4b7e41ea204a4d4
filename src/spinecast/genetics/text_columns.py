"""Columns of text as bytes, in which letters that must not be there are found at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def column_bytes(values: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the texts of a column, one behind the other, and where each begins and ends.

    Parameters
    ----------
    values
        NumPy, pandas or Arrow column of texts or categories; None and NaN are empty.

    Returns
    -------
    letters : uint8 array
        In UTF-8.
    bounds : int64 array
        (v + 1,): text k is ``letters[bounds[k] : bounds[k + 1]]``.

    Raises
    ------
    pyarrow.ArrowException
        Where a value is no text.
    """
    import pyarrow as pa

    column = values if isinstance(values, pa.ChunkedArray) else pa.array(values, from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    _, bounds, letters = column.cast(pa.large_string()).buffers()
    places = np.frombuffer(bounds, dtype=np.int64)[column.offset :][: len(column) + 1]
    return np.frombuffer(letters or b"", dtype=np.uint8), places


def rows_with(column: tuple[NDArray[np.uint8], NDArray[np.int64]], unwanted: bytes) -> Any:
    """Return the rows, (k,), whose text holds one of the ``unwanted`` bytes."""
    letters, bounds = column
    among = np.zeros(256, dtype=np.bool_)
    among[list(unwanted)] = True
    found = np.flatnonzero(among[letters[bounds[0] : bounds[-1]]]) + bounds[0]
    return np.unique(np.searchsorted(bounds, found, side="right") - 1)
