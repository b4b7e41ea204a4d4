"""From the text of a cell to a value of its term: numbers, yes/no, codes, dates, ids.

Every reader takes a column of cleaned text and returns values and a mask of the
cells it could not read. Empty means unknown and is never a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spinecast.cohort.column_map import normalise_column
from spinecast.terms import Kind, Term
from spinecast.vocabulary import UNKNOWN, YES_NO

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_ID_LIMIT = 128
_ISO_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d")
# DICOM's age string: three digits and a letter.
_DICOM_AGE = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True)
class Reading:
    """How the cells of one file are written."""

    decimal_comma: bool = False
    date_formats: tuple[str, ...] = ()


Parsed = tuple[pd.Series, pd.Series]


def parse_cells(text: pd.Series, term: Term, reading: Reading) -> Parsed:
    """Read one column.

    Parameters
    ----------
    text
        Cleaned cells as text.
    term
        What the column holds.
    reading
        Decimal comma and date formats of the file.

    Returns
    -------
    values, unreadable
        Values of the term's kind (NaN, NaT or "" where unknown), and a boolean mask of
        cells that hold something else.
    """
    return _PARSERS[term.kind](text, term, reading)


def _unknown(text: pd.Series) -> pd.Series:
    return text.str.lower().isin(UNKNOWN)


def _identifiers(text: pd.Series, _term: Term, _reading: Reading) -> Parsed:
    # Spreadsheets turn 1001 into 1001.0; ids that could be paths are never trusted.
    values = text.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    hostile = values.str.contains(r"[/\\]|\.\.|^\.", regex=True) | (values.str.len() > _ID_LIMIT)
    return values, hostile


def _texts(text: pd.Series, term: Term, _reading: Reading) -> Parsed:
    known = text.where(~_unknown(text), "")
    values = known.str.lower().map(dict(term.codes)).fillna(known) if term.codes else known
    return values.astype(object), pd.Series(False, index=text.index)


def _categories(text: pd.Series, term: Term, _reading: Reading) -> Parsed:
    unknown = _unknown(text)
    values = text.str.lower().map(dict(term.codes)).astype(object)
    canonical = text.isin(set(term.codes.values()))
    values = values.where(~canonical, text)
    if term.name == "endpoint":  # other endpoints are welcome, under a normal name
        values = values.fillna(text.map(normalise_column))
    values[unknown] = None
    return values, values.isna() & ~unknown


def _numbers(text: pd.Series, term: Term, reading: Reading) -> Parsed:
    unknown = _unknown(text)
    plain = text.str.replace(",", ".", regex=False) if reading.decimal_comma else text
    readable = plain.str.fullmatch(_NUMBER)
    values = pd.to_numeric(plain.where(readable), errors="coerce").astype(float)
    if term.name == "age":
        values = values.fillna(text.map(_dicom_age))
    values = values.where(np.isfinite(values))
    return values, values.isna() & ~unknown


def _dicom_age(cell: str) -> float:
    found = re.fullmatch(r"(\d{3})([YMWD])", cell)
    return int(found[1]) * _DICOM_AGE[found[2]] if found else float("nan")


def _counts(text: pd.Series, term: Term, reading: Reading) -> Parsed:
    values, unreadable = _numbers(text, term, reading)
    fractional = values.notna() & (values != values.round())
    return values.where(~fractional), unreadable | fractional


def _flags(text: pd.Series, _term: Term, _reading: Reading) -> Parsed:
    lower = text.str.lower()
    # "none" and "-" may mean no or not known: not for us to choose.
    unknown = lower.isin(UNKNOWN - {"none", "-"})
    values = lower.map(dict(YES_NO)).astype(float)
    return values, values.isna() & ~unknown


def _dates(text: pd.Series, _term: Term, reading: Reading) -> Parsed:
    unknown = _unknown(text)
    values = pd.Series(pd.NaT, index=text.index, dtype="datetime64[ns]")
    for form in (*reading.date_formats, *_ISO_FORMATS):
        if not values.isna().any():
            break
        values = values.fillna(pd.to_datetime(text, format=form, errors="coerce"))
    return values, values.isna() & ~unknown


_PARSERS: dict[Kind, Callable[[pd.Series, Term, Reading], Parsed]] = {
    Kind.IDENTIFIER: _identifiers,
    Kind.TEXT: _texts,
    Kind.CATEGORY: _categories,
    Kind.NUMBER: _numbers,
    Kind.COUNT: _counts,
    Kind.FLAG: _flags,
    Kind.DATE: _dates,
}
