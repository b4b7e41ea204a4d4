"""One table while it is being read: its rows, and what is wrong with each.

Faults are collected first and settled at the end, so that every row is either
in ``good`` or in the ledger, under the first fault that was found in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.cohort.cells import Reading, parse_cells
from spinecast.cohort.column_map import (
    ColumnMap,
    MappedColumn,
    did_you_mean,
    is_identifying,
    known_names,
    map_columns,
    missing_column,
    normalise_column,
)
from spinecast.cohort.delimited import RawTable, read_delimited
from spinecast.cohort.ledger import Ledger
from spinecast.cohort.units import check_unit, out_of_range, to_canonical
from spinecast.errors import error
from spinecast.terms import TERMS, Kind, Term

_RANGE_CODES = {"event": "SC-319", "spacing_row": "SC-208", "spacing_column": "SC-208"}
_KIND_CODES = {"sex": "SC-302", "event": "SC-319"}
_REQUIRED = {
    "people": ("person_id", "sex"),
    "visits": ("person_id",),
    "images": ("person_id", "path"),
    "events": ("person_id", "endpoint", "event"),
    "findings": ("person_id", "finding"),
}
# A column is misunderstood as a whole where most of its cells cannot be read.
_WHOLE_COLUMN_SHARE = 0.5
_WHOLE_COLUMN_CELLS = 3


@dataclass
class Sheet:
    """Rows of one table under reading.

    Parameters
    ----------
    table
        people, visits, images, events or findings.
    file
        Name of the file they came from.
    rows
        Parsed columns named by term; the index is the line of the file.
    header
        Columns as written, for messages.
    notes
        What was read differently from how it was written.
    """

    table: str
    file: str
    rows: pd.DataFrame
    header: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    _faults: dict[Any, tuple[str, str]] = field(default_factory=dict)
    _skips: dict[Any, tuple[str, str]] = field(default_factory=dict)

    @property
    def good(self) -> pd.DataFrame:
        """Rows without a fault so far."""
        return self.rows[~self.rows.index.isin([*self._faults, *self._skips])]

    def has(self, term: str) -> bool:
        """Whether the file has a column for ``term``."""
        return term in self.rows.columns

    def column(self, term: str) -> pd.Series:
        """Values of ``term`` in every row, unknown where the file has no such column."""
        if term in self.rows.columns:
            return self.rows[term]
        dtype: Any = "datetime64[ns]" if TERMS[term].kind is Kind.DATE else object
        numeric = TERMS[term].kind in {Kind.NUMBER, Kind.FLAG, Kind.COUNT}
        return pd.Series(index=self.rows.index, dtype=float if numeric else dtype)

    def reject(self, bad: pd.Series, *, code: str, reason: str | pd.Series) -> None:
        """Note a fault of the rows where ``bad``; a row keeps its first fault."""
        for line in bad.index[bad.astype(bool)]:
            text = reason if isinstance(reason, str) else str(reason[line])
            self._faults.setdefault(line, (code, text))

    def skip(self, rows: pd.Series, *, code: str, reason: str) -> None:
        """Leave out the faultless rows where ``rows``."""
        for line in rows.index[rows.astype(bool)]:
            if line not in self._faults:
                self._skips.setdefault(line, (code, reason))

    def faults(self) -> dict[Any, tuple[str, str]]:
        """Line to (code, reason) of every refused row."""
        return dict(self._faults)

    def settle(self, ledger: Ledger) -> pd.DataFrame:
        """Enter all rows in ``ledger``, check that they add up, and return the good ones."""
        ledger.give(self.file, len(set(self.rows.index) | set(self._faults)))
        for line, (code, reason) in sorted(self._faults.items()):
            ledger.quarantine(self.file, line, code=code, reason=reason)
        for line, (code, reason) in self._skips.items():
            ledger.skip(self.file, line, code=code, reason=reason)
        good = self.good
        ledger.check(self.file, used=len(good))
        return good


def read_sheet(path: Path, table: str, column_map: ColumnMap) -> Sheet:
    """Read the file of one table: columns mapped, cells parsed, units and ranges checked.

    Raises
    ------
    CohortError
        SC-301, SC-302, SC-304, SC-313, SC-320 for faults of the whole table.
    """
    return parse_sheet(read_delimited(path), table, column_map)


def parse_sheet(raw: RawTable, table: str, column_map: ColumnMap) -> Sheet:
    """Turn a table of text into one of terms; see :func:`read_sheet`."""
    mapped, ignored = map_columns(raw.cells.columns, table, column_map=column_map, file=raw.file)
    sheet = Sheet(table, raw.file, pd.DataFrame(index=raw.cells.index), tuple(raw.cells.columns))
    _check_required(sheet, {column.term for column in mapped}, column_map)
    for column in mapped:
        sheet.rows[column.term] = _read_column(sheet, raw, column=column, column_map=column_map)
    _add_defaults(sheet, raw, column_map)
    _add_extras(sheet, raw, ignored=ignored, keep=column_map.keep)
    width = len(raw.cells.columns)
    for line, cells in raw.misfits.items():
        reason = f"{cells} cells in a table of {width} columns"
        sheet.reject(pd.Series(True, index=[line]), code="SC-313", reason=reason)
    _check_ids(sheet)
    return sheet


def _check_required(sheet: Sheet, terms: set[str], column_map: ColumnMap) -> None:
    for term in _REQUIRED[sheet.table]:
        if term not in terms and term not in column_map.defaults:
            raise missing_column(term, sheet.header, file=sheet.file)


def _check_ids(sheet: Sheet) -> None:
    for term in ("person_id", "image_id"):
        if sheet.has(term):
            sheet.reject(sheet.rows[term] == "", code="SC-313", reason=f"{term} is empty")


def _read_column(
    sheet: Sheet, raw: RawTable, *, column: MappedColumn, column_map: ColumnMap
) -> pd.Series:
    term = TERMS[column.term]
    place = f"{sheet.file}, column {column.column!r}"
    text = _recoded(raw.cells[column.column], term, column_map)
    reading = Reading(raw.decimal_comma, column_map.date_formats)
    values, unreadable = parse_cells(text, term, reading)
    code = _KIND_CODES.get(term.name, "SC-313")
    _check_whole_column(text, unreadable, code=code, where=place)
    _reject_cells(sheet, unreadable, code=code, column=column, text=text)
    if term.kind in {Kind.NUMBER, Kind.COUNT}:
        values = to_canonical(values, term, column.unit)
        check_unit(values, term, where=place)
        if column.unit not in {"", term.unit}:
            sheet.notes.append(f"{place}: converted from {column.unit} to {term.unit}")
        outside = out_of_range(values, term.name)
        _reject_cells(
            sheet, outside, code=_RANGE_CODES.get(term.name, "SC-305"), column=column, text=text
        )
    return values


def _recoded(text: pd.Series, term: Term, column_map: ColumnMap) -> pd.Series:
    codes = column_map.codes.get(term.name)
    if not codes:
        return text
    plain = text.str.lower().str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)
    return plain.map(dict(codes)).fillna(text)


def _check_whole_column(text: pd.Series, unreadable: pd.Series, *, code: str, where: str) -> None:
    n = int(unreadable.sum())
    filled = int((text != "").sum())
    if n >= _WHOLE_COLUMN_CELLS and n > _WHOLE_COLUMN_SHARE * filled:
        examples = ", ".join(map(repr, text[unreadable].unique()[:3]))
        raise error(
            code,
            expected="codes or a format that is known, or declared in a map file",
            got=f"{examples} ({n} of {filled} cells unreadable)",
            where=where,
        )


def _reject_cells(
    sheet: Sheet, bad: pd.Series, *, code: str, column: MappedColumn, text: pd.Series
) -> None:
    term = TERMS[column.term]
    wanted = term.kind.value
    if term.plausible is not None and term.kind is not Kind.FLAG:
        wanted = f"{term.plausible[0]:g} to {term.plausible[1]:g} {term.unit}".rstrip()
    shown = text[bad].map(lambda cell: f"{column.column} is {cell[:60]!r}, expected {wanted}")
    sheet.reject(bad, code=code, reason=shown)


def _add_defaults(sheet: Sheet, raw: RawTable, column_map: ColumnMap) -> None:
    applicable = set(_DEFAULTS_OF[sheet.table]) & set(column_map.defaults)
    for name in sorted(applicable - set(sheet.rows.columns)):
        text = pd.Series(column_map.defaults[name], index=raw.cells.index, dtype=object)
        values, unreadable = parse_cells(text, TERMS[name], Reading())
        if unreadable.any():
            raise error(
                "SC-317", expected=f"a readable default of {name}",
                got=repr(column_map.defaults[name]), where="[defaults]",
            )  # fmt: skip
        sheet.rows[name] = values


_DEFAULTS_OF = {
    "people": ("sex", "ancestry"),
    "visits": ("age",),
    "images": ("modality", "view", "region", "manufacturer", "spacing_row", "spacing_column"),
    "events": ("endpoint",),
    "findings": ("region",),
}


def _add_extras(sheet: Sheet, raw: RawTable, *, ignored: list[str], keep: tuple[str, ...]) -> None:
    for column in ignored:
        name = normalise_column(column)
        clash = not name or name in sheet.rows.columns or name in TERMS
        text = raw.cells[column]
        numbers, unreadable = parse_cells(text, _EXTRA, Reading(raw.decimal_comma))
        numeric = not unreadable.any() and not is_identifying(column)
        if clash or not (numeric or column in keep):
            sheet.notes.append(f"{sheet.file}, column {column!r}: ignored{_hint(column)}")
            continue
        sheet.rows[name] = numbers if not unreadable.any() else text


_EXTRA = Term("extra", Kind.NUMBER, "A column of the user's own")


def _hint(column: str) -> str:
    names = [name for term in TERMS for name in known_names(term)]
    return did_you_mean([column], names)
