"""Which decoder a file needs, told by its bytes and never by its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spinecast.errors import error
from spinecast.images.image import Image
from spinecast.images.limits import Limits


def decode_file(path: Path, limits: Limits) -> Image:
    """Open, recognise and decode one file in this process.

    Only the decode worker calls this on files that are not trusted.

    Raises
    ------
    FileError
        SC-101 to SC-105, SC-109 to SC-113, SC-118.
    """
    return decode_bytes(_load(path, limits), limits)


def decode_bytes(data: bytes, limits: Limits) -> Image:
    """Recognise and decode the bytes of one file; see :func:`decode_file`."""
    from spinecast.images.dicom import looks_like_dicom, read_dicom
    from spinecast.images.nifti import looks_like_nifti, read_nifti
    from spinecast.images.rasters import raster_format, read_raster

    if looks_like_dicom(data):
        return read_dicom(data, limits)
    if raster_format(data):
        return read_raster(data, limits)
    if data[:2] == b"\x1f\x8b" or looks_like_nifti(data):
        return read_nifti(data, limits)
    raise error("SC-102", expected="DICOM, PNG, JPEG or NIfTI", got="bytes of another kind")


def check_file(path: Path, limits: Limits) -> None:
    """Refuse what need not be opened: nothing there, empty, too large, not a regular file."""
    try:
        status = path.stat()
    except (OSError, ValueError) as cause:
        raise error("SC-110", expected="an existing file", got="nothing there") from cause
    if not stat.S_ISREG(status.st_mode):
        raise error("SC-102", expected="a regular file", got="a folder, pipe or device")
    if status.st_size == 0:
        raise error("SC-101", expected="an image", got="0 bytes")
    if status.st_size > limits.file_bytes:
        got = f"{status.st_size} bytes"
        raise error("SC-113", expected=f"at most {limits.file_bytes} bytes", got=got)


def _load(path: Path, limits: Limits) -> bytes:
    check_file(path, limits)
    try:
        # a pipe put in place of the file after the check must not block the worker
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as handle:
            return handle.read(limits.file_bytes + 1)
    except PermissionError as cause:
        raise error("SC-110", expected="a readable file", got="no permission") from cause
