"""The simulated cohort, written as a folder, reads back as the same cohort."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from spinecast.cohort import CohortSource, HasTruth, open_cohort
from spinecast.cohort.eligibility import followup_xray_rules, select_eligible
from spinecast.cohort.sources.simulated import write_simulated_folder
from spinecast.cohort.splits import read_splits, split_people, strata_of, write_splits
from spinecast.cohort.visits import pair_images
from spinecast.files import write_table

TABLES = ("people", "visits", "images", "events", "findings")


@pytest.fixture(scope="module")
def simulated():
    return open_cohort("simulated:tiny", seed=3)


@pytest.fixture(scope="module")
def written(simulated, tmp_path_factory):
    """The tables as CSV files beside empty image files (loading never opens them)."""
    root = tmp_path_factory.mktemp("hospital")
    cohort = simulated.load()
    for name in TABLES:
        table = getattr(cohort, name)
        if name == "images":
            table = table.assign(path="images/" + table["image_id"] + ".dcm")
            (root / "images").mkdir()
            for path in table["path"]:
                (root / path).write_bytes(b"")
        write_table(root / f"{name}.csv", table)
    return root


def same(read: pd.DataFrame, given: pd.DataFrame, *, ignoring: tuple[str, ...] = ()) -> None:
    columns = [column for column in given.columns if column not in ignoring]
    keys = [c for c in ("person_id", "visit", "image_id", "endpoint", "finding", "region")
            if c in columns]  # fmt: skip
    frames = [
        table[columns].fillna({"sex": "", "region": ""}).sort_values(keys, ignore_index=True)
        for table in (read, given)
    ]
    pd.testing.assert_frame_equal(*frames, check_dtype=False, rtol=1e-9)


def test_both_sources_keep_the_same_promise(simulated, written):
    assert isinstance(simulated, CohortSource)
    assert isinstance(simulated, HasTruth)
    assert isinstance(open_cohort(str(written)), CohortSource)
    assert not isinstance(open_cohort(str(written)), HasTruth)


def test_the_folder_of_a_simulated_cohort_reads_back_equal(simulated, written):
    given, read = simulated.load(), open_cohort(str(written)).load()
    assert read.quarantine.empty
    for name in TABLES:
        same(getattr(read, name), getattr(given, name), ignoring=("path",))


def test_renamed_recoded_and_in_other_units_it_still_reads_back_equal(simulated, written, tmp_path):
    given = simulated.load()
    for name in TABLES:
        table = pd.read_csv(written / f"{name}.csv", dtype={"person_id": str})
        table = table.rename(columns={"person_id": "PatientID", "age": "AlterBeiBesuch"})
        if name == "people":
            table["sex"] = table["sex"].map({"F": 2, "M": 1})
        if name == "visits":
            table["height_m"] = table.pop("height") / 100
            table["weight"] /= 0.45359237
        if name == "events":
            table["duration_days"] = table.pop("duration") * 365.25
        table.to_csv(tmp_path / f"{name}.csv", index=False, sep=";", encoding="cp1252")
    shutil.copytree(written / "images", tmp_path / "images")
    (tmp_path / "cohort.toml").write_text(
        '[columns]\nAlterBeiBesuch = "age"\n[codes.sex]\n1 = "M"\n2 = "F"\n[units]\nweight = "lb"\n'
    )
    read = open_cohort(str(tmp_path)).load()
    assert read.quarantine.empty
    for name in TABLES:
        same(getattr(read, name), getattr(given, name), ignoring=("path",))


def test_a_cohort_goes_from_source_to_verified_splits(simulated, tmp_path):
    chosen, flow = select_eligible(simulated.load(), followup_xray_rules(minimum_age=40))
    splits = split_people(strata_of(chosen), seed=1)
    write_splits(tmp_path / "splits.csv", splits)
    people = chosen.people["person_id"].tolist()
    assert len(read_splits(tmp_path / "splits.csv", person_ids=people)) == flow.used_people
    pairs = pair_images(chosen)
    assert (pairs["years"] > 0).all()
    assert set(pairs["baseline_image_id"]) <= set(chosen.images["image_id"])


def test_the_hospital_folder_written_to_disk_reads_back_with_its_images(simulated, tmp_path):
    write_simulated_folder("tiny", tmp_path, seed=3)
    source = open_cohort(str(tmp_path))
    given, read = simulated.load(), source.load()
    assert set(read.people["person_id"]) <= set(given.people["person_id"])
    assert len(read.images) + len(read.quarantine) + len(read.skipped) >= len(given.images)
    image_id = read.images["image_id"].iloc[0]
    assert np.corrcoef(
        source.open_image(image_id).pixels.ravel(), simulated.open_image(image_id).pixels.ravel()
    )[0, 1] == pytest.approx(1, abs=1e-3)
