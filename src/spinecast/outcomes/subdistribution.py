"""Fine and Gray's model: covariates and the cumulative incidence under competing deaths.

People who died stay in the risk set with weight G(t-) / G(T-): as if they might
yet have been censored. The Cox likelihood is reused; only risk sums and what a
person lives through change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.outcomes.censoring import CensoringCurve, censoring_curve
from spinecast.outcomes.cox_likelihood import (
    Joining,
    Likelihood,
    RiskSets,
    build_risk_sets,
    evaluate,
)
from spinecast.outcomes.cox_residuals import score_residuals
from spinecast.outcomes.inputs import (
    FloatArray,
    IntArray,
    SurvivalColumns,
    cluster_codes,
    number_table,
    require_events,
    require_option,
    require_variation,
    survival_columns,
)
from spinecast.outcomes.intervals import TestResult, chi_square, covariance
from spinecast.outcomes.newton import maximise
from spinecast.outcomes.proportional_hazards import baseline_table, coefficient_table
from spinecast.outcomes.risk_table import step_value


@dataclass(frozen=True)
class FineGray:
    """A fitted subdistribution hazards model.

    Attributes
    ----------
    coefficients
        As in :class:`CoxFit`, but ``hazard_ratio`` is that of the subdistribution and tests
        and limits always use ``robust_se``, which includes the censoring curve.
    log_likelihood, null_log_likelihood
        Log pseudo-likelihood (no likelihood-ratio test follows from it).
    wald
        Robust chi-square test of all coefficients.
    baseline_hazard
        Frame of time, hazard, cumulative_hazard at mean covariates.
    """

    coefficients: pd.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    wald: TestResult
    baseline_hazard: pd.DataFrame
    n: int
    events: int
    deaths: int
    _mean: FloatArray = field(repr=False, compare=False)

    def incidence(self, covariates: Any, times: Any) -> FloatArray:
        """Return the predicted cumulative incidence, shape (m, times)."""
        columns = covariates
        if isinstance(covariates, pd.DataFrame):
            columns = covariates[list(self.coefficients.index)]
        x, _ = number_table(columns, "covariates", length=np.asarray(columns).shape[0])
        risk = (x - self._mean) @ self.coefficients["coef"].to_numpy()
        base = self.baseline_hazard
        hazard = step_value(
            base["time"].to_numpy(), base["cumulative_hazard"].to_numpy(),
            np.atleast_1d(np.asarray(times, dtype=np.float64)), before_first=0.0,
        )  # fmt: skip
        return -np.expm1(-np.exp(risk)[:, None] * hazard[None, :])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per covariate; ``estimate`` is the subdistribution hazard ratio."""
        table = self.coefficients.reset_index(names="term")
        table = table.assign(estimate=table["hazard_ratio"], standard_error=table["robust_se"])
        return table[["term", "estimate", "standard_error", "ci_low", "ci_high", "p_value"]]


@dataclass(frozen=True)
class _LingeringRiskSets(RiskSets):
    """Risk sets in which the dead linger with falling weight.

    ``dead`` indexes sorted people who died; ``dead_weight`` is 1/G(T-) of each;
    ``dead_before`` counts, per group, those who died before it; ``remaining`` is
    G(t-) per group.
    """

    dead: IntArray
    dead_weight: FloatArray
    dead_before: IntArray
    remaining: FloatArray

    @cached_property
    def lingering(self) -> Joining:
        """The dead by time of death, and how many died before each group."""
        return Joining.of(self.dead, self.dead_before)

    def moments_before(self, risk: FloatArray) -> FloatArray:
        """Sum ``risk`` (n,) and risk times covariates over those who died before each group."""
        weighted = np.zeros_like(risk)
        weighted[self.dead] = self.dead_weight * risk[self.dead]
        (moments,) = self.lingering.moments(self.covariates, weighted)
        return moments

    def risk_moments(self, risk: FloatArray) -> FloatArray:
        return super().risk_moments(risk) + self.remaining[:, None] * self.moments_before(risk)

    def lived_through(self, per_group: FloatArray) -> FloatArray:
        total = super().lived_through(per_group)
        total[self.dead] += self.dead_weight * self.after_death(per_group)
        return total

    def lived_through_blocks(self, per_group: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        lingered = self.dead_weight[:, None] * self.after_death(per_group)
        for people, total in super().lived_through_blocks(per_group):
            those = slice(*np.searchsorted(self.dead, (people.start, people.stop)))
            total[self.dead[those] - people.start] += lingered[those]
            yield people, total

    def after_death(self, per_group: FloatArray) -> FloatArray:
        """Sum G(t-) times ``per_group`` over the groups after each death."""
        faded = _scale(self.remaining, per_group)
        zero = np.zeros((1, *per_group.shape[1:]))
        running = np.concatenate([zero, np.cumsum(faded, axis=0)])
        return running[-1] - running[self.end_group[self.dead]]


def fine_gray(
    duration: Any,
    event: Any,
    covariates: Any,
    *,
    ties: str = "efron",
    cluster: Any = None,
) -> FineGray:
    """Fit Fine and Gray's model for the event (code 1) against death (code 2).

    Answers who will have had the event, deaths included; for what drives the
    event use :func:`cox` (cause-specific). Needs censoring unrelated to covariates.

    Parameters
    ----------
    duration, event
        Years and codes 0/1/2, shape (n,).
    covariates
        Frame, column or array, shape (n, p).
    ties
        "efron" or "breslow".
    cluster
        Labels of rows that belong together.

    Raises
    ------
    StatisticsError
        SC-601 no events, SC-603 constant covariate, SC-604..606 bad columns, SC-607 separation
        or collinear columns, SC-610 unknown ties.

    References
    ----------
    Fine JP, Gray RJ. JASA 1999;94:496-509.
    """
    require_option(ties, ("efron", "breslow"), name="ties")
    columns = survival_columns(duration, event)
    x, names = number_table(covariates, "covariates", length=len(columns))
    require_events(columns.happened.sum())
    for name, column in zip(names, x.T, strict=True):
        require_variation(column, name=name)
    return _fit(columns, x, names, ties=ties, codes=cluster_codes(cluster, len(columns)))


def _fit(
    columns: SurvivalColumns,
    x: FloatArray,
    names: tuple[str, ...],
    *,
    ties: str,
    codes: IntArray | None,
) -> FineGray:
    curve = censoring_curve(columns)
    sets = _lingering(columns, x, curve, ties=ties)
    scale = sets.scale
    top = maximise(partial(evaluate, sets), np.zeros(scale.size), names)
    fitted, beta = top.here, top.coefficients
    robust = top.inverse @ covariance(_influence(sets, fitted, columns, curve=curve), codes)
    robust = robust @ top.inverse
    return FineGray(
        coefficients=coefficient_table(
            names,
            beta / scale,
            model=np.sqrt(np.diag(top.inverse)) / scale,
            robust=np.sqrt(np.diag(robust)) / scale,
            use_robust=True,
        ),
        log_likelihood=fitted.value,
        null_log_likelihood=top.start.value,
        wald=chi_square(float(beta @ np.linalg.pinv(robust) @ beta), beta.size),
        baseline_hazard=baseline_table(sets, fitted, ("all",)).drop(
            columns=["stratum", "survival"]
        ),
        n=len(columns),
        events=int(columns.happened.sum()),
        deaths=int(np.sum(columns.event == 2)),
        _mean=sets.mean,
    )


def _lingering(
    columns: SurvivalColumns, x: FloatArray, curve: CensoringCurve, *, ties: str
) -> _LingeringRiskSets:
    n = len(columns)
    plain = build_risk_sets(
        columns.duration, columns.happened, x,
        entry=None, stratum=np.zeros(n, dtype=np.int64), weights=np.ones(n), ties=ties,
    )  # fmt: skip
    dead = np.flatnonzero(columns.event[plain.order] == 2)
    died_at = columns.duration[plain.order][dead]
    kept = {f.name: getattr(plain, f.name) for f in fields(plain)}
    return _LingeringRiskSets(
        **kept,
        dead=dead,
        dead_weight=1.0 / curve.before(died_at),
        dead_before=np.searchsorted(died_at, plain.group_time, side="left"),
        remaining=curve.before(plain.group_time),
    )


def _influence(
    sets: _LingeringRiskSets, fitted: Likelihood, columns: SurvivalColumns, *, curve: CensoringCurve
) -> FloatArray:
    """Return each person's influence on the gradient, in the order of the input, (n, p)."""
    influence = np.empty_like(sets.covariates)
    influence[sets.order] = score_residuals(sets, fitted)
    if sets.dead.size == 0:
        return influence
    hazard = sets.term_sums(fitted.term_hazard)
    pulled = sets.term_sums(fitted.term_hazard[:, None] * fitted.term_mean)
    risk = sets.dead_weight * fitted.relative_hazard[sets.dead]
    x = sets.covariates[sets.dead]
    before = sets.moments_before(fitted.relative_hazard)
    at_event = -sets.remaining[:, None] * (hazard[:, None] * before[:, 1:] - pulled * before[:, :1])
    at_death = risk[:, None] * (x * sets.after_death(hazard)[:, None] - sets.after_death(pulled))
    times = np.concatenate([sets.group_time, columns.duration[sets.order][sets.dead]])
    for column, loads in enumerate(np.concatenate([at_event, at_death]).T):
        influence[:, column] += curve.influence(times, loads, before=True)
    return influence


def _scale(weights: FloatArray, values: FloatArray) -> FloatArray:
    return weights[:, None] * values if values.ndim == 2 else weights * values
