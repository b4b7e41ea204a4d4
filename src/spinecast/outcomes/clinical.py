"""Clinical comparators: published point scores, and the table FRAX's own tool reads.

FRAX is not public. It is never computed here; a column of its results can be
brought in. Point scores screen for low bone mineral density and are not
fracture risks.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.files import write_text
from spinecast.outcomes.inputs import BoolArray, FloatArray, number_column

LOW_BMD_SCREEN = "screens for low bone mineral density; not a fracture risk"
FRACTURE_POINTS = "orders older women by their risk of fracture; points, not a probability"
_POUND = 0.45359237

FRAX_COLUMNS = (
    "score_unit",
    "country",
    "age",
    "sex",
    "bmi",
    "previous_fracture",
    "parental_hip_fracture",
    "smoker",
    "glucocorticoid",
    "rheumatoid_arthritis",
    "secondary_osteoporosis",
    "alcohol",
    "femoral_neck_bmd",
)
FRAX_RESULTS = ("frax_mof", "frax_hip")
# Our visits table -> FRAX's bulk table.
FRAX_SOURCES = {
    "previous_fracture": "prior_fracture",
    "parental_hip_fracture": "parental_hip_fracture",
    "smoker": "smoking",
    "glucocorticoid": "glucocorticoids",
    "rheumatoid_arthritis": "rheumatoid_arthritis",
    "secondary_osteoporosis": "secondary_osteoporosis",
    "alcohol": "alcohol",
}


@dataclass(frozen=True)
class PointScore:
    """A published point score.

    Attributes
    ----------
    name
        Its name.
    points
        Per person, shape (n,).
    flagged
        Whom its authors would examine further, shape (n,).
    purpose
        What the score is for.
    """

    name: str
    points: FloatArray
    flagged: BoolArray
    purpose: str = LOW_BMD_SCREEN

    def to_frame(self) -> pd.DataFrame:
        """Return one row per person."""
        return pd.DataFrame(
            {
                "term": self.name,
                "estimate": self.points,
                "flagged": self.flagged,
                "purpose": self.purpose,
            }
        )


def ost(age: Any, weight: Any, *, threshold: float = 2.0) -> PointScore:
    """Osteoporosis Self-assessment Tool: 0.2 (weight - age), cut to whole numbers.

    Parameters
    ----------
    age, weight
        Years and kg, shape (n,).
    threshold
        Points below it are flagged (2 in white women; see :func:`osta`).

    References
    ----------
    Geusens P et al. Mayo Clin Proc 2002;77:629-637.
    """
    return _weight_minus_age(age, weight, threshold=threshold, name="OST")


def osta(age: Any, weight: Any) -> PointScore:
    """OST for Asians: the same points, flagged below -1.

    References
    ----------
    Koh LK et al. Osteoporos Int 2001;12:699-705.
    """
    return _weight_minus_age(age, weight, threshold=-1.0, name="OSTA")


def _weight_minus_age(age: Any, weight: Any, *, threshold: float, name: str) -> PointScore:
    years = number_column(age, "age")
    mass = number_column(weight, "weight", length=years.size)
    # Rounding first keeps 0.2 * 5 from becoming 0.9999 and then 0.
    points = np.trunc(np.round(0.2 * (mass - years), 9))
    return PointScore(name, points, points < threshold)


def orai(age: Any, weight: Any, estrogen: Any) -> PointScore:
    """Osteoporosis Risk Assessment Instrument, for women of 45 and over; 9 or more flags.

    Parameters
    ----------
    age, weight
        Years and kg, shape (n,).
    estrogen
        Whether now taking oestrogen, 0/1.

    References
    ----------
    Cadarette SM et al. CMAJ 2000;162:1289-1294.
    """
    years = number_column(age, "age")
    mass = number_column(weight, "weight", length=years.size)
    taking = number_column(estrogen, "estrogen", length=years.size)
    by_age = np.select([years >= 75, years >= 65, years >= 55], [15.0, 9.0, 5.0], 0.0)
    by_weight = np.select([mass < 60, mass < 70], [9.0, 3.0], 0.0)
    points = by_age + by_weight + np.where(taking == 0, 2.0, 0.0)
    return PointScore("ORAI", points, points >= 9)


def score_points(
    age: Any, weight: Any, *, black: Any, rheumatoid_arthritis: Any, fractures: Any, estrogen: Any
) -> PointScore:
    """SCORE, for women after the menopause: 6 or more flags.

    Parameters
    ----------
    age, weight
        Years and kg, shape (n,).
    black, rheumatoid_arthritis, estrogen
        Whether black, with rheumatoid arthritis, ever on oestrogen, 0/1.
    fractures
        How many of wrist, rib and hip broke without trauma after 45 (0 to 3).

    References
    ----------
    Lydick E et al. Am J Manag Care 1998;4:37-48.
    """
    years = number_column(age, "age")
    columns = {"weight": weight, "black": black, "rheumatoid_arthritis": rheumatoid_arthritis,
               "fractures": fractures, "estrogen": estrogen}  # fmt: skip
    known = {k: number_column(v, k, length=years.size) for k, v in columns.items()}
    points = (
        5.0 * (known["black"] == 0)
        + 4.0 * (known["rheumatoid_arthritis"] == 1)
        + 4.0 * np.clip(known["fractures"], 0, 3)
        + 3.0 * np.floor(years / 10)
        + 1.0 * (known["estrogen"] == 0)
        - np.floor(np.round(known["weight"] / _POUND, 6) / 10)
    )
    return PointScore("SCORE", points, points >= 6)


def abone(age: Any, weight: Any, estrogen: Any) -> PointScore:
    """ABONE (age, bulk, one never on oestrogen), for women after the menopause; 2 or more flags.

    Parameters
    ----------
    age, weight
        Years and kg, shape (n,).
    estrogen
        Whether ever on oestrogen for six months, 0/1.

    References
    ----------
    Weinstein L, Ullery B. Am J Obstet Gynecol 2000;183:547-549.
    """
    years = number_column(age, "age")
    mass = number_column(weight, "weight", length=years.size)
    taken = number_column(estrogen, "estrogen", length=years.size)
    points = 1.0 * (years > 65) + 1.0 * (mass < 140 * _POUND) + 1.0 * (taken == 0)
    return PointScore("ABONE", points, points >= 2)


def fracture_index(
    age: Any,
    weight: Any,
    *,
    prior_fracture: Any,
    maternal_hip_fracture: Any,
    smoking: Any,
    rises_with_arms: Any,
    hip_t_score: Any = None,
) -> PointScore:
    """Fracture index of the Study of Osteoporotic Fractures, for women of 65 and over.

    Parameters
    ----------
    age, weight
        Years and kg, shape (n,).
    prior_fracture, maternal_hip_fracture, smoking, rises_with_arms
        A fracture after 50, the mother's hip fracture after 50, smoking now, needing the arms
        to stand up from a chair; 0/1.
    hip_t_score
        T-score of the total hip. Without it 4 points or more flag, with it 6 or more.

    References
    ----------
    Black DM et al. Osteoporos Int 2001;12:519-528.
    """
    years = number_column(age, "age")
    columns = {"weight": weight, "prior_fracture": prior_fracture,
               "maternal_hip_fracture": maternal_hip_fracture, "smoking": smoking,
               "rises_with_arms": rises_with_arms}  # fmt: skip
    known = {k: number_column(v, k, length=years.size) for k, v in columns.items()}
    points = np.clip(np.floor(years / 5) - 12, 0, 5) + 1.0 * (known["weight"] <= 125 * _POUND)
    for name in ("prior_fracture", "maternal_hip_fracture", "smoking"):
        points = points + 1.0 * (known[name] == 1)
    points = points + 2.0 * (known["rises_with_arms"] == 1)
    enough = 4
    if hip_t_score is not None:
        t = number_column(hip_t_score, "hip_t_score", length=years.size)
        points = points + np.select([t >= -1, t >= -2, t >= -2.5], [0.0, 2.0, 3.0], 4.0)
        enough = 6
    return PointScore("SOF fracture index", points, points >= enough, FRACTURE_POINTS)


def frax_table(visits: pd.DataFrame, sex: Any, *, country: int, score_unit: str) -> pd.DataFrame:
    """Lay visits out as the 13 columns of FRAX's bulk table.

    Unknown risk factors become 0 ("no"), as that tool asks of its users: count them
    first and say so. Unknown femoral neck density stays empty.

    Parameters
    ----------
    visits
        Columns age, bmi, bmd_femoral_neck and the risk factors of the visits table.
    sex
        "F" or "M" per row.
    country
        FRAX's number of the country model.
    score_unit
        FRAX's letter for the densitometer or "T" for T-scores, as its manual lists them.

    Raises
    ------
    StatisticsError
        SC-604 where age or body mass index is missing; SC-611 where age lies outside 40-90.
    """
    age = number_column(visits["age"], "age")
    if np.any((age < 40) | (age > 90)):
        raise error("SC-611", expected="ages 40-90", got=f"{age.min():g} to {age.max():g}",
                    where="age")  # fmt: skip
    rows = pd.DataFrame(
        {
            "score_unit": score_unit,
            "country": country,
            "age": age,
            "sex": np.asarray(sex, dtype=str),
            "bmi": number_column(visits["bmi"], "bmi"),
        }
    )
    for column, source in FRAX_SOURCES.items():
        rows[column] = visits[source].fillna(0).to_numpy().astype(int)
    rows["femoral_neck_bmd"] = visits["bmd_femoral_neck"].to_numpy()
    return rows[list(FRAX_COLUMNS)]


def write_frax_table(target: Path, rows: pd.DataFrame) -> None:
    """Write the 13 columns without a header, empty where density is unknown."""
    if tuple(rows.columns) != FRAX_COLUMNS:
        raise error("SC-606", expected="the 13 columns of FRAX_COLUMNS", got=str(list(rows)))
    write_text(target, rows.to_csv(index=False, header=False, lineterminator="\n"))


def read_frax_table(source: Path) -> pd.DataFrame:
    """Read the 13 columns, and the two results (percent) where the tool has added them.

    Raises
    ------
    StatisticsError
        SC-606 for another number of columns, SC-604 for results outside 0-100.
    """
    text = source.read_text(encoding="utf-8-sig")
    rows = pd.read_csv(io.StringIO(text), header=None)
    names = (*FRAX_COLUMNS, *FRAX_RESULTS)
    if rows.shape[1] not in (len(FRAX_COLUMNS), len(names)):
        raise error("SC-606", expected="13 or 15 columns", got=str(rows.shape[1]),
                    where=str(source))  # fmt: skip
    rows.columns = list(names[: rows.shape[1]])
    results = rows[[c for c in FRAX_RESULTS if c in rows]].to_numpy(dtype=np.float64)
    if np.any((results < 0) | (results > 100)):
        raise error("SC-604", expected="percentages", got="others", where=str(source))
    return rows
