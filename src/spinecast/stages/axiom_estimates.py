"""Estimates of the axioms: how sound the counterfactual images are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from spinecast.stages.counterfactual_run import BACKBONES, suffix_of
from spinecast.stages.estimates import Estimates, mean_interval
from spinecast.stages.scans import short_name

#: What was set, read off the drawing: the first backbone's error less the other's.
LESS_TWO_LEVEL = "effectiveness_ratio_less_two_level"

#: Axioms that are one number an image.
PLAIN = ("composition_l1", "composition_decoder_l1", "reversibility_l1", "minimality")


def add_axioms(
    estimates: Estimates,
    axioms: pd.DataFrame,
    judged: pd.DataFrame,
    *,
    again: Callable[..., tuple[float, float]],
) -> None:
    """Add each axiom's mean, and errors of readings beside the judge's own.

    Both backbones draw the same interventions on the same people, so what they differ by is
    known better than either.

    Parameters
    ----------
    axioms
        See ``counterfactuals.axioms``, for each backbone.
    judged
        ``mae`` by ``parent``: the judge's errors on real scans of test people.
    again
        Interval of a statistic of a table.
    """
    for backbone in BACKBONES:
        rows = axioms[axioms["backbone"] == backbone]
        if rows.empty:
            continue
        end = suffix_of(backbone)
        for axiom in PLAIN:
            _add_mean(estimates, f"{axiom}{end}", rows[rows["axiom"] == axiom])
        of = reversal_ratio
        estimates.add("axioms", f"reversibility_ratio{end}", of(rows), n=_people(rows),
                      interval=again(rows, of))  # fmt: skip
        own = _what_was_set(rows)
        others = rows[rows["axiom"] == "untouched"]
        far = rows[rows["axiom"] == "effectiveness_marginal"]
        for axiom, table in (
            ("effectiveness", own), ("untouched", others), ("effectiveness_marginal", far)
        ):  # fmt: skip
            _add_readings(estimates, axiom, table, judged=judged, end=end, again=again)
    both = _what_was_set(axioms)
    if both["backbone"].nunique() == len(BACKBONES):
        less = partial(_less_other, judged=judged)
        estimates.add("axioms", LESS_TWO_LEVEL, less(both), n=_people(both),
                      interval=again(both, less))  # fmt: skip


def _what_was_set(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["axiom"] == "effectiveness") & (rows["parent"] == rows["intervened"])]


def _less_other(table: pd.DataFrame, *, judged: pd.DataFrame) -> float:
    """Return how much greater the first backbone's ratio is than the other's, of equal people."""
    first, other = (
        reading_ratio(table[table["backbone"] == name], judged=judged) for name in BACKBONES
    )
    return first - other


def reversal_ratio(table: pd.DataFrame) -> float:
    """Return the error of a reversal as a multiple of the decoder's own error."""
    means = table.groupby("axiom")["value"].mean()
    return float(means["reversibility_l1"] / means["composition_decoder_l1"])


def reading_ratio(table: pd.DataFrame, *, judged: pd.DataFrame) -> float:
    """Return the mean over parents of a reading's error as a multiple of the judge's own."""
    errors = table.groupby("parent")["value"].mean()
    return float((errors / judged["mae"].reindex(errors.index)).mean())


def _add_readings(
    estimates: Estimates,
    axiom: str,
    table: pd.DataFrame,
    *,
    judged: pd.DataFrame,
    end: str,
    again: Callable[..., tuple[float, float]],
) -> None:
    """Add each parent's mean absolute error and its ratio to the judge's, and the mean ratio."""
    if table.empty:
        return
    for parent, rows in table.groupby("parent", sort=False):
        name = short_name(str(parent))
        _add_mean(estimates, f"{axiom}_{name}{end}", rows)
        own = judged["mae"][str(parent)]
        mean, low, high = (value / own for value in mean_interval(rows, "value"))
        estimates.add("axioms", f"{axiom}_ratio_{name}{end}", mean, n=_people(rows),
                      interval=(low, high))  # fmt: skip
    of = partial(reading_ratio, judged=judged)
    estimates.add("axioms", f"{axiom}_ratio{end}", of(table), n=_people(table),
                  interval=again(table, of))  # fmt: skip


def _add_mean(estimates: Estimates, term: str, rows: pd.DataFrame) -> None:
    known = rows.dropna(subset=["value"])
    if len(known):
        mean, low, high = mean_interval(known, "value")
        estimates.add("axioms", term, mean, n=_people(known), interval=(low, high))


def _people(rows: pd.DataFrame) -> int:
    return int(rows["person_id"].nunique())
