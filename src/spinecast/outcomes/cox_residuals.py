"""What is left when the Cox model is fitted: score and Schoenfeld residuals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from spinecast.outcomes.cox_likelihood import Likelihood, RiskSets
from spinecast.outcomes.inputs import FloatArray


def score_residuals(sets: RiskSets, fitted: Likelihood) -> FloatArray:
    """Return each sorted person's derivative of the gradient in its own weight, shape (n, p).

    The infinitesimal jackknife: times the inverse information it is the
    person's influence on the coefficients (weights not yet multiplied in).
    """
    residual = np.empty_like(sets.covariates)
    for people, rows in score_blocks(sets, fitted):
        residual[people] = rows
    return residual


def score_blocks(sets: RiskSets, fitted: Likelihood) -> Iterator[tuple[slice, FloatArray]]:
    """Give the score residuals of some sorted people at a time, so that all are never held."""
    hazard, mean, fraction = fitted.term_hazard, fitted.term_mean, sets.term_fraction
    total = sets.lived_through(sets.term_sums(hazard))
    pulled = sets.lived_through_blocks(sets.term_sums(hazard[:, None] * mean))
    at_death = _mean_at_death(sets, fitted)
    if fraction.any():
        # Deaths leave their own risk set by fractions (Efron).
        spared = hazard * fraction
        total[sets.dying] -= sets.term_sums(spared)[sets.group]
        own = fitted.relative_hazard[sets.dying, None]
        at_death += own * sets.term_sums(spared[:, None] * mean)[sets.group]
    died = np.cumsum(sets.event)
    for people, means in pulled:
        rows = means - sets.covariates[people] * total[people, None]
        rows *= fitted.relative_hazard[people, None]
        deaths = slice(died[people.start] - sets.event[people.start], died[people.stop - 1])
        dying = sets.dying[deaths]
        rows[dying - people.start] += sets.covariates[dying] - at_death[deaths]
        yield people, rows


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
