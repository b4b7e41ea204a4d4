"""Films of one person side by side, with what changed beneath on one scale."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing

from spinecast.report.digits import write_number
from spinecast.report.figures.canvas import (
    DIFFERENCE,
    ORANGE,
    PLATE_MUTED,
    as_png,
    plate_style,
    stamp_film,
)
from spinecast.report.goods import DrawsData, NeighbourData, Pixels, StripData
from spinecast.report.parts import Figure

_DPI = 160
_HEIGHT = 1.95  # inches of one film
_READABLE = 8.7  # inches of a plate that is shown in its own size
_LETTERS = 10  # bold letters of a title that fit into an inch
_UNDATED = "next film"
_TALLEST = 320  # pixels; larger films are averaged down before they are embedded


@dataclass(frozen=True)
class Panel:
    """One column of a strip: a film, what differs in it beneath, and how sure that is.

    ``spread`` is a standard deviation in units of the window; None leaves its place empty.
    """

    title: str
    pixels: Pixels | None
    generated: bool = False
    difference: Pixels | None = None
    spread: Pixels | None = None


def draw_strip(strip: StripData, *, simulated: bool) -> Figure:
    """Draw baseline, copy, generated futures and the real follow-up over their difference maps.

    All films share one window (0 to 1) and all maps one symmetric scale, so that
    what looks stronger is stronger. Maps show image minus baseline.

    Parameters
    ----------
    strip
        Images of one person.
    simulated
        Stamp every film; generated films are stamped so in any cohort.

    Returns
    -------
    Figure
        PNG of at most about 0.5 MB.
    """
    panels = _strip_panels(strip)
    content, limit = draw_panels(panels, title=strip.label, against="baseline", simulated=simulated)
    return Figure(content, alt=_strip_words(strip), caption=strip_caption(limit, "baseline"))


def draw_panels(
    panels: Sequence[Panel], *, title: str, against: str, simulated: bool
) -> tuple[bytes, float]:
    """Draw films over their difference maps, and over their spread where any panel has one.

    Parameters
    ----------
    panels
        In reading order; films and maps are stamped.
    title
        Whose films they are.
    against
        What the differences are taken from, in a word or two.
    simulated
        Stamp every film; generated films are stamped so in any cohort.

    Returns
    -------
    content : bytes
        PNG.
    limit : float
        Ends of the difference scale, plus and minus.
    """
    limit = _common_limit([p.difference for p in panels])
    top = _largest([p.spread for p in panels])
    rows = 3 if any(p.spread is not None for p in panels) else 2
    letters = max(1.0, _width_of([p.pixels for p in panels])[1] / _READABLE)
    stamp = partial(stamp_film, simulated=simulated, letters=letters)
    with plate_style(letters=letters):
        drawing, axes = _plate(rows, [p.pixels for p in panels], title=title, letters=letters)
        for panel, column in zip(panels, axes.T, strict=True):
            _show_film(column[0], panel.pixels, title=panel.title)
            stamp(column[0], generated=panel.generated)
            _show_change(column[1], panel, limit=limit, against=against)
            if panel.difference is not None:
                stamp(column[1], generated=False)
            if rows > 2:
                _show_spread(column[2], panel, top=top)
        _scale_bar(drawing, axes[1], limit=limit)
        if rows > 2:
            _spread_bar(drawing, axes[2], top=top)
        return as_png(drawing, dpi=_DPI), limit


def strip_caption(limit: float, against: str) -> str:
    """Say how the maps beneath films are to be read."""
    return (
        f"Above: films at equal window. Below: film minus {against}, in units of that window; "
        f"orange brighter, blue darker, black no change (±{limit:.2f})."
    )


def draw_draws(draws: DrawsData, *, simulated: bool) -> Figure:
    """Draw every draw of one future, their mean and where they disagree (standard deviation)."""
    images = np.asarray(draws.draws, dtype=np.float32)
    spread = images.std(axis=0)
    columns = math.ceil((len(images) + 2) / 2)
    top = max(float(np.quantile(spread, 0.995)), 1e-3)
    with plate_style():
        title = f"{draws.label}: {len(images)} draws, {_when(draws.horizon)}"
        drawing, axes = _plate(2, [images[0]] * columns, title=title)
        flat = axes.ravel()
        for position, image in enumerate(images):
            _show_film(flat[position], image, title=f"draw {position + 1}")
            stamp_film(flat[position], simulated=simulated, generated=True)
        _show_film(flat[len(images)], images.mean(axis=0), title="mean")
        stamp_film(flat[len(images)], simulated=simulated, generated=True)
        map_axis = flat[len(images) + 1]
        _show_film(map_axis, spread / top, title=f"sd, 0 to {top:.2f}")
        stamp_film(map_axis, simulated=simulated)
        for spare in flat[len(images) + 2 :]:
            spare.set_axis_off()
        content = as_png(drawing, dpi=_DPI)
    return Figure(
        content,
        alt=f"{len(images)} generated films of {draws.label}, their mean and the map of their "
        f"standard deviation, {_when(draws.horizon)}.",
        caption="Equal window for all films. The last panel is the standard deviation (sd) over "
        f"draws, in units of the film's window (0 to 1): black is 0, white {top:.2f} or more.",
    )


def draw_neighbours(neighbours: Sequence[NeighbourData], *, simulated: bool) -> Figure:
    """Draw generated films over their nearest training film: a model must not recite."""
    with plate_style():
        drawing, axes = _plate(2, [n.generated for n in neighbours], title="")
        for neighbour, upper, lower in zip(neighbours, axes[0], axes[1], strict=True):
            _show_film(upper, neighbour.generated, title=neighbour.label)
            stamp_film(upper, simulated=simulated, generated=True)
            mark = "\nFLAGGED" if neighbour.flagged else ""
            _show_film(lower, neighbour.nearest, title=f"r = {neighbour.similarity:.3f}{mark}")
            if neighbour.flagged:
                lower.title.set_color(ORANGE)
            stamp_film(lower, simulated=simulated)
        content = as_png(drawing, dpi=_DPI)
    flagged = sum(n.flagged for n in neighbours)
    return Figure(
        content,
        alt=f"{len(neighbours)} generated films above their nearest training film; "
        f"{flagged} flagged as too close.",
        caption="Above: generated. Below: the most similar training film of another person.",
    )


def shrink(image: Pixels, *, tallest: int = _TALLEST) -> Pixels:
    """Average a film down until it is at most ``tallest`` rows: the page stays small."""
    factor = math.ceil(image.shape[0] / tallest)
    if factor <= 1:
        return np.asarray(image, dtype=np.float32)
    rows, columns = (n - n % factor for n in image.shape)
    blocks = np.asarray(image[:rows, :columns], dtype=np.float32)
    blocks = blocks.reshape(rows // factor, factor, columns // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _strip_panels(strip: StripData) -> list[Panel]:
    def changed(title: str, pixels: Pixels, *, generated: bool) -> Panel:
        return Panel(title, pixels, generated, pixels - strip.baseline)

    panels = [Panel("baseline", strip.baseline)]
    if strip.reconstruction is not None:
        panels.append(changed("copy", strip.reconstruction, generated=True))
    for horizon, image in zip(strip.horizons, strip.generated, strict=True):
        panels.append(changed(_ahead(horizon), image, generated=True))
    if strip.follow_up is None:
        return panels
    dated = math.isfinite(strip.follow_up_years)
    years = f"+{strip.follow_up_years:.1f} y" if dated else _UNDATED
    if strip.generated_at_follow_up is not None:
        panels.append(changed(years, strip.generated_at_follow_up, generated=True))
    panels.append(changed(f"real {years}", strip.follow_up, generated=False))
    return panels


def _common_limit(differences: Sequence[Pixels | None]) -> float:
    known = [np.abs(d).ravel() for d in differences if d is not None]
    if not known:
        return 0.1
    top = float(np.nanquantile(np.concatenate(known), 0.995))
    return max(math.ceil(top * 20) / 20, 0.05)


def _largest(spreads: Sequence[Pixels | None]) -> float:
    known = [np.asarray(s).ravel() for s in spreads if s is not None]
    return max(float(np.nanquantile(np.concatenate(known), 0.995)), 1e-3) if known else 1.0


def _width_of(films: Sequence[Pixels | None]) -> tuple[float, float]:
    """Return the width in inches of one film, and of a plate of all side by side."""
    shape = next(f.shape for f in films if f is not None)
    width = max(_HEIGHT * shape[1] / shape[0], 0.9)
    return width, len(films) * (width + 0.12) + 0.7


def _plate(
    rows: int, films: Sequence[Pixels | None], *, title: str, letters: float = 1.0
) -> tuple[Drawing, np.ndarray]:
    _, wide = _width_of(films)
    lines = textwrap.wrap(title, max(int(wide * _LETTERS / letters), 8))
    high = rows * (_HEIGHT + 0.28 * letters) + 0.12 + 0.2 * letters * len(lines)
    drawing = Drawing(figsize=(wide, high), layout="constrained")
    axes = drawing.subplots(rows, len(films), squeeze=False)
    if lines:
        words = "\n".join(lines)
        drawing.suptitle(words, fontsize=10 * letters, fontweight="bold", x=0.012, ha="left")
    return drawing, axes


def _show_film(ax: Axes, pixels: Pixels | None, *, title: str) -> None:
    ax.set_axis_off()
    if pixels is None:
        return
    ax.imshow(shrink(pixels), cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
    ax.set_title(title)


def _show_change(ax: Axes, panel: Panel, *, limit: float, against: str) -> None:
    ax.set_axis_off()
    if panel.difference is None:
        ax.text(
            0.5,
            0.5,
            f"change\nfrom\n{against}",
            ha="center",
            va="center",
            transform=ax.transAxes,
            color=PLATE_MUTED,
        )
        return
    shown = shrink(panel.difference)
    ax.imshow(shown, cmap=DIFFERENCE, vmin=-limit, vmax=limit, interpolation="lanczos")


def _scale_bar(drawing: Drawing, axes: np.ndarray, *, limit: float) -> None:
    mapping = ScalarMappable(Normalize(-limit, limit), DIFFERENCE)
    bar = drawing.colorbar(mapping, ax=list(axes), fraction=0.018, pad=0.01, aspect=22)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.2f}", "0", f"+{limit:.2f}"])
    bar.outline.set_visible(False)  # type: ignore[operator]


def _show_spread(ax: Axes, panel: Panel, *, top: float) -> None:
    ax.set_axis_off()
    if panel.spread is not None:
        shown = shrink(panel.spread)
        ax.imshow(shown, cmap="gray", vmin=0, vmax=top, interpolation="lanczos")


def _spread_bar(drawing: Drawing, axes: np.ndarray, *, top: float) -> None:
    mapping = ScalarMappable(Normalize(0, top), "gray")
    bar = drawing.colorbar(mapping, ax=list(axes), fraction=0.018, pad=0.01, aspect=22)
    bar.set_ticks([0, top], labels=["sd 0", f"{top:.3f}"])
    bar.outline.set_visible(False)  # type: ignore[operator]


def _strip_words(strip: StripData) -> str:
    dated = [write_number(h) for h in strip.horizons if _is_dated(h)]
    ahead = [f"generated {', '.join(dated)} years ahead"] if dated else []
    if len(dated) < len(strip.horizons):
        ahead.append(f"generated {_UNDATED}")
    later = ""
    if strip.follow_up is not None and math.isfinite(strip.follow_up_years):
        later = f", and the film really taken {strip.follow_up_years:.1f} years later"
    elif strip.follow_up is not None:
        later = f", and the {_UNDATED}, really taken at a time that is not known"
    return (
        f"Films of {strip.label}: {', '.join(['baseline', *ahead])}{later}; "
        "beneath each, the difference from baseline."
    )


def _is_dated(years: float) -> bool:
    # an unknown gap is kept as NaN or 0: no future lies 0 years ahead
    return math.isfinite(years) and years > 0


def _ahead(years: float) -> str:
    return f"+{write_number(years)} y" if _is_dated(years) else _UNDATED


def _when(years: float) -> str:
    if not _is_dated(years):
        return _UNDATED
    return f"{write_number(years)} {'year' if years == 1 else 'years'} ahead"
