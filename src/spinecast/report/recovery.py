"""Estimates against a truth that is known: of simulated cohorts only.

Truth comes in as a table, read from the run folder; no stage that made an
estimate ever saw it.
"""

from __future__ import annotations

import math

import pandas as pd

from spinecast.report.digits import decimals_for, write_interval, write_number
from spinecast.report.parts import Table
from spinecast.report.tables import frame_table

COLUMNS = (
    *("analysis", "term", "label", "estimate", "ci_low", "ci_high"),
    *("truth", "error", "covered", "share_of_truth"),
)


def compare_with_truth(estimates: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Join estimates to their truth.

    Parameters
    ----------
    estimates
        Columns ``analysis``, ``term``, ``estimate``, ``ci_low``, ``ci_high``.
    truth
        Columns ``analysis``, ``term``, ``truth``, and optionally ``label``.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`; one row per row of ``truth``, NaN where nothing was estimated.
        ``covered`` is 1 where the interval holds the truth, 0 where not, NaN without an
        interval. One interval that misses proves nothing: 1 in 20 should.
    """
    kept = estimates[["analysis", "term", "estimate", "ci_low", "ci_high"]]
    joined = truth.merge(kept, on=["analysis", "term"], how="left", validate="one_to_one")
    if "label" not in joined.columns:
        joined["label"] = joined["analysis"].astype(str) + " / " + joined["term"].astype(str)
    inside = (joined["ci_low"] <= joined["truth"]) & (joined["truth"] <= joined["ci_high"])
    known = joined["ci_low"].notna() & joined["ci_high"].notna()
    joined["error"] = joined["estimate"] - joined["truth"]
    joined["covered"] = inside.astype(float).where(known)
    joined["share_of_truth"] = (joined["estimate"] / joined["truth"]).where(joined["truth"] != 0)
    return joined.loc[:, list(COLUMNS)]


def recovery_table(comparison: pd.DataFrame) -> Table:
    """Show what was estimated beside what is true, and whether the interval holds it."""
    rows = [_row(row) for row in comparison.to_dict("records")]
    return frame_table(
        pd.DataFrame(rows, columns=["quantity", "estimate", "truth", "error", "interval"]),
        caption="Estimates beside the truth of the simulated world.",
        headers={"estimate": "estimate (95 % interval)", "interval": "interval holds the truth"},
    )


def _row(row: dict) -> dict[str, str]:
    decimals = decimals_for((row["ci_high"] - row["ci_low"]) / 2)
    covered = {1.0: "yes", 0.0: "no"}.get(row["covered"], "no interval")
    return {
        "quantity": str(row["label"]),
        "estimate": write_interval(row["estimate"], row["ci_low"], row["ci_high"]),
        "truth": write_number(row["truth"], decimals),
        "error": write_number(row["error"], decimals),
        "interval": covered if math.isfinite(row["estimate"]) else "not estimated",
    }
