"""Does "20 %" mean one in five? Calibration of predicted survival at a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from spinecast.errors import error
from spinecast.outcomes.censoring import weighted_sample
from spinecast.outcomes.competing_risks import incidence_influence
from spinecast.outcomes.inputs import (
    FloatArray,
    SurvivalColumns,
    probability_column,
    require_events,
    require_variation,
    survival_columns,
)
from spinecast.outcomes.intervals import Estimate, normal_quantile, standard_error, wald
from spinecast.outcomes.regression import Regression, logistic

# Keeps the logit of a predicted 0 or 1 finite.
EDGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """Agreement of predicted and observed risk at one horizon.

    Attributes
    ----------
    observed, expected
        Cumulative incidence by ``t`` (Aalen-Johansen) and mean predicted risk.
    observed_expected
        Their ratio with log-scale limits, tested against 1.
    intercept
        Calibration in the large: logit shift at slope 1, tested against 0.
    slope
        Of the outcome's logit on the predicted logit, tested against 1; below 1 the
        predictions are too extreme.
    ici, e50, e90
        Mean, median and 90th percentile of |smoothed observed - predicted|.
    curve
        Frame of risk, estimate, ci_low, ci_high over the middle 98 % of predictions.
    """

    t: float
    observed: Estimate
    expected: float
    observed_expected: Estimate
    intercept: Estimate
    slope: Estimate
    ici: float
    e50: float
    e90: float
    curve: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return one row per summary."""
        terms = ("observed", "observed_expected", "intercept", "slope")
        rows = [getattr(self, term).row(term=term) for term in terms]
        rows += [
            {"term": term, "estimate": getattr(self, term)}
            for term in ("expected", "ici", "e50", "e90")
        ]
        return pd.DataFrame(rows)


def calibration(survival_at_t: Any, duration: Any, event: Any, *, t: float) -> Calibration:
    """Compare predicted with observed risk by ``t``.

    Slope, intercept and curve come from logistic regressions weighted for
    censoring (1/G(T-) and 1/G(t)) with sandwich errors that take G as known,
    which errs to the wide side. The curve is a restricted cubic spline of the
    predicted logit with knots at its 10th, 50th and 90th percentile.

    Parameters
    ----------
    survival_at_t
        Predicted probability of no event by ``t``, shape (n,).
    duration, event
        Years and codes 0/1/2, shape (n,); with deaths, ``1 - survival_at_t`` must be a
        predicted cumulative incidence.
    t
        Horizon in years.

    Raises
    ------
    StatisticsError
        SC-601 no events by ``t``, SC-603 equal predictions, SC-604 outside 0..1, SC-607
        perfect separation, SC-608 ``t`` beyond follow-up.

    References
    ----------
    Austin PC et al. Stat Med 2020;39:2714-2742. Crowson CS et al. SMMR 2016;25:1692-1706.
    """
    columns = survival_columns(duration, event)
    risk = 1.0 - probability_column(survival_at_t, "survival_at_t", length=len(columns))
    require_variation(risk, name="survival_at_t")
    happened = columns.happened & (columns.duration <= t)
    require_events(happened.sum(), where=f"by {t:g} years")
    weight = _weights(columns, float(t))
    logit = special.logit(np.clip(risk, EDGE, 1 - EDGE))
    kept = weight > 0
    y, w, z = happened[kept] * 1.0, weight[kept], logit[kept]
    level = logistic(np.empty((z.size, 0)), y, weights=w, offset=z)
    line = logistic(z[:, None], y, weights=w)
    knots = np.quantile(logit, [0.1, 0.5, 0.9])
    smooth = logistic(_spline(z, knots), y, weights=w)
    gap = np.abs(_smoothed(smooth, logit, knots)[0] - risk)
    observed, ratio = _observed_expected(columns, float(t), risk)
    return Calibration(
        t=float(t),
        observed=observed,
        expected=float(risk.mean()),
        observed_expected=ratio,
        intercept=_coefficient(level, 0, null=0.0),
        slope=_coefficient(line, 1, null=1.0),
        ici=float(gap.mean()),
        e50=float(np.median(gap)),
        e90=float(np.quantile(gap, 0.9)),
        curve=_curve(smooth, risk, knots),
    )


def _weights(columns: SurvivalColumns, t: float) -> FloatArray:
    sample = weighted_sample(columns.duration, columns.event, columns)
    exited = (columns.duration <= t) & (columns.event > 0)
    survivor = columns.duration > t
    if not survivor.any():
        raise error("SC-608", expected="people beyond the time", got=f"none at {t:g}", where="t")
    sample.require_weights(exited.astype(np.float64))
    return exited * sample.event_weight() + survivor * sample.survivor_weight(t)


def _coefficient(fit: Regression, which: int, *, null: float) -> Estimate:
    return wald(float(fit.coefficients[which]), float(np.sqrt(fit.robust[which, which])), null=null)


def _observed_expected(
    columns: SurvivalColumns, t: float, risk: FloatArray
) -> tuple[Estimate, Estimate]:
    incidence, influence = incidence_influence(columns, t)
    expected = float(risk.mean())
    on_log = influence / incidence - (risk - expected) / (risk.size * expected)
    log_ratio = wald(float(np.log(incidence / expected)), standard_error(on_log), null=0.0)
    ratio = Estimate(
        incidence / expected,
        log_ratio.standard_error * incidence / expected,
        float(np.exp(log_ratio.ci_low)),
        float(np.exp(log_ratio.ci_high)),
        log_ratio.p_value,
    )
    return wald(incidence, standard_error(influence), bounds=(0.0, 1.0)), ratio


def _spline(z: FloatArray, knots: FloatArray) -> FloatArray:
    """Return the restricted cubic spline basis; a straight line where knots coincide."""
    low, middle, high = knots
    if not low < middle < high:
        return z[:, None]
    bend = (
        np.maximum(z - low, 0) ** 3
        - np.maximum(z - middle, 0) ** 3 * (high - low) / (high - middle)
        + np.maximum(z - high, 0) ** 3 * (middle - low) / (high - middle)
    ) / (high - low) ** 2
    return np.column_stack([z, bend])


def _smoothed(fit: Regression, z: FloatArray, knots: FloatArray) -> tuple[FloatArray, FloatArray]:
    design = np.column_stack([np.ones(z.size), _spline(z, knots)])
    spread = np.sqrt(np.einsum("ij,jk,ik->i", design, fit.robust, design))
    eta = design @ fit.coefficients
    return special.expit(eta), np.column_stack(
        [special.expit(eta + side * normal_quantile() * spread) for side in (-1, 1)]
    )


def _curve(fit: Regression, risk: FloatArray, knots: FloatArray) -> pd.DataFrame:
    low, high = np.quantile(risk, [0.01, 0.99])
    grid = np.linspace(low, high, 100)
    estimate, band = _smoothed(fit, special.logit(np.clip(grid, EDGE, 1 - EDGE)), knots)
    return pd.DataFrame(
        {"risk": grid, "estimate": estimate, "ci_low": band[:, 0], "ci_high": band[:, 1]}
    )
