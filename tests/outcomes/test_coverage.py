"""Do 95 % intervals hold the truth in 95 % of cohorts, and paired tests err in 5 %?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spinecast.outcomes import (
    brier_score,
    compare_concordance,
    cox,
    cumulative_incidence,
    delong,
    fine_gray,
    gray_test,
    harrell_concordance,
    kaplan_meier,
    log_rank,
    time_dependent_auc,
    uno_concordance,
)

from .cohorts import Sample, simulate

PEOPLE, COHORTS, LARGE, T = 400, 1_500, 400_000, 4.0
pytestmark = pytest.mark.long


def auroc(s: Sample, score: np.ndarray, competing: str = "controls"):
    return time_dependent_auc(
        s.duration, s.event, s.duration, event=s.event, risk=score, times=[T], competing=competing
    )


def single(estimate: float, interval: tuple[float, float]) -> tuple[float, float, float]:
    return (estimate, *interval)


def at_time(curve) -> tuple[float, float, float]:
    return single(curve.at(T), curve.ci_at(T))


def free_of_event(s: Sample) -> np.ndarray:
    return np.exp(-T / 8 * np.exp(0.8 * s.risk))


def of_table(result) -> tuple[float, float, float]:
    row = result.to_frame().iloc[0]
    return row["estimate"], row["ci_low"], row["ci_high"]


def brier(s: Sample):
    given = (s.duration, s.event, s.duration)
    found = brier_score(*given, event=s.event, survival=free_of_event(s), times=[T]).score[0]
    return single(found.estimate, found.ci)


def kept(found) -> tuple[float, float, float]:
    return single(found.estimate, found.ci)


INTERVALS: dict[str, Callable[[Sample], tuple[float, float, float]]] = {
    "kaplan-meier": lambda s: at_time(kaplan_meier(s.duration, s.event == 1)),
    "cumulative incidence": lambda s: at_time(cumulative_incidence(s.duration, s.event)),
    "cox": lambda s: of_table(cox(s.duration, s.event, s.risk)),
    "fine-gray": lambda s: of_table(fine_gray(s.duration, s.event, s.risk)),
    "harrell": lambda s: kept(harrell_concordance(s.duration, s.event, s.risk)),
    "uno": lambda s: kept(
        uno_concordance(s.duration, s.event, s.duration, event=s.event, risk=s.risk, tau=T)
    ),
    "auroc": lambda s: of_table(auroc(s, s.risk)),
    "auroc, deaths left out": lambda s: of_table(auroc(s, s.risk, "excluded")),
    "brier": brier,
    "delong": lambda s: of_table(delong(s.event == 1, s.risk)),
    "difference of c": lambda s: kept(
        compare_concordance(s.duration, s.event, s.risk, risk_b=s.other)
    ),
    "difference of auroc": lambda s: kept(auroc(s, s.risk).compare(s.other).differences[0]),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_intervals_hold_the_truth_in_95_of_100_cohorts(name):
    statistic = INTERVALS[name]
    truth = statistic(simulate(LARGE, 0, deaths=True))[0]
    held = 0
    for seed in range(1, COHORTS + 1):
        _, low, high = statistic(simulate(PEOPLE, seed, deaths=True))
        held += low <= truth <= high
    assert 0.93 <= held / COHORTS <= 0.97, held / COHORTS


def equal_scores(seed: int) -> Sample:
    """Return a cohort with two scores that know equally much: the hazard and noise of its own."""
    s = simulate(PEOPLE, seed, deaths=True)
    rng = np.random.default_rng(seed + 10**6)
    a, b = (s.risk + rng.normal(size=PEOPLE) for _ in range(2))
    return Sample(s.duration, s.event, a, b)


def groups(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, PEOPLE)


TESTS: dict[str, Callable[[Sample, int], float]] = {
    "harrell": lambda s, _: (
        compare_concordance(s.duration, s.event, s.risk, risk_b=s.other).p_value
    ),
    "uno": lambda s, _: (
        compare_concordance(s.duration, s.event, s.risk, risk_b=s.other, kind="uno", tau=T).p_value
    ),
    "auroc": lambda s, _: auroc(s, s.risk).compare(s.other).differences[0].p_value,
    "delong": lambda s, _: delong(s.event == 1, s.risk, s.other).p_value(),
    "gray": lambda s, seed: gray_test(s.duration, s.event, groups(seed)).p_value,
    "log-rank": lambda s, seed: log_rank(s.duration, s.event, groups(seed)).p_value,
}


@pytest.mark.parametrize("name", TESTS)
def test_tests_err_in_5_of_100_cohorts(name):
    wrong = sum(TESTS[name](equal_scores(seed), seed) < 0.05 for seed in range(1, 2 * COHORTS + 1))
    assert 0.04 <= wrong / (2 * COHORTS) <= 0.06, wrong / (2 * COHORTS)
