"""Weights: where the shipped ones lie, and how they are made."""

from __future__ import annotations

from pathlib import Path

from spinecast.errors import error

SHIPPED = Path(__file__).resolve().parents[1] / "weights" / "followup-xray"


def weights_folder(given: str | None) -> Path:
    """Return the folder of the given weights, or of the shipped ones.

    Raises
    ------
    ModelError
        SC-406 where there are none.
    """
    folder = SHIPPED if given is None else Path(given)
    if not (folder / "scorers.json").is_file():
        raise error("SC-406", expected="a weights folder", got="none", where=str(folder))
    return folder
