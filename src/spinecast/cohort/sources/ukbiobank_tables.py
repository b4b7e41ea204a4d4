"""The field-numbered table of a UK Biobank extract as people and visits."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cohort.column_map import ColumnMap
from spinecast.cohort.delimited import RawTable, read_delimited
from spinecast.cohort.ledger import Ledger
from spinecast.cohort.sheet import Sheet, parse_sheet
from spinecast.cohort.sources.ukbiobank_fields import (
    BIRTH_MONTH,
    BIRTH_YEAR,
    IMAGING_VISITS,
    FieldMap,
    is_person_column,
    is_personal,
    parse_column,
    title_of,
)
from spinecast.cohort.visits import years_between
from spinecast.errors import error
from spinecast.terms import TERMS
from spinecast.vocabulary import UNKNOWN

_TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
_HEADER_BYTES = 4 << 20
_LIST_BYTES = 64 << 20
_WITHDRAWN_NAME = re.compile(r"(w\d+[_-]\d[\d_-]*|.*withdraw.*)\.(csv|txt|tsv)", re.IGNORECASE)
_MONTHS = "january february march april may june july august september october november december"
_MONTH_NUMBERS = {name: f"{i + 1:02d}" for i, name in enumerate(_MONTHS.split())}
# Ages are cut off to whole years; the day of birth is unknown within its month.
_BIRTH_DAY_SLACK = 0.06
# Area is width times height where the height is that of L1 to L4 together, else about four times.
_ALL_FOUR_BELOW = 2.0
_MM2_PER_CM2 = 100.0
_FIRST = min(IMAGING_VISITS)
_FEWEST_FOR_RATIO = 5


@dataclass(frozen=True)
class Participants:
    """People and visits under reading, and who is left out.

    Parameters
    ----------
    people, visits
        Sheets of those with an imaging visit.
    withdrawn, without_visit
        Numbers of people left out, by reason.
    skipped
        Ledger rows of what was left out: source, code, reason.
    """

    people: Sheet
    visits: Sheet
    withdrawn: frozenset[str]
    without_visit: frozenset[str]
    skipped: list[tuple[str, str, str]] = field(default_factory=list)


def find_table(folder: Path, fields: FieldMap) -> Path:
    """Return the one table of participants in ``folder``.

    Raises
    ------
    CohortError
        SC-315 where there is none or more than one.
    """
    if fields.table:
        named = folder / fields.table
        if not named.is_file() or not named.resolve().is_relative_to(folder):
            raise error("SC-315", expected=f"the table {fields.table!r}", got="no such file",
                        where=str(folder))  # fmt: skip
        return named
    lists = set(withdrawal_lists(folder, fields))
    found = [path for path in _text_files(folder) if path not in lists and _has_header(path)]
    if len(found) != 1:
        raise error(
            "SC-315",
            expected="one table with a column eid and field-numbered columns "
            "(or its name as `table` in ukbiobank.toml)",
            got=" and ".join(path.name for path in found) or "none",
            where=str(folder),
        )
    return found[0]


def withdrawal_lists(folder: Path, fields: FieldMap) -> list[Path]:
    """Return the lists of withdrawn participants: those the map names, else by their names.

    Raises
    ------
    FileError
        SC-110 where the map names a list that is not there, because going on without it would
        use people who withdrew.
    """
    named = [folder / name for name in fields.withdrawn]
    for path in named:
        if not path.is_file():
            raise error("SC-110", expected="the list of withdrawn participants",
                        got="no such file", where=path.name)  # fmt: skip
    return named or [path for path in _text_files(folder) if _WITHDRAWN_NAME.fullmatch(path.name)]


def read_withdrawn(folder: Path, fields: FieldMap) -> frozenset[str]:
    """Return the numbers of withdrawn participants: the first cell of each line.

    Raises
    ------
    FileError
        SC-110, see :func:`withdrawal_lists`; SC-113 for a list of more than 64 MiB.
    """
    numbers: set[str] = set()
    for path in withdrawal_lists(folder, fields):
        if path.stat().st_size > _LIST_BYTES:
            raise error("SC-113", expected="a list of at most 64 MiB", got="more", where=path.name)
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        firsts = (re.split(r"[,;\t ]", line.strip(), maxsplit=1)[0] for line in text.splitlines())
        numbers |= {first.strip("\"'") for first in firsts if not is_person_column(first)}
    return frozenset(numbers - {""})


def read_participants(
    path: Path, fields: FieldMap, *, withdrawn: frozenset[str], pictured: Collection[str]
) -> Participants:
    """Read the table: people with an imaging visit, and their visits.

    Parameters
    ----------
    path
        CSV or TSV with field-numbered columns.
    fields
        Which field means what.
    withdrawn
        Participants whose rows are left out.
    pictured
        Participants with an image of instance 2, who stay even where the table knows no visit.

    Raises
    ------
    CohortError
        SC-301 where sex, or age and its dates, have no column; SC-320 two columns for one
        field and instance; faults of whole columns as in any cohort folder.
    """
    raw = read_delimited(path)
    person = _person_column(raw)
    layout = _layout(raw, fields)
    cells = _Cells(raw, fields, layout)
    number = raw.cells[person].str.replace(r"\.0$", "", regex=True)
    attended = {i: cells.any_of(instance=i) for i in IMAGING_VISITS}
    gone = number.isin(withdrawn) | number.str.startswith("-")
    baseline = attended[_FIRST]
    kept = ~gone & (baseline | number.isin(pictured) | (number == ""))
    ledger = Ledger()
    for line in number.index[gone]:
        ledger.skip(raw.file, line, code="SC-322", reason="on the list of those who withdrew")
    for line in number.index[~gone & ~kept]:
        ledger.skip(raw.file, line, code="SC-321", reason=f"no imaging visit (instance {_FIRST})")
    for instance, here in attended.items():
        for line in number.index[here & kept & ~baseline]:
            ledger.skip(f"{raw.file} visits", f"{line} instance {instance}", code="SC-321",
                        reason=f"no visit of instance {_FIRST} before it")  # fmt: skip
    people = _people(cells, number[kept], misfits=raw.misfits)
    visits = _visits(cells, number, attended={i: a & kept & baseline for i, a in attended.items()})
    _check_ages(visits, people)
    unused = len(raw.cells.columns) - len(layout) - 1
    people.notes.append(f"{raw.file}: {unused} columns of other fields or arrays ignored")
    return Participants(
        people,
        visits,
        withdrawn=withdrawn | frozenset(number[gone]),
        without_visit=frozenset(number[~gone & ~kept]),
        skipped=list(ledger.skipped.itertuples(index=False, name=None)),
    )


@dataclass(frozen=True)
class _Cells:
    """Cells of the extract by term and instance, codes for "no answer" taken out."""

    raw: RawTable
    fields: FieldMap
    layout: dict[tuple[int, int | None], str]

    def column(self, term: str, instance: int | None) -> pd.Series | None:
        """Return the first value that any field of ``term`` has, or None without a column."""
        names = [self.layout.get((number, instance)) for number in self.fields.fields[term]]
        found = [self._clean(name) for name in names if name is not None]
        if not found:
            return None
        value = found[0]
        for other in found[1:]:
            value = value.where(value != "", other)
        return value

    def personal(self, term: str) -> pd.Series | None:
        """Return a field that is asked once, whether written with instance 0 or without."""
        without = self.column(term, None)
        return self.column(term, 0) if without is None else without

    def of_visit(self, instance: int) -> dict[str, pd.Series]:
        """Return term to column, of one instance."""
        terms = [term for term in self.fields.fields if not is_personal(term)]
        columns = {term: self.column(term, instance) for term in terms}
        return {term: column for term, column in columns.items() if column is not None}

    def any_of(self, instance: int) -> pd.Series:
        """Return which participants have any value of ``instance``."""
        known = pd.Series(False, index=self.raw.cells.index)
        for column in self.of_visit(instance).values():
            known |= column != ""
        return known

    def _clean(self, name: str) -> pd.Series:
        text = self.raw.cells[name]
        distinct = {cell: self._no_answer(cell) for cell in text.unique()}
        return text.mask(text.map(distinct).astype(bool), "")

    def _no_answer(self, cell: str) -> bool:
        return cell.lower() in UNKNOWN or self.fields.is_missing(cell)


def _text_files(folder: Path) -> list[Path]:
    files = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    inside = (path for path in files if path.is_file() and path.resolve().is_relative_to(folder))
    return [path for path in inside if path.suffix.lower() in _TABLE_SUFFIXES]


def _has_header(path: Path) -> bool:
    with path.open("rb") as handle:
        lines = handle.read(_HEADER_BYTES).decode("utf-8-sig", errors="replace").splitlines()
    names = re.split(r"[,;\t|]", lines[0]) if lines else []
    return any(is_person_column(name.strip().strip('"')) for name in names)


def _person_column(raw: RawTable) -> str:
    found = [name for name in raw.cells.columns if is_person_column(name)]
    if len(found) != 1:
        raise error("SC-320" if found else "SC-301", expected="one column eid",
                    got=" and ".join(map(repr, found)) or "none", where=raw.file)  # fmt: skip
    return found[0]


def _layout(raw: RawTable, fields: FieldMap) -> dict[tuple[int, int | None], str]:
    """Return (field, instance) to column, of the fields that are used; array 0 only."""
    wanted = {number for numbers in fields.fields.values() for number in numbers}
    layout: dict[tuple[int, int | None], str] = {}
    for name in raw.cells.columns:
        column = parse_column(name)
        if column is None or column.field not in wanted or column.array:
            continue
        key = (column.field, column.instance)
        if key in layout:
            what = f"one column for {title_of(column.field)}, instance {column.instance}"
            raise error("SC-320", expected=what, got=f"{layout[key]!r} and {name!r}",
                        where=raw.file)  # fmt: skip
        layout[key] = name
    return layout


def _people(cells: _Cells, number: pd.Series, *, misfits: dict[int, int]) -> Sheet:
    sex = cells.personal("sex")
    if sex is None:
        raise _missing(cells, "sex")
    columns = {"person_id": number, "sex": sex[number.index]}
    year, month = cells.personal(BIRTH_YEAR), cells.personal(BIRTH_MONTH)
    if year is not None and month is not None:
        columns["birth_date"] = _mid_months(year, month)[number.index]
    raw = RawTable(cells.raw.file, pd.DataFrame(columns), misfits, cells.raw.decimal_comma)
    return parse_sheet(raw, "people", ColumnMap(codes={"sex": {"0": "F", "1": "M"}}))


def _mid_months(year: pd.Series, month: pd.Series) -> pd.Series:
    """Return the 15th of the month of birth as text; unknown where year or month is."""
    whole_year = year.str.replace(r"\.0$", "", regex=True)
    plain = month.str.lower().str.replace(r"\.0$", "", regex=True)
    two = plain.map(lambda cell: _MONTH_NUMBERS.get(cell, cell.rjust(2, "0")))
    return (whole_year + "-" + two + "-15").mask((year == "") | (month == ""), "")


def _visits(cells: _Cells, number: pd.Series, *, attended: dict[int, pd.Series]) -> Sheet:
    parts = []
    for instance, here in attended.items():
        columns = {"person_id": number, **cells.of_visit(instance)}
        part = pd.DataFrame(columns, dtype=object)[here]
        part.insert(1, "visit", str(IMAGING_VISITS[instance]))
        part.index = pd.Index([f"{line} instance {instance}" for line in part.index], dtype=object)
        parts.append(part)
    rows = pd.concat(parts).fillna("").astype(object)
    if "age" not in rows and not _has_dates(cells, rows):
        raise _missing(cells, "age")
    rows, notes = _heights_of_one(rows, cells.fields.units, comma=cells.raw.decimal_comma)
    raw = RawTable(f"{cells.raw.file} visits", rows, {}, cells.raw.decimal_comma)
    sheet = parse_sheet(raw, "visits", ColumnMap(units=cells.fields.units))
    sheet.notes += notes
    return sheet


def _has_dates(cells: _Cells, rows: pd.DataFrame) -> bool:
    born = [cells.personal(term) is not None for term in (BIRTH_YEAR, BIRTH_MONTH)]
    return "date" in rows and all(born)


def _heights_of_one(
    rows: pd.DataFrame, units: Mapping[str, str], *, comma: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Divide the L1-L4 height by four where the area says that it is that of all four."""
    sizes = {}
    for term in ("lumbar_width", "lumbar_height", "lumbar_area"):
        if term not in rows:
            return rows, []
        text = rows[term].str.replace(",", ".", regex=False) if comma else rows[term]
        factor = TERMS[term].units.get(units.get(term, ""), 1.0)
        sizes[term] = pd.to_numeric(text, errors="coerce") * factor
    boxes = sizes["lumbar_width"] * sizes["lumbar_height"] / _MM2_PER_CM2
    ratio = (sizes["lumbar_area"] / boxes.where(boxes > 0)).dropna()
    if len(ratio) < _FEWEST_FOR_RATIO or float(ratio.median()) >= _ALL_FOUR_BELOW:
        return rows, []
    quarter = (
        sizes["lumbar_height"]
        / 4
        / TERMS["lumbar_height"].units.get(units.get("lumbar_height", ""), 1.0)
    )
    text = quarter.map(repr).where(quarter.notna(), rows["lumbar_height"])
    note = "L1-L4 height taken for that of all four (area is width x height), and divided by 4"
    return rows.assign(lumbar_height=text), [note]


def _check_ages(visits: Sheet, people: Sheet) -> None:
    """Refuse visits whose age in whole years is not the age by month of birth and date."""
    if not (visits.has("age") and visits.has("date") and people.has("birth_date")):
        return
    births = people.rows.drop_duplicates("person_id").set_index("person_id")["birth_date"]
    born = visits.rows["person_id"].map(births).astype("datetime64[ns]")
    excess = years_between(born, visits.rows["date"]) - np.floor(visits.rows["age"])
    differ = (excess < -_BIRTH_DAY_SLACK) | (excess > 1 + _BIRTH_DAY_SLACK)
    reason = "age when attending differs from month of birth and date of attending"
    visits.reject(differ, code="SC-314", reason=reason)


def _missing(cells: _Cells, term: str) -> Exception:
    wanted = " or ".join(title_of(number) for number in cells.fields.fields[term])
    if term == "age":
        wanted += f", or {title_of(34)}, {title_of(52)} and {title_of(53)}"
    names = list(cells.raw.cells.columns)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    got = f"columns {', '.join(map(repr, names[:8]))}{more}"
    return error("SC-301", expected=wanted, got=got, where=cells.raw.file)
