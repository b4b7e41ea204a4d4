"""How a store is filled: blocks of images in parallel, then the search for doubles."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.error_codes import CODES
from spinecast.errors import CohortError, ContentError, FileError, SpinecastError, error
from spinecast.images.identity import pixel_hash
from spinecast.images.image import Image
from spinecast.images.radiograph import Preparation, prepare_radiograph

OpenImage = Callable[[str], Image]
Refusals = dict[str, tuple[str, str]]

_BLOCK = 32
_COPY = 256
_TEXT_FIELDS = ("modality", "view", "region", "manufacturer")


@dataclass(frozen=True)
class _Entry:
    """What is known of one image after it was opened."""

    image_id: str
    sha256: str = ""
    spacing: tuple[float, ...] | None = None
    texts: tuple[str, ...] = ("",) * len(_TEXT_FIELDS)
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class _PrepareBlock:
    """Opens, prepares and writes the images of one block; blocks own disjoint rows."""

    open_image: OpenImage
    target: Path
    preparation: Preparation

    def __call__(self, block: list[tuple[int, str]]) -> list[_Entry]:
        pixels = np.load(self.target, mmap_mode="r+", allow_pickle=False)
        entries = [self._one(image_id, pixels[at]) for at, image_id in block]
        pixels.flush()
        return entries

    def _one(self, image_id: str, row: NDArray[np.uint16]) -> _Entry:
        entry = _Entry(image_id)
        try:
            image = self.open_image(image_id)
            entry = _described(image_id, image)
            prepared = prepare_radiograph(image, self.preparation)
        except (FileError, ContentError, CohortError) as refused:
            return _refused(entry, refused)
        np.rint(prepared * np.float32(65535), out=prepared)
        row[...] = prepared.astype(np.uint16)
        return entry


def _described(image_id: str, image: Image) -> _Entry:
    texts = tuple(str(getattr(image, field)) for field in _TEXT_FIELDS)
    return _Entry(image_id, pixel_hash(image.pixels), image.spacing, texts)


def _refused(entry: _Entry, refused: SpinecastError) -> _Entry:
    reason = f"{CODES[refused.code].title}: expected {refused.expected}, got {refused.got}"
    return _Entry(entry.image_id, entry.sha256, entry.spacing, entry.texts, refused.code, reason)


def build_pixels(
    index: pd.DataFrame,
    open_image: OpenImage,
    target: Path,
    *,
    preparation: Preparation,
    cluster: str | None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, Refusals]:
    """Fill ``target`` with one row per image; rows of refused images stay black.

    Returns
    -------
    index : DataFrame
        With ``sha256`` and what the headers know.
    refusals : dict
        Image id to (code, reason).
    """
    shape = (len(index), *preparation.shape)
    _allocated(target, shape)
    names = [(at, str(name)) for at, name in enumerate(index["image_id"])]
    blocks = [names[start : start + _BLOCK] for start in range(0, len(names), _BLOCK)]
    job = _PrepareBlock(open_image, target, preparation)
    parts = map_blocks(job, blocks, cluster=cluster, label="prepare images", progress=progress)
    entries = [entry for part in parts for entry in part]
    refusals = {each.image_id: (each.code, each.reason) for each in entries if each.code}
    return _filled_in(index, entries), refusals


def _allocated(target: Path, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return a new array on disk, black, with all its room reserved.

    A write through a memory map to a full disk kills the process, so the disk is asked first.
    """
    if shape[0] == 0:
        empty = np.zeros(shape, np.uint16)
        np.save(target, empty, allow_pickle=False)
        return empty
    try:
        pixels = open_memmap(target, mode="w+", dtype=np.uint16, shape=shape)
        with target.open("rb+") as handle:
            _reserve(handle.fileno(), target.stat().st_size)
    except OSError as cause:
        got = str(cause.strerror)
        raise error("SC-705", expected="room on the disk", got=got, where=target.name) from cause
    return pixels


def _reserve(descriptor: int, size: int) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as cause:
        if cause.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # the disk cannot be asked
            raise


def _filled_in(index: pd.DataFrame, entries: list[_Entry]) -> pd.DataFrame:
    full = index.copy()
    full["sha256"] = [entry.sha256 for entry in entries]
    for place, field in enumerate(_TEXT_FIELDS):
        header = pd.Series([entry.texts[place] for entry in entries], full.index, dtype="object")
        full[field] = _known_or(full, field, header).fillna("")
    for axis, field in enumerate(("spacing_row", "spacing_column")):
        sides = pd.Series([_plane(entry.spacing, axis) for entry in entries], full.index)
        full[field] = _known_or(full, field, sides).astype("float64")
    return full


def _known_or(index: pd.DataFrame, field: str, header: pd.Series) -> pd.Series:
    """Return what the index says, and what the header says where the index is silent."""
    if field not in index:
        return header
    silent = index[field].isna() | (index[field].astype("object") == "")
    return index[field].astype("object").mask(silent, header)


def _plane(spacing: tuple[float, ...] | None, axis: int) -> float:
    return float("nan") if spacing is None else spacing[-2:][axis]


def quarantine_doubles(index: pd.DataFrame, refusals: Refusals) -> Refusals:
    """Find equal pixels among the images not refused so far.

    Under one person the first (by visit, then by row) is kept: SC-205 for the others. Under
    several people nobody knows whose they are: SC-309 for all.
    """
    usable = index[~index["image_id"].isin(refusals.keys()) & (index["sha256"] != "")]
    found: Refusals = {}
    for _, group in usable.groupby("sha256", sort=False):
        if len(group) < 2:
            continue
        ordered = group.sort_values("visit", kind="stable") if "visit" in group else group
        names = [str(name) for name in ordered["image_id"]]
        if len(set(group["person_id"])) > 1:
            reason = f"{CODES['SC-309'].title}: the same as "
            found |= {n: ("SC-309", reason + _others(names, n)) for n in names}
        else:
            reason = f"{CODES['SC-205'].title}: the same as {names[0]}"
            found |= dict.fromkeys(names[1:], ("SC-205", reason))
    return found


def _others(names: list[str], name: str) -> str:
    rest = [other for other in names if other != name]
    return ", ".join(rest[:3]) + (f" and {len(rest) - 3} more" if len(rest) > 3 else "")


def keep_rows(target: Path, kept: list[int], total: int) -> None:
    """Rewrite ``target`` with only the rows ``kept``, a few hundred at a time."""
    if len(kept) == total:
        return
    source: Any = np.load(target, mmap_mode="r", allow_pickle=False)
    smaller = target.with_name("kept.npy")
    copy = _allocated(smaller, (len(kept), *source.shape[1:]))
    for start in range(0, len(kept), _COPY):
        rows = kept[start : start + _COPY]
        copy[start : start + len(rows)] = source[rows]
    if isinstance(copy, np.memmap):
        copy.flush()
    del source
    smaller.replace(target)
