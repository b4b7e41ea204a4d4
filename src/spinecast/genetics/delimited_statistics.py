"""Large delimited tables of statistics, written and read a block of rows at a time.

A genome-wide table has ten million rows: compiled loops write it and Arrow reads it in seconds
where a loop over cells in Python takes minutes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import map_blocks
from spinecast.errors import error
from spinecast.files import atomic_path
from spinecast.genetics.text_columns import column_bytes, rows_with

MISSING = "#NA"
_MISSING_WORDS = ["#NA", "NA", "N/A", "NaN", "nan", ""]
_ROWS = 1 << 14
# Blocks held in memory at a time.
_BLOCKS = 64
_EXPONENT = re.compile(r"^\s*([0-9.]+)[eE](-[0-9]+)\s*$")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers as they are written.

    Attributes
    ----------
    numbers
        (v,); NaN where unknown.
    digits
        Most significant digits.
    """

    numbers: NDArray[Any]
    digits: int = 6

    def __len__(self) -> int:
        return self.numbers.size


@dataclass(frozen=True)
class PValues:
    """A column of p-values, of which none is written as zero.

    Attributes
    ----------
    log10_p
        -log10 of each, (v,).
    """

    log10_p: NDArray[np.float64]

    def __len__(self) -> int:
        return self.log10_p.size


def whole_numbers(values: Any) -> Numbers:
    """Return counts or positions, of up to ten digits, as a column; NaN where unknown."""
    return Numbers(np.rint(np.asarray(values, dtype=np.float64)), 10)


def write_columns(
    path: Path, columns: Mapping[str, Any], *, separator: str, missing: str = MISSING
) -> None:
    """Write columns as delimited text, whole or not at all; ``.gz`` is compressed.

    Blocks of rows are written and compressed side by side on all cores, each a member of its
    own of the ``.gz`` file, as the format allows: every reader puts them together.

    Parameters
    ----------
    path
        Target file.
    columns
        Name to values, (v,) each: :class:`Numbers`, :class:`PValues`, or texts as a NumPy
        array, a pandas or an Arrow column.
    separator
        Between cells.
    missing
        Written for what is unknown.

    Raises
    ------
    GeneticsError
        SC-550 where a text holds the separator, a quote or a line break.
    """
    import pyarrow as pa

    cells = {name: _cells(values, separator, path) for name, values in columns.items()}
    first = next(iter(cells.values()))
    rows = len(first) if isinstance(first, Numbers | PValues) else first[1].size - 1
    blocks = [
        _Block(cells, slice(start, min(start + _ROWS, rows)), separator, missing, path.suffix)
        for start in range(0, max(rows, 1), _ROWS)
    ]
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as handle:
        handle.write(_packed((separator.join(columns) + "\n").encode(), path.suffix))
        for start in range(0, len(blocks), _BLOCKS):
            for content in map_blocks(_lines, blocks[start : start + _BLOCKS], label="tables"):
                handle.write(content)


_Cells = tuple[NDArray[np.uint8], NDArray[Any]]


@dataclass(frozen=True)
class _Block:
    """Some rows of a table."""

    cells: Mapping[str, Numbers | PValues | _Cells]
    rows: slice
    separator: str
    missing: str
    suffix: str


def _lines(block: _Block) -> bytes:
    """Write and compress the rows of a block."""
    from spinecast.genetics.text_cells import join_cells, number_cells, p_value_cells

    columns: list[_Cells] = []
    for column in block.cells.values():
        if isinstance(column, Numbers):
            columns.append(number_cells(column.numbers[block.rows], column.digits))
        elif isinstance(column, PValues):
            columns.append(p_value_cells(column.log10_p[block.rows]))
        else:
            text, ends = column
            columns.append((text, ends[block.rows.start : block.rows.stop + 1]))
    text = join_cells(columns, separator=block.separator, missing=block.missing)
    return _packed(text.tobytes(), block.suffix)


def _packed(content: bytes, suffix: str) -> bytes:
    if suffix != ".gz":
        return content
    # a quarter of zlib's time for smaller files
    from isal import igzip

    # neither name nor time in the header: equal tables give equal bytes
    return igzip.compress(content, mtime=0)


def _cells(values: Any, separator: str, path: Path) -> Numbers | PValues | _Cells:
    """Return a column's texts as bytes, and where each ends; numbers wait for their block."""
    if isinstance(values, Numbers | PValues):
        return values
    letters, bounds = column_bytes(values)
    dividing = rows_with((letters, bounds), f'{separator}"\r\n'.encode())
    if dividing.size:
        row = dividing[0]
        text = letters[bounds[row] : bounds[row + 1]].tobytes().decode()
        raise error("SC-550", expected="names without separators, quotes and line breaks",
                    got=f"{text[:200]!r} (row {row})", where=path.name)  # fmt: skip
    return letters, bounds


def read_text_columns(path: Path, *, numbers: Sequence[str]) -> pd.DataFrame:
    """Read tab-separated statistics; texts stay texts, p-values below 1e-308 are kept.

    Parameters
    ----------
    path
        ``.tsv`` or ``.tsv.gz``, with a header line.
    numbers
        Columns to be read as numbers where they are there.

    Returns
    -------
    pandas.DataFrame
        With ``p_value`` and ``neg_log_10_p_value`` where the file has either.

    Raises
    ------
    GeneticsError
        SC-554 where the file is empty, cut off or not a table of such columns.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    kinds: dict[str, Any] = dict.fromkeys(numbers, pa.float64())
    kinds |= dict.fromkeys(_TEXTS, pa.string()) | {"base_pair_location": pa.int64()}
    try:
        table = pa_csv.read_csv(
            path,
            parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=kinds, null_values=_MISSING_WORDS, strings_can_be_null=True
            ),
        )
        frame = table.to_pandas()
    except (OSError, EOFError, pa.ArrowException, UnicodeDecodeError) as cause:
        raise error("SC-554", expected="a tab-separated table with a header", where=path.name,
                    got=str(cause)[:300]) from None  # fmt: skip
    for name in ("p_value", "neg_log_10_p_value"):
        if name in frame.columns:
            return _with_p_values(frame, name, where=path.name)
    return frame


_TEXTS = (
    "chromosome", "effect_allele", "other_allele", "p_value", "neg_log_10_p_value",
    "variant_id", "rsid", "study_variant_id", "ref_allele",
)  # fmt: skip


def _with_p_values(frame: pd.DataFrame, name: str, *, where: str) -> pd.DataFrame:
    numbers = pd.to_numeric(frame[name], errors="coerce")
    unreadable = frame[name].notna() & numbers.isna()
    if unreadable.any():
        raise error("SC-554", expected="numbers", got=repr(frame[name][unreadable].iloc[0]),
                    where=f"{where}, column {name}")  # fmt: skip
    values = numbers.to_numpy(dtype=np.float64)
    if name == "neg_log_10_p_value":
        return frame.assign(p_value=10.0**-values, neg_log_10_p_value=values)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = -np.log10(values)
    for row in np.flatnonzero(values < 1e-290):
        parts = _EXPONENT.match(str(frame[name].iloc[row]))
        if parts and float(parts[1]) > 0:
            tail[row] = -(np.log10(float(parts[1])) + int(parts[2]))
    return frame.assign(p_value=values, neg_log_10_p_value=tail)
