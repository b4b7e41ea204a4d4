"""Map files say what a column means; mistakes in them are named."""

from __future__ import annotations

import pytest

from spinecast.cohort.column_map import (
    ColumnMap,
    find_term,
    is_identifying,
    map_columns,
    read_column_map,
)
from spinecast.errors import CohortError

GOOD = """
keep = ["site"]

[columns]
"Pat.-Nr." = "person_id"

[columns.visits]
"Untersuchung" = "date"

[codes.sex]
1 = "M"
2 = "F"

[units]
height = "m"

[dates]
formats = ["%d.%m.%Y"]

[defaults]
view = "LATERAL"
"""


def refusal(path, text: str) -> CohortError:
    path.write_text(text)
    with pytest.raises(CohortError) as caught:
        read_column_map(path)
    return caught.value


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        ("eid", ("person_id", "")),
        ("Height (m)", ("height", "m")),
        ("standing_height_cm", ("height", "cm")),
        ("weight_lbs", ("weight", "lbs")),
        ("BMD spine mg/cm2", ("bmd_spine", "mg/cm2")),
        ("duration_days", ("duration", "days")),
        ("age_at_exam", ("age", "")),
        ("grip strength", None),
    ],
)
def test_usual_column_names_are_known_with_their_units(column, meaning):
    assert find_term(column) == meaning


def test_a_map_file_is_read_section_by_section(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(GOOD)
    column_map = read_column_map(path)
    assert column_map.named("Pat.-Nr.", "people") == "person_id"
    assert column_map.named("Untersuchung", "visits") == "date"
    assert column_map.named("Untersuchung", "images") is None
    assert column_map.codes["sex"] == {"1": "M", "2": "F"}
    assert column_map.date_formats == ("%d.%m.%Y",)
    assert column_map.keep == ("site",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("this is not toml", "TOML"),
        ("[colums]\na = 'age'", "did you mean 'columns'"),
        ("[columns]\nx = 'agee'", "did you mean 'age'"),
        ("[columns.visit]\nx = 'age'", "did you mean 'visits'"),
        ("[units]\nheight = 'furlong'", "'furlong'"),
        ("[units]\nsex = 'm'", "none"),
        ("[codes]\nsex = 'F'", "codes.sex"),
        ("[defaults]\nviews = 'AP'", "did you mean 'view'"),
        ("dates = 3", "[dates]"),
        ("[dates]\nformats = '%Y'", "list of texts"),
        ("keep = [1]", "list of texts"),
    ],
)
def test_every_mistake_in_a_map_file_is_sc317_and_named(tmp_path, text, part):
    refused = refusal(tmp_path / "map.toml", text)
    assert refused.code == "SC-317"
    assert part in refused.message


def test_a_map_file_that_is_not_there_is_sc317(tmp_path):
    with pytest.raises(CohortError) as caught:
        read_column_map(tmp_path / "none.toml")
    assert caught.value.code == "SC-317"


def test_the_map_wins_over_known_names():
    column_map = ColumnMap(columns={"": {"index_age": "age"}})
    mapped, ignored = map_columns(
        ["age", "index_age"], "visits", column_map=column_map, file="visits.csv"
    )
    assert [(c.column, c.term) for c in mapped] == [("index_age", "age")]
    assert ignored == ["age"]


def test_a_map_that_names_an_absent_column_of_a_table_is_sc301():
    column_map = ColumnMap(columns={"visits": {"Alter": "age"}})
    with pytest.raises(CohortError) as caught:
        map_columns(["alter_"], "visits", column_map=column_map, file="visits.csv")
    assert caught.value.code == "SC-301"


@pytest.mark.parametrize("column", ["PatientName", "Phone no", "e-mail", "ZIP", "home_address"])
def test_columns_that_name_a_person_are_recognised(column):
    assert is_identifying(column)
