"""Three risk groups from the score now and the score of generated futures.

LL: both low. LH: low at baseline, high in the generated future. HIGH: high at
baseline, whatever the future.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import StatisticsError, error
from spinecast.outcomes.competing_risks import cumulative_incidence
from spinecast.outcomes.inputs import (
    SurvivalColumns,
    number_column,
    number_table,
    require_events,
    survival_columns,
    time_points,
)
from spinecast.outcomes.intervals import Estimate, wilson
from spinecast.outcomes.proportional_hazards import CoxFit, cox
from spinecast.outcomes.survival import LogRank, log_rank

LEVELS = ("LL", "LH", "HIGH")


def assign_risk_groups(
    bpvf: Any, gpvf: Any, *, threshold_baseline: float = 0.5, threshold_generated: float = 0.6
) -> NDArray[np.str_]:
    """Assign "LL", "LH" or "HIGH" to everybody.

    Parameters
    ----------
    bpvf, gpvf
        Baseline score and score of the generated futures, shape (n,).
    threshold_baseline, threshold_generated
        A score at or above its threshold is high (published: 0.5 and 0.6).

    Returns
    -------
    ndarray of str
        Shape (n,).
    """
    now = number_column(bpvf, "bpvf")
    later = number_column(gpvf, "gpvf", length=now.size)
    high_now, high_later = now >= threshold_baseline, later >= threshold_generated
    return np.where(high_now, "HIGH", np.where(high_later, "LH", "LL"))


@dataclass(frozen=True)
class RiskGroups:
    """Outcome by risk group.

    Attributes
    ----------
    table
        One row per group: group, n, events, deaths, share, event_share.
    incidence
        One row per group and time: estimate, standard_error, ci_low, ci_high (Aalen-Johansen;
        0 with missing limits where a group has no event).
    hazard_ratios
        One row per model ("unadjusted", "adjusted") and group against LL. Where a model has
        no maximum (a group without events), estimates are NaN and ``problem`` says why.
    log_rank
        Test of equal hazards.
    unadjusted, adjusted
        The Cox fits; None where there is no maximum, or no covariates to adjust for.
    """

    table: pd.DataFrame
    incidence: pd.DataFrame
    hazard_ratios: pd.DataFrame
    log_rank: LogRank
    unadjusted: CoxFit | None
    adjusted: CoxFit | None

    def to_frame(self) -> pd.DataFrame:
        """Return the hazard ratios and incidences as rows of term and estimate."""
        ratios = self.hazard_ratios.assign(
            term=lambda f: "hazard_ratio_" + f["group"].str.lower() + "_" + f["model"]
        )
        shares = self.incidence.assign(
            term=lambda f: (
                "incidence_" + f["group"].str.lower() + "_" + f["time"].map("{:g}y".format)
            )
        )
        columns = ["term", "estimate", "standard_error", "ci_low", "ci_high", "p_value", "n"]
        return pd.concat([ratios, shares]).reindex(columns=columns).reset_index(drop=True)


def describe_risk_groups(
    duration: Any,
    event: Any,
    group: Any,
    *,
    times: Any = (1, 5, 10),
    adjust: Any = None,
    cluster: Any = None,
) -> RiskGroups:
    """Describe and compare the outcome of the groups.

    Parameters
    ----------
    duration, event, group
        Years, codes 0/1/2 and "LL"/"LH"/"HIGH", shape (n,).
    times
        Years at which cumulative incidence is stated; those beyond a group's follow-up
        repeat its last value and are marked NaN.
    adjust
        Covariates of the adjusted model (age, sex as 0/1, BMI, ...), shape (n, p).
    cluster
        Labels of rows that belong together.

    Raises
    ------
    StatisticsError
        SC-601 no events, SC-602 nobody in LL or in both other groups, SC-610 another label.
    """
    columns = survival_columns(duration, event)
    labels = _labels(group, len(columns))
    present = [level for level in LEVELS if np.any(labels == level)]
    if present[0] != "LL" or len(present) < 2:
        raise error("SC-602", expected="LL and another group", got=", ".join(present),
                    where="group")  # fmt: skip
    dummies = pd.DataFrame({level: (labels == level) * 1.0 for level in present[1:]})
    require_events(columns.happened.sum())
    plain, ratios = _compare(columns, dummies, "unadjusted", groups=present[1:], cluster=cluster)
    models, adjusted = [ratios], None
    if adjust is not None:
        matrix, names = number_table(adjust, "adjust", length=len(columns))
        both = pd.concat([dummies, pd.DataFrame(matrix, columns=list(names))], axis=1)
        adjusted, ratios = _compare(columns, both, "adjusted", groups=present[1:], cluster=cluster)
        models.append(ratios)
    return RiskGroups(
        table=pd.DataFrame([_count(columns, labels, level) for level in LEVELS]),
        incidence=pd.DataFrame(
            [r for level in present for r in _incidence(columns, labels, level, times=times)]
        ),
        hazard_ratios=pd.concat(models, ignore_index=True),
        log_rank=log_rank(columns.duration, columns.event, labels),
        unadjusted=plain,
        adjusted=adjusted,
    )


def _labels(group: Any, length: int) -> NDArray[np.str_]:
    labels = np.asarray(group, dtype=str)
    if labels.shape != (length,):
        raise error("SC-606", expected=f"{length} labels", got=str(labels.shape), where="group")
    unknown = set(labels.tolist()) - set(LEVELS)
    if unknown:
        raise error("SC-610", expected=", ".join(LEVELS), got=min(unknown), where="group")
    return labels


def _count(columns: SurvivalColumns, labels: NDArray[np.str_], level: str) -> dict[str, Any]:
    inside = labels == level
    n, events = int(inside.sum()), int(columns.happened[inside].sum())
    share = wilson(events, n)
    return {
        "group": level,
        "n": n,
        "share": n / labels.size,
        "events": events,
        "deaths": int(np.sum(columns.event[inside] == 2)),
        "event_share": share.estimate,
        "ci_low": share.ci_low,
        "ci_high": share.ci_high,
    }


def _incidence(
    columns: SurvivalColumns, labels: NDArray[np.str_], level: str, *, times: Any
) -> list[dict[str, Any]]:
    inside = labels == level
    own_duration, own_event = columns.duration[inside], columns.event[inside]
    points = time_points(times)
    if not np.any(own_event == 1):
        return [
            {"group": level, "time": t, "n": int(inside.sum()), "estimate": 0.0} for t in points
        ]
    curve = cumulative_incidence(own_duration, own_event)
    rows = []
    for t in points:
        low, high = curve.ci_at(t)
        slot = int(np.searchsorted(curve.times, t, side="right"))
        estimate = Estimate(
            curve.at(t), float(curve.standard_error[slot - 1]) if slot else 0.0, low, high
        )
        beyond = t > own_duration.max()
        row = Estimate(*[float("nan")] * 4) if beyond else estimate
        rows.append(row.row(group=level, time=t, n=int(inside.sum())))
    return rows


def _compare(
    columns: SurvivalColumns,
    covariates: pd.DataFrame,
    model: str,
    *,
    groups: list[str],
    cluster: Any,
) -> tuple[CoxFit | None, pd.DataFrame]:
    """Fit one model; no maximum is a finding about small groups, not a reason to stop."""
    try:
        fit = cox(columns.duration, columns.event, covariates, cluster=cluster)
    except StatisticsError as failure:
        if failure.code != "SC-607":
            raise
        blank = Estimate(*[float("nan")] * 4)
        rows = [blank.row(group=group) for group in groups]
        frame = pd.DataFrame(rows).assign(problem=failure.message)
        return None, frame.assign(model=model, n=len(columns))
    frame = fit.to_frame().rename(columns={"term": "group"})
    frame = frame[frame["group"].isin(groups)]
    return fit, frame.assign(problem="", model=model, n=len(columns))
