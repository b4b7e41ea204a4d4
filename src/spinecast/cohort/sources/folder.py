"""A cohort folder: CSV tables and image files, or image files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spinecast.cohort.assembly import assemble
from spinecast.cohort.cohort import Cohort
from spinecast.cohort.column_map import TABLE_NAMES, ColumnMap, read_column_map
from spinecast.cohort.leakage import quarantine_images
from spinecast.cohort.sheet import Sheet, read_sheet
from spinecast.cohort.sources.bare import image_files, index_files
from spinecast.cohort.sources.headers import describe_images
from spinecast.errors import SpinecastError, error
from spinecast.images import Image

MAP_FILE = "cohort.toml"
_OVERRIDES = ("modality", "view", "region", "manufacturer")


class FolderSource:
    """People and images of a folder (format: docs/reference/cohort-folder.md).

    Parameters
    ----------
    folder
        Holds people.csv, visits.csv, images.csv, events.csv, findings.csv, of which only
        images.csv is needed; or no table at all, but image files.
    column_map
        TOML file naming columns, codes and units; ``cohort.toml`` in the folder otherwise.
    """

    simulated = False

    def __init__(self, folder: Path, *, column_map: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.name = self.folder.name
        self._map = self._column_map(column_map)
        self._index: dict[str, dict[str, object]] = {}

    def _column_map(self, given: Path | None) -> ColumnMap:
        own = self.folder / MAP_FILE
        if given is None and not own.is_file():
            return ColumnMap()
        return read_column_map(given or own)

    def load(self) -> Cohort:
        """Read, check and join the tables; bad rows are quarantined with code and reason.

        Returns
        -------
        Cohort
            Validated tables; ages and durations in years, dates dropped.

        Raises
        ------
        SpinecastError
            SC-315 nothing to read; SC-301 to SC-304, SC-313, SC-317, SC-320 for faults of
            a whole table.
        """
        sheets = self._sheets()
        _name_images(sheets["images"])
        self._check_files(sheets["images"])
        cohort = assemble(sheets, name=self.name)
        self._remember(cohort)
        described, refused = describe_images(cohort.images, self.open_image)
        cohort = quarantine_images(replace(cohort, images=described), refused)
        self._remember(cohort)
        return cohort

    def _remember(self, cohort: Cohort) -> None:
        self._index = {
            str(row["image_id"]): {str(column): value for column, value in row.items()}
            for row in cohort.images.to_dict("records")
        }

    def open_image(self, image_id: str) -> Image:
        """Read one image; what images.csv says of spacing and view overrides the header.

        Raises
        ------
        SpinecastError
            SC-110 where the index lacks the image, or its file is missing or outside the
            folder; whatever reading it raises.
        """
        if not self._index:
            self.load()
        if image_id not in self._index:
            raise error("SC-110", expected="an image of the index", got=repr(image_id),
                        where=self.name)  # fmt: skip
        from spinecast.images import read_image

        row = self._index[image_id]
        return _overridden(read_image(self._resolve(str(row["path"]))), row)

    def _sheets(self) -> dict[str, Sheet]:
        files = {name: self.folder / f"{name}.csv" for name in TABLE_NAMES}
        present = {name: path for name, path in files.items() if path.is_file()}
        if "images" not in present:
            return {"images": self._bare_sheet(present)}
        return {name: read_sheet(path, name, self._map) for name, path in present.items()}

    def _bare_sheet(self, present: dict[str, Path]) -> Sheet:
        files = image_files(self.folder)
        if present or not files:
            raise error(
                "SC-315",
                expected="images.csv" + ("" if present else ", or image files"),
                got=", ".join(sorted(path.name for path in present.values())) or "neither",
                where=str(self.folder),
            )
        return index_files(self.folder, files, defaults=self._map.defaults)

    def _check_files(self, images: Sheet) -> None:
        reasons = images.rows["path"].map(self._fault_of_path)
        images.reject(reasons != "", code="SC-110", reason=reasons)

    def _fault_of_path(self, path: str) -> str:
        try:
            self._resolve(path)
        except SpinecastError as fault:
            return fault.got
        return ""

    def _resolve(self, path: str) -> Path:
        """Return the file of a path of the index, which must lie within the folder."""
        where = path[:200]
        try:
            file = (self.folder / path).resolve()
            inside = bool(path) and file.is_relative_to(self.folder)
            present = inside and file.is_file()
        except (OSError, ValueError, RuntimeError):
            inside, present = True, False
        if not inside:
            raise error("SC-110", expected="a file inside the cohort folder",
                        got="a path that is empty or leads out of it", where=where)  # fmt: skip
        if not present:
            raise error("SC-110", expected="a file", got=f"no file at {where!r}", where=where)
        return file


def _name_images(images: Sheet) -> None:
    """Give images without ids the name of their file, or its whole path where names repeat."""
    if images.has("image_id"):
        return
    path = images.rows["path"].str.replace("\\", "/", regex=False).str.strip("/")
    bare = path.str.replace(r"(\.nii)?\.[A-Za-z0-9]{1,5}$", "", regex=True)
    stem = bare.str.rsplit("/", n=1).str[-1]
    images.rows["image_id"] = stem if stem.is_unique else bare.str.replace("/", "__", regex=False)


def _overridden(image: Image, row: dict[str, object]) -> Image:
    words: dict[str, Any] = {name: str(row[name]) for name in _OVERRIDES if row[name]}
    spacing = (float(str(row["spacing_row"])), float(str(row["spacing_column"])))
    known = image.pixels.ndim == 2 and bool(np.isfinite(spacing).all())
    return replace(image, spacing=spacing if known else image.spacing, **words)
