"""Which column means which variable: built-in names, and a map file for the rest."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinecast.errors import error
from spinecast.terms import TERMS

TABLE_NAMES = ("people", "visits", "images", "events", "findings")
_SECTIONS = ("columns", "codes", "units", "dates", "defaults", "keep")
# Columns that name a person: never carried along, even when they look like numbers.
_IDENTIFYING = re.compile(
    "name|surname|forename|address|street|phone|mobile|email|e_mail|ssn|passport|insurance|postcode|zip"
)


@dataclass(frozen=True)
class ColumnMap:
    """What a map file says (format: docs/reference/cohort-folder.md).

    Parameters
    ----------
    columns
        Table name, or "" for every table, to {column as written: term}.
    codes
        Term to {value as written, lower case: canonical value}.
    units
        Term to the unit its columns come in.
    date_formats
        ``strptime`` formats tried after ISO 8601.
    defaults
        Term to the value of every row where no column has it.
    keep
        Extra columns to carry along.
    """

    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    date_formats: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()

    def named(self, column: str, table: str) -> str | None:
        """Return the term that the map gives ``column`` of ``table``, or None."""
        return self.columns.get(table, {}).get(column) or self.columns.get("", {}).get(column)


@dataclass(frozen=True)
class MappedColumn:
    """One column of a file and what it holds: term, and the unit ("" = canonical)."""

    column: str
    term: str
    unit: str


def normalise_column(column: str) -> str:
    """Return ``column`` in lower case with single underscores between its words."""
    return re.sub(r"[^0-9a-z]+", "_", column.strip().lower()).strip("_")


def known_names(term: str) -> tuple[str, ...]:
    """Return every column name that is understood as ``term``, the term itself first."""
    return (term, *TERMS[term].aliases)


def find_term(column: str) -> tuple[str, str] | None:
    """Return (term, unit) that a column name means, or None.

    ``Height_m`` means height in metres; a name without a unit has the unit "".
    """
    return _KNOWN_COLUMNS.get(normalise_column(column))


def _known_columns() -> dict[str, tuple[str, str]]:
    columns: dict[str, tuple[str, str]] = {}
    for term in TERMS.values():
        for alias in known_names(term.name):
            for unit in term.units:
                columns.setdefault(f"{alias}_{normalise_column(unit)}", (term.name, unit))
    for term in TERMS.values():
        columns.update(dict.fromkeys(known_names(term.name), (term.name, "")))
    return columns


_KNOWN_COLUMNS = _known_columns()


def map_columns(
    header: Iterable[str], table: str, *, column_map: ColumnMap, file: str
) -> tuple[list[MappedColumn], list[str]]:
    """Decide what each column of one file means.

    A column named in the map wins over a built-in name; the exact term wins over its
    alternative names.

    Returns
    -------
    mapped, ignored
        The columns understood, and the names of those that are not.

    Raises
    ------
    CohortError
        SC-320 where two columns mean one term and neither has precedence,
        SC-301 where the map names a column that the file lacks.
    """
    names = list(header)
    _check_named_columns(names, table, column_map=column_map, file=file)
    candidates: dict[str, list[tuple[int, MappedColumn]]] = {}
    ignored = []
    for name in names:
        found = _meaning(name, table, column_map)
        if found is None:
            ignored.append(name)
            continue
        rank, column = found
        candidates.setdefault(column.term, []).append((rank, column))
    mapped = []
    for term, offers in candidates.items():
        best = min(rank for rank, _ in offers)
        chosen = [column for rank, column in offers if rank == best]
        if len(chosen) > 1:
            raise error(
                "SC-320",
                expected=f"one column for {term!r}",
                got=" and ".join(repr(column.column) for column in chosen),
                where=file,
            )
        mapped += chosen
        ignored += [column.column for rank, column in offers if rank != best]
    return mapped, ignored


def _meaning(name: str, table: str, column_map: ColumnMap) -> tuple[int, MappedColumn] | None:
    named = column_map.named(name, table)
    if named is not None:
        return 0, MappedColumn(name, named, column_map.units.get(named, ""))
    found = find_term(name)
    if found is None:
        return None
    term, unit = found
    rank = 1 if normalise_column(name) == term else 2
    return rank, MappedColumn(name, term, unit or column_map.units.get(term, ""))


def _check_named_columns(names: list[str], table: str, *, column_map: ColumnMap, file: str) -> None:
    for column in column_map.columns.get(table, {}):
        if column not in names:
            raise error(
                "SC-301",
                expected=f"column {column!r}, which the map file names",
                got=_found(names) + did_you_mean([column], names),
                where=file,
            )


def missing_column(term: str, header: Iterable[str], *, file: str) -> Exception:
    """Return the SC-301 error for ``term``: its other names, what was found, what is close."""
    names = list(header)
    other = ", ".join(TERMS[term].aliases)
    return error(
        "SC-301",
        expected=f"column {term!r}" + (f" (also known as {other})" if other else ""),
        got=_found(names) + did_you_mean(known_names(term), names),
        where=file,
    )


def did_you_mean(wanted: Iterable[str], found: Iterable[str]) -> str:
    """Return " (did you mean ...?)" for the found name closest to any wanted one, or ""."""
    by_normal = {normalise_column(name): name for name in found}
    matches = (difflib.get_close_matches(name, by_normal, n=1, cutoff=0.7) for name in wanted)
    close = next((match[0] for match in matches if match), None)
    return f" (did you mean {by_normal[close]!r}?)" if close else ""


def is_identifying(column: str) -> bool:
    """Return whether a column name suggests that it names or locates a person."""
    return _IDENTIFYING.search(normalise_column(column)) is not None


def _found(names: list[str]) -> str:
    return "columns " + (", ".join(map(repr, names)) or "none")


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a map file says; SC-317 where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise error("SC-317", expected="a TOML file", got=str(cause), where=str(path)) from None


def read_column_map(path: Path) -> ColumnMap:
    """Read a map file.

    Raises
    ------
    CohortError
        SC-317 where it is not TOML, or has unknown sections, terms, units or shapes.
    """
    content = read_toml(path)
    for section in content:
        _check_known(section, _SECTIONS, what="section", where=path.name)
    dates = _section(content, "dates", path)
    formats = dates.get("formats", [])
    keep = content.get("keep", [])
    _check_texts(formats, "dates.formats", path)
    _check_texts(keep, "keep", path)
    return ColumnMap(
        columns=_columns(_section(content, "columns", path), path),
        codes=_codes(_section(content, "codes", path), path),
        units=_units(_section(content, "units", path), path),
        date_formats=tuple(formats),
        defaults=_defaults(_section(content, "defaults", path), path),
        keep=tuple(keep),
    )


def _columns(section: dict[str, Any], path: Path) -> dict[str, dict[str, str]]:
    columns: dict[str, dict[str, str]] = {"": {}}
    for name, value in section.items():
        if isinstance(value, dict):
            _check_known(name, TABLE_NAMES, what="table", where=path.name)
            columns[name] = {column: str(term) for column, term in value.items()}
        else:
            columns[""][name] = str(value)
    for terms in columns.values():
        for term in terms.values():
            _check_known(term, TERMS, what="term", where=path.name)
    return columns


def _codes(section: dict[str, Any], path: Path) -> dict[str, dict[str, str]]:
    codes = {}
    for term, values in section.items():
        _check_known(term, TERMS, what="term", where=path.name)
        if not isinstance(values, dict):
            raise error("SC-317", expected=f"codes.{term} as a table of values",
                        got=repr(values), where=path.name)  # fmt: skip
        codes[term] = {str(code).strip().lower(): str(value) for code, value in values.items()}
    return codes


def _units(section: dict[str, Any], path: Path) -> dict[str, str]:
    for term, unit in section.items():
        _check_known(term, TERMS, what="term", where=path.name)
        _check_known(str(unit), TERMS[term].units, what=f"unit of {term}", where=path.name)
    return {term: str(unit) for term, unit in section.items()}


def _defaults(section: dict[str, Any], path: Path) -> dict[str, str]:
    for term in section:
        _check_known(term, TERMS, what="term", where=path.name)
    return {term: str(value) for term, value in section.items()}


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise error("SC-317", expected=f"[{name}] as a section", got=repr(section),
                    where=path.name)  # fmt: skip
    return section


def _check_texts(values: Any, name: str, path: Path) -> None:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise error("SC-317", expected=f"{name} as a list of texts", got=repr(values),
                    where=path.name)  # fmt: skip


def _check_known(name: str, known: Iterable[str], *, what: str, where: str) -> None:
    names = list(known)
    if name not in names:
        close = did_you_mean([name], names)
        raise error("SC-317", expected=f"a {what} among {', '.join(names) or 'none'}",
                    got=f"{name!r}{close}", where=where)  # fmt: skip
