"""How large each vertebra and disc is, and how much of the curves it carries.

Depths and widths follow the endplate depths and widths of Panjabi et al.
(thoracic: Spine 1991;16:888-901; lumbar: Spine 1992;17:299-306). Heights and
disc heights follow the same rise from level to level, placed in the range of
lateral radiographs of young men (about 19 mm at T6 to 28 mm at L4; discs 4 to
11 mm). Women are 0.92 of men in every length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WOMEN_TO_MEN = 0.92
"""Ratio of female to male vertebral lengths."""

CHAIN: tuple[str, ...] = (
    *(f"L{number}" for number in range(5, 0, -1)),
    *(f"T{number}" for number in range(12, 0, -1)),
    *(f"C{number}" for number in range(7, 2, -1)),
)
"""Mobile vertebrae from the sacrum upward, the order in which the spine is stacked."""

_ROWS = (
    # level, height, depth, width, disc below (mm), body and disc share of the curve
    ("L5", 27.0, 35.0, 48.0, 10.0, 0.14, 0.25),
    ("L4", 28.0, 35.0, 47.0, 11.0, 0.04, 0.22),
    ("L3", 27.8, 34.7, 45.0, 10.4, 0.02, 0.16),
    ("L2", 27.2, 34.0, 43.5, 9.4, 0.00, 0.12),
    ("L1", 26.3, 33.0, 42.0, 8.2, -0.03, 0.08),
    ("T12", 25.0, 32.2, 40.0, 7.0, -0.060, 0.00),
    ("T11", 23.7, 31.5, 37.5, 6.2, -0.065, -0.01),
    ("T10", 22.6, 30.6, 35.0, 5.6, -0.060, -0.02),
    ("T9", 21.5, 29.6, 33.5, 5.2, -0.070, -0.035),
    ("T8", 20.5, 28.5, 32.0, 4.9, -0.085, -0.05),
    ("T7", 19.7, 27.5, 31.0, 4.6, -0.090, -0.06),
    ("T6", 19.0, 26.4, 30.0, 4.4, -0.090, -0.065),
    ("T5", 18.5, 25.4, 28.5, 4.2, -0.070, -0.06),
    ("T4", 18.1, 24.5, 28.0, 4.0, -0.060, -0.05),
    ("T3", 17.7, 22.5, 28.0, 4.0, -0.060, -0.02),
    ("T2", 17.2, 20.5, 28.5, 4.0, -0.050, -0.01),
    ("T1", 16.5, 19.0, 28.5, 4.3, -0.030, 0.02),
    ("C7", 15.0, 18.0, 27.0, 5.0, 0.00, 0.06),
    ("C6", 14.0, 17.5, 24.0, 5.2, 0.00, 0.10),
    ("C5", 13.8, 17.0, 22.0, 5.2, 0.00, 0.12),
    ("C4", 13.8, 16.5, 21.0, 5.2, 0.00, 0.12),
    ("C3", 13.8, 16.0, 20.0, 5.2, 0.00, 0.12),
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the mobile vertebrae in ``CHAIN`` order (L5 upward), men, mm.

    ``body_share`` and ``disc_share`` are shares of the lordosis in the lumbar
    spine and of the kyphosis above, positive where the front is the taller side.
    """

    height: NDArray[np.float64]
    depth: NDArray[np.float64]
    width: NDArray[np.float64]
    disc: NDArray[np.float64]
    body_share: NDArray[np.float64]
    disc_share: NDArray[np.float64]


def _table() -> Sizes:
    assert tuple(row[0] for row in _ROWS) == CHAIN
    columns = np.array([row[1:] for row in _ROWS], dtype=np.float64).T
    return Sizes(*columns)


MEN = _table()
N_CHAIN = len(CHAIN)
LUMBAR = np.arange(N_CHAIN) < 5
KYPHOTIC = (np.arange(N_CHAIN) >= 5) & (np.arange(N_CHAIN) <= 13)
"""T12 to T4, between whose outer endplates kyphosis is measured."""

SACRAL_HEIGHTS = np.array([29.0, 24.0, 20.0, 17.0])
SACRAL_DEPTHS = np.array([33.0, 25.0, 19.0, 14.0, 10.0])
SACRAL_WIDTHS = np.array([50.0, 42.0, 36.0, 30.0])
