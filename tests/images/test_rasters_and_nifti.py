"""PNG, JPEG and NIfTI: exact values, one orientation, honest spacing."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow
from tests.images.films import phantom

from spinecast.errors import FileError
from spinecast.images import read_image


@pytest.mark.parametrize("bits", [8, 16])
def test_png_values_are_exact_and_spacing_is_unknown(tmp_path: Path, bits: int) -> None:
    stored = phantom(bits=bits)
    path = tmp_path / "film.png"
    Pillow.fromarray(stored).save(path, dpi=(300, 300))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored)
    assert image.spacing is None
    assert image.modality == image.view == ""
    assert image.attributes["BitsStored"] == str(bits)


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGB", "RGBA"])
def test_other_kinds_of_png_become_grey(tmp_path: Path, mode: str) -> None:
    stored = np.where(phantom(bits=8) > 128, 255, 0).astype(np.uint8)
    Pillow.fromarray(stored).convert(mode).save(tmp_path / "film.png")
    np.testing.assert_allclose(read_image(tmp_path / "film.png").pixels, stored, atol=1e-3)


def test_jpeg_is_near_and_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    stored = np.asarray(Pillow.fromarray(phantom((12, 8), bits=8)).resize((64, 96)))
    Pillow.fromarray(stored).save(tmp_path / "film.dcm", "JPEG", quality=95)
    assert np.abs(read_image(tmp_path / "film.dcm").pixels - stored).max() < 12


def test_a_coloured_screenshot_is_suspected_and_a_tinted_film_is_not(tmp_path: Path) -> None:
    grey = phantom((60, 60), bits=8)
    tinted = np.stack([grey, grey, np.minimum(grey, 230)], axis=2)
    Pillow.fromarray(tinted).save(tmp_path / "tinted.png")
    assert read_image(tmp_path / "tinted.png").shape == (60, 60)
    tinted[:20] = [220, 20, 20]
    Pillow.fromarray(tinted).save(tmp_path / "screen.png")
    with pytest.raises(FileError, match="SC-118"):
        read_image(tmp_path / "screen.png")


def _marked() -> np.ndarray:
    """Return voxels in R-A-S order whose value tells where in the patient they are."""
    right, front, head = np.mgrid[0:4, 0:5, 0:6]
    return (right + 10 * front + 100 * head).astype(np.int16)


CANONICAL = _marked().transpose(2, 1, 0)[::-1, ::-1, ::-1]  # head first, front first, right first


@pytest.mark.parametrize("codes", [
    "".join(turned)
    for order in itertools.permutations(("LR", "PA", "IS"))
    for turned in itertools.product(*order)
])  # fmt: skip
def test_every_orientation_is_turned_to_the_same_volume(tmp_path: Path, codes: str) -> None:
    plain = nibabel.Nifti1Image(_marked(), np.diag([0.7, 0.8, 2.5, 1.0]))
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turned = plain.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(plain.affine), wanted)
    )
    assert "".join(nibabel.aff2axcodes(turned.affine)) == codes
    nibabel.save(turned, tmp_path / "ct.nii.gz")
    image = read_image(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(image.pixels, CANONICAL)
    assert image.spacing == pytest.approx((2.5, 0.8, 0.7))


def test_an_oblique_volume_keeps_its_spacing_and_nearest_orientation(tmp_path: Path) -> None:
    angle = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 0.8, 2.5])
    nibabel.save(nibabel.Nifti1Image(_marked(), affine), tmp_path / "oblique.nii")
    image = read_image(tmp_path / "oblique.nii")
    np.testing.assert_array_equal(image.pixels, CANONICAL)
    assert image.spacing == pytest.approx((2.5, 0.8, 0.7), rel=1e-5)


def test_scale_and_offset_of_the_header_are_applied(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(_marked(), np.eye(4))
    volume.header.set_slope_inter(2, -1000)
    nibabel.save(volume, tmp_path / "scaled.nii.gz")
    raw = nibabel.load(tmp_path / "scaled.nii.gz")
    image = read_image(tmp_path / "scaled.nii.gz")
    expected = raw.get_fdata().transpose(2, 1, 0)[::-1, ::-1, ::-1]
    np.testing.assert_allclose(image.pixels, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("maker", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_and_all_number_types_are_read(
    tmp_path: Path, kind: str, maker: type
) -> None:
    values = (_marked() % 200).astype(kind)
    nibabel.save(maker(values, np.eye(4)), tmp_path / "v.nii")
    expected = values.transpose(2, 1, 0)[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "v.nii").pixels, expected)


def test_a_big_endian_volume_is_read(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    volume = nibabel.Nifti1Image(_marked(), np.eye(4), header)
    nibabel.save(volume, tmp_path / "big.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "big.nii").pixels, CANONICAL)


def test_one_sagittal_slice_is_a_picture_with_two_spacings(tmp_path: Path) -> None:
    one = nibabel.Nifti1Image(_marked()[:1], np.diag([4.0, 0.8, 2.5, 1.0]))
    nibabel.save(one, tmp_path / "slice.nii")
    image = read_image(tmp_path / "slice.nii")
    np.testing.assert_array_equal(image.pixels, _marked()[0].T[::-1, ::-1])
    assert image.spacing == pytest.approx((2.5, 0.8))


def test_trailing_axes_of_one_are_dropped_and_several_volumes_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(_marked()[..., None], np.eye(4)), tmp_path / "one.nii")
    assert read_image(tmp_path / "one.nii").shape == (6, 5, 4)
    several = np.stack([_marked(), _marked()], axis=-1)
    nibabel.save(nibabel.Nifti1Image(several, np.eye(4)), tmp_path / "two.nii")
    with pytest.raises(FileError, match="SC-112"):
        read_image(tmp_path / "two.nii")


def test_spacing_comes_from_the_affine_when_pixdim_lies(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(_marked(), np.diag([2.0, 2.0, 2.0, 1.0]))
    stream = io.BytesIO(volume.to_bytes())
    data = bytearray(stream.getvalue())
    data[80:92] = np.array([9, 9, 9], "<f4").tobytes()  # pixdim[1:4]
    (tmp_path / "lie.nii").write_bytes(data)
    assert read_image(tmp_path / "lie.nii").spacing == pytest.approx((2.0, 2.0, 2.0))
