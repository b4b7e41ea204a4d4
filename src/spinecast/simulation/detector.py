"""From attenuation to stored grey values: scatter, noise, blur, processing, look-up table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from spinecast.simulation.acquisition import Acquisition

Image = NDArray[np.float32]

PHOTONS = 5200.0
"""Detected photons per mm2 where the soft tissue has its reference thickness; sets the grain."""

PENUMBRA = 1.5
"""Width of the soft edge of a shutter, mm."""

_COARSE_ROWS = 48


def expose(attenuation: Image, reference: float, acquisition: Acquisition) -> Image:
    """Return the logarithm of the detected signal: scatter added, noise drawn, blur applied.

    Parameters
    ----------
    attenuation
        (rows, columns) line integrals.
    reference
        Attenuation that automatic exposure works to: of soft tissue alone, so that
        grain and brightness say nothing of the bones.
    """
    pixel = acquisition.height / attenuation.shape[0]
    primary = np.exp(np.float32(reference) - attenuation)
    # beyond the skin the detector saturates; scatter comes from where the beam is weak too
    capped = np.minimum(primary, np.float32(60.0))
    signal = capped + np.float32(acquisition.scatter) * scattered(np.minimum(capped, 6.0), pixel)
    photons = PHOTONS * pixel * pixel * acquisition.exposure / acquisition.maker.grain**2
    rng = np.random.default_rng(acquisition.noise_seed)
    grain = rng.standard_normal(signal.shape, dtype=np.float32)
    signal = signal + grain * np.sqrt(signal / np.float32(photons))
    sharpness = acquisition.maker.sharpness / pixel
    if sharpness > 0.15:
        signal = gaussian_filter(signal, sharpness, truncate=3.0)
    return np.float32(reference) - np.log(np.maximum(signal, np.float32(0.02)))


def scattered(primary: Image, pixel: float) -> Image:
    """Return scatter: the primary image blurred over some 45 mm, made on a coarse grid."""
    step = max(1, primary.shape[0] // _COARSE_ROWS)
    coarse = gaussian_filter(shrink(primary, step), 45.0 / (pixel * step), mode="nearest")
    return enlarge(coarse, primary.shape, step)


def process(log_signal: Image, reference: float, acquisition: Acquisition) -> Image:
    """Return brightness 0 to 1: coarse range compressed, detail raised, look-up table applied."""
    maker = acquisition.maker
    pixel = acquisition.height / log_signal.shape[0]
    centred = np.clip(log_signal - np.float32(reference), -3.2, 3.0)
    step = max(1, log_signal.shape[0] // _COARSE_ROWS)
    coarse = gaussian_filter(shrink(centred, step), 22.0 / (pixel * step), mode="nearest")
    base = enlarge(coarse, centred.shape, step)
    value = maker.latitude * base + maker.detail * (centred - base)
    slope = 1.55 * maker.contrast * acquisition.window
    curve = slope * (value - 0.12) + acquisition.level + maker.toe
    return (1.0 / (1.0 + np.exp(-curve))).astype(np.float32)


def open_field(acquisition: Acquisition, shape: tuple[int, int]) -> Image:
    """Return the share of light let through, (rows, columns): 0 under the shutters, else 1."""
    pixel = acquisition.height / shape[0]
    top, bottom, left, right = (edge / pixel for edge in acquisition.shutters)
    blur = max(PENUMBRA / pixel, 0.5)

    def along(count: int, before: float, after: float) -> Image:
        middle = np.arange(count) + 0.5
        inside = np.minimum(middle - before, count - after - middle)
        return np.clip(inside / blur + 0.5, 0.0, 1.0).astype(np.float32)

    rows = along(shape[0], top, bottom)
    return rows[:, None] * along(shape[1], left, right)[None, :]


def shrink(image: Image, step: int) -> Image:
    """Average blocks of ``step`` x ``step`` pixels; a remainder at the far edges is dropped."""
    if step == 1:
        return image
    rows, columns = (count // step for count in image.shape)
    blocks = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def enlarge(coarse: Image, shape: tuple[int, ...], step: int) -> Image:
    """Repeat each coarse pixel and smooth the steps away."""
    if step == 1:
        return coarse
    grown = np.repeat(np.repeat(coarse, step, axis=0), step, axis=1)
    missing = [(0, full - have) for full, have in zip(shape, grown.shape, strict=True)]
    grown = np.pad(grown, missing, mode="edge")
    return uniform_filter(uniform_filter(grown, step), step)


def store(brightness: Image, acquisition: Acquisition) -> NDArray[np.uint16]:
    """Return the stored integers of the maker's bit depth, inverted for MONOCHROME1."""
    top = 2**acquisition.maker.bits - 1
    shown = 1.0 - brightness if acquisition.maker.monochrome1 else brightness
    return np.rint(shown * top).astype(np.uint16)
