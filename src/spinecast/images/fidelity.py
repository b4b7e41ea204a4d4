"""How alike two images are: PSNR, structural similarity, and the same over several scales.

The MS-SSIM here is :data:`IMPLEMENTATION`. Libraries differ by up to 7e-4 in where they
pad and how they halve, so the implementation is named wherever the number is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error

Scores = NDArray[np.float64]
_Stack = NDArray[np.float64]

IMPLEMENTATION = (
    "spinecast MS-SSIM: Wang 2003, Gaussian 11 x 11 with sigma 1.5 at full overlap, 2 x 2 means "
    "between scales, negative contrasts set to 0, published weights of the scales that fit"
)

_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # Wang 2003, section 3.2
_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for a range of 1


def psnr(a: NDArray[Any], b: NDArray[Any]) -> Scores:
    """Peak signal-to-noise ratio, dB, for a peak of 1.

    Parameters
    ----------
    a, b
        Images in [0, 1], (n, rows, columns).

    Returns
    -------
    ndarray
        (n,); infinite where two images are equal.

    Raises
    ------
    StatisticsError
        SC-606 where shapes differ, SC-604 for values that are not finite.

    Notes
    -----
    It misleads on padded images: equal zeros around both raise it. It rewards blur.
    """
    first, second = _checked(a, b)
    squares = np.mean((first - second) ** 2, axis=(1, 2))
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(squares))


def ssim(a: NDArray[Any], b: NDArray[Any]) -> Scores:
    """Structural similarity at the images' own scale, for a range of 1.

    Parameters
    ----------
    a, b
        Images in [0, 1], (n, rows, columns), at least 11 pixels a side.

    Returns
    -------
    ndarray
        (n,), 1 for equal images.

    Raises
    ------
    StatisticsError
        SC-606 where shapes differ, SC-604 for values that are not finite.
    ContentError
        SC-206 below 11 pixels a side.

    Notes
    -----
    Gaussian window of 11 x 11 with sigma 1.5 where it overlaps fully, as in [1]_. On noisy
    images even a perfect copy without the noise stays well below 1.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh, Simoncelli. IEEE Trans Image Process 2004;13:600.
    """
    first, second = _checked(a, b)
    scales(first.shape[1:])
    luminance, contrast = _similarities(first, second)
    return np.asarray((luminance * contrast).mean(axis=(1, 2)))


def ms_ssim(a: NDArray[Any], b: NDArray[Any]) -> Scores:
    """Multi-scale structural similarity for a range of 1.

    Parameters
    ----------
    a, b
        Images in [0, 1], (n, rows, columns), at least 11 pixels a side.

    Returns
    -------
    ndarray
        (n,), 1 for equal images, 0 where the structures oppose each other.

    Raises
    ------
    StatisticsError
        SC-606 where shapes differ, SC-604 for values that are not finite.
    ContentError
        SC-206 below 11 pixels a side.

    Notes
    -----
    Five scales need 176 pixels a side. Smaller images use as many scales M as leave 11 pixels
    at the coarsest (192 x 96: four, 64 x 32: two), with the first M published weights divided
    by their sum. Numbers with different M must not be compared; :func:`scales` tells M.

    References
    ----------
    Wang, Simoncelli, Bovik. Multiscale structural similarity for image quality assessment.
    Asilomar 2003.
    """
    first, second = _checked(a, b)
    count = scales(first.shape[1:])
    weights = _WEIGHTS[:count] / _WEIGHTS[:count].sum()
    product = np.ones(len(first))
    for scale, weight in enumerate(weights):
        luminance, contrast = _similarities(first, second)
        if scale == count - 1:
            contrast = contrast * luminance
        product *= np.maximum(contrast.mean(axis=(1, 2)), 0.0) ** weight
        first, second = _halved(first), _halved(second)
    return product


def middle_columns(columns: int, share: float) -> slice:
    """Return the region of interest: the middle ``share`` of so many columns."""
    width = max(1, round(columns * share))
    start = (columns - width) // 2
    return slice(start, start + width)


def scales(shape: tuple[int, ...]) -> int:
    """Return how many scales MS-SSIM uses for images of (rows, columns).

    Raises
    ------
    ContentError
        SC-206 below 11 pixels a side.
    """
    side = min(shape)
    if side < _WINDOW:
        raise error("SC-206", expected=f"at least {_WINDOW} pixels a side", got=str(side))
    return min(len(_WEIGHTS), int(np.log2(side / _WINDOW)) + 1)


def _similarities(a: _Stack, b: _Stack) -> tuple[_Stack, _Stack]:
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a**2
    variance_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    contrast = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return luminance, contrast


def _blurred(stack: _Stack) -> _Stack:
    """Gaussian mean where the window overlaps fully; 10 pixels fewer along each axis."""
    from scipy.ndimage import correlate1d

    half = _WINDOW // 2
    window = np.exp(-0.5 * (np.arange(-half, half + 1) / _SIGMA) ** 2)
    window /= window.sum()
    rows = correlate1d(stack, window, axis=1)[:, half:-half]
    return np.asarray(correlate1d(rows, window, axis=2)[:, :, half:-half])


def _halved(stack: _Stack) -> _Stack:
    n, rows, columns = stack.shape
    even = stack[:, : rows // 2 * 2, : columns // 2 * 2]
    return np.asarray(even.reshape(n, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4)))


def _checked(a: NDArray[Any], b: NDArray[Any]) -> tuple[_Stack, _Stack]:
    if a.shape != b.shape or a.ndim != 3:
        raise error("SC-606", expected="two stacks of one shape", got=f"{a.shape} and {b.shape}")
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise error("SC-604", expected="finite pixels", got="NaN or infinity")
    return first, second
