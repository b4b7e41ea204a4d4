"""Real films and scans, where they are at hand: everything is read, and numbers agree."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image as Pillow

from spinecast.errors import FileError
from spinecast.images import (
    Image,
    Preparation,
    prepare_radiograph,
    prepare_store,
    project_lateral,
    read_image,
)
from spinecast.images.radiograph import DEMO

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILMS, CT = DATA / "ap_spine_radiographs", DATA / "abdominal_ct"
REPORT = CT / "spine_report" / "example_ct_report"
SLICES = sorted((CT / "example_ct_dicom").glob("CT*"))

needs_films = pytest.mark.skipif(not FILMS.is_dir(), reason="real films are not shipped")
needs_ct = pytest.mark.skipif(not CT.is_dir(), reason="the real CT is not shipped")


@needs_films
def test_all_51_films_are_read_prepared_and_stored(tmp_path: Path) -> None:
    table = pd.read_csv(FILMS / "images.csv")
    index = table.rename(columns={"file": "image_id"})[["image_id", "person_id", "visit"]]
    store, quarantine, full = prepare_store(
        index, lambda name: read_image(FILMS / name), tmp_path / "store", preparation=DEMO
    )
    assert quarantine.empty, quarantine
    assert len(store) == len(index) == 51
    assert full["sha256"].is_unique
    pixels = store.read(store.ids)
    assert pixels.shape == (51, 192, 96)
    assert (pixels.max(axis=(1, 2)) > 0.999).all()
    assert (pixels.std(axis=(1, 2)) > 0.05).all()
    assert full["spacing_row"].isna().all()


@needs_films
def test_a_real_film_has_the_pixels_of_its_file() -> None:
    path = min((FILMS / "images").glob("*.jpg"))
    with Pillow.open(path) as picture:
        expected = np.asarray(picture.convert("L"), np.float32)
    assert np.abs(read_image(path).pixels - expected).max() <= 1.0


@needs_films
@pytest.mark.parametrize("equalisation", ["clahe", "global", "none"])
def test_a_real_film_can_be_prepared_in_every_way(equalisation: str) -> None:
    image = read_image(sorted((FILMS / "images").glob("*.jpg"))[3])
    result = prepare_radiograph(image, Preparation((256, 128), equalisation=equalisation))
    assert np.isfinite(result).all()
    assert result.max() == pytest.approx(1.0, abs=1e-6)


@needs_ct
def test_all_ct_slices_are_read_in_hounsfield_units() -> None:
    assert len(SLICES) == 20
    for path in SLICES:
        dataset = pydicom.dcmread(path)
        image = read_image(path)
        expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(
            dataset.RescaleIntercept
        )
        inside = expected > -1100  # outside lies the padding value
        np.testing.assert_allclose(image.pixels[inside], expected[inside], atol=1e-3)
        assert (image.modality, image.view) == ("CT", "AXIAL")
        assert image.spacing == tuple(float(each) for each in dataset.PixelSpacing)
        assert "PatientName" not in image.attributes


@pytest.fixture(scope="module")
def volume() -> Image:
    return read_image(CT / "example_ct.nii.gz")


@needs_ct
def test_the_volume_lies_head_first_front_first_right_first(volume: Image) -> None:
    raw = nibabel.as_closest_canonical(nibabel.load(CT / "example_ct.nii.gz"))
    expected = np.asarray(raw.dataobj, np.float32).transpose(2, 1, 0)[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(volume.pixels, expected)
    assert volume.spacing == pytest.approx((3.0, 3.0, 3.0), rel=1e-3)


@needs_ct
def test_vertebrae_lie_in_order_and_measure_what_other_software_reports(volume: Image) -> None:
    levels = read_image(REPORT / "totalseg.nii.gz").pixels
    bodies = read_image(REPORT / "totalseg_vertebrae_body.nii.gz").pixels == 1
    told = json.loads((REPORT / "spine_report.json").read_text())["results"]
    labels = {"L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27}
    assert volume.spacing is not None
    heads = []
    for name, label in labels.items():
        whole, body = levels == label, (levels == label) & bodies
        millilitres = body.sum() * np.prod(volume.spacing) / 1000
        assert 0.75 < told[f"vertebrae_{name}_volume_ml"] / millilitres < 1.05
        assert 0 < volume.pixels[body].mean() - told[f"vertebrae_{name}_intensity"] < 60
        slices, rows, columns = np.argwhere(body).mean(axis=0)
        heads.append(slices * volume.spacing[0])
        assert rows < np.argwhere(whole).mean(axis=0)[1], "bodies lie in front of their arches"
        assert abs(columns - volume.shape[2] / 2) < 10
    assert all(25 < gap < 45 for gap in np.diff(heads)), "L1 is nearest the head"


@needs_ct
def test_the_lateral_projection_shows_a_spine_behind_soft_tissue(volume: Image) -> None:
    film = project_lateral(Image(pixels=volume.pixels, spacing=volume.spacing, modality="CT"))
    assert film.view == "LATERAL"
    body = film.pixels.sum(axis=0)
    columns = np.arange(body.size)
    bone = np.clip(volume.pixels - 200, 0, None).sum(axis=(0, 2))
    centre_of_body = (body * columns).sum() / body.sum()
    centre_of_bone = (bone * columns).sum() / bone.sum()
    assert centre_of_bone > centre_of_body, "the spine lies behind the middle"
    assert prepare_radiograph(film, DEMO).shape == (192, 96)


@needs_ct
def test_every_grey_volume_at_hand_is_read_and_a_coloured_one_refused() -> None:
    paths = sorted(DATA.rglob("*.nii.gz"))
    assert len(paths) >= 10
    for path in paths:
        if path.name == "spine_report.nii.gz":  # a rendering in colour
            with pytest.raises(FileError, match="SC-102"):
                read_image(path)
        else:
            assert np.isfinite(read_image(path).pixels).all()
