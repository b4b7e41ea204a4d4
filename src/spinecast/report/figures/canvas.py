"""One look for all figures: colours, fonts, stamps, and the way from axes to bytes.

Charts become SVG whose text stays text and follows the reader's light or dark
scheme; pictures made of pixels become PNG on a dark plate, as films are read.
No pyplot, so that nothing global is left behind and threads do not meet.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from PIL import Image as Picture

from spinecast.report.templating import printable

# Okabe and Ito (2008): told apart by all common colour visions.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
GROUP_COLOURS = {"LL": BLUE, "LH": ORANGE, "HIGH": VERMILLION}

INK, MUTED, RULE, PAPER = "#1d2733", "#5d6b7a", "#d9dfe6", "#fefefe"
PLATE, PLATE_INK, PLATE_MUTED = "#0e1217", "#e8ecf1", "#9aa7b4"
SIMULATED = "SIMULATED"
GENERATED = "GENERATED"
_DARK_SCHEME = {INK: "#e6ebf1", MUTED: "#a0adba", RULE: "#36414d", PAPER: "#161b22"}
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LONGEST_NAME = 40  # letters
_STAMP_HEIGHT = 0.15  # inches
_SYMBOLS = ("o", "s", "^", "D", "v", "P")

DIFFERENCE: Colormap = LinearSegmentedColormap.from_list(
    "difference", ["#cdeeff", SKY, BLUE, "#12161b", VERMILLION, ORANGE, "#fff0c2"]
)

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "spinecast",
}
_PLATE_SETTINGS = {
    "text.color": PLATE_INK,
    "axes.labelcolor": PLATE_MUTED,
    "axes.edgecolor": PLATE_MUTED,
    "xtick.color": PLATE_MUTED,
    "ytick.color": PLATE_MUTED,
    "figure.facecolor": PLATE,
    "axes.facecolor": PLATE,
    "savefig.facecolor": PLATE,
    "axes.titlesize": 9,
    "axes.titleweight": "normal",
    "axes.titlelocation": "center",
    "axes.titlepad": 5,
    "axes.grid": False,
    "font.size": 9,
}


@contextmanager
def chart_style() -> Iterator[None]:
    """Draw charts inside this block."""
    with _settings(_SETTINGS):
        yield


@contextmanager
def plate_style(*, letters: float = 1.0) -> Iterator[None]:
    """Draw films and maps inside this block; ``letters`` enlarges them on wide plates."""
    sizes = {name: letters * _PLATE_SETTINGS[name] for name in ("font.size", "axes.titlesize")}  # type: ignore[operator]
    with _settings(_SETTINGS | _PLATE_SETTINGS | sizes):
        yield


@contextmanager
def _settings(values: Mapping[str, Any]) -> Iterator[None]:
    with mpl.rc_context(dict(values)), warnings.catch_warnings():
        # scripts that the measuring font lacks are drawn by the reader's browser
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # a name too long for its drawing is drawn all the same
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        yield


def new_drawing(width: float, height: float) -> Drawing:
    """Give an empty drawing of this size in inches whose parts do not overlap."""
    return Drawing(figsize=(width, height), layout="constrained")


def stamp_chart(drawing: Drawing, *, simulated: bool) -> None:
    """Write SIMULATED into the picture, so that a copied figure still says what it is."""
    if simulated:
        engine = drawing.get_layout_engine()
        if isinstance(engine, ConstrainedLayoutEngine):  # keep titles and legends off the stamp
            engine.set(rect=(0, 0, 1, 1 - _STAMP_HEIGHT / drawing.get_figheight()))
        drawing.text(
            0.998, 0.995, f"{SIMULATED} COHORT", ha="right", va="top", fontsize=7, color=MUTED
        )


def stamp_film(ax: Axes, *, simulated: bool, generated: bool = False, letters: float = 1.0) -> None:
    """Write into the film that it is simulated or generated, or both."""
    words = [SIMULATED] * simulated + [GENERATED] * generated
    if words:
        ax.text(
            0.5,
            0.012,
            "\n".join(words),
            transform=ax.transAxes,
            ha="center",
            va="bottom",
            fontsize=5.5 * letters,
            linespacing=1.15,
            color="#ffffff",
            bbox={"facecolor": "#000000", "alpha": 0.62, "edgecolor": "none", "pad": 1.4},
        )


def colour_of(label: str, position: int) -> str:
    """Give the colour of a series: risk groups keep theirs everywhere."""
    return GROUP_COLOURS.get(label.split(" ", maxsplit=1)[0], SERIES[position % len(SERIES)])


def symbol_of(position: int) -> str:
    """Give the marker of a series, so that colour is never the only difference."""
    return _SYMBOLS[position % len(_SYMBOLS)]


def short_name(text: str, *, most: int = _LONGEST_NAME) -> str:
    """Cut a name that would leave no room for the drawing beside it, and clean it."""
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


def as_svg(drawing: Drawing) -> bytes:
    """Turn a chart into SVG bytes: equal input gives equal bytes; colours follow the scheme."""
    _clean_texts(drawing)
    FigureCanvasSVG(drawing)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "spinecast"})
    text = buffer.getvalue().decode("utf-8")
    text = text.replace("'DejaVu Sans'", _FONTS).replace(
        "</metadata>", f"</metadata>{_scheme()}", 1
    )
    return text.encode("utf-8")


def as_png(drawing: Drawing, *, dpi: int = 160, ramp: Colormap | None = DIFFERENCE) -> bytes:
    """Turn a plate into PNG bytes with 256 colours: greys and the steps of ``ramp``.

    Parameters
    ----------
    drawing
        What was drawn inside :func:`plate_style`.
    dpi
        Pixels per inch.
    ramp
        The colour map of the maps in it; None lets the picture choose its colours.
    """
    _clean_texts(drawing)
    canvas = FigureCanvasAgg(drawing)
    drawing.set_dpi(dpi)
    canvas.draw()
    picture = Picture.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    small = _with_palette(picture, ramp)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _clean_texts(drawing: Drawing) -> None:
    # names of ticks are made anew at every drawing: whoever sets them cleans them
    for text in drawing.findobj(Text):
        if isinstance(text, Text):
            text.set_text(printable(text.get_text()))
    for legend in drawing.findobj(Legend):
        for text in legend.get_texts() if isinstance(legend, Legend) else ():
            text.set_text(short_name(text.get_text()))


def _with_palette(picture: Picture.Image, ramp: Colormap | None) -> Picture.Image:
    if ramp is None:
        return picture.quantize(256, method=Picture.Quantize.MEDIANCUT, dither=Picture.Dither.NONE)
    greys = np.repeat(np.linspace(0, 255, 150).round().astype(np.uint8)[:, None], 3, axis=1)
    steps = (np.asarray(ramp(np.linspace(0, 1, 105)))[:, :3] * 255).round().astype(np.uint8)
    plate = np.array([[int(PLATE[i : i + 2], 16) for i in (1, 3, 5)]], dtype=np.uint8)
    palette = Picture.new("P", (1, 1))
    palette.putpalette(np.concatenate([plate, greys, steps]).ravel().tolist())
    return picture.quantize(palette=palette, dither=Picture.Dither.NONE)


def _scheme() -> str:
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in _DARK_SCHEME.items()
        for kind in ("fill", "stroke")
    )
    return f"\n <style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
