"""Atomic files, disarmed CSV cells, named seeds, errors that cross process borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast import seeds
from spinecast.errors import CohortError, RunError, error
from spinecast.files import atomic_path, read_json, write_json, write_table, write_text


def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ValueError("power cut")

    with pytest.raises(ValueError, match="power cut"):
        fail_half_way()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_unwritable_place_gives_a_code(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def write_to_a_full_disk() -> None:
        with atomic_path(tmp_path / "x"):
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="SC-705"):
        write_to_a_full_disk()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_cells_a_spreadsheet_would_execute_are_disarmed_and_numbers_are_not(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"a": ["=1+1", "ok"], "b": [-1.5, 2.0]}))
    back = pd.read_csv(tmp_path / "t.csv")
    assert back["a"].tolist() == ["'=1+1", "ok"]
    assert back["b"].tolist() == [-1.5, 2.0]


def test_numpy_values_become_plain_json(tmp_path: Path) -> None:
    write_json(tmp_path / "j.json", {"a": np.float64(1.5), "b": np.arange(2), "c": tmp_path})
    assert read_json(tmp_path / "j.json") == {"a": 1.5, "b": [0, 1], "c": str(tmp_path)}


def test_named_generators_are_reproducible_and_independent() -> None:
    first = seeds.generator(1, "person", 3).normal(size=4)
    assert np.array_equal(first, seeds.generator(1, "person", 3).normal(size=4))
    assert not np.array_equal(first, seeds.generator(1, "person", 4).normal(size=4))
    assert not np.array_equal(first, seeds.generator(2, "person", 3).normal(size=4))
    assert 0 <= seeds.integer(1, "a") < 2**63


def test_an_error_says_what_was_expected_what_came_where_and_what_to_do() -> None:
    problem = error("SC-301", expected="age", got="years, sex", where="visits.csv")
    assert isinstance(problem, CohortError)
    for words in ("SC-301", "visits.csv", "expected age", "got years, sex", "map file"):
        assert words in str(problem)
    rebuild, fields = problem.__reduce__()
    assert str(rebuild(*fields)) == str(problem)
