"""What one file may cost, and the bounded inflater that enforces it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from spinecast.errors import error

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds on one file; beyond them it is quarantined instead of decoded.

    The values are those of the reliability design. No published file comes near
    them: the largest whole-spine radiographs have 3e7 pixels.

    Parameters
    ----------
    file_bytes
        Largest file that is opened (2 GiB).
    inflated_bytes, inflation_ratio, free_inflation_bytes
        A deflated stream may grow to ``inflated_bytes`` and, beyond the first
        ``free_inflation_bytes``, by at most ``inflation_ratio``. Small outputs are exempt,
        because an honest blank film deflates a thousandfold.
    pixels
        Most pixels a header may declare, all frames and samples together (2^28).
    nesting
        Deepest sequence in a DICOM file.
    seconds
        Deadline for decoding one file.
    memory_bytes
        Address space of the process that decodes (3 GiB).
    """

    file_bytes: int = 2 << 30
    inflated_bytes: int = 1 << 30
    inflation_ratio: float = 200.0
    free_inflation_bytes: int = 64 << 20
    pixels: int = 1 << 28
    nesting: int = 32
    seconds: float = 30.0
    memory_bytes: int = 3 << 30


def check_declared_pixels(count: int, limits: Limits) -> None:
    """Refuse a declared number of pixels before any codec sees it.

    Raises
    ------
    FileError
        SC-113 beyond ``limits.pixels``, SC-112 for none.
    """
    if count > limits.pixels:
        raise error("SC-113", expected=f"at most {limits.pixels} pixels", got=f"{count} declared")
    if count <= 0:
        raise error("SC-112", expected="at least one pixel", got="a header that declares none")


def check_inflation(inflated: int, compressed: int, limits: Limits) -> None:
    """Refuse an output out of proportion to its input.

    Raises
    ------
    FileError
        SC-104.
    """
    allowed = max(limits.free_inflation_bytes, int(limits.inflation_ratio * compressed))
    if inflated > min(allowed, limits.inflated_bytes):
        raise error(
            "SC-104",
            expected=f"at most {limits.inflated_bytes} bytes and {limits.inflation_ratio:g} to 1",
            got=f"at least {inflated} bytes from {compressed}",
        )


def inflate(data: bytes | memoryview, *, limits: Limits, gzip: bool) -> bytes:
    """Inflate a whole stream, stopping as soon as it is out of bounds.

    Parameters
    ----------
    data
        A raw deflate stream (DICOM) or gzip members one after the other.
    limits
        Bounds, see :class:`Limits`.
    gzip
        True for gzip, False for raw deflate.

    Returns
    -------
    bytes
        The inflated bytes.

    Raises
    ------
    FileError
        SC-104 for a bomb, SC-103 where the stream ends early, SC-102 where it is damaged.
    """
    parts: list[bytes] = []
    size = 0
    rest = bytes(data)
    while rest:
        engine = zlib.decompressobj(31 if gzip else -15)
        while not engine.eof:
            try:
                part = engine.decompress(rest, _CHUNK)
            except zlib.error as cause:
                raise error("SC-102", expected="a deflated stream", got=str(cause)) from cause
            rest = engine.unconsumed_tail
            if not part and not rest and not engine.eof:
                raise error("SC-103", expected="a whole deflated stream", got="an early end")
            parts.append(part)
            size += len(part)
            check_inflation(size, len(data), limits)
        rest = engine.unused_data if gzip else b""
        if not rest.startswith(b"\x1f\x8b"):
            break
    return b"".join(parts)
