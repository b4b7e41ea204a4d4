"""Large delimited tables of statistics, written and read a block of rows at a time.

A genome-wide table has ten million rows: Arrow writes and reads it in seconds
where a loop over cells takes minutes.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.files import atomic_path

MISSING = "#NA"
_MISSING_WORDS = ["#NA", "NA", "N/A", "NaN", "nan", ""]
_ROWS = 500_000
_COMPRESSION = 4  # a tenth of the time of level 9 on such tables, files 8 % larger
_SMALLEST_LOG = 290.0  # below, a product with a power of ten would overflow
_EXPONENT = re.compile(r"^\s*([0-9.]+)[eE](-[0-9]+)\s*$")


def significant_digits(values: NDArray[np.float64], digits: int = 6) -> NDArray[np.float64]:
    """Round to ``digits`` significant digits, so that the shortest text has no more."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(values)))
        scale = 10.0 ** np.clip(places, -300, 300)
        rounded = np.round(values * scale) / scale
    return np.where(np.isfinite(rounded), rounded, values)


def p_value_text(neg_log_10: NDArray[np.float64]) -> Any:
    """Return p-values as an Arrow column of text that never underflows to zero.

    Parameters
    ----------
    neg_log_10
        -log10 of each p-value, shape (v,).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    p_value = significant_digits(10.0 ** -np.minimum(neg_log_10, _SMALLEST_LOG))
    texts = pc.cast(pa.array(p_value, from_pandas=True), pa.string())
    tiny = neg_log_10 >= _SMALLEST_LOG
    if not tiny.any():
        return texts
    exact = pa.array([_power_of_ten(-value) for value in neg_log_10[tiny]], pa.string())
    return pc.replace_with_mask(texts, pa.array(tiny), exact)


def _power_of_ten(exponent: float) -> str:
    if np.isinf(exponent):
        return "0"  # the scan itself knew no more
    whole = int(np.floor(exponent))
    mantissa = round(10.0 ** (exponent - whole), 5)
    if mantissa >= 10:
        mantissa, whole = mantissa / 10, whole + 1
    return f"{mantissa:g}e{whole}"


def write_columns(
    path: Path, columns: Mapping[str, Any], *, separator: str, missing: str = MISSING
) -> None:
    """Write columns as delimited text, whole or not at all; ``.gz`` is compressed.

    Parameters
    ----------
    path
        Target file.
    columns
        Name to values, (v,) each: NumPy arrays, pandas or Arrow columns.
    separator
        Between cells.
    missing
        Written for NaN and None.

    Raises
    ------
    GeneticsError
        SC-550 where a text holds the separator, a quote or a line break.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    table = pa.table({name: _column(values) for name, values in columns.items()})
    options = pa_csv.WriteOptions(
        include_header=False, delimiter=separator, quoting_style="none", batch_size=65_536
    )
    with atomic_path(path) as temporary, _sink(temporary, path.suffix == ".gz") as sink:
        sink.write((separator.join(columns) + "\n").encode())
        for start in range(0, table.num_rows, _ROWS):
            rows = _filled(table.slice(start, _ROWS), missing)
            try:
                pa_csv.write_csv(rows, sink, options)
            except pa.ArrowInvalid as cause:
                raise error("SC-550", expected="names without separators, quotes and line breaks",
                            got=str(cause)[:200], where=path.name) from None  # fmt: skip


def _column(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return pa.array(values, from_pandas=True)


@contextmanager
def _sink(path: Path, compressed: bool) -> Iterator[Any]:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as raw:
        if not compressed:
            yield raw
            return
        # neither name nor time in the header: equal tables give equal bytes
        with gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed:
            yield packed


def _filled(rows: Any, missing: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.fill_null(pc.cast(column, pa.string()), missing) if column.null_count else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)


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
