"""A linear world with the published weights of lumbar DXA, whose every noise is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spinecast.counterfactuals.spine_graph import PUBLISHED_WEIGHTS, WITH_DENSITY

WEIGHTS = {
    **PUBLISHED_WEIGHTS,
    ("age", "bmd_spine"): -0.3,
    ("sex", "bmd_spine"): 0.5,
    ("weight", "bmd_spine"): 0.35,
}
#: Mean and standard deviation of each number.
UNITS = {
    "age": (64.0, 7.7),
    "height": (168.0, 9.2),
    "weight": (75.0, 14.0),
    "lumbar_width": (43.0, 4.0),
    "lumbar_height": (32.0, 2.4),
    "lumbar_area": (60.0, 8.5),
    "bmd_spine": (1.05, 0.17),
}
ORDER = WITH_DENSITY.order


def noise_deviations():
    """Standard deviations of the noises that give every number unit variance."""
    covariance, found = pd.DataFrame(0.0, index=ORDER, columns=ORDER), {}
    for place, name in enumerate(ORDER):
        parents = list(WITH_DENSITY.parents(name))
        weights = np.array([WEIGHTS[parent, name] for parent in parents])
        for earlier in ORDER[:place]:
            value = float(weights @ covariance.loc[parents, earlier].to_numpy())
            covariance.loc[earlier, name] = covariance.loc[name, earlier] = value
        explained = float(weights @ covariance.loc[parents, parents].to_numpy() @ weights)
        total = 0.25 if name == "sex" else 1.0
        covariance.loc[name, name] = total
        found[name] = np.sqrt(total - explained)
    return found


DEVIATIONS = noise_deviations()


def draw_noise(n, seed):
    rng = np.random.default_rng(seed)
    noise = {name: rng.normal(size=n) * DEVIATIONS[name] for name in ORDER}
    noise["sex"] = rng.integers(0, 2, n) - 0.5
    noise["age"] = rng.uniform(-np.sqrt(3), np.sqrt(3), n)  # unit variance, no tails
    return noise


def people(noise, years=0.0):
    """The table that ``noise`` makes, everybody ``years`` older."""
    z = {}
    for name in ORDER:
        causes = WITH_DENSITY.parents(name)
        z[name] = noise[name] + sum(WEIGHTS[cause, name] * z[cause] for cause in causes)
        if name == "age":
            z[name] = z[name] + years / UNITS["age"][1]
    columns = {name: mean + sd * z[name] for name, (mean, sd) in UNITS.items()}
    sex = np.where(z["sex"] > 0, "M", "F")
    ids = [f"p{number}" for number in range(len(sex))]
    return pd.DataFrame({"person_id": ids, "sex": sex, **columns})
