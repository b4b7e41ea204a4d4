"""Lumbar morphometry as cause and effect: the structural equations behind spine DXA.

A linear model in standard deviations, as in the published graph of study S1 (Zhang et al.;
edges and weights as read from its figure): sex and age are roots, standing height and weight
follow, and the average width and height of L1 to L4 lead to their area. Every variable has
variance 1 in the population, so the spread of its noise follows from the weights. Noise is
a person's own and stays the same at every age: whoever gets older, or heavier, or a wider
vertebra by intervention, follows the same equations with the same noise.

Means and spreads in real units stand in :data:`SCALES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from spinecast.simulation.population import Floats

SHARE_OF_MEN = 0.48
"""UK Biobank's imaged participants (Littlejohns et al., Nat Commun 2020;11:2624)."""

WEIGHTS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("sex", "height"): 1.439,
        ("sex", "weight"): 0.337,
        ("height", "weight"): 0.460,
        ("sex", "lumbar_width"): 0.693,
        ("age", "lumbar_width"): 0.208,
        ("height", "lumbar_width"): 0.477,
        ("age", "lumbar_height"): -0.148,
        ("height", "lumbar_height"): 0.735,
        ("sex", "lumbar_area"): 0.002,
        ("lumbar_width", "lumbar_area"): 0.665,
        ("lumbar_height", "lumbar_area"): 0.476,
    }
)
"""Effect of (cause, effect) in standard deviations of both; sex is 0 for women, 1 for men."""

SCALES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "age": (64.2, 7.6),
        "height": (169.5, 9.2),
        "weight": (76.0, 14.5),
        "lumbar_width": (43.0, 3.3),
        "lumbar_height": (35.2, 1.95),
        "lumbar_area": (56.6, 6.55),
    }
)
"""Mean and standard deviation in years, cm, kg, mm, mm and cm2.

Age, stature and weight: about those of UK Biobank's imaged participants (Littlejohns 2020).
Width, height and area of L1 to L4 are placed by anatomy: bodies are 41 to 47 mm wide in men
and 0.92 of that in women (Panjabi et al., Spine 1992;17:299), a body of 27 mm and its disc
of 9 make 36 mm from the middle of one disc to the next, and the area is four times width
times height less the waists. Its spread is what makes a weight of 0.665 on width and 0.476
on height that of a product. GE's software reports sizes like these; the numbers are ours.
"""

MORPHOMETRY: tuple[str, ...] = ("lumbar_width", "lumbar_height", "lumbar_area")
"""What the structural equations add to stature and weight, causes first."""

ORDER: tuple[str, ...] = ("height", "weight", *MORPHOMETRY)
"""Variables with an equation, causes first."""


@dataclass(frozen=True)
class Morphometry:
    """Size of L1 to L4 as an AP scan shows it: the truth, free of error.

    Parameters
    ----------
    lumbar_width
        Average over L1 to L4 of the widest extent of the bone between mid-disc and mid-disc, mm.
    lumbar_height
        Average distance from the middle of one disc to the middle of the next, mm.
    lumbar_area
        Area within the bone's edges between the discs above L1 and below L4, cm2.
    """

    lumbar_width: float
    lumbar_height: float
    lumbar_area: float


def standardised(name: str, value: Floats | float) -> Floats:
    """Return ``value`` in standard deviations from the population's mean; sex as it is."""
    if name == "sex":
        return np.asarray(value, dtype=np.float64)
    mean, spread = SCALES[name]
    return (np.asarray(value, dtype=np.float64) - mean) / spread


def structural(name: str, parents: Mapping[str, Floats], noise: Floats) -> Floats:
    """Compute one variable from its causes and its noise.

    Parameters
    ----------
    name
        One of :data:`ORDER`.
    parents
        Its causes in real units (sex as 0 or 1), at least those of :data:`WEIGHTS`.
    noise
        Of mean 0 and variance 1.

    Returns
    -------
    ndarray
        In the unit of :data:`SCALES`.
    """
    mean, spread = SCALES[name]
    total = NOISE[name] * noise
    for cause, weight in causes_of(name).items():
        centre = SHARE_OF_MEN if cause == "sex" else 0.0
        total = total + weight * (standardised(cause, parents[cause]) - centre)
    return mean + spread * total


def causes_of(name: str) -> dict[str, float]:
    """Return the causes of a variable with their standardised weights."""
    return {cause: weight for (cause, effect), weight in WEIGHTS.items() if effect == name}


def graph_table() -> pd.DataFrame:
    """Return the true graph: ``from``, ``to``, ``weight`` (standardised; sex 0 or 1)."""
    rows = [(cause, effect, weight) for (cause, effect), weight in WEIGHTS.items()]
    return pd.DataFrame(rows, columns=["from", "to", "weight"])


def implied_covariance() -> pd.DataFrame:
    """Return the covariance of all variables in standard deviations (sex as 0 or 1).

    Follows from the weights alone; the diagonal is 1 but for sex.
    """
    covariance, _ = _solve()
    return covariance


def _solve() -> tuple[pd.DataFrame, dict[str, float]]:
    """Carry covariances down the graph; what is missing to a variance of 1 is noise."""
    names = ["sex", "age", *ORDER]
    matrix = np.zeros((len(names), len(names)))
    matrix[0, 0], matrix[1, 1] = SHARE_OF_MEN * (1.0 - SHARE_OF_MEN), 1.0
    noise = {}
    for row, name in enumerate(names[2:], start=2):
        weights = np.array([causes_of(name).get(cause, 0.0) for cause in names[:row]])
        explained = float(weights @ matrix[:row, :row] @ weights)
        if explained > 1.0:
            raise ValueError(f"{name}: the weights explain a variance of {explained:.3f}")
        matrix[row, :row] = matrix[:row, row] = matrix[:row, :row] @ weights
        matrix[row, row] = 1.0
        noise[name] = float(np.sqrt(1.0 - explained))
    return pd.DataFrame(matrix, index=names, columns=names), noise


NOISE: Mapping[str, float] = MappingProxyType(_solve()[1])
"""Standard deviation of each variable's noise, in standard deviations of the variable."""
