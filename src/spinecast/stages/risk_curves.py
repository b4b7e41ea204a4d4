"""Curves over time as the page draws them: from time 0, with the numbers at risk beneath."""

from __future__ import annotations

from typing import Any

import numpy as np

from spinecast.outcomes import cumulative_incidence, kaplan_meier
from spinecast.report.goods import CurveData

_Times = tuple[float, ...]


def survival_curve(label: str, duration: Any, event: Any, *, times: _Times) -> CurveData:
    """Return Kaplan-Meier with its band; whatever is not event 1 counts as censored."""
    curve = kaplan_meier(duration, np.asarray(event) == 1)
    return CurveData(
        label,
        np.r_[0.0, curve.times],
        np.r_[1.0, curve.survival],
        np.r_[1.0, curve.ci_low],
        np.r_[1.0, curve.ci_high],
        risk_times=times,
        at_risk=_at_risk(duration, times),
    )


def naive_risk_curve(label: str, duration: Any, event: Any, *, times: _Times) -> CurveData:
    """Return 1 - Kaplan-Meier: the risk of event 1 if nobody died of anything else."""
    curve = kaplan_meier(duration, np.asarray(event) == 1)
    return CurveData(
        label,
        np.r_[0.0, curve.times],
        np.r_[0.0, 1 - curve.survival],
        np.r_[0.0, 1 - curve.ci_high],
        np.r_[0.0, 1 - curve.ci_low],
        risk_times=times,
        at_risk=_at_risk(duration, times),
    )


def incidence_curve(label: str, duration: Any, event: Any, *, times: _Times) -> CurveData:
    """Return the cumulative incidence of event 1, deaths (2) competing, with its band."""
    curve = cumulative_incidence(duration, event)
    return CurveData(
        label,
        np.r_[0.0, curve.times],
        np.r_[0.0, curve.incidence],
        np.r_[0.0, curve.ci_low],
        np.r_[0.0, curve.ci_high],
        risk_times=times,
        at_risk=_at_risk(duration, times),
    )


def _at_risk(duration: Any, times: _Times) -> tuple[int, ...]:
    return tuple(int((np.asarray(duration) >= t).sum()) for t in times)
