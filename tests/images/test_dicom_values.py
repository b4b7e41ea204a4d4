"""Stored values to meaning: LUTs, windows, inversion and padding against the formulas of PS3.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian
from tests.images.films import encoded, header, lut, phantom, save

from spinecast.errors import FileError
from spinecast.images import read_image

STORED = phantom(bits=12)


def _values(tmp_path: Path, pixels: NDArray[Any] = STORED, **tags: Any) -> NDArray[np.float32]:
    return read_image(save(tmp_path / "film", header(pixels, **{"bits": 12, **tags}))).pixels


def test_monochrome1_is_inverted_so_that_bone_is_bright(tmp_path: Path) -> None:
    values = _values(tmp_path, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(values, 4095 - STORED.astype(np.float32))


def test_inversion_depends_on_the_header_and_not_on_the_values_of_one_film(tmp_path: Path) -> None:
    dark = (STORED // 2).astype(np.uint16)
    values = _values(tmp_path, dark, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(values, 4095 - dark.astype(np.float32))


def test_inversion_follows_the_window(tmp_path: Path) -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 500}
    plain = _values(tmp_path, **window)
    inverted = _values(tmp_path, PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_allclose(inverted, 1 - plain, atol=1e-6)


def test_slope_and_intercept_give_hounsfield_units_and_ct_is_not_windowed(tmp_path: Path) -> None:
    values = _values(tmp_path, Modality="CT", RescaleSlope=2, RescaleIntercept=-1024,
                     WindowCenter=40, WindowWidth=80)  # fmt: skip
    np.testing.assert_array_equal(values, STORED * 2.0 - 1024)


@pytest.mark.parametrize("slope", [0, float("nan"), float("inf")])
def test_an_impossible_slope_is_ignored(tmp_path: Path, slope: float) -> None:
    values = _values(tmp_path, Modality="CT", RescaleSlope=slope, RescaleIntercept=5)
    np.testing.assert_array_equal(values, STORED + 5.0)


def test_the_linear_window_is_the_pseudocode_of_the_standard(tmp_path: Path) -> None:
    centre, width = 1800.0, 900.0
    values = _values(tmp_path, WindowCenter=centre, WindowWidth=width)
    x = STORED.astype(float)
    expected = (x - (centre - 0.5)) / (width - 1) + 0.5
    expected[x <= centre - 0.5 - (width - 1) / 2] = 0
    expected[x > centre - 0.5 + (width - 1) / 2] = 1
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", [2, 300.5, 5000])
def test_windows_agree_with_another_implementation(
    tmp_path: Path, function: str, width: float
) -> None:
    tags = {"WindowCenter": 1700, "WindowWidth": width, "VOILUTFunction": function,
            "RescaleSlope": 1.5, "RescaleIntercept": -100, "RescaleType": "US"}  # fmt: skip
    dataset = header(STORED, bits=12, **tags)
    encoded(dataset, ExplicitVRLittleEndian)
    with np.errstate(over="ignore"):  # theirs, not ours
        expected = apply_voi_lut(apply_modality_lut(STORED, dataset), dataset)
    low, high = -100, 1.5 * 4095 - 100  # that implementation's output range
    expected = (expected - low) / (high - low)
    np.testing.assert_allclose(_values(tmp_path, **tags), expected, atol=1e-6)


@pytest.mark.parametrize("window", [(100, 0), (100, -5), (float("nan"), 100), (100, float("inf")),
                                    (100, 1)])  # fmt: skip
def test_an_unusable_window_loses_no_film(tmp_path: Path, window: tuple[float, float]) -> None:
    values = _values(tmp_path, WindowCenter=window[0], WindowWidth=window[1])
    np.testing.assert_array_equal(values, STORED)


def test_a_narrow_exact_window_fits_values_rescaled_to_a_narrow_range(tmp_path: Path) -> None:
    values = _values(tmp_path, RescaleSlope=1 / 4096, RescaleIntercept=0, WindowCenter=0.5,
                     WindowWidth=0.5, VOILUTFunction="LINEAR_EXACT")  # fmt: skip
    np.testing.assert_allclose(values, np.clip(STORED / 2048 - 0.5, 0, 1), atol=1e-6)


def test_the_first_of_several_windows_is_used(tmp_path: Path) -> None:
    several = _values(tmp_path, WindowCenter=[1800, 50], WindowWidth=[900, 10])
    np.testing.assert_array_equal(several, _values(tmp_path, WindowCenter=1800, WindowWidth=900))


def test_a_voi_lut_comes_before_a_window_and_clamps_at_its_ends(tmp_path: Path) -> None:
    table = [7, 5, 3, 900]
    stored = np.arange(96, dtype=np.uint16).reshape(12, 8)
    values = _values(tmp_path, stored, bits=16, VOILUTSequence=[lut(10, table)],
                     WindowCenter=3, WindowWidth=4)  # fmt: skip
    expected = np.array(table)[np.clip(stored.astype(int) - 10, 0, 3)]
    np.testing.assert_array_equal(values, expected)


def test_a_modality_lut_replaces_slope_and_intercept(tmp_path: Path) -> None:
    stored = np.arange(96, dtype=np.uint16).reshape(12, 8)
    table = [int(value) for value in np.linspace(0, 4000, 96) ** 1.1]
    values = _values(tmp_path, stored, bits=16, Modality="CT", ModalityLUTSequence=[lut(0, table)],
                     RescaleSlope=9, RescaleIntercept=9)  # fmt: skip
    np.testing.assert_array_equal(values, np.array(table)[stored])


def test_a_lut_of_0_entries_means_65536(tmp_path: Path) -> None:
    item = lut(0, list(range(65535, -1, -1)))
    assert item.LUTDescriptor[0] == 0
    stored = phantom(bits=16)
    values = _values(tmp_path, stored, bits=16, VOILUTSequence=[item])
    np.testing.assert_array_equal(values, 65535 - stored.astype(np.float32))


def test_a_lut_shorter_than_it_says_is_refused(tmp_path: Path) -> None:
    item = lut(0, [1, 2, 3])
    item.LUTDescriptor = [300, 0, 16]
    with pytest.raises(FileError, match="SC-102"):
        _values(tmp_path, VOILUTSequence=[item])


@pytest.mark.parametrize("inverted", [False, True])
def test_padding_becomes_the_darkest_value_of_the_picture(tmp_path: Path, inverted: bool) -> None:
    stored = np.maximum(STORED, 100)
    stored[:, :4] = 0
    kind = "MONOCHROME1" if inverted else "MONOCHROME2"
    values = _values(tmp_path, stored, PixelPaddingValue=0, PhotometricInterpretation=kind)
    assert (values[:, :4] == values[:, 4:].min()).all()


def test_signed_values_pass_through_rescale(tmp_path: Path) -> None:
    stored = STORED.astype(np.int16) - 2048
    values = _values(tmp_path, stored, Modality="CT", RescaleSlope=1, RescaleIntercept=3)
    np.testing.assert_array_equal(values, stored + 3.0)


def test_signed_values_whose_sign_was_not_extended_are_understood(tmp_path: Path) -> None:
    signed = STORED.astype(np.int16) - 2048
    unextended = (signed & 0x0FFF).astype(np.int16)
    values = _values(tmp_path, unextended, Modality="CT")
    np.testing.assert_array_equal(values, signed)
