"""Scores against the truth: who really has a fracture, how old spines are, who will fracture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.outcomes import delong
from spinecast.scores.aggregate import baseline_scores, generated_scores
from spinecast.stages.estimates import mean_interval, person_bootstrap
from spinecast.stages.recovery_rows import Recovered
from spinecast.stages.saved_run import SavedRun

_FEWEST = 5
_RESAMPLES = 200


def against_true_spines(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add the scores' accuracy against true fractures, true ages and true chances."""
    visits = truth.visits()[["person_id", "visit", "years_since_baseline", "prevalent_vf"]]
    people = truth.people().set_index("person_id")
    _add_prevalent(rows, saved, visits)
    _add_age(rows, saved, _true_ages(visits, people))
    _add_future(rows, saved, truth)


def _add_prevalent(rows: Recovered, saved: SavedRun, visits: pd.DataFrame) -> None:
    """AUROC of the baseline score for a true, not a reported, vertebral fracture."""
    table = baseline_scores(saved.scores)
    table = table[table["split"] == "test"]
    true = visits[visits["visit"] == 0].set_index("person_id")["prevalent_vf"]
    records = saved.cohort.visits[saved.cohort.visits["visit"] == 0]
    reported = records.set_index("person_id")["prevalent_vf"]
    for term, label, outcome in (
        ("auroc", "AUROC for a true prevalent fracture", true),
        ("auroc_reported", "AUROC for a reported prevalent fracture", reported),
    ):
        known = table.assign(outcome=table["person_id"].map(outcome)).dropna(subset=["outcome"])
        try:
            judged = delong(known["outcome"], known["value"])
        except StatisticsError:
            continue
        rows.add(
            "prevalent_fracture", term, label, kind="accuracy", estimate=judged.auroc[0],
            truth=1.0, interval=(judged.ci_low[0], judged.ci_high[0]), n=len(known),
        )  # fmt: skip


def _true_ages(visits: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return true age and acceleration of the spine (years) by person and visit."""
    known = people.loc[visits["person_id"]]
    return visits[["person_id", "visit"]].assign(
        age=known["baseline_age"].to_numpy() + visits["years_since_baseline"].to_numpy(),
        acceleration=known["acceleration"].to_numpy(),
    )


def _add_age(rows: Recovered, saved: SavedRun, true: pd.DataFrame) -> None:
    """Add the age regressor's error, and whether its gap follows the true acceleration."""
    scores = saved.scores
    table = scores[
        (scores["score"] == "age") & (scores["draw"] < 0) & (scores["split"] == "test")
    ].merge(true, on=["person_id", "visit"])
    if len(table) < _FEWEST:
        return
    table = table.assign(gap=table["value"] - table["age"])
    table["distance"] = table["gap"].abs()
    for term, label, column in (
        ("bias", "age read minus true age (years)", "gap"),
        ("mean_absolute_error", "distance of age read from true age (years)", "distance"),
    ):
        mean, low, high = mean_interval(table, column)
        rows.add(
            "age", term, label, kind="accuracy", estimate=mean, truth=0.0, interval=(low, high),
            n=len(table),
        )  # fmt: skip
    value, limits = _resampled(table, partial(_partial_gap), saved)
    rows.add(
        "age", "pearson_r_acceleration", "age gap against true acceleration of the spine, r "
        "(age removed)", kind="accuracy", estimate=value, truth=1.0, interval=limits, n=len(table),
    )  # fmt: skip


def _partial_gap(table: pd.DataFrame) -> float:
    """Correlate gap and acceleration after age is taken out: regressors shrink to the mean."""
    if table["age"].nunique() < 2:
        return float("nan")
    gap, acceleration = (
        table[name] - np.polyval(np.polyfit(table["age"], table[name], 1), table["age"])
        for name in ("gap", "acceleration")
    )
    return _correlation(gap, acceleration)


def _add_future(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add GpVF beside the true chance of showing a vertebral fracture by then."""
    horizon = saved.settings.risk.generated_horizon
    table = generated_scores(saved.scores, horizon=horizon)
    table = table[table["split"] == "test"].reset_index(drop=True)
    if len(table) < _FEWEST:
        return
    survival = truth.survival([horizon], "vertebral_fracture")[horizon]
    already = truth.people().set_index("person_id")["prevalent_vf"]
    already = already.loc[table["person_id"]].to_numpy()
    new = 1 - survival.loc[table["person_id"]].to_numpy()
    table = table.assign(shows=np.where(already > 0, 1.0, new), new=new, free=already == 0)
    years = f"{horizon:g} y"
    value, limits = _resampled(table, lambda t: float(t["value"].mean()), saved)
    rows.add(
        "gpvf", "mean", f"mean GpVF({years}); truth: mean chance of showing a fracture by then",
        kind="accuracy", estimate=value, truth=float(table["shows"].mean()), interval=limits,
        n=len(table),
    )  # fmt: skip
    value, limits = _resampled(table, _slope, saved)
    rows.add(
        "gpvf", "calibration_slope", f"true chance per unit of GpVF({years})", kind="accuracy",
        estimate=value, truth=1.0, interval=limits, n=len(table),
    )  # fmt: skip
    for term, label, column, part in (
        ("pearson_r", "true chance of showing a fracture", "shows", table),
        ("pearson_r_new", "true chance of a first fracture, those without one", "new",
         table[table["free"]]),
    ):  # fmt: skip
        if len(part) < _FEWEST:
            continue
        value, limits = _resampled(part, partial(_with_value, column=column), saved)
        rows.add(
            "gpvf", term, f"GpVF({years}) against {label}, r", kind="accuracy", estimate=value,
            truth=1.0, interval=limits, n=len(part),
        )  # fmt: skip


def _with_value(table: pd.DataFrame, column: str) -> float:
    return _correlation(table["value"], table[column])


def _slope(table: pd.DataFrame) -> float:
    spread = float(table["value"].var())
    return float(table["value"].cov(table["shows"]) / spread) if spread > 0 else float("nan")


def _correlation(first: pd.Series, second: pd.Series) -> float:
    if first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(first.corr(second))


def _resampled(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], saved: SavedRun
) -> tuple[float, tuple[float, float]]:
    limits = person_bootstrap(table, statistic, seed=saved.seed, resamples=_RESAMPLES)
    return statistic(table), limits
