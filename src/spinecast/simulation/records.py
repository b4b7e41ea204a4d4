"""What the records of a hospital know of these people: less than the truth, and with error.

Readers over- and underlook fractures, clinical history is underreported, bone density was
measured in fewer than half, habits were often not asked. Nothing here acts back on a
person: the same life can be recorded well or badly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from spinecast.seeds import generator
from spinecast.simulation.causes import Causes, trajectory
from spinecast.simulation.fractures import Course
from spinecast.simulation.population import VISITS, Floats
from spinecast.simulation.spine_state import GENANT_CUTS

Bools = NDArray[np.bool_]

READER_SENSITIVITY = 0.93
READER_SPECIFICITY = 0.97
"""Of the reading ``prevalent_vf`` (algorithm-based qualitative reading, one reader)."""

YOUNG_WOMEN = {
    "bmd_spine": (1.047, 0.110),
    "bmd_femoral_neck": (0.858, 0.120),
    "bmd_total_hip": (0.942, 0.122),
}
"""Mean and SD (g/cm2) that T-scores refer to, in both sexes as WHO and ISCD advise: NHANES III
for the hip (Looker 1998), Hologic's reference for L1 to L4."""

# Share of the truly positive that the record says yes for, and share not recorded at all.
_REPORTED = {
    "glucocorticoids": (0.85, 0.02),
    "prior_fracture": (0.31, 0.02),
    "rheumatoid_arthritis": (0.88, 0.02),
    "secondary_osteoporosis": (0.75, 0.02),
    "smoking": (0.80, 0.18),
    "alcohol": (0.65, 0.22),
    "parental_hip_fracture": (0.70, 0.30),
}

_NORMALS = ("bmd_spine", "bmd_femoral_neck", "bmd_total_hip", "height", "weight", "frax")
_UNIFORMS = ("reading", "densitometry", "height", "finding", "severe", "cancer")


@dataclass(frozen=True)
class RecordDice:
    """Chance in what gets written down: by name, (n,) a person and (visits, n) a visit."""

    person: dict[str, Floats]
    normals: dict[str, Floats]
    uniforms: dict[str, Floats]


def draw_record_dice(seed: int, numbers: tuple[int, ...]) -> RecordDice:
    """Draw the dice of the records of the people ``numbers``."""
    names = [*_REPORTED, *(f"{name}_unknown" for name in _REPORTED), "densitometry"]
    person = np.empty((len(names), len(numbers)))
    normals = np.empty((len(_NORMALS), VISITS, len(numbers)))
    uniforms = np.empty((len(_UNIFORMS), VISITS, len(numbers)))
    for column, number in enumerate(numbers):
        stream = generator(seed, "simulation", "records", number)
        person[:, column] = stream.random(len(names))
        normals[:, :, column] = stream.standard_normal((VISITS, len(_NORMALS))).T
        uniforms[:, :, column] = stream.random((VISITS, len(_UNIFORMS))).T
    return RecordDice(
        person=dict(zip(names, person, strict=True)),
        normals=dict(zip(_NORMALS, normals, strict=True)),
        uniforms=dict(zip(_UNIFORMS, uniforms, strict=True)),
    )


def record_visits(
    causes: Causes,
    course: Course,
    dice: RecordDice,
    *,
    years: Floats,
    bmd_known: float,
) -> dict[str, Floats]:
    """Write the visit records of everybody.

    Parameters
    ----------
    causes, course, dice
        Of the same n people.
    years
        Times of the visits since baseline, (visits, n); NaN where none took place.
    bmd_known
        Share of people with densitometry.

    Returns
    -------
    dict
        Columns of the visits table, each (visits, n); 0/1 as floats, NaN where unknown.
    """
    at = np.nan_to_num(years)
    age = causes["baseline_age"] + at
    state = trajectory(causes, age)
    height = state["height"] + 0.7 * dice.normals["height"]
    weight = state["weight"] + 0.8 * dice.normals["weight"]
    unmeasured = dice.uniforms["height"] < 0.02
    height = np.where(unmeasured, np.nan, np.round(height, 1))
    columns: dict[str, Floats] = {
        "years_since_baseline": years,
        "age": age,
        "height": height,
        "weight": np.round(weight, 1),
        "bmi": np.round(weight / (height / 100.0) ** 2, 2),
        "prevalent_vf": read_fractures(course, at, dice=dice),
        **_record_history(causes, course, at, dice=dice),
        **_record_density(causes, state, dice, bmd_known=bmd_known),
    }
    columns["frax_mof"] = simulated_fracture_probability(columns, causes, dice=dice)
    columns["cancer_within_1_year"] = (dice.uniforms["cancer"] < 0.008).astype(float)
    stiff = (state["kyphosis"] > 75.0) & (dice.uniforms["severe"] < 0.8)
    columns["severe_deformity"] = stiff.astype(float)
    return columns


def read_fractures(course: Course, years: Floats, *, dice: RecordDice) -> Floats:
    """Return the reader's verdict on a vertebral fracture at each visit, (visits, n)."""
    present = np.stack([course.count_vertebral(at) > 0 for at in years])
    yes = np.where(present, READER_SENSITIVITY, 1.0 - READER_SPECIFICITY)
    return (dice.uniforms["reading"] < yes).astype(float)


def _record_history(
    causes: Causes, course: Course, years: Floats, *, dice: RecordDice
) -> dict[str, Floats]:
    age = causes["baseline_age"] + years
    taking = (causes["glucocorticoids"] > 0.5) & (age >= causes["glucocorticoids_onset"])
    broken = np.stack(
        [(course.count_vertebral(at) + course.count_non_vertebral(at)) > 0 for at in years]
    )
    true: dict[str, Bools] = {"glucocorticoids": taking, "prior_fracture": broken}
    for name in _REPORTED:
        if name not in true:
            true[name] = np.broadcast_to(causes[name] > 0.5, years.shape)
    recorded: dict[str, Floats] = {}
    for name, (share, unknown) in _REPORTED.items():
        said = true[name] & (dice.person[name] < share)
        missing = np.broadcast_to(dice.person[f"{name}_unknown"] < unknown, years.shape)
        recorded[name] = np.where(missing, np.nan, said.astype(float))
    return recorded


def _record_density(
    causes: Causes, state: dict[str, Floats], dice: RecordDice, *, bmd_known: float
) -> dict[str, Floats]:
    # Women and the old are sent to densitometry more often; at follow-up visits fewer are.
    odds = np.log(bmd_known / (1.0 - bmd_known)) - 0.45 + 0.60 * causes["female"]
    odds = odds + 0.02 * (causes["baseline_age"] - 65.7)
    person = dice.person["densitometry"] < expit(odds)
    first = np.arange(VISITS)[:, None] == 0
    measured = person & (first | (dice.uniforms["densitometry"] < 0.6))
    columns: dict[str, Floats] = {}
    for site in YOUNG_WOMEN:
        value = np.round(state[site] + 0.012 * dice.normals[site], 3)
        columns[site] = np.where(measured, value, np.nan)
    scores = {name: t_score(columns[name], site=name) for name in YOUNG_WOMEN}
    lowest = np.minimum.reduce(list(scores.values()))
    columns["t_score_femoral_neck"] = np.round(scores["bmd_femoral_neck"], 2)
    columns["osteoporosis"] = np.where(measured, (lowest <= -2.5).astype(float), np.nan)
    return columns


def t_score(bmd: Floats, *, site: str) -> Floats:
    """Return T-scores of densities (g/cm2) at ``site``, a key of :data:`YOUNG_WOMEN`."""
    mean, spread = YOUNG_WOMEN[site]
    return (bmd - mean) / spread


def simulated_fracture_probability(
    columns: dict[str, Floats], causes: Causes, *, dice: RecordDice
) -> Floats:
    """Return a made-up ten-year fracture probability in percent. It is NOT FRAX.

    FRAX is not public and is never computed here. This stands in its column so that
    comparisons can be rehearsed: a noisy increasing function of the same clinical risk
    factors as *recorded* (unknown counts as no, unknown density as the mean for age).

    Parameters
    ----------
    columns
        Visit records so far, (visits, n) each.
    causes
        For sex.
    dice
        For the noise.

    Returns
    -------
    ndarray
        Percent, 2 to 45, one decimal; NaN where height was not measured.
    """
    female = causes["female"]
    decades = (columns["age"] - 65.7) / 10.0
    density = columns["t_score_femoral_neck"]
    density = np.where(np.isnan(density), -1.75 - 0.45 * decades, density)
    said = {name: np.nan_to_num(columns[name]) for name in _REPORTED}
    log_odds = (
        -3.15
        + 0.60 * female
        + 0.30 * decades
        - 0.015 * (columns["bmi"] - 24.0)
        - 0.38 * (density + 1.75)
        + 0.70 * said["prior_fracture"]
        + 0.45 * said["parental_hip_fracture"]
        + 0.15 * said["smoking"]
        + 0.50 * said["glucocorticoids"]
        + 0.25 * said["rheumatoid_arthritis"]
        + 0.20 * said["secondary_osteoporosis"]
        + 0.20 * said["alcohol"]
        + 0.12 * dice.normals["frax"]
    )
    return np.round(100.0 * np.clip(expit(log_odds), 0.02, 0.45), 1)


def visits_table(people: list[str], columns: dict[str, Floats]) -> pd.DataFrame:
    """Lay the columns of :func:`record_visits` out as the visits table, one row a visit."""
    happened = ~np.isnan(columns["years_since_baseline"])
    person = np.repeat(np.asarray(people, dtype=object), VISITS)
    order = happened.T.ravel()
    frame = pd.DataFrame({name: value.T.ravel()[order] for name, value in columns.items()})
    # Visits are numbered as they took place.
    number = (np.cumsum(happened, axis=0) - 1).T.ravel()[order]
    frame.insert(0, "visit", number.astype(np.int64))
    frame.insert(0, "person_id", person[order])
    return frame


def events_table(people: list[str], course: Course, *, end: Floats) -> pd.DataFrame:
    """Return the events table: first events after baseline until the records end.

    Parameters
    ----------
    people
        Ids, (n,).
    course
        What happened.
    end
        Years since baseline at which the records of each person end if nobody dies, (n,).
    """
    vertebral = course.first_after_baseline("vertebral")
    elsewhere = course.first_after_baseline("non_vertebral")
    times = {
        "vertebral_fracture": vertebral,
        "non_vertebral_fracture": elsewhere,
        "any_fracture": np.minimum(vertebral, elsewhere),
        "death": course.death,
    }
    frames = []
    for endpoint, time in times.items():
        last = np.minimum(end, course.death)
        event = np.where(time <= last, 1, np.where(course.death <= end, 2, 0))
        frames.append(
            pd.DataFrame(
                {
                    "person_id": people,
                    "endpoint": endpoint,
                    "event": event.astype(np.int64),
                    "duration": in_days(np.minimum(time, last)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def in_days(years: Floats) -> Floats:
    """Round years up to whole days, at least one, as dates in records do."""
    return np.maximum(np.ceil(years * 365.25), 1.0) / 365.25


def grade_of(loss: Floats) -> NDArray[np.int64]:
    """Return Genant grades of fractions of height lost."""
    return np.sum([loss >= cut for cut in GENANT_CUTS], axis=0)
