"""A simulated cohort written as a hospital folder is what a hospital would hand out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pydicom
import pytest

from spinecast.cohort import open_cohort
from spinecast.cohort.sources.simulated import SimulatedSource, write_simulated_folder
from spinecast.errors import SpinecastError
from spinecast.images import Preparation, prepare_store
from spinecast.simulation import World, find_preset, write_hospital_folder
from spinecast.simulation.damage import KINDS, plan_damage
from spinecast.simulation.dicom_files import BODY_PARTS

TABLES = ("people", "visits", "images", "events", "findings")
KEYS = ("person_id", "visit", "image_id", "endpoint", "finding", "region")


def open_small():
    return World(dataclasses.replace(find_preset("tiny"), people=24), seed=3)


@pytest.fixture(scope="module")
def small():
    return open_small()


@pytest.fixture(scope="module")
def simulated(small):
    source = SimulatedSource("tiny", 3)
    source.world = small
    return source


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small):
    return write_hospital_folder(small, tmp_path_factory.mktemp("whole"), damaged=0.0)


@pytest.fixture(scope="module")
def broken(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("broken")
    return write_hospital_folder(small, folder, damaged=0.22, with_truth=True)


@pytest.fixture(scope="module")
def ledger(broken, tmp_path_factory):
    """Every refusal of reading the broken folder: source, code."""
    source = open_cohort(str(broken.directory))
    cohort = source.load()
    _, refused, _ = prepare_store(
        cohort.images,
        source.open_image,
        tmp_path_factory.mktemp("store") / "images",
        preparation=Preparation(shape=(32, 16)),
    )
    return cohort, refused


def comparable(table):
    keys = [key for key in KEYS if key in table]
    return table.sort_values(keys, ignore_index=True)


@pytest.mark.parametrize("name", TABLES)
def test_reading_back_gives_the_same_tables_from_dates_alone(whole, simulated, name):
    given = getattr(simulated.load(), name)
    read = getattr(open_cohort(str(whole.directory)).load(), name)
    columns = [column for column in given if column != "path"]
    pd.testing.assert_frame_equal(
        comparable(read[columns]), comparable(given[columns]), check_dtype=False, atol=1e-9
    )


def test_nothing_of_a_whole_folder_is_refused(whole):
    cohort = open_cohort(str(whole.directory)).load()
    assert cohort.quarantine.empty
    assert cohort.skipped.empty
    assert whole.damage.empty
    assert not (whole.directory / "truth").exists()


def test_ages_years_and_durations_are_written_as_dates_only(whole):
    visits = pd.read_csv(whole.directory / "visits.csv")
    events = pd.read_csv(whole.directory / "events.csv")
    assert "date" in visits
    assert not {"age", "years_since_baseline"} & set(visits)
    assert "event_date" in events
    assert "duration" not in events
    assert "birth_date" in pd.read_csv(whole.directory / "people.csv")


def test_every_image_reads_back_as_it_was_rendered(whole, simulated):
    folder = open_cohort(str(whole.directory))
    index = folder.load().images
    makers = index.drop_duplicates("manufacturer")["image_id"]
    for image_id in makers:
        made, read = simulated.open_image(image_id), folder.open_image(image_id)
        np.testing.assert_array_equal(made.pixels, read.pixels)
        for field in ("modality", "view", "region", "manufacturer"):
            assert getattr(made, field) == getattr(read, field), field
        if made.spacing is not None:
            assert read.spacing == pytest.approx(made.spacing, abs=1e-6)


def test_headers_alone_say_the_same_as_the_index(whole):
    from spinecast.images import read_image

    images = whole.tables["images"]
    for row in images.drop_duplicates("region").itertuples():
        image = read_image(whole.directory / row.path)
        assert (image.view, image.region) == ("LATERAL", row.region)
        if not np.isnan(row.spacing_row):
            assert image.spacing == pytest.approx((row.spacing_row,) * 2, abs=1e-4)


def test_headers_are_complete_and_say_that_they_are_simulated(whole):
    row = whole.tables["images"].iloc[0]
    header = pydicom.dcmread(whole.directory / row["path"])
    assert header.PatientID == row["person_id"]
    assert header.ImageComments == "SIMULATED"
    assert header.BurnedInAnnotation == "NO"
    assert header.ViewPosition == "LL"
    assert header.Manufacturer == row["manufacturer"]
    assert header.BodyPartExamined == BODY_PARTS[row["region"]]
    assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID
    assert "SIMULATED" in (whole.directory / "README.txt").read_text()
    assert "not FRAX" in (whole.directory / "README.txt").read_text()


def test_unique_identifiers_are_unique_and_group_films_by_visit(whole):
    headers = [
        pydicom.dcmread(whole.directory / path, stop_before_pixels=True)
        for path in whole.tables["images"]["path"]
    ]
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)
    visits = whole.tables["images"][["person_id", "visit"]].drop_duplicates()
    assert len({header.StudyInstanceUID for header in headers}) == len(visits)


def test_some_makers_store_white_as_low(whole):
    kinds = {
        pydicom.dcmread(whole.directory / path).PhotometricInterpretation
        for path in whole.tables["images"]["path"].iloc[::3]
    }
    assert kinds == {"MONOCHROME1", "MONOCHROME2"}


def test_written_twice_the_files_are_equal_byte_by_byte(whole, tmp_path):
    again = write_hospital_folder(open_small(), tmp_path, damaged=0.0)
    for path in [*whole.tables["images"]["path"].iloc[:5]]:
        assert (tmp_path / path).read_bytes() == (whole.directory / path).read_bytes()
    for name in TABLES:
        assert again.tables[name].equals(whole.tables[name])


def test_every_planted_fault_is_refused_under_its_code(broken, ledger):
    cohort, refused = ledger
    found = dict(zip(refused["source"], refused["code"], strict=True))
    files = broken.damage[~broken.damage["kind"].isin(["bad_height", "absent"])]
    assert set(files["kind"]) == set(KINDS) - {"absent"}
    for fault in files.itertuples():
        assert found[fault.source] == fault.code, fault
    absent = (broken.damage["kind"] == "absent").sum()
    assert (cohort.quarantine["code"] == "SC-110").sum() == absent > 0
    heights = broken.damage[broken.damage["kind"] == "bad_height"]
    rows = cohort.quarantine["source"].str.startswith("visits")
    assert rows.sum() == len(heights)
    assert (cohort.quarantine["code"][rows] == "SC-305").all()


def test_nothing_that_was_whole_is_refused(broken, ledger):
    _, refused = ledger
    planted = {*broken.damage["source"], *broken.damage["partner"]}
    assert set(refused["source"]) <= planted


def test_truth_is_written_only_when_asked_for(broken):
    damage = pd.read_csv(broken.directory / "truth" / "damage.csv", keep_default_na=False)
    assert damage["source"].tolist() == broken.damage["source"].tolist()
    assert len(pd.read_csv(broken.directory / "truth" / "people.csv")) == 24


def test_the_plan_damages_the_share_asked_for_and_no_partner():
    images = [(f"P{i // 3:05d}-V{i % 3}-0", f"P{i // 3:05d}") for i in range(600)]
    plan = plan_damage(images, 0.1, seed=1)
    assert len(plan) == 60
    partners = [fault.partner for fault in plan.values() if fault.partner]
    assert len(set(partners)) == len(partners)
    assert not set(partners) & set(plan)
    assert plan_damage(images, 0.0, seed=1) == {}


def test_an_impossible_share_is_refused(small, tmp_path):
    with pytest.raises(SpinecastError, match="SC-706"):
        write_hospital_folder(small, tmp_path, damaged=3.0)


def test_the_source_writes_a_folder_and_says_what_it_wrote(tmp_path, monkeypatch, small):
    monkeypatch.setattr("spinecast.cohort.sources.simulated.open_world", lambda *_: small)
    sentence = write_simulated_folder("tiny", tmp_path, seed=3, damaged=0.05)
    assert "24 people" in sentence
    assert "faults planted" in sentence
    assert (tmp_path / "images.csv").exists()
