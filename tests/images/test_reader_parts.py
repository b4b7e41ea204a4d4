"""The parts under the reader: sizes told by streams, bounded inflation, depth, the pool."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.hostile.crafted import nested
from tests.images.films import header, phantom, save

from spinecast.errors import FileError
from spinecast.images import Limits, close_workers, read_image, reader
from spinecast.images.codestream import declared_size
from spinecast.images.formats import decode_bytes, decode_file
from spinecast.images.limits import check_declared_pixels, check_inflation, inflate
from spinecast.images.nesting import outline
from spinecast.images.reader import DecodePool

LIMITS = Limits()


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("shape", [(40, 24), (17, 300)])
def test_a_stream_tells_its_own_size(kind: str, shape: tuple[int, int]) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(np.zeros(shape, np.uint8)).save(stream, kind)
    assert declared_size(stream.getvalue()) == shape


def test_a_progressive_jpeg_and_a_bare_codestream_tell_their_size() -> None:
    for kind, options in (("JPEG", {"progressive": True}), ("JPEG2000", {"no_jp2": True})):
        stream = io.BytesIO()
        Pillow.fromarray(phantom(bits=8)).save(stream, kind, **options)
        assert declared_size(stream.getvalue()) == (40, 24)


@pytest.mark.parametrize(
    "stream",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\x4f\xff\x51\0", b"noise",
     b"\xff\xd8" + b"\xff" * 99,
     b"\0\0\0\x0cjP  nothing else", b"\xff\xd8\xff\xe0\0\x02\0\0"],
)  # fmt: skip
def test_a_stream_that_does_not_tell_gives_none(stream: bytes) -> None:
    assert declared_size(stream) is None


def test_inflation_is_exact_over_several_gzip_members_and_raw_streams() -> None:
    first, second = b"spine" * 1000, bytes(range(256)) * 99
    both = gzip.compress(first, mtime=0) + gzip.compress(second)
    assert inflate(both, limits=LIMITS, gzip=True) == first + second
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = engine.compress(second) + engine.flush()
    assert inflate(raw + b"\0", limits=LIMITS, gzip=False) == second


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gzip.compress(b"x" * 5000, mtime=0)[:-12], "SC-103"),
        (b"\x1f\x8b\x08nonsense....", "SC-102"),
    ],
)
def test_a_broken_stream_has_a_code(data: bytes, code: str) -> None:
    with pytest.raises(FileError, match=code):
        inflate(data, limits=LIMITS, gzip=True)


def test_inflation_stops_at_its_bounds_and_small_outputs_are_free() -> None:
    zeros = gzip.compress(bytes(3 << 20), mtime=0)
    assert len(inflate(zeros, limits=LIMITS, gzip=True)) == 3 << 20
    for tight in (
        Limits(free_inflation_bytes=1 << 20),
        Limits(inflated_bytes=2 << 20),
    ):
        with pytest.raises(FileError, match="SC-104"):
            inflate(zeros, limits=tight, gzip=True)
    check_inflation(200, 1, Limits(free_inflation_bytes=0))
    with pytest.raises(FileError, match="SC-104"):
        check_inflation(201, 1, Limits(free_inflation_bytes=0))


def test_declared_pixels_are_bounded_on_both_sides() -> None:
    check_declared_pixels(1, LIMITS)
    check_declared_pixels(1 << 28, LIMITS)
    for count, code in ((0, "SC-112"), (-5, "SC-112"), ((1 << 28) + 1, "SC-113")):
        with pytest.raises(FileError, match=code):
            check_declared_pixels(count, LIMITS)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 7, 32])
def test_depth_is_counted_in_every_encoding(undefined: bool, implicit: bool, depth: int) -> None:
    data = nested(depth, undefined=undefined, implicit=implicit)
    start = data.index(struct.pack("<HH", 0x0008, 0x1140)) if depth else len(data) - 2200
    seen = outline(data, start, implicit=implicit, little=True, deepest=32)
    assert seen.depth == depth
    if depth:
        assert seen.has_pixels
        assert not seen.overrun


def test_one_level_too_many_is_refused_and_the_bound_is_exact() -> None:
    data = nested(33, undefined=True)
    start = data.index(struct.pack("<HH", 0x0008, 0x1140))
    with pytest.raises(FileError, match="SC-105"):
        outline(data, start, implicit=False, little=True, deepest=32)
    assert outline(data, start, implicit=False, little=True, deepest=33).depth == 33


def test_decoding_in_this_process_gives_what_the_worker_gives(tmp_path: Path) -> None:
    path = save(tmp_path / "film", header(phantom(), PixelSpacing=[0.2, 0.2]))
    here, there = decode_file(path, LIMITS), read_image(path)
    np.testing.assert_array_equal(here.pixels, there.pixels)
    assert here.spacing == there.spacing
    assert dict(here.attributes) == dict(there.attributes)
    assert decode_bytes(path.read_bytes(), LIMITS).shape == there.shape


def test_a_pool_starts_no_more_workers_than_it_needs(tmp_path: Path) -> None:
    path = save(tmp_path / "film", header(phantom()))
    pool = DecodePool(size=2)
    try:
        for _ in range(5):
            pool.decode(path, LIMITS)
        assert pool.started == 1
    finally:
        pool.close()


def test_closing_the_workers_is_followed_by_new_ones(tmp_path: Path) -> None:
    path = save(tmp_path / "film", header(phantom()))
    read_image(path)
    close_workers()
    assert read_image(path).shape == (40, 24)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_workers_of_its_own(tmp_path: Path) -> None:
    path = save(tmp_path / "film", header(phantom()))
    read_image(path)
    child = os.fork()
    if child == 0:
        same = np.array_equal(read_image(path).pixels, phantom())
        own = reader._shared_pool().started == 1
        close_workers()
        os._exit(0 if same and own else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    np.testing.assert_array_equal(read_image(path).pixels, phantom())


def test_screening_can_be_left_out(tmp_path: Path) -> None:
    path = save(tmp_path / "screen", header(phantom(), Modality="OT"))
    with pytest.raises(FileError, match="SC-118"):
        read_image(path)
    assert read_image(path, screen=False).modality == "OT"


def test_an_error_names_the_file_and_not_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(b"nothing")
    with pytest.raises(FileError) as caught:
        read_image(path)
    assert caught.value.where == "film.dcm"


def test_odd_file_names_are_read(tmp_path: Path) -> None:
    for name in ("ein Bild.dcm", 'quote"and\nnewline', "Wirbelsäule-脊椎", "-rf"):
        path = save(tmp_path / name, header(phantom()))
        assert read_image(path).shape == (40, 24)
    undecodable = Path(os.fsdecode(os.fsencode(tmp_path) + b"/film-\xff"))
    save(undecodable, header(phantom()))
    assert read_image(undecodable).shape == (40, 24)


def test_a_relative_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "film", header(phantom()))
    monkeypatch.chdir(tmp_path)
    assert read_image(Path("film")).shape == (40, 24)
