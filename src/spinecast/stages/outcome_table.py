"""A table of scores and outcomes, read from anyone's CSV file: used + set aside = given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cohort.column_map import did_you_mean
from spinecast.cohort.delimited import RawTable, read_delimited
from spinecast.errors import error
from spinecast.vocabulary import UNKNOWN

#: How many of a unit make a year.
UNITS = {"years": 1.0, "months": 12.0, "weeks": 365.25 / 7, "days": 365.25}

_FEWEST = 10


@dataclass(frozen=True)
class OutcomeColumns:
    """Which columns of a table mean what.

    Attributes
    ----------
    duration, unit
        Time to event or censoring, and its unit (``years``, ``months``, ``weeks``, ``days``).
    event
        0 censored, 1 event, 2 competing death.
    scores
        One or two columns of scores; higher means an earlier event.
    person
        Column that says whose a row is, where people have several; else empty.
    """

    duration: str
    event: str
    scores: tuple[str, ...]
    person: str = ""
    unit: str = "years"

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that must hold a number."""
        return (self.duration, self.event, *self.scores)


@dataclass(frozen=True)
class OutcomeTable:
    """The rows of a table that can be used, and those that cannot.

    Attributes
    ----------
    duration, event
        Years and codes 0, 1, 2, shape (n,).
    scores
        Column name to (n,) values.
    person
        Whose each row is; None where every row is a person.
    excluded
        ``line``, ``code``, ``reason`` of each row set aside.
    given
        Rows in the file.
    """

    duration: np.ndarray
    event: np.ndarray
    scores: dict[str, np.ndarray]
    person: np.ndarray | None
    excluded: pd.DataFrame = field(repr=False)
    given: int

    def __len__(self) -> int:
        return len(self.duration)


def read_outcomes(path: Path, columns: OutcomeColumns) -> OutcomeTable:
    """Read a table of outcomes; rows that cannot be used are set aside with their reason.

    Raises
    ------
    SpinecastError
        SC-301 no such column, SC-319 event codes other than 0, 1, 2 in most rows, SC-609
        fewer than ten usable rows, SC-610 unknown unit; SC-101, SC-113, SC-313, SC-320 of
        the file.
    """
    if columns.unit not in UNITS:
        raise error("SC-610", expected=", ".join(UNITS), got=repr(columns.unit), where="unit")
    if not path.is_file():
        raise error("SC-110", expected="a CSV file", got="none", where=str(path))
    raw = read_delimited(path)
    _require_columns(raw, columns)
    numbers = {name: _numbers(raw, name) for name in columns.numbers}
    faults = _faults(raw, columns, numbers)
    usable = raw.cells.index.difference(faults.index, sort=False)
    _require_sense(raw, columns, numbers=numbers, usable=len(usable))
    excluded = pd.concat([faults, _misfits(raw)]).sort_index()
    return OutcomeTable(
        duration=numbers[columns.duration].loc[usable].to_numpy() / UNITS[columns.unit],
        event=numbers[columns.event].loc[usable].to_numpy().astype(np.int64),
        scores={name: numbers[name].loc[usable].to_numpy() for name in columns.scores},
        person=raw.cells.loc[usable, columns.person].to_numpy() if columns.person else None,
        excluded=excluded.rename_axis("line").reset_index(),
        given=len(raw.cells) + len(raw.misfits),
    )


def _require_columns(raw: RawTable, columns: OutcomeColumns) -> None:
    header = [str(name) for name in raw.cells.columns]
    wanted: Sequence[str] = [*columns.numbers, *([columns.person] if columns.person else [])]
    for name in wanted:
        if name not in header:
            raise error(
                "SC-301",
                expected=f"column {name!r}",
                got=f"columns {', '.join(map(repr, header))}{did_you_mean([name], header)}",
                where=raw.file,
            )


def _numbers(raw: RawTable, name: str) -> pd.Series:
    text = raw.cells[name]
    if raw.decimal_comma:
        text = text.str.replace(",", ".", regex=False)
    values = pd.to_numeric(text, errors="coerce").astype(float)
    return values.where(np.isfinite(values))


def _faults(raw: RawTable, columns: OutcomeColumns, numbers: dict[str, pd.Series]) -> pd.DataFrame:
    """Return the first fault of each faulty row: ``code``, ``reason``, by line."""
    found: dict[int, tuple[str, str]] = {}

    def note(rows: pd.Series, code: str, reason: str) -> None:
        for line in raw.cells.index[rows]:
            found.setdefault(int(line), (code, reason))

    for name, values in numbers.items():
        unknown = raw.cells[name].str.lower().isin(UNKNOWN)
        note(values.isna() & unknown, "SC-604", f"no value in {name!r}")
        note(values.isna() & ~unknown, "SC-313", f"not a number in {name!r}")
    duration, event = numbers[columns.duration], numbers[columns.event]
    note(duration < 0, "SC-605", f"a negative time in {columns.duration!r}")
    note(event.notna() & ~event.isin([0, 1, 2]), "SC-319", f"not 0, 1 or 2 in {columns.event!r}")
    if columns.person:
        note(raw.cells[columns.person] == "", "SC-311", f"nobody in {columns.person!r}")
    return pd.DataFrame.from_dict(found, orient="index", columns=["code", "reason"])


def _misfits(raw: RawTable) -> pd.DataFrame:
    width = len(raw.cells.columns)
    found = {
        line: ("SC-313", f"{cells} cells where the header has {width}")
        for line, cells in raw.misfits.items()
    }
    return pd.DataFrame.from_dict(found, orient="index", columns=["code", "reason"])


def _require_sense(
    raw: RawTable, columns: OutcomeColumns, *, numbers: dict[str, pd.Series], usable: int
) -> None:
    """Refuse a column that was misunderstood as a whole, and a table of next to nothing."""
    event = numbers[columns.event].dropna()
    if len(event) and event.isin([0, 1, 2]).mean() < 0.5:
        seen = ", ".join(f"{value:g}" for value in sorted(event.unique())[:5])
        raise error(
            "SC-319", expected="0 (censored), 1 (event) or 2 (death before)", got=seen,
            where=f"{raw.file}, column {columns.event!r}",
        )  # fmt: skip
    if usable < _FEWEST:
        raise error(
            "SC-609", expected=f"at least {_FEWEST} rows that can be used", got=str(usable),
            where=raw.file,
        )  # fmt: skip
