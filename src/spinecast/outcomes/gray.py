"""Gray's test of equal cumulative incidence: who will have had the event, deaths included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    SurvivalColumns,
    label_codes,
    require_events,
    require_option,
    survival_columns,
)
from spinecast.outcomes.intervals import chi_square
from spinecast.outcomes.survival import LogRank


@dataclass(frozen=True)
class GrayTest(LogRank):
    """Gray's test: as :class:`LogRank`, ``expected`` under equal subdistribution hazards."""


def gray_test(
    duration: Any,
    event: Any,
    group: Any,
    *,
    cause: int = 1,
    rho: float = 0.0,
    strata: Any = None,
) -> GrayTest:
    """Compare the cumulative incidence of two or more groups.

    The log-rank test compares how fast the living have the event; this test compares who
    will have had it, so that a group of whom many die first counts as having less of it.
    Followed until nearly nobody of a group is alive, it loses power: the variance is then
    that of the last few.

    Parameters
    ----------
    duration, event, group
        Years, codes 0/1/2 and group labels, shape (n,).
    cause
        1 for the event, 2 for the competing death.
    rho
        Weight (1 - F(t-))^rho; 0 weighs all times alike, 1 early ones more.
    strata
        Labels within which groups are compared before summing.

    Raises
    ------
    StatisticsError
        SC-601 where nobody had ``cause``, SC-602 one group, SC-604..606 for bad columns.

    References
    ----------
    Gray RJ. Ann Stat 1988;16:1141-1154.
    """
    require_option(str(cause), ("1", "2"), name="cause")
    columns = survival_columns(duration, event)
    codes, labels = label_codes(group, "group", length=len(columns))
    if len(labels) < 2:
        raise error("SC-602", expected="two or more groups", got=str(len(labels)), where="group")
    require_events(np.sum(columns.event == cause))
    count = len(labels)
    observed, expected, variance = np.zeros(count), np.zeros(count), np.zeros((count, count))
    for inside in _strata(strata, len(columns)):
        part = SurvivalColumns(columns.duration[inside], columns.event[inside])
        if (part.event == cause).any():
            seen, awaited, spread = _sums(part, codes[inside], count, cause=cause, rho=rho)
            observed, expected, variance = observed + seen, expected + awaited, variance + spread
    gap, own = (observed - expected)[:-1], variance[:-1, :-1]
    test = chi_square(float(gap @ np.linalg.pinv(own) @ gap), int(np.linalg.matrix_rank(own)))
    return GrayTest(
        test.statistic, test.degrees_of_freedom, test.p_value,
        groups=labels, n=np.bincount(codes, minlength=count),
        observed=observed, expected=expected,
    )  # fmt: skip


def _strata(strata: Any, length: int) -> list[BoolArray]:
    if strata is None:
        return [np.ones(length, dtype=bool)]
    codes, labels = label_codes(strata, "strata", length=length)
    return [codes == number for number in range(len(labels))]


@dataclass(frozen=True)
class _Group:
    """One group at the distinct times of any exit by event or death, shape (times,).

    ``at_risk``, ``own`` (the cause) and ``other`` (the other cause) count people; ``before``
    and ``after`` are the survival from both causes about each time, ``free`` one minus the
    incidence of the cause before it.
    """

    at_risk: FloatArray
    own: FloatArray
    other: FloatArray
    before: FloatArray
    after: FloatArray
    free: FloatArray

    @property
    def scaled(self) -> FloatArray:
        """People at risk over the survival before: those there would be without death."""
        return np.divide(
            self.at_risk, self.before, out=np.zeros_like(self.before), where=self.at_risk > 0
        )


def _group(columns: SurvivalColumns, times: FloatArray, cause: int) -> _Group:
    exits = np.sort(columns.duration)
    at_risk = (exits.size - np.searchsorted(exits, times, side="left")).astype(np.float64)

    def count(which: Any) -> FloatArray:
        slots = np.searchsorted(times, columns.duration[which])
        return np.bincount(slots, minlength=times.size).astype(np.float64)

    own = count(columns.event == cause)
    other = count((columns.event > 0) & (columns.event != cause))
    spared = 1 - np.divide(own + other, at_risk, out=np.zeros_like(own), where=at_risk > 0)
    after = np.cumprod(spared)
    before = np.concatenate([[1.0], after[:-1]])
    steps = np.divide(before * own, at_risk, out=np.zeros_like(own), where=at_risk > 0)
    free = 1 - np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    return _Group(at_risk, own, other, before, after, free)


def _sums(
    columns: SurvivalColumns, codes: IntArray, count: int, *, cause: int, rho: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return weighted events, expected events and their covariance, over groups."""
    times = np.unique(columns.duration[columns.event > 0])
    groups = [
        _group(SurvivalColumns(columns.duration[codes == g], columns.event[codes == g]), times,
               cause)
        for g in range(count)
    ]  # fmt: skip
    own = np.sum([g.own for g in groups], axis=0)
    scaled = np.sum([g.scaled for g in groups], axis=0)
    pooled_steps = own / scaled
    pooled = np.cumsum(pooled_steps)
    free = 1 - np.concatenate([[0.0], pooled[:-1]])
    weight = free**rho
    risk = [g.scaled * g.free for g in groups]
    rate = own / np.sum(risk, axis=0)
    observed = np.array([weight @ g.own for g in groups])
    expected = np.array([np.sum(weight * rate * r) for r in risk])
    variance = np.zeros((count, count))
    for g, each in enumerate(groups):
        share = each.scaled / scaled
        # how a change of hazard in this group moves every group's score, now and to the end
        now = np.array([weight * other.scaled * ((k == g) - share)
                        for k, other in enumerate(groups)])  # fmt: skip
        grown = np.cumsum(now * (pooled_steps / free), axis=1)
        later = grown[:, -1:] - grown
        left = np.divide(1 - pooled, each.after, out=np.zeros_like(pooled), where=each.after > 0)
        reach = np.where(each.after > 0, 1 - left, 1.0)
        tied = 1 - np.divide(
            own - 1, scaled * each.before - 1, out=np.zeros_like(own),
            where=(own > 1) & (each.at_risk > 0),
        )  # fmt: skip
        spread = np.divide(tied * each.before * own, scaled * each.at_risk,
                           out=np.zeros_like(own), where=each.at_risk > 0)  # fmt: skip
        moved = now + reach * later
        variance += (moved * spread) @ moved.T
        tied = 1 - np.divide(each.other - 1, each.at_risk - 1, out=np.zeros_like(own),
                             where=each.other > 1)  # fmt: skip
        spread = np.divide(tied * each.before**2 * each.other, each.at_risk**2,
                           out=np.zeros_like(own), where=each.at_risk > 0)  # fmt: skip
        moved = left * later
        variance += (moved * spread) @ moved.T
    return observed, expected, variance
