"""Preparing radiographs: shape, place, aspect, range, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import exposure
from tests.images.films import film, phantom

from spinecast.errors import ContentError, RunError
from spinecast.images import Image, Preparation, prepare_radiograph
from spinecast.images.radiograph import DEMO, PAPER, PAPER_CODE, PAPER_GENERATOR, TINY, place

PLAIN = Preparation(shape=(128, 64), equalisation="none")


@pytest.mark.parametrize("preparation", [PAPER, PAPER_CODE, PAPER_GENERATOR, DEMO, TINY])
def test_every_preparation_fills_its_shape_with_values_from_0_to_1(
    preparation: Preparation,
) -> None:
    result = prepare_radiograph(film(shape=(600, 300), spacing=(0.3, 0.3)), preparation)
    assert result.shape == preparation.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() == 0.0
    assert result.max() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("equalisation", ["clahe", "global", "none"])
def test_preparing_twice_gives_equal_pixels_and_leaves_the_film_alone(equalisation: str) -> None:
    given = film(shape=(300, 150))
    before = given.pixels.copy()
    settings = Preparation(shape=(96, 48), equalisation=equalisation)
    first = prepare_radiograph(given, settings)
    np.testing.assert_array_equal(first, prepare_radiograph(given, settings))
    np.testing.assert_array_equal(before, given.pixels)


@pytest.mark.parametrize("equalisation", ["clahe", "none"])
@pytest.mark.parametrize(("scale", "offset"), [(0.001, 0.0), (7.0, -900.0), (1e4, 1e5)])
def test_the_scale_of_the_values_does_not_matter(
    equalisation: str, scale: float, offset: float
) -> None:
    given = film(shape=(300, 150))
    other = Image(pixels=given.pixels * np.float32(scale) + np.float32(offset))
    settings = Preparation(shape=(96, 48), equalisation=equalisation)
    first, second = prepare_radiograph(given, settings), prepare_radiograph(other, settings)
    assert np.abs(first - second).mean() < 2e-3


@pytest.mark.parametrize(
    ("shape", "spacing", "fitted"),
    [
        ((120, 60), None, (128, 64)),
        ((120, 30), None, (128, 32)),
        ((60, 120), None, (32, 64)),
        ((120, 60), (0.5, 0.5), (128, 64)),
        ((120, 60), (0.5, 1.0), (64, 64)),
        ((60, 60), (1.0, 0.5), (128, 64)),
        ((256, 256), (0.3, 0.15), (128, 64)),
    ],
)
def test_aspect_is_kept_in_millimetres_and_the_film_is_centred(
    shape: tuple[int, int], spacing: tuple[float, float] | None, fitted: tuple[int, int]
) -> None:
    given = Image(pixels=phantom(shape).astype(np.float32) + 100, spacing=spacing)
    placement = place(given, PLAIN)
    assert placement.fitted == fitted
    assert placement.offset == ((128 - fitted[0]) // 2, (64 - fitted[1]) // 2)
    result = prepare_radiograph(given, PLAIN)
    rows, columns = np.nonzero(result)
    assert (rows.min(), rows.max()) == (placement.offset[0], placement.offset[0] + fitted[0] - 1)
    assert (columns.min(), columns.max()) == (
        placement.offset[1],
        placement.offset[1] + fitted[1] - 1,
    )


def test_a_square_of_millimetres_stays_square() -> None:
    pixels = np.zeros((200, 100), np.float32)
    pixels[60:140, 30:70] = 1  # 80 x 0.2 mm high, 40 x 0.4 mm wide: 16 mm both
    result = prepare_radiograph(
        Image(pixels=pixels, spacing=(0.2, 0.4)), Preparation((100, 100), equalisation="none")
    )
    bright = result > 0.5
    assert bright.any(axis=1).sum() == pytest.approx(bright.any(axis=0).sum(), abs=1)


def test_spacing_of_the_prepared_picture_measures_the_same_film() -> None:
    given = film(shape=(300, 120), spacing=(0.2, 0.3))
    placement = place(given, PLAIN)
    rows, columns = placement.spacing((0.2, 0.3))
    assert rows * placement.fitted[0] == pytest.approx(60)
    assert columns * placement.fitted[1] == pytest.approx(36)
    assert rows == pytest.approx(columns, rel=0.02)


def test_points_are_carried_to_where_the_pixels_went() -> None:
    pixels = np.zeros((400, 200), np.float32)
    pixels[100:104, 60:64] = 1
    given = Image(pixels=pixels)
    cropped = Preparation(shape=(128, 64), equalisation="none", crop_margin=0.05)
    for preparation in (PLAIN, cropped):
        result = prepare_radiograph(given, preparation).astype(float)
        rows, columns = np.mgrid[0:128, 0:64]
        centre = np.array([(result * rows).sum(), (result * columns).sum()]) / result.sum()
        expected = place(given, preparation).to_prepared(np.array([[101.5, 61.5]]))[0]
        np.testing.assert_allclose(centre, expected, atol=0.1)


def test_the_crop_takes_its_share_off_every_side() -> None:
    given = film(shape=(200, 100))
    whole = Image(pixels=given.pixels[10:190, 5:95])
    cropped = Preparation(shape=(128, 64), equalisation="none", crop_margin=0.05)
    np.testing.assert_array_equal(
        prepare_radiograph(given, cropped), prepare_radiograph(whole, PLAIN)
    )


def test_fine_stripes_are_averaged_and_not_aliased() -> None:
    stripes = np.tile(np.array([[0.0, 1.0]], np.float32), (512, 128))
    stripes[:8] = np.linspace(0, 1, 256, dtype=np.float32)
    placement = place(Image(pixels=stripes), PLAIN)
    result = prepare_radiograph(Image(pixels=stripes), PLAIN)
    middle = result[
        placement.offset[0] + 20 : placement.offset[0] + 100, placement.offset[1] + 4 : -4
    ]
    assert middle.std() < 0.02
    assert abs(middle.mean() - 0.5) < 0.05
    every_fourth = stripes[100::4, ::4]  # what taking every nth pixel would have given
    assert every_fourth.std() == 0
    assert every_fourth.mean() in {0.0, 1.0}


def test_means_of_blocks_survive_the_reduction() -> None:
    smooth = np.outer(np.linspace(0, 1, 512), np.linspace(0.2, 1, 256)).astype(np.float32)
    result = prepare_radiograph(Image(pixels=smooth), PLAIN)
    blocks = smooth.reshape(128, 4, 64, 4).mean(axis=(1, 3))
    blocks = (blocks - blocks.min()) / (blocks.max() - blocks.min())
    assert np.abs(result - blocks)[4:-4, 4:-4].max() < 0.01


def test_global_equalisation_flattens_the_histogram() -> None:
    skewed = Image(pixels=phantom((300, 150)).astype(np.float32) ** 2)
    equalised = prepare_radiograph(skewed, Preparation((300, 150), equalisation="global"))
    plain = prepare_radiograph(skewed, Preparation((300, 150), equalisation="none"))
    quartiles = [0.25, 0.5, 0.75]
    assert np.abs(np.quantile(equalised, quartiles) - quartiles).max() < 0.05
    assert np.abs(np.quantile(plain, quartiles) - quartiles).max() > 0.15


def test_adaptive_equalisation_at_the_films_size_is_the_reference_one() -> None:
    given = film(shape=(512, 256))
    unit = (given.pixels - given.pixels.min()) / np.ptp(given.pixels)
    expected = exposure.equalize_adapthist(unit, kernel_size=[64, 32], clip_limit=0.01)
    expected = (expected - expected.min()) / np.ptp(expected)
    result = prepare_radiograph(given, Preparation(shape=(512, 256)))
    assert np.abs(result - expected).mean() < 1e-3  # rounding moves a few pixels by one bin
    assert np.abs(result - expected).max() < 0.05


def test_equalising_at_working_size_is_near_equalising_the_whole_film() -> None:
    rows, columns = np.mgrid[0:1536, 0:768]
    smooth = np.sin(rows / 60.0) * np.cos(columns / 90.0) + rows / 900.0
    given = Image(pixels=smooth.astype(np.float32))
    unit = (smooth - smooth.min()) / np.ptp(smooth)
    whole = exposure.equalize_adapthist(unit, kernel_size=[192, 96], clip_limit=0.01)
    reference = whole.reshape(192, 8, 96, 8).mean(axis=(1, 3))
    reference = (reference - reference.min()) / np.ptp(reference)
    result = prepare_radiograph(given, DEMO)
    assert np.abs(result - reference).mean() < 0.02
    assert np.corrcoef(result.ravel(), reference.ravel())[0, 1] > 0.995


def test_extreme_values_of_a_float_film_do_not_overflow() -> None:
    pixels = phantom((60, 30)).astype(np.float32)
    pixels = (pixels / pixels.max() * 2 - 1) * np.float32(3e38)
    result = prepare_radiograph(Image(pixels=pixels), PLAIN)
    assert np.isfinite(result).all()
    plain = prepare_radiograph(Image(pixels=phantom((60, 30)).astype(np.float32)), PLAIN)
    np.testing.assert_allclose(result, plain, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, -1000.0, 1e30])
def test_constant_films_are_refused(value: float) -> None:
    with pytest.raises(ContentError, match="SC-203"):
        prepare_radiograph(Image(pixels=np.full((60, 30), value, np.float32)), PLAIN)


def test_a_film_that_is_constant_inside_the_crop_is_refused() -> None:
    pixels = np.full((200, 100), 5, np.float32)
    pixels[:3] = 100  # a marker in the margin
    cropped = Preparation(shape=(128, 64), equalisation="none", crop_margin=0.05)
    with pytest.raises(ContentError, match="SC-203"):
        prepare_radiograph(Image(pixels=pixels), cropped)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    pixels = phantom().astype(np.float32)
    pixels[5, 5] = value
    with pytest.raises(ContentError, match="SC-209"):
        prepare_radiograph(Image(pixels=pixels), PLAIN)


@pytest.mark.parametrize(
    "spacing", [(0.0, 0.1), (-1.0, 1.0), (np.nan, 1.0), (1e-5, 1e-5), (90.0, 90.0), (0.1, 2.0)]
)
def test_impossible_spacing_is_refused(spacing: tuple[float, float]) -> None:
    with pytest.raises(ContentError, match="SC-208"):
        prepare_radiograph(film(spacing=spacing), PLAIN)


def test_thumbnails_and_volumes_are_refused() -> None:
    with pytest.raises(ContentError, match="SC-206"):
        prepare_radiograph(film(shape=(15, 40)), PLAIN)
    with pytest.raises(ContentError, match="SC-206"):
        prepare_radiograph(film(shape=(100, 50)), PAPER)
    with pytest.raises(ContentError, match="SC-204"):
        prepare_radiograph(Image(pixels=np.zeros((3, 40, 40), np.float32)), PLAIN)


@pytest.mark.parametrize(
    "wrong", [{"equalisation": "magic"}, {"crop_margin": 0.5}, {"crop_margin": -0.1},
              {"shape": (0, 5)}]
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(RunError, match="SC-706"):
        Preparation(**wrong)
