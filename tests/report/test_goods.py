"""Goods: estimates found by name, targets met only where they are."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from spinecast.report.goods import Estimate, Target

ROWS = pd.DataFrame(
    [("models", "c_index", 0.74, 0.71, 0.77, 0.01, 1200), ("age", "bias", -0.2, -0.5, 0.1, 0.2, 9)],
    columns=["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"],
)


def test_an_estimate_is_found_by_analysis_and_term():
    assert Estimate.find(ROWS, "models", "c_index") == Estimate(0.74, 0.71, 0.77, 0.01, 1200)


@pytest.mark.parametrize("key", [("models", "bias"), ("age", "c_index"), ("", "")])
def test_an_estimate_of_another_name_is_not_taken(key):
    assert Estimate.find(ROWS, *key) is None


def test_columns_that_are_missing_are_unknown():
    found = Estimate.find(ROWS[["analysis", "term", "estimate"]], "age", "bias")
    assert found.value == -0.2
    assert math.isnan(found.ci_low)
    assert math.isnan(found.n)


@pytest.mark.parametrize(
    ("sense", "below", "equal", "above"),
    [
        ("at least", False, True, True), ("above", False, False, True),
        ("at most", True, True, False), ("below", True, False, False),
    ],
)  # fmt: skip
def test_senses_differ_only_at_the_threshold(sense, below, equal, above):
    target = Target(1.0, sense)
    assert [target.is_met(v) for v in (0.9, 1.0, 1.1)] == [below, equal, above]


@pytest.mark.parametrize("sense", ["at least", "above", "at most", "below"])
def test_nothing_known_meets_nothing(sense):
    assert not Target(0.0, sense).is_met(math.nan)
    assert not Target(0.0, sense).is_met_throughout(Estimate(0.0))


def test_a_target_is_met_throughout_by_the_worse_end():
    assert Target(0.7).is_met_throughout(Estimate(0.8, 0.7, 0.9))
    assert not Target(0.7).is_met_throughout(Estimate(0.8, 0.69, 0.9))
    assert Target(60, "at most").is_met_throughout(Estimate(50, 40, 60))
    assert not Target(60, "below").is_met_throughout(Estimate(50, 40, 60))
