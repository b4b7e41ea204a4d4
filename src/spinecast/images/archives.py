"""Zip archives of images, read member by member and never unpacked to disk.

Names inside an archive are not used for anything: members are numbered. What an archive
claims about itself is checked against limits before anything is inflated, and what it
delivers while it is inflated.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from spinecast.errors import SpinecastError, error
from spinecast.images.formats import check_file
from spinecast.images.limits import Limits, check_inflation

_END = b"PK\x05\x06"
_END_SIZE = 22
_LONGEST_COMMENT = 65535
_ZIP64_LOCATOR = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_METHODS = MappingProxyType({zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"})


@dataclass(frozen=True)
class ArchiveLimits:
    """Bounds on one archive; an examination by DXA has about ten members of 1 MB.

    Parameters
    ----------
    file_bytes
        Largest archive that is opened.
    directory_bytes, members
        Largest table of contents, in bytes and in entries.
    member_bytes, total_bytes
        Largest size of one member, and of all together, inflated.
    """

    file_bytes: int = 1 << 30
    directory_bytes: int = 1 << 20
    members: int = 1000
    member_bytes: int = 256 << 20
    total_bytes: int = 1 << 30


class Archive:
    """An open archive; made by :func:`open_archive`.

    Parameters
    ----------
    archive
        The zip file.
    limits
        Bounds.
    """

    def __init__(self, archive: zipfile.ZipFile, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._limits = limits
        self._members = [member for member in archive.infolist() if not member.is_dir()]

    def __len__(self) -> int:
        return len(self._members)

    def read(self, number: int) -> bytes:
        """Return the bytes of member ``number`` (from 0; folders are not members).

        Raises
        ------
        FileError
            SC-110 no such member, SC-104 bomb, SC-114 encrypted, broken, a link, or packed
            by a method that is not read.
        """
        if not 0 <= number < len(self._members):
            raise error("SC-110", expected=f"one of {len(self)} members", got=f"number {number}")
        member = self._members[number]
        _check_member(member, self._limits)
        try:
            with self._archive.open(member) as handle:
                return handle.read(self._limits.member_bytes)
        except _BROKEN as cause:
            raise _refused("a whole member", _words(cause)) from cause


# What zipfile raises on archives that are not what they say; NotImplementedError for features.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


@contextmanager
def open_archive(path: Path, *, limits: ArchiveLimits | None = None) -> Iterator[Archive]:
    """Open a zip archive after checking what it claims about itself.

    Parameters
    ----------
    path
        The archive.
    limits
        Bounds.

    Yields
    ------
    Archive
        Its members by number, in the order of the table of contents.

    Raises
    ------
    FileError
        SC-101 empty, SC-110 missing, SC-113 file too large, SC-104 where the members claim
        to inflate beyond the limits, SC-114 where it is no readable zip file.
    """
    bounds = limits or ArchiveLimits()
    try:
        check_file(path, Limits(file_bytes=bounds.file_bytes))
        _check_directory(path, bounds)
        try:
            archive = zipfile.ZipFile(path)
        except _BROKEN as cause:
            raise _refused("a zip file", _words(cause)) from cause
        with archive:
            _check_claims(archive.infolist(), bounds)
            yield Archive(archive, bounds)
    except SpinecastError as refused:
        if refused.where:
            raise
        raise error(
            refused.code, expected=refused.expected, got=refused.got, where=path.name
        ) from refused.__cause__


def _check_directory(path: Path, limits: ArchiveLimits) -> None:
    """Refuse tables of contents that would fill the memory while they are read."""
    tail = _tail(path, _END_SIZE + _LONGEST_COMMENT + _LOCATOR_SIZE)
    at = len(tail) - _END_SIZE
    if at < 0 or tail[at : at + 4] != _END:
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise _refused("a zip file", "no end of a table of contents: cut off, or not a zip file")
    if tail[max(0, at - _LOCATOR_SIZE) : at].startswith(_ZIP64_LOCATOR):
        raise _refused("an archive below 4 GiB", "the marks of a larger one")
    (listed,) = struct.unpack_from("<I", tail, at + 12)
    if listed > limits.directory_bytes:
        got = f"{listed} bytes"
        raise _refused(f"a table of contents of at most {limits.directory_bytes} bytes", got)


def _tail(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - size))
            return handle.read(size)
    except OSError as cause:
        raise error("SC-110", expected="a readable file", got=str(cause.strerror)) from cause


def _check_claims(members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(members) > limits.members:
        raise _refused(f"at most {limits.members} members", str(len(members)))
    total = sum(member.file_size for member in members)
    if total > limits.total_bytes:
        raise error(
            "SC-104",
            expected=f"at most {limits.total_bytes} bytes in an archive",
            got=f"{total} bytes declared",
        )


def _check_member(member: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    if member.flag_bits & 0x1:
        raise _refused("a member without a password", "an encrypted one")
    if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise _refused("a regular file", "a link or device")
    if member.compress_type not in _METHODS:
        got = f"method {member.compress_type}"
        raise _refused(f"a member that is {' or '.join(_METHODS.values())}", got)
    if member.file_size > limits.member_bytes:
        raise error(
            "SC-104",
            expected=f"at most {limits.member_bytes} bytes in a member",
            got=f"{member.file_size} bytes declared",
        )
    check_inflation(member.file_size, member.compress_size, Limits())


def _refused(expected: str, got: str) -> SpinecastError:
    return error("SC-114", expected=expected, got=got)


def _words(cause: BaseException) -> str:
    """Name the fault without the member's name, which may be anything."""
    known = isinstance(cause, zipfile.BadZipFile) and str(cause).startswith("Bad CRC")
    return "a wrong checksum" if known else f"a broken one ({type(cause).__name__})"
