"""Inverse probability of censoring weights, with the price of estimating them.

Convention: G is the Kaplan-Meier curve of censoring on the training set, with
events (codes 1 and 2) removed before censorings at a tie. Somebody with an
event at T weighs 1 / G(T-), somebody still observed at t weighs 1 / G(t).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    SurvivalColumns,
    cluster_codes,
    survival_columns,
)
from spinecast.outcomes.risk_table import step_value, step_value_before


@dataclass(frozen=True)
class CensoringCurve:
    """Kaplan-Meier curve of censoring.

    Attributes
    ----------
    times, survival
        Distinct exit times and the probability of not yet being censored, shape (k,).
    hazard, spare
        Censorings over those at risk of it; at risk minus censorings, shape (k,).
    position, censored
        Of each training person: index into ``times``, and whether censored, shape (n,).
    """

    times: FloatArray
    survival: FloatArray
    hazard: FloatArray
    spare: FloatArray
    position: IntArray
    censored: FloatArray

    def at(self, t: Any) -> Any:
        """Return G(t)."""
        return step_value(self.times, self.survival, t, before_first=1.0)

    def before(self, t: Any) -> Any:
        """Return G(t-)."""
        return step_value_before(self.times, self.survival, t, before_first=1.0)

    def influence(self, times: FloatArray, coefficients: FloatArray, *, before: bool) -> FloatArray:
        """Return each training person's influence on sum(coefficients * log G(times)).

        ``before`` asks for G(t-) in place of G(t). The derivative is exact for
        the product-limit form (infinitesimal jackknife).
        """
        side: Literal["left", "right"] = "left" if before else "right"
        return self.influence_at(np.searchsorted(self.times, times, side=side), coefficients)

    def influence_at(self, slot: IntArray, coefficients: FloatArray) -> FloatArray:
        """Do the work of :meth:`influence`, given how many of ``times`` precede each asked time."""
        # A factor at times[k] enters log G(t) for every t whose slot lies beyond k.
        at_slot = np.bincount(slot, weights=coefficients, minlength=self.times.size + 1) * 1.0
        load = np.cumsum(at_slot[::-1])[::-1][1:]
        per_person = np.divide(load, self.spare, out=np.zeros_like(load), where=self.spare > 0)
        exposure = np.cumsum(per_person * self.hazard)
        previous = np.concatenate([[0.0], exposure[:-1]])
        # Events leave the censoring risk set before the censorings of their own time.
        spent = np.where(self.censored > 0, exposure[self.position], previous[self.position])
        return spent - self.censored * per_person[self.position]


def censoring_curve(columns: SurvivalColumns) -> CensoringCurve:
    """Estimate the censoring distribution of a training set."""
    times, position = np.unique(columns.duration, return_inverse=True)
    censored = (columns.event == 0).astype(np.float64)
    lost = np.bincount(position, weights=censored, minlength=times.size)
    leaving = np.bincount(position, minlength=times.size)
    exposed = np.cumsum(leaving[::-1])[::-1] - (leaving - lost)
    hazard = np.divide(lost, exposed, out=np.zeros_like(lost), where=exposed > 0)
    return CensoringCurve(
        times,
        np.cumprod(1.0 - hazard),
        hazard=hazard,
        spare=exposed - lost,
        position=position.astype(np.int64),
        censored=censored,
    )


@dataclass(frozen=True)
class WeightedSample:
    """A test set, the censoring curve that weighs it, and who belongs together.

    Influence vectors run over the test people and, where the training set is
    another one, over the training people after them: these are independent, so
    one sum of squares covers both sources of error.
    """

    columns: SurvivalColumns
    curve: CensoringCurve
    own_training: bool
    cluster: IntArray | None

    @cached_property
    def slot(self) -> IntArray:
        """How many times of the curve precede each person's exit."""
        if self.own_training:
            return self.curve.position
        return np.searchsorted(self.curve.times, self.columns.duration, side="left")

    @cached_property
    def _event_weight(self) -> FloatArray:
        survival = np.concatenate([[1.0], self.curve.survival])[self.slot]
        return np.divide(1.0, survival, out=np.zeros_like(survival), where=survival > 0)

    def event_weight(self) -> FloatArray:
        """Return 1 / G(T-) of everybody, 0 where it does not exist."""
        return self._event_weight

    def survivor_weight(self, t: float) -> float:
        """Return 1 / G(t).

        Raises
        ------
        StatisticsError
            SC-608 where everybody has been censored by ``t``.
        """
        survival = self.curve.at(t)
        if survival <= 0:
            raise error(
                "SC-608",
                expected="a time when some training people are uncensored",
                got=f"{t:g}",
                where="times",
            )
        return 1.0 / float(survival)

    def require_weights(self, needed: FloatArray) -> None:
        """Raise SC-608 where a person who counts has no weight."""
        if np.any((needed > 0) & (self._event_weight == 0)):
            raise error(
                "SC-608",
                expected="training follow-up that covers every counted event",
                got="an event after the last uncensored training time",
                where="train_duration",
            )

    def join(self, own: FloatArray, through_curve: FloatArray) -> FloatArray:
        """Combine direct influence with influence through the censoring curve."""
        return own + through_curve if self.own_training else np.concatenate([own, through_curve])

    def weighted_mean(
        self, values: FloatArray, t: float, *, exited: BoolArray, survivor: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return a mean over people weighted 1/G(T-) (``exited``) or 1/G(t), with its influence.

        Parameters
        ----------
        values
            Shape (n,).
        t
            Horizon in years.
        exited, survivor
            Who counts with an event or death by ``t``, and who as still observed.
        """
        self.require_weights(exited.astype(np.float64))
        share = exited * self.event_weight() + survivor * self.survivor_weight(t)
        total = share.sum()
        if total <= 0:
            raise error("SC-608", expected="people of known status", got=f"none at {t:g} years")
        share = share / total
        estimate = float(share @ values)
        own = share * (values - estimate)
        return estimate, self.join(own, self.through_weights(-own, t, exited=exited))

    def through_weights(
        self, coefficients: FloatArray, t: float, *, exited: BoolArray
    ) -> FloatArray:
        """Return training influence on sum(coefficients * log G), at T- if exited, else at t."""
        through = self.through_events(coefficients * exited)
        rest = np.array([np.sum(coefficients * ~exited)])
        return through + self.curve.influence(np.array([t]), rest, before=False)

    def through_events(self, coefficients: FloatArray) -> FloatArray:
        """Return training influence on sum(coefficients * log G(T-))."""
        return self.curve.influence_at(self.slot, coefficients)


def weighted_sample(
    train_duration: Any, train_event: Any, columns: SurvivalColumns, *, cluster: Any = None
) -> WeightedSample:
    """Prepare weights for a test set from a training set."""
    training = survival_columns(train_duration, train_event, name="train_")
    own = (
        len(training) == len(columns)
        and np.array_equal(training.duration, columns.duration)
        and np.array_equal(training.event, columns.event)
    )
    codes = cluster_codes(cluster, len(columns))
    if codes is not None and not own:
        extra = np.arange(len(training), dtype=np.int64) + codes.max() + 1
        codes = np.concatenate([codes, extra])
    return WeightedSample(columns, censoring_curve(training), own, codes)
