"""Radiologists' findings: what was reported, and what was there.

Only films read as fractured carry graded fractures; a reader misses some of several, sees
the height loss with error, and now and then grades a vertebra that is whole.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spinecast.seeds import generator
from spinecast.simulation.causes import Causes, trajectory
from spinecast.simulation.fractures import Course
from spinecast.simulation.population import VISITS, Dice, Floats, person_id
from spinecast.simulation.spine_state import LEVELS, genant_grade

REPORTED = 0.80
"""Chance that one of several fractures is reported with its level."""

GRADING_ERROR = 0.035
"""SD of the reader's error in the fraction of height lost."""

SETTLING = 0.15
"""Share of the height loss that comes in the years after the break, not at once."""

_OTHERS = {
    "osteophytes": ("osteophytes", 0.55, 1),
    "aortic_calcification": ("aortic_calcification", 0.45, 1),
    "disc_space_narrowing": ("disc_height", 0.72, -1),
    "hyperkyphosis": ("kyphosis", 55.0, 1),
}
_OTHERS_REPORTED = 0.60


def settled_loss(loss: Floats, since: Floats) -> Floats:
    """Return the fraction of height lost ``since`` years after the break; ``loss`` in the end."""
    return loss * (1.0 - SETTLING * np.exp(-np.maximum(since, 0.0) / 1.5))


def true_fractures(course: Course, dice: Dice, *, years: Floats) -> pd.DataFrame:
    """Return every deformed vertebra at every visit: the truth behind the findings.

    Parameters
    ----------
    course, dice
        Of the same n people.
    years
        Visits, (visits, n), NaN where none.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``visit``, ``finding``, ``region``, ``severity`` (Genant grade),
        ``loss``, ``shape`` (position in FRACTURE_SHAPES).
    """
    rows = []
    for visit in range(VISITS):
        since = years[visit] - course.vertebral
        turns, columns = np.nonzero(np.nan_to_num(since, nan=-1.0, neginf=-1.0) >= 0.0)
        loss = settled_loss(course.vertebral_loss[turns, columns], since[turns, columns])
        rows.append(
            pd.DataFrame(
                {
                    "column": columns,
                    "visit": visit,
                    "level": course.vertebral_level[turns, columns],
                    "shape": course.vertebral_shape[turns, columns],
                    "loss": loss,
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame = frame.sort_values(["column", "visit", "level"], kind="stable")
    return pd.DataFrame(
        {
            "person_id": [person_id(dice.numbers[column]) for column in frame["column"]],
            "visit": frame["visit"].to_numpy(),
            "finding": "vertebral_fracture",
            "region": [LEVELS[level] for level in frame["level"]],
            "severity": [float(genant_grade(loss)) for loss in frame["loss"]],
            "loss": frame["loss"].to_numpy(),
            "shape": frame["shape"].to_numpy(),
        }
    )


def report_findings(
    seed: int, dice: Dice, causes: Causes, *, true: pd.DataFrame, visits: pd.DataFrame
) -> pd.DataFrame:
    """Return the findings table as reported.

    Parameters
    ----------
    seed
        The world's seed.
    dice, causes
        Of everybody in ``visits``.
    true
        From :func:`true_fractures`.
    visits
        The visits table with the reading ``prevalent_vf``.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``visit``, ``finding``, ``region``, ``severity``.
    """
    present = dict(tuple(true.groupby(["person_id", "visit"], sort=False)))
    numbers = {person_id(number): number for number in dice.numbers}
    read = visits.loc[visits["prevalent_vf"] == 1.0, ["person_id", "visit"]]
    rows: list[tuple[str, int, str, str, float]] = []
    for person, visit in read.itertuples(index=False):
        rng = generator(seed, "simulation", "findings", numbers[person], int(visit))
        there = present.get((person, visit))
        rows.extend(_graded(rng, there, person=person, visit=int(visit)))
    columns = ["person_id", "visit", "finding", "region", "severity"]
    graded = pd.DataFrame(rows, columns=columns)
    others = _other_findings(seed, dice, causes, visits=visits)
    table = pd.concat([graded, others], ignore_index=True)
    return table.sort_values(["person_id", "visit"], kind="stable", ignore_index=True)


def _graded(
    rng: np.random.Generator, there: pd.DataFrame | None, *, person: str, visit: int
) -> list[tuple[str, int, str, str, float]]:
    if there is None:
        level = LEVELS[int(rng.integers(3, 12))]
        return [(person, visit, "vertebral_fracture", level, 1.0)]
    seen = there["loss"].to_numpy() + GRADING_ERROR * rng.standard_normal(len(there))
    reported = rng.random(len(there)) < REPORTED
    reported[int(np.argmax(seen))] = True
    return [
        (person, visit, "vertebral_fracture", str(level), float(max(genant_grade(loss), 1)))
        for level, loss, said in zip(there["region"], seen, reported, strict=True)
        if said
    ]


def _other_findings(seed: int, dice: Dice, causes: Causes, *, visits: pd.DataFrame) -> pd.DataFrame:
    column = {person_id(number): place for place, number in enumerate(dice.numbers)}
    places = visits["person_id"].map(column).to_numpy()
    chance = np.stack(
        [
            generator(seed, "simulation", "reports", number).random((VISITS, len(_OTHERS)))
            for number in dice.numbers
        ]
    )[places, visits["visit"].to_numpy()]
    chosen = Causes({name: value[places] for name, value in causes.rows.items()})
    state = trajectory(chosen, visits["age"].to_numpy())
    frames = []
    for position, (finding, (name, cut, sign)) in enumerate(_OTHERS.items()):
        said = (sign * (state[name] - cut) > 0.0) & (chance[:, position] < _OTHERS_REPORTED)
        frame = visits.loc[said, ["person_id", "visit"]].copy()
        frames.append(frame.assign(finding=finding, region="", severity=np.nan))
    return pd.concat(frames, ignore_index=True)
