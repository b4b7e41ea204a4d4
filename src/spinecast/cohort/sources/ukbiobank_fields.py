"""Which UK Biobank field means which variable, and how extracts write a field's number.

Numbers, titles and units are those of the public data dictionary of the showcase
(docs/reference/ukbiobank.md says what was confirmed there). A map file overrides any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spinecast.cohort.column_map import did_you_mean, read_toml
from spinecast.errors import error
from spinecast.tables import TABLES
from spinecast.terms import TERMS

IMAGING_VISITS = MappingProxyType({2: 0, 3: 1})
"""Instance of the assessment (imaging, repeat imaging) to visit."""

DXA_FIELD = 20158
BIRTH_YEAR, BIRTH_MONTH = "birth_year", "birth_month"
_PERSONAL = ("sex", BIRTH_YEAR, BIRTH_MONTH)
_MISSING = ("-1", "-3")
_UNANSWERED = frozenset({"do not know", "prefer not to answer"})
_KEYS = ("table", "withdrawn", "missing", "fields", "units")


@dataclass(frozen=True)
class Field:
    """One data field.

    Parameters
    ----------
    number
        Field number of the showcase.
    term
        What it holds: a term, or year or month of birth.
    title
        Its title in the showcase, by which some extracts name columns.
    unit
        Its unit where that is not the term's.
    """

    number: int
    term: str
    title: str
    unit: str = ""


FIELDS = (
    Field(31, "sex", "Sex"),
    Field(34, BIRTH_YEAR, "Year of birth"),
    Field(52, BIRTH_MONTH, "Month of birth"),
    Field(53, "date", "Date of attending assessment centre"),
    Field(21003, "age", "Age when attended assessment centre"),
    Field(50, "height", "Standing height"),
    Field(12144, "height", "Height"),
    Field(21002, "weight", "Weight"),
    Field(12143, "weight", "Weight (pre-imaging)"),
    Field(21001, "bmi", "Body mass index (BMI)"),
    Field(23202, "lumbar_width", "L1-L4 average width", "cm"),
    Field(23201, "lumbar_height", "L1-L4 average height", "cm"),
    Field(23200, "lumbar_area", "L1-L4 area"),
    Field(23204, "bmd_spine", "L1-L4 BMD (bone mineral density)"),
    Field(23299, "bmd_femoral_neck", "Femur neck BMD (bone mineral density) (left)"),
    Field(23208, "bmd_femoral_neck", "Femur neck BMD (bone mineral density) (right)"),
    Field(23291, "bmd_total_hip", "Femur total BMD (bone mineral density) (left)"),
    Field(23212, "bmd_total_hip", "Femur total BMD (bone mineral density) (right)"),
)
"""Of several fields of one term the first that has a value counts."""

_FIELD_OF = MappingProxyType({each.number: each for each in FIELDS})


def _fields_of() -> MappingProxyType[str, tuple[int, ...]]:
    terms = dict.fromkeys(each.term for each in FIELDS)
    return MappingProxyType({t: tuple(f.number for f in FIELDS if f.term == t) for t in terms})


FIELDS_OF = _fields_of()
"""Term to its fields, in order of precedence."""


@dataclass(frozen=True)
class FieldMap:
    """How to read one extract.

    Parameters
    ----------
    fields
        Term to field numbers, in order of precedence.
    units
        Term to the unit its fields come in, where not the term's own.
    missing
        Numbers that mean "no answer".
    table, withdrawn
        File names within the extract; empty means: found by their form.
    """

    fields: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: FIELDS_OF)
    units: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({f.term: f.unit for f in FIELDS if f.unit})
    )
    missing: tuple[str, ...] = _MISSING
    table: str = ""
    withdrawn: tuple[str, ...] = ()

    def is_missing(self, cell: str) -> bool:
        """Return whether a cell is a code for "no answer"."""
        return cell.lower() in _UNANSWERED or re.sub(r"\.0+$", "", cell) in self.missing


@dataclass(frozen=True)
class FieldColumn:
    """One column: field, instance (None where it has none) and array index."""

    field: int
    instance: int | None
    array: int = 0


# 31-0.0 (showcase), f.31.0.0 and f_31_0_0 (converted for R), X31.0.0 (as R renames the first)
_NUMBERED = re.compile(r"(?:f[._]|x)?(\d{1,6})[-._](\d{1,2})[._](\d{1,4})", re.IGNORECASE)
# p31, p53_i2, p20158_i2_a0, participant.p31 (research platform)
_PLATFORM = re.compile(r"(?:participant\.)?p(\d{1,6})(?:_i(\d{1,2}))?(?:_a(\d{1,4}))?")
# Standing height (instance 2), Standing height | Instance 2 (research platform, by title)
_TITLED = re.compile(r"(.+?)\s*(?:\(instance (\d{1,2})\)|\| instance (\d{1,2}))?", re.IGNORECASE)
_PERSON_COLUMNS = frozenset({"eid", "f.eid", "f_eid", "xeid", "participant.eid", "participant id"})
_TITLES = MappingProxyType({each.title.lower(): each.number for each in FIELDS})


def is_person_column(column: str) -> bool:
    """Return whether a column holds the participants' numbers."""
    return column.strip().lower() in _PERSON_COLUMNS


def parse_column(column: str) -> FieldColumn | None:
    """Return what a column name says, in any of the known forms; None for other names."""
    name = column.strip()
    if found := _NUMBERED.fullmatch(name):
        return FieldColumn(int(found[1]), int(found[2]), int(found[3]))
    if found := _PLATFORM.fullmatch(name):
        instance = None if found[2] is None else int(found[2])
        return FieldColumn(int(found[1]), instance, int(found[3] or 0))
    titled = _TITLED.fullmatch(name.replace("\N{EN DASH}", "-"))
    number = _TITLES.get(titled[1].lower()) if titled else None
    if titled is None or number is None:
        return None
    instance_text = titled[2] or titled[3]
    return FieldColumn(number, None if instance_text is None else int(instance_text))


def title_of(number: int) -> str:
    """Return "field 31 (Sex)" for messages."""
    known = _FIELD_OF.get(number)
    return f"field {number}" + (f" ({known.title})" if known else "")


def is_personal(term: str) -> bool:
    """Return whether ``term`` belongs to the person and not to a visit."""
    return term in _PERSONAL


def read_field_map(path: Path) -> FieldMap:
    """Read a map file (format: docs/reference/ukbiobank.md).

    Raises
    ------
    CohortError
        SC-317 where it is not TOML, or has unknown keys, terms, units or shapes.
    """
    content = read_toml(path)
    _check_among(content, _KEYS, what="a key", where=path.name)
    given = {term: _numbers(value, term, path) for term, value in _table(content, "fields", path)}
    _check_among(given, _mappable(), what="a term", where=path.name)
    units = {term: str(unit) for term, unit in _table(content, "units", path)}
    _check_among(units, TERMS, what="a term", where=path.name)
    for term, unit in units.items():
        known = (TERMS[term].unit, *TERMS[term].units)
        _check_among([unit], known, what=f"a unit of {term}", where=path.name)
    fields = {**FIELDS_OF, **given}
    own = {term: _unit_of(numbers) for term, numbers in fields.items() if _unit_of(numbers)}
    return FieldMap(
        fields=MappingProxyType(fields),
        units=MappingProxyType({**own, **units}),
        missing=_texts(content.get("missing", list(_MISSING)), "missing", path),
        table=str(content.get("table", "")),
        withdrawn=_texts(content.get("withdrawn", []), "withdrawn", path),
    )


def _mappable() -> tuple[str, ...]:
    visits = (*TABLES["visits"].required, *TABLES["visits"].optional, "date")
    keys = {"person_id", "visit", "years_since_baseline"}
    return (*_PERSONAL, *(term for term in visits if term not in keys))


def _unit_of(numbers: tuple[int, ...]) -> str:
    known = _FIELD_OF.get(numbers[0]) if numbers else None
    return known.unit if known else ""


def _table(content: Mapping[str, Any], name: str, path: Path) -> list[tuple[str, Any]]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise _bad(f"[{name}] as a section", section, path)
    return list(section.items())


def _numbers(value: Any, term: str, path: Path) -> tuple[int, ...]:
    many = value if isinstance(value, list) else [value]
    if not all(type(each) is int and each > 0 for each in many):
        raise _bad(f"fields.{term} as a field number or a list of them", value, path)
    return tuple(many)


def _texts(value: Any, name: str, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str | int) for each in value):
        raise _bad(f"{name} as a list", value, path)
    return tuple(str(each) for each in value)


def _bad(expected: str, got: Any, path: Path) -> Exception:
    return error("SC-317", expected=expected, got=repr(got), where=path.name)


def _check_among(names: Iterable[str], known: Iterable[str], *, what: str, where: str) -> None:
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise error(
                "SC-317",
                expected=f"{what} among {', '.join(allowed) or 'none'}",
                got=f"{name!r}{did_you_mean([name], allowed)}",
                where=where,
            )
