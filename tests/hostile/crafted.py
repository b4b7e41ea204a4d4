"""Files no scanner writes: broken, lying or hostile, each made from bytes in a moment."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np
from PIL import Image as Pillow
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from tests.images.films import encapsulated, encoded, header, lut, phantom

STORED = phantom((40, 24))
Make = Callable[[], bytes]


def _film(**tags: Any) -> bytes:
    return encoded(header(STORED, **{"bits": 12, **tags}))


def _element(tag: int, kind: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """Return one explicit little-endian element, its length possibly a lie."""
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if kind in {b"SQ", b"OB", b"OW", b"UN", b"UT"}:
        return head + kind + struct.pack("<HI", 0, size) + value
    return head + kind + struct.pack("<H", size) + value


def _meta(syntax: str) -> bytes:
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + _element(0x00020010, b"UI", uid)


def _with(pattern: bytes, replacement: bytes, **tags: Any) -> bytes:
    """Return an honest film in which the one occurrence of ``pattern`` is replaced."""
    data = _film(**tags)
    assert data.count(pattern) == 1, data.count(pattern)
    return data.replace(pattern, replacement)


def _streams(stream: bytes, syntax: str, **tags: Any) -> bytes:
    target = io.BytesIO()
    dataset = encapsulated(header(STORED, **tags), stream, syntax)
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def _picture(kind: str, shape: tuple[int, int] = (40, 24), **options: Any) -> bytes:
    target = io.BytesIO()
    Pillow.fromarray(phantom(shape, bits=8)).save(target, kind, **options)
    return target.getvalue()


def _j2k(shape: tuple[int, int] = (40, 24)) -> bytes:
    return _picture("JPEG2000", shape, no_jp2=True, irreversible=False)


def _no_item() -> bytes:
    data = _streams(_j2k(), RLELossless)
    start = data.index(encapsulate([_j2k()]))
    return data[: start + 8] + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def _rle(shape: tuple[int, int], body: bytes = bytes(64)) -> bytes:
    head = struct.pack("<16I", 2, 64, 64 + len(body) // 2, *[0] * 13)
    return _streams(head + body, RLELossless, Rows=shape[0], Columns=shape[1])


def _zeros_deflated(total: int, *, wbits: int = -15, head: bytes = b"") -> bytes:
    """Return a stream of ``total`` zeros without compressing each of them."""
    block = 1 << 20
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = engine.compress(head) + engine.flush(zlib.Z_FULL_FLUSH)
    again = engine.compress(bytes(block)) + engine.flush(zlib.Z_FULL_FLUSH)
    raw = first + again * (total // block) + engine.flush(zlib.Z_FINISH)
    return raw if wbits < 0 else b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + raw + bytes(8)


def _deflated_bomb() -> bytes:
    head = _element(0x00280010, b"US", b"\x40\0") + _element(0x7FE00010, b"OW", b"", length=1 << 31)
    return _meta(DeflatedExplicitVRLittleEndian) + _zeros_deflated(2 << 30, head=head)


def nested(depth: int, *, undefined: bool, kind: bytes = b"SQ", implicit: bool = False) -> bytes:
    """Return a DICOM file with ``depth`` sequences inside each other before honest pixels."""
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    inner = b""
    for _ in range(depth):
        length = 0xFFFFFFFF if undefined else len(inner)
        item = struct.pack("<HHI", 0xFFFE, 0xE000, length) + inner
        item += struct.pack("<HHI", 0xFFFE, 0xE00D, 0) if undefined else b""
        size = 0xFFFFFFFF if undefined else len(item)
        head = struct.pack("<HH", 0x0008, 0x1140)
        head += struct.pack("<I", size) if implicit else kind + struct.pack("<HI", 0, size)
        inner = head + item + (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if undefined else b"")
    whole = encoded(header(STORED, bits=12), syntax)
    rest = whole[whole.index(struct.pack("<HH", 0x0028, 0x0002)) :]
    return _meta(syntax) + inner + rest


def _png(rows: int, columns: int, body: bytes, *, extra: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _png_text_bomb() -> bytes:
    content = b"k\0\0" + _zlib_zeros(200 << 20)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + content))
    return _png(40, 24, zlib.compress(bytes(40 * 25)), extra=chunk)


def _patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def _volume(dtype: str = "i2", shape: tuple[int, ...] = (6, 5, 4)) -> bytes:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    return bytes(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())


def _nifti(at: int, patch: bytes) -> bytes:
    return _patched(_volume(), at, patch)


def _dims(*sizes: int) -> bytes:
    return struct.pack(f"<{len(sizes)}h", *sizes)


def _affine_of(rows: list[list[float]]) -> bytes:
    return np.asarray(rows, "<f4").tobytes()


def _floats(value: float) -> bytes:
    values = np.linspace(0, 1, STORED.size, dtype="<f4").reshape(STORED.shape)
    values[3, 3] = value
    dataset = header(STORED, PixelData=None, Modality="MR", FloatPixelData=values.tobytes())
    dataset.BitsAllocated = 32
    for word in ("BitsStored", "HighBit", "PixelRepresentation"):
        del dataset[word]
    return encoded(dataset)


def _short_lut() -> bytes:
    item = lut(0, [1, 2, 3])
    item.LUTDescriptor = [4000, 0, 16]
    return _film(VOILUTSequence=[item])


def _noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def _jpeg_of_size(rows: int, columns: int) -> bytes:
    data = _picture("JPEG")
    at = data.index(b"\xff\xc0") + 5
    return _patched(data, at, struct.pack(">HH", rows, columns))


def _j2k_of_size(rows: int, columns: int) -> bytes:
    return _patched(_j2k(), 8, struct.pack(">II", columns, rows))


ROWS = _element(0x00280010, b"US", struct.pack("<H", 40))
COLUMNS = _element(0x00280011, b"US", struct.pack("<H", 24))
ALLOCATED = _element(0x00280100, b"US", struct.pack("<H", 16))
PIXELS = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, STORED.nbytes)

DICOM: dict[str, tuple[str, Make]] = {
    "preamble alone": ("SC-1", lambda: bytes(128) + b"DICM"),
    "preamble and noise": ("SC-1", lambda: bytes(128) + b"DICM" + _noise(4000)),
    "only a file meta group": ("SC-1", lambda: _meta(ExplicitVRLittleEndian)),
    "cut in the header": ("SC-1", lambda: _film()[:300]),
    "cut in the pixels": ("SC-103", lambda: _film()[:-700]),
    "cut one byte early": ("SC-103", lambda: _film()[:-1]),
    "pixel length of 4 GiB and too few": (
        "SC-103",
        lambda: _with(PIXELS, PIXELS[:8] + b"\xfe\xff\xff\xff")[:-2],
    ),
    "rows lie upwards": ("SC-103", lambda: _film(Rows=400)),
    "rows lie downwards": ("SC-112", lambda: _film(Rows=30)),
    "columns lie downwards": ("SC-112", lambda: _film(Columns=7)),
    "65535 rows and columns": ("SC-113", lambda: _film(Rows=65535, Columns=65535)),
    "no rows": ("SC-112", lambda: _film(Rows=0)),
    "rows missing": ("SC-102", lambda: _film(Rows=None)),
    "rows of text": ("SC-102", lambda: _with(ROWS, _element(0x00280010, b"LO", b"many"))),
    "rows of an unknown kind": ("SC-1", lambda: _with(ROWS, ROWS.replace(b"US", b"ZZ"))),
    "no pixel data": ("SC-111", lambda: _film(PixelData=None)),
    "a structured report": (
        "SC-111",
        lambda: _film(PixelData=None, Rows=None, Columns=None, Modality="SR"),
    ),
    "empty pixel data": ("SC-103", lambda: _film(PixelData=b"")),
    "12 bits allocated": ("SC-102", lambda: _film(BitsAllocated=12)),
    "0 bits allocated": ("SC-102", lambda: _film(BitsAllocated=0)),
    "bits allocated missing": ("SC-102", lambda: _film(BitsAllocated=None)),
    "20 of 16 bits stored": ("SC-102", lambda: _film(BitsStored=20)),
    "values beyond the bits stored": ("SC-112", lambda: _film(BitsStored=8, HighBit=7)),
    "half the bits allocated": ("SC-112", lambda: _film(BitsAllocated=8, BitsStored=8)),
    "64 bits of 16": ("SC-103", lambda: _film(BitsAllocated=64)),
    "2 samples": ("SC-112", lambda: _film(SamplesPerPixel=2)),
    "a billion frames": ("SC-113", lambda: _film(NumberOfFrames=1_000_000_000)),
    "minus one frame": ("SC-112", lambda: _film(NumberOfFrames=-1)),
    "frames lie": ("SC-103", lambda: _film(NumberOfFrames=2)),
    "unknown syntax": (
        "SC-109",
        lambda: _film().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"),
    ),
    "video": ("SC-109", lambda: _streams(b"\0\0\1\xb3" + bytes(60), "1.2.840.10008.1.2.4.100")),
    "200 sequences of known length": ("SC-105", lambda: nested(200, undefined=False)),
    "200 sequences of unknown length": ("SC-105", lambda: nested(200, undefined=True)),
    "200 implicit sequences": ("SC-105", lambda: nested(200, undefined=True, implicit=True)),
    "200 unknown elements with items": (
        "SC-105",
        lambda: nested(200, undefined=True, kind=b"UN"),
    ),
    "5000 sequences": ("SC-105", lambda: nested(5000, undefined=False)),
    "a lying LUT": ("SC-102", _short_lut),
    "run lengths of 65535 x 65535": ("SC-113", lambda: _rle((65535, 65535))),
    "run lengths of 16000 x 16000": ("SC-104", lambda: _rle((16000, 16000))),
    "run lengths of little noise": ("SC-1", lambda: _rle((40, 24), _noise(200))),
    "15 run length segments beyond the end": (
        "SC-1",
        lambda: _streams(struct.pack("<16I", 15, *[2**31] * 15), RLELossless),
    ),
    "a deflated bomb of 2 GiB": ("SC-104", _deflated_bomb),
    "a deflated file cut": (
        "SC-103",
        lambda: encoded(header(STORED), DeflatedExplicitVRLittleEndian)[:-500],
    ),
    "deflated noise": ("SC-102", lambda: _meta(DeflatedExplicitVRLittleEndian) + b"\xff" * 900),
    "JPEG 2000 of another size": ("SC-112", lambda: _streams(_j2k((80, 80)), JPEG2000Lossless)),
    "JPEG 2000 of 2^31 columns": (
        "SC-112",
        lambda: _streams(_j2k_of_size(40, 2**31 - 1), JPEG2000Lossless),
    ),
    "JPEG 2000 cut": ("SC-1", lambda: _streams(_j2k()[:90], JPEG2000Lossless)),
    "JPEG 2000 of noise": ("SC-1", lambda: _streams(_noise(600), JPEG2000Lossless)),
    "JPEG of 65535 x 65535": (
        "SC-112",
        lambda: _streams(_jpeg_of_size(65535, 65535), JPEGBaseline8Bit),
    ),
    "baseline JPEG of noise": ("SC-1", lambda: _streams(_noise(600), JPEGBaseline8Bit)),
    "lossless JPEG of noise": ("SC-1", lambda: _streams(_noise(600), JPEGLosslessSV1)),
    "JPEG-LS of noise": ("SC-1", lambda: _streams(_noise(600), JPEGLSLossless)),
    "no compressed item": ("SC-1", _no_item),
    "JPEG that lies about 16000 x 16000": (
        "SC-104",
        lambda: _streams(_jpeg_of_size(16000, 16000), JPEGBaseline8Bit, Rows=16000, Columns=16000),
    ),
    "JPEG 2000 that lies about 16000 x 16000": (
        "SC-104",
        lambda: _streams(_j2k_of_size(16000, 16000), JPEG2000Lossless, Rows=16000, Columns=16000),
    ),
    "compressed by name only": (
        "SC-1",
        lambda: _film().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"),
    ),
    "plain by name only": (
        "SC-1",
        lambda: _rle((40, 24)).replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0"),
    ),
    "an item beyond the end": (
        "SC-1",
        lambda: _streams(_j2k(), JPEG2000Lossless).replace(
            encapsulate([_j2k()])[8:16], struct.pack("<HHI", 0xFFFE, 0xE000, 1 << 30)
        ),
    ),
    "a pixel that is not a number": ("SC-209", lambda: _floats(float("nan"))),
    "an infinite pixel": ("SC-209", lambda: _floats(float("inf"))),
    "spacing 0": ("SC-208", lambda: _film(PixelSpacing=[0, 0])),
    "negative spacing": ("SC-208", lambda: _film(PixelSpacing=[-0.1, 0.1])),
    "spacing of a kilometre": ("SC-208", lambda: _film(PixelSpacing=[1e6, 1e6])),
    "spacing not a number": ("SC-208", lambda: _film(PixelSpacing=["NaN", "NaN"])),
    "constant pixels": (
        "SC-203",
        lambda: encoded(header(np.full((40, 24), 7, np.uint16))),
    ),
    "a thumbnail": ("SC-206", lambda: encoded(header(phantom((9, 5))))),
    "a localizer": ("SC-207", lambda: _film(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
    "a screenshot": ("SC-118", lambda: _film(Modality="OT")),
    "burned-in text": ("SC-118", lambda: _film(BurnedInAnnotation="YES")),
    "a volume": ("SC-204", lambda: encoded(header(np.stack([STORED] * 3), NumberOfFrames=3))),
}

OTHERS: dict[str, tuple[str, Make]] = {
    "empty": ("SC-101", lambda: b""),
    "one byte": ("SC-102", lambda: b"\x08"),
    "text": ("SC-102", lambda: b"This is a radiograph, believe me.\n" * 20),
    "markup": ("SC-102", lambda: b"<html><script>alert(1)</script></html>"),
    "zeros": ("SC-102", lambda: bytes(5000)),
    "noise": ("SC-102", lambda: b"\x01" + _noise(5000)),
    "an archive": ("SC-102", lambda: b"PK\x03\x04" + _noise(500)),
    "a pickle": ("SC-102", lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    "PNG signature alone": ("SC-1", lambda: b"\x89PNG\r\n\x1a\n"),
    "PNG bomb": ("SC-104", lambda: _png(15000, 15000, _zlib_zeros(225_000_000))),
    "PNG of 2^31 columns": ("SC-113", lambda: _png(2**31 - 1, 2**31 - 1, b"")),
    "PNG of few bytes": ("SC-1", lambda: _png(4000, 4000, zlib.compress(bytes(50)))),
    "PNG cut": ("SC-1", lambda: _picture("PNG")[:-200]),
    "PNG damaged": ("SC-1", lambda: _patched(_picture("PNG"), 60, _noise(40))),
    "PNG text bomb": ("SC-1", _png_text_bomb),
    "JPEG signature alone": ("SC-1", lambda: b"\xff\xd8\xff"),
    "JPEG cut": ("SC-103", lambda: _picture("JPEG", (400, 240))[:-3000]),
    "JPEG of 65535 x 65535 pixels": ("SC-113", lambda: _jpeg_of_size(65535, 65535)),
    "JPEG of 16000 x 16000": ("SC-104", lambda: _jpeg_of_size(16000, 16000)),
    "JPEG of 4000 x 4000": ("SC-103", lambda: _jpeg_of_size(4000, 4000)),
    "gzip of nothing": ("SC-1", lambda: gzip.compress(b"")),
    "gzip of text": ("SC-102", lambda: gzip.compress(b"not a volume" * 99)),
    "gzip cut": ("SC-103", lambda: gzip.compress(_noise(9000))[:-4000]),
    "gzip of gzip": ("SC-102", lambda: gzip.compress(gzip.compress(_volume()))),
    "gzip bomb": ("SC-104", lambda: _zeros_deflated(300 << 20, wbits=31)),
    "gzip bomb behind a header": (
        "SC-104",
        lambda: _zeros_deflated(300 << 20, wbits=31, head=_nifti(42, _dims(1024, 1024, 1000))),
    ),
    "volume of 32767^3": ("SC-113", lambda: _nifti(42, _dims(32767, 32767, 32767))),
    "volume larger than its file": ("SC-103", lambda: _nifti(42, _dims(60, 50, 40))),
    "volume cut": ("SC-103", lambda: _volume()[:-9]),
    "volume header alone": ("SC-1", lambda: _volume()[:348]),
    "negative dimension": ("SC-1", lambda: _nifti(42, _dims(-6, 5, 4))),
    "dimension 0": ("SC-1", lambda: _nifti(42, _dims(0, 5, 4))),
    "200 dimensions": ("SC-1", lambda: _nifti(40, _dims(200))),
    "no dimensions": ("SC-1", lambda: _nifti(40, _dims(0))),
    "voxels far beyond the file": ("SC-1", lambda: _nifti(108, struct.pack("<f", 1e9))),
    "voxels at minus 100": ("SC-1", lambda: _nifti(108, struct.pack("<f", -100))),
    "voxels nowhere": ("SC-1", lambda: _nifti(108, struct.pack("<f", float("nan")))),
    "colour voxels": ("SC-1", lambda: _nifti(70, _dims(128, 24))),
    "complex voxels": ("SC-1", lambda: _volume("c8")),
    "voxels of an unknown kind": ("SC-1", lambda: _nifti(70, _dims(999))),
    "a flat affine": (
        "SC-102",
        lambda: _nifti(280, _affine_of([[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0]])),
    ),
    "an affine that is no number": (
        "SC-102",
        lambda: _nifti(280, _affine_of([[float("nan")] * 4] * 3)),
    ),
    "an affine of zeros": ("SC-102", lambda: _nifti(280, bytes(48))),
    "a whole volume": ("SC-204", _volume),
}


def _zlib_zeros(total: int) -> bytes:
    raw = _zeros_deflated(total)
    return b"\x78\xda" + raw + bytes(4)


CRAFTED = {**DICOM, **OTHERS}
