"""Rows of the recovery table: an estimate, its interval, the truth, and how to read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

KINDS = ("ceiling", "parameter", "accuracy")


@dataclass
class Recovered:
    """Collects rows; ``to_frame`` gives estimates and truths in one table."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        analysis: str,
        term: str,
        label: str,
        *,
        kind: str,
        estimate: float,
        truth: float = math.nan,
        interval: tuple[float, float] = (math.nan, math.nan),
        n: int,
    ) -> None:
        """Add one row.

        Parameters
        ----------
        analysis, term
            Its name in ``recovery.csv``.
        label
            Its name on the page.
        kind
            One of :data:`KINDS`, see ``recovery.recover``.
        estimate, interval, truth
            Numbers; NaN where there is none.
        n
            People (or films, where the label says so).
        """
        self.rows.append(
            {
                "analysis": analysis,
                "term": term,
                "label": label,
                "estimate": float(estimate),
                "ci_low": float(interval[0]),
                "ci_high": float(interval[1]),
                "p_value": math.nan,
                "truth": float(truth),
                "kind": kind,
                "n": int(n),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        columns = ("analysis", "term", "label", "estimate", "ci_low", "ci_high", "p_value")
        return pd.DataFrame(self.rows, columns=[*columns, "truth", "kind", "n"])
