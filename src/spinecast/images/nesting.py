"""How deep the sequences of a DICOM stream are nested, found without recursion.

A parser that recurses into sequences dies of a few hundred levels. This walk
keeps its own stack, reads tags and lengths only, and stops at the pixel data.
It judges nothing but depth: where it cannot follow a stream it stops, and the
parser proper decides what is wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from spinecast.errors import error

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_LONG_FORMS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)


class _Walk:
    """One walk over a stream; ``ends`` holds the open sequences and items."""

    def __init__(self, data: bytes, *, implicit: bool, little: bool, deepest: int) -> None:
        self.data = data
        self.implicit = implicit
        self.order = "<" if little else ">"
        self.deepest = deepest
        self.ends: list[int] = []
        self.depth = 0

    def header(self, at: int) -> tuple[int, int, int, bool]:
        """Return tag, start of the value, its length, and whether it is a sequence or item."""
        group, element = struct.unpack_from(f"{self.order}HH", self.data, at)
        tag = group << 16 | element
        if self.implicit or group == 0xFFFE:
            (length,) = struct.unpack_from(f"{self.order}I", self.data, at + 4)
            return tag, at + 8, length, self._holds_items(tag, at + 8, length)
        representation = self.data[at + 4 : at + 6]
        if representation in _LONG_FORMS:
            (length,) = struct.unpack_from(f"{self.order}I", self.data, at + 8)
            opens = representation == b"SQ" or self._holds_items(tag, at + 12, length)
            return tag, at + 12, length, opens
        (length,) = struct.unpack_from(f"{self.order}H", self.data, at + 6)
        return tag, at + 8, length, False

    def _holds_items(self, tag: int, start: int, length: int) -> bool:
        if tag in {_ITEM, _ITEM_END, _SEQUENCE_END}:
            return tag == _ITEM
        if length == _UNDEFINED:
            return True
        if length < 8 or start + 8 > len(self.data):
            return False
        group, element = struct.unpack_from(f"{self.order}HH", self.data, start)
        return bool(group << 16 | element == _ITEM)

    def step(self, at: int) -> int:
        """Return where the next element starts, -1 at the pixel data of the outer level."""
        while self.ends and at >= self.ends[-1]:
            self.ends.pop()
        tag, start, length, opens = self.header(at)
        if tag == _PIXEL_DATA and not self.ends:
            return -1
        if tag in {_ITEM_END, _SEQUENCE_END}:
            if self.ends:
                self.ends.pop()
            return start
        if not opens:
            return start + length
        end = len(self.data) if length == _UNDEFINED else start + length
        self.ends.append(end)
        self.depth = max(self.depth, (len(self.ends) + 1) // 2)
        if self.depth > self.deepest:
            raise error(
                "SC-105", expected=f"at most {self.deepest} levels", got=f"{self.depth} or more"
            )
        return start


@dataclass(frozen=True)
class Outline:
    """What the walk saw.

    Parameters
    ----------
    depth
        Depth of nested sequences; 0 where there are none.
    has_pixels
        Whether the pixel data element of the outer level was met.
    overrun
        Whether an element reaches beyond the end of the file.
    """

    depth: int
    has_pixels: bool
    overrun: bool


def outline(data: bytes, start: int, *, implicit: bool, little: bool, deepest: int) -> Outline:
    """Walk a DICOM data set up to its pixel data.

    Parameters
    ----------
    data, start
        The bytes, and where the data set begins (after the file meta information).
    implicit, little
        Its encoding.
    deepest
        The bound on nesting.

    Raises
    ------
    FileError
        SC-105 where sequences are nested deeper than ``deepest``.
    """
    walk = _Walk(data, implicit=implicit, little=little, deepest=deepest)
    at = start
    while 0 <= at <= len(data) - 8:
        try:
            at = walk.step(at)
        except struct.error:
            return Outline(walk.depth, has_pixels=False, overrun=True)
    return Outline(walk.depth, has_pixels=at == -1, overrun=at > len(data))
