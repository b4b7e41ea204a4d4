"""Who is at risk when: the table below Kaplan-Meier, Aalen-Johansen and censoring weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinecast.outcomes.inputs import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RiskTable:
    """Counts at the distinct exit times.

    Attributes
    ----------
    times
        Distinct exit times, ascending, shape (k,).
    position
        Index into ``times`` of every person's exit, shape (n,).
    at_risk, events
        Weighted numbers just before, and events at, each time, shape (k,).
    """

    times: FloatArray
    position: IntArray
    at_risk: FloatArray
    events: FloatArray

    @property
    def escape(self) -> FloatArray:
        """Share of those at risk who do not have the event at each time."""
        return 1.0 - np.divide(
            self.events, self.at_risk, out=np.zeros_like(self.events), where=self.at_risk > 0
        )


def risk_table(
    duration: FloatArray,
    happened: BoolArray,
    *,
    entry: FloatArray | None,
    weights: FloatArray,
) -> RiskTable:
    """Count people at risk and events at every distinct exit time.

    Parameters
    ----------
    duration, happened, weights
        Exit, whether by the event, and case weights, shape (n,).
    entry
        Start of observation, or None; at risk if entry < t <= duration.
    """
    times, position = np.unique(duration, return_inverse=True)
    leaving = np.bincount(position, weights=weights, minlength=times.size)
    events = np.bincount(position, weights=weights * happened, minlength=times.size)
    at_risk = np.cumsum(leaving[::-1])[::-1]
    if entry is not None:
        # A person enters after every time up to and including entry.
        late = np.searchsorted(times, entry, side="right")
        waiting = np.bincount(late, weights=weights, minlength=times.size + 1)
        at_risk = at_risk - np.cumsum(waiting[::-1])[::-1][1:]
    return RiskTable(times, position.astype(np.int64), at_risk, events)


def step_value(times: FloatArray, values: FloatArray, t: Any, *, before_first: float) -> Any:
    """Return the value of a right-continuous step function at ``t``, scalar or array."""
    padded = np.concatenate([[before_first], values])
    found = padded[np.searchsorted(times, t, side="right")]
    return float(found) if np.ndim(t) == 0 else found


def step_value_before(times: FloatArray, values: FloatArray, t: Any, *, before_first: float) -> Any:
    """Return the left limit of a right-continuous step function at ``t``, scalar or array."""
    padded = np.concatenate([[before_first], values])
    found = padded[np.searchsorted(times, t, side="left")]
    return float(found) if np.ndim(t) == 0 else found
