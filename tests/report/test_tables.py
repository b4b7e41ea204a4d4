"""Tables: every cell escaped, numbers aligned, nothing hidden without being counted."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from spinecast.report.digits import MISSING
from spinecast.report.goods import Estimate
from spinecast.report.tables import estimates_table, frame_table, write_estimate


def cells(frame: pd.DataFrame, **settings) -> list[list[str]]:
    markup = str(frame_table(frame, **settings).markup)
    body = markup.partition("<tbody>")[2]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_every_cell_head_and_caption_is_escaped():
    frame = pd.DataFrame({"<i>head</i>": ["<script>alert(1)</script>"], "b": ['"><img>']})
    text = str(frame_table(frame, caption="<u>C</u>").markup)
    assert "<script" not in text
    assert "<i>" not in text
    assert "<u>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_only_cells_made_as_markup_are_markup():
    frame = pd.DataFrame({"a": [Markup("<b>x</b>"), "<b>x</b>"]})
    assert cells(frame) == [["<b>x</b>"], ["&lt;b&gt;x&lt;/b&gt;"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"), (7, "7"), (np.int64(1200), "1,200"), (np.float32(0.5), "0.500"),
        (math.nan, MISSING), (None, MISSING), (pd.NA, MISSING), (pd.NaT, MISSING),
        (True, "yes"), (np.bool_(False), "no"), ("", ""), ("words", "words"),
    ],
)  # fmt: skip
def test_each_kind_of_value_is_written_in_its_way(value, text):
    frame = pd.DataFrame({"a": pd.Series(["x", value], dtype=object)})
    assert cells(frame)[1] == [text]


def test_writers_write_the_columns_they_are_named_for():
    frame = pd.DataFrame({"a": [0.5], "b": [0.5]})
    assert cells(frame, writers={"a": lambda v: f"{v:.1%}"}) == [["50.0%", "0.500"]]


def test_columns_are_headed_by_their_words():
    text = str(frame_table(pd.DataFrame({"ci_low": [1], "x": [2]}), headers={"x": "X (mm)"}).markup)
    assert ">ci low</th>" in text
    assert ">X (mm)</th>" in text


def test_rows_beyond_the_limit_are_counted():
    frame = pd.DataFrame({"a": range(1500), "b": range(1500)})
    rows = cells(frame, max_rows=10)
    assert len(rows) == 11
    assert rows[-1] == ["and 1,490 more rows in the run folder"]


def test_a_table_that_fits_promises_no_more_rows():
    assert "more rows" not in str(frame_table(pd.DataFrame({"a": [1]}), max_rows=1).markup)


def test_an_empty_frame_is_a_table_of_heads():
    text = str(frame_table(pd.DataFrame({"a": []})).markup)
    assert ">a</th>" in text
    assert "<td" not in text


def right_aligned(column: list) -> bool:
    text = str(frame_table(pd.DataFrame({"a": ["x"] * len(column), "b": column})).markup)
    return 'class="num">b<' in text


def test_numbers_are_aligned_at_the_right_and_words_at_the_left():
    assert right_aligned([1.0, 2.0])
    assert right_aligned(["0.5 (0.4 to 0.6)", MISSING, "−0.1", "< 0.001", ""])
    assert not right_aligned(["1 of 2", "none"])
    assert not right_aligned([MISSING, ""])


def test_markup_is_not_taken_for_a_number_by_its_bracket():
    assert not right_aligned([Markup("<span>met</span>"), MISSING])


def test_marks_become_classes_of_rows():
    text = str(frame_table(pd.DataFrame({"a": [1, 2]}), marks=["head"]).markup)
    assert text.count('<tr class="head">') == 1
    assert text.count("<tr") == 3


def test_the_first_cell_names_its_row():
    text = str(frame_table(pd.DataFrame({"a": ["name"], "b": ["value"]})).markup)
    assert '<th scope="row">name</th><td>value</td>' in text


def test_a_folded_table_carries_its_caption_outside():
    table = frame_table(pd.DataFrame({"a": [1]}), caption="Listing", folded=True)
    assert table.folded
    assert table.caption == "Listing"
    assert "<caption>" not in str(table.markup)


def test_the_frame_is_not_changed():
    frame = pd.DataFrame({"a": [1.0, None], "b": ["x", "<y>"]})
    before = frame.copy()
    frame_table(frame, max_rows=1)
    pd.testing.assert_frame_equal(frame, before)


def test_estimates_show_interval_p_and_n():
    rows = pd.DataFrame(
        {"term": ["pearson_r"], "estimate": [0.7821], "ci_low": [0.731], "ci_high": [0.825],
         "p_value": [1e-9], "n": [1214.0]}
    )  # fmt: skip
    text = str(estimates_table(rows, labels={"pearson_r": "r"}).markup)
    for words in (">r</th>", "0.78 (0.73 to 0.82)", "&lt; 0.001", "1,214"):
        assert words in text


def test_estimates_without_p_or_interval_show_a_dash():
    rows = pd.DataFrame({"term": ["ms_ssim"], "estimate": [0.9]})
    text = str(estimates_table(rows).markup)
    assert ">ms ssim</th>" in text
    assert "0.900" in text
    assert text.count(f">{MISSING}</td>") == 2


def test_an_estimate_that_is_not_there_is_a_dash():
    assert write_estimate(None) == MISSING
    assert write_estimate(Estimate(2.0, 1.004, 3.6), null=1.0) == "2.000 (1.004 to 3.600)"
