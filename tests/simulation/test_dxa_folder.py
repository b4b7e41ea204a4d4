"""The simulated DXA cohort as a source, as DICOM files, and beside the lateral presets."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from spinecast.cohort import HasTruth, open_cohort
from spinecast.cohort.sources.simulated import write_simulated_extract, write_simulated_folder
from spinecast.errors import RunError
from spinecast.simulation import open_world


@pytest.fixture(scope="module")
def source():
    return open_cohort("simulated:dxa-tiny", seed=3)


def test_it_is_a_source_with_truth_like_any_other(source):
    cohort = source.load()
    assert isinstance(source, HasTruth)
    assert cohort.simulated
    assert cohort.quarantine.empty
    assert {"lumbar_width", "lumbar_height", "lumbar_area"} <= set(cohort.visits)
    assert cohort.visits["bmd_spine"].notna().all()
    row = cohort.images.iloc[0]
    image = source.open_image(row["image_id"])
    assert (image.modality, image.view, image.region) == (row["modality"], row["view"], "LS")
    assert image.pixels.dtype == np.float32
    assert image.pixels.max() <= 255.0


def test_written_as_dicom_files_and_tables_it_reads_back_equal(source, tmp_path):
    write_simulated_folder("dxa-tiny", tmp_path, seed=3, damaged=0.0)
    read = open_cohort(str(tmp_path))
    given, cohort = source.load(), read.load()
    assert cohort.quarantine.empty
    assert len(cohort.images) == len(given.images)
    columns = ["lumbar_width", "lumbar_height", "lumbar_area", "bmd_spine"]
    pd.testing.assert_frame_equal(cohort.visits[columns], given.visits[columns])
    for image_id in given.images["image_id"].head(3):
        ours, theirs = source.open_image(image_id), read.open_image(image_id)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        assert (theirs.modality, theirs.view, theirs.region) == ("BMD", "AP", "LS")
        assert theirs.spacing == pytest.approx(ours.spacing)


def test_written_as_a_biobank_extract_it_reads_back_equal(source, tmp_path):
    summary = write_simulated_extract("dxa-tiny", tmp_path, seed=3)
    assert "SIMULATED" in summary
    read = open_cohort(f"ukbiobank:{tmp_path}")
    given, cohort = source.load(), read.load()
    assert cohort.quarantine.empty
    assert not cohort.simulated
    keys, sizes = ["person_id", "visit"], ["lumbar_width", "lumbar_height", "lumbar_area"]
    ours, theirs = (
        c.visits.sort_values(keys, ignore_index=True)[[*keys, *sizes, "bmd_spine", "age"]]
        for c in (given, cohort)
    )
    pd.testing.assert_frame_equal(ours, theirs, atol=0.01)
    assert theirs["age"].sub(ours["age"]).abs().max() < 1.01 / 365.25
    assert (
        cohort.images[keys].value_counts().to_dict() == given.images[keys].value_counts().to_dict()
    )
    last = cohort.images.iloc[-1]
    same = given.images[(given.images[keys] == last[keys]).all(axis=1)].iloc[0]
    opened, rendered = read.open_image(last["image_id"]), source.open_image(same["image_id"])
    np.testing.assert_array_equal(opened.pixels, rendered.pixels)
    assert opened.spacing == pytest.approx(rendered.spacing)


def test_radiographs_have_no_biobank_layout_and_nothing_is_written(tmp_path):
    with pytest.raises(RunError, match="SC-706"):
        write_simulated_extract("tiny", tmp_path / "x", seed=3)
    assert not (tmp_path / "x").exists()


# Made before there was DXA; the shipped weights were fitted on what these presets show.
TABLES = "fdf255e770a3f66ec47a134e"
BLOCKS = (
    1597.18,
    773.12,
    2036.16,
    882.23,
    2495.32,
    687.98,
    2582.91,
    811.96,
    1612.50,
    735.94,
    2062.10,
    880.03,
    2507.79,
    684.20,
    2606.79,
    794.62,
)


def test_tables_of_the_radiograph_presets_are_as_they_were():
    digest = hashlib.sha256()
    for name, table in sorted(open_world("tiny", 3).tables().items()):
        rounded = table.round(6).to_csv(index=False, float_format="%.6f")
        digest.update(f"{name}\n{rounded}".encode())
    assert digest.hexdigest()[:24] == TABLES


def test_films_of_the_radiograph_presets_are_as_they_were():
    world = open_world("tiny", 3)
    shown = [
        world.counterfactual("P00004-V0-0", years=years).pixels.reshape(4, 32, 2, 32).mean((1, 3))
        for years in (0.0, 8.0)
    ]
    # compiled sums differ between processors in their last digits only
    np.testing.assert_allclose(np.ravel(shown), BLOCKS, atol=0.05)
