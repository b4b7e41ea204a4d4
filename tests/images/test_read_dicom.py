"""Every transfer syntax gives the stored picture back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from tests.images.films import (
    PLAIN_SYNTAXES,
    compressed_by_gdcm,
    encapsulated,
    encoded,
    header,
    phantom,
    save,
)

from spinecast.errors import FileError
from spinecast.images import Image, read_image


@pytest.mark.parametrize("name", PLAIN_SYNTAXES)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_uncompressed_and_deflated_films_are_read_exactly(
    tmp_path: Path, name: str, bits: int
) -> None:
    stored = phantom(bits=bits)
    path = save(tmp_path / "film", header(stored, bits=bits), PLAIN_SYNTAXES[name])
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(image.pixels, stored)


@pytest.mark.parametrize("name", PLAIN_SYNTAXES)
def test_signed_values_keep_their_sign_in_every_byte_order(tmp_path: Path, name: str) -> None:
    stored = phantom().astype(np.int16) - 1024
    path = save(tmp_path / "ct", header(stored, Modality="CT"), PLAIN_SYNTAXES[name])
    np.testing.assert_array_equal(read_image(path).pixels, stored)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("name", ["RLELossless", "JPEGLosslessProcess14_1", "JPEGLosslessProcess14",
                                  "JPEGLSLossless", "JPEG2000Lossless"])  # fmt: skip
def test_lossless_compression_loses_nothing(tmp_path: Path, name: str, bits: int) -> None:
    import gdcm

    stored = phantom(bits=bits)
    plain = save(tmp_path / "plain", header(stored, bits=bits))
    packed = compressed_by_gdcm(plain, tmp_path / "packed", getattr(gdcm.TransferSyntax, name))
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(read_image(packed).pixels, stored)


def test_signed_lossless_jpeg_2000_keeps_the_sign(tmp_path: Path) -> None:
    import gdcm

    stored = phantom().astype(np.int16) - 1024
    plain = save(tmp_path / "plain", header(stored, Modality="CT"))
    packed = compressed_by_gdcm(plain, tmp_path / "j2k", gdcm.TransferSyntax.JPEG2000Lossless)
    np.testing.assert_array_equal(read_image(packed).pixels, stored)


def test_run_lengths_written_by_another_library_are_read(tmp_path: Path) -> None:
    stored = phantom(bits=16)
    dataset = header(stored)
    encoded(dataset)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(tmp_path / "rle")
    np.testing.assert_array_equal(read_image(tmp_path / "rle").pixels, stored)


def test_baseline_jpeg_is_near_the_picture_it_was_made_of(tmp_path: Path) -> None:
    stored = np.asarray(Pillow.fromarray(phantom((12, 8), bits=8)).resize((64, 96)))
    stream = io.BytesIO()
    Pillow.fromarray(stored).save(stream, "JPEG", quality=95)
    dataset = encapsulated(header(stored), stream.getvalue(), JPEGBaseline8Bit)
    dataset.save_as(tmp_path / "jpeg", enforce_file_format=True)
    assert np.abs(read_image(tmp_path / "jpeg").pixels - stored).max() < 12


def test_a_jpeg_2000_stream_of_another_encoder_is_read(tmp_path: Path) -> None:
    stored = phantom(bits=8)
    stream = io.BytesIO()
    Pillow.fromarray(stored).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    dataset = encapsulated(header(stored), stream.getvalue(), JPEG2000Lossless)
    dataset.save_as(tmp_path / "j2k", enforce_file_format=True)
    np.testing.assert_array_equal(read_image(tmp_path / "j2k").pixels, stored)


def test_a_file_without_preamble_and_group_2_is_read_whatever_its_name(tmp_path: Path) -> None:
    stored = phantom()
    whole = encoded(header(stored))
    bare = whole[whole.index(b"\x08\x00\x08\x00CS") :]
    path = tmp_path / "no_preamble.txt"
    path.write_bytes(bare)
    np.testing.assert_array_equal(read_image(path).pixels, stored)


def test_frames_become_the_first_axis(tmp_path: Path) -> None:
    frames = np.stack([phantom(seed=seed) for seed in range(3)])
    dataset = header(frames, NumberOfFrames=3, PixelSpacing=[0.2, 0.3], SliceThickness=2)
    image = read_image(save(tmp_path / "frames", dataset))
    np.testing.assert_array_equal(image.pixels, frames)
    assert image.spacing == (2.0, 0.2, 0.3)


def test_frames_without_a_distance_between_them_say_so(tmp_path: Path) -> None:
    frames = np.stack([phantom(seed=seed) for seed in range(2)])
    image = read_image(save(tmp_path / "f", header(frames, NumberOfFrames=2, PixelSpacing=[1, 1])))
    assert image.spacing is not None
    assert np.isnan(image.spacing[0])


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_of_equal_channels_is_read_as_that_grey(tmp_path: Path, planar: int) -> None:
    stored = phantom(bits=8)
    colour = np.repeat(stored[..., None], 3, axis=2)
    dataset = header(colour, PlanarConfiguration=planar)
    if planar:
        dataset.PixelData = np.moveaxis(colour, 2, 0).tobytes()
    image = read_image(save(tmp_path / "rgb", dataset))
    np.testing.assert_allclose(image.pixels, stored, atol=1e-3)


@pytest.mark.parametrize(
    ("word", "kind"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_floating_point_pixels_are_read(tmp_path: Path, word: str, kind: str) -> None:
    values = np.linspace(-3, 7, 96).reshape(12, 8).astype(kind)
    dataset = header(phantom((12, 8)), PixelData=None, Modality="MR")
    setattr(dataset, word, values.tobytes())
    dataset.BitsAllocated = values.dtype.itemsize * 8
    for absent in ("BitsStored", "HighBit", "PixelRepresentation"):
        del dataset[absent]
    image = read_image(save(tmp_path / "float", dataset))
    np.testing.assert_allclose(image.pixels, values, rtol=1e-6)


def test_bits_above_those_stored_are_dropped_only_where_the_header_calls_them_an_overlay(
    tmp_path: Path,
) -> None:
    stored = phantom(bits=12)
    marked = stored | np.uint16(0x8000)
    dataset = header(marked, bits=12)
    with pytest.raises(FileError, match="SC-112"):
        read_image(save(tmp_path / "wrong", dataset))
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 15)
    image = read_image(save(tmp_path / "overlay", dataset))
    np.testing.assert_array_equal(image.pixels, stored)


def test_32_bit_values_are_read(tmp_path: Path) -> None:
    stored = phantom().astype(np.uint32) * 70_000
    image = read_image(save(tmp_path / "wide", header(stored, Modality="CT")))
    np.testing.assert_allclose(image.pixels, stored.astype(np.float32))


def test_reading_twice_gives_equal_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "film", header(phantom()))
    first, second = read_image(path), read_image(path)
    assert isinstance(first, Image)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert dict(first.attributes) == dict(second.attributes)
