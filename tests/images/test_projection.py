"""A lateral projection of a synthetic CT obeys Beer and Lambert and looks the right way."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from spinecast.errors import ContentError
from spinecast.images import Image, Preparation, prepare_radiograph, project_lateral, read_image

WATER = 0.193  # per cm at 70 keV


def _body(shape: tuple[int, int, int] = (40, 30, 20)) -> np.ndarray:
    """Return air with a block of water in the middle 10 columns, in HU."""
    volume = np.full(shape, -1000, np.float32)
    volume[:, 5:25, 5:15] = 0
    return volume


def _ct(volume: np.ndarray, spacing: tuple[float, ...] | None = (3.0, 2.0, 2.0)) -> Image:
    return Image(pixels=volume, spacing=spacing, modality="CT", manufacturer="X")


def test_the_integral_is_attenuation_times_length() -> None:
    film = project_lateral(_ct(_body()))
    assert film.shape == (40, 30)
    assert film.spacing == (3.0, 2.0)
    assert (film.modality, film.view, film.manufacturer) == ("DX", "LATERAL", "X")
    np.testing.assert_allclose(film.pixels[:, 5:25], WATER * 10 * 0.2, rtol=1e-5)
    np.testing.assert_allclose(film.pixels[:, :5], 0, atol=1e-6)


def test_bone_is_brighter_in_proportion_and_metal_is_bounded() -> None:
    volume = _body()
    volume[10, 10, 10] = 1000
    volume[20, 10, 10] = 30_000
    film = project_lateral(_ct(volume))
    soft = film.pixels[0, 10]
    assert film.pixels[10, 10] - soft == pytest.approx(WATER * 0.2, rel=1e-4)
    assert film.pixels[20, 10] - soft == pytest.approx(3 * WATER * 0.2, rel=1e-4)


def test_head_stays_up_and_front_stays_left(tmp_path: Path) -> None:
    _, front, head = np.mgrid[0:20, 0:30, 0:40]
    volume = np.full((20, 30, 40), -1000, np.int16)
    volume[(front > 20) & (head > 30)] = 500  # at the top of the front
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1])), tmp_path / "ct.nii")
    film = project_lateral(read_image(tmp_path / "ct.nii"))
    rows, columns = np.nonzero(film.pixels > film.pixels.mean())
    assert rows.max() < 12
    assert columns.max() < 12


def test_the_projection_can_be_prepared_like_a_film() -> None:
    volume = _body()
    volume[10:20] += 300
    result = prepare_radiograph(project_lateral(_ct(volume)), Preparation((64, 32)))
    assert result.shape == (64, 32)


def test_mirroring_side_to_side_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    volume = rng.uniform(-1000, 1500, (20, 15, 10)).astype(np.float32)
    first, second = project_lateral(_ct(volume)), project_lateral(_ct(volume[:, :, ::-1]))
    np.testing.assert_allclose(first.pixels, second.pixels, rtol=1e-5)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (Image(pixels=np.zeros((40, 30), np.float32)), "SC-204"),
        (_ct(np.abs(_body())), "SC-204"),
        (Image(pixels=_body(), spacing=(1.0, 1.0, 1.0), modality="MR"), "SC-204"),
        (_ct(_body(), None), "SC-208"),
        (_ct(_body(), (1.0, 0.0, 1.0)), "SC-208"),
        (_ct(np.where(_body() == 0, np.nan, _body())), "SC-209"),
    ],
)
def test_what_is_no_ct_is_refused(image: Image, code: str) -> None:
    with pytest.raises(ContentError, match=code):
        project_lateral(image)
