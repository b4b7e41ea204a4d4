"""What is left when the Cox model is fitted: score and Schoenfeld residuals."""

from __future__ import annotations

import numpy as np
from scipy import stats

from spinecast.outcomes.cox_likelihood import Likelihood, RiskSets, blocks
from spinecast.outcomes.inputs import FloatArray


def score_residuals(sets: RiskSets, fitted: Likelihood) -> FloatArray:
    """Return each sorted person's derivative of the gradient in its own weight, shape (n, p).

    The infinitesimal jackknife: times the inverse information it is the
    person's influence on the coefficients (weights not yet multiplied in).
    """
    dying, group = sets.dying, sets.group
    hazard, mean, fraction = fitted.term_hazard, fitted.term_mean, sets.term_fraction
    total = sets.lived_through(sets.term_sums(hazard))
    residual = sets.lived_through(sets.term_sums(hazard[:, None] * mean))
    if fraction.any():
        # Deaths leave their own risk set by fractions (Efron).
        spared = hazard * fraction
        total[dying] -= sets.term_sums(spared)[group]
        residual[dying] -= sets.term_sums(spared[:, None] * mean)[group]
    for rows in blocks(len(residual)):
        residual[rows] -= sets.covariates[rows] * total[rows, None]
        residual[rows] *= fitted.relative_hazard[rows, None]
    residual[dying] += schoenfeld_residuals(sets, fitted)
    return residual


def schoenfeld_residuals(sets: RiskSets, fitted: Likelihood) -> FloatArray:
    """Return covariates of each death minus their risk-set mean, shape (d, p)."""
    return sets.covariates[sets.dying] - _mean_at_death(sets, fitted)


def martingale_residuals(sets: RiskSets, fitted: Likelihood) -> FloatArray:
    """Return events minus expected events of sorted people, shape (n,)."""
    total = sets.lived_through(sets.term_sums(fitted.term_hazard))
    total[sets.event] -= sets.term_sums(fitted.term_hazard * sets.term_fraction)[sets.group]
    return sets.event - fitted.relative_hazard * total


def _mean_at_death(sets: RiskSets, fitted: Likelihood) -> FloatArray:
    weight = sets.term_sums(sets.term_weight)
    mean = sets.term_sums(sets.term_weight[:, None] * fitted.term_mean) / weight[:, None]
    return mean[sets.group]


def scaled_time(times: FloatArray, transform: str, left_survival: FloatArray) -> FloatArray:
    """Return the time scale of a proportional-hazards test at every death."""
    if transform == "identity":
        return times
    if transform == "log":
        return np.log(times)
    if transform == "rank":
        ranks: FloatArray = stats.rankdata(times)
        return ranks
    return 1.0 - left_survival
