"""Risk against the truth: the best possible discrimination, true hazard ratios, true chances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.outcomes import cumulative_incidence, harrell_concordance, time_dependent_auc
from spinecast.stages.estimates import person_bootstrap
from spinecast.stages.recovery_rows import Recovered
from spinecast.stages.report_models import model_people
from spinecast.stages.report_risk import GROUPS
from spinecast.stages.saved_run import AbsentError, SavedRun

_KNOWN_ENDPOINTS = frozenset({"vertebral_fracture", "any_fracture"})
_CELL = 0.25  # years
_ROUNDS = 500
_CEILINGS = (
    ("", "true_risk", "by the true risk"),
    ("_visible", "visible", "by what a film, age and sex can tell"),
)


def against_best_possible(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add c-index and AUROC of the main model beside those of the true risk, on the same people."""
    _, test = model_people(saved.people)
    if test.empty:
        raise AbsentError("No test person was judged by the risk models.")
    test = with_true_risk(test, saved, truth)
    for suffix, column, words in _CEILINGS:
        best = _or_nan(partial(_concordance, test, column))
        _add_ceiling(rows, saved, f"c_index{suffix}", label=f"c-index; best {words}", best=best)
    for years in saved.settings.risk.times:
        best = _or_nan(partial(_auroc, saved, test, years))
        _add_ceiling(
            rows,
            saved,
            f"auroc_{years:g}y",
            label=f"AUROC at {years:g} y; best by the true risk",
            best=best,
        )
    for suffix, column, words in _CEILINGS:
        _add_share(rows, saved, test, ceiling=column, term=f"c_index_share_of_best{suffix}",
                   label=f"c-index as a share of the best {words}")  # fmt: skip
    _add_expected_share(rows, saved, test, truth=truth)
    _add_expected(rows, saved, truth)


def with_true_risk(people: pd.DataFrame, saved: SavedRun, truth: Any) -> pd.DataFrame:
    """Return ``people`` with ``true_risk`` and ``visible``.

    The first is the chance they truly had of the endpoint by the last time, as if nobody
    died; the second the part of the log hazard that a film, age and sex tell.
    """
    last = max(saved.settings.risk.times)
    survival = truth.survival([last], _endpoint(saved))[last]
    visible = truth.people().set_index("person_id")["visible_predictor"]
    return people.assign(
        true_risk=1 - survival.loc[people["person_id"]].to_numpy(),
        visible=visible.loc[people["person_id"]].to_numpy(),
    )


def _endpoint(saved: SavedRun) -> str:
    endpoint = saved.settings.cohort.endpoint
    if endpoint not in _KNOWN_ENDPOINTS:
        raise AbsentError(f"The truth of {endpoint} has no closed form.")
    return endpoint


def _add_ceiling(rows: Recovered, saved: SavedRun, term: str, *, label: str, best: float) -> None:
    own = saved.estimate("models", term.removesuffix("_visible"))
    if own is None or not np.isfinite(own.value):
        return
    rows.add(
        "models", term, label, kind="ceiling", estimate=own.value, truth=best,
        interval=(own.ci_low, own.ci_high), n=int(own.n),
    )  # fmt: skip


def _add_share(
    rows: Recovered, saved: SavedRun, test: pd.DataFrame, *, ceiling: str, term: str, label: str
) -> None:
    """Add the share of the best possible c-index that the main model reaches, resampled."""
    column = "risk_scores_clinical_cox"
    if column not in test or test[column].isna().any():
        return

    def share(table: pd.DataFrame) -> float:
        return _or_nan(lambda: _concordance(table, column) / _concordance(table, ceiling))

    limits = person_bootstrap(
        test, share, seed=saved.seed, resamples=min(200, saved.settings.risk.bootstrap)
    )
    rows.add(
        "models", term, label, kind="ceiling", estimate=share(test), truth=1.0,
        interval=limits, n=len(test),
    )  # fmt: skip


def _add_expected_share(
    rows: Recovered, saved: SavedRun, test: pd.DataFrame, *, truth: Any
) -> None:
    """Add the share of the best c-index, both expected over all that could have happened.

    What did happen to a hundred people moves a c-index by some 0.04 either way; this does
    not move with it, and is the share to compare runs by.
    """
    column = "risk_scores_clinical_cox"
    if column not in test or test[column].isna().any():
        return
    people = test.set_index("person_id")

    def expected(name: str) -> float:
        return float(
            truth.expected_concordance(
                people[name], _endpoint(saved), tau=max(saved.settings.risk.times)
            )
        )

    own = expected(column)
    for suffix, ceiling, words in _CEILINGS:
        rows.add(
            "models", f"c_index_expected_share{suffix}",
            f"c-index as a share of the best {words}, both without the luck of one follow-up",
            kind="ceiling", estimate=own / expected(ceiling), truth=1.0,
            interval=(float("nan"), float("nan")), n=len(test),
        )  # fmt: skip


def _add_expected(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add the best c-index expected over all pairs of the world, without the luck of one sample."""
    last = max(saved.settings.risk.times)
    table = truth.best_discrimination(_endpoint(saved), horizons=[last], tau=last)
    found = table[table["statistic"] == "c_index"].set_index("predictor")["value"]
    compared = {
        "everything": ("c_index", "all risk known"),
        "image_visible": ("c_index", "all that a film, age and sex tell"),
        "age_sex": ("c_index_age_cox", "age and sex; estimate: age alone"),
    }
    for predictor, (term, words) in compared.items():
        own = saved.estimate("models", term)
        if own is None or not np.isfinite(own.value):
            continue
        rows.add(
            "models", f"c_index_expected_{predictor}", f"c-index; expected in the world: {words}",
            kind="ceiling", estimate=own.value, truth=float(found[predictor]),
            interval=(own.ci_low, own.ci_high), n=int(own.n),
        )  # fmt: skip


def _concordance(table: pd.DataFrame, column: str) -> float:
    return float(harrell_concordance(table["duration"], table["event"], table[column]).estimate)


def _auroc(saved: SavedRun, test: pd.DataFrame, years: float) -> float:
    fitting, _ = model_people(saved.people)
    judged = time_dependent_auc(
        fitting["duration"], fitting["event"], test["duration"],
        event=test["event"], risk=test["true_risk"], times=[years],
    )  # fmt: skip
    return float(judged.estimate[0])


def _or_nan(statistic: Callable[[], float]) -> float:
    try:
        return statistic()
    except (StatisticsError, ZeroDivisionError):
        return float("nan")


def against_true_risk(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add hazard ratios and incidences of the groups, and mean predicted risk, beside the truth."""
    people = saved.test_people
    ratios = true_hazard_ratios(people, truth, _endpoint(saved))
    for group, value in ratios.items():
        term = f"hazard_ratio_{group.lower()}"
        own = saved.estimate("risk_groups", term)
        if own is None or not np.isfinite(own.value):
            continue
        rows.add(
            "risk_groups", term, f"hazard ratio, {group} against LL", kind="parameter",
            estimate=own.value, truth=value, interval=(own.ci_low, own.ci_high), n=int(own.n),
        )  # fmt: skip
    _add_incidences(rows, saved, truth)
    _add_predicted(rows, saved, truth)


def true_hazard_ratios(people: pd.DataFrame, truth: Any, endpoint: str) -> dict[str, float]:
    """Return what Cox's hazard ratios of LH and HIGH against LL tend to under the true hazards.

    Parameters
    ----------
    people
        ``person_id`` and ``group`` of the people compared.
    truth
        Of the world.
    endpoint
        Which event.

    Returns
    -------
    dict
        Group to ratio. It solves Cox's score equations with every person's expected events
        and expected time at risk in place of what happened by chance, over the time that the
        person's records last; where hazards are not proportional it is their weighted mean.
    """
    records = truth.people().set_index("person_id").loc[people["person_id"]]
    stop = np.minimum(records["follow_up"].to_numpy(), 45.0)
    edges = np.arange(0.0, stop.max() + _CELL, _CELL)
    survival = truth.survival(list(edges), endpoint).loc[people["person_id"]].to_numpy()
    here = np.clip((stop[:, None] - edges[None, :-1]) / _CELL, 0, 1)  # share of the cell followed
    events = (survival[:, :-1] - survival[:, 1:]) * here
    at_risk = 0.5 * (survival[:, :-1] + survival[:, 1:]) * here
    group = people["group"].to_numpy()
    present = [g for g in GROUPS if np.any(group == g)]
    if "LL" not in present or len(present) == 1:
        return {}
    d = np.stack([events[group == g].sum(axis=0) for g in present])
    y = np.stack([at_risk[group == g].sum(axis=0) for g in present])
    theta = _cox_limit(d, y)
    return {g: float(theta[i] / theta[0]) for i, g in enumerate(present) if g != "LL"}


def _cox_limit(events: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    """Solve the score equations for one factor a group; both arrays are (groups, cells)."""
    theta, total = np.ones(len(events)), events.sum(axis=0)
    for _ in range(_ROUNDS):
        weight = np.maximum(theta @ at_risk, 1e-12)
        theta = events.sum(axis=1) / np.maximum((at_risk * total / weight).sum(axis=1), 1e-12)
        theta = theta / theta[0]
    return theta


def _add_incidences(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add the estimated and the true chance of an event before death, by group."""
    people, years = saved.test_people, max(saved.settings.risk.times)
    true = truth.cumulative_incidence([years], _endpoint(saved))[years]
    for group in GROUPS:
        part = people[people["group"] == group]
        if (part["event"] == 1).sum() < 2 or part["duration"].max() < years:
            continue
        curve = cumulative_incidence(part["duration"], part["event"])
        low, high = curve.ci_at(years)
        rows.add(
            "risk_groups", f"incidence_{years:g}y_{group.lower()}",
            f"incidence by {years:g} y, {group}", kind="parameter",
            estimate=float(curve.at(years)), truth=float(true.loc[part["person_id"]].mean()),
            interval=(float(low), float(high)), n=len(part),
        )  # fmt: skip


def _add_predicted(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add how the main model's absolute risks lie beside the chances people truly had."""
    column, years = "absolute_scores_clinical_cox", max(saved.settings.risk.times)
    _, test = model_people(saved.people)
    if column not in test or test[column].isna().all():
        return
    test = with_true_risk(test.dropna(subset=[column]), saved, truth)

    def again(statistic: Callable[[pd.DataFrame], float]) -> tuple[float, float]:
        return person_bootstrap(test, statistic, seed=saved.seed, resamples=200)

    def mean(table: pd.DataFrame) -> float:
        return float(table[column].mean())

    def correlation(table: pd.DataFrame) -> float:
        return float(table[column].corr(table["true_risk"], method="spearman"))

    rows.add(
        "models", f"mean_risk_{years:g}y", f"mean predicted risk at {years:g} y, scores + clinical",
        kind="accuracy", estimate=mean(test), truth=float(test["true_risk"].mean()),
        interval=again(mean), n=len(test),
    )  # fmt: skip
    rows.add(
        "models", "spearman_true_risk", "rank correlation of predicted with true risk",
        kind="accuracy", estimate=correlation(test), truth=1.0, interval=again(correlation),
        n=len(test),
    )  # fmt: skip
