"""Reading images without trusting them.

Every file is decoded in a worker process (:mod:`spinecast.images.worker`), because a
small hostile file can abort, hang or exhaust whoever opens it. Workers are kept and
reused; the price is about three milliseconds an image.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.images.formats import check_file
from spinecast.images.image import Image
from spinecast.images.limits import Limits
from spinecast.images.screening import check_acquisition

_START_SECONDS = 120.0
_GRACE_SECONDS = 5.0
_SHRINK_BEYOND = 64 << 20
_ALARM = -14
_SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def read_image(path: Path, *, limits: Limits | None = None, screen: bool = True) -> Image:
    """Read one DICOM, PNG, JPEG or NIfTI file.

    Parameters
    ----------
    path
        The file; its kind is told by its bytes, not by its name.
    limits
        Bounds on size, memory and time; the defaults suit every clinical file.
    screen
        Whether localizers and suspected screenshots are refused too.

    Returns
    -------
    Image
        2-D radiographs with bright bone, windowed as the header asks; CT in Hounsfield units;
        NIfTI volumes turned to one orientation.

    Raises
    ------
    FileError
        SC-101 to SC-113 for what cannot be read safely, SC-118 for suspected screenshots.
    ContentError
        SC-207 for localizers.

    Notes
    -----
    Safe to call from many threads. What comes out is a decoded picture, not a promise that
    the header tells the truth about it: view, spacing and body part are as written there.
    """
    bounds = limits or Limits()
    try:
        check_file(path, bounds)
        image = _shared_pool().decode(path, bounds)
        if screen:
            check_acquisition(image)
    except Exception as refused:
        _locate(refused, path)
        raise
    return image


def _locate(refused: Exception, path: Path) -> None:
    """Name the file in the error; the worker and the checks do not know it."""
    from spinecast.errors import SpinecastError

    if isinstance(refused, SpinecastError) and not refused.where:
        located = error(refused.code, expected=refused.expected, got=refused.got, where=path.name)
        raise located from refused.__cause__


class _Worker:
    """One worker process and the memory file through which its pixels come."""

    def __init__(self) -> None:
        self.memory = _memory_file()
        self._asked = 0
        self._unread = b""
        self.process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-P", "-m", "spinecast.images.worker", str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(self.memory,),
            bufsize=0,
            env=_environment(),
            start_new_session=True,
        )
        if self._reply(_START_SECONDS) != {"ready": True}:
            self.close()
            raise error("SC-709", expected="a decode worker", got="one that does not start")

    def decode(self, path: Path, limits: Limits) -> Image:
        """Have ``path`` decoded; raise its error where it is refused."""
        self._forget_late_replies()
        self._asked += 1
        request = {
            "number": self._asked,
            "path": os.fspath(path.absolute()),
            "limits": asdict(limits),
        }
        assert self.process.stdin is not None  # opened as a pipe above
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as cause:
            self.close()
            raise error("SC-106", expected="a living worker", got="a dead one") from cause
        reply = self._reply(limits.seconds + _GRACE_SECONDS)
        while reply.get("number", self._asked) != self._asked:
            reply = self._reply(limits.seconds + _GRACE_SECONDS)
        if "shape" in reply:
            return self._image(reply, limits)
        if "code" in reply:
            raise error(reply["code"], expected=reply["expected"], got=reply["got"])
        if reply.get("died") == _ALARM:
            raise error("SC-107", expected=f"an image in {limits.seconds:g} s", got="none yet")
        if reply.get("late"):
            self.close()
            raise error("SC-107", expected=f"an image in {limits.seconds:g} s", got="none yet")
        if "died" not in reply:
            self.close()
        ending = reply.get("died", "no reply")
        raise error("SC-106", expected="a decoded image", got=f"a dead decoder ({ending})")

    def _reply(self, seconds: float) -> dict[str, Any]:
        assert self.process.stdout is not None  # opened as a pipe above
        channel = self.process.stdout
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(seconds * 1000):
                return {"late": True}
            part = channel.read(1 << 16)
            if not part or len(self._unread) > 1 << 20:
                return {}
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        reply = json.loads(line)
        return reply if isinstance(reply, dict) else {}

    def _forget_late_replies(self) -> None:
        """Drop word of forks that died unasked, lest it be taken for the next answer."""
        assert self.process.stdout is not None  # opened as a pipe above
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        self._unread = b""
        while poll.poll(0) and self.process.stdout.read(1 << 16):
            pass

    def _image(self, reply: dict[str, Any], limits: Limits) -> Image:
        shape = tuple(int(size) for size in reply.pop("shape"))
        count = int(np.prod(shape, dtype=object))
        if not 0 < count <= limits.pixels or os.fstat(self.memory).st_size != 4 * count:
            raise error("SC-112", expected=f"{count} pixels", got="another number")
        pixels = np.empty(count, np.float32)
        view, at = pixels.view(np.uint8).data, 0
        while at < len(view):
            at += os.preadv(self.memory, [view[at:]], at)
        if len(view) > _SHRINK_BEYOND:
            os.ftruncate(self.memory, 0)
        spacing = reply.pop("spacing")
        return Image(
            pixels=pixels.reshape(shape),
            spacing=None if spacing is None else tuple(float(each) for each in spacing),
            **{key: reply[key] for key in ("modality", "view", "region", "manufacturer")},
            attributes={str(key): str(text) for key, text in reply["attributes"].items()},
        )

    @property
    def alive(self) -> bool:
        """Whether the worker can take another file."""
        return self.memory >= 0 and self.process.poll() is None

    def close(self) -> None:
        """End the process; its fork dies with it."""
        if self.memory < 0:
            return
        self.process.kill()
        self.process.wait()
        for channel in (self.process.stdin, self.process.stdout):
            if channel is not None:
                channel.close()
        os.close(self.memory)
        self.memory = -1


class DecodePool:
    """Decode workers of this process, started on demand and lent to one thread at a time.

    Parameters
    ----------
    size
        Most workers; one per processor core by default.
    """

    def __init__(self, size: int | None = None) -> None:
        self._slots = threading.BoundedSemaphore(size or os.cpu_count() or 1)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self.started = 0

    def decode(self, path: Path, limits: Limits) -> Image:
        """Decode ``path`` in a worker; see :func:`read_image`."""
        with self._slots:
            worker = self._take()
            try:
                return worker.decode(path, limits)
            finally:
                if worker.alive:
                    with self._lock:
                        self._idle.append(worker)
                else:
                    worker.close()

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.close()
            self.started += 1
        return _Worker()

    def close(self) -> None:
        """End all idle workers."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    path = root if not known else f"{root}{os.pathsep}{known}"
    return {**os.environ, **_SINGLE_THREAD, "PYTHONPATH": path}


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("spinecast-pixels")
    with tempfile.TemporaryFile() as handle:
        return os.dup(handle.fileno())


_pools: list[DecodePool] = []
_inherited: list[DecodePool] = []  # kept from collection: their workers serve the parent
_pools_lock = threading.Lock()


def _shared_pool() -> DecodePool:
    with _pools_lock:
        if not _pools:
            _pools.append(DecodePool())
        return _pools[0]


def _forget_pools() -> None:
    """After a fork the child starts its own workers; two owners would mix up replies."""
    global _pools_lock  # noqa: PLW0603  the old lock may be held by a thread that is gone
    _pools_lock = threading.Lock()
    _inherited.extend(_pools)
    _pools.clear()


def close_workers() -> None:
    """End the shared decode workers of this process; the next read starts new ones."""
    with _pools_lock:
        while _pools:
            _pools.pop().close()


os.register_at_fork(after_in_child=_forget_pools)
atexit.register(close_workers)
