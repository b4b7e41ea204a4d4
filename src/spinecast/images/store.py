"""Prepared images on disk: one memory map, one index, one description.

::

    store/
      pixels.npy     uint16, (n, rows, columns), 65535 is white; 7.6e-6 is the rounding error
      index.parquet  one row per image, in the order of the pixels
      store.json     preparation, shape and SHA-256 of both, written last
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast import files
from spinecast.cluster import Progress
from spinecast.errors import error
from spinecast.images.radiograph import Preparation
from spinecast.images.store_building import (
    OpenImage,
    Refusals,
    build_pixels,
    keep_rows,
    quarantine_doubles,
)

_WHITE = 65535
_FORMAT = 1


@dataclass(frozen=True)
class ImageStore:
    """Prepared images, read from disk as they are needed.

    Open one with :meth:`open`, make one with :func:`prepare_store`.

    Parameters
    ----------
    directory
        Where it lies.
    index
        Image index of the stored images, in the order of the pixels.
    preparation
        How they were prepared.
    """

    directory: Path
    index: pd.DataFrame
    preparation: Preparation
    _pixels: NDArray[np.uint16]
    _positions: dict[str, int]

    @classmethod
    def open(cls, directory: Path, *, verify: bool = False) -> ImageStore:
        """Open a store.

        Parameters
        ----------
        directory
            A folder written by :func:`prepare_store`.
        verify
            Whether to compute the hashes of pixels and index again (reads everything).

        Raises
        ------
        RunError
            SC-703 where the folder is no store.
        FileError
            SC-103 where its files do not fit its description.
        """
        if not (directory / "store.json").is_file():
            raise error("SC-703", expected="a folder with store.json", got=directory.name)
        try:
            about = files.read_json(directory / "store.json")
            pixels = np.load(directory / "pixels.npy", mmap_mode="r", allow_pickle=False)
            index = pd.read_parquet(directory / "index.parquet")
            preparation = Preparation(**about["preparation"])
            described = [about["count"], *about["shape"]], about["sha256"]
            names = [str(name) for name in index["image_id"]]
        except (OSError, ValueError, TypeError, KeyError) as cause:
            raise _damaged(directory, "unreadable files") from cause
        if not list(pixels.shape) == [len(index), *preparation.shape] == described[0]:
            raise _damaged(directory, f"an array of {pixels.shape}")
        if pixels.dtype != np.uint16:
            raise _damaged(directory, f"pixels of type {pixels.dtype}")
        if verify and _hashes(directory) != described[1]:
            raise _damaged(directory, "other hashes")
        positions = {name: at for at, name in enumerate(names)}
        return cls(directory, index, preparation, pixels, positions)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def ids(self) -> list[str]:
        """The image ids, in the order of the pixels."""
        return list(self._positions)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of every image."""
        return self.preparation.shape

    def position(self, image_id: str) -> int:
        """Return where ``image_id`` lies.

        Raises
        ------
        KeyError
            Where it is not stored; ask ``image_id in store`` first.
        """
        return self._positions[image_id]

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._positions

    def read(self, which: Sequence[int] | Sequence[str] | NDArray[Any]) -> NDArray[np.float32]:
        """Read images by position or by id.

        Parameters
        ----------
        which
            Positions or ids, in any order, repeats allowed.

        Returns
        -------
        ndarray
            float32, (len(which), rows, columns), in [0, 1].
        """
        at = [self._positions[one] if isinstance(one, str) else int(one) for one in which]
        chosen = np.asarray(at, np.intp)
        return np.multiply(self._pixels[chosen], np.float32(1 / _WHITE), dtype=np.float32)


def prepare_store(
    index: pd.DataFrame,
    open_image: OpenImage,
    directory: Path,
    *,
    preparation: Preparation,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> tuple[ImageStore, pd.DataFrame, pd.DataFrame]:
    """Prepare every image of an index and store those that can be used.

    Parameters
    ----------
    index
        Image index: at least ``image_id`` (unique), ``person_id`` and ``visit``.
    open_image
        Returns the image of an id or raises the error for which it is quarantined. On a
        cluster it must be picklable and see the same disk.
    directory
        The store to be made; an older one there is replaced once the new one is whole.
    preparation
        How.
    cluster, progress
        Where to run and who hears of blocks done, see :mod:`spinecast.cluster`.

    Returns
    -------
    store : ImageStore
        The usable images, in the order of ``index``.
    quarantine : DataFrame
        ``source`` (image id), ``code``, ``reason``: every image given is here or in the store.
    index : DataFrame
        The given index, all rows, with ``sha256`` of the source pixels ("" where unreadable), and
        spacing, view, region, maker and modality filled in from the headers where unknown.

    Raises
    ------
    CohortError
        SC-308 where an image id is repeated.
    """
    _check_ids(index)
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    full, refusals = build_pixels(
        index.reset_index(drop=True),
        open_image,
        partial / "pixels.npy",
        preparation=preparation,
        cluster=cluster,
        progress=progress,
    )
    refusals |= quarantine_doubles(full, refusals)
    _finish(partial, full, refusals, preparation=preparation)
    if directory.exists():
        shutil.rmtree(directory)
    partial.rename(directory)
    return ImageStore.open(directory), _quarantine_table(refusals), full


def _finish(
    partial: Path, full: pd.DataFrame, refusals: Refusals, *, preparation: Preparation
) -> None:
    """Keep the rows that were not refused, and describe the store last."""
    kept = [at for at, name in enumerate(full["image_id"]) if name not in refusals]
    keep_rows(partial / "pixels.npy", kept, len(full))
    files.write_table(partial / "index.parquet", full.iloc[kept].reset_index(drop=True))
    about = {
        "format": _FORMAT,
        "preparation": asdict(preparation),
        "shape": preparation.shape,
        "count": len(kept),
        "sha256": _hashes(partial),
    }
    files.write_json(partial / "store.json", about)


def _quarantine_table(refusals: Refusals) -> pd.DataFrame:
    rows = [(name, code, reason) for name, (code, reason) in refusals.items()]
    return pd.DataFrame(rows, columns=["source", "code", "reason"], dtype="str")


def _check_ids(index: pd.DataFrame) -> None:
    repeated = index["image_id"][index["image_id"].duplicated()]
    if len(repeated):
        raise error("SC-308", expected="one row per image_id", got=f"{repeated.iloc[0]} again")


def _hashes(directory: Path) -> dict[str, str]:
    found = {}
    for name in ("pixels.npy", "index.parquet"):
        with (directory / name).open("rb") as handle:
            found[name] = hashlib.file_digest(handle, "sha256").hexdigest()
    return found


def _damaged(directory: Path, got: str) -> Exception:
    return error("SC-103", expected="the store described", got=got, where=directory.name)
