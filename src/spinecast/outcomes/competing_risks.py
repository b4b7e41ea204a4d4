"""Competing risks: the chance of the event in a world where people also die."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.outcomes.inputs import (
    FloatArray,
    SurvivalColumns,
    require_events,
    require_option,
    survival_columns,
)
from spinecast.outcomes.intervals import normal_quantile
from spinecast.outcomes.risk_table import risk_table, step_value


@dataclass(frozen=True)
class IncidenceCurve:
    """A cumulative incidence curve.

    Attributes
    ----------
    times
        Distinct exit times in years, ascending, shape (k,).
    incidence, standard_error, ci_low, ci_high
        Probability of the event by each time, its standard error, 95 % limits on the
        complementary log-log scale (NaN where the incidence is 0 or 1).
    at_risk, events, deaths
        Numbers just before, and with the event or the competing one at, each time.
    """

    times: FloatArray
    incidence: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    at_risk: FloatArray
    events: FloatArray
    deaths: FloatArray

    def at(self, t: Any) -> Any:
        """Return the incidence by time ``t``, scalar or array."""
        return step_value(self.times, self.incidence, t, before_first=0.0)

    def ci_at(self, t: Any) -> tuple[Any, Any]:
        """Return both limits at time ``t``, scalar or array."""
        return (
            step_value(self.times, self.ci_low, t, before_first=float("nan")),
            step_value(self.times, self.ci_high, t, before_first=float("nan")),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per time."""
        return pd.DataFrame(
            {
                "time": self.times,
                "estimate": self.incidence,
                "standard_error": self.standard_error,
                "ci_low": self.ci_low,
                "ci_high": self.ci_high,
                "at_risk": self.at_risk,
                "events": self.events,
                "deaths": self.deaths,
            }
        )


def cumulative_incidence(
    duration: Any, event: Any, *, cause: int = 1, conf_type: str = "log-log"
) -> IncidenceCurve:
    """Estimate the cumulative incidence (Aalen and Johansen).

    Parameters
    ----------
    duration, event
        Years and codes 0/1/2, shape (n,).
    cause
        1 for the event, 2 for the competing death.
    conf_type
        "log-log" or "plain" limits.

    Raises
    ------
    StatisticsError
        SC-601 where nobody had ``cause``, SC-604..606 for bad columns.

    References
    ----------
    Aalen OO, Johansen S. Scand J Stat 1978;5:141-150.
    Aalen OO. Ann Stat 1978;6:534-545 (variance).
    """
    require_option(str(cause), ("1", "2"), name="cause")
    require_option(conf_type, ("log-log", "plain"), name="conf_type")
    columns = survival_columns(duration, event)
    require_events(np.sum(columns.event == cause))
    table = risk_table(
        columns.duration, columns.event > 0, entry=None, weights=np.ones(len(columns))
    )
    own = np.bincount(
        table.position, weights=(columns.event == cause), minlength=table.times.size
    ).astype(np.float64)
    before = np.concatenate([[1.0], np.cumprod(table.escape)[:-1]])
    incidence = np.cumsum(before * own / table.at_risk)
    error_of = np.sqrt(_variance(table.at_risk, table.events, own=own, before=before, f=incidence))
    low, high = _limits(incidence, error_of, conf_type)
    return IncidenceCurve(
        table.times, incidence, error_of, ci_low=low, ci_high=high,
        at_risk=table.at_risk, events=own, deaths=table.events - own,
    )  # fmt: skip


def _variance(
    at_risk: FloatArray,
    events: FloatArray,
    *,
    own: FloatArray,
    before: FloatArray,
    f: FloatArray,
) -> FloatArray:
    """Return the delta-method variance at every time, expanded so that cumsums suffice.

    Var F(t) = sum (F(t) - F(u))^2 d/(y(y-d)) + S(u-)^2 own(y-own)/y^3
               - 2 (F(t) - F(u)) S(u-) own/y^2
    """
    leave = np.divide(
        events, at_risk * (at_risk - events), out=np.zeros_like(f), where=at_risk > events
    )
    cross = before * own / at_risk**2
    square = f**2 * np.cumsum(leave) - 2 * f * np.cumsum(f * leave) + np.cumsum(f**2 * leave)
    direct = np.cumsum(before**2 * own * (at_risk - own) / at_risk**3)
    mixed = f * np.cumsum(cross) - np.cumsum(f * cross)
    return np.maximum(square + direct - 2 * mixed, 0.0)


def _limits(f: FloatArray, error_of: FloatArray, conf_type: str) -> tuple[FloatArray, FloatArray]:
    z = normal_quantile()
    if conf_type == "plain":
        return np.clip(f - z * error_of, 0, 1), np.clip(f + z * error_of, 0, 1)
    inside = (f > 0) & (f < 1)
    level = np.where(inside, f, 0.5)
    survival = 1 - level
    stretch = np.exp(z * error_of / (survival * np.abs(np.log(survival))))
    low, high = 1 - survival ** (1 / stretch), 1 - survival**stretch
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def incidence_influence(columns: SurvivalColumns, t: float) -> tuple[float, FloatArray]:
    """Return the incidence of the event by ``t`` and each person's influence on it.

    The infinitesimal jackknife of Aalen-Johansen: its sum of squares is the
    variance, also within clusters and for differences.
    """
    table = risk_table(
        columns.duration, columns.event > 0, entry=None, weights=np.ones(len(columns))
    )
    within = table.times <= t
    own = np.bincount(table.position, weights=columns.happened, minlength=table.times.size) * within
    events = table.events * within
    before = np.concatenate([[1.0], np.cumprod(table.escape)[:-1]])
    running = np.cumsum(before * own / table.at_risk)
    total = float(running[-1])
    rise = before / table.at_risk
    spare = table.at_risk - events
    fall = np.divide(total - running, spare, out=np.zeros_like(spare), where=spare > 0)
    lived = np.cumsum(rise * own / table.at_risk - fall * events / table.at_risk)
    seen = within[table.position]
    jump = columns.happened * rise[table.position] - (columns.event > 0) * fall[table.position]
    return total, np.where(seen, jump, 0.0) - lived[table.position]
