"""What only the header of an image tells: filled in where the index says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spinecast.cluster import map_blocks
from spinecast.cohort.ledger import ledger_frame
from spinecast.errors import SpinecastError
from spinecast.images import Image

_WORDS = ("modality", "view", "region", "manufacturer")
_SPACINGS = ("spacing_row", "spacing_column")
# Pictures without a header: there is nothing to be learnt from opening them twice.
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class _Header:
    words: dict[str, str]
    spacing: tuple[float, float]


def describe_images(
    images: pd.DataFrame, open_image: Callable[[str], Image]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill view, region, modality, maker and spacing from the files, where not stated.

    Parameters
    ----------
    images
        Image index. Only images of unstated view or modality are opened: without
        those no rule could judge them.
    open_image
        Opens an image by its id.

    Returns
    -------
    images, refused
        The index with what was found; and a quarantine table (source = image_id) of
        images that could not be opened, which would otherwise pass for "wrong view".
    """
    unstated = (images["view"] == "") | (images["modality"] == "")
    opened = unstated & ~images["path"].str.lower().str.endswith(_PICTURES)
    ids = images.loc[opened, "image_id"].tolist()
    found = map_blocks(lambda image_id: _header(image_id, open_image), ids, label="headers")
    headers = {
        name: head for name, head in zip(ids, found, strict=True) if isinstance(head, _Header)
    }
    refused = [
        (name, fault.code, fault.got)
        for name, fault in zip(ids, found, strict=True)
        if isinstance(fault, SpinecastError)
    ]
    return _filled(images, headers), ledger_frame(refused)


def _header(image_id: str, open_image: Callable[[str], Image]) -> _Header | SpinecastError:
    try:
        image = open_image(image_id)
    except SpinecastError as fault:
        return fault
    spacing = image.spacing if image.spacing and image.pixels.ndim == 2 else (np.nan, np.nan)
    return _Header({word: getattr(image, word) for word in _WORDS}, (spacing[0], spacing[1]))


def _filled(images: pd.DataFrame, headers: dict[str, _Header]) -> pd.DataFrame:
    filled = images.copy()
    for word in _WORDS:
        from_header = images["image_id"].map({n: h.words[word] for n, h in headers.items()})
        filled[word] = images[word].where(images[word] != "", from_header.fillna(""))
    for axis, column in enumerate(_SPACINGS):
        from_header = images["image_id"].map({n: h.spacing[axis] for n, h in headers.items()})
        filled[column] = images[column].fillna(from_header.astype(float))
    return filled
