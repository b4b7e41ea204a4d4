"""Goods that cross a door have the columns, kinds and ranges of the contract."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.errors import SpinecastError
from spinecast.tables import COVARIATES, TABLES, empty_table, validate
from spinecast.terms import TERMS, Kind


def people(**cells: object) -> pd.DataFrame:
    return pd.DataFrame({"person_id": ["a", "b"], "sex": ["F", "M"]}).assign(**cells)


def visits(**cells: object) -> pd.DataFrame:
    keys = {"person_id": ["a", "b"], "visit": [0, 0], "years_since_baseline": 0.0, "age": 60.0}
    frame = pd.DataFrame(keys).assign(**dict.fromkeys(COVARIATES, np.nan))
    return frame.assign(**cells)


def images(**cells: object) -> pd.DataFrame:
    frame = pd.DataFrame({"image_id": ["i", "j"], "person_id": ["a", "b"], "visit": [0, 1]})
    texts = ("modality", "view", "region", "manufacturer", "sha256", "path")
    frame = frame.assign(**dict.fromkeys(texts, ""), origin="acquired")
    return frame.assign(spacing_row=0.14, spacing_column=np.nan).assign(**cells)


def events(**cells: object) -> pd.DataFrame:
    frame = pd.DataFrame({"person_id": ["a", "b"], "endpoint": "death", "event": [0, 2]})
    return frame.assign(duration=[1.0, 2.5]).assign(**cells)


MADE = {"people": people, "visits": visits, "images": images, "events": events}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_may_be_empty(name):
    assert list(validate(empty_table(name), name).columns) == list(TABLES[name].required)


@pytest.mark.parametrize("name", MADE)
def test_a_right_table_passes_unchanged_and_the_given_one_is_not_touched(name):
    frame = MADE[name]()
    before = frame.copy()
    valid = validate(frame, name)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(valid[frame.columns], before, check_dtype=False)


@pytest.mark.parametrize("name", MADE)
def test_every_required_column_is_missed_by_name(name):
    for column in TABLES[name].required:
        with pytest.raises(SpinecastError) as caught:
            validate(MADE[name]().drop(columns=column), name)
        assert caught.value.code == "SC-301"
        assert repr(column) in caught.value.message
        assert f"table {name}" in caught.value.message


@pytest.mark.parametrize(
    ("name", "cells", "code"),
    [
        ("people", {"sex": "x"}, "SC-302"),
        ("people", {"person_id": "a"}, "SC-307"),
        ("people", {"person_id": ["a", None]}, "SC-313"),
        ("people", {"person_id": [1, 2]}, "SC-313"),
        ("visits", {"age": 140.0}, "SC-305"),
        ("visits", {"height": 1.7}, "SC-305"),
        ("visits", {"prevalent_vf": 0.5}, "SC-305"),
        ("visits", {"person_id": "a"}, "SC-314"),
        ("visits", {"visit": -1}, "SC-305"),
        ("visits", {"age": "old"}, "SC-313"),
        ("images", {"image_id": "i"}, "SC-308"),
        ("images", {"spacing_row": 0.0}, "SC-208"),
        ("images", {"origin": "borrowed"}, "SC-305"),
        ("events", {"event": 3}, "SC-319"),
        ("events", {"event": [0, np.nan]}, "SC-313"),
        ("events", {"duration": -1.0}, "SC-605"),
        ("events", {"person_id": "a"}, "SC-314"),
    ],
)
def test_every_fault_of_a_table_has_its_code(name, cells, code):
    with pytest.raises(SpinecastError) as caught:
        validate(MADE[name](**cells), name)
    assert caught.value.code == code
    assert f"table {name}" in caught.value.message


def test_extra_columns_pass_and_required_ones_come_first():
    frame = people(cobb=12.5)[["cobb", "sex", "person_id"]]
    assert list(validate(frame, "people").columns) == ["person_id", "sex", "cobb"]


def test_unknown_numbers_and_sexes_pass():
    assert validate(people(sex=None), "people")["sex"].isna().all()
    assert validate(visits(age=np.nan), "visits")["age"].isna().all()


def test_whole_numbers_become_the_schemas_kinds():
    valid = validate(visits(visit=[0.0, 1.0], age=[60, 61]), "visits")
    assert valid["visit"].dtype == np.int64
    assert valid["age"].dtype == np.float64


def test_splits_are_only_train_validation_and_test():
    frame = pd.DataFrame({"person_id": ["a"], "split": ["fold 3"], "fold": [3]})
    with pytest.raises(SpinecastError):
        validate(frame, "splits")


def test_scores_may_belong_to_a_fold():
    row = {"person_id": "a", "visit": 0, "image_id": "i", "horizon": 0, "draw": -1}
    frame = pd.DataFrame([row | {"score": "pvf", "value": 0.3, "split": "fold 3"}])
    assert validate(frame, "scores")["value"].iloc[0] == 0.3


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_an_age_column_passes_exactly_when_every_known_age_is_possible(values):
    frame = visits().iloc[[0]].loc[[0] * len(values)]
    frame = frame.assign(visit=range(len(values)), age=values)
    possible = all(np.isnan(v) or 0 <= v <= 120 for v in values)
    if possible:
        assert len(validate(frame, "visits")) == len(values)
        return
    with pytest.raises(SpinecastError) as caught:
        validate(frame, "visits")
    assert caught.value.code == "SC-305"


def test_the_registry_explains_every_column_of_the_clinical_tables():
    for name in ("people", "visits", "images", "events", "findings"):
        for column in (*TABLES[name].required, *TABLES[name].optional):
            assert TERMS[column].meaning, column


@pytest.mark.parametrize("term", TERMS.values(), ids=lambda term: term.name)
def test_every_term_is_consistent(term):
    assert term.meaning[0].isupper() or term.meaning[0].isdigit()
    assert not term.meaning.endswith(".")
    if term.kind is Kind.NUMBER:
        assert term.plausible is not None
    if term.units:
        assert term.units[term.unit] == 1.0
    if term.typical and term.plausible:
        assert term.plausible[0] <= term.typical[0] < term.typical[1] <= term.plausible[1]
    assert all(word == word.lower() for word in term.codes)


def test_no_alternative_name_means_two_things():
    names = [alias for term in TERMS.values() for alias in (term.name, *term.aliases)]
    assert len(names) == len(set(names))


def test_importing_tables_does_not_load_the_schema_library():
    code = "import sys, spinecast.tables, spinecast.cohort; assert 'pandera' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
