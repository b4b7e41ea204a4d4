"""Ten million test statistics as the few thousand points that a picture can show.

A picture has about a million pixels; two points in one pixel look like one. Of
each small cell one point is kept, and every point above the line of interest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ORDER = {name: rank for rank, name in enumerate([*map(str, range(1, 23)), "X", "Y", "XY", "MT"])}
_GAP = 0.004  # of the genome, between chromosomes
_TAIL = 2.0  # -log10 p from which quantiles are taken point by point
_BINS = 200  # a unit of -log10 p, below
_SPAN = 1 << 15
_MOST_HIGH = 20_000


@dataclass(frozen=True)
class GenomeAxis:
    """Where chromosomes lie on one line.

    Attributes
    ----------
    names
        Chromosomes in genome order.
    starts, ends
        Their places on the axis, shape (c,), in units of the whole axis.
    first, last
        Lowest and highest position of each, base pairs, shape (c,).
    """

    names: tuple[str, ...]
    starts: FloatArray
    ends: FloatArray
    first: FloatArray
    last: FloatArray

    def place(self, chromosome: Any, position: Any) -> FloatArray:
        """Return the place on the axis of each (chromosome, position), shape (k,); NaN off it."""
        rank = pd.Series(chromosome).map({name: i for i, name in enumerate(self.names)})
        known = rank.notna().to_numpy()
        codes: IntArray = np.asarray(rank.fillna(0), dtype=np.int64)
        return np.where(known, self.of_codes(codes, np.asarray(position, float)), np.nan)

    def of_codes(self, codes: IntArray, position: Any) -> FloatArray:
        """Return the place on the axis where the chromosome is given by its number in ``names``."""
        width = np.maximum(self.last - self.first, 1.0)
        scale = (self.ends - self.starts) / width
        shift = self.starts - self.first * scale
        return shift[codes] + position * scale[codes]


@dataclass(frozen=True)
class ThinnedScan:
    """Points of a scan that a picture shows.

    Attributes
    ----------
    axis
        The line the genome is laid out on.
    table
        ``row`` (place in the scan), ``chromosome`` (number in ``axis.names``),
        ``x`` (place on the axis), ``neg_log_10_p``.
    n_variants
        Variants with a p-value in the whole scan.
    """

    axis: GenomeAxis
    table: pd.DataFrame
    n_variants: int


def thin_scan(
    chromosome: Any,
    position: Any,
    neg_log_10_p: Any,
    *,
    keep_above: float = 7.301,
    cells: tuple[int, int] = (1400, 420),
) -> ThinnedScan:
    """Keep the points that can be told apart in a picture of the whole genome.

    Parameters
    ----------
    chromosome, position, neg_log_10_p
        Shape (v,) each, in any order; NaN where there is no result. Infinite ones
        (p-values that a file rounded to 0) are shown at the highest finite one.
    keep_above
        Every point above it is kept (the highest 20,000 of them).
    cells
        Columns and rows of cells that keep one point each.
    """
    y = np.asarray(neg_log_10_p, dtype=np.float64)
    where = np.asarray(position)
    codes, names = _codes(chromosome)
    axis, highest, count = _survey(names, codes, where, y=y)
    rows = _kept(axis, codes, where, y=y, highest=highest, keep_above=keep_above, cells=cells)
    table = pd.DataFrame(
        {
            "row": rows,
            "chromosome": codes[rows],
            "x": axis.of_codes(codes[rows], where[rows].astype(np.float64)),
            "neg_log_10_p": np.minimum(y[rows], highest),
        }
    )
    return ThinnedScan(axis, table, count)


def _blocks(size: int) -> Iterator[slice]:
    """Yield spans of rows short enough for the processor's cache: ten times faster than whole."""
    for start in range(0, size, _SPAN):
        yield slice(start, min(start + _SPAN, size))


def _codes(chromosome: Any) -> tuple[IntArray, tuple[str, ...]]:
    """Give each row its chromosome's number in genome order; -1 where it is missing."""
    column = pd.Series(chromosome)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, found = column.cat.codes.to_numpy(), [str(c) for c in column.cat.categories]
        used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(found)))
    else:
        codes, unique = pd.factorize(column)
        found = [str(name) for name in unique]
        used = np.arange(len(found))
    order = sorted(used, key=lambda code: (_ORDER.get(found[code], len(_ORDER)), found[code]))
    renamed = np.full(len(found) + 1, -1, dtype=np.int64)  # the last stands for -1
    renamed[order] = np.arange(len(order))
    return renamed[codes], tuple(found[code] for code in order)


def _survey(
    names: tuple[str, ...], codes: IntArray, position: Any, *, y: FloatArray
) -> tuple[GenomeAxis, float, int]:
    """Return the axis, the highest finite value and the number of values."""
    first, last = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    highest, count = 0.0, 0
    for rows in _blocks(y.size):
        part, code, place = y[rows], codes[rows], position[rows]
        known = (part >= 0) & (code >= 0)
        if not known.all():
            part, code, place = part[known], code[known], place[known]
        if part.size:
            count += part.size
            highest = max(highest, float(part[np.isfinite(part)].max(initial=0.0)))
            # runs of one chromosome, as scans are written, make this a handful of reductions
            edges = np.flatnonzero(np.diff(code, prepend=-1))
            np.minimum.at(first, code[edges], np.minimum.reduceat(place, edges))
            np.maximum.at(last, code[edges], np.maximum.reduceat(place, edges))
    first, last = np.where(first > last, 0.0, first), np.where(first > last, 0.0, last)
    widths = np.maximum(last - first, 1.0)
    widths = widths / widths.sum() * (1 - _GAP * max(len(names) - 1, 0))
    starts = np.cumsum(widths) - widths + _GAP * np.arange(len(names))
    return GenomeAxis(names, starts, starts + widths, first, last), highest, count


def _kept(
    axis: GenomeAxis,
    codes: IntArray,
    position: Any,
    *,
    y: FloatArray,
    highest: float,
    keep_above: float,
    cells: tuple[int, int],
) -> IntArray:
    columns, rows = cells
    holder = np.full(columns * rows, -1, dtype=np.int64)
    above = [np.zeros(0, dtype=np.int64)]
    scale = rows / max(highest, 1.0)
    for span in _blocks(y.size):
        part, code = np.minimum(y[span], highest), codes[span]
        chosen = np.flatnonzero((part >= 0) & (code >= 0))
        part, code = part[chosen], code[chosen]
        chosen += span.start
        x = axis.of_codes(code, position[chosen])
        column = np.minimum((x * columns).astype(np.int64), columns - 1)
        row = np.minimum((part * scale).astype(np.int64), rows - 1)
        holder[column * rows + row] = chosen
        above.append(chosen[part > keep_above])
    high = np.concatenate(above)
    if high.size > _MOST_HIGH:
        high = high[np.argpartition(y[high], -_MOST_HIGH)[-_MOST_HIGH:]]
    return np.union1d(holder[holder >= 0], high)


def thin_quantiles(neg_log_10_p: Any, *, most: int = 1500) -> pd.DataFrame:
    """Return points of the quantile-quantile plot, with the band of independent tests.

    Below p = 0.01 quantiles are taken at the ranks; above, at steps of
    1 / 200 in -log10 p, whose ranks are counted exactly.

    Parameters
    ----------
    neg_log_10_p
        Shape (v,); NaN is left out.
    most
        Most points of the tail; always with the highest hundred.

    Returns
    -------
    pandas.DataFrame
        ``expected``, ``observed``, ``low`` and ``high`` (95 % of samples of
        independent null tests lie between), from the highest down. Linked
        variants stray farther than the band.
    """
    from scipy import special

    y = np.asarray(neg_log_10_p, dtype=np.float64)
    tail, counts, n = _tail_and_counts(y)
    picks = _spread(tail.size, most)
    bulk_rank, bulk_value = _bulk(counts, tail.size)
    rank = np.concatenate([picks + 0.5, bulk_rank])
    keep = (rank > 0) & (rank < n)
    rank, observed = rank[keep], np.concatenate([tail[picks], bulk_value])[keep]
    limits = [special.betaincinv(rank + 0.5, n - rank + 0.5, level) for level in (0.975, 0.025)]
    with np.errstate(divide="ignore"):
        low, high = (-np.log10(limit) for limit in limits)
    return pd.DataFrame(
        {"expected": -np.log10(rank / n), "observed": observed, "low": low, "high": high}
    )


def _spread(size: int, most: int) -> IntArray:
    """Choose ranks: the first hundred, then ever sparser."""
    if size <= most:
        return np.arange(size)
    steps = np.geomspace(1, size, most - 100).round().astype(np.int64) - 1
    return np.unique(np.concatenate([np.arange(100), steps]))


def _tail_and_counts(y: FloatArray) -> tuple[FloatArray, IntArray, int]:
    """Return values above the tail's start from the highest, counts by step below, and n."""
    steps = int(_TAIL * _BINS)
    counts = np.zeros(steps + 1, dtype=np.int64)
    above = [np.zeros(0)]
    for rows in _blocks(y.size):
        part = y[rows]
        above.append(part[part > _TAIL])
        low = part[part <= _TAIL]
        # a value in bin k lies in (k - 1, k] / _BINS
        counts += np.bincount(np.ceil(low * _BINS).astype(np.int64), minlength=steps + 1)
    tail = np.sort(np.concatenate(above))[::-1]
    finite = tail[np.isfinite(tail)]
    tail = np.minimum(tail, finite.max(initial=_TAIL))
    return tail, counts, tail.size + int(counts.sum())


def _bulk(counts: IntArray, above: int) -> tuple[FloatArray, FloatArray]:
    """Return how many tests exceed each step of -log10 p below the tail, and the steps."""
    exceeding = above + counts[::-1].cumsum()[::-1] - counts
    values = np.arange(counts.size) / _BINS
    return exceeding[::-1].astype(np.float64), values[::-1]
