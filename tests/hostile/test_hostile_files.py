"""Hostile and broken files: a code within seconds, and the reader lives on."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow
from tests.hostile.crafted import CRAFTED, DICOM, PIXELS, nested
from tests.images.films import encoded, header, phantom, save

from spinecast.errors import SpinecastError
from spinecast.images import (
    Image,
    Limits,
    Preparation,
    close_workers,
    prepare_radiograph,
    read_image,
)
from spinecast.images.reader import DecodePool

SECONDS = 3.0  # of processor time, which a busy machine stretches less than the clock's
PATIENT = Limits(seconds=300.0)
SMALL = Preparation(shape=(64, 32), equalisation="none")


@pytest.fixture(scope="module", autouse=True)
def _started_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start a worker before anything is timed."""
    good = save(tmp_path_factory.mktemp("good") / "film", header(phantom()))
    read_image(good)
    yield
    close_workers()


def _open(path: Path, limits: Limits | None = None) -> Image:
    image = read_image(path, limits=limits)
    prepare_radiograph(image, SMALL)
    return image


def _processor_seconds() -> float:
    """Return what this process and its decode workers, with their ended forks, have used."""
    own = psutil.Process()
    total = sum(own.cpu_times()[:4])
    for process in own.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a fork is being replaced
            total += sum(process.cpu_times()[:4])
    return total


def test_there_are_enough_crafted_files() -> None:
    assert len(CRAFTED) >= 40
    assert len(DICOM) >= 25


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused_with_a_code_in_time(tmp_path: Path, name: str) -> None:
    code, make = CRAFTED[name]
    path = tmp_path / "film.dcm"
    path.write_bytes(make())
    start = _processor_seconds()
    with pytest.raises(SpinecastError) as caught:
        _open(path, PATIENT)
    seconds = _processor_seconds() - start
    assert caught.value.code != "SC-107"
    assert caught.value.code.startswith(code), str(caught.value)
    assert caught.value.code[:4] in {"SC-1", "SC-2"}
    assert str(path.parent) not in str(caught.value)
    assert len(str(caught.value)) < 800
    assert seconds < SECONDS


def test_honest_nesting_is_read(tmp_path: Path) -> None:
    path = tmp_path / "film"
    for undefined in (False, True):
        path.write_bytes(nested(20, undefined=undefined))
        assert _open(path).shape == (40, 24)


def test_a_length_that_lies_about_pixels_that_are_all_there_loses_no_film(tmp_path: Path) -> None:
    data = encoded(header(phantom(), bits=12))
    at = data.index(PIXELS) + 8
    path = tmp_path / "film"
    path.write_bytes(data[:at] + b"\xfe\xff\xff\xff" + data[at + 4 :])
    np.testing.assert_array_equal(_open(path).pixels, phantom())


def test_a_good_film_is_read_after_every_bad_one_and_workers_are_reused(tmp_path: Path) -> None:
    good = save(tmp_path / "good", header(phantom()))
    limits = Limits()
    pool = DecodePool(size=1)
    try:
        for name in (
            "text",
            "200 sequences of known length",
            "run lengths of little noise",
            "PNG cut",
        ):
            bad = tmp_path / "bad"
            bad.write_bytes(CRAFTED[name][1]())
            with pytest.raises(SpinecastError):
                pool.decode(bad, limits)
            np.testing.assert_array_equal(pool.decode(good, limits).pixels, phantom())
        assert pool.started == 1
    finally:
        pool.close()


def test_good_and_bad_files_do_not_mix_up_in_threads(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(CRAFTED["200 sequences of known length"][1]())
    good = [save(tmp_path / f"good{n}", header(phantom(seed=n))) for n in range(6)]

    def read(n: int) -> str:
        if n % 4 == 3:
            with pytest.raises(SpinecastError, match="SC-105"):
                read_image(bad)
            return "refused"
        same = np.array_equal(read_image(good[n % 6]).pixels, phantom(seed=n % 6))
        return "read" if same else "mixed up"

    with ThreadPoolExecutor(4) as threads:
        outcome = list(threads.map(read, range(40)))
    assert outcome.count("refused") == 10
    assert outcome.count("read") == 30


def _not_regular(folder: Path) -> dict[str, Callable[[], Path]]:
    pipe, loop, link = folder / "pipe", folder / "loop", folder / "link"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    link.symlink_to(folder / "gone")
    paths = (folder, pipe, loop, link, folder / "missing", Path("/dev/zero"), folder / "a\0b")
    return {repr(path): path for path in paths}


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    start = time.monotonic()
    for path in _not_regular(tmp_path).values():
        with pytest.raises(SpinecastError, match=r"SC-1(02|10)"):
            read_image(path)
    assert time.monotonic() - start < 20


def test_a_file_beyond_the_size_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as handle:
        handle.truncate((2 << 30) + 1)
    with pytest.raises(SpinecastError, match="SC-113"):
        read_image(path)


def test_a_decoder_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "slow.png"
    pixels = np.random.default_rng(0).integers(0, 255, (2000, 2000), np.uint8)
    Pillow.fromarray(pixels).save(path, compress_level=1)
    with pytest.raises(SpinecastError, match="SC-107"):
        read_image(path, limits=Limits(seconds=0.002))
    assert read_image(path).shape == (2000, 2000)


def test_a_decoder_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Pillow.fromarray(np.zeros((9000, 9000), np.uint8)).save(path)
    with pytest.raises(SpinecastError) as caught:
        read_image(path, limits=Limits(memory_bytes=768 << 20, inflation_ratio=1e6))
    assert caught.value.code in {"SC-106", "SC-108"}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are read on Linux")
def test_every_decoding_process_has_a_memory_limit_and_writes_no_core(tmp_path: Path) -> None:
    good = save(tmp_path / "good", header(phantom()))
    read_image(good)
    workers = [p for p in psutil.Process().children() if "spinecast.images.worker" in p.cmdline()]
    forks = [fork for worker in workers for fork in worker.children()]
    assert forks
    decoded = [f for f in forks if f.rlimit(psutil.RLIMIT_AS)[0] == Limits().memory_bytes]
    assert decoded, "a fork that has decoded is bound"
    assert all(fork.rlimit(psutil.RLIMIT_CORE)[0] == 0 for fork in decoded)


@pytest.mark.skipif(sys.platform != "linux", reason="kills by process tree")
def test_a_worker_killed_between_two_files_is_replaced(tmp_path: Path) -> None:
    good = save(tmp_path / "good", header(phantom()))
    for victim in ("parent", "fork"):
        read_image(good)
        for child in psutil.Process().children():
            if "spinecast.images.worker" not in child.cmdline():
                continue
            for process in [child] if victim == "parent" else child.children():
                process.kill()
                process.wait(5)
        outcomes = [_code_or_shape(good) for _ in range(4)]
        assert outcomes[-1] == (40, 24)
        assert set(outcomes) <= {(40, 24), "SC-106"}


def _code_or_shape(path: Path) -> str | tuple[int, ...]:
    try:
        return read_image(path).shape
    except SpinecastError as refused:
        return refused.code


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(changed)))
        kind = int(rng.integers(0, 4))
        if kind == 0:
            changed[at] = int(rng.integers(0, 256))
        elif kind == 1:
            changed[at : at + 4] = b"\xff\xff\xff\xff"
        elif kind == 2:
            del changed[at : at + int(rng.integers(1, 9))]
        else:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(
        changed[: int(rng.integers(1, len(changed) + 1))] if rng.random() < 0.1 else changed
    )


@pytest.mark.parametrize("seed", range(6))
def test_mutated_films_give_a_picture_or_a_code(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    honest = (
        encoded(header(phantom((16, 16)), bits=12)),
        CRAFTED["JPEG 2000 of another size"][1](),
        nested(3, undefined=True),
        CRAFTED["a whole volume"][1](),
        _png_bytes(tmp_path),
    )
    path = tmp_path / "film"
    for turn in range(50):
        path.write_bytes(_mutated(honest[turn % len(honest)], rng))
        outcome = _code_or_shape(path)
        assert isinstance(outcome, tuple) or outcome[:4] in {"SC-1", "SC-2"}


def _png_bytes(folder: Path) -> bytes:
    Pillow.fromarray(phantom((16, 16), bits=8)).save(folder / "honest.png")
    return (folder / "honest.png").read_bytes()
