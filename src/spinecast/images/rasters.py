"""PNG and JPEG to :class:`Image`; runs inside the decode worker only."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.images.image import Image
from spinecast.images.limits import Limits, check_declared_pixels, check_inflation

_CODERS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_PIXELS_PER_BYTE = 512  # one bit for each block of 8 x 8: no scan of a JPEG does with less
_SATURATED = 60  # difference of channels beyond which a pixel is plainly coloured
_COLOURED_SHARE = 0.02  # a tinted film scan stays below, a workstation's screenshot does not


def raster_format(data: bytes) -> str | None:
    """Return PNG or JPEG by the first bytes, None for anything else."""
    return next((name for magic, name in _CODERS.items() if data.startswith(magic)), None)


def read_raster(data: bytes, limits: Limits) -> Image:
    """Decode one PNG or JPEG; colour becomes grey, transparency is ignored.

    Spacing is unknown: the dots per inch of such files describe paper, not patients.

    Raises
    ------
    FileError
        SC-102, SC-103, SC-104 or SC-113; SC-118 for a coloured picture.
    """
    from PIL import Image as Pillow

    Pillow.MAX_IMAGE_PIXELS = None  # our own check comes first and is stricter
    try:
        with Pillow.open(io.BytesIO(data), formats=[raster_format(data) or "PNG"]) as picture:
            columns, rows = picture.size
            bands = len(picture.getbands())
            check_declared_pixels(rows * columns, limits)
            check_inflation(rows * columns * bands, len(data), limits)
            if picture.format == "JPEG":
                _check_jpeg_bytes(rows * columns, len(data))
            pixels = _grey(np.asarray(_plain_mode(picture)))
    except (OSError, SyntaxError, ValueError, EOFError) as cause:
        code = "SC-103" if "truncated" in str(cause) else "SC-102"
        raise error(code, expected="a whole PNG or JPEG", got=str(cause)[:120]) from cause
    return Image(pixels=pixels, attributes={"BitsStored": str(_bits(picture.mode))})


def _check_jpeg_bytes(pixels: int, size: int) -> None:
    """Refuse a JPEG that cannot hold its picture; its decoder would paint the rest grey."""
    if pixels > _PIXELS_PER_BYTE * size:
        raise error("SC-103", expected=f"bytes for {pixels} pixels", got=f"{size} bytes")


def _bits(mode: str) -> int:
    return 16 if mode.startswith(("I", "F")) else 8


def _plain_mode(picture: Any) -> Any:
    """Palettes and rarities become grey or RGB; 16-bit grey stays what it is."""
    if picture.mode in {"L", "I", "I;16", "F", "RGB"}:
        return picture
    if picture.mode in {"1", "LA"}:
        return picture.convert("L")
    return picture.convert("RGB")


def _grey(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.ndim == 2:
        return array.astype(np.float32)
    spread = array.max(axis=2).astype(np.int16) - array.min(axis=2)
    share = float((spread > _SATURATED).mean())
    if share > _COLOURED_SHARE:
        raise error("SC-118", expected="a grey picture", got=f"{share:.0%} coloured pixels")
    return array.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
