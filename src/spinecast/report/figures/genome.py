"""Pictures of the genome: Manhattan, Miami, quantiles, and one region with its linkage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from spinecast.report.digits import write_number
from spinecast.report.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    as_svg,
    chart_style,
    new_drawing,
    short_name,
    stamp_chart,
)
from spinecast.report.figures.genome_thinning import ThinnedScan
from spinecast.report.parts import Figure

GENOME_WIDE = 7.30103  # -log10 of 5e-8
SUGGESTIVE = 5.0
_DOTS_PER_INCH = 200
_ALTERNATING = (BLUE, SKY)
_MOST_LABELS = 20
# A letter's width and a line's height in a wide drawing, in shares of its axes.
_LETTER, _LINE = 0.0072, 0.045
# r2 classes of the region picture, after the field's custom: colour and size grow together
_LINKAGE = (
    (0.8, VERMILLION, 5.0, "r² ≥ 0.8"),
    (0.6, ORANGE, 4.4, "0.6–0.8"),
    (0.4, GREEN, 3.8, "0.4–0.6"),
    (0.2, SKY, 3.2, "0.2–0.4"),
    (-1.0, BLUE, 2.6, "< 0.2"),
)


@dataclass(frozen=True)
class Region:
    """One region of the genome.

    Attributes
    ----------
    chromosome
        Its name.
    position, neg_log_10_p
        Base pairs and -log10 p of each variant, shape (v,).
    r2
        Squared correlation with the lead, shape (v,); NaN where it is unknown.
    lead
        Place of the lead variant among them.
    lead_name
        What is written beside it.
    genes
        ``name``, ``start``, ``end`` (base pairs) of genes to be drawn beneath; may be None.
    """

    chromosome: str
    position: np.ndarray
    neg_log_10_p: np.ndarray
    r2: np.ndarray
    lead: int
    lead_name: str
    genes: pd.DataFrame | None = None


def draw_manhattan(
    scan: ThinnedScan,
    *,
    title: str,
    simulated: bool,
    leads: pd.DataFrame | None = None,
    threshold: float = GENOME_WIDE,
) -> Figure:
    """Draw -log10 p along the genome.

    Parameters
    ----------
    scan
        Of :func:`~spinecast.report.figures.genome_thinning.thin_scan`.
    title
        The trait.
    simulated
        Stamp the picture.
    leads
        ``chromosome``, ``base_pair_location``, ``neg_log_10_p`` and ``label`` of
        variants to be named; the twenty highest are.
    threshold
        -log10 p of the solid line.
    """
    with chart_style():
        drawing = _wide_drawing(3.6)
        ax = drawing.subplots()
        _draw_genome(ax, scan, threshold=threshold)
        _name_leads(ax, scan, leads)
        ax.set(title=short_name(title), xlabel="chromosome", ylabel="−log₁₀ p")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    return Figure(content, alt=f"Manhattan plot of {title}: {_peaks(scan, threshold)}.",
                  caption=_caption(scan, threshold))  # fmt: skip


def draw_miami(
    upper: ThinnedScan,
    lower: ThinnedScan,
    *,
    titles: tuple[str, str],
    simulated: bool,
    leads: tuple[pd.DataFrame | None, pd.DataFrame | None] = (None, None),
    threshold: float = GENOME_WIDE,
) -> Figure:
    """Draw two scans back to back, the second upside down.

    Parameters
    ----------
    upper, lower
        Thinned scans of the same variants.
    titles
        The two traits.
    simulated, leads, threshold
        As in :func:`draw_manhattan`, one table of leads a scan.
    """
    with chart_style():
        drawing = _wide_drawing(5.6)
        above, below = drawing.subplots(2, 1, sharex=True)
        both = (above, below)
        for ax, scan in zip(both, (upper, lower), strict=True):
            _draw_genome(ax, scan, threshold=threshold)
        _share_height(both)
        for ax, scan, title, named in zip(both, (upper, lower), titles, leads, strict=True):
            _name_leads(ax, scan, named, downwards=ax is below)
            ax.set_ylabel(f"{short_name(title, most=24)}\n−log₁₀ p")
        _share_height(both)
        below.invert_yaxis()
        below.tick_params(labelbottom=False, labeltop=False)
        above.tick_params(labelbottom=True)
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(
        f"{t}: {_peaks(s, threshold)}" for t, s in zip(titles, (upper, lower), strict=True)
    )
    return Figure(content, alt=f"Miami plot. {words}.", caption=_caption(upper, threshold))


def draw_quantiles(
    quantiles: pd.DataFrame, *, title: str, simulated: bool, lambda_gc: float | None = None
) -> Figure:
    """Draw observed against expected -log10 p with the band of independent null tests.

    Parameters
    ----------
    quantiles
        Of :func:`~spinecast.report.figures.genome_thinning.thin_quantiles`.
    title
        The trait.
    simulated
        Stamp the picture.
    lambda_gc
        Written into the picture where given.
    """
    with chart_style():
        drawing = new_drawing(4.4, 4.2)
        drawing.set_dpi(_DOTS_PER_INCH)
        ax = drawing.subplots()
        x = quantiles["expected"].to_numpy()
        ax.fill_between(x, quantiles["low"], quantiles["high"], color=MUTED, alpha=0.25, lw=0)
        top = float(x.max()) if x.size else 1.0
        ax.plot([0, top], [0, top], color=MUTED, linewidth=1)
        ax.plot(x, quantiles["observed"], "o", color=BLUE, ms=2.4, mew=0, rasterized=True)
        words = "" if lambda_gc is None else f"λ = {write_number(lambda_gc, 3)}"
        ax.text(0.04, 0.96, words, transform=ax.transAxes, va="top")
        ax.set(title=short_name(title), xlabel="expected −log₁₀ p", ylabel="observed −log₁₀ p")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    highest = float(quantiles["observed"].max()) if len(quantiles) else 0.0
    return Figure(
        content,
        alt=f"Quantile-quantile plot of {title}: the highest observed is "
        f"{write_number(highest, 1)} where {write_number(top, 1)} is expected. {words}".strip(),
        caption="The line is what a scan without any association shows; the band holds 95 % of "
        "such scans if variants were independent. Linked variants stray farther.",
    )


def draw_region(region: Region, *, title: str, simulated: bool) -> Figure:
    """Draw one region: position, -log10 p, and linkage with the lead as colour and size.

    Parameters
    ----------
    region
        Variants, their linkage with the lead, and genes where they are known.
    title
        The trait.
    simulated
        Stamp the picture.
    """
    genes = region.genes if region.genes is not None and len(region.genes) else None
    with chart_style():
        drawing = new_drawing(7.2, 4.0 if genes is None else 4.9)
        drawing.set_dpi(_DOTS_PER_INCH)
        rows = [1] if genes is None else [4, 1]
        axes = drawing.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)[:, 0]
        _draw_linkage(axes[0], region)
        axes[0].set(title=short_name(title), ylabel="−log₁₀ p")
        if genes is not None:
            _draw_genes(axes[1], genes, region)
        axes[-1].set_xlabel(f"chromosome {region.chromosome} (Mb)")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    peak = float(region.neg_log_10_p[region.lead])
    unknown = int(np.isnan(region.r2).sum())
    return Figure(
        content,
        alt=f"Regional plot of {title} on chromosome {region.chromosome}: "
        f"{region.position.size} variants, the lead {region.lead_name} at -log10 p "
        f"{write_number(peak, 1)}.",
        caption=f"{region.position.size:,} variants. Colour and size: squared correlation with "
        f"the lead (diamond). Hollow: unknown ({unknown:,}).",
    )


def _share_height(axes: Sequence[Axes]) -> None:
    """Give scans one scale, or the weaker one looks like its better."""
    top = max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(0, top)


def _wide_drawing(height: float) -> Drawing:
    drawing = new_drawing(9.0, height)
    drawing.set_dpi(_DOTS_PER_INCH)  # of the points, which are embedded as pixels
    return drawing


def _draw_genome(ax: Axes, scan: ThinnedScan, *, threshold: float) -> None:
    table, axis = scan.table, scan.axis
    even = table["chromosome"].to_numpy() % 2 == 0
    for colour, chosen in zip(_ALTERNATING, (even, ~even), strict=True):
        rows = table[chosen]
        ax.plot(rows["x"], rows["neg_log_10_p"], "o", color=colour, ms=1.9, mew=0, rasterized=True)
    ax.axhline(threshold, color=VERMILLION, linewidth=1)
    ax.axhline(SUGGESTIVE, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    middles = (axis.starts + axis.ends) / 2
    names = [_tick(name, end - start) for name, start, end in
             zip(axis.names, axis.starts, axis.ends, strict=True)]  # fmt: skip
    ax.set_xticks(middles, names)
    ax.grid(visible=False, axis="x")
    highest = float(table["neg_log_10_p"].max()) if len(table) else 1.0
    ax.set(xlim=(-0.005, 1.005), ylim=(0, 1.12 * max(highest, threshold)))


def _tick(name: str, width: float) -> str:
    """Leave out the names of chromosomes too small for theirs, every second of them."""
    small = width < 0.022
    return "" if small and name.isdigit() and int(name) % 2 == 1 else name


def _name_leads(
    ax: Axes, scan: ThinnedScan, leads: pd.DataFrame | None, *, downwards: bool = False
) -> None:
    if leads is None or leads.empty:
        return
    named = leads.nlargest(_MOST_LABELS, "neg_log_10_p")
    x = scan.axis.place(named["chromosome"], named["base_pair_location"])
    y = named["neg_log_10_p"].to_numpy(dtype=np.float64)
    known = np.isfinite(x)
    x, y, labels = x[known], y[known], named["label"].astype(str)[known]
    ax.plot(x, y, "D", color=VERMILLION, ms=3.4, mew=0)
    words = [short_name(label, most=18) for label in labels]
    widths = np.array([_LETTER * len(word) for word in words])
    top = max(ax.get_ylim())
    inside = np.clip(x, widths / 2, 1 - widths / 2)
    heights = _apart(inside, y / top, widths)
    ax.set_ylim(0, max(top, top * (heights.max(initial=0.0) + _LINE)))
    above = heights * top
    for word, point, label in zip(
        words, zip(x, y, strict=True), zip(inside, above, strict=True), strict=True
    ):
        lifted = label[1] - point[1] > 1.5 * _LINE * top
        ax.annotate(
            word, point, xytext=label, ha="center", fontsize=7, color=INK,
            va="top" if downwards else "bottom",
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5} if lifted else None,
        )  # fmt: skip


def _apart(x: np.ndarray, y: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return heights at which labels above points do not write over each other, (k,).

    Each is lifted above those that are there already, the lowest point's label first.

    Parameters
    ----------
    x, y
        Middles of the labels and heights of their points, in shares of the axes, (k,).
    widths
        Of the labels, in shares of the axes, (k,).
    """
    heights = y + _LINE / 3
    done: list[int] = []
    for label in np.argsort(y, kind="stable"):
        near = [k for k in done if 2 * abs(x[k] - x[label]) < widths[k] + widths[label]]
        for k in sorted(near, key=lambda k: heights[k]):
            if abs(heights[k] - heights[label]) < _LINE:
                heights[label] = heights[k] + _LINE
        done.append(int(label))
    return heights


def _peaks(scan: ThinnedScan, threshold: float) -> str:
    high = scan.table[scan.table["neg_log_10_p"] > threshold]
    if high.empty:
        return f"no variant above the line at {write_number(threshold, 2)}"
    names = [scan.axis.names[code] for code in sorted(high["chromosome"].unique())]
    return (
        f"variants above the line at {write_number(threshold, 2)} on chromosomes "
        f"{', '.join(names)}, the highest at {write_number(float(high['neg_log_10_p'].max()), 1)}"
    )


def _caption(scan: ThinnedScan, threshold: float) -> str:
    return (
        f"{scan.n_variants:,} variants; points that cannot be told apart are drawn once "
        f"({len(scan.table):,} drawn). Solid line p = {10**-threshold:.1e}, dashed 1e-5."
    )


def _draw_linkage(ax: Axes, region: Region) -> None:
    mega = region.position / 1e6
    y, r2 = region.neg_log_10_p, region.r2
    others = np.arange(y.size) != region.lead
    unknown = others & np.isnan(r2)
    ax.plot(mega[unknown], y[unknown], "o", mfc="none", mec=MUTED, ms=3, mew=0.7)
    upper = np.inf
    for lower, colour, size, label in _LINKAGE:
        chosen = others & (r2 >= lower) & (r2 < upper)
        ax.plot(mega[chosen], y[chosen], "o", color=colour, ms=size, mew=0, label=label,
                rasterized=True)  # fmt: skip
        upper = lower
    ax.plot(mega[region.lead], y[region.lead], "D", color=PURPLE, ms=7, mew=0)
    ax.annotate(short_name(region.lead_name), (mega[region.lead], y[region.lead]),
                xytext=(7, 3), textcoords="offset points", fontsize=8)  # fmt: skip
    ax.axhline(GENOME_WIDE, color=VERMILLION, linewidth=0.8)
    ax.set_ylim(0, 1.12 * max(float(np.nanmax(y)), GENOME_WIDE))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="r² with the lead")


def _draw_genes(ax: Axes, genes: pd.DataFrame, region: Region) -> None:
    low, high = float(region.position.min()), float(region.position.max())
    inside = genes[(genes["end"] >= low) & (genes["start"] <= high)]
    ends: list[float] = []
    ordered = inside.sort_values("start")
    starts, stops = (ordered[edge].to_numpy(dtype=np.float64) for edge in ("start", "end"))
    for name, start, stop in zip(ordered["name"].astype(str), starts, stops, strict=True):
        row = next((k for k, end in enumerate(ends) if end < start), len(ends))
        ends[row : row + 1] = [float(stop) + 0.04 * (high - low)]
        ax.plot([start / 1e6, stop / 1e6], [-row, -row], color=INK, linewidth=2.2)
        ax.annotate(short_name(name, most=14), (start / 1e6, -row),
                    xytext=(0, 4), textcoords="offset points", fontsize=6.5)  # fmt: skip
    ax.set(yticks=[], ylim=(-len(ends) - 0.2, 1))
    ax.grid(visible=False)


def draw_scans(
    scans: Sequence[tuple[str, ThinnedScan]], *, simulated: bool, threshold: float = GENOME_WIDE
) -> Figure:
    """Draw several scans one beneath the other on one line of the genome.

    Parameters
    ----------
    scans
        Title and thinned scan of each trait, of the same variants.
    simulated, threshold
        As in :func:`draw_manhattan`.
    """
    with chart_style():
        drawing = _wide_drawing(0.6 + 2.0 * len(scans))
        axes = drawing.subplots(len(scans), 1, sharex=True, squeeze=False)[:, 0]
        for ax, (title, scan) in zip(axes, scans, strict=True):
            _draw_genome(ax, scan, threshold=threshold)
            ax.set(title=short_name(title), ylabel="−log₁₀ p")
        axes[-1].set_xlabel("chromosome")
        stamp_chart(drawing, simulated=simulated)
        content = as_svg(drawing)
    words = "; ".join(f"{title}: {_peaks(scan, threshold)}" for title, scan in scans)
    return Figure(content, alt=f"Manhattan plots. {words}.",
                  caption=_caption(scans[0][1], threshold))  # fmt: skip
