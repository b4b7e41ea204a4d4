"""Which films weights were fitted to: what has seen a film may not judge it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.stages.arrays import write_array

_FILE = "seen.npy"
_LETTERS = 16
_FITTED = ("train", "validation")  # validation films stopped and calibrated the scorers


def write_seen(folder: Path, index: pd.DataFrame) -> None:
    """Keep the first 64 bits of the pixel hash of each film that had a part in the fitting.

    They name no one, but whoever holds a film can tell whether it was among them; weights
    work without the file, unguarded.
    """
    fitted = index.loc[index["split"].isin(_FITTED), "sha256"]
    write_array(folder / _FILE, np.unique(_short(fitted)))


def refuse_seen(folder: Path, index: pd.DataFrame) -> None:
    """Refuse weights that were fitted to some of the films they shall judge.

    Parameters
    ----------
    folder
        Weights; those without the list pass.
    index
        Films to be judged: ``image_id`` and ``sha256`` of the source pixels.

    Raises
    ------
    ModelError
        SC-408.
    """
    if not (folder / _FILE).is_file():
        return
    known = index[index["sha256"].fillna("") != ""]
    seen = np.isin(_short(known["sha256"]), np.load(folder / _FILE, allow_pickle=False))
    if seen.any():
        first = known["image_id"][seen].iloc[0]
        raise error(
            "SC-408",
            expected="films that the weights were not fitted to",
            got=f"{int(seen.sum())} of {len(index)} that they were, first {first}",
            where=str(folder),
        )


def _short(hashes: pd.Series) -> np.ndarray:
    return np.array([int(text[:_LETTERS], 16) for text in hashes if text], dtype=np.uint64)
