"""Concordance of a risk score with the order of events, with errors and paired tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.outcomes.censoring import weighted_sample
from spinecast.outcomes.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    SurvivalColumns,
    cluster_codes,
    number_column,
    require_events,
    require_option,
    survival_columns,
)
from spinecast.outcomes.intervals import Estimate, standard_error, wald
from spinecast.outcomes.pairs import pair_sums


@dataclass(frozen=True)
class Concordance(Estimate):
    """Harrell's c with the pairs behind it.

    Attributes
    ----------
    concordant, discordant, tied_risk
        Comparable pairs by agreement.
    tied_time
        Pairs of events at one time, which are not compared.
    """

    concordant: float = 0.0
    discordant: float = 0.0
    tied_risk: float = 0.0
    tied_time: float = 0.0


@dataclass(frozen=True)
class ConcordanceDifference(Estimate):
    """The paired difference a - b of two concordances."""

    concordance_a: float = float("nan")
    concordance_b: float = float("nan")

    @property
    def difference(self) -> float:
        """Concordance of a minus that of b."""
        return self.estimate


@dataclass(frozen=True)
class _Measured:
    estimate: float
    influence: FloatArray
    cluster: IntArray | None
    counts: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def harrell_concordance(
    duration: Any, event: Any, risk: Any, *, cluster: Any = None
) -> Concordance:
    """Harrell's c: how often the one who fractured first had the higher score.

    Ties on risk count one half; two events at one time are not compared; a
    competing death (code 2) counts as censoring. The standard error is the
    infinitesimal jackknife of the U-statistic. c depends on the censoring
    pattern: compare it across cohorts with :func:`uno_concordance`.

    Parameters
    ----------
    duration, event, risk
        Years, codes and score (higher = earlier event), shape (n,).
    cluster
        Labels of rows that belong together (several images of one person).

    Raises
    ------
    StatisticsError
        SC-601 without events or comparable pairs, SC-604..606 for bad columns.

    References
    ----------
    Harrell FE et al. JAMA 1982;247:2543-2546.
    """
    columns = survival_columns(duration, event)
    score = number_column(risk, "risk", length=len(columns))
    measured = _harrell(columns, score, cluster_codes(cluster, len(columns)))
    base = _estimate(measured)
    concordant, discordant, tied_risk, tied_time = measured.counts
    return Concordance(
        base.estimate, base.standard_error, base.ci_low, base.ci_high,
        concordant=concordant, discordant=discordant, tied_risk=tied_risk, tied_time=tied_time,
    )  # fmt: skip


def uno_concordance(
    train_duration: Any,
    train_event: Any,
    duration: Any,
    *,
    event: Any,
    risk: Any,
    tau: float | None = None,
    cluster: Any = None,
) -> Estimate:
    """Uno's c: Harrell's c freed of the censoring pattern by weights 1 / G(T-)^2.

    The standard error includes that of the censoring curve. Heavy censoring
    makes late weights large; give ``tau`` to stop before that.

    Parameters
    ----------
    train_duration, train_event
        The sample in which censoring is estimated, shape (m,).
    duration, event, risk
        The sample that is judged, shape (n,).
    tau
        Only events before ``tau`` years are cases.

    Raises
    ------
    StatisticsError
        SC-601 without events before ``tau``, SC-608 where the training set
        says nothing about censoring at an event time.

    References
    ----------
    Uno H et al. Stat Med 2011;30:1105-1117.
    """
    columns = survival_columns(duration, event)
    score = number_column(risk, "risk", length=len(columns))
    train = (train_duration, train_event)
    return _estimate(_uno(columns, score, train=train, tau=tau, cluster=cluster))


def compare_concordance(
    duration: Any,
    event: Any,
    risk_a: Any,
    *,
    risk_b: Any,
    kind: str = "harrell",
    train: tuple[Any, Any] | None = None,
    tau: float | None = None,
    cluster: Any = None,
) -> ConcordanceDifference:
    """Compare two scores of the same people, with the paired standard error.

    Parameters
    ----------
    duration, event
        Years and codes, shape (n,).
    risk_a, risk_b
        Scores (higher = earlier event), shape (n,).
    kind
        "harrell" or "uno".
    train
        Durations and events in which Uno's weights are estimated; the sample itself if None.

    Returns
    -------
    ConcordanceDifference
        c(a) - c(b) with interval and two-sided p-value.
    """
    require_option(kind, ("harrell", "uno"), name="kind")
    columns = survival_columns(duration, event)
    scores = [
        number_column(risk, name, length=len(columns))
        for risk, name in ((risk_a, "risk_a"), (risk_b, "risk_b"))
    ]
    if kind == "harrell":
        codes = cluster_codes(cluster, len(columns))
        a, b = (_harrell(columns, score, codes) for score in scores)
    else:
        base = (duration, event) if train is None else train
        a, b = (_uno(columns, score, train=base, tau=tau, cluster=cluster) for score in scores)
    spread = standard_error(a.influence - b.influence, a.cluster)
    gap = wald(a.estimate - b.estimate, spread, null=0.0)
    return ConcordanceDifference(
        gap.estimate, gap.standard_error, gap.ci_low, gap.ci_high, gap.p_value,
        concordance_a=a.estimate, concordance_b=b.estimate,
    )  # fmt: skip


def _estimate(measured: _Measured) -> Estimate:
    spread = standard_error(measured.influence, measured.cluster)
    return wald(measured.estimate, spread, bounds=(0.0, 1.0))


def _harrell(columns: SurvivalColumns, score: FloatArray, codes: IntArray | None) -> _Measured:
    require_events(columns.happened.sum())
    sums = pair_sums(columns.duration, columns.happened, score)
    require_events(sums.pairs, where="comparable pairs")
    c = sums.score / sums.pairs
    influence = sums.case_score + sums.control_score - c * (sums.case_pairs + sums.control_pairs)
    agree, tied = float(sums.case_agree.sum()), float(sums.case_tied.sum())
    counts = (agree, sums.pairs - agree - tied, tied, sums.tied_time)
    return _Measured(c, influence / sums.pairs, codes, counts)


def _uno(
    columns: SurvivalColumns,
    score: FloatArray,
    *,
    train: tuple[Any, Any],
    tau: float | None,
    cluster: Any,
) -> _Measured:
    sample = weighted_sample(*train, columns, cluster=cluster)
    case = columns.happened
    if tau is not None:
        if tau <= 0:
            raise error("SC-608", expected="tau > 0", got=f"{tau:g}", where="tau")
        case = case & (columns.duration < tau)
    require_events(case.sum(), where="before tau")
    sample.require_weights(case.astype(np.float64))
    weight = case * sample.event_weight() ** 2
    sums = pair_sums(columns.duration, columns.happened, score, case_weight=weight)
    require_events(sums.pairs, where="comparable pairs")
    c = sums.score / sums.pairs
    as_case = (sums.case_score - c * sums.case_pairs) / sums.pairs
    as_control = (sums.control_score - c * sums.control_pairs) / sums.pairs
    through = sample.through_events(-2.0 * as_case)
    return _Measured(c, sample.join(as_case + as_control, through), sample.cluster)


def stratified_concordance(
    columns: SurvivalColumns,
    score: FloatArray,
    *,
    entry: FloatArray | None,
    stratum: IntArray,
    cluster: IntArray | None,
) -> Estimate:
    """Harrell's c over pairs of one stratum that were under observation together."""
    person, pairs_of, total = np.zeros(len(columns)), np.zeros(len(columns)), 0.0
    for s in range(int(stratum.max()) + 1):
        rows = np.flatnonzero(stratum == s)
        begin = None if entry is None else entry[rows]
        sums = _joint_pairs(
            columns.duration[rows], columns.happened[rows], score[rows], entry=begin
        )
        person[rows], pairs_of[rows] = sums[0], sums[1]
        total += sums[2]
    if total == 0:
        return Estimate(*[float("nan")] * 4)
    # Every pair was counted once from either side.
    c = float(person.sum() / pairs_of.sum())
    spread = standard_error((person - c * pairs_of) / total, cluster)
    return wald(c, spread, bounds=(0.0, 1.0))


def _joint_pairs(
    duration: FloatArray, happened: BoolArray, score: FloatArray, *, entry: FloatArray | None
) -> tuple[FloatArray, FloatArray, float]:
    """Return each person's score and pairs in both roles, and the number of pairs."""
    sums = pair_sums(duration, happened, score)
    gained, pairs = sums.case_score + sums.control_score, sums.case_pairs + sums.control_pairs
    if entry is None:
        return gained, pairs, sums.pairs
    # Pairs whose control had not yet entered: count them by letting everybody
    # also be censored at entry, and take them away again.
    n = duration.size
    both = pair_sums(
        np.concatenate([duration, entry]),
        np.concatenate([happened, np.zeros(n, dtype=bool)]),
        np.concatenate([score, score]),
    )
    gained = gained - (both.case_score[:n] - sums.case_score) - both.control_score[n:]
    pairs = pairs - (both.case_pairs[:n] - sums.case_pairs) - both.control_pairs[n:]
    return gained, pairs, 2 * sums.pairs - both.pairs
