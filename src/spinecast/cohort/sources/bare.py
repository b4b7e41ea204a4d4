"""Image files without tables: people are told by folders, or by file names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from spinecast.cohort.cells import Reading, parse_cells
from spinecast.cohort.sheet import Sheet
from spinecast.terms import TERMS

SUFFIXES = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".nii", ".nii.gz")
_PREAMBLE = 128


def image_files(folder: Path) -> list[Path]:
    """Return the files under ``folder`` that are images by name, or DICOM by their mark.

    Hidden files and links that lead out of the folder are left alone.
    """
    root = folder.resolve()
    files = (path for path in sorted(root.rglob("*")) if _is_own_file(path, root))
    return [path for path in files if _is_image(path)]


def _is_own_file(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.is_file() and path.resolve().is_relative_to(root)


def _is_image(path: Path) -> bool:
    if path.name.lower().endswith(SUFFIXES):
        return True
    # Scanners name files after UIDs, so what looks like a suffix may be a number.
    with path.open("rb") as handle:
        return handle.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def index_files(folder: Path, files: list[Path], *, defaults: Mapping[str, str]) -> Sheet:
    """Make the image index of files without a table.

    Files in subfolders belong to the person of the first subfolder; files at the top are
    one person each, named after the file. Nothing tells their order in time, so all
    are baseline images of unknown age.

    Parameters
    ----------
    folder, files
        The cohort folder and its image files.
    defaults
        Terms that hold for every image (view, modality), from a map file.
    """
    paths = [path.relative_to(folder.resolve()) for path in files]
    rows = pd.DataFrame(
        {
            "person_id": [_person_of(path) for path in paths],
            "path": [path.as_posix() for path in paths],
        },
        index=[path.as_posix() for path in paths],
        dtype=object,
    )
    for term in sorted(set(defaults) & {"view", "modality", "region", "manufacturer"}):
        text = pd.Series(defaults[term], index=rows.index, dtype=object)
        rows[term] = parse_cells(text, TERMS[term], Reading())[0]
    sheet = Sheet("images", "images", rows)
    sheet.notes.append(f"no tables: {len(rows)} image files, people told by folders or file names")
    return sheet


def _person_of(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else path.name.split(".", maxsplit=1)[0]
