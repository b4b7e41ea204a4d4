"""The published numbers stand for scale, as printed, beside ours, and are never targets."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from tests.report.demo_goods import estimates

from spinecast.report.digits import MISSING
from spinecast.report.published import (
    CAVEAT,
    CAVEAT_DXA,
    INCONSISTENCIES,
    PUBLISHED,
    PUBLISHED_DXA,
    SOURCE_DXA,
    compare_with_published,
    inconsistency_table,
    published_table,
)

BY_NAME = {(n.analysis, n.term): n for n in PUBLISHED}
NONE = pd.DataFrame(columns=["analysis", "term", "estimate", "ci_low", "ci_high"])


def numbers(text: str) -> list[float]:
    return [float(t) for t in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


def test_every_published_number_has_one_name_and_one_label():
    assert len(BY_NAME) == len(PUBLISHED)
    assert len({n.label.strip() for n in PUBLISHED}) == len(PUBLISHED)


def test_published_digits_are_quoted_not_rounded():
    shown = compare_with_published(NONE)["published"]
    for number, text in zip(PUBLISHED, shown, strict=True):
        known = [v for v in (number.value, number.ci_low, number.ci_high) if math.isfinite(v)]
        assert numbers(text) == pytest.approx(known, abs=1e-12), number.label


@pytest.mark.parametrize(
    ("key", "value"),
    # pinned: a slip of a digit here would mislead every reader
    [
        (("reconstruction", "ms_ssim"), 0.506), (("reconstruction", "psnr"), 20.737),
        (("follow_up", "pearson_r"), 0.656), (("risk_groups", "hazard_ratio_lh"), 2.090),
        (("risk_groups", "hazard_ratio_high"), 4.911),
        (("models", "auroc_10y_fracture_scores_deepsurv"), 0.62),
        (("models", "c_index_frax_cox"), 0.690),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_the_source(key, value):
    assert BY_NAME[key].value == value


def test_published_intervals_hold_their_estimate_and_exclude_nothing_by_accident():
    for number in PUBLISHED:
        if math.isfinite(number.ci_low):
            assert number.ci_low < number.value < number.ci_high
        if number.null is not None:
            assert number.ci_low > number.null


def test_ours_stands_beside_where_there_is_one():
    table = compare_with_published(estimates()).set_index("label")
    assert table.loc["MS-SSIM, pair of models", "ours"] == "0.912 (0.907 to 0.917)"
    assert table.loc["Hazard ratio HIGH against LL", "ours"] == "4.1 (3.0 to 5.6)"
    assert table.loc["c-index, FRAX, Cox", "ours"] == MISSING


def test_without_any_of_ours_all_published_rows_are_kept():
    table = compare_with_published(NONE)
    assert len(table) == len(PUBLISHED)
    assert set(table["ours"]) == {MISSING}


def test_adjusted_rows_are_set_in_beneath_their_measure():
    text = str(published_table(NONE).markup)
    indented = sum(n.label.startswith("  ") for n in PUBLISHED)
    assert text.count('<tr class="sub">') == indented == 4


def test_the_caveat_says_they_are_no_targets_and_prove_nothing_here():
    assert "not targets" in CAVEAT
    assert "would mean nothing" in CAVEAT
    assert "same test people" in CAVEAT


def test_models_judged_on_their_own_people_say_so_in_every_row():
    for number in PUBLISHED:
        if number.term.startswith(("auroc_", "hazard_ratio")):
            assert "same people" in number.caveat


def test_contradictions_of_the_source_are_listed_and_none_is_picked():
    text = str(inconsistency_table().markup)
    assert inconsistency_table().folded
    for _, first, second in INCONSISTENCIES:
        assert first != second
        assert first in text
        assert second in text


DXA = {(n.analysis, n.term): n for n in PUBLISHED_DXA}


@pytest.mark.parametrize(
    ("key", "printed"),
    # pinned, as above
    [
        (("reconstruction", "mae"), "0.0509"), (("reconstruction", "rmse"), "0.0891"),
        (("reconstruction", "psnr"), "21.10"), (("reconstruction", "ssim"), "0.574"),
        (("follow_up", "r_squared_width"), "0.918"), (("follow_up", "r_squared_height"), "0.854"),
        (("follow_up", "r_squared_area"), "0.931"), (("follow_up", "sign_agreement"), "0.615"),
    ],
)  # fmt: skip
def test_the_numbers_of_counterfactual_dxa_are_printed_as_its_source_prints_them(key, printed):
    shown = compare_with_published(NONE, PUBLISHED_DXA).set_index("label")
    assert shown.loc[DXA[key].label, "published"] == printed


def test_every_published_level_of_dxa_says_that_no_change_may_score_as_high():
    levels = [n for n in PUBLISHED_DXA if n.term.startswith("r_squared")]
    assert len(levels) == 3
    assert all("no change" in n.caveat for n in levels)


def test_the_dxa_table_names_its_source_and_shows_ours_beside():
    ours = pd.DataFrame(
        [("reconstruction", "ssim", 0.87, 0.86, 0.88)],
        columns=["analysis", "term", "estimate", "ci_low", "ci_high"],
    )
    table = published_table(ours, numbers=PUBLISHED_DXA, source=SOURCE_DXA)
    assert "Southampton" in table.caption
    assert "0.870 (0.860 to 0.880)" in str(table.markup)
    assert "mean nothing" in CAVEAT_DXA
