"""What treating by a score would do: confusion measures and net benefit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.competing_risks import incidence_influence
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    SurvivalColumns,
    cluster_codes,
    number_column,
    probability_column,
    require_events,
    survival_columns,
)
from spinecast.outcomes.intervals import Estimate, standard_error, wald, wilson


@dataclass(frozen=True)
class TreatmentScenario:
    """Confusion measures of "treat whoever is flagged".

    Attributes
    ----------
    true_positive, false_positive, false_negative, true_negative
        People.
    sensitivity, specificity, precision
        With Wilson's limits; NaN where the denominator is 0.
    f1
        Harmonic mean of sensitivity and precision; 0 where nobody is rightly flagged.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate
    f1: Estimate

    @property
    def treated(self) -> int:
        """People flagged."""
        return self.true_positive + self.false_positive

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measure and count."""
        rates = ("sensitivity", "specificity", "precision", "f1")
        counts = ("true_positive", "false_positive", "false_negative", "true_negative", "treated")
        rows = [getattr(self, name).row(term=name) for name in rates]
        rows += [{"term": name, "estimate": float(getattr(self, name))} for name in counts]
        return pd.DataFrame(rows)


def treatment_scenario(treated: Any, outcome: Any) -> TreatmentScenario:
    """Cross-tabulate who would be treated with who had the event.

    Takes the outcome as known for everybody: people censored early count as
    having no event, which lowers precision and raises nothing. Use
    :func:`decision_curve` for a statement at a horizon.

    Parameters
    ----------
    treated, outcome
        0/1, shape (n,).
    """
    flag = _yes_no(treated, "treated")
    had = _yes_no(outcome, "outcome")
    if flag.size != had.size:
        raise error("SC-606", expected=f"{flag.size} values", got=str(had.size), where="outcome")
    tp, fp = int(np.sum(flag & had)), int(np.sum(flag & ~had))
    fn, tn = int(np.sum(~flag & had)), int(np.sum(~flag & ~had))
    return TreatmentScenario(
        tp, fp, fn,
        true_negative=tn,
        sensitivity=wilson(tp, tp + fn),
        specificity=wilson(tn, tn + fp),
        precision=wilson(tp, tp + fp),
        f1=_f1(tp, fp, fn),
    )  # fmt: skip


def _f1(tp: int, fp: int, fn: int) -> Estimate:
    """Return F1 with limits carried over from q = tp / (tp + fp + fn): F1 = 2q / (1 + q)."""
    if tp + fp + fn == 0:
        return Estimate(*[float("nan")] * 4)
    share = wilson(tp, tp + fp + fn)
    value, low, high = (2 * q / (1 + q) for q in (share.estimate, share.ci_low, share.ci_high))
    return Estimate(value, 2 * share.standard_error / (1 + share.estimate) ** 2, low, high)


def _yes_no(values: Any, name: str) -> BoolArray:
    column = number_column(values, name)
    if not np.isin(column, (0.0, 1.0)).all():
        raise error("SC-604", expected="0 or 1", got=f"{column.max():g}", where=name)
    flag: BoolArray = column == 1
    return flag


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of treating by each risk model, of treating all, and of treating nobody.

    Attributes
    ----------
    table
        One row per model and threshold: model, threshold, estimate (net benefit, true
        positives per person), standard_error, ci_low, ci_high, treated (share).
    """

    table: pd.DataFrame

    def of(self, model: str) -> pd.DataFrame:
        """Return the rows of one model, by threshold."""
        return self.table[self.table["model"] == model].set_index("threshold")

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table.copy()


def decision_curve(
    risks: Any,
    duration: Any,
    event: Any,
    *,
    t: float,
    thresholds: Any,
    competing: bool = True,
    cluster: Any = None,
) -> DecisionCurve:
    """Net benefit at a horizon.

    Among those whose risk reaches the threshold, true positives are their
    share times their cumulative incidence by ``t`` (Aalen-Johansen, or
    1 - Kaplan-Meier where ``competing`` is False). Where nobody is treated the net
    benefit is 0.

    Parameters
    ----------
    risks
        One column of predicted risks by ``t``, or a frame or mapping of several, in 0..1.
    duration, event
        Years and codes 0/1/2, shape (n,).
    t
        Horizon in years.
    thresholds
        Threshold probabilities, each in 0..1 (1 excluded).
    competing
        Whether code 2 is a competing event (True) or censoring (False).

    Raises
    ------
    StatisticsError
        SC-601 no events by ``t``, SC-604 risks outside 0..1, SC-608 ``t`` beyond follow-up.

    References
    ----------
    Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574; Vickers et al. BMC Med Inform
    Decis Mak 2008;8:53 (censored and competing outcomes).
    """
    columns = _at_horizon(duration, event, t, competing=competing)
    cuts = number_column(np.atleast_1d(thresholds), "thresholds")
    if np.any((cuts < 0) | (cuts >= 1)):
        raise error("SC-604", expected="thresholds in [0, 1)", got=f"{cuts.max():g}")
    named = _named(risks).items()
    models = {name: probability_column(risk, name, length=len(columns)) for name, risk in named}
    codes = cluster_codes(cluster, len(columns))
    rows = []
    for cut in cuts:
        flags = {name: risk >= cut for name, risk in models.items()}
        flags["all"] = np.ones(len(columns), dtype=bool)
        flags["none"] = np.zeros(len(columns), dtype=bool)
        for name, flag in flags.items():
            benefit = _net_benefit(columns, flag, float(t), cut=float(cut), codes=codes)
            rows.append(benefit.row(model=name, threshold=cut, treated=float(flag.mean())))
    return DecisionCurve(pd.DataFrame(rows).drop(columns="p_value"))


def _at_horizon(duration: Any, event: Any, t: float, *, competing: bool) -> SurvivalColumns:
    columns = survival_columns(duration, event)
    if not competing:
        columns = SurvivalColumns(columns.duration, np.where(columns.event == 2, 0, columns.event))
    require_events(np.sum(columns.happened & (columns.duration <= t)), where=f"by {t:g} years")
    if t > columns.duration.max():
        raise error("SC-608", expected=f"t <= {columns.duration.max():g}", got=f"{t:g}", where="t")
    return columns


def _named(risks: Any) -> dict[str, Any]:
    if isinstance(risks, pd.DataFrame):
        return {str(name): risks[name] for name in risks.columns}
    return dict(risks) if isinstance(risks, dict) else {"model": risks}


def _net_benefit(
    columns: SurvivalColumns, flag: BoolArray, t: float, *, cut: float, codes: IntArray | None
) -> Estimate:
    if not flag.any():
        return Estimate(0.0, 0.0, 0.0, 0.0)
    chosen = SurvivalColumns(columns.duration[flag], columns.event[flag])
    incidence, inside = incidence_influence(chosen, t)
    n, share, odds = flag.size, float(flag.mean()), cut / (1 - cut)
    value = incidence - odds * (1 - incidence)
    influence: FloatArray = value * (flag - share) / n
    influence[flag] += share * (1 + odds) * inside
    return wald(share * value, standard_error(influence, codes))
