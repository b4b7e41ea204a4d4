"""The headline: what was asked, what came out, and the naive alternative beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from spinecast.report.digits import MISSING, write_interval, write_number
from spinecast.report.goods import Estimate, HeadlineRow
from spinecast.report.parts import Section
from spinecast.report.tables import frame_table, write_estimate
from spinecast.report.templating import render


def headline_section(rows: Sequence[HeadlineRow], *, text: str = "") -> Section:
    """Show key numbers as tiles and all of them in a table, with target met or missed.

    Parameters
    ----------
    rows
        In reading order; those with ``key`` become tiles.
    text
        One or two sentences of plain words above.
    """
    tiles = [_tile(row) for row in rows if row.key]
    counted = [verdict(row)[1] for row in rows]
    met, promised = counted.count("met") + counted.count("near"), len(counted) - counted.count("")
    tally = f"{met} of {promised} targets met." if promised else ""
    return Section(
        title="Headline",
        anchor="headline",
        group="Summary",
        markup=render("headline.html.j2", tiles=tiles, text=text, tally=tally),
        tables=(
            frame_table(_frame(rows), caption="Test people only; 95 % intervals in brackets."),
        ),
    )


def verdict(row: HeadlineRow) -> tuple[str, str]:
    """Say plainly whether the target was met: words, and ``met``, ``near``, ``missed`` or empty.

    ``near``: the estimate reaches the target, its interval does not.
    """
    if row.met is not None:
        return ("met", "met") if row.met else ("missed", "missed")
    if row.target is None:
        return ("", "")
    if not row.target.is_met(row.estimate.value):
        return ("missed", "missed")
    has_interval = math.isfinite(row.estimate.ci_low) and math.isfinite(row.estimate.ci_high)
    if has_interval and not row.target.is_met_throughout(row.estimate):
        return ("met, but not by the whole interval", "near")
    return ("met", "met")


def _tile(row: HeadlineRow) -> dict[str, str]:
    text = write_estimate(row.estimate, null=row.null)
    value, _, interval = text.partition(" (")
    words, kind = verdict(row)
    short = {"near": "met, interval reaches below"}.get(kind, words)
    if kind == "near" and row.target is not None and row.target.sense in {"at most", "below"}:
        short = "met, interval reaches above"
    return {
        "what": row.label,
        "value": value,
        "ci": f"95 % CI {interval.rstrip(')')}" if interval else "no interval",
        "beside": _beside(row),
        "chip": f"target {short}" if words else "",
        "kind": kind,
        "target": _target_words(row),
    }


def _frame(rows: Sequence[HeadlineRow]) -> pd.DataFrame:
    columns = ["measure", "estimate", "naive alternative", "target", "verdict", "n"]
    return pd.DataFrame(
        [
            (
                _label(row),
                write_estimate(row.estimate, null=row.null),
                _beside(row) or MISSING,
                _target_words(row) or MISSING,
                _chip(row),
                write_number(row.estimate.n, 0),
            )
            for row in rows
        ],
        columns=columns,
    )


def _label(row: HeadlineRow) -> str | Markup:
    """Return the label, the comment beneath it: a column of its own would not fit the page."""
    if not row.comment:
        return row.label
    return Markup('{}<br><span class="remark">{}</span>').format(row.label, row.comment)


def _chip(row: HeadlineRow) -> str | Markup:
    words, kind = verdict(row)
    return Markup('<span class="chip {}">{}</span>').format(kind, words) if words else MISSING


def _beside(row: HeadlineRow) -> str:
    if row.naive is None:
        return ""
    return f"{row.naive_label or 'naive'}: {_like(row.naive, row)}"


def _like(naive: Estimate, row: HeadlineRow) -> str:
    if math.isfinite(naive.ci_low) or not math.isfinite(row.estimate.ci_low):
        return write_interval(naive.value, naive.ci_low, naive.ci_high, null=row.null)
    # without its own interval it is written with the digits of ours
    ours = write_estimate(row.estimate, null=row.null).partition(" (")[0]
    return write_number(naive.value, len(ours.partition(".")[2]))


def _target_words(row: HeadlineRow) -> str:
    if row.target is None:
        return ""
    return row.target.wording or f"{row.target.sense} {row.target.threshold:g}".replace("-", "−")
