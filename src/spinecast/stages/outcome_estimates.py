"""Every number of an outcomes table: risk, discrimination, paired comparisons, hazard ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError, error
from spinecast.outcomes import (
    brier_score,
    calibration,
    compare_concordance,
    cox,
    cumulative_incidence,
    cutpoint_log_rank,
    fine_gray,
    harrell_concordance,
    kaplan_meier,
    time_dependent_auc,
    uno_concordance,
)
from spinecast.stages.estimates import Estimates
from spinecast.stages.outcome_table import OutcomeTable

_DEATH = 2


@dataclass(frozen=True)
class Question:
    """What is asked of a table of outcomes.

    Attributes
    ----------
    times
        Horizons in years.
    risk_at
        Years at which the scores are predicted risks (probabilities); None where they are
        scores of any scale, for which calibration and Brier score mean nothing.
    """

    times: tuple[float, ...]
    risk_at: float | None = None


@dataclass(frozen=True)
class Unanswered:
    """A number that the data cannot give, and why."""

    analysis: str
    why: str


@dataclass
class _Answers:
    """Collects estimates; what cannot be estimated is named with its reason."""

    table: OutcomeTable
    estimates: Estimates
    missing: list[Unanswered]

    def take(self, analysis: str, add: Callable[[], None]) -> None:
        try:
            add()
        except StatisticsError as problem:
            self.missing.append(Unanswered(analysis, problem.message))

    def add(self, analysis: str, term: str, value: Any, **more: Any) -> None:
        self.estimates.add(analysis, term, value, n=len(self.table), **more)


def estimate_outcomes(
    table: OutcomeTable, question: Question, *, progress: Callable[[float, str], None]
) -> tuple[pd.DataFrame, list[Unanswered]]:
    """Return the estimates of a table and what could not be estimated.

    Returns
    -------
    estimates : DataFrame
        ``analysis``, ``term``, ``estimate``, ``ci_low``, ``ci_high``, ``p_value``, ``n``. p-values
        of AUROC comparisons are Holm-adjusted over the horizons.
    missing : list of Unanswered
    """
    answers = _Answers(table, Estimates(), [])
    question = _within_follow_up(answers, question)
    answers.take("incidence", partial(_add_incidence, answers, question))
    work = [
        (f"discrimination/{name}", partial(_add_discrimination, answers, question, name))
        for name in table.scores
    ]
    work += [
        (f"comparison/{a} - {b}", partial(_add_comparison, answers, question, (a, b)))
        for a, b in combinations(table.scores, 2)
    ]
    for name in table.scores:
        work.append((f"hazard/{name}", partial(_add_hazard, answers, name)))
        if (table.event == _DEATH).any():
            work.append((f"subdistribution/{name}", partial(_add_subdistribution, answers, name)))
        if question.risk_at is not None:
            work.append((f"accuracy/{name}", partial(_add_accuracy, answers, question, name)))
    first = next(iter(table.scores))
    work.append((f"cutpoint/{first}", partial(_add_cutpoint, answers, first)))
    for place, (analysis, add) in enumerate(work):
        progress(place / len(work), analysis)
        answers.take(analysis, add)
    progress(1.0, "estimated")
    return answers.estimates.to_frame(), answers.missing


def _within_follow_up(answers: _Answers, question: Question) -> Question:
    """Leave out horizons that nobody was followed to; SC-608 where none is left."""
    last = float(answers.table.duration.max())
    for t in question.times:
        if t > last:
            answers.missing.append(
                Unanswered(f"everything at {t:g} years", f"follow-up ends at {last:.2f} years")
            )
    kept = tuple(t for t in question.times if t <= last)
    if not kept:
        raise error("SC-608", expected=f"times up to {last:.2f} years",
                    got=f"{min(question.times):g}", where="times")  # fmt: skip
    return replace(question, times=kept)


def _add_incidence(answers: _Answers, question: Question) -> None:
    table = answers.table
    survival = kaplan_meier(table.duration, table.event == 1)
    died = (table.event == _DEATH).any()
    incidence = cumulative_incidence(table.duration, table.event) if died else None
    for t in question.times:
        event_free, (low, high) = survival.at(t), survival.ci_at(t)
        answers.add(
            "incidence", f"one_minus_kaplan_meier_{t:g}y", 1 - event_free,
            interval=(1 - high, 1 - low),
        )  # fmt: skip
        if incidence is not None:
            answers.add("incidence", f"risk_{t:g}y", incidence.at(t), interval=incidence.ci_at(t))


def _add_discrimination(answers: _Answers, question: Question, name: str) -> None:
    table, score = answers.table, answers.table.scores[name]
    analysis = f"discrimination/{name}"
    duration, event = table.duration, table.event
    found = harrell_concordance(duration, event, score, cluster=table.person)
    answers.add(analysis, "harrell_c", found)
    tau = max(question.times)
    answers.take(
        f"{analysis}, Uno's c",
        lambda: answers.add(
            analysis, f"uno_c_to_{tau:g}y",
            uno_concordance(
                duration, event, duration, event=event, risk=score, tau=tau, cluster=table.person
            ),
        ),
    )  # fmt: skip
    curve = _auroc(table, score, question)
    rows = curve.to_frame()
    for row in rows.to_dict("records"):
        term = str(row["term"])
        answers.add(
            analysis, term if term.startswith("auroc") else f"auroc_{term}", row["estimate"],
            interval=(row["ci_low"], row["ci_high"]),
        )  # fmt: skip


def _auroc(table: OutcomeTable, score: np.ndarray, question: Question) -> Any:
    return time_dependent_auc(
        table.duration, table.event, table.duration, event=table.event, risk=score,
        times=question.times, cluster=table.person,
        competing="controls" if (table.event == _DEATH).any() else "excluded",
    )  # fmt: skip


def _add_comparison(answers: _Answers, question: Question, pair: tuple[str, str]) -> None:
    a, b = pair
    table, analysis = answers.table, f"comparison/{a} - {b}"
    compare = partial(
        compare_concordance, table.duration, table.event, table.scores[a],
        risk_b=table.scores[b], cluster=table.person,
    )  # fmt: skip
    answers.add(analysis, "harrell_c", compare())
    tau = max(question.times)
    answers.take(
        f"{analysis}, Uno's c",
        lambda: answers.add(analysis, f"uno_c_to_{tau:g}y", compare(kind="uno", tau=tau)),
    )
    gaps = _auroc(table, table.scores[a], question).compare(table.scores[b])
    for t, gap, p_value in zip(gaps.times, gaps.differences, gaps.adjusted_p_value, strict=True):
        answers.add(
            analysis, f"auroc_{t:g}y", gap.estimate, interval=gap.ci, p_value=float(p_value)
        )


def _per_sd(table: OutcomeTable, name: str) -> pd.DataFrame:
    values = table.scores[name]
    spread = values.std()
    return pd.DataFrame({name: (values - values.mean()) / (spread if spread > 0 else 1.0)})


def _add_hazard(answers: _Answers, name: str) -> None:
    table, analysis = answers.table, f"hazard/{name}"
    fit = cox(table.duration, table.event, _per_sd(table, name), cluster=table.person)
    _add_ratio(answers, analysis, fit.to_frame())
    test = fit.likelihood_ratio
    answers.add(analysis, "likelihood_ratio", test.statistic, p_value=test.p_value)
    proportional = fit.proportional_hazards_test().iloc[0]
    answers.add(
        analysis, "proportional_hazards_test", proportional["statistic"],
        p_value=proportional["p_value"],
    )  # fmt: skip


def _add_subdistribution(answers: _Answers, name: str) -> None:
    table = answers.table
    fit = fine_gray(table.duration, table.event, _per_sd(table, name), cluster=table.person)
    _add_ratio(answers, f"subdistribution/{name}", fit.to_frame())


def _add_ratio(answers: _Answers, analysis: str, frame: pd.DataFrame) -> None:
    row = frame.iloc[0]
    limits = (row["ci_low"], row["ci_high"])
    answers.add(
        analysis, "hazard_ratio_per_sd", row["estimate"], interval=limits, p_value=row["p_value"]
    )


def _add_accuracy(answers: _Answers, question: Question, name: str) -> None:
    table, t = answers.table, float(question.risk_at or 0)
    analysis, free = f"accuracy/{name}", 1 - table.scores[name]
    brier = brier_score(
        table.duration, table.event, table.duration, event=table.event, survival=free, times=[t],
        cluster=table.person,
    )  # fmt: skip
    answers.add(analysis, f"brier_{t:g}y", brier.score[0])
    answers.add(analysis, f"brier_null_{t:g}y", brier.null[0])
    answers.add(analysis, f"prediction_accuracy_{t:g}y", brier.scaled[0])
    found = calibration(free, table.duration, table.event, t=t)
    for term in ("observed_expected", "intercept", "slope"):
        answers.add(analysis, f"calibration_{term}", getattr(found, term))
    answers.add(analysis, "calibration_ici", found.ici)


def _add_cutpoint(answers: _Answers, name: str) -> None:
    table = answers.table
    found = cutpoint_log_rank(table.duration, table.event, table.scores[name], method="lau94")
    answers.add(f"cutpoint/{name}", "cutpoint", found.cutpoint, p_value=found.p_value)
