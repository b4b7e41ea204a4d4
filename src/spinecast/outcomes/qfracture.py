"""QFracture-2012: ten-year risk of a major osteoporotic and of a hip fracture.

Optional and apart: its coefficients (``qfracture.csv``) stand under the GNU Lesser General
Public License, version 3 or later, unlike the rest of Spinecast; ``LICENSES`` holds the texts.
Import it by name; nothing else in Spinecast does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.inputs import FloatArray, number_column

DISCLAIMER = (
    "QFracture-2012, copyright 2012 ClinRisk Ltd., under the GNU LGPL. Its authors stress that "
    "whoever uses this is responsible for checking that it gives the same results as the "
    "original code at https://qfracture.org: a wrong implementation of a risk score can lead to "
    "the wrong patients being given the wrong treatment. For research; not a medical device."
)
ETHNICITY = (
    "white or not recorded", "Indian", "Pakistani", "Bangladeshi", "other Asian",
    "Caribbean", "Black African", "Chinese", "other",
)  # fmt: skip
SMOKING = ("never", "former", "light (under 10 a day)", "moderate (10 to 19)", "heavy (20 or more)")
ALCOHOL = (
    "none", "under 1 unit a day", "1 to 2", "3 to 6", "7 to 9", "more than 9",
)  # fmt: skip
# Codes start here: ethnicity counts from 1, as in the published source.
_CODES = {"ethnicity": (1, 9), "smoking": (0, 4), "alcohol": (0, 5)}
_AGES, _BMI = (30.0, 100.0), (20.0, 40.0)


@dataclass(frozen=True)
class QFracture:
    """Ten-year risks by QFracture-2012.

    Attributes
    ----------
    major, hip
        Risk of a hip, wrist, shoulder or spine fracture, and of a hip fracture, 0 to 1, shape
        (n,). Risk before death intervenes is not told apart: deaths were censored.
    assumed_absent
        Factors that the table has no column for and that were taken as absent in everybody.
    bmi_at_limit
        Whose BMI lay outside 20 to 40 and was moved to the limit, shape (n,).
    disclaimer
        Stands wherever a result is shown.
    """

    major: FloatArray
    hip: FloatArray
    assumed_absent: tuple[str, ...]
    bmi_at_limit: np.ndarray
    disclaimer: str = DISCLAIMER

    def to_frame(self) -> pd.DataFrame:
        """Return one row per person: both risks, and whether the BMI was moved."""
        return pd.DataFrame(
            {
                "qfracture_major": self.major,
                "qfracture_hip": self.hip,
                "bmi_at_limit": self.bmi_at_limit,
            }
        )


def qfracture(table: pd.DataFrame, sex: Any) -> QFracture:
    """Compute QFracture-2012 for ten years.

    Made from British general practice records of people without treatment; elsewhere its level is
    wrong until recalibrated, and it knows neither bone density nor images. Compare with a
    refitted Cox model of the same columns too.

    Parameters
    ----------
    table
        ``age`` (30 to 100 years) and ``bmi`` (kg/m2), and of these what there is:
        ``ethnicity`` (1 to 9, as :data:`ETHNICITY`), ``smoking`` (0 to 4, :data:`SMOKING`),
        ``alcohol`` (0 to 5, :data:`ALCOHOL`), and 0/1 columns as :func:`factors` lists them.
        A column that is missing counts as absent in everybody and is named in
        ``assumed_absent``; a missing value within a column is an error.
    sex
        "F" or "M", shape (n,).

    Raises
    ------
    StatisticsError
        SC-604, SC-606 bad columns; SC-611 a value or code out of range.

    References
    ----------
    Hippisley-Cox J, Coupland C. BMJ 2012;344:e3427.
    """
    woman = _women(sex, len(table))
    columns = {
        name: number_column(table[name], name, length=woman.size)
        for name in ("age", "bmi", *_CODES, *factors())
        if name in table or name in ("age", "bmi")
    }
    _require_range(columns["age"], "age", limits=_AGES)
    for name, column in columns.items():
        if name not in ("age", "bmi"):
            _require_codes(column, name, limits=_CODES.get(name, (0, 1)))
    given = columns["bmi"]
    columns["bmi"] = np.clip(given, *_BMI)
    risks = {
        outcome: np.where(
            woman, _risk(columns, outcome, "F"), _risk(columns, outcome, "M")
        )
        for outcome in ("major", "hip")
    }  # fmt: skip
    return QFracture(
        risks["major"],
        risks["hip"],
        assumed_absent=tuple(name for name in (*_CODES, *factors()) if name not in columns),
        bmi_at_limit=columns["bmi"] != given,
    )


def factors() -> tuple[str, ...]:
    """Names of the 0/1 columns: diseases, drugs and history, as the visits table has them."""
    graded = ("baseline_survival", "age", "bmi", *_CODES)
    return tuple(sorted({part.term for part in _terms()}.difference(graded)))


class _Term(NamedTuple):
    outcome: str
    sex: str
    term: str
    level: float
    log: bool
    centre: float
    coefficient: float


@cache
def _terms() -> tuple[_Term, ...]:
    source = resources.files("spinecast.outcomes") / "qfracture.csv"
    with source.open("r", encoding="utf-8") as text:
        rows = pd.read_csv(text, comment="#").to_numpy(dtype=object)
    return tuple(
        _Term(
            str(outcome), str(sex), str(term), float(level), bool(log), float(centre), float(value)
        )
        for outcome, sex, term, level, log, centre, value in rows
    )


def _risk(columns: dict[str, FloatArray], outcome: str, sex: str) -> FloatArray:
    baseline, total = 1.0, np.zeros(columns["age"].size)
    for part in _terms():
        if (part.outcome, part.sex) != (outcome, sex):
            continue
        if part.term == "baseline_survival":
            baseline = part.coefficient
        elif part.term in ("age", "bmi"):
            scaled = columns[part.term] / 10.0
            power = scaled**part.level * (np.log(scaled) if part.log else 1.0)
            total += (power - part.centre) * part.coefficient
        elif part.term in columns:
            total += (columns[part.term] == part.level) * part.coefficient
    return 1.0 - baseline ** np.exp(total)


def _women(sex: Any, length: int) -> np.ndarray:
    labels = np.asarray(sex, dtype=object).reshape(-1)
    if labels.size != length:
        raise error("SC-606", expected=f"{length} values", got=str(labels.size), where="sex")
    strange = [label for label in labels if label not in ("F", "M")]
    if strange:
        raise error("SC-611", expected="F or M", got=str(strange[0])[:20], where="sex")
    return labels == "F"


def _require_range(column: FloatArray, name: str, *, limits: tuple[float, float]) -> None:
    low, high = limits
    outside = column[(column < low) | (column > high)]
    if outside.size:
        raise error("SC-611", expected=f"{low:g} to {high:g}", got=f"{outside[0]:g}", where=name)


def _require_codes(column: FloatArray, name: str, *, limits: tuple[int, int]) -> None:
    _require_range(column, name, limits=limits)
    broken = column[column != np.round(column)]
    if broken.size:
        raise error("SC-611", expected="a whole code", got=f"{broken[0]:g}", where=name)
