"""The Cox partial likelihood: risk sets once, then value, gradient and information in O(n).

At event time g with deaths D the likelihood has one term per death (Efron) or
one in all (Breslow). A term with fraction f divides by S0 - f * S0(D), where S0
sums w exp(eta) over the risk set. The information is summed person by person
(each carries the total hazard it lived through), so no n x p x p array exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spinecast.outcomes.inputs import BoolArray, FloatArray, IntArray

# People worked on at once where values and covariates meet: fits the cache.
BLOCK = 8_192


def blocks(people: int) -> Iterator[slice]:
    """Cut ``people`` rows into slices of at most BLOCK."""
    return (slice(first, min(first + BLOCK, people)) for first in range(0, people, BLOCK))


@dataclass(frozen=True)
class Joining:
    """People in the order they are added up, and how many of them each question takes.

    Attributes
    ----------
    order
        Sorted people, shape (k,).
    marks
        The different counts asked for, ascending.
    places
        Of each question about each group: which mark, shape (questions, g).
    """

    order: IntArray
    marks: IntArray
    places: IntArray

    @staticmethod
    def of(order: IntArray, *counts: IntArray) -> Joining:
        """Ask for the first ``counts`` (g,) people of ``order``, once or more."""
        marks, places = np.unique(np.concatenate(counts), return_inverse=True)
        return Joining(order, marks, places.reshape(len(counts), -1))

    def moments(self, x: FloatArray, weight: FloatArray) -> list[FloatArray]:
        """Sum ``weight`` and weight times ``x`` (n, p): one array (g, 1 + p) per question."""
        # imported here: the room itself loads without numba, which takes half a second
        from spinecast.outcomes.cox_sums import running_moments

        found = running_moments(x, weight, self.order, self.marks)
        return [found[place] for place in self.places]


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
        Sorted, shapes (n, p), (n,), (n,); covariates with mean 0 and spread 1.
    mean, scale
        What was taken from the covariates, and what they were divided by, shape (p,).
    joined
        Who is under observation at each group's time or later, in its own stratum and later
        strata, and in later strata alone.
    waiting
        The same of those who have not yet entered; None without late entry.
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
    mean: FloatArray
    scale: FloatArray
    joined: Joining
    waiting: Joining | None
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
        return int(self.group_time.size)

    @cached_property
    def dying(self) -> IntArray:
        """Sorted people with an event, shape (d,)."""
        return np.flatnonzero(self.event)

    @cached_property
    def pull(self) -> FloatArray:
        """Weighted sum of the covariates of the dying, shape (p,)."""
        pull: FloatArray = self.weight[self.dying] @ self.covariates[self.dying]
        return pull

    def risk_moments(self, risk: FloatArray) -> FloatArray:
        """Sum ``risk`` (n,) and risk times covariates over risk sets, shape (g, 1 + p)."""
        later, elsewhere = self.joined.moments(self.covariates, risk)
        sums: FloatArray = later - elsewhere
        if self.waiting is not None:
            later, elsewhere = self.waiting.moments(self.covariates, risk)
            sums -= later - elsewhere
        return sums

    def death_moments(self, risk: FloatArray) -> FloatArray:
        """Sum ``risk`` (n,) and risk times covariates over each group's deaths, (g, 1 + p)."""
        from spinecast.outcomes.cox_sums import group_moments

        moments: FloatArray = group_moments(
            self.covariates, risk, self.dying, self.group, self.groups
        )
        return moments

    def term_sums(self, values: FloatArray) -> FloatArray:
        """Sum the terms' ``values`` (terms,) or (terms, k) within each group."""
        if values.ndim == 1:
            return np.bincount(self.term_group, weights=values, minlength=self.groups)
        return np.column_stack(
            [np.bincount(self.term_group, weights=v, minlength=self.groups) for v in values.T]
        )

    def lived_through(self, per_group: FloatArray) -> FloatArray:
        """Sum ``per_group`` (g,) over the groups in which each person was at risk, shape (n,)."""
        running = np.append(0.0, np.cumsum(per_group))
        total: FloatArray = running[self.end_group] - running[self.first_group]
        return total

    def lived_through_blocks(self, per_group: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Give the same sums of ``per_group`` (g, k) for some people at a time."""
        running = _running(per_group)
        for people in blocks(self.order.size):
            total = running[self.end_group[people]]
            total -= running[self.first_group[people]]
            yield people, total


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
    """Sort and standardise the data once, and locate every risk set."""
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
    # at or after each group, and from the next stratum on
    since = (group_key, (group_key // span + 1) * span)
    waiting = None
    if entry is not None:
        late = np.argsort(-entry_key, kind="stable")
        waiting = _from_the_end(late, entry_key[late][::-1], since)
    deaths = np.bincount(group, weights=weight[event], minlength=group_key.size)
    terms = _terms(group, deaths, ties)
    mean, scale, z = _standardised(covariates, order)
    return RiskSets(
        order=order,
        covariates=z,
        weight=weight,
        event=event,
        mean=mean,
        scale=scale,
        joined=_from_the_end(np.arange(order.size)[::-1], exit_key, since),
        waiting=waiting,
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


def _standardised(x: FloatArray, order: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return means and spreads (p,), and the sorted columns with mean 0 and spread 1 (n, p)."""
    mean = x.mean(axis=0)
    square = np.zeros_like(mean)
    for people in blocks(len(x)):
        away = x[people] - mean
        square += np.einsum("ij,ij->j", away, away)
    scale = np.sqrt(square / len(x))
    z = np.empty_like(x)
    for people in blocks(len(x)):
        z[people] = (x[order[people]] - mean) / scale
    return mean, scale, z


def _from_the_end(
    order: IntArray, ascending: IntArray, since: tuple[IntArray, IntArray]
) -> Joining:
    """Add up people from the last key to the first: those at or after each key of ``since``."""
    before = [np.searchsorted(ascending, key, side="left") for key in since]
    return Joining.of(order, *(ascending.size - place for place in before))


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
    from spinecast.outcomes.cox_sums import term_means

    eta = sets.covariates @ coefficients
    shift = float(eta.max())
    relative = np.exp(eta - shift)
    risk = sets.weight * relative
    denominator, mean = term_means(
        sets.risk_moments(risk), sets.death_moments(risk), sets.term_group, sets.term_fraction
    )
    hazard = sets.term_weight / denominator
    dying, weight = sets.dying, sets.weight[sets.dying]
    value = weight @ (eta[dying] - shift) - sets.term_weight @ np.log(denominator)
    return Likelihood(
        float(value),
        sets.pull - sets.term_weight @ mean,
        information=_information(sets, risk, hazard, mean=mean, weight=sets.term_weight),
        relative_hazard=relative,
        shift=shift,
        term_hazard=hazard,
        term_mean=mean,
    )


def weighted_information(sets: RiskSets, fitted: Likelihood, per_group: FloatArray) -> FloatArray:
    """Return the information (p, p), each event time's share times ``per_group`` (g,)."""
    at_term = per_group[sets.term_group]
    return _information(
        sets,
        sets.weight * fitted.relative_hazard,
        fitted.term_hazard * at_term,
        mean=fitted.term_mean,
        weight=sets.term_weight * at_term,
    )


def _information(
    sets: RiskSets,
    risk: FloatArray,
    hazard: FloatArray,
    *,
    mean: FloatArray,
    weight: FloatArray,
) -> FloatArray:
    """Sum the covariance of covariates over terms: person by person, then less the means."""
    burden = sets.lived_through(sets.term_sums(hazard))
    burden[sets.dying] -= sets.term_sums(hazard * sets.term_fraction)[sets.group]
    return _squares(sets.covariates, risk * burden) - _squares(mean, weight)


def _running(values: FloatArray) -> FloatArray:
    """Return sums of the first 0, 1, ... rows of ``values`` (g, k), shape (g + 1, k)."""
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _squares(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Return x' diag(weight) x, shape (p, p), without a copy of ``x`` (n, p)."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for rows in blocks(x.shape[0]):
        total += x[rows].T @ (x[rows] * weight[rows, None])
    return total
