"""Delimited text, read as text: no cell is ever interpreted while reading."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spinecast.errors import error

_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_DISARMED = re.compile(r"^'(?=[=+\-@])")
_SEPARATORS = (",", ";", "\t", "|")
MAX_TABLE_BYTES = 1 << 30
MAX_CELL = 10_000


@dataclass(frozen=True)
class RawTable:
    """A table as text.

    Parameters
    ----------
    file
        File name, for messages.
    cells
        Every cell as stripped text; the index is the line number in the file.
    misfits
        Lines whose number of cells differs from the header's: line to number of cells.
    decimal_comma
        True where commas inside numbers are decimal commas (the separator is another).
    """

    file: str
    cells: pd.DataFrame
    misfits: dict[int, int]
    decimal_comma: bool


def read_delimited(path: Path) -> RawTable:
    """Read a CSV file whatever its encoding (UTF-8, UTF-16, Windows) and separator.

    Control and invisible characters are removed; a leading apostrophe that protects
    a spreadsheet from a formula is removed; formulas stay text.

    Raises
    ------
    SpinecastError
        SC-101 empty file, SC-113 file too large, SC-301 a column name twice,
        SC-313 broken quoting, which makes every later row doubtful.
    """
    text = _decoded(path)
    separator = _separator(text)
    rows = _rows(text, separator=separator, file=path.name)
    header = _header(rows, path.name)
    width = len(header)
    kept = [(line, cells) for line, cells in rows[1:] if len(cells) == width]
    cells = pd.DataFrame(
        [cells for _, cells in kept], columns=header, index=[line for line, _ in kept], dtype=object
    )
    misfits = {line: len(cells) for line, cells in rows[1:] if len(cells) != width}
    return RawTable(path.name, cells, misfits, decimal_comma=separator != ",")


def clean_cell(text: str) -> str:
    """Return ``text`` without control or invisible characters and outer space."""
    plain = text.strip()
    # printable ASCII holds nothing to remove but the apostrophe; most cells are that
    if plain.isascii() and plain.isprintable() and plain[:1] != "'" and len(text) <= MAX_CELL:
        return plain
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", text[: MAX_CELL + 1]))
    return _DISARMED.sub("", visible.strip())


def _decoded(path: Path) -> str:
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise error("SC-113", expected="a table of at most 1 GiB", got="more", where=path.name)
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets of western hospitals save in the Windows code page, a superset of latin-1.
        return content.decode("cp1252", errors="replace")


def _separator(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside_quotes = re.sub(r'"[^"]*"', "", first)
    return max(_SEPARATORS, key=outside_quotes.count)


def _rows(text: str, *, separator: str, file: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            cleaned = [clean_cell(cell) for cell in cells]
            if any(cleaned):
                rows.append((line, cleaned))
            line = reader.line_num + 1
    except csv.Error as cause:
        raise error(
            "SC-313",
            expected="quotes that open and close within a cell, and cells under 128 kB",
            got=str(cause),
            where=f"{file}, from line {line}",
        ) from None
    return rows


def _header(rows: list[tuple[int, list[str]]], file: str) -> list[str]:
    if not rows:
        raise error("SC-101", expected="a header line", got="nothing", where=file)
    header = [name or f"column {i + 1}" for i, name in enumerate(rows[0][1])]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise error(
            "SC-320", expected="each column name once", got=f"{repeated[0]!r} twice", where=file
        )
    return header
