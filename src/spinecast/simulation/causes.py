"""Structural equations: what makes a person's spine what it is, at any age.

``draw_causes`` fixes what does not change (or is known for the whole life), and
``trajectory`` carries it through time. Both are deterministic, smooth in age and work on
whole rows of people. An intervention replaces a cause before anything below it is computed.

Directions and sizes: means and spreads of bone density from the S2 hospital cohort (Cho
2023), slopes with age by sex so that correlations follow Kim & Kim, PLOS ONE 2022; the
loss after menopause, the flattening gain with weight, and the effects of glucocorticoids,
smoking and arthritis have published directions and round sizes of our choosing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import expit, ndtr, ndtri

from spinecast.simulation.population import Dice, Floats

MEAN_AGE = 65.7
"""Mean age at baseline (S2 table 1), the pivot of every age effect."""

# Parent of the normal distribution that, cut to 50..90, has mean 65.7 and SD 8.5.
_AGE_CENTRE, _AGE_SPREAD, _AGE_LOW, _AGE_HIGH = 64.245, 10.0934, 50.0, 90.0

PATHOLOGICAL_SHARE = 0.03
"""Share of people in the planted cluster of stiff, overgrown spines (as in DISH)."""

REFERENCE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "bmd_spine": (0.895, 0.195),
        "trabecular": (0.785, 0.14),
        "kyphosis": (40.5, 9.0),
        "disc_height": (0.80, 0.08),
        "muscle": (1.0, 0.15),
    }
)
"""Mean and spread by which the hazard measures the state."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})

Equation = Callable[[Dice, dict[str, Floats]], dict[str, Floats]]
"""From the dice and the causes so far to some more causes."""


@dataclass(frozen=True)
class Causes:
    """What is fixed in the lives of some people: rows by name, each (n,).

    Parameters
    ----------
    rows
        Causes by name; ``female``, ``smoking`` and the like are 0 or 1.
    """

    rows: dict[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        return self.rows[name]


def draw_causes(
    dice: Dice,
    *,
    do: Mapping[str, Any] = _NOTHING,
    equations: Mapping[str, Equation] | None = None,
) -> Causes:
    """Compute the fixed causes of everybody in ``dice``.

    Parameters
    ----------
    dice
        See :func:`spinecast.simulation.population.draw_dice`.
    do
        Interventions: cause name -> value, applied before the effects of that cause.
    equations
        In causal order; :data:`EQUATIONS` where None.
    """
    values: dict[str, Floats] = {}
    for equation in (equations or EQUATIONS).values():
        for name, value in equation(dice, values).items():
            fixed = do.get(name)
            values[name] = value if fixed is None else np.full(len(dice), float(fixed))
    return Causes(values)


def _polygenic(dice: Dice, _: dict[str, Floats]) -> dict[str, Floats]:
    # Where a preset has genomes, these dice are dosages times betas (see genetic_dice).
    return {
        name: dice.normals[name]
        for name in ("polygenic_bmd", "polygenic_size", "polygenic_disc", "polygenic_weight")
    }


def _demography(dice: Dice, _: dict[str, Floats]) -> dict[str, Floats]:
    low = ndtr((_AGE_LOW - _AGE_CENTRE) / _AGE_SPREAD)
    high = ndtr((_AGE_HIGH - _AGE_CENTRE) / _AGE_SPREAD)
    age = _AGE_CENTRE + _AGE_SPREAD * ndtri(low + (high - low) * dice.uniforms["age"])
    return {
        "female": (dice.uniforms["sex"] < 0.66).astype(float),
        # Whole days, because records know dates.
        "baseline_age": np.round(np.clip(age, _AGE_LOW, _AGE_HIGH) * 365.25) / 365.25,
        "european": (dice.uniforms["ancestry"] < 0.12).astype(float),
        "activity": dice.normals["activity"],
    }


def _habits(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    female = known["female"]
    return {
        "smoking": (dice.uniforms["smoking"] < 0.25 - 0.20 * female).astype(float),
        "alcohol": (dice.uniforms["alcohol"] < 0.20 - 0.17 * female).astype(float),
    }


def _conditions(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    uniform = dice.uniforms
    arthritis = (uniform["arthritis"] < 0.015 + 0.024 * known["female"]).astype(float)
    steroids = (uniform["steroids"] < 0.10 + 0.40 * arthritis).astype(float)
    parent = expit(-2.9 - 0.35 * known["polygenic_bmd"])
    return {
        "rheumatoid_arthritis": arthritis,
        "secondary_osteoporosis": (uniform["secondary"] < 0.026).astype(float),
        "parental_hip_fracture": (uniform["parent"] < parent).astype(float),
        "glucocorticoids": steroids,
        "glucocorticoids_onset": 45.0 + 40.0 * uniform["steroids_onset"],
        "pathological": (uniform["pathological"] < PATHOLOGICAL_SHARE).astype(float),
    }


def _ageing(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    acceleration = (
        2.4 * known["polygenic_disc"]
        + 3.0 * dice.normals["ageing"]
        + 2.5 * (known["smoking"] - 0.10)
        - 1.2 * known["activity"]
    )
    menopause = 49.8 + 3.8 * dice.normals["menopause"] - 1.2 * known["smoking"]
    return {
        "acceleration": acceleration,
        "ageing_pace": 0.04 * dice.normals["ageing_pace"],
        "menopause_age": menopause,
    }


def _body(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    older = known["baseline_age"] - MEAN_AGE
    height = (
        167.6
        - 12.6 * known["female"]
        + 5.0 * known["european"]
        - 0.12 * older
        + 5.7 * (0.35 * known["polygenic_size"] + 0.937 * dice.normals["height"])
    )
    mass = 0.5 * known["polygenic_weight"] + 0.83 * dice.normals["body_mass"]
    mass = mass - 0.22 * known["activity"]
    return {
        "height_at_baseline": height,
        "height_loss": np.full(len(dice), 0.0016),
        "body_mass_z": mass,
        "bmi_at_baseline": np.clip(
            23.9 + 0.6 * known["european"] + 3.15 * mass + 0.10 * (mass * mass - 1.0), 15.0, 42.0
        ),
        "weight_slope": -0.10 + 0.20 * dice.normals["weight_slope"],
        "vertebra_size": np.clip(
            1.0
            + 0.0035 * (height - (167.6 - 12.6 * known["female"]))
            + 0.025 * known["polygenic_size"]
            + 0.020 * dice.normals["size"],
            0.80,
            1.22,
        ),
    }


def _bone(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    normal = dice.normals
    shared = 0.60 * known["polygenic_bmd"] + 0.80 * normal["bone"]
    mass = known["body_mass_z"]
    # Gain with weight that flattens, and the burdens of habits and diseases, in SD of BMD.
    life = (
        0.24 * mass
        - 0.05 * (mass * mass - 1.0)
        + 0.08 * known["activity"]
        - 0.15 * (known["smoking"] - 0.10)
        - 0.10 * (known["alcohol"] - 0.09)
        - 0.30 * (known["rheumatoid_arthritis"] - 0.03)
        - 0.45 * (known["secondary_osteoporosis"] - 0.026)
        + 0.20 * (known["european"] - 0.12)
    )
    spine = 0.70 * shared + 0.714 * normal["bone_spine"]
    neck = 0.67 * shared + 0.63 * normal["bone_hip_region"] + 0.392 * normal["bone_neck"]
    hip = 0.70 * shared + 0.55 * normal["bone_hip_region"] + 0.455 * normal["bone_hip"]
    return {
        "bone_life": life,
        "bone_spine": spine,
        "bone_neck": neck,
        "bone_hip": hip,
        "bone_slope": normal["bone_slope"],
        "trabecular_trait": 0.54 * spine + 0.80 * normal["trabecular"] - 0.16 * mass,
        "trabecular_slope": normal["trabecular_slope"],
    }


def _tissue(dice: Dice, known: dict[str, Floats]) -> dict[str, Floats]:
    normal = dice.normals
    return {
        "disc_trait": normal["disc"],
        "kyphosis_trait": normal["kyphosis"],
        "lordosis_trait": normal["lordosis"],
        "osteophyte_trait": normal["osteophytes"] + 0.3 * known["body_mass_z"],
        "aorta_trait": normal["aorta"] + 0.8 * known["smoking"],
        "muscle_trait": 0.12 * normal["muscle"] + 0.05 * known["activity"],
        "visceral_trait": 0.26 * known["body_mass_z"] + 0.14 * normal["visceral"],
        "subcutaneous_trait": 0.26 * known["body_mass_z"] + 0.14 * normal["subcutaneous"],
        "frailty": normal["frailty"],
    }


EQUATIONS: Mapping[str, Equation] = MappingProxyType(
    {
        "polygenic": _polygenic,
        "demography": _demography,
        "habits": _habits,
        "conditions": _conditions,
        "ageing": _ageing,
        "body": _body,
        "bone": _bone,
        "tissue": _tissue,
    }
)
"""The equations of the hospital cohort; another population replaces some by name."""


def trajectory(causes: Causes, age: Floats) -> dict[str, Floats]:
    """Carry the causes to an age: every smoothly changing value of the state.

    Parameters
    ----------
    causes
        Rows (n,).
    age
        Years, (n,) or (steps, n); the rows of ``causes`` broadcast against it.

    Returns
    -------
    dict
        Values by name, shaped like ``age``: ``bmd_spine``, ``bmd_femoral_neck``,
        ``bmd_total_hip`` (g/cm2), ``trabecular``, ``spine_age`` (years), ``disc_height``,
        ``kyphosis``, ``lordosis`` (degrees), ``osteophytes``, ``aortic_calcification``,
        ``muscle``, ``visceral_fat``, ``subcutaneous_fat``, ``height`` (cm), ``weight`` (kg),
        ``bmi`` (kg/m2), ``vertebra_size``, ``steroids`` (0 to 1, exposure so far).
    """
    return {
        **_bone_course(causes, age),
        **_spine_course(causes, age),
        **_body_course(causes, age),
    }


def exposure(causes: Causes, age: Floats) -> Floats:
    """Return how far glucocorticoids have acted, 0 to 1, rising over two years from onset."""
    since = np.maximum(age - causes["glucocorticoids_onset"], 0.0)
    return causes["glucocorticoids"] * (1.0 - np.exp(-since / 2.0))


def _bone_course(causes: Causes, age: Floats) -> dict[str, Floats]:
    female, older = causes["female"], age - MEAN_AGE
    steroids = exposure(causes, age)
    lost = 1.0 - np.exp(-np.maximum(age - causes["menopause_age"], 0.0) / 6.0)
    menopause = female * (lost - 0.92)
    life = causes["bone_life"] - 0.45 * steroids + 0.03
    pace = 0.0022 * causes["bone_slope"] * older

    def site(name: str, *, men: float, gap: float, spread: float, drop: float) -> Floats:
        trait = spread * (0.94 * causes[name] + life)
        return men - gap * female - drop * menopause + trait + pace

    spine = site("bone_spine", men=0.993, gap=0.154, spread=0.199, drop=0.075)
    neck = site("bone_neck", men=0.717, gap=0.100, spread=0.118, drop=0.045)
    hip = site("bone_hip", men=0.863, gap=0.112, spread=0.133, drop=0.050)
    spine = spine + older * (0.0026 - 0.0065 * female)
    neck = neck - older * (0.0043 + 0.0023 * female)
    hip = hip - older * (0.0045 + 0.0030 * female)
    trabecular = (
        0.855
        - 0.105 * female
        - 0.06 * menopause
        - older * (0.0026 + 0.0032 * female)
        + 0.115 * (causes["trabecular_trait"] - 0.6 * steroids)
        + 0.0015 * causes["trabecular_slope"] * older
    )
    return {
        "bmd_spine": np.maximum(spine, 0.35),
        "bmd_femoral_neck": np.maximum(neck, 0.25),
        "bmd_total_hip": np.maximum(hip, 0.30),
        "trabecular": _between(trabecular, 0.20, 1.20),
        "steroids": steroids,
    }


def _spine_course(causes: Causes, age: Floats) -> dict[str, Floats]:
    spine_age = age + causes["acceleration"] + causes["ageing_pace"] * (age - 50.0)
    old, ill = spine_age - MEAN_AGE, causes["pathological"]
    return {
        "spine_age": spine_age,
        "disc_height": _between(
            0.805 - 0.0068 * old + 0.045 * causes["disc_trait"] - 0.10 * ill, 0.35, 1.08
        ),
        "kyphosis": _between(
            39.5
            + 0.42 * old
            + 2.0 * causes["female"]
            + 7.0 * causes["kyphosis_trait"]
            + 20.0 * ill,
            15.0,
            95.0,
        ),
        "lordosis": _between(48.0 - 0.22 * old + 7.5 * causes["lordosis_trait"], 15.0, 80.0),
        "osteophytes": expit(
            (spine_age - 74.0) / 9.0
            + 0.7 * causes["osteophyte_trait"]
            + 0.4 * (1.0 - causes["female"])
            + 3.0 * ill
        ),
        "aortic_calcification": expit((age - 79.0) / 7.0 + 0.8 * causes["aorta_trait"]),
    }


def _body_course(causes: Causes, age: Floats) -> dict[str, Floats]:
    years = age - causes["baseline_age"]
    older = age - MEAN_AGE
    # Height is lost from 50 on, a little faster every year.
    shrunk = np.maximum(age - 50.0, 0.0) ** 2 - np.maximum(causes["baseline_age"] - 50.0, 0.0) ** 2
    height = causes["height_at_baseline"] - causes["height_loss"] * shrunk
    kilograms = causes["bmi_at_baseline"] * (causes["height_at_baseline"] / 100.0) ** 2
    weight = np.maximum(kilograms + causes["weight_slope"] * years, 33.0)
    return {
        "height": height,
        "weight": weight,
        "bmi": weight / (height / 100.0) ** 2,
        "vertebra_size": causes["vertebra_size"] + 0.0 * older,
        "muscle": np.exp(
            causes["muscle_trait"] - 0.0085 * older - 0.08 * exposure(causes, age) - 0.012
        ),
        "visceral_fat": np.exp(
            causes["visceral_trait"] + 0.12 * (1.0 - causes["female"]) + 0.004 * older - 0.08
        ),
        "subcutaneous_fat": np.exp(
            causes["subcutaneous_trait"] + 0.12 * causes["female"] - 0.003 * older - 0.12
        ),
    }


def _between(value: Floats, low: float, high: float) -> Floats:
    """Bend a value smoothly into (low, high), leaving the middle nearly as it is."""
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    scaled = (value - middle) / half
    return middle + half * scaled / (1.0 + np.abs(scaled) ** 6) ** (1.0 / 6.0)
