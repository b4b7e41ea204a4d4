"""Survival curves and their comparison: Kaplan-Meier and the log-rank family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    entry_column,
    label_codes,
    require_events,
    require_option,
    survival_columns,
    weight_column,
)
from spinecast.outcomes.intervals import Estimate, chi_square, normal_quantile, wald
from spinecast.outcomes.risk_table import RiskTable, risk_table, step_value


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier curve.

    Attributes
    ----------
    times
        Distinct exit times in years, ascending, shape (k,).
    survival, standard_error, ci_low, ci_high
        Survival just after each time; Greenwood's standard error; 95 % limits
        (NaN where survival has reached 0, where the transformed limits do not exist).
    at_risk, events
        (Weighted) numbers under observation just before, and events at, each time.
    """

    times: FloatArray
    survival: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    at_risk: FloatArray
    events: FloatArray

    def at(self, t: Any) -> Any:
        """Return survival at time ``t`` (scalar or array); the last value beyond follow-up."""
        return step_value(self.times, self.survival, t, before_first=1.0)

    def ci_at(self, t: Any) -> tuple[Any, Any]:
        """Return both limits at time ``t``, scalar or array."""
        return (
            step_value(self.times, self.ci_low, t, before_first=1.0),
            step_value(self.times, self.ci_high, t, before_first=1.0),
        )

    def number_at_risk(self, t: Any) -> Any:
        """Return how many are still under observation at ``t`` (exit at or after ``t``)."""
        values = np.append(self.at_risk, 0.0)[np.searchsorted(self.times, t, side="left")]
        return float(values) if np.ndim(t) == 0 else values

    def quantile(self, p: float) -> float:
        """Return the first time by which a share ``p`` has had the event; inf if not reached."""
        # A curve that meets 1 - p up to rounding has reached it.
        reached = np.flatnonzero(self.survival <= 1 - p + 1e-12)
        return float(self.times[reached[0]]) if reached.size else float("inf")

    def restricted_mean(self, tau: float) -> Estimate:
        """Return the mean event-free time up to ``tau`` years, with Greenwood's error.

        Raises
        ------
        StatisticsError
            SC-608 where ``tau`` lies beyond the last time.
        """
        if tau > self.times[-1]:
            raise error(
                "SC-608", expected=f"tau <= {self.times[-1]:g}", got=f"{tau:g}", where="tau"
            )
        inside = self.times < tau
        edges = np.concatenate([[0.0], self.times[inside], [tau]])
        levels = np.concatenate([[1.0], self.survival[inside]])
        areas = np.diff(edges) * levels
        remaining = areas.sum() - np.cumsum(areas)[:-1]  # area to the right of each time
        d, y = self.events[inside], self.at_risk[inside]
        spread = np.divide(d, y * (y - d), out=np.zeros_like(d), where=y > d)
        return wald(float(areas.sum()), float(np.sqrt(np.sum(remaining**2 * spread))))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per time."""
        return pd.DataFrame(
            {
                "time": self.times,
                "estimate": self.survival,
                "standard_error": self.standard_error,
                "ci_low": self.ci_low,
                "ci_high": self.ci_high,
                "at_risk": self.at_risk,
                "events": self.events,
            }
        )


def kaplan_meier(
    duration: Any,
    event: Any,
    *,
    entry: Any = None,
    weights: Any = None,
    conf_type: str = "log-log",
) -> SurvivalCurve:
    """Estimate the survival curve.

    Event code 2 (competing death) counts as censoring here, so ``1 - survival``
    overstates the risk where people die; use :func:`cumulative_incidence` then.

    Parameters
    ----------
    duration, event
        Years and codes 0/1/2, shape (n,).
    entry
        Years at which observation began (left truncation); at risk if entry < t <= duration.
    weights
        Case weights: a person of weight 2 counts as two people.
    conf_type
        "log-log" (stays in 0..1), "log" or "plain".

    Raises
    ------
    StatisticsError
        SC-604, SC-605, SC-606 for bad columns, SC-610 for the confidence type.

    References
    ----------
    Kaplan EL, Meier P. J Am Stat Assoc 1958;53:457-481. Greenwood 1926.
    """
    require_option(conf_type, ("log-log", "log", "plain"), name="conf_type")
    columns = survival_columns(duration, event)
    table = risk_table(
        columns.duration,
        columns.happened,
        entry=entry_column(entry, columns.duration),
        weights=weight_column(weights, len(columns)),
    )
    survival = np.cumprod(table.escape)
    cumulative = _greenwood(table)
    error_of = survival * np.sqrt(cumulative)
    low, high = _limits(survival, cumulative, conf_type)
    return SurvivalCurve(
        table.times, survival, error_of, low, high, at_risk=table.at_risk, events=table.events
    )


def _greenwood(table: RiskTable) -> FloatArray:
    y, d = table.at_risk, table.events
    return np.cumsum(np.divide(d, y * (y - d), out=np.zeros_like(d), where=y > d))


def _limits(
    survival: FloatArray, cumulative: FloatArray, conf_type: str
) -> tuple[FloatArray, FloatArray]:
    reach = normal_quantile() * np.sqrt(cumulative)
    with np.errstate(divide="ignore", invalid="ignore"):
        if conf_type == "plain":
            low, high = survival * (1 - reach), survival * (1 + reach)
        elif conf_type == "log":
            low, high = survival * np.exp(-reach), survival * np.exp(reach)
        else:
            stretch = np.exp(np.where(survival < 1, reach / np.log(survival), 0.0))
            low, high = survival ** (1 / stretch), survival**stretch
    dead = survival <= 0
    low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return np.where(dead, np.nan, low), np.where(dead, np.nan, high)


@dataclass(frozen=True)
class LogRank:
    """A log-rank test.

    Attributes
    ----------
    statistic, degrees_of_freedom, p_value
        Chi-square test of equal hazards in all groups.
    groups
        Labels, sorted.
    n, observed, expected
        People, (weighted) events seen and expected under equality, per group.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    groups: tuple[Any, ...]
    n: IntArray
    observed: FloatArray
    expected: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """Return one row per group; ``estimate`` is observed / expected."""
        return pd.DataFrame(
            {
                "group": list(self.groups),
                "n": self.n,
                "observed": self.observed,
                "expected": self.expected,
                "estimate": self.observed / self.expected,
                "p_value": self.p_value,
            }
        )


def log_rank(
    duration: Any, event: Any, group: Any, *, rho: float = 0.0, strata: Any = None
) -> LogRank:
    """Compare survival of two or more groups.

    Parameters
    ----------
    duration, event, group
        Years, codes (2 counts as censoring) and group labels, shape (n,).
    rho
        Weight S(t-)^rho: 0 is the log-rank, 1 the Peto-Peto test, which weighs early events.
    strata
        Labels within which groups are compared before summing.

    Raises
    ------
    StatisticsError
        SC-601 no events, SC-602 one group, SC-604..606 for bad columns.

    References
    ----------
    Mantel N. Cancer Chemother Rep 1966;50:163-170.
    Harrington DP, Fleming TR. Biometrika 1982;69:553-566.
    """
    columns = survival_columns(duration, event)
    codes, labels = label_codes(group, "group", length=len(columns))
    if len(labels) < 2:
        raise error("SC-602", expected="two or more groups", got=str(len(labels)), where="group")
    require_events(columns.happened.sum())
    stratum = np.zeros(len(columns), dtype=np.int64)
    if strata is not None:
        stratum = label_codes(strata, "strata", length=len(columns))[0]
    observed, expected = np.zeros(len(labels)), np.zeros(len(labels))
    variance = np.zeros((len(labels), len(labels)))
    for s in range(int(stratum.max()) + 1):
        inside = stratum == s
        parts = _log_rank_sums(
            columns.duration[inside], columns.happened[inside], codes[inside],
            count=len(labels), rho=rho,
        )  # fmt: skip
        observed, expected, variance = (
            observed + parts[0], expected + parts[1], variance + parts[2],
        )  # fmt: skip
    gap = (observed - expected)[:-1]
    statistic = float(gap @ np.linalg.pinv(variance[:-1, :-1]) @ gap)
    test = chi_square(statistic, int(np.linalg.matrix_rank(variance[:-1, :-1])))
    n = np.bincount(codes, minlength=len(labels))
    return LogRank(
        test.statistic, test.degrees_of_freedom, test.p_value,
        groups=labels, n=n, observed=observed, expected=expected,
    )  # fmt: skip


def _log_rank_sums(
    duration: FloatArray, happened: BoolArray, codes: IntArray, *, count: int, rho: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    table = risk_table(duration, happened, entry=None, weights=np.ones(duration.size))
    seen = table.events > 0
    times, d, y = table.times[seen], table.events[seen], table.at_risk[seen]
    before = np.concatenate([[1.0], np.cumprod(table.escape)[:-1]])[seen]
    weight = before**rho
    at_risk = np.empty((times.size, count))
    deaths = np.empty((times.size, count))
    for g in range(count):
        exits = np.sort(duration[codes == g])
        at_risk[:, g] = exits.size - np.searchsorted(exits, times, side="left")
        slots = np.searchsorted(times, duration[(codes == g) & happened])
        deaths[:, g] = np.bincount(slots, minlength=times.size)
    share = at_risk / y[:, None]
    spread = weight**2 * d * np.divide(y - d, y - 1, out=np.zeros_like(d), where=y > 1)
    variance = np.diag(spread @ share) - share.T @ (share * spread[:, None])
    return weight @ deaths, (weight * d) @ share, variance
