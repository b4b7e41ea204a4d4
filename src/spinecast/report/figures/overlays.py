"""What a score looked at, and what the features of a network hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing

from spinecast.report.figures.canvas import as_png, plate_style, stamp_film
from spinecast.report.figures.strips import shrink
from spinecast.report.goods import FeatureMaps, OverlayData
from spinecast.report.parts import Figure

_HEAT = "inferno"


def draw_attribution(overlays: Sequence[OverlayData], *, simulated: bool) -> Figure:
    """Draw each film beside itself with the heat map over it (one scale, 0 to 1)."""
    with plate_style():
        height = 2.1
        shape = overlays[0].image.shape
        width = 2 * max(height * shape[1] / shape[0], 0.8) + 0.2
        columns = min(len(overlays), 5)
        rows = math.ceil(len(overlays) / columns)
        drawing = Drawing(
            figsize=(columns * width + 0.6, rows * (height + 0.35)), layout="constrained"
        )
        axes = drawing.subplots(rows, 2 * columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_axis_off()
        for overlay, pair in zip(overlays, axes.reshape(-1, 2), strict=False):
            _show_pair(overlay, pair, simulated=simulated)
        mapping = ScalarMappable(Normalize(0, 1), _HEAT)
        bar = drawing.colorbar(mapping, ax=axes, fraction=0.012, pad=0.01, aspect=26)
        bar.set_ticks([0, 1], labels=["0", "1"])
        content = as_png(drawing, ramp=None)
    names = "; ".join(o.label for o in overlays)
    return Figure(
        content,
        alt=f"Films and the same films with Grad-CAM heat maps: {names}.",
        caption="Grad-CAM, scaled from 0 to 1 in each film: bright is where the score would "
        "change most. It shows where the network looked, not why.",
    )


def _show_pair(overlay: OverlayData, pair: np.ndarray, *, simulated: bool) -> None:
    image, heat = shrink(overlay.image), shrink(overlay.heat)
    score = f", score {overlay.score:.2f}" if math.isfinite(overlay.score) else ""
    pair[0].set_title(f"{overlay.label}{score}", loc="left", fontsize=8)
    for ax in pair:
        ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
        stamp_film(ax, simulated=simulated)
    strength = np.clip(heat, 0, 1) ** 0.7 * 0.75
    pair[1].imshow(heat, cmap=_HEAT, vmin=0, vmax=1, alpha=strength, interpolation="bilinear")


def draw_feature_maps(features: FeatureMaps, *, simulated: bool) -> Figure:
    """Draw the first three principal components of the features as red, green and blue."""
    maps = np.clip(np.asarray(features.maps, dtype=np.float32), 0, 1)
    layers, steps, rows, columns = maps.shape[:4]
    with plate_style():
        height = 1.25
        width = max(height * columns / rows, 0.55)
        drawing = Drawing(
            figsize=(layers * (width + 0.1) + 0.9, steps * (height + 0.1) + 0.4),
            layout="constrained",
        )
        axes = drawing.subplots(steps, layers, squeeze=False)
        for row in range(steps):
            for column in range(layers):
                ax = axes[row, column]
                ax.imshow(maps[column, row], interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
                if row == 0:
                    ax.set_title(features.layers[column], fontsize=7.5)
            axes[row, 0].set_ylabel(f"t = {features.timesteps[row]}")
        stamp_film(axes[-1, 0], simulated=simulated)
        content = as_png(drawing, dpi=130, ramp=None)
    return Figure(
        content,
        alt=f"PCA maps of features of {layers} layers at {steps} timesteps.",
        caption="First three principal components of the features, as red, green and blue, per "
        "layer (columns) and timestep (rows, t = 1 is the clean end). Colours are arbitrary.",
    )
