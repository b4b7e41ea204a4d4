"""What a new score changes: net reclassification and integrated discrimination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.outcomes.censoring import WeightedSample, weighted_sample
from spinecast.outcomes.inputs import (
    FloatArray,
    number_column,
    probability_column,
    require_events,
    survival_columns,
)
from spinecast.outcomes.intervals import Estimate, standard_error, wald


@dataclass(frozen=True)
class Reclassification:
    """A change among people with the event, among those without, and their sum.

    Attributes
    ----------
    total, events, nonevents
        Each with interval and test against 0.
    warning
        Why the total must not be read alone.
    """

    total: Estimate
    events: Estimate
    nonevents: Estimate
    warning: str = ""
    name: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per part."""
        parts = {"": self.total, "_events": self.events, "_nonevents": self.nonevents}
        return pd.DataFrame([part.row(term=self.name + end) for end, part in parts.items()])


NRI_WARNING = (
    "The NRI can be positive for a useless or miscalibrated score; read it beside calibration, "
    "AUROC and net benefit."
)


def net_reclassification(
    risk_old: Any,
    risk_new: Any,
    duration: Any,
    *,
    event: Any,
    t: float,
    cutoffs: Any = None,
    cluster: Any = None,
) -> Reclassification:
    """Net reclassification improvement at a horizon, weighted for censoring.

    Misleads alone: see ``warning``; report both parts.

    Parameters
    ----------
    risk_old, risk_new
        Predicted risks by ``t``, in 0..1, shape (n,).
    duration, event
        Years and codes 0/1/2 (a death by ``t`` is "no event"), shape (n,).
    t
        Horizon in years.
    cutoffs
        Category limits; None counts every rise and fall (continuous NRI).

    Returns
    -------
    Reclassification
        ``total`` lies in -2..2, each part in -1..1.

    References
    ----------
    Pencina MJ et al. Stat Med 2011;30:11-21. Hilden J, Gerds TA. Stat Med 2014;33:3405-3414.
    """
    sample, old, new = _inputs(risk_old, risk_new, duration, event=event, cluster=cluster)
    if cutoffs is not None:
        limits = np.sort(number_column(np.atleast_1d(cutoffs), "cutoffs"))
        old, new = (np.searchsorted(limits, risk, side="right") * 1.0 for risk in (old, new))
    parts = _parts(sample, np.sign(new - old), float(t))
    return _reclassification(parts, sample, warning=NRI_WARNING, name="net_reclassification")


def integrated_discrimination(
    risk_old: Any,
    risk_new: Any,
    duration: Any,
    *,
    event: Any,
    t: float,
    cluster: Any = None,
) -> Reclassification:
    """Integrated discrimination improvement: growth of the mean risk gap.

    Parameters are those of :func:`net_reclassification`.

    References
    ----------
    Pencina MJ et al. Stat Med 2008;27:157-172.
    """
    sample, old, new = _inputs(risk_old, risk_new, duration, event=event, cluster=cluster)
    parts = _parts(sample, new - old, float(t))
    return _reclassification(parts, sample, warning="", name="integrated_discrimination")


_Part = tuple[float, FloatArray]


def _inputs(
    risk_old: Any, risk_new: Any, duration: Any, *, event: Any, cluster: Any
) -> tuple[WeightedSample, FloatArray, FloatArray]:
    columns = survival_columns(duration, event)
    sample = weighted_sample(duration, event, columns, cluster=cluster)
    old = probability_column(risk_old, "risk_old", length=len(columns))
    return sample, old, probability_column(risk_new, "risk_new", length=len(columns))


def _parts(sample: WeightedSample, gain: FloatArray, t: float) -> tuple[_Part, _Part]:
    """Return the mean gain of people with the event, and minus that of the others."""
    columns = sample.columns
    by_t = columns.duration <= t
    case = by_t & columns.happened
    require_events(case.sum(), where=f"by {t:g} years")
    died, survivor = by_t & (columns.event == 2), columns.duration > t
    nobody = np.zeros(len(columns), dtype=bool)
    events = sample.weighted_mean(gain, t, exited=case, survivor=nobody)
    nonevents = sample.weighted_mean(-gain, t, exited=died, survivor=survivor)
    return events, nonevents


def _reclassification(
    parts: tuple[_Part, _Part], sample: WeightedSample, *, warning: str, name: str
) -> Reclassification:
    (up, up_influence), (down, down_influence) = parts

    def tested(value: float, influence: FloatArray) -> Estimate:
        return wald(value, standard_error(influence, sample.cluster), null=0.0)

    return Reclassification(
        total=tested(up + down, up_influence + down_influence),
        events=tested(up, up_influence),
        nonevents=tested(down, down_influence),
        warning=warning,
        name=name,
    )
