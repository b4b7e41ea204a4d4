"""Single pictures to be handed out: grey or difference maps that say what they are."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from spinecast.report.figures.canvas import DIFFERENCE, GENERATED, SIMULATED
from spinecast.report.goods import Pixels


def grey_png(image: Pixels, *, generated: bool, simulated: bool) -> bytes:
    """Return an image in [0, 1] as 8-bit PNG, with a strip beneath that says what it is.

    The pixels above the strip are the image's own, one to one. What the strip says is in the
    file's comment too. An image that is neither generated nor simulated gets neither.
    """
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    words = [GENERATED] * generated + [SIMULATED] * simulated
    return _png(Picture.fromarray(pixels), words)


def difference_png(difference: Pixels, *, limit: float, simulated: bool) -> bytes:
    """Return a difference map as PNG: orange brighter, blue darker, black none, to ±limit."""
    shown = np.clip(np.asarray(difference, dtype=float) / (2 * limit) + 0.5, 0, 1)
    colours = (np.asarray(DIFFERENCE(shown))[..., :3] * 255).round().astype(np.uint8)
    return _png(Picture.fromarray(colours), [f"±{limit:.2f}", *[SIMULATED] * simulated])


def _png(picture: Picture.Image, words: list[str]) -> bytes:
    if words:
        size = int(np.clip(picture.width // 7, 6, 11))
        line = size + 3
        whole = Picture.new(picture.mode, (picture.width, picture.height + line * len(words) + 1))
        whole.paste(picture, (0, 0))
        pen, font = ImageDraw.Draw(whole), ImageFont.load_default(size=size)
        white = 255 if picture.mode == "L" else (255, 255, 255)
        for number, word in enumerate(words):
            pen.text((2, picture.height + number * line), word, fill=white, font=font)
        picture = whole
    notes = PngInfo()
    if words:
        notes.add_itxt("Comment", " ".join(words))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=notes)
    return buffer.getvalue()
