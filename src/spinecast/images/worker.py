"""The process that opens files nobody vouches for.

Started by :mod:`spinecast.images.reader` as ``python -m spinecast.images.worker FD``.
It imports the decoders once, then forks; the fork decodes under a limit on address
space and a deadline, and the parent of the fork only waits. A crash therefore costs a
fork (some milliseconds) and not a new interpreter, and whatever a hostile file did to
the memory of the fork dies with it: after every refused file the fork is replaced.

Requests and replies are single JSON lines on stdin and stdout, numbered so that no
reply is taken for that of another file; pixels travel through the memory file FD as
raw float32. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

_REPLACE = 17  # exit status of a fork that asks to be replaced
_PDEATHSIG = 1


def main() -> None:
    """Import the decoders, then keep one decoding fork alive until stdin is closed."""
    memory = int(sys.argv[1])
    replies = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # codecs print; the channel is not theirs
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    _import_decoders()
    _send(replies, {"ready": True})
    while True:
        fork = os.fork()
        if fork == 0:
            _serve(memory, replies)
        _, status = os.waitpid(fork, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        if code != _REPLACE:
            _send(replies, {"died": code})


def _import_decoders() -> None:
    import numpy as np  # noqa: F401
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin  # noqa: F401
    import pydicom.config
    import pydicom.pixels

    import spinecast.images.dicom
    import spinecast.images.formats
    import spinecast.images.nifti
    import spinecast.images.rasters  # noqa: F401

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def _serve(memory: int, replies: int) -> None:
    """Answer requests until stdin closes (0) or a file was refused (replace me)."""
    _die_with_parent()
    with os.fdopen(0, "rb", closefd=False) as requests:
        for line in requests:
            request = json.loads(line)
            if not _answer(request, memory=memory, replies=replies):
                os._exit(_REPLACE)
    os._exit(0)


def _answer(request: dict[str, Any], *, memory: int, replies: int) -> bool:
    from spinecast.images.limits import Limits

    limits = Limits(**request["limits"])
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    _bound_memory(limits)
    reply = _decode(Path(request["path"]), limits=limits, memory=memory)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _send(replies, {**reply, "number": request["number"]})
    return "code" not in reply


def _decode(path: Path, *, limits: Any, memory: int) -> dict[str, Any]:
    from spinecast.errors import SpinecastError
    from spinecast.images.formats import decode_file

    try:
        image = decode_file(path, limits)
        os.ftruncate(memory, image.pixels.nbytes)
        _write_all(memory, image.pixels.reshape(-1).view("u1").data)
        header = {key: value for key, value in vars(image).items() if key != "pixels"}
        return {"shape": image.shape, **header, "attributes": dict(image.attributes)}
    except SpinecastError as refused:
        return {"code": refused.code, "expected": refused.expected, "got": refused.got}
    except MemoryError:
        expected = f"at most {limits.memory_bytes} bytes of memory"
        return {"code": "SC-108", "expected": expected, "got": "more"}
    except RecursionError:
        expected = f"at most {limits.nesting} levels"
        return {"code": "SC-105", "expected": expected, "got": "more"}
    except Exception as broken:  # noqa: BLE001  whatever a broken file provokes is its own fault
        return {"code": "SC-102", "expected": "a valid file", "got": type(broken).__name__}


def _write_all(memory: int, content: memoryview) -> None:
    at = 0
    while at < len(content):
        at += os.pwrite(memory, content[at:], at)


def _send(replies: int, reply: dict[str, Any]) -> None:
    os.write(replies, json.dumps(reply).encode() + b"\n")


def _bound_memory(limits: Any) -> None:
    import resource

    for which, bound in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 4 * limits.pixels),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        allowed = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(which, (allowed, hard))


def _die_with_parent() -> None:
    """Ask Linux to end this fork with its parent; elsewhere the deadline ends it."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
