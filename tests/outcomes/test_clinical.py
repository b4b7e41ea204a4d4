from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import (
    abone,
    fracture_index,
    frax_table,
    orai,
    ost,
    osta,
    read_frax_table,
    score_points,
    write_frax_table,
)
from spinecast.outcomes.clinical import FRAX_COLUMNS


def visits():
    return pd.DataFrame(
        {
            "age": [65.0, 80.0],
            "bmi": [24.5, 21.0],
            "prior_fracture": [1, np.nan],
            "parental_hip_fracture": [0, 1],
            "smoking": [0, 0],
            "glucocorticoids": [0, 1],
            "rheumatoid_arthritis": [0, 0],
            "secondary_osteoporosis": [np.nan, 0],
            "alcohol": [0, 0],
            "bmd_femoral_neck": [0.71, np.nan],
        }
    )


def test_ost_is_a_fifth_of_weight_minus_age_cut_towards_zero():
    found = ost([70, 50, 62], [53, 80, 60])
    assert found.points.tolist() == [-3, 6, 0]
    assert found.flagged.tolist() == [True, False, True]
    assert ost([60], [65]).points.tolist() == [1]  # exactly 1.0, not 0.9999


def test_osta_flags_asian_women_below_minus_one():
    assert osta([70, 64, 60], [50, 59, 70]).flagged.tolist() == [True, False, False]


def test_orai_adds_age_weight_and_oestrogen():
    found = orai([50, 60, 70, 80], [75, 65, 55, 75], [1, 0, 1, 0])
    assert found.points.tolist() == [0, 10, 18, 17]
    assert found.flagged.tolist() == [False, True, True, True]


def test_score_adds_race_disease_fractures_age_and_oestrogen_less_weight():
    found = score_points(
        [72, 55, 64], [60, 90, 63.502932],  # 132, 198 and exactly 140 pounds
        black=[0, 1, 0], rheumatoid_arthritis=[1, 0, 0], fractures=[2, 0, 5], estrogen=[0, 1, 1],
    )  # fmt: skip
    assert found.points.tolist() == [5 + 4 + 8 + 21 + 1 - 13, 15 - 19, 5 + 12 + 18 - 14]
    assert found.flagged.tolist() == [True, False, True]


def test_abone_counts_age_bulk_and_oestrogen():
    found = abone([66, 65, 70], [63, 63, 64], [1, 0, 0])
    assert found.points.tolist() == [2, 2, 2]
    assert abone([65], [63.6], [1]).points.tolist() == [0]


def test_the_fracture_index_has_another_mark_with_bone_density():
    asked = {
        "prior_fracture": [1, 0, 0],
        "maternal_hip_fracture": [0, 0, 1],
        "smoking": [0, 0, 1],
        "rises_with_arms": [1, 0, 0],
    }
    found = fracture_index([64, 78, 91], [56, 70, 70], **asked)
    assert found.points.tolist() == [4, 3, 7]
    assert found.flagged.tolist() == [True, False, True]
    measured = fracture_index([64, 78, 91], [56, 70, 70], **asked, hip_t_score=[-1.0, -2.0, -2.6])
    assert measured.points.tolist() == [4, 5, 11]
    assert measured.flagged.tolist() == [False, False, True]
    assert "not a probability" in measured.purpose
    ages = [64, 65, 69, 70, 75, 80, 84, 85, 99]
    none = dict.fromkeys(asked, np.zeros(9))
    assert fracture_index(ages, np.full(9, 80), **none).points.tolist() == [
        0, 1, 1, 2, 3, 4, 4, 5, 5,
    ]  # fmt: skip


def test_point_scores_say_that_they_screen_for_low_density():
    for score in (ost([70], [50]), osta([70], [50]), orai([70], [50], [0])):
        assert "not a fracture risk" in score.purpose
        assert set(score.to_frame()["purpose"]) == {score.purpose}


def test_the_bulk_table_has_thirteen_columns_and_comes_back(tmp_path):
    rows = frax_table(visits(), ["F", "M"], country=20, score_unit="T")
    assert tuple(rows.columns) == FRAX_COLUMNS
    assert rows["previous_fracture"].tolist() == [1, 0]
    target = tmp_path / "bulk.csv"
    write_frax_table(target, rows)
    assert target.read_text().splitlines()[0] == "T,20,65.0,F,24.5,1,0,0,0,0,0,0,0.71"
    pd.testing.assert_frame_equal(read_frax_table(target), rows, check_dtype=False)


def test_results_that_the_tool_added_are_read(tmp_path):
    target = tmp_path / "result.csv"
    target.write_text("T,20,65,F,24.5,1,0,0,0,0,0,0,0.71,12.5,3.1\n")
    found = read_frax_table(target)
    assert found["frax_mof"].item() == 12.5
    assert found["frax_hip"].item() == 3.1


def test_frax_is_never_computed():
    import spinecast.outcomes as outcomes

    assert not [n for n in outcomes.__all__ if "frax" in n and "table" not in n]


@pytest.mark.parametrize("text", ["1,2,3\n", "T,20,65,F,24.5,1,0,0,0,0,0,0,0.71,112.5,3.1\n"])
def test_another_layout_or_impossible_results_are_refused(tmp_path, text):
    target = tmp_path / "bad.csv"
    target.write_text(text)
    with pytest.raises(SpinecastError, match="SC-60"):
        read_frax_table(target)


def test_ages_outside_the_tools_range_and_missing_ones_are_refused(tmp_path):
    for age, code in ((39, "SC-611"), (91, "SC-611"), (np.nan, "SC-604")):
        with pytest.raises(SpinecastError, match=code):
            frax_table(visits().assign(age=age), ["F", "M"], country=20, score_unit="T")
    with pytest.raises(SpinecastError, match="SC-606"):
        write_frax_table(tmp_path / "x.csv", visits())
