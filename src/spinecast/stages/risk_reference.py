"""Cox models as plain numbers, so that one patient can be placed without the cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.outcomes import cox

#: Richest first: a patient is placed by the first model whose covariates are all known.
REFERENCE_MODELS: tuple[tuple[str, ...], ...] = (
    ("bpvf", "gpvf", "osteoporosis_logit", "age", "female", "bmi"),
    ("bpvf", "gpvf", "osteoporosis_logit", "age", "female"),
    ("bpvf", "gpvf", "age", "female", "bmi"),
    ("bpvf", "gpvf", "age", "female"),
    ("bpvf", "gpvf"),
)
_POINTS = 61


@dataclass(frozen=True)
class PlacedPatient:
    """Survival of one patient by a reference model.

    Attributes
    ----------
    covariates
        What the model used.
    times, survival
        Years, and the chance of no fracture until then in a world without death.
    """

    covariates: tuple[str, ...]
    times: np.ndarray
    survival: np.ndarray


def reference_models(people: pd.DataFrame, *, last: float) -> list[dict[str, Any]]:
    """Fit the reference models on ``people`` and return them as plain values.

    Parameters
    ----------
    people
        One row per person outside the test set, scored out of sample.
    last
        Years up to which survival is told.
    """
    times = np.linspace(0.0, last, _POINTS)
    models = []
    for covariates in REFERENCE_MODELS:
        if not set(covariates) <= set(people.columns):
            continue
        known = people.dropna(subset=[*covariates, "duration", "event"])
        try:
            fit = cox(known["duration"], known["event"] == 1, known[list(covariates)])
        except StatisticsError:
            continue
        mean = known[list(covariates)].mean()
        average = fit.survival(mean.to_frame().T, times)[0]
        models.append(
            {
                "covariates": list(covariates),
                "coefficients": fit.coefficients.loc[list(covariates), "coef"].tolist(),
                "means": mean.tolist(),
                "times": times.tolist(),
                "cumulative_hazard": (-np.log(average)).tolist(),
                "n": fit.n,
                "events": fit.events,
            }
        )
    return models


def place_patient(
    models: list[dict[str, Any]], known: Mapping[str, float | None]
) -> PlacedPatient | None:
    """Return survival by the richest model whose covariates are all known, or None."""
    for model in models:
        values = [known.get(name) for name in model["covariates"]]
        if any(value is None for value in values):
            continue
        centred = np.asarray(values, dtype=float) - np.asarray(model["means"])
        hazard = np.asarray(model["cumulative_hazard"]) * np.exp(
            centred @ np.asarray(model["coefficients"])
        )
        return PlacedPatient(
            tuple(model["covariates"]), np.asarray(model["times"]), np.exp(-hazard)
        )
    return None
