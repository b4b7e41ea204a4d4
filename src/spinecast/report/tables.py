"""Tables of the page: frames in, escaped markup out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from spinecast.report.digits import MISSING, write_interval, write_number, write_p
from spinecast.report.goods import Estimate
from spinecast.report.parts import Table
from spinecast.report.templating import render

Writer = Callable[[Any], str]


def frame_table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    headers: Mapping[str, str] | None = None,
    writers: Mapping[str, Writer] | None = None,
    marks: Sequence[str] = (),
    folded: bool = False,
    max_rows: int = 200,
) -> Table:
    """Turn a frame into a table element; every cell is escaped.

    Parameters
    ----------
    frame
        Rows to show; the index is not shown.
    caption
        What the rows are.
    headers
        Column name -> heading; columns not named keep their name.
    writers
        Column name -> function that writes a cell; numbers are otherwise written with
        three significant digits, NaN and None as a dash. A cell that is already
        :class:`markupsafe.Markup` is taken as it is.
    marks
        One CSS class per row (``"good"``, ``"bad"``, ``"head"`` or empty).
    folded
        Show the caption only, until it is opened.
    max_rows
        Further rows are counted, not shown.

    Returns
    -------
    Table
    """
    names = [str(c) for c in frame.columns]
    numeric = {n: pd.api.types.is_numeric_dtype(frame[n]) for n in names}
    shown = frame.head(max_rows)
    rows = [
        [
            _write_cell(value, (writers or {}).get(name))
            for name, value in zip(names, row, strict=True)
        ]
        for row in shown.itertuples(index=False, name=None)
    ]
    markup = render(
        "table.html.j2",
        caption="" if folded else caption,
        heads=[(headers or {}).get(n, n.replace("_", " ")) for n in names],
        classes=[
            "num" if numeric[n] or _looks_numeric(rows, i) else "" for i, n in enumerate(names)
        ],
        rows=rows,
        marks=[*marks, *[""] * (len(rows) - len(marks))],
        hidden=len(frame) - len(shown),
    )
    return Table(markup, caption=caption, folded=folded)


def write_estimate(estimate: Estimate | None, *, null: float | None = None) -> str:
    """Write an estimate with its interval, or a dash where there is none."""
    if estimate is None:
        return MISSING
    return write_interval(estimate.value, estimate.ci_low, estimate.ci_high, null=null)


def estimates_table(
    estimates: pd.DataFrame,
    *,
    caption: str = "",
    labels: Mapping[str, str] | None = None,
    null: float | None = None,
) -> Table:
    """Show rows of an estimates table: term, estimate with interval, p-value, n."""
    frame = pd.DataFrame(
        {
            "measure": [(labels or {}).get(t, t.replace("_", " ")) for t in estimates["term"]],
            "estimate (95 % interval)": [
                write_interval(e, low, high, null=null)
                for e, low, high in zip(
                    *(_floats(estimates, c) for c in ("estimate", "ci_low", "ci_high")), strict=True
                )
            ],
            "p": [write_p(p) for p in _floats(estimates, "p_value")],
            "n": [write_number(n, 0) for n in _floats(estimates, "n")],
        }
    )
    return frame_table(frame, caption=caption)


def _floats(frame: pd.DataFrame, column: str) -> list[float]:
    if column not in frame.columns:
        return [math.nan] * len(frame)
    return [float(v) for v in pd.to_numeric(frame[column], errors="coerce")]


def _write_cell(value: Any, writer: Writer | None) -> str:
    if isinstance(value, Markup):
        return value
    if writer is not None:
        return writer(value)
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, (int, float)) or hasattr(value, "dtype"):
        return write_number(float(value))
    return str(value)


def _looks_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column] not in {MISSING, ""}]
    return bool(cells) and all(_starts_as_number(c) for c in cells)


def _starts_as_number(cell: str) -> bool:
    # the first letter of markup is the bracket of its tag, not "less than"
    return not isinstance(cell, Markup) and (cell[:1].isdigit() or cell[:1] in "−<")
