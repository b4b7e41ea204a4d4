"""What is taken from a header: spacing, view, region, and nothing that names a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from tests.images.films import header, phantom, save

from spinecast.images import Image, read_image
from spinecast.images.modality import modality_record, standard_modality, standard_region

PLANTED = ("SECRETNAME", "19410203", "PID77", "StJamesHospital", "DrWho", "HIDDEN")


def _read(tmp_path: Path, **tags: Any) -> Image:
    return read_image(save(tmp_path / "film", header(phantom(), **tags)), screen=False)


def test_pixel_spacing_is_rows_then_columns(tmp_path: Path) -> None:
    image = _read(tmp_path, PixelSpacing=[0.15, 0.25], ImagerPixelSpacing=[0.5, 0.5])
    assert image.spacing == (0.15, 0.25)


def test_detector_spacing_is_used_where_there_is_no_other(tmp_path: Path) -> None:
    assert _read(tmp_path, ImagerPixelSpacing=[0.2, 0.2]).spacing == (0.2, 0.2)


def test_magnification_shrinks_detector_spacing_to_the_patient(tmp_path: Path) -> None:
    image = _read(
        tmp_path, ImagerPixelSpacing=[0.2, 0.4], EstimatedRadiographicMagnificationFactor=1.25
    )
    assert image.spacing == pytest.approx((0.16, 0.32))


@pytest.mark.parametrize("factor", [0, -1, 0.5, 40])
def test_an_impossible_magnification_is_ignored(tmp_path: Path, factor: float) -> None:
    image = _read(
        tmp_path, ImagerPixelSpacing=[0.2, 0.2], EstimatedRadiographicMagnificationFactor=factor
    )
    assert image.spacing == (0.2, 0.2)


def test_magnification_leaves_calibrated_spacing_alone(tmp_path: Path) -> None:
    image = _read(tmp_path, PixelSpacing=[0.2, 0.2], EstimatedRadiographicMagnificationFactor=1.25)
    assert image.spacing == (0.2, 0.2)


def test_shared_functional_groups_tell_spacing_too(tmp_path: Path) -> None:
    measures = Dataset()
    measures.PixelSpacing = [0.3, 0.3]
    group = Dataset()
    group.PixelMeasuresSequence = [measures]
    assert _read(tmp_path, SharedFunctionalGroupsSequence=[group]).spacing == (0.3, 0.3)


def test_no_spacing_is_unknown_and_not_one(tmp_path: Path) -> None:
    assert _read(tmp_path).spacing is None


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "RL"}, "LATERAL"),
        ({"ViewPosition": "LLAT"}, "LATERAL"),
        ({"ViewPosition": "PA"}, "AP"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "XX"}, ""),
        ({"PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["P", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, "AP"),
        ({"ViewPosition": "LL", "PatientOrientation": ["L", "F"]}, "LATERAL"),
        ({"Modality": "MR", "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "SAGITTAL"),
        ({"Modality": "CT", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "AXIAL"),
        ({"Modality": "CT", "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "CORONAL"),
        ({}, ""),
    ],
)
def test_views_are_told_by_position_then_orientation(
    tmp_path: Path, tags: dict[str, Any], view: str
) -> None:
    assert _read(tmp_path, **tags).view == view


@pytest.mark.parametrize(
    ("code", "view"),
    [("399067008", "LATERAL"), ("399173006", "LATERAL"), ("272479007", "AP"), ("R-10206", "AP"),
     ("R-10236", "LATERAL"), ("1", "")],
)  # fmt: skip
def test_views_are_told_by_their_code(tmp_path: Path, code: str, view: str) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code, "SCT"
    assert _read(tmp_path, ViewCodeSequence=[item]).view == view


def test_modalities_and_regions_have_one_spelling() -> None:
    assert [standard_modality(code) for code in ("dr", "DX", "RG", "", "XA")] == [
        "DX", "DX", "CR", "", "XA",
    ]  # fmt: skip
    assert standard_region("L SPINE") == standard_region("LSPINE") == "LS"
    assert standard_region("SPINE") == ""
    assert modality_record("CT").unit == "HU"
    assert not modality_record("CT").windowed
    assert modality_record("").windowed


def test_region_maker_and_technique_are_kept(tmp_path: Path) -> None:
    image = _read(tmp_path, BodyPartExamined="TLSPINE", Manufacturer="Philips", KVP=85)
    assert (image.region, image.manufacturer, image.modality) == ("TL", "Philips", "DX")
    assert image.attributes["KVP"] == "85"
    assert image.attributes["TransferSyntax"] == "Explicit VR Little Endian"


def test_nothing_that_names_a_person_survives(tmp_path: Path) -> None:
    name, birth, number, place, doctor, hidden = PLANTED
    other = Dataset()
    other.PatientID, other.PatientName = number, f"{name}^A"
    dataset = header(
        phantom(),
        PatientName=f"{name}^ANNA",
        PatientBirthDate=birth,
        PatientID=number,
        InstitutionName=place,
        ReferringPhysicianName=f"{doctor}^J",
        ImageComments=f"{name} {birth}",
        SeriesDescription=f"{name} spine",
        ProtocolName=name,
        OtherPatientIDsSequence=[other],
        BodyPartExamined=f"{name} {name} TOO LONG",
        ViewPosition="AP",
    )
    dataset.private_block(0x0011, hidden, create=True).add_new(1, "LO", f"{hidden} {number}")
    image = read_image(save(tmp_path / "film", dataset))
    told = repr([vars(image)[word] for word in vars(image) if word != "pixels"])
    told += repr(dict(image.attributes))
    assert [secret for secret in PLANTED if secret.lower() in told.lower()] == []


def test_a_name_in_the_makers_field_is_dropped_and_markup_stays_plain_text(tmp_path: Path) -> None:
    assert _read(tmp_path, Manufacturer="DOE^JOHN").manufacturer == ""
    odd = _read(tmp_path, Manufacturer="<script>\x1b[31m" + "x" * 50).manufacturer
    assert odd.isprintable()
    assert len(odd) <= 64


def test_a_code_string_with_odd_characters_is_dropped(tmp_path: Path) -> None:
    image = _read(tmp_path, BodyPartExamined="<B>SPINE", ImageType=["ORIGINAL", "O'NEIL;DROP"])
    assert "BodyPartExamined" not in image.attributes
    assert image.attributes["ImageType"] == "ORIGINAL"
