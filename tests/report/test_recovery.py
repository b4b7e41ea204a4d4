"""Estimates beside the truth: joined by name, covered only where the interval says so."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from pandas.errors import MergeError

from spinecast.report.recovery import COLUMNS, compare_with_truth, recovery_table

ESTIMATES = pd.DataFrame(
    [
        ("a", "inside", 0.50, 0.40, 0.60), ("a", "outside", 0.50, 0.40, 0.60),
        ("a", "edge", 0.50, 0.40, 0.60), ("a", "bare", 0.50, math.nan, math.nan),
        ("b", "inside", 9.0, 8.0, 10.0),
    ],
    columns=["analysis", "term", "estimate", "ci_low", "ci_high"],
)  # fmt: skip
TRUTH = pd.DataFrame(
    [
        ("a", "inside", 0.55), ("a", "outside", 0.70), ("a", "edge", 0.60), ("a", "bare", 0.50),
        ("a", "unknown", 1.0), ("b", "inside", 0.0),
    ],
    columns=["analysis", "term", "truth"],
)  # fmt: skip


@pytest.fixture(scope="module")
def compared() -> pd.DataFrame:
    return compare_with_truth(ESTIMATES, TRUTH)


def test_every_truth_has_a_row_and_nothing_else_has(compared):
    assert list(zip(compared["analysis"], compared["term"], strict=True)) == list(
        zip(TRUTH["analysis"], TRUTH["term"], strict=True)
    )
    assert tuple(compared.columns) == COLUMNS


def test_coverage_is_one_zero_or_unknown(compared):
    found = dict(zip(compared["analysis"] + compared["term"], compared["covered"], strict=True))
    assert found["ainside"] == found["aedge"] == 1
    assert found["aoutside"] == found["binside"] == 0
    assert math.isnan(found["abare"])
    assert math.isnan(found["aunknown"])


def test_error_and_share_are_against_the_truth(compared):
    row = compared.iloc[0]
    assert row["error"] == pytest.approx(-0.05)
    assert row["share_of_truth"] == pytest.approx(0.5 / 0.55)


def test_a_share_of_zero_is_unknown(compared):
    assert math.isnan(compared["share_of_truth"].iloc[-1])


def test_labels_are_made_of_the_names_where_none_are_given(compared):
    assert compared["label"].iloc[0] == "a / inside"
    named = compare_with_truth(ESTIMATES, TRUTH.assign(label="words"))
    assert set(named["label"]) == {"words"}


def test_two_estimates_of_one_truth_are_refused():
    with pytest.raises(MergeError):
        compare_with_truth(pd.concat([ESTIMATES, ESTIMATES]), TRUTH)


def test_intervals_of_the_right_width_cover_as_often_as_they_say():
    rng = np.random.default_rng(3)
    n = 4000
    values = rng.normal(1.0, 0.1, n)
    names = [f"t{i}" for i in range(n)]
    estimates = pd.DataFrame({"analysis": "a", "term": names, "estimate": values})
    estimates = estimates.assign(ci_low=values - 0.196, ci_high=values + 0.196)
    truth = pd.DataFrame({"analysis": "a", "term": names, "truth": 1.0})
    assert compare_with_truth(estimates, truth)["covered"].mean() == pytest.approx(0.95, abs=0.015)


def test_the_table_says_in_words_what_the_interval_holds(compared):
    text = str(recovery_table(compared).markup)
    body = text.partition("<tbody>")[2]
    last = [re.findall(r"<td[^>]*>(.*?)</td>", r)[-1] for r in re.findall(r"<tr.*?</tr>", body)]
    assert last == ["yes", "no", "yes", "no interval", "not estimated", "no"]


def test_truth_is_written_with_the_digits_of_the_estimate(compared):
    text = str(recovery_table(compared).markup)
    assert ">0.50 (0.40 to 0.60)</td>" in text
    assert ">0.55</td>" in text
    assert ">−0.05</td>" in text
