"""A cohort written as a UK Biobank extract would look: the adapter is tested without real data."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from spinecast.cohort.sources.ukbiobank_fields import (
    BIRTH_MONTH,
    BIRTH_YEAR,
    DXA_FIELD,
    FIELDS,
    IMAGING_VISITS,
    Field,
    is_personal,
)
from spinecast.cohort.visits import DAYS_PER_YEAR
from spinecast.errors import error
from spinecast.files import write_bytes, write_table
from spinecast.terms import TERMS

TABLE_NAME = "ukb.csv"
BULK_FOLDER = str(DXA_FIELD)
# Personal and visit form of a column, by field number and instance.
HEADERS: MappingProxyType[str, tuple[str, str, str]] = MappingProxyType(
    {
        "showcase": ("eid", "{field}-0.0", "{field}-{instance}.0"),
        "dotted": ("f.eid", "f.{field}.0.0", "f.{field}.{instance}.0"),
        "platform": ("participant.eid", "participant.p{field}", "participant.p{field}_i{instance}"),
    }
)
_ATTENDED = "2016-06-15"
_MID_MONTH = 15
_SEX_CODES = {"F": 0, "M": 1}
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_INSTANCES = MappingProxyType({visit: instance for instance, visit in IMAGING_VISITS.items()})

ScanFiles = tuple[str, int, Sequence[bytes]]


def write_ukbiobank_extract(
    target: Path,
    people: pd.DataFrame,
    visits: pd.DataFrame,
    *,
    files: Iterable[ScanFiles] = (),
    header: str = "showcase",
) -> Path:
    """Write a field-numbered table and one archive of DICOM files per person and visit.

    Parameters
    ----------
    target
        Folder to write; made where absent.
    people
        ``person_id`` and ``sex``.
    visits
        ``person_id``, ``visit`` (0 and 1), ``age``, ``years_since_baseline``, ``date`` of the
        baseline visit where known, and any of the variables that a field holds.
    files
        ``(person_id, visit, DICOM files as bytes)``; may be a generator, is read once.
    header
        How columns are named: ``showcase`` (31-0.0), ``dotted`` (f.31.0.0) or ``platform``
        (participant.p31).

    Returns
    -------
    Path
        The table.

    Raises
    ------
    RunError
        SC-706 for another header, or a visit that has no instance; SC-705 where the disk
        refuses.

    Notes
    -----
    As in the biobank only year and month of birth are written, and whole years of age. Dates of
    attendance are moved by up to 16 days so that the age by dates is the age given, to a day.
    """
    if header not in HEADERS:
        raise error("SC-706", expected=f"one of {', '.join(HEADERS)}", got=repr(header),
                    where="header")  # fmt: skip
    _check_visits(visits["visit"])
    dated = _with_dates(visits)
    columns = _personal_columns(people, dated, header)
    for visit, instance in _INSTANCES.items():
        rows = dated[dated["visit"] == visit].set_index("person_id")
        columns |= _visit_columns(rows.reindex(people["person_id"]), instance, header)
    table = target / TABLE_NAME
    write_table(table, pd.DataFrame(columns))
    for person, visit, scans in files:
        _check_visits(pd.Series([visit]))
        name = f"{person}_{DXA_FIELD}_{_INSTANCES[visit]}_0.zip"
        write_bytes(target / BULK_FOLDER / name, _zipped(scans))
    return table


def _check_visits(visit: pd.Series) -> None:
    unknown = sorted(set(visit) - set(_INSTANCES))
    if unknown:
        raise error("SC-706", expected="visits 0 and 1, which are instances 2 and 3",
                    got=f"visit {unknown[0]}", where="visits")  # fmt: skip


def _with_dates(visits: pd.DataFrame) -> pd.DataFrame:
    """Return the visits with month of birth and dates that give back their ages."""
    rows = visits.sort_values("visit", kind="stable")
    first = rows.drop_duplicates("person_id").set_index("person_id")
    given = first["date"] if "date" in first else pd.Series(_ATTENDED, index=first.index)
    attended = pd.to_datetime(given.fillna(_ATTENDED))
    about = attended - _days(first["age"])
    born = about - pd.to_timedelta(about.dt.day - _MID_MONTH, unit="D")
    start = (born + _days(first["age"])).fillna(attended)
    elapsed = rows["years_since_baseline"].fillna(0.0)
    dates = rows["person_id"].map(start) + _days(elapsed)
    return rows.assign(date=dates, born=rows["person_id"].map(born))


def _days(years: pd.Series) -> pd.Series:
    return pd.to_timedelta(np.rint(years * DAYS_PER_YEAR), unit="D")


def _personal_columns(
    people: pd.DataFrame, visits: pd.DataFrame, header: str
) -> dict[str, pd.Series]:
    person, form, _ = HEADERS[header]
    ids = people["person_id"].reset_index(drop=True)
    born = ids.map(visits.drop_duplicates("person_id").set_index("person_id")["born"])
    values = {
        "sex": people["sex"].reset_index(drop=True).map(_SEX_CODES),
        BIRTH_YEAR: born.dt.year,
        BIRTH_MONTH: born.dt.month,
    }
    columns = {person: ids}
    for each in FIELDS:
        if each.term in values:
            columns[form.format(field=each.number)] = values[each.term].astype("Int64")
    return columns


def _visit_columns(rows: pd.DataFrame, instance: int, header: str) -> dict[str, pd.Series]:
    form = HEADERS[header][2]
    written: set[str] = set()
    columns: dict[str, pd.Series] = {}
    for each in FIELDS:
        if is_personal(each.term) or each.term in written or each.term not in rows:
            continue
        written.add(each.term)
        values = _values(rows[each.term], each).reset_index(drop=True)
        columns[form.format(field=each.number, instance=instance)] = values
    return columns


def _values(values: pd.Series, each: Field) -> pd.Series:
    if each.term == "date":
        return values.dt.strftime("%Y-%m-%d")
    if each.term == "age":
        return np.floor(values).astype("Int64")
    return values / TERMS[each.term].units[each.unit] if each.unit else values


def _zipped(scans: Sequence[bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(scans, start=1):
            member = zipfile.ZipInfo(f"{number}.dcm", date_time=_ZIP_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return buffer.getvalue()
