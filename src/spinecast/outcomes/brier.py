"""Accuracy of predicted survival: the Brier score with censoring weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.censoring import WeightedSample, weighted_sample
from spinecast.outcomes.competing_risks import incidence_influence
from spinecast.outcomes.inputs import FloatArray, number_column, survival_columns
from spinecast.outcomes.intervals import Estimate, standard_error, wald


@dataclass(frozen=True)
class BrierScore:
    """Brier scores at several horizons; smaller is better.

    Attributes
    ----------
    times
        Horizons in years, shape (k,).
    score, null, scaled
        Per horizon: the model's score, that of everybody getting the training set's
        incidence, and 1 - score / null (index of prediction accuracy).
    integrated, integrated_null
        Trapezoidal means over the horizons; NaN for a single one.
    """

    times: FloatArray
    score: tuple[Estimate, ...]
    null: tuple[Estimate, ...]
    scaled: tuple[Estimate, ...]
    integrated: Estimate
    integrated_null: Estimate

    @property
    def estimate(self) -> FloatArray:
        """The model's scores, shape (k,)."""
        return np.array([s.estimate for s in self.score])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per horizon and kind, then the integrated scores."""
        kinds = {"brier": self.score, "brier_null": self.null, "brier_scaled": self.scaled}
        rows = [
            estimate.row(term=f"{kind}_{t:g}y", time=t)
            for kind, estimates in kinds.items()
            for t, estimate in zip(self.times, estimates, strict=True)
        ]
        rows.append(self.integrated.row(term="brier_integrated"))
        rows.append(self.integrated_null.row(term="brier_null_integrated"))
        return pd.DataFrame(rows).drop(columns="p_value")


@dataclass(frozen=True)
class _Loss:
    value: float
    influence: FloatArray


def brier_score(
    train_duration: Any,
    train_event: Any,
    duration: Any,
    *,
    event: Any,
    survival: Any,
    times: Any,
    cluster: Any = None,
) -> BrierScore:
    """Mean squared distance of predicted event-free probability from what happened.

    People with an event (or death, code 2, which counts as "no event by t") by
    t weigh 1/G(T-), those observed beyond t weigh 1/G(t). With code 2 present,
    ``1 - survival`` must be the predicted cumulative incidence. Standard errors
    include the censoring curve and hold the predictions fixed.

    Parameters
    ----------
    train_duration, train_event
        The sample in which censoring and the null model are estimated, shape (m,).
    duration, event
        The sample that is judged, shape (n,).
    survival
        Predicted probability of no event by each time, shape (n, k), or (n,) for one time.
    times
        Horizons in years, ascending, shape (k,).

    Raises
    ------
    StatisticsError
        SC-604 predictions outside 0..1, SC-606 shapes, SC-608 times beyond follow-up.

    References
    ----------
    Graf E et al. Stat Med 1999;18:2529-2545. Kattan MW, Gerds TA. Diagn Progn Res 2018;2:7.
    """
    columns = survival_columns(duration, event)
    horizons = number_column(np.atleast_1d(times), "times")
    predicted = _predictions(survival, len(columns), horizons)
    sample = weighted_sample(train_duration, train_event, columns, cluster=cluster)
    training = survival_columns(train_duration, train_event)
    model, null = [], []
    for t, column in zip(horizons, predicted.T, strict=True):
        base = incidence_influence(training, float(t))[0]
        model.append(_loss(sample, float(t), 1.0 - column))
        null.append(_loss(sample, float(t), np.full(len(columns), base)))
    codes = sample.cluster
    return BrierScore(
        horizons,
        score=tuple(_estimate(loss, codes) for loss in model),
        null=tuple(_estimate(loss, codes) for loss in null),
        scaled=tuple(_scaled(m, n, codes) for m, n in zip(model, null, strict=True)),
        integrated=_integrated(model, horizons, codes),
        integrated_null=_integrated(null, horizons, codes),
    )


def _predictions(survival: Any, length: int, horizons: FloatArray) -> FloatArray:
    table = np.asarray(survival, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.shape != (length, horizons.size):
        raise error("SC-606", expected=f"shape {(length, horizons.size)}", got=str(table.shape),
                    where="survival")  # fmt: skip
    if np.any(np.diff(horizons) <= 0):
        raise error("SC-605", expected="ascending times", got=str(horizons.tolist()))
    if not (np.all(np.isfinite(table)) and table.min() >= 0 and table.max() <= 1):
        raise error("SC-604", expected="probabilities in 0..1", got="others", where="survival")
    return table


def _loss(sample: WeightedSample, t: float, risk: FloatArray) -> _Loss:
    columns = sample.columns
    exited = (columns.duration <= t) & (columns.event > 0)
    survivor = columns.duration > t
    if not survivor.any():
        raise error("SC-608", expected="people beyond the time", got=f"none at {t:g}", where="t")
    sample.require_weights(exited.astype(np.float64))
    weight = exited * sample.event_weight() + survivor * sample.survivor_weight(t)
    n = len(columns)
    part = weight * ((exited & columns.happened) - risk) ** 2 / n
    through = sample.through_weights(-part, t, exited=exited)
    total = float(part.sum())
    return _Loss(total, sample.join(part - total / n, through))


def _estimate(loss: _Loss, cluster: Any) -> Estimate:
    return wald(loss.value, standard_error(loss.influence, cluster), bounds=(0.0, np.inf))


def _scaled(model: _Loss, null: _Loss, cluster: Any) -> Estimate:
    if null.value <= 0:
        return Estimate(*[float("nan")] * 4)
    ratio = model.value / null.value
    influence = -(model.influence - ratio * null.influence) / null.value
    return wald(1 - ratio, standard_error(influence, cluster))


def _integrated(losses: list[_Loss], horizons: FloatArray, cluster: Any) -> Estimate:
    if horizons.size < 2:
        return Estimate(*[float("nan")] * 4)
    gaps = np.diff(horizons)
    share = (np.append(gaps, 0.0) + np.append(0.0, gaps)) / (2 * gaps.sum())
    value = float(share @ [loss.value for loss in losses])
    influence = sum(s * loss.influence for s, loss in zip(share, losses, strict=True))
    return wald(value, standard_error(np.asarray(influence), cluster), bounds=(0.0, np.inf))
