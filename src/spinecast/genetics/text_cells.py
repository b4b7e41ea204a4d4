"""Compiled: numbers as text, and columns of text side by side as the rows of a table.

A number is written with at most so many significant digits, without zeros at its end: plain
from 0.000001 up to 9999999999, else as ``1.5e-7``. A cell without text is unknown.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Longest text of a number: sign, zeros or exponent, and fifteen digits.
_WIDEST = 32
_FARTHEST = 300
_POWERS = 10.0 ** np.arange(-_FARTHEST, _FARTHEST + 1)
# Where a p value is taken apart: below, products with powers of ten would underflow.
_SMALLEST_LOG = 290.0
_P_DIGITS = 6
_LOWEST_PLAIN, _HIGHEST_PLAIN = -6, 9
# Whole numbers of so many digits need no rounding.
_WHOLE_DIGITS, _PLAIN_WHOLE = 10, 1e10
_MINUS, _PLUS, _POINT, _ZERO, _E = (ord(letter) for letter in "-+.0e")
_INFINITE = np.frombuffer(b"inf", dtype=np.uint8)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _put_digits(out: Bytes, at: int, whole: int, power: int, plain: bool) -> int:
    """Write ``whole`` times ten to the ``power``; return where the text ends."""
    while whole % 10 == 0:
        whole //= 10
        power += 1
    count, beyond = 1, 10
    while whole >= beyond:
        count += 1
        beyond *= 10
    leading = power + count - 1
    plain = plain and _LOWEST_PLAIN <= leading <= _HIGHEST_PLAIN
    before = leading + 1 if plain else 1
    if before <= 0:
        out[at] = _ZERO
        out[at + 1] = _POINT
        at += 2
        for _ in range(-before):
            out[at] = _ZERO
            at += 1
    end = at + count + (0 < before < count)
    place = end - 1
    for k in range(count - 1, -1, -1):
        out[place] = _ZERO + whole % 10
        whole //= 10
        place -= 1
        if k == before > 0:
            out[place] = _POINT
            place -= 1
    if plain:
        for _ in range(power):
            out[end] = _ZERO
            end += 1
        return end
    return _put_exponent(out, end, leading)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _put_exponent(out: Bytes, at: int, exponent: int) -> int:
    out[at] = _E
    out[at + 1] = _MINUS if exponent < 0 else _PLUS
    at += 2
    rest = abs(exponent)
    size = 10
    while rest >= size:
        size *= 10
    while size > 1:
        size //= 10
        out[at] = _ZERO + rest // size % 10
        at += 1
    return at


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _put_number(out: Bytes, at: int, value: float, digits: int) -> int:
    if math.isnan(value):
        return at
    if math.copysign(1.0, value) < 0:
        out[at] = _MINUS
        at += 1
    size = abs(value)
    if math.isinf(size):
        for k in range(3):
            out[at + k] = _INFINITE[k]
        return at + 3
    if size > 0:
        places = digits - 1 - math.floor(math.log10(size))
        places = min(max(places, -_FARTHEST), _FARTHEST)
        whole = int(np.rint(size * _POWERS[places + _FARTHEST]))
        if whole > 0:
            return _put_digits(out, at, whole, -places, True)
    out[at] = _ZERO
    return at + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _put_p_value(out: Bytes, at: int, log10_p: float) -> int:
    """Write the p value of which -log10 is known, however small; 0 only where that is endless."""
    if log10_p < _SMALLEST_LOG or math.isnan(log10_p) or math.isinf(log10_p):
        return _put_number(out, at, 10.0**-log10_p, _P_DIGITS)
    power = math.floor(-log10_p)
    whole = int(np.rint(10.0 ** (-log10_p - power) * 10.0 ** (_P_DIGITS - 1)))
    return _put_digits(out, at, whole, power - _P_DIGITS + 1, False)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(values: Floats, digits: int, out: Bytes, ends: Integers) -> None:
    """Write numbers, or p values where ``digits`` is 0."""
    at = 0
    for row in range(values.size):
        value = values[row]
        if digits == 0:
            at = _put_p_value(out, at, value)
        elif 0 < value < _PLAIN_WHOLE and value == math.floor(value) and digits >= _WHOLE_DIGITS:
            at = _put_digits(out, at, int(value), 0, True)
        else:
            at = _put_number(out, at, value, digits)
        ends[row + 1] = at


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _join(text: Bytes, ends: Integers, separator: int, missing: Bytes, out: Bytes) -> int:
    columns, rows = ends.shape[0], ends.shape[1] - 1
    at = 0
    for row in range(rows):
        for column in range(columns):
            start, end = ends[column, row], ends[column, row + 1]
            for k in range(start, end):
                out[at] = text[k]
                at += 1
            if start == end:
                for letter in missing:
                    out[at] = letter
                    at += 1
            out[at] = separator
            at += 1
        out[at - 1] = 10
    return at


def number_cells(values: Floats, digits: int) -> tuple[Bytes, Integers]:
    """Write numbers with at most ``digits`` significant digits, (v,); NaN leaves an empty cell.

    Returns
    -------
    text : uint8 array
        The cells, one behind the other.
    ends : int64 array
        Where they begin and end, (v + 1,).
    """
    return _filled(values, digits)


def p_value_cells(log10_p: Floats) -> tuple[Bytes, Integers]:
    """Write p values of which -log10 is given, as :func:`number_cells`; none becomes zero."""
    return _filled(log10_p, 0)


def _filled(values: Floats, digits: int) -> tuple[Bytes, Integers]:
    out = np.empty(_WIDEST * values.size, dtype=np.uint8)
    ends = np.zeros(values.size + 1, dtype=np.int64)
    _fill(np.ascontiguousarray(values, dtype=np.float64), digits, out, ends)
    return out[: ends[-1]], ends


def join_cells(columns: list[tuple[Bytes, Any]], *, separator: str, missing: str) -> Bytes:
    """Return the lines of a table.

    Parameters
    ----------
    columns
        Text and ends of each, as :func:`number_cells` gives them; all of as many cells.
    separator
        Of one byte, between cells.
    missing
        What stands for an empty cell.
    """
    lengths = [int(ends[-1] - ends[0]) for _, ends in columns]
    starts = np.cumsum([0, *lengths[:-1]])
    text = np.concatenate([t[ends[0] : ends[-1]] for t, ends in columns])
    ends = np.stack(
        [own.astype(np.int64) - int(own[0]) + start
         for (_, own), start in zip(columns, starts, strict=True)]
    )  # fmt: skip
    unknown = np.frombuffer(missing.encode(), dtype=np.uint8)
    rows = ends.shape[1] - 1
    out = np.empty(text.size + rows * len(columns) * (1 + unknown.size), dtype=np.uint8)
    return out[: _join(text, ends, ord(separator), unknown, out)]
