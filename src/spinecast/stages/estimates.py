"""Rows of the estimates table: every number a study publishes, with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spinecast.seeds import generator

COLUMNS = ("analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n")


@dataclass
class Estimates:
    """Collects rows; ``to_frame`` gives the table of the goods."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        analysis: str,
        term: str,
        value: Any,
        *,
        n: int,
        interval: tuple[float, float] | None = None,
        p_value: float = np.nan,
    ) -> None:
        """Add one row.

        Parameters
        ----------
        value
            A number, or a result with ``estimate``, ``ci_low``, ``ci_high`` and ``p_value``.
        n
            People (or images, where the term says so) it rests on.
        interval
            95 % limits where ``value`` is a plain number.
        """
        if hasattr(value, "estimate"):
            interval, p_value = (value.ci_low, value.ci_high), getattr(value, "p_value", np.nan)
            value = value.estimate
        low, high = interval if interval is not None else (np.nan, np.nan)
        numbers = (float(value), float(low), float(high), float(p_value), int(n))
        self.rows.append(dict(zip(COLUMNS, (analysis, term, *numbers), strict=True)))

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def person_bootstrap(
    table: pd.DataFrame,
    statistic: Callable[[pd.DataFrame], float],
    *,
    seed: int,
    resamples: int,
) -> tuple[float, float]:
    """Return a 95 % percentile interval of ``statistic``, resampling people, not rows.

    Parameters
    ----------
    table
        One or several rows per ``person_id``.
    statistic
        Of a table; resamples in which it is not a number are left out.
    seed, resamples
        Which and how many.
    """
    rng = generator(seed, "bootstrap")
    places = list(table.groupby("person_id", sort=True).indices.values())
    values = []
    for _ in range(resamples):
        chosen = rng.integers(len(places), size=len(places))
        values.append(statistic(table.iloc[np.concatenate([places[i] for i in chosen])]))
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < resamples / 2:
        return (np.nan, np.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def mean_interval(table: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Return the mean of ``column`` and its 95 % limits, clustered by person."""
    by_person = table.groupby("person_id")[column].agg(["sum", "count"])
    mean = by_person["sum"].sum() / by_person["count"].sum()
    influence = (by_person["sum"] - mean * by_person["count"]) / by_person["count"].sum()
    reach = 1.96 * float(np.sqrt((influence**2).sum()))
    return float(mean), float(mean - reach), float(mean + reach)
