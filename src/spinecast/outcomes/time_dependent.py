"""Discrimination at a horizon: time-dependent AUROC with censoring weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.censoring import WeightedSample, weighted_sample
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    dense_rank,
    number_column,
    require_events,
    require_option,
    survival_columns,
    time_points,
)
from spinecast.outcomes.intervals import Estimate, holm, standard_error, wald
from spinecast.outcomes.risk_table import risk_table, step_value


@dataclass(frozen=True)
class TimeDependentAUC:
    """AUROC(t) at several horizons.

    Attributes
    ----------
    times, estimate, standard_error, ci_low, ci_high
        Per horizon, shape (k,).
    cases, controls
        People counted on either side, shape (k,).
    mean, weighted_mean
        Plain mean over the horizons, and the mean weighted by the drop of the
        survival curve between them (its weights taken as known).
    """

    times: FloatArray
    estimate: FloatArray
    standard_error: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    cases: FloatArray
    controls: FloatArray
    mean: Estimate
    weighted_mean: Estimate
    _question: _Question = field(repr=False, compare=False)
    _risk: FloatArray = field(repr=False, compare=False)

    def at(self, t: Any) -> Any:
        """Return the estimate at an asked horizon (scalar or array)."""
        slots = np.searchsorted(self.times, t)
        if np.any(slots >= self.times.size) or np.any(self.times[slots] != t):
            raise error("SC-608", expected=f"one of {list(self.times)}", got=str(t), where="t")
        return float(self.estimate[slots]) if np.ndim(t) == 0 else self.estimate[slots]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per horizon, then ``mean`` and ``weighted_mean``."""
        rows = [
            {
                "term": f"auroc_{t:g}y",
                "time": t,
                "estimate": self.estimate[i],
                "standard_error": self.standard_error[i],
                "ci_low": self.ci_low[i],
                "ci_high": self.ci_high[i],
                "cases": self.cases[i],
                "controls": self.controls[i],
            }
            for i, t in enumerate(self.times)
        ]
        rows += [{"term": name, **getattr(self, name).row()} for name in ("mean", "weighted_mean")]
        return pd.DataFrame(rows).drop(columns="p_value")

    def compare(self, other_risk: Any) -> AUCComparison:
        """Compare with another score of the same people, paired, at every horizon.

        Returns
        -------
        AUCComparison
            Differences (this minus other) with p-values, Holm-adjusted over the horizons.
        """
        n = len(self._question.sample.columns)
        other = number_column(other_risk, "other_risk", length=n)
        ranks = [dense_rank(self._risk), dense_rank(other)]
        rows: list[Estimate] = []
        shared: Any = 0.0
        for t in self.times:
            mine, my_influence = _auc_at(self._question, t, ranks[0])
            theirs, their_influence = _auc_at(self._question, t, ranks[1])
            gap = my_influence - their_influence
            shared = shared + gap
            rows.append(_difference(self._question, mine.estimate - theirs.estimate, gap))
        total = float(np.mean([row.estimate for row in rows]))
        mean = _difference(self._question, total, shared / self.times.size)
        return AUCComparison(self.times, tuple(rows), mean)


@dataclass(frozen=True)
class AUCComparison:
    """Paired differences of AUROC(t).

    Attributes
    ----------
    times
        Horizons, shape (k,).
    differences
        One estimate per horizon.
    mean
        The difference of the plain means.
    """

    times: FloatArray
    differences: tuple[Estimate, ...]
    mean: Estimate

    @property
    def adjusted_p_value(self) -> FloatArray:
        """Holm-adjusted p-values, shape (k,)."""
        return holm(np.array([d.p_value for d in self.differences]))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per horizon, then ``mean``."""
        adjusted = self.adjusted_p_value
        rows = [
            {**d.row(term=f"auroc_{t:g}y", time=t), "p_value_holm": adjusted[i]}
            for i, (t, d) in enumerate(zip(self.times, self.differences, strict=True))
        ]
        return pd.DataFrame([*rows, self.mean.row(term="mean")])


@dataclass(frozen=True)
class _Question:
    sample: WeightedSample
    drop_ties: bool
    deaths_are_controls: bool


@dataclass(frozen=True)
class _AUCAt:
    estimate: float
    cases: int
    controls: int


def time_dependent_auc(
    train_duration: Any,
    train_event: Any,
    duration: Any,
    *,
    event: Any,
    risk: Any,
    times: Any,
    convention: str = "ipcw",
    competing: str = "excluded",
    cluster: Any = None,
) -> TimeDependentAUC:
    """Cumulative/dynamic AUROC: how well the score tells who has the event by t.

    Cases have T <= t with event and weigh 1/G(T-); controls have T > t and
    weigh 1/G(t). G is the Kaplan-Meier curve of censoring in the training set,
    events removed before censorings at a tie. Standard errors are those of the
    influence function, including that of G; the limits are normal, cut to 0..1.

    Parameters
    ----------
    train_duration, train_event
        The sample in which censoring is estimated, shape (m,).
    duration, event, risk
        The sample that is judged; higher risk = earlier event, shape (n,).
    times
        Horizons in years.
    convention
        "ipcw" as above; "timeroc" leaves out whoever exits exactly at t.
    competing
        People who died (code 2) by t: "excluded", or "controls" with weight 1/G(T-).
    cluster
        Labels of rows that belong together.

    Raises
    ------
    StatisticsError
        SC-601 without cases by a horizon, SC-608 without controls or weights
        there, SC-610 for an unknown convention.

    References
    ----------
    Uno H et al. JASA 2007;102:527-537. Hung H, Chiang CT. Can J Stat 2010;38:8-26.
    Blanche P et al. Stat Med 2013;32:5381-5397.
    """
    require_option(convention, ("ipcw", "timeroc"), name="convention")
    require_option(competing, ("excluded", "controls"), name="competing")
    columns = survival_columns(duration, event)
    score = number_column(risk, "risk", length=len(columns))
    horizons = time_points(times)
    sample = weighted_sample(train_duration, train_event, columns, cluster=cluster)
    question = _Question(sample, convention == "timeroc", competing == "controls")
    return _over_horizons(question, score, horizons)


def _over_horizons(
    question: _Question, score: FloatArray, horizons: FloatArray
) -> TimeDependentAUC:
    sample, rank = question.sample, dense_rank(score)
    drops = _survival_drops(sample, horizons)
    found: list[_AUCAt] = []
    rows: list[Estimate] = []
    plain: Any = 0.0
    weighted: Any = 0.0
    for t, drop in zip(horizons, drops, strict=True):
        here, influence = _auc_at(question, t, rank)
        spread = standard_error(influence, sample.cluster)
        rows.append(wald(here.estimate, spread, bounds=(0, 1)))
        found.append(here)
        plain, weighted = plain + influence / horizons.size, weighted + drop * influence
    auc, error_of, low, high = (
        np.array([getattr(r, name) for r in rows])
        for name in ("estimate", "standard_error", "ci_low", "ci_high")
    )
    spreads = [standard_error(x, sample.cluster) for x in (plain, weighted)]
    return TimeDependentAUC(
        horizons, auc, error_of, ci_low=low, ci_high=high,
        cases=np.array([f.cases for f in found]), controls=np.array([f.controls for f in found]),
        mean=wald(float(auc.mean()), spreads[0], bounds=(0, 1)),
        weighted_mean=wald(float(drops @ auc), spreads[1], bounds=(0, 1)),
        _question=question, _risk=score,
    )  # fmt: skip


def _difference(question: _Question, gap: float, influence: FloatArray) -> Estimate:
    return wald(gap, standard_error(influence, question.sample.cluster), null=0.0)


def _survival_drops(sample: WeightedSample, horizons: FloatArray) -> FloatArray:
    columns = sample.columns
    table = risk_table(
        columns.duration, columns.happened, entry=None, weights=np.ones(len(columns))
    )
    survival = step_value(table.times, np.cumprod(table.escape), horizons, before_first=1.0)
    drops = -np.diff(np.concatenate([[1.0], survival]))
    return drops / drops.sum() if drops.sum() > 0 else np.full(drops.size, 1 / drops.size)


def _sides(question: _Question, t: float) -> tuple[BoolArray, BoolArray, BoolArray]:
    columns = question.sample.columns
    by_t = columns.duration < t if question.drop_ties else columns.duration <= t
    died = by_t & (columns.event == 2) & question.deaths_are_controls
    return by_t & columns.happened, columns.duration > t, died


def _auc_at(question: _Question, t: float, rank: np.ndarray) -> tuple[_AUCAt, FloatArray]:
    sample = question.sample
    case, survivor, died = _sides(question, t)
    require_events(case.sum(), where=f"cases by {t:g} years")
    if not (survivor.any() or died.any()):
        raise error("SC-608", expected="controls", got=f"nobody beyond {t:g} years", where="times")
    sample.require_weights((case | died).astype(np.float64))
    by_event = sample.event_weight()
    case_share = case * by_event
    control_share = survivor * sample.survivor_weight(t) + died * by_event
    case_share, control_share = case_share / case_share.sum(), control_share / control_share.sum()
    beaten = _midpoint_share(rank, control_share)
    auc = float(case_share @ beaten)
    as_case = case_share * (beaten - auc)
    as_control = control_share * (1.0 - _midpoint_share(rank, case_share) - auc)
    through = sample.through_events(-as_case - died * as_control)
    if died.any() and survivor.any():
        # Common weights of survivors cancel only where nobody else is a control.
        total = np.array([-np.sum(survivor * as_control)])
        through = through + sample.curve.influence(np.array([t]), total, before=False)
    influence = sample.join(as_case + as_control, through)
    return _AUCAt(auc, int(case.sum()), int(survivor.sum() + died.sum())), influence


def _midpoint_share(rank: np.ndarray, share: FloatArray) -> FloatArray:
    """Return for everybody the share ranked below plus half of that ranked equal."""
    at_rank = np.bincount(rank, weights=share)
    return (np.cumsum(at_rank) - 0.5 * at_rank)[rank]
