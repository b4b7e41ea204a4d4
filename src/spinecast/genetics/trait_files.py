"""Tables of traits and covariates as PLINK and REGENIE take them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error

_HEADS = (("FID", "IID"), ("IID",))
_UNKNOWN = ("NA", "NaN", "nan", "N/A", ".", "")


def read_traits(path: Path, *, names: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of traits or of covariates.

    The first line names the columns: ``#FID IID``, ``FID IID``, ``IID`` or ``#IID``, then the
    traits. Cells are parted by tabs where the first line holds one, else by any white space.
    ``NA``, ``NaN``, ``.`` and, between tabs, nothing are missing; every other cell is a number
    (-9 is a number like any other).

    Parameters
    ----------
    path
        The file, UTF-8.
    names
        Traits wanted, in this order; all where empty.

    Returns
    -------
    pandas.DataFrame
        One float64 column per trait, indexed by sample id (``IID``, str) in file order.

    Raises
    ------
    GeneticsError
        SC-530 a table that cannot be read, SC-531 a person twice, SC-532 a cell that is no
        number, SC-537 a trait that is not there.
    """
    lines = _lines(path)
    tabbed = "\t" in lines[0]
    header = [cell.strip() for cell in (lines[0].split("\t") if tabbed else lines[0].split())]
    keys = _keys(header, path)
    _require_even(lines, len(header), tabbed, path=path)
    chosen = _chosen(header[keys:], list(names), path)
    plain = _plain_numbers(lines, header, keys=keys, chosen=chosen) if tabbed else None
    if plain is not None:
        _require_once(plain.index.to_series(), path)
        return plain
    table = pd.read_csv(
        io.StringIO("\n".join(lines)),
        sep="\t" if tabbed else r"\s+",
        header=0,
        names=header,
        usecols=[header[keys - 1], *chosen],
        dtype={header[keys - 1]: str},
        na_values={name: list(_UNKNOWN) for name in chosen},
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        float_precision="round_trip",
        low_memory=False,
    )
    ids = table[header[keys - 1]].str.strip()
    _require_once(ids, path)
    numbers = {name: _numbers(table[name], path) for name in chosen}
    return pd.DataFrame(numbers, index=pd.Index(ids, name="sample_id"), columns=chosen)


def _plain_numbers(
    lines: list[str], header: list[str], *, keys: int, chosen: list[str]
) -> pd.DataFrame | None:
    """Read cells that all are finite numbers or unknown, many times as fast; None for others."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    kinds = {header[keys - 1]: pa.string()} | dict.fromkeys(chosen, pa.float64())
    try:
        table = pa_csv.read_csv(
            pa.BufferReader("\n".join(lines[1:]).encode()),
            read_options=pa_csv.ReadOptions(column_names=header),
            parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=list(_UNKNOWN)
            ),
        )
    except pa.ArrowInvalid:
        return None
    numbers = {name: table[name].to_numpy() for name in chosen}
    if any(np.isinf(values).any() for values in numbers.values()):
        return None
    ids = table[header[keys - 1]].to_pandas().str.strip()
    return pd.DataFrame(numbers, index=pd.Index(ids, name="sample_id"), columns=chosen)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        got = "no such file" if isinstance(cause, FileNotFoundError) else str(cause)
        raise error("SC-530", expected="UTF-8 text", got=got, where=path.name) from cause
    lines = [line for line in text.splitlines() if line.strip()]
    if "\0" in text or len(lines) < 2:
        got = "zero bytes" if "\0" in text else f"{len(lines)} lines"
        raise error("SC-530", expected="a header and people", got=got, where=path.name)
    return lines


def _keys(header: list[str], path: Path) -> int:
    """Return how many columns name the person."""
    first = [header[0].lstrip("#"), *header[1:]]
    for head in _HEADS:
        if tuple(first[: len(head)]) == head:
            break
    else:
        got = " ".join(header[:3])
        raise error("SC-530", expected="`FID IID` or `IID` first", got=got, where=path.name)
    traits = header[len(head) :]
    twice = sorted({name for name in traits if traits.count(name) > 1})
    if not traits or twice or "" in traits:
        got = f"{', '.join(twice)} twice" if twice else "columns without a name"
        raise error(
            "SC-530", expected="traits, each named once", got=got if traits else "none",
            where=path.name,
        )  # fmt: skip
    return len(head)


def _require_even(lines: list[str], cells: int, tabbed: bool, *, path: Path) -> None:
    for number, line in enumerate(lines, start=1):
        found = line.count("\t") + 1 if tabbed else len(line.split())
        if found != cells:
            where = f"{path.name}, line {number} (blank ones not counted)"
            raise error("SC-530", expected=f"{cells} cells", got=str(found), where=where)


def _chosen(traits: list[str], names: list[str], path: Path) -> list[str]:
    absent = [name for name in names if name not in traits]
    if absent:
        listed = ", ".join(traits[:8]) + (" ..." if len(traits) > 8 else "")
        raise error("SC-537", expected=f"one of {listed}", got=", ".join(absent), where=path.name)
    return names or traits


def _require_once(ids: pd.Series, path: Path) -> None:
    repeated = ids[ids.duplicated()]
    if len(repeated):
        got = f"{repeated.iloc[0]!r} more than once, {len(repeated)} such lines in all"
        raise error("SC-531", expected="each person on one line", got=got, where=path.name)


def _numbers(column: pd.Series, path: Path) -> np.ndarray:
    values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
    if column.dtype == bool or wrong.any():
        row = int(wrong.argmax())
        raise error(
            "SC-532",
            expected="a number or NA",
            got=repr(str(column.iloc[row]))[:60],
            where=f"{path.name}, column {column.name}, line {row + 2}",
        )
    return values
