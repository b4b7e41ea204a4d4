"""Preparing radiographs for a network: equalise, scale to [0, 1], crop, fit, pad.

The published procedure equalises at the resolution of the film and shrinks
afterwards. Equalisation is the expensive step, so here the film is first shrunk
(with anti-aliasing) to a working size not far above the target; because tiles are
fractions of the picture, the result is nearly the same (tests state how nearly).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.images.image import Image

Pixels = NDArray[np.float32]

EQUALISATIONS = ("clahe", "global", "none")
_WORKING_ROWS = 256  # tiles of 1/8 then hold enough pixels for a histogram
_SMALLEST_SIDE = 16
_SAFE_SPAN = (1e-30, 1e30)  # beyond it float32 overflows on the way to [0, 1]
_SPACING_RANGE = (0.01, 10.0)  # mm; detectors have 0.05 to 0.2, coarse projections 3


@dataclass(frozen=True)
class Preparation:
    """How a radiograph becomes the input of a network.

    Parameters
    ----------
    shape
        (rows, columns) of the result.
    equalisation
        ``clahe`` (contrast limited adaptive histogram equalisation), ``global`` or ``none``.
    crop_margin
        Fraction cut off at each of the four sides before anything else; 0 keeps the film.
    clip_limit, tiles, bins
        Settings of CLAHE: share of a tile's pixels one bin may hold, tiles along each axis,
        bins of the histogram. Not reported; those of scikit-image.
    maximum_enlargement
        Films that would have to be enlarged more than this are too small.
    window
        Grey values that become 0 and 1, the same for every film, so that grey values stay
        comparable (DXA: areal density); what lies beyond is cut off. None stretches each film
        to its own range. Not with an equalisation.
    """

    shape: tuple[int, int] = (1024, 512)
    equalisation: str = "clahe"
    crop_margin: float = 0.0
    clip_limit: float = 0.01
    tiles: int = 8
    bins: int = 256
    maximum_enlargement: float = 4.0
    # None and not (): settings without a window keep the fingerprint they always had
    window: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))
        if self.equalisation not in EQUALISATIONS:
            raise error("SC-706", expected=" or ".join(EQUALISATIONS), got=self.equalisation)
        if not 0.0 <= self.crop_margin < 0.5 or min(self.shape) < 1:
            got = f"margin {self.crop_margin}, shape {self.shape}"
            raise error("SC-706", expected="a margin below 0.5 and a shape", got=got)
        if self.window is not None:
            object.__setattr__(self, "window", tuple(float(grey) for grey in self.window))
            self._check_window(self.window)

    def _check_window(self, window: tuple[float, ...]) -> None:
        rising = len(window) == 2 and window[0] < window[1]
        if not rising or self.equalisation != "none":
            raise error(
                "SC-706",
                expected="a window of two rising grey values, without equalisation",
                got=f"{window} with equalisation {self.equalisation}",
            )


# Cho 2023 (thesis), VERTE-X: "1024 x 512 keep aspect, CLAHE + normalise".
PAPER = Preparation(shape=(1024, 512), equalisation="clahe", crop_margin=0.0)
# The same group's public VERTE-X code: global equalisation, min-max, crop of about 5 %.
PAPER_CODE = Preparation(shape=(1024, 512), equalisation="global", crop_margin=0.05)
# Cho 2023, Diff-X: 512 x 512, one channel.
PAPER_GENERATOR = Preparation(shape=(512, 512), equalisation="clahe")
# Not reported; ours, for two processor cores.
DEMO = Preparation(shape=(192, 96))
TINY = Preparation(shape=(64, 32))


@dataclass(frozen=True)
class Placement:
    """Where a film comes to lie in the prepared picture.

    Parameters
    ----------
    top, left
        Where the cut film starts in the source, pixels.
    source
        (rows, columns) of the cut film.
    fitted
        (rows, columns) it has in the prepared picture.
    offset
        (row, column) of its first pixel there.
    """

    top: int
    left: int
    source: tuple[int, int]
    fitted: tuple[int, int]
    offset: tuple[int, int]

    def to_prepared(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Carry points (n, 2) of row and column, pixel centres at integers, into the result."""
        scale = np.asarray(self.fitted) / np.asarray(self.source)
        return (points - [self.top, self.left] + 0.5) * scale - 0.5 + np.asarray(self.offset)

    def spacing(self, source: tuple[float, float]) -> tuple[float, float]:
        """Return millimetres per prepared pixel (rows, columns)."""
        rows, columns = (
            spacing * before / after
            for spacing, before, after in zip(source, self.source, self.fitted, strict=True)
        )
        return rows, columns


def place(image: Image, preparation: Preparation) -> Placement:
    """Compute where ``image`` will lie; its aspect is kept in millimetres where these are known.

    Raises
    ------
    ContentError
        SC-204 for a volume, SC-206 for a film too small, SC-208 for impossible spacing.
    """
    if image.pixels.ndim != 2:
        raise error("SC-204", expected="one radiograph", got=f"a volume of {image.shape}")
    spacing = checked_spacing(image) or (1.0, 1.0)
    rows, columns = image.shape
    top, left = round(rows * preparation.crop_margin), round(columns * preparation.crop_margin)
    cut = rows - 2 * top, columns - 2 * left
    if min(cut) < _SMALLEST_SIDE:
        raise error("SC-206", expected=f"at least {_SMALLEST_SIDE} pixels a side", got=str(cut))
    height, width = cut[0] * spacing[0], cut[1] * spacing[1]
    scale = min(preparation.shape[0] / height, preparation.shape[1] / width)
    enlargement = scale * min(spacing)
    if enlargement > preparation.maximum_enlargement:
        got = f"{cut[0]} x {cut[1]}, to be enlarged {enlargement:.1f} times"
        raise error("SC-206", expected=f"enough pixels for {preparation.shape}", got=got)
    fitted = (
        min(preparation.shape[0], max(1, round(height * scale))),
        min(preparation.shape[1], max(1, round(width * scale))),
    )
    offset = tuple(
        (outer - inner) // 2 for outer, inner in zip(preparation.shape, fitted, strict=True)
    )
    return Placement(top, left, (cut[0], cut[1]), fitted, (offset[0], offset[1]))


def checked_spacing(image: Image) -> tuple[float, ...] | None:
    """Return the spacing of ``image``, None where unknown.

    Raises
    ------
    ContentError
        SC-208 where it is zero, negative, not a number, absurd, or differs tenfold by axis.
    """
    if image.spacing is None:
        return None
    low, high = _SPACING_RANGE
    usable = all(np.isfinite(each) and low <= each <= high for each in image.spacing)
    if not usable or max(image.spacing) > 10 * min(image.spacing):
        got = " x ".join(f"{each:g}" for each in image.spacing)
        raise error("SC-208", expected=f"{low} to {high} mm between pixels", got=f"{got} mm")
    return image.spacing


def prepare_radiograph(image: Image, preparation: Preparation = PAPER) -> Pixels:
    """Prepare one radiograph.

    Parameters
    ----------
    image
        A 2-D image, any scale.
    preparation
        How.

    Returns
    -------
    ndarray
        float32 of ``preparation.shape`` in [0, 1], the film centred, zeros around it.

    Raises
    ------
    ContentError
        SC-203 constant, SC-204 a volume, SC-206 too small, SC-208 spacing, SC-209 not finite.

    Notes
    -----
    Time is proportional to the pixels of the film plus those of the result (linear in both);
    ``benchmarks/images.py`` prints milliseconds. Equalisation makes grey values
    incomparable between films: nothing about attenuation can be measured afterwards.
    """
    placement = place(image, preparation)
    rows, columns = placement.source
    film = image.pixels[placement.top : placement.top + rows, placement.left :][:, :columns]
    check_pixels(film)
    fitted = _fitted(film, placement, preparation)
    result = np.zeros(preparation.shape, np.float32)
    row, column = placement.offset
    result[row : row + placement.fitted[0], column : column + placement.fitted[1]] = fitted
    return result


def _fitted(film: NDArray[Any], placement: Placement, preparation: Preparation) -> Pixels:
    """Return the cut film in [0, 1], in the size it has in the prepared picture."""
    if preparation.window is not None:
        low, high = preparation.window
        grey = np.clip((film - np.float32(low)) * np.float32(1 / (high - low)), 0.0, 1.0)
        return np.clip(_resized(grey.astype(np.float32), placement.fitted), 0.0, 1.0)
    film = _resized(_unit_range(film), _working_shape(placement, preparation))
    equalised = np.clip(_equalised(_unit_range(film), preparation), 0.0, 1.0)
    return _unit_range(_resized(equalised, placement.fitted))


def check_pixels(film: NDArray[Any]) -> None:
    """Refuse pixels from which nothing can be prepared.

    Raises
    ------
    ContentError
        SC-203 for constant pixels, SC-209 for NaN or infinity.
    """
    low, high = float(film.min()), float(film.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise error("SC-209", expected="finite pixels", got="NaN or infinity")
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        raise error("SC-203", expected="a picture", got=f"the value {low:g} everywhere")


def _working_shape(placement: Placement, preparation: Preparation) -> tuple[int, int]:
    """Size at which equalisation happens: the target, or some multiple of a small target."""
    if preparation.equalisation == "none":
        return placement.fitted
    factor = max(1, -(-_WORKING_ROWS // max(placement.fitted)))
    rows, columns = (
        max(fitted, min(source, factor * fitted))
        for source, fitted in zip(placement.source, placement.fitted, strict=True)
    )
    return rows, columns


def _unit_range(pixels: NDArray[Any]) -> Pixels:
    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.zeros(pixels.shape, np.float32)
    if not _SAFE_SPAN[0] < high - low < _SAFE_SPAN[1]:
        wide = (pixels.astype(np.float64) - low) / (high - low)
        return np.clip(wide, 0.0, 1.0).astype(np.float32)
    scaled = (pixels - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.clip(scaled, 0.0, 1.0, dtype=np.float32)


def _resized(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    """Resize with a filter as wide as the reduction, so that nothing is aliased."""
    if pixels.shape == shape:
        return pixels
    from PIL import Image as Pillow

    shrinks = shape[0] < pixels.shape[0]
    method = Pillow.Resampling.HAMMING if shrinks else Pillow.Resampling.BILINEAR
    picture = Pillow.fromarray(np.ascontiguousarray(pixels, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), method), np.float32)


def _equalised(pixels: Pixels, preparation: Preparation) -> Pixels:
    if preparation.equalisation == "none":
        return pixels
    from skimage import exposure

    if preparation.equalisation == "global":
        return np.asarray(exposure.equalize_hist(pixels, nbins=preparation.bins), np.float32)
    kernel = [max(_SMALLEST_SIDE, side // preparation.tiles) for side in pixels.shape]
    result = exposure.equalize_adapthist(
        pixels, kernel_size=kernel, clip_limit=preparation.clip_limit, nbins=preparation.bins
    )
    return np.asarray(result, np.float32)
