"""The one way files are written: whole or not at all.

A temporary file beside the target, flushed to disk, renamed over the target,
and the folder flushed too. A kill or a power cut leaves either the old file or
the new one. Leftovers end in ``.partial`` and are swept by the run folder.
"""

from __future__ import annotations

import csv
import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``target`` when the block ends without an error.

    Raises
    ------
    RunError
        SC-705 where the disk is full or the folder may not be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as cause:
        raise error(
            "SC-705", expected="a writable file", got=str(cause.strerror), where=str(target)
        ) from cause
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target``, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``target``, whole or not at all."""
    write_bytes(target, text.encode())


def write_json(target: Path, content: Any) -> None:
    """Write ``content`` as indented JSON with sorted keys; NumPy scalars become numbers."""
    write_text(target, json.dumps(content, indent=2, sort_keys=True, default=_plain) + "\n")


def read_json(source: Path) -> Any:
    """Read a JSON file."""
    return json.loads(source.read_text(encoding="utf-8"))


def write_table(target: Path, table: pd.DataFrame) -> None:
    """Write ``table`` to ``target``; the suffix says whether as Parquet or CSV.

    CSV cells that a spreadsheet would execute (starting with ``= + - @``) are
    quoted with a leading apostrophe; numbers are left alone.
    """
    if target.suffix == ".parquet":
        with atomic_path(target) as temporary:
            table.to_parquet(temporary, index=False)
        return
    buffer = io.StringIO()
    _disarmed(table).to_csv(buffer, index=False, quoting=csv.QUOTE_MINIMAL)
    write_text(target, buffer.getvalue())


def _disarmed(table: pd.DataFrame) -> pd.DataFrame:
    text_columns = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    return table.assign(**{str(c): table[c].map(_disarmed_cell) for c in text_columns})


def _disarmed_cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
