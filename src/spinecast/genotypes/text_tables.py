"""The text tables beside genotypes, read as text: cells between blanks, nothing interpreted."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error

# Table of the bytes that no sample id, variant id or allele may hold.
_CONTROL = np.zeros(256, dtype=bool)
_CONTROL[:32] = _CONTROL[127] = True
_CONTROL[[9, 10, 13]] = False
_SLICE = 1 << 22
_LOOKED_AT = 1000
MAX_TABLE_BYTES = 1 << 34


@dataclass(frozen=True)
class TextTable:
    """Cells of a table as text.

    Parameters
    ----------
    file
        File name, for messages.
    cells
        Columns by number from 0, every cell a str.
    first_line
        Line of the file that row 0 stands in.
    header
        Lines before the first row that start with ``#``, without line ends.
    """

    file: str
    cells: pd.DataFrame
    first_line: int
    header: tuple[str, ...]

    def refuse(self, code: str, bad: pd.Series, *, expected: str, column: int) -> None:
        """Raise ``code`` for the first row where ``bad`` is true, saying its line and cell."""
        if not bad.any():
            return
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise error(
            code,
            expected=expected,
            got=repr(str(self.cells.iloc[row, column])[:60]),
            where=f"{self.file}, line {self.first_line + row}",
        )


def read_text_table(path: Path, *, columns: tuple[int, ...] | None = None) -> TextTable:
    """Read a table whose cells are separated by tabs or blanks.

    Parameters
    ----------
    path
        The file; ``.zst`` and ``.gz`` are unpacked.
    columns
        Numbers of cells a line may have; None for any, as long as all lines have the same.

    Raises
    ------
    GeneticsError
        SC-503 the file is missing, SC-505 a line of another length, control characters,
        text that is not UTF-8, no line at all.
    """
    content = _content(path)
    _refuse_control_characters(content, path.name)
    header, start = _header_lines(content, path.name)
    end = content.find(b"\n", start)
    width = len(content[start : end if end >= 0 else len(content)].split())
    allowed = columns or (width,)
    if width == 0 or width not in allowed:
        raise error(
            "SC-505",
            expected=f"{' or '.join(map(str, allowed))} cells" if columns else "a line of cells",
            got=str(width),
            where=f"{path.name}, line {len(header) + 1}",
        )
    cells = _parsed(content, start, width=width, file=path.name, above=len(header))
    table = TextTable(path.name, cells, len(header) + 1, header)
    short = cells[width - 1].isna() | (cells[width - 1] == "")
    table.refuse("SC-505", short, expected=f"{width} cells", column=0)
    return table


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise error("SC-503", expected="a file", got="none of that name", where=path.name)
    if path.suffix not in {".zst", ".gz"}:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise error("SC-505", expected="at most 16 GiB", got="more", where=path.name)
        return path.read_bytes()
    import pyarrow as pa

    codec = {".zst": "zstd", ".gz": "gzip"}[path.suffix]
    parts, length = [], 0
    try:
        with pa.input_stream(str(path), compression=codec) as stream:
            while part := stream.read(_SLICE):
                parts.append(part)
                length += len(part)
                if length > MAX_TABLE_BYTES:
                    raise error("SC-505", expected="at most 16 GiB", got="more", where=path.name)
    except OSError as cause:
        raise error(
            "SC-505", expected=f"{codec} data", got=str(cause)[:80], where=path.name
        ) from cause
    return b"".join(parts)


def _refuse_control_characters(content: bytes, file: str) -> None:
    everything = np.frombuffer(content, dtype=np.uint8)
    for start in range(0, len(everything), _SLICE):
        found = np.flatnonzero(_CONTROL[everything[start : start + _SLICE]])
        if found.size:
            place = start + int(found[0])
            raise error(
                "SC-505",
                expected="printable text",
                got=f"the control character {everything[place]:#04x}",
                where=f"{file}, line {content.count(10, 0, place) + 1}",
            )


def _header_lines(content: bytes, file: str) -> tuple[tuple[str, ...], int]:
    lines: list[str] = []
    start = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    while content[start : start + 1] == b"#":
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        try:
            lines.append(content[start:end].decode().rstrip("\r"))
        except UnicodeDecodeError as cause:
            where = f"{file}, line {len(lines) + 1}"
            raise error("SC-505", expected="UTF-8 text", got=str(cause), where=where) from None
        start = end + 1
    return tuple(lines), start


def _parted_by_tabs(content: bytes, start: int, width: int) -> pd.DataFrame | None:
    """Return the cells of a table of even lines with one tab between cells, None for others.

    Most tables are such, and Arrow reads them several times as fast as blanks of any kind are.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    if content.find(b" ", start) >= 0:
        return None
    names = [str(column) for column in range(width)]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(memoryview(content)[start:]),
            read_options=pa_csv.ReadOptions(column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowException:
        return None
    lines = content.count(b"\n", start) + (not content.endswith(b"\n"))
    if table.num_rows != lines or any(_has_empty(column) for column in table.columns):
        return None
    columns = {k: _as_objects(column) for k, column in enumerate(table.columns)}
    return pd.DataFrame(columns, copy=False)


def _has_empty(column: Any) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.equal(column, "")).as_py())


def _as_objects(column: Any) -> Any:
    """Return texts as str objects, one for all that are equal where neighbours often are."""
    start = column.slice(0, _LOOKED_AT)
    return column.to_pandas(deduplicate_objects=2 * len(start.unique()) < len(start))


def _parsed(content: bytes, start: int, *, width: int, file: str, above: int) -> pd.DataFrame:
    by_tabs = _parted_by_tabs(content, start, width)
    if by_tabs is not None:
        return by_tabs
    stream = io.BytesIO(content)
    stream.seek(start)
    try:
        cells = pd.read_csv(
            stream,
            sep=r"\s+",
            header=None,
            names=list(range(width)),
            index_col=False,
            dtype=str,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            skip_blank_lines=False,
        )
    except UnicodeDecodeError as cause:
        raise error("SC-505", expected="UTF-8 text", got=str(cause), where=file) from None
    except pd.errors.ParserError as cause:
        found = re.search(r"line (\d+), saw (\d+)", str(cause))
        got = found[2] if found else str(cause)[:120]
        where = f"{file}, line {int(found[1]) + above}" if found else file
        raise error("SC-505", expected=f"{width} cells", got=got, where=where) from None
    filled = np.flatnonzero(cells[0] != "")
    return cells.iloc[: filled[-1] + 1]  # blank lines at the end are nobody's fault
