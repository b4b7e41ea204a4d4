"""What a compressed stream says of its own size, before a codec believes it."""

from __future__ import annotations

import struct

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def declared_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of a JPEG, JPEG-LS or JPEG 2000 stream, None for anything else."""
    try:
        if stream[:4] == b"\xff\x4f\xff\x51":
            return _jpeg_2000_size(stream, 4)
        if stream[4:8] == b"jP  ":
            at = stream.find(b"\xff\x4f\xff\x51")
            return None if at < 0 else _jpeg_2000_size(stream, at + 4)
        if stream[:2] == b"\xff\xd8":
            return _jpeg_size(stream)
    except struct.error:
        return None
    return None


def _jpeg_2000_size(stream: bytes, at: int) -> tuple[int, int]:
    right, bottom, left, top = struct.unpack_from(">IIII", stream, at + 4)
    return bottom - top, right - left


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _START_OF_FRAME:
            rows, columns = struct.unpack_from(">HH", stream, at + 5)
            return rows, columns
        else:
            at += 2 + struct.unpack_from(">H", stream, at + 2)[0]
    return None
