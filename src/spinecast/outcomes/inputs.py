"""What every statistic demands of its columns, checked once and reported with a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error

# NumPy's stubs lose the dtype in bincount, cumprod and searchsorted; the checks below keep it.
FloatArray = NDArray[Any]
IntArray = NDArray[Any]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class SurvivalColumns:
    """Checked durations and event codes.

    Attributes
    ----------
    duration
        Years to event or censoring, shape (n,), finite and not negative.
    event
        0 censored, 1 event, 2 competing death, shape (n,).
    """

    duration: FloatArray
    event: IntArray

    @property
    def happened(self) -> BoolArray:
        """Whether the event of interest (code 1) was seen."""
        return self.event == 1

    def __len__(self) -> int:
        return int(self.duration.size)


def number_column(values: Any, name: str, *, length: int | None = None) -> FloatArray:
    """Return ``values`` as finite floats of one dimension.

    Raises
    ------
    StatisticsError
        SC-604 for missing, infinite or non-numeric values, SC-606 for a wrong
        length, SC-609 for an empty column.
    """
    column = _as_float(values)
    if column.ndim != 1:
        raise error("SC-606", expected="a column", got=f"shape {column.shape}", where=name)
    if length is not None and column.size != length:
        raise error("SC-606", expected=f"{length} values", got=str(column.size), where=name)
    if column.size == 0:
        raise error("SC-609", expected="at least one value", got="none", where=name)
    _refuse_missing(column, name)
    return column


def number_table(values: Any, name: str, *, length: int) -> tuple[FloatArray, tuple[str, ...]]:
    """Return a table as finite floats (n, columns) and its column names."""
    if isinstance(values, pd.DataFrame):
        names = tuple(str(column) for column in values.columns)
        matrix = np.column_stack([_as_float(values[c]) for c in values.columns])
    elif isinstance(values, pd.Series):
        names, matrix = (str(values.name or "x"),), _as_float(values)[:, None]
    else:
        matrix = np.asarray(values, dtype=np.float64)
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        names = tuple(f"x{i}" for i in range(matrix.shape[1]))
    if matrix.shape[0] != length:
        raise error("SC-606", expected=f"{length} rows", got=str(matrix.shape[0]), where=name)
    _refuse_missing(matrix, name)
    return matrix, names


def survival_columns(duration: Any, event: Any, *, name: str = "") -> SurvivalColumns:
    """Check durations and event codes.

    Raises
    ------
    SpinecastError
        SC-604 missing values, SC-605 negative durations, SC-606 lengths,
        SC-319 event codes other than 0, 1, 2.
    """
    years = number_column(duration, f"{name}duration")
    codes = number_column(event, f"{name}event", length=years.size)
    if np.any(years < 0):
        raise error("SC-605", expected="durations >= 0", got=f"{years.min():g}", where="duration")
    wrong = codes[~np.isin(codes, (0.0, 1.0, 2.0))]
    if wrong.size:
        raise error("SC-319", expected="0, 1 or 2", got=f"{wrong[0]:g}", where=f"{name}event")
    return SurvivalColumns(years, codes.astype(np.int64))


def entry_column(entry: Any, duration: FloatArray) -> FloatArray | None:
    """Check entry times (left truncation); None means observed from the start."""
    if entry is None:
        return None
    start = number_column(entry, "entry", length=duration.size)
    if np.any(start >= duration):
        worst = int(np.argmax(start - duration))
        raise error(
            "SC-605",
            expected="entry before exit",
            got=f"entry {start[worst]:g}, exit {duration[worst]:g}",
            where=f"row {worst}",
        )
    return start


def weight_column(weights: Any, length: int) -> FloatArray:
    """Check case weights; None means one each.

    Raises
    ------
    StatisticsError
        SC-604 where a weight is missing, negative, or all are zero.
    """
    if weights is None:
        return np.ones(length)
    column = number_column(weights, "weights", length=length)
    if np.any(column < 0) or not np.any(column > 0):
        raise error("SC-604", expected="weights >= 0", got=f"{column.min():g}", where="weights")
    return column


def label_codes(values: Any, name: str, *, length: int) -> tuple[IntArray, tuple[Any, ...]]:
    """Return codes 0..k-1 and the sorted labels of a grouping column."""
    column = pd.Series(values).reset_index(drop=True)
    if column.size != length:
        raise error("SC-606", expected=f"{length} values", got=str(column.size), where=name)
    if column.isna().any():
        raise error("SC-604", expected="a label for everybody", got="missing", where=name)
    codes, labels = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(labels.tolist())


def cluster_codes(cluster: Any, length: int) -> IntArray | None:
    """Return codes of the people (or centres) whose rows belong together."""
    return None if cluster is None else label_codes(cluster, "cluster", length=length)[0]


def require_events(count: Any, *, where: str = "") -> None:
    """Raise SC-601 where nobody had the event."""
    if not count > 0:
        raise error("SC-601", expected="at least one event", got="none", where=where)


def require_option(value: str, options: Sequence[str], *, name: str) -> None:
    """Raise SC-610 where ``value`` is not one of ``options``."""
    if value not in options:
        raise error("SC-610", expected=" or ".join(options), got=repr(value), where=name)


def require_variation(values: FloatArray, *, name: str) -> None:
    """Raise SC-603 where a score or covariate is the same for everybody."""
    if values.min() == values.max():
        raise error("SC-603", expected="values that differ", got=f"{values[0]:g}", where=name)


def probability_column(values: Any, name: str, *, length: int) -> FloatArray:
    """Return a column of probabilities; SC-604 where one lies outside 0..1."""
    column = number_column(values, name, length=length)
    if np.any((column < 0) | (column > 1)):
        raise error(
            "SC-604",
            expected="probabilities in 0..1",
            got=f"{column.min():g} to {column.max():g}",
            where=name,
        )
    return column


def time_points(times: Any) -> FloatArray:
    """Return the asked times, ascending and once each."""
    points = np.unique(number_column(np.atleast_1d(times), "times"))
    if points[0] < 0:
        raise error("SC-605", expected="times >= 0", got=f"{points[0]:g}", where="times")
    return points


def dense_rank(values: FloatArray) -> IntArray:
    """Return ranks 0..k-1 with equal values sharing one."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _as_float(values: Any) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=np.float64)


def _refuse_missing(values: FloatArray, name: str) -> None:
    broken = ~np.isfinite(values)
    if broken.any():
        raise error(
            "SC-604",
            expected="finite numbers",
            got=f"{int(broken.sum())} missing, infinite or unreadable",
            where=name,
        )
