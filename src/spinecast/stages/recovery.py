"""Estimates of a run beside the truth of its simulated world.

The only place besides tests that asks a source for its truth, after every estimate was
written. A real cohort has none: the table is then empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from spinecast.cohort import HasTruth, open_cohort
from spinecast.report.recovery import COLUMNS, compare_with_truth
from spinecast.stages.estimates import COLUMNS as ESTIMATES
from spinecast.stages.recovery_films import against_true_futures
from spinecast.stages.recovery_risk import against_best_possible, against_true_risk
from spinecast.stages.recovery_rows import KINDS, Recovered
from spinecast.stages.recovery_scores import against_true_spines
from spinecast.stages.saved_run import SavedRun
from spinecast.stages.saved_stages import AbsentError, SavedStages

SavedT = TypeVar("SavedT", bound=SavedStages)

RECOVERY_COLUMNS = (*COLUMNS, "kind", "n")
_CHAPTERS = (against_best_possible, against_true_risk, against_true_spines, against_true_futures)


def recover(saved: SavedRun) -> pd.DataFrame:
    """Set the estimates of a follow-up run beside their truth, see :func:`beside_truth`."""
    return beside_truth(saved, _CHAPTERS)


def beside_truth(
    saved: SavedT, chapters: Sequence[Callable[[Recovered, SavedT, Any], None]]
) -> pd.DataFrame:
    """Set estimates beside their truth.

    Parameters
    ----------
    saved
        A run of any study.
    chapters
        Each adds rows of one kind, given the run and its truth.

    Returns
    -------
    DataFrame
        Columns :data:`RECOVERY_COLUMNS`. ``kind`` says how to read a row:
        ``parameter``: the interval should hold the truth (``covered`` is 1 or 0);
        ``ceiling``: the truth is the best anybody could reach on the same people;
        ``accuracy``: the estimate is itself a comparison with the truth, so that ``truth``
        is what perfect would be, or unknown. Empty for cohorts without truth.
    """
    source = None
    if saved.source.startswith("simulated:"):
        source = open_cohort(saved.source, seed=saved.seed)
    if source is None or not isinstance(source, HasTruth):
        return pd.DataFrame(columns=list(RECOVERY_COLUMNS))
    truth, rows = source.truth(), Recovered()
    for chapter in chapters:
        try:
            chapter(rows, saved, truth)
        except AbsentError:
            continue  # the page says of each section why it is missing
    return compared(rows.to_frame())


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill error, coverage and share of the truth; only parameters can be covered."""
    keys = ["analysis", "term"]
    table = compare_with_truth(rows[list(ESTIMATES)], rows[[*keys, "label", "truth"]])
    table = table.merge(rows[[*keys, "kind", "n"]], on=keys, how="left", validate="one_to_one")
    table["covered"] = table["covered"].where(table["kind"] == "parameter")
    table["kind"] = pd.Categorical(table["kind"], KINDS)
    table = table.sort_values("kind", kind="stable", ignore_index=True)
    table["kind"] = table["kind"].astype(str)
    return table[list(RECOVERY_COLUMNS)]


def read_recovery(path: Path) -> pd.DataFrame:
    """Read a saved recovery table; empty where there is none."""
    if not path.exists():
        return pd.DataFrame(columns=list(RECOVERY_COLUMNS))
    return pd.read_csv(path)
