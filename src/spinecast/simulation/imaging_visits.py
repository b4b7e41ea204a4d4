"""Volunteers who come to be scanned: who they are, when they come, what gets measured.

In the manner of UK Biobank's imaging visits (Littlejohns et al., Nat Commun 2020;11:2624):
women and men in equal parts, aged 45 to 82, one visit for all and another two to ten years
later for six in ten. Stature, weight and the size of L1 to L4 follow
:mod:`spinecast.simulation.morphometry`; all else follows ``causes``, with the same dice.

Age reaches neither stature nor weight here, and nobody loses bone at a pace of their own,
because the published graph has no such arrows: what a person's noise is, it is at every age.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from spinecast.seeds import generator
from spinecast.simulation.causes import EQUATIONS, Causes, Equation
from spinecast.simulation.fractures import Course
from spinecast.simulation.morphometry import (
    MORPHOMETRY,
    NOISE,
    SCALES,
    SHARE_OF_MEN,
    causes_of,
    standardised,
    structural,
)
from spinecast.simulation.population import VISITS, Dice, Floats
from spinecast.simulation.records import in_days
from spinecast.simulation.schedule import FIRST_DAY, LAST_DAY, Schedule

# Parent of the normal distribution that, cut to 45..82, has mean 64.2 and SD 7.6.
_AGE_CENTRE, _AGE_SPREAD, _AGE_LOW, _AGE_HIGH = 64.322, 8.242, 45.0, 82.0

INDEX_DAYS = 4 * 365
"""First visits fall into so many days, so that records of the last go on for eleven years."""

RETURN = 0.73
"""Share of people invited again; some have died or left the records by then."""

SOONEST, LATEST = 2.0, 10.0
"""Years to the second visit."""

PRECISION: Mapping[str, float] = MappingProxyType(
    {"lumbar_width": 0.0075, "lumbar_height": 0.0075, "lumbar_area": 0.0015, "bmd_spine": 0.012}
)
"""Coefficients of variation of one measurement by themselves. The device reads the area
between the edges and the lines it measures width and height by, so their errors add to the
area's own: 1.07 % in all. Of the size of short-term precision in scans of older people
(lumbar BMD 1.2 %: Shepherd et al., J Clin Densitom 2006;9:31; area about 1 %); ours."""


def _demography(dice: Dice, _: dict[str, Floats]) -> dict[str, Floats]:
    low = ndtr((_AGE_LOW - _AGE_CENTRE) / _AGE_SPREAD)
    high = ndtr((_AGE_HIGH - _AGE_CENTRE) / _AGE_SPREAD)
    age = _AGE_CENTRE + _AGE_SPREAD * ndtri(low + (high - low) * dice.uniforms["age"])
    return {
        "female": (dice.uniforms["sex"] < 1.0 - SHARE_OF_MEN).astype(float),
        "baseline_age": np.round(np.clip(age, _AGE_LOW, _AGE_HIGH) * 365.25) / 365.25,
        "european": (dice.uniforms["ancestry"] < 0.97).astype(float),
        "activity": dice.normals["activity"],
    }


def _stature(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    noise = 0.35 * dice.normals["polygenic_size"] + 0.9367 * dice.normals["height"]
    height = structural("height", {"sex": 1.0 - known["female"]}, noise)
    return {"height_at_baseline": height, "height_loss": np.zeros(len(dice))}


def _weight(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    normal = 0.515 * dice.normals["polygenic_weight"] + 0.8572 * dice.normals["body_mass"]
    parents = {"sex": 1.0 - known["female"], "height": known["height_at_baseline"]}
    return {"weight_at_baseline": structural("weight", parents, skewed(normal))}


def _body(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    height, weight = known["height_at_baseline"], known["weight_at_baseline"]
    bmi = weight / (height / 100.0) ** 2
    # Heavier than others of the sex: what loads the bone, as in the hospital cohort.
    total = causes_of("weight")["sex"] + causes_of("weight")["height"] * causes_of("height")["sex"]
    men = 1.0 - known["female"] - SHARE_OF_MEN
    within = np.sqrt(1.0 - total**2 * SHARE_OF_MEN * (1.0 - SHARE_OF_MEN))
    lumbar = {f"{name}_noise": dice.normals[name] for name in MORPHOMETRY}
    return {
        "body_mass_z": (standardised("weight", weight) - total * men) / within,
        "bmi_at_baseline": bmi,
        "weight_slope": np.zeros(len(dice)),
        "vertebra_size": np.clip(1.0 + 0.020 * dice.normals["size"], 0.80, 1.22),
        **lumbar,
    }


def _bone(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    return {**EQUATIONS["bone"](dice, known), "bone_slope": np.zeros(len(dice))}


VOLUNTEERS: Mapping[str, Equation] = MappingProxyType(
    {
        "polygenic": EQUATIONS["polygenic"],
        "demography": _demography,
        "habits": EQUATIONS["habits"],
        "conditions": EQUATIONS["conditions"],
        "ageing": EQUATIONS["ageing"],
        "stature": _stature,
        "weight": _weight,
        "body": _body,
        "bone": _bone,
        "tissue": EQUATIONS["tissue"],
    }
)
"""The equations of this population, in causal order."""


def skewed(normal: Floats, shape: float = 0.35) -> Floats:
    """Bend standard normal values into a long right tail, as body weight has; variance 1."""
    variance = np.exp(shape**2)
    bent: Floats = (np.exp(shape * normal) - np.sqrt(variance)) / np.sqrt(variance**2 - variance)
    return bent


def lumbar_course(
    causes: Causes, age: Floats, *, do: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Floats]:
    """Return the true size of L1 to L4 at an age.

    Parameters
    ----------
    causes
        Of volunteers, (n,).
    age
        Years, (n,) or (visits, n).
    do
        Values of ``lumbar_width``, ``lumbar_height`` (mm) or ``lumbar_area`` (cm2) to set;
        what follows from them is computed anew.

    Returns
    -------
    dict
        ``lumbar_width``, ``lumbar_height``, ``lumbar_area``, shaped like ``age``.
    """
    known: dict[str, Floats] = {
        "sex": 1.0 - causes["female"],
        "age": age,
        "height": causes["height_at_baseline"],
    }
    for name in MORPHOMETRY:
        value = structural(name, known, causes[f"{name}_noise"])
        known[name] = np.full_like(value, float(do[name])) if name in do else value
    return {name: np.broadcast_to(known[name], age.shape) for name in MORPHOMETRY}


def plan_imaging_visits(seed: int, dice: Dice, *, course: Course) -> Schedule:
    """Plan one or two imaging visits of everybody in ``dice``.

    Parameters
    ----------
    seed
        The world's seed.
    dice, course
        Of the same n people.
    """
    baseline_day = np.floor(dice.uniforms["calendar"] * INDEX_DAYS).astype(np.int64)
    linked = ((LAST_DAY - FIRST_DAY).days - baseline_day) / 365.25
    end = in_days(np.minimum(linked, course.drop_out))
    last = np.minimum(end, course.death)
    chance = np.array([_visit_dice(seed, number) for number in dice.numbers]).reshape(-1, 2).T
    again = np.round((SOONEST + (LATEST - SOONEST) * chance[1]) * 365.25) / 365.25
    years = np.full((VISITS, len(dice)), np.nan)
    years[0] = 0.0
    years[1] = np.where((chance[0] < RETURN) & (again < last), again, np.nan)
    return Schedule(baseline_day=baseline_day, end=end, years=years)


def _visit_dice(seed: int, number: int) -> Floats:
    return generator(seed, "simulation", "imaging visits", number).random(2)


def measure(
    seed: int, numbers: tuple[int, ...], *, true: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return what the densitometer reads at each visit.

    Parameters
    ----------
    seed, numbers
        Name the dice of n people.
    true
        ``bmd_spine`` and the true size of L1 to L4, (visits, n) each.

    Returns
    -------
    dict
        The same with measurement error (:data:`PRECISION`), rounded as software prints it.
    """
    normals = np.empty((len(PRECISION), VISITS, len(numbers)))
    for column, number in enumerate(numbers):
        stream = generator(seed, "simulation", "densitometry", number)
        normals[:, :, column] = stream.standard_normal((VISITS, len(PRECISION))).T
    error = {
        name: PRECISION[name] * normal for name, normal in zip(PRECISION, normals, strict=True)
    }
    error["lumbar_area"] = np.sum([error[name] for name in MORPHOMETRY], axis=0)
    digits = {"bmd_spine": 3}
    return {
        name: np.round(value * (1.0 + error[name]), digits.get(name, 2))
        for name, value in true.items()
    }


def measurement_errors() -> dict[str, float]:
    """Return the standard deviation of one measurement's error at the population's mean.

    Returns
    -------
    dict
        ``lumbar_width`` and ``lumbar_height`` in mm, ``lumbar_area`` in cm2; ``bmd_spine``
        as a fraction of the density itself.
    """
    parts = [PRECISION[name] for name in MORPHOMETRY]
    relative = {**PRECISION, "lumbar_area": float(np.sqrt(np.sum(np.square(parts))))}
    sized = {name: relative[name] * SCALES[name][0] for name in MORPHOMETRY}
    return {**sized, "bmd_spine": relative["bmd_spine"]}


def noise_of(causes: Causes) -> dict[str, Floats]:
    """Return each person's noise of the structural equations, in SD of the noise."""
    sex = 1.0 - causes["female"]
    known = {"sex": sex, "height": causes["height_at_baseline"]}
    found = {}
    for name, value in (("height", known["height"]), ("weight", causes["weight_at_baseline"])):
        expected = structural(name, known, np.zeros_like(sex))
        found[name] = (value - expected) / (SCALES[name][1] * NOISE[name])
    return {**found, **{name: causes[f"{name}_noise"] for name in MORPHOMETRY}}
