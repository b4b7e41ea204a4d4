"""The Cox partial likelihood: risk sets once, then value, gradient and information in O(n).

At event time g with deaths D the likelihood has one term per death (Efron) or
one in all (Breslow). A term with fraction f divides by S0 - f * S0(D), where S0
sums w exp(eta) over the risk set. The information is summed person by person
(each carries the total hazard it lived through), so no n x p x p array exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinecast.outcomes.inputs import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RiskSets:
    """Sorted data and the index arithmetic of all risk sets.

    People are sorted by stratum and exit; groups are the distinct event times
    of each stratum. A person is at risk in groups ``first_group`` up to, not
    including, ``end_group``.

    Attributes
    ----------
    order
        Original row of each sorted person, shape (n,).
    covariates, weight, event
        Sorted, shapes (n, p), (n,), (n,).
    start, stop
        Risk set of each group as a range of sorted people, shape (g,).
    entry_order, entry_start, entry_stop
        People by entry, and the range of them not yet entered, per group.
    group
        Of each death (sorted people with an event): its group, shape (d,).
    group_time, group_stratum, deaths
        Time, stratum and weighted deaths of each group, shape (g,).
    term_group, term_fraction, term_weight
        Likelihood terms, shape (terms,).
    """

    order: IntArray
    covariates: FloatArray
    weight: FloatArray
    event: BoolArray
    start: IntArray
    stop: IntArray
    entry_order: IntArray | None
    entry_start: IntArray
    entry_stop: IntArray
    first_group: IntArray
    end_group: IntArray
    group: IntArray
    group_time: FloatArray
    group_stratum: IntArray
    deaths: FloatArray
    term_group: IntArray
    term_fraction: FloatArray
    term_weight: FloatArray

    @property
    def groups(self) -> int:
        """Number of distinct event times over all strata."""
        return int(self.start.size)

    def risk_sums(self, values: FloatArray) -> FloatArray:
        """Sum ``values`` (n,) or (n, k) over each group's risk set."""
        totals = _suffix_sums(values)
        sums = totals[self.start] - totals[self.stop]
        if self.entry_order is not None:
            waiting = _suffix_sums(values[self.entry_order])
            sums = sums - (waiting[self.entry_start] - waiting[self.entry_stop])
        return sums

    def death_sums(self, values: FloatArray) -> FloatArray:
        """Sum the deaths' ``values`` (d,) or (d, k) within each group."""
        if values.ndim == 1:
            return np.bincount(self.group, weights=values, minlength=self.groups)
        return np.column_stack(
            [np.bincount(self.group, weights=v, minlength=self.groups) for v in values.T]
        )

    def term_sums(self, values: FloatArray) -> FloatArray:
        """Sum the terms' ``values`` (terms,) or (terms, k) within each group."""
        if values.ndim == 1:
            return np.bincount(self.term_group, weights=values, minlength=self.groups)
        return np.column_stack(
            [np.bincount(self.term_group, weights=v, minlength=self.groups) for v in values.T]
        )

    def lived_through(self, per_group: FloatArray) -> FloatArray:
        """Sum ``per_group`` (g,) or (g, k) over the groups in which each person was at risk."""
        zero = np.zeros((1, *per_group.shape[1:]))
        running = np.concatenate([zero, np.cumsum(per_group, axis=0)])
        return running[self.end_group] - running[self.first_group]


@dataclass(frozen=True)
class Likelihood:
    """Value and derivatives at one coefficient vector, and the pieces residuals need.

    Attributes
    ----------
    value, gradient, information
        Log partial likelihood, its gradient (p,), minus its Hessian (p, p).
    relative_hazard
        exp(eta - shift) of sorted people, shape (n,); ``shift`` only guards against overflow.
    term_hazard, term_mean
        Hazard increment and risk-set mean of the covariates per term.
    """

    value: float
    gradient: FloatArray
    information: FloatArray
    relative_hazard: FloatArray
    shift: float
    term_hazard: FloatArray
    term_mean: FloatArray


def build_risk_sets(
    duration: FloatArray,
    happened: BoolArray,
    covariates: FloatArray,
    *,
    entry: FloatArray | None,
    stratum: IntArray,
    weights: FloatArray,
    ties: str,
) -> RiskSets:
    """Sort the data once and locate every risk set."""
    stamps = duration if entry is None else np.concatenate([duration, entry])
    distinct, rank = np.unique(stamps, return_inverse=True)
    span = distinct.size
    exit_key = stratum * span + rank[: duration.size]
    # Without entry everybody enters just before the first time of the own stratum.
    entry_key = stratum * span + (-1 if entry is None else rank[duration.size :])
    order = np.argsort(exit_key, kind="stable")
    exit_key, entry_key = exit_key[order], entry_key[order]
    event, weight = happened[order], weights[order]
    group_key, group = np.unique(exit_key[event], return_inverse=True)
    next_stratum = (group_key // span + 1) * span
    entry_order = None if entry is None else np.argsort(entry_key, kind="stable")
    by_entry = np.sort(entry_key) if entry is not None else entry_key[:0]
    deaths = np.bincount(group, weights=weight[event], minlength=group_key.size)
    terms = _terms(group, deaths, ties)
    return RiskSets(
        order=order,
        covariates=covariates[order],
        weight=weight,
        event=event,
        start=np.searchsorted(exit_key, group_key, side="left"),
        stop=np.searchsorted(exit_key, next_stratum, side="left"),
        entry_order=entry_order,
        entry_start=np.searchsorted(by_entry, group_key, side="left"),
        entry_stop=np.searchsorted(by_entry, next_stratum, side="left"),
        first_group=np.searchsorted(group_key, entry_key, side="right"),
        end_group=np.searchsorted(group_key, exit_key, side="right"),
        group=group,
        group_time=distinct[group_key % span],
        group_stratum=group_key // span,
        deaths=deaths,
        term_group=terms[0],
        term_fraction=terms[1],
        term_weight=terms[2],
    )


def _terms(
    group: IntArray, deaths: FloatArray, ties: str
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return each likelihood term's group, fraction of the deaths removed, and weight."""
    if ties == "breslow":
        return np.arange(deaths.size), np.zeros(deaths.size), deaths
    count = np.bincount(group, minlength=deaths.size)
    term_group = np.repeat(np.arange(deaths.size), count)
    nth = np.arange(group.size) - np.repeat(np.cumsum(count) - count, count)
    return term_group, nth / count[term_group], (deaths / count)[term_group]


def evaluate(sets: RiskSets, coefficients: FloatArray) -> Likelihood:
    """Return the log partial likelihood and its derivatives at ``coefficients`` (p,)."""
    x, event = sets.covariates, sets.event
    eta = x @ coefficients
    shift = float(eta.max())
    relative = np.exp(eta - shift)
    risk = sets.weight * relative
    weighted = x * risk[:, None]
    fraction = sets.term_fraction
    at = sets.term_group
    denominator = (sets.risk_sums(risk))[at] - fraction * sets.death_sums(risk[event])[at]
    numerator = sets.risk_sums(weighted)[at]
    if fraction.any():
        numerator = numerator - fraction[:, None] * sets.death_sums(weighted[event])[at]
    mean = numerator / denominator[:, None]
    hazard = sets.term_weight / denominator
    value = sets.weight[event] @ (eta[event] - shift) - sets.term_weight @ np.log(denominator)
    gradient = sets.weight[event] @ x[event] - sets.term_weight @ mean
    information = _information(sets, weighted, hazard, mean=mean, weight=sets.term_weight)
    return Likelihood(
        float(value),
        gradient,
        information=information,
        relative_hazard=relative,
        shift=shift,
        term_hazard=hazard,
        term_mean=mean,
    )


def weighted_information(sets: RiskSets, fitted: Likelihood, per_group: FloatArray) -> FloatArray:
    """Return the information (p, p), each event time's share times ``per_group`` (g,)."""
    at_term = per_group[sets.term_group]
    weighted = sets.covariates * (sets.weight * fitted.relative_hazard)[:, None]
    return _information(
        sets,
        weighted,
        fitted.term_hazard * at_term,
        mean=fitted.term_mean,
        weight=sets.term_weight * at_term,
    )


def _information(
    sets: RiskSets,
    weighted: FloatArray,
    hazard: FloatArray,
    *,
    mean: FloatArray,
    weight: FloatArray,
) -> FloatArray:
    """Sum the covariance of covariates over terms: person by person, then less the means."""
    burden = sets.lived_through(sets.term_sums(hazard))
    burden[sets.event] -= sets.term_sums(hazard * sets.term_fraction)[sets.group]
    spread = mean.T @ (mean * weight[:, None])
    information: FloatArray = weighted.T @ (sets.covariates * burden[:, None]) - spread
    return information


def _suffix_sums(values: FloatArray) -> FloatArray:
    zero = np.zeros((1, *values.shape[1:]))
    return np.concatenate([np.cumsum(values[::-1], axis=0)[::-1], zero])
