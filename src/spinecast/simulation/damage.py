"""What goes wrong with files on their way out of a hospital, done on purpose.

Every kind has the code under which reading must refuse it, so that a test can count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from spinecast.seeds import generator

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "SC-101",
        "text": "SC-102",
        "truncated": "SC-103",
        "absent": "SC-110",
        "no_pixels": "SC-111",
        "rows_lie": "SC-103",
        "screenshot": "SC-118",
        "constant": "SC-203",
        "repeated": "SC-205",
        "bad_spacing": "SC-208",
        "misfiled": "SC-309",
    }
)
"""Kind of damage -> code it must be refused under.

``repeated`` is another film of the same person over again, ``misfiled`` one of another
person's; whose picture that is cannot be told, so the original is refused with it.
"""

BAD_HEIGHT = "bad_height"
"""Damage of a table: a follow-up visit with a height in millimetres; SC-305."""


@dataclass(frozen=True)
class Damage:
    """One planted fault.

    Parameters
    ----------
    source
        The image, or ``"P00017 visit 2"`` for a row of visits.
    kind, code
        See :data:`KINDS`.
    partner
        For ``repeated`` and ``misfiled``: the image whose pixels it holds.
    """

    source: str
    kind: str
    code: str
    partner: str = ""


def plan_damage(images: Sequence[tuple[str, str]], share: float, *, seed: int) -> dict[str, Damage]:
    """Choose which images are damaged, and how.

    Parameters
    ----------
    images
        (image_id, person_id) of every image, in order.
    share
        Fraction to damage, 0 to 1; the kinds come in turn.
    seed
        The world's seed.

    Returns
    -------
    dict
        By image_id. No image is both damaged and partner of another damage.
    """
    rng = generator(seed, "simulation", "damage")
    order = rng.permutation(len(images))
    count = round(share * len(images))
    damaged = [images[place] for place in order[:count]]
    whole = {images[place] for place in order[count:]}
    planned: dict[str, Damage] = {}
    kinds = list(KINDS)
    for turn, (image, person) in enumerate(damaged):
        kind = kinds[turn % len(kinds)]
        partner = _partner(kind, person, whole)
        whole -= {pair for pair in whole if pair[0] == partner}
        if kind in {"repeated", "misfiled"} and not partner:
            kind = "empty"
        # Of two equal films of a person the first is kept, so the second is the damaged one.
        first, second = (partner, image) if kind != "repeated" else sorted((partner, image))
        planned[second] = Damage(second, kind, KINDS[kind], first)
    return planned


def _partner(kind: str, person: str, whole: set[tuple[str, str]]) -> str:
    """Choose whose pixels a film holds instead of its own; "" where nobody's are fit."""
    if kind not in {"repeated", "misfiled"}:
        return ""
    same = kind == "repeated"
    return min((image for image, owner in whole if (owner == person) == same), default="")


def spoil_dataset(dataset: Any, kind: str) -> None:
    """Change a DICOM data set in place as ``kind`` says; other kinds leave it alone."""
    if kind == "constant":
        dataset.PixelData = np.full(dataset.Rows * dataset.Columns, 7, "<u2").tobytes()
    elif kind == "rows_lie":
        dataset.Rows = dataset.Rows * 2
    elif kind == "screenshot":
        dataset.BurnedInAnnotation = "YES"
    elif kind == "no_pixels":
        del dataset.PixelData
    elif kind == "bad_spacing":
        for word in ("PixelSpacing", "ImagerPixelSpacing"):
            if word in dataset:
                delattr(dataset, word)
        dataset.PixelSpacing = ["0.0", "0.0"]


def spoil_bytes(content: bytes, kind: str) -> bytes | None:
    """Return the bytes of a file damaged as ``kind`` says; None for a file that is not there."""
    if kind == "empty":
        return b""
    if kind == "text":
        return b"The requested study could not be exported (error 17).\n"
    if kind == "truncated":
        return content[: len(content) - len(content) // 3]
    return None if kind == "absent" else content
