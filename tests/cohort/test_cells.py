"""Cells are read by kind; what cannot be read is marked, never guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.cohort.cells import Reading, parse_cells
from spinecast.cohort.delimited import clean_cell, read_delimited
from spinecast.errors import SpinecastError
from spinecast.terms import TERMS


def read(cells: list[str], term: str, **reading: object):
    return parse_cells(pd.Series(cells, dtype=object), TERMS[term], Reading(**reading))


@pytest.mark.parametrize(
    "cell", ["1,5", "0x1A", "1_000", "inf", "nan1", "--3", "12 kg", "٣", "1e9999", "=1+1", "1.2.3"]
)
def test_what_is_not_plainly_a_number_is_unreadable(cell):
    values, unreadable = read([cell], "weight")
    assert unreadable.tolist() == [True]
    assert values.isna().all()


def test_numbers_are_read_as_written():
    values, unreadable = read(["1.5", "-2", "+3.", ".5", "1e2", ""], "weight")
    assert values.tolist()[:5] == [1.5, -2, 3, 0.5, 100]
    assert not unreadable.any()


def test_decimal_commas_only_where_the_file_has_them():
    assert read(["61,5"], "weight", decimal_comma=True)[0].tolist() == [61.5]


def test_dicom_age_strings_are_ages():
    values, _ = read(["067Y", "006M", "364D"], "age")
    assert values.to_numpy() == pytest.approx([67, 0.5, 1], abs=0.01)


@pytest.mark.parametrize(("cell", "value"), [("yes", 1), ("0", 0), ("Nein", 0), ("TRUE", 1)])
def test_flags_are_read_in_several_languages(cell, value):
    assert read([cell], "smoking")[0].tolist() == [value]


def test_none_is_no_answer_to_a_yes_no_question():
    assert read(["none"], "smoking")[1].tolist() == [True]


def test_sexes_are_read_in_words_and_never_as_undeclared_numbers():
    values, unreadable = read(["w", "Male", "F", "1", ""], "sex")
    assert values.tolist()[:3] == ["F", "M", "F"]
    assert unreadable.tolist() == [False, False, False, True, False]


def test_dates_are_iso_unless_declared():
    values, unreadable = read(["2012-02-29", "20120229", "29.02.2012", "2013-02-29"], "date")
    assert unreadable.tolist() == [False, False, True, True]
    assert values[0] == values[1] == pd.Timestamp("2012-02-29")
    declared, _ = read(["29.02.2012"], "date", date_formats=("%d.%m.%Y",))
    assert declared[0] == pd.Timestamp("2012-02-29")


def test_whole_number_ids_survive_a_spreadsheet():
    assert read(["1001.0", "1001", "A.0"], "person_id")[0].tolist() == ["1001", "1001", "A.0"]


@pytest.mark.parametrize("cell", ["../x", "a/b", "a\\b", ".hidden", "x" * 200])
def test_ids_that_could_be_paths_are_refused(cell):
    assert read([cell], "image_id")[1].tolist() == [True]


def test_other_endpoints_are_welcome():
    assert read(["VF", "Hip fracture"], "endpoint")[0].tolist() == [
        "vertebral_fracture",
        "hip_fracture",
    ]


@given(cells=st.lists(st.text(max_size=30), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_text_whatever_breaks_any_reader(cells):
    text = pd.Series([clean_cell(cell) for cell in cells], dtype=object)
    for term in TERMS.values():
        values, unreadable = parse_cells(text, term, Reading())
        assert len(values) == len(unreadable) == len(cells)
        assert unreadable.dtype == bool


@given(cell=st.text(max_size=200))
def test_cleaning_is_idempotent_up_to_apostrophes_and_leaves_nothing_invisible(cell):
    cleaned = clean_cell(cell)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cleaned)
    assert cleaned == cleaned.strip()


@given(content=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_table_or_a_coded_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = read_delimited(path)
    except SpinecastError as refused:
        outcome = refused.code
    else:
        outcome = "read" if table.cells.map(lambda c: isinstance(c, str)).all(axis=None) else "bad"
    assert outcome in {"read", "SC-101", "SC-313", "SC-320"}


@given(
    rows=st.lists(st.lists(st.text("abc,;\"' =\n", max_size=6), min_size=2, max_size=2), max_size=6)
)
@settings(max_examples=100, deadline=None)
def test_every_row_written_is_read_or_is_a_blank_one(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    frame = pd.DataFrame(rows, columns=["person_id", "note"])
    frame.to_csv(path, index=False)
    table = read_delimited(path)
    visible = [row for row in rows if any(clean_cell(cell) for cell in row)]
    assert table.cells.to_numpy().tolist() == [[clean_cell(c) for c in row] for row in visible]


def test_numbers_of_lines_are_those_of_the_file(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n1,2\n\n"x\ny",4\n5\n')
    table = read_delimited(tmp_path / "t.csv")
    assert table.cells.index.tolist() == [2, 4]
    assert table.misfits == {6: 1}


def test_a_column_name_twice_is_sc320(tmp_path):
    (tmp_path / "t.csv").write_text("a,a\n1,2\n")
    with pytest.raises(SpinecastError) as caught:
        read_delimited(tmp_path / "t.csv")
    assert caught.value.code == "SC-320"


def test_unknown_stays_unknown():
    for term in ("age", "smoking", "sex", "date", "event"):
        values, unreadable = read(["", "NA", "unknown"], term)
        assert not unreadable.any(), term
        assert values.isna().all(), term
    assert np.array_equal(read(["", "n/a"], "view")[1], [False, False])
