"""Visits in time: ages from dates, visit numbers, years since baseline, pairs of images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spinecast.cohort.cohort import Cohort
from spinecast.cohort.column_map import missing_column
from spinecast.cohort.sheet import Sheet

DAYS_PER_YEAR = 365.25
# Ages are often written in whole years, and rounded rather than cut off.
_AGE_TOLERANCE = 1.5
_YEARS_TOLERANCE = 0.1


def years_between(start: pd.Series, end: pd.Series) -> pd.Series:
    """Return years of 365.25 days from ``start`` to ``end`` (dates); NaN where one is unknown."""
    return (end - start).dt.days / DAYS_PER_YEAR


def set_ages(sheet: Sheet, birth_dates: pd.Series) -> None:
    """Fill ``age`` of a sheet from dates, and refuse rows whose dates are impossible.

    Parameters
    ----------
    sheet
        Visits (or images, where there is no visits table) with ``date`` or ``age`` or neither.
    birth_dates
        Dates of birth, indexed by person_id.

    Notes
    -----
    SC-306 for a date before birth; SC-314 where the age written and the age computed
    differ by more than 1.5 years. The computed age wins, being exact.
    """
    born = sheet.rows["person_id"].map(birth_dates).astype("datetime64[ns]")
    if sheet.has("birth_date"):
        born = sheet.rows["birth_date"].fillna(born)
    computed = years_between(born, sheet.column("date"))
    written = sheet.column("age")
    sheet.reject(computed < 0, code="SC-306", reason="the date lies before the date of birth")
    differ = (computed - written).abs() > _AGE_TOLERANCE
    sheet.reject(differ, code="SC-314", reason="the age written differs from the age by the dates")
    sheet.reject(
        computed > 120, code="SC-305", reason="the dates make this person older than 120 years"
    )
    sheet.rows["age"] = computed.fillna(written)


def set_visit_numbers(sheet: Sheet) -> None:
    """Set visit numbers of each person by date, age or time where the file does not.

    Raises
    ------
    CohortError
        SC-301 where a person has several rows and nothing tells their order.
    """
    if sheet.has("visit"):
        sheet.reject(sheet.rows["visit"].isna(), code="SC-313", reason="visit is empty")
        return
    person = sheet.rows["person_id"]
    for clock in ("date", "years_since_baseline", "age"):
        moment = sheet.column(clock)
        if moment.notna().any():
            sheet.reject(moment.isna(), code="SC-313", reason=f"neither visit nor {clock}")
            sheet.rows["visit"] = moment.groupby(person).rank(method="dense") - 1
            sheet.notes.append(f"{sheet.file}: visits numbered by {clock}")
            return
    if sheet.table == "visits" and person.duplicated().any():
        raise missing_column("visit", sheet.header, file=sheet.file)
    sheet.rows["visit"] = 0.0
    sheet.notes.append(f"{sheet.file}: no visit, date or age, so every row counts as visit 0")


def first_visits(sheets: list[Sheet]) -> pd.Series:
    """Return the smallest visit number of each person over ``sheets``, faulty rows included.

    Faulty rows count, so that a refused baseline never makes a later visit the baseline.
    """
    rows = pd.concat([sheet.rows[["person_id", "visit"]] for sheet in sheets if sheet.has("visit")])
    return rows.groupby("person_id")["visit"].min()


def shift_visits(sheet: Sheet, first: pd.Series) -> None:
    """Renumber visits so that each person's first is 0, whatever number the file starts at."""
    if not sheet.has("visit"):
        return
    offset = sheet.rows["person_id"].map(first).fillna(0)
    if (offset != 0).any():
        sheet.notes.append(f"{sheet.file}: visit numbers shifted so that each person starts at 0")
    sheet.rows["visit"] -= offset


def set_years_since_baseline(sheet: Sheet) -> None:
    """Fill ``years_since_baseline`` from dates, else ages, else as written; 0 at visit 0.

    Rows whose time runs against their visit number are refused (SC-306), and rows whose
    written time contradicts the dates (SC-314).
    """
    rows = sheet.good
    written = sheet.column("years_since_baseline")
    by_date = _since_first(rows, "date", unit=DAYS_PER_YEAR).reindex(sheet.rows.index)
    by_age = _since_first(rows, "age").reindex(sheet.rows.index)
    differ = (by_date - written).abs() > _YEARS_TOLERANCE
    sheet.reject(
        differ, code="SC-314", reason="years_since_baseline differs from the time by the dates"
    )
    years = by_date.fillna(written).fillna(by_age)
    baseline = sheet.rows["visit"] == 0
    sheet.rows["years_since_baseline"] = years.where(~baseline, 0.0)
    _refuse_disorder(sheet)


def _since_first(rows: pd.DataFrame, clock: str, unit: float = 1.0) -> pd.Series:
    if clock not in rows:
        return pd.Series(index=rows.index, dtype=float)
    baseline = rows[rows["visit"] == 0].drop_duplicates("person_id").set_index("person_id")[clock]
    elapsed = rows[clock] - rows["person_id"].map(baseline)
    return (elapsed.dt.days if clock == "date" else elapsed) / unit


def _refuse_disorder(sheet: Sheet) -> None:
    rows = sheet.good.sort_values(["person_id", "visit"], kind="stable")
    years = rows["years_since_baseline"]
    person = rows["person_id"]
    latest = years.groupby(person).cummax().groupby(person).ffill()
    latest_before = latest.groupby(person).shift()
    # Ages in whole years cannot order visits of one year, hence equality is allowed.
    late = (years < latest_before) | (years < 0)
    sheet.reject(
        late.reindex(sheet.rows.index, fill_value=False),
        code="SC-306",
        reason="the visit lies before the one it follows",
    )


def pair_images(cohort: Cohort, *, min_days: float = 28.0) -> pd.DataFrame:
    """Pair each person's baseline image with each later image.

    Parameters
    ----------
    cohort
        Images at visit 0 are baseline images.
    min_days
        Later images nearer than this are left out; an unknown time counts as far enough.

    Returns
    -------
    pandas.DataFrame
        One row per follow-up image: ``person_id``, ``baseline_image_id``,
        ``follow_up_image_id``, ``baseline_visit``, ``follow_up_visit``, ``years`` (NaN
        unknown), ``same_region``. Of several baseline images the one of the same view and
        region is taken, then the first by image_id.
    """
    images = _timed_images(cohort)
    baseline = images[images["visit"] == 0]
    follow_up = images[images["visit"] > 0]
    pairs = follow_up.merge(baseline, on="person_id", suffixes=("", "_baseline"))
    pairs["years"] = pairs["years"] - pairs["years_baseline"]
    near = pairs["years"] * DAYS_PER_YEAR < min_days
    pairs["same_region"] = pairs["region"] == pairs["region_baseline"]
    pairs["same_view"] = pairs["view"] == pairs["view_baseline"]
    best = (
        pairs[~near]
        .sort_values(
            ["person_id", "visit", "image_id", "same_view", "same_region", "image_id_baseline"],
            ascending=[True, True, True, False, False, True],
        )
        .drop_duplicates("image_id")
    )
    return pd.DataFrame(
        {
            "person_id": best["person_id"],
            "baseline_image_id": best["image_id_baseline"],
            "follow_up_image_id": best["image_id"],
            "baseline_visit": best["visit_baseline"],
            "follow_up_visit": best["visit"],
            "years": best["years"],
            "same_region": best["same_region"].astype(bool),
        }
    ).reset_index(drop=True)


def _timed_images(cohort: Cohort) -> pd.DataFrame:
    times = cohort.visits[["person_id", "visit", "years_since_baseline"]]
    columns = ["image_id", "person_id", "visit", "view", "region"]
    timed = cohort.images[columns].merge(times, on=["person_id", "visit"], how="left")
    return timed.rename(columns={"years_since_baseline": "years"}).astype({"years": np.float64})
