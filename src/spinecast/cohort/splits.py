"""Train, validation and test: split by person, balanced, made once and kept as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cohort.cohort import Cohort
from spinecast.errors import error
from spinecast.files import write_table
from spinecast.seeds import generator
from spinecast.tables import SPLITS, validate

FRACTIONS = (0.6, 0.2, 0.2)  # study S2: 5,568 / 1,856 / 1,852 of 9,276
AGE_GROUPS = (0, 50, 60, 70, 80)
_LEAD = 60  # a multiple of every usual cycle


def split_people(
    strata: pd.DataFrame,
    *,
    seed: int,
    fractions: Sequence[float] = FRACTIONS,
    folds: int = 5,
) -> pd.DataFrame:
    """Assign every person to train, validation or test, and to a fold for cross-fitting.

    People are ordered by stratum (the first column matters most) and by lot within it;
    walking down that order, each goes to the split that is furthest behind its share.
    Every run of consecutive people is then within about one person of its shares, so
    strata of two or three people do no harm and need not be merged.

    Parameters
    ----------
    strata
        ``person_id`` (once each) and any columns to balance; unknown is a level of its own.
    seed
        Equal seeds give equal splits, whatever the order of the rows.
    fractions
        Shares of train, validation, test; they sum to 1.
    folds
        Number of cross-fitting folds, balanced within each split.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``split``, ``fold`` (0 to folds - 1), sorted by person_id.

    Raises
    ------
    SpinecastError
        SC-307 where a person_id occurs twice; SC-706 for impossible shares or folds.
    """
    _check_request(strata, fractions, folds)
    rng = generator(seed, "splits")
    ordered = _shuffled_by_stratum(strata, rng)
    split = _by_deficit(len(ordered), np.asarray(fractions, dtype=float), rng)
    by_split = np.argsort(split, kind="stable")
    fold = np.empty(len(ordered), dtype=np.int64)
    fold[by_split] = _by_deficit(len(ordered), np.full(folds, 1 / folds), rng)
    result = pd.DataFrame(
        {
            "person_id": ordered["person_id"].to_numpy(),
            "split": np.asarray(SPLITS, dtype=object)[split],
            "fold": fold,
        }
    )
    return result.sort_values("person_id", ignore_index=True)


def strata_of(cohort: Cohort, *, endpoint: str = "any_fracture") -> pd.DataFrame:
    """Return person_id, outcome, sex and age group at baseline, as study S2 stratifies.

    Outcome is the event code of ``endpoint`` (-1 without a record), most important first.
    """
    person = cohort.people["person_id"]
    events = cohort.events[cohort.events["endpoint"] == endpoint].set_index("person_id")["event"]
    known = cohort.visits.sort_values("visit").dropna(subset=["age"])
    age = person.map(known.drop_duplicates("person_id").set_index("person_id")["age"])
    group = np.digitize(age.astype(float), AGE_GROUPS).astype(float)
    return pd.DataFrame(
        {
            "person_id": person,
            "outcome": person.map(events).fillna(-1).astype(int),
            "sex": cohort.people["sex"].fillna(""),
            "age_group": np.where(age.isna(), -1, group).astype(int),
        }
    ).reset_index(drop=True)


def write_splits(path: Path, splits: pd.DataFrame) -> None:
    """Write ``splits`` as CSV, so that every later run and reader uses the same ones."""
    write_table(path, validate(splits, "splits"))


def read_splits(path: Path, *, person_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a split file back and verify it.

    Parameters
    ----------
    path
        CSV with person_id, split, fold.
    person_ids
        Everybody who must be in it; None skips that check.

    Raises
    ------
    CohortError
        SC-310 where a person occurs twice or is missing; SC-301, SC-305, SC-313 where the
        file is not a split file.
    """
    raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    raw = raw.rename(columns=str.strip)
    if "person_id" in raw:
        # Undo the apostrophe that protects spreadsheets from formulas.
        raw["person_id"] = raw["person_id"].str.replace(r"^'(?=[=+\-@])", "", regex=True)
    splits = validate(raw, "splits")
    if person_ids is not None:
        _check_everybody(splits, set(map(str, person_ids)), path)
    return splits


def _check_everybody(splits: pd.DataFrame, wanted: set[str], path: Path) -> None:
    absent = sorted(wanted - set(splits["person_id"]))
    if absent:
        raise error(
            "SC-310",
            expected="every person in exactly one split",
            got=f"{len(absent)} people in none, first {absent[0]!r}",
            where=path.name,
        )


def _check_request(strata: pd.DataFrame, fractions: Sequence[float], folds: int) -> None:
    if strata["person_id"].duplicated().any():
        twice = strata.loc[strata["person_id"].duplicated(), "person_id"].iloc[0]
        raise error("SC-307", expected="each person once", got=f"{twice!r} twice", where="strata")
    shares = np.asarray(fractions, dtype=float)
    if len(shares) != len(SPLITS) or (shares < 0).any() or not np.isclose(shares.sum(), 1):
        raise error("SC-706", expected="three shares that sum to 1", got=str(list(fractions)))
    if folds < 1:
        raise error("SC-706", expected="at least 1 fold", got=str(folds))


def _shuffled_by_stratum(strata: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Sort by stratum and by lot within it, independently of the order of the rows."""
    known = strata.sort_values("person_id", ignore_index=True)
    lot = pd.Series(rng.permutation(len(known)), name="lot")
    columns = [column for column in strata.columns if column != "person_id"]
    levels = known[columns].apply(lambda level: level.astype(str).where(level.notna(), ""))
    order = pd.concat([levels, lot], axis=1).sort_values([*columns, "lot"]).index
    return known.loc[order].reset_index(drop=True)


def _by_deficit(n: int, shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Give each of ``n`` places to the class furthest behind its share.

    Debts stay below one person, and so does the error of every class over any run of
    places. The walk begins at a random point of its cycle, so that nobody's class is certain.
    """
    behind = rng.uniform(0, 1e-6, len(shares))
    lead = int(rng.integers(0, _LEAD))
    chosen = np.empty(lead + n, dtype=np.int64)
    for place in range(lead + n):
        behind += shares
        chosen[place] = int(np.argmax(behind))
        behind[chosen[place]] -= 1
    return chosen[lead:]
