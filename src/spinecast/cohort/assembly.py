"""From sheets to a cohort: rows of different tables checked against each other.

A refused row takes along what hangs on it, under its own code: the visits of a
refused person, the images of a refused visit. So every image that is not used
can be traced to the cell that caused it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import pandas as pd

from spinecast.cohort.cohort import Cohort
from spinecast.cohort.column_map import missing_column
from spinecast.cohort.ledger import Ledger
from spinecast.cohort.sheet import Sheet
from spinecast.cohort.units import check_height_weight, check_sex_codes
from spinecast.cohort.visits import (
    DAYS_PER_YEAR,
    first_visits,
    set_ages,
    set_visit_numbers,
    set_years_since_baseline,
    shift_visits,
    years_between,
)
from spinecast.tables import TABLES, empty_table, validate
from spinecast.terms import TERMS, Kind

_PERSONAL = ("sex", "birth_date", "ancestry")
_IMPOSSIBLE_TIME = "the event lies before the baseline visit"
_DATES = ("date", "birth_date", "event_date")


@dataclass
class Refused:
    """Keys of refused rows, each with the code under which it was refused."""

    people: dict[str, str] = field(default_factory=dict)
    visits: dict[Hashable, str] = field(default_factory=dict)


def assemble(sheets: dict[str, Sheet], *, name: str) -> Cohort:
    """Check the tables of a cohort against each other and return the cohort.

    Parameters
    ----------
    sheets
        By table name; ``images`` is there, the others may be absent.
    name
        Name of the cohort.

    Raises
    ------
    SpinecastError
        Faults of whole tables: SC-301, SC-303, SC-304; SC-318 is a defect of ours.
    """
    ledger = Ledger()
    refused = Refused()
    _number_visits(sheets)
    visits_sheet = sheets.get("visits", sheets["images"])
    people = _people(sheets, refused, ledger)
    for sheet in sheets.values():
        if sheet.table != "people":
            _refuse_unknown_people(sheet, set(people["person_id"]), refused)
    _time_visits(visits_sheet, people)
    _check_codings(visits_sheet, people)
    dates = _baseline_dates(visits_sheet)
    visits = _visits(visits_sheet, refused, ledger)
    tables = {
        "people": people.drop(columns=[c for c in _DATES if c in people]),
        "visits": visits,
        "images": _images(sheets["images"], visits, refused, ledger=ledger),
        "events": _events(sheets.get("events"), dates, ledger),
        "findings": _findings(sheets.get("findings"), ledger),
    }
    return Cohort(
        name=name,
        simulated=False,
        **{table: validate(frame, table) for table, frame in tables.items()},
        quarantine=ledger.quarantined,
        skipped=ledger.skipped,
        notes=tuple(note for sheet in sheets.values() for note in sheet.notes),
    )


def _number_visits(sheets: dict[str, Sheet]) -> None:
    if "visits" in sheets:
        set_visit_numbers(sheets["visits"])
        _visits_of_images(sheets["images"], sheets["visits"])
    else:
        set_visit_numbers(sheets["images"])
    numbered = [sheets[table] for table in ("visits", "images") if table in sheets]
    first = first_visits(numbered)
    for table in ("visits", "images", "findings"):
        if table in sheets:
            shift_visits(sheets[table], first)


def _visits_of_images(images: Sheet, visits: Sheet) -> None:
    """Find the visit of each image by date, or as the only visit of its person."""
    if images.has("visit"):
        images.reject(images.rows["visit"].isna(), code="SC-313", reason="visit is empty")
        return
    if images.has("date") and visits.has("date"):
        keys = ["person_id", "date"]
        known = visits.rows[[*keys, "visit"]].dropna().drop_duplicates(keys)
        found = images.rows[keys].merge(known, on=keys, how="left")["visit"]
        images.rows["visit"] = found.to_numpy()
        reason = "no visit of this person has the date of the image"
    else:
        single = visits.rows.drop_duplicates("person_id", keep=False)
        images.rows["visit"] = images.rows["person_id"].map(single.set_index("person_id")["visit"])
        if images.rows["visit"].isna().any() and visits.rows["person_id"].duplicated().any():
            raise missing_column("visit", images.header, file=images.file)
        reason = "no visit of this person is known"
    images.reject(images.rows["visit"].isna(), code="SC-311", reason=reason)


def _people(sheets: dict[str, Sheet], refused: Refused, ledger: Ledger) -> pd.DataFrame:
    if "people" not in sheets:
        return _people_of(sheets)
    sheet = sheets["people"]
    _settle_repeats(sheet, ["person_id"], code="SC-307")
    if sheet.has("sex"):
        sheet.rows["sex"] = sheet.rows["sex"].astype(object)
    for line, (code, _) in sheet.faults().items():
        if line in sheet.rows.index:
            refused.people.setdefault(str(sheet.rows.loc[line, "person_id"]), code)
    good = sheet.settle(ledger)
    refused.people = {p: c for p, c in refused.people.items() if p not in set(good["person_id"])}
    return good


def _people_of(sheets: dict[str, Sheet]) -> pd.DataFrame:
    """Make the people table from the other tables; unknown stays unknown."""
    sources = [sheets[table] for table in ("visits", "images") if table in sheets]
    for sheet in sources:
        _refuse_changing(sheet)
    rows = pd.concat([sheet.rows for sheet in sources])
    present = [column for column in _PERSONAL if column in rows]
    people = rows[["person_id", *present]].groupby("person_id", as_index=False).first()
    if "sex" not in people:
        people["sex"] = pd.Series(None, index=people.index, dtype=object)
    return people[people["person_id"] != ""]


def _refuse_changing(sheet: Sheet) -> None:
    """Refuse people whose sex or birth date changes between rows of one table."""
    for column in ("sex", "birth_date"):
        if sheet.has(column):
            kinds = sheet.rows.groupby("person_id")[column].transform("nunique")
            sheet.reject(kinds > 1, code="SC-314", reason=f"{column} differs between rows")


def _settle_repeats(sheet: Sheet, key: list[str], *, code: str) -> None:
    """Skip exact repeats of a row; refuse all rows of a key whose rows differ."""
    rows = sheet.rows
    repeated = rows.duplicated(key, keep=False)
    conflict = repeated & (_contents(rows, key) > 1)
    sheet.reject(conflict, code=code, reason=f"{' and '.join(key)} twice, with different content")
    repeat = rows.duplicated(keep="first") & repeated
    sheet.skip(repeat, code=code, reason="exact repeat of an earlier row")


def _contents(rows: pd.DataFrame, key: list[str]) -> pd.Series:
    """Return, for each row, how many different contents its key has."""
    distinct = rows.drop_duplicates()
    counts = distinct.groupby(key, dropna=False).size().rename("contents")
    return rows[key].merge(counts, left_on=key, right_index=True, how="left")["contents"]


def _refuse_unknown_people(sheet: Sheet, known: set[str], refused: Refused) -> None:
    person = sheet.rows["person_id"].astype(str)
    for code in sorted(set(refused.people.values())):
        of_code = {who for who, why in refused.people.items() if why == code}
        hit = person.isin(of_code)
        sheet.reject(hit, code=code, reason=person.map(lambda who: f"person {who} is quarantined"))
    unknown = ~person.isin(known)
    reason = person.map(lambda who: f"person {who!r} is not in the people table")
    sheet.reject(unknown, code="SC-311", reason=reason)


def _time_visits(sheet: Sheet, people: pd.DataFrame) -> None:
    births = pd.Series(dtype="datetime64[ns]")
    if "birth_date" in people:
        births = people.set_index("person_id")["birth_date"]
    if sheet.table == "visits" and not _can_know_age(sheet, births):
        raise missing_column("age", sheet.header, file=sheet.file)
    set_ages(sheet, births)
    if sheet.table == "visits":
        _settle_repeats(sheet, ["person_id", "visit"], code="SC-314")
    else:
        ages = sheet.rows.groupby(["person_id", "visit"])["age"]
        apart = ages.transform("max") - ages.transform("min") > 1
        sheet.reject(apart, code="SC-314", reason="ages of one visit differ between images")
    set_years_since_baseline(sheet)


def _can_know_age(sheet: Sheet, births: pd.Series) -> bool:
    born = sheet.has("birth_date") or bool(births.notna().any())
    return sheet.has("age") or (born and sheet.has("date"))


def _check_codings(sheet: Sheet, people: pd.DataFrame) -> None:
    for column in ("height", "weight", "bmi"):
        if not sheet.has(column):
            sheet.rows[column] = sheet.column(column)
    check_height_weight(sheet.good, where=sheet.file)
    first = sheet.good.sort_values("visit").drop_duplicates("person_id").set_index("person_id")
    sex = people.set_index("person_id")["sex"].reindex(first.index)
    check_sex_codes(sex, first["height"], first["weight"], where=sheet.file)
    computed = sheet.rows["weight"] / (sheet.rows["height"] / 100) ** 2
    differ = (sheet.rows["bmi"] / computed - 1).abs() > 0.15
    sheet.reject(differ, code="SC-314", reason="bmi contradicts height and weight")
    sheet.rows["bmi"] = sheet.rows["bmi"].fillna(computed)
    absurd = sheet.rows["bmi"].notna() & ~sheet.rows["bmi"].between(*TERMS["bmi"].plausible or ())
    sheet.reject(absurd, code="SC-305", reason="height and weight give an impossible bmi")


def _baseline_dates(sheet: Sheet) -> pd.Series:
    if not sheet.has("date"):
        return pd.Series(dtype="datetime64[ns]")
    baseline = sheet.good[sheet.good["visit"] == 0].drop_duplicates("person_id")
    return baseline.set_index("person_id")["date"]


def _visits(sheet: Sheet, refused: Refused, ledger: Ledger) -> pd.DataFrame:
    for line, (code, _) in sheet.faults().items():
        if line in sheet.rows.index:
            row = sheet.rows.loc[line]
            refused.visits.setdefault((str(row["person_id"]), row["visit"]), code)
    if sheet.table == "visits":
        return _completed(sheet.settle(ledger), "visits").drop(columns=_extra_dates(sheet))
    wanted = [column for column in _visit_columns() if sheet.has(column)]
    rows = sheet.good[wanted].groupby(["person_id", "visit"], as_index=False).first()
    return _completed(rows, "visits")


def _visit_columns() -> tuple[str, ...]:
    return (*TABLES["visits"].required, *TABLES["visits"].optional)


def _extra_dates(sheet: Sheet) -> list[str]:
    return [c for c in (*_DATES, "sex") if sheet.has(c)]


def _images(
    sheet: Sheet, visits: pd.DataFrame, refused: Refused, *, ledger: Ledger
) -> pd.DataFrame:
    keys = pd.Series(
        list(zip(sheet.rows["person_id"].astype(str), sheet.rows["visit"], strict=True)),
        index=sheet.rows.index,
        dtype=object,
    )
    known = set(zip(visits["person_id"], visits["visit"], strict=True))
    inherited = keys.map({key: why for key, why in refused.visits.items() if key not in known})
    for code in sorted(inherited.dropna().unique()):
        sheet.reject(inherited == code, code=code, reason="its visit is quarantined")
    absent = ~keys.isin(known)
    sheet.reject(absent, code="SC-311", reason="this visit is not in the visits table")
    _settle_repeats(sheet, ["image_id"], code="SC-308")
    wanted = [c for c in sheet.rows if c not in {*_visit_columns()[2:], *_DATES, *_PERSONAL}]
    return _completed(sheet.settle(ledger)[wanted], "images")


def _events(sheet: Sheet | None, baseline: pd.Series, ledger: Ledger) -> pd.DataFrame:
    if sheet is None:
        return empty_table("events")
    sheet.reject(sheet.rows["event"].isna(), code="SC-319", reason="event is empty")
    sheet.reject(sheet.rows["endpoint"].isna(), code="SC-313", reason="endpoint is empty")
    _set_durations(sheet, baseline)
    _settle_repeats(sheet, ["person_id", "endpoint"], code="SC-314")
    columns = [c for c in sheet.rows if c not in _DATES]
    return _completed(sheet.settle(ledger)[columns], "events")


def _set_durations(sheet: Sheet, baseline: pd.Series) -> None:
    written = sheet.column("duration")
    if not sheet.has("duration") and not sheet.has("event_date"):
        raise missing_column("duration", sheet.header, file=sheet.file)
    start = sheet.rows["person_id"].map(baseline).astype("datetime64[ns]")
    computed = years_between(start, sheet.column("event_date"))
    sheet.reject(computed < 0, code="SC-306", reason=_IMPOSSIBLE_TIME)
    differ = (computed - written).abs() > 31 / DAYS_PER_YEAR
    sheet.reject(differ, code="SC-314", reason="duration differs from the time by the dates")
    sheet.rows["duration"] = computed.fillna(written)
    unknown = sheet.rows["duration"].isna()
    sheet.reject(unknown, code="SC-313", reason="neither duration nor dates to compute it from")


def _findings(sheet: Sheet | None, ledger: Ledger) -> pd.DataFrame:
    if sheet is None:
        return empty_table("findings")
    if not sheet.has("visit"):
        sheet.rows["visit"] = 0.0
        sheet.notes.append(f"{sheet.file}: no visit column, so every finding counts as baseline")
    sheet.reject(sheet.rows["visit"].isna(), code="SC-313", reason="visit is empty")
    sheet.reject(sheet.rows["finding"] == "", code="SC-313", reason="finding is empty")
    repeat = sheet.rows.duplicated(keep="first")
    sheet.skip(repeat, code="SC-314", reason="exact repeat of an earlier row")
    columns = [c for c in sheet.rows if c not in _DATES]
    return _completed(sheet.settle(ledger)[columns], "findings")


def _completed(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return ``rows`` with every column of ``table``; what is not known is left unknown."""
    missing = [column for column in TABLES[table].required if column not in rows]
    filled = rows.assign(**{column: _unknown_value(column) for column in missing})
    texts = [column for column in TABLES[table].required if _is_text(column)]
    return filled.assign(**{column: filled[column].fillna("") for column in texts})


def _is_text(column: str) -> bool:
    return column != "sex" and TERMS[column].kind in {Kind.TEXT, Kind.CATEGORY}


def _unknown_value(column: str) -> str | float:
    if column == "origin":
        return "acquired"
    return "" if _is_text(column) else float("nan")
