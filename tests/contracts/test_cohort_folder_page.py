"""The reference page of the cohort folder names what the registry knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spinecast.cohort.column_map import read_column_map
from spinecast.error_codes import CODES
from spinecast.tables import TABLES
from spinecast.terms import TERMS

PAGE = (Path(__file__).parents[2] / "docs/reference/cohort-folder.md").read_text()


@pytest.mark.parametrize("table", ["people", "visits", "images", "events", "findings"])
def test_every_column_stands_on_the_page_with_unit_and_other_names(table):
    section = PAGE.split(f"### {table}.csv")[1].split("\n##")[0]
    rows = {row.split("`")[1]: row for row in section.splitlines() if row.startswith("| `")}
    for column in (*TABLES[table].required, *TABLES[table].optional):
        if column == "sha256":  # computed, never given
            continue
        term = TERMS[column]
        assert term.meaning in rows[column]
        assert f"| {term.unit} |" in rows[column] or not term.unit
        assert all(f"`{alias}`" in rows[column] for alias in term.aliases)


def test_every_code_on_the_page_is_explained():
    assert set(re.findall(r"SC-\d{3}", PAGE)) <= set(CODES)


def test_the_map_file_on_the_page_is_valid(tmp_path):
    (tmp_path / "map.toml").write_text(PAGE.split("```toml\n")[1].split("```")[0])
    column_map = read_column_map(tmp_path / "map.toml")
    assert column_map.codes["prevalent_vf"] == {"-9": ""}
    assert column_map.units == {"height": "m"}
