"""Makers of radiography systems: how often each is met and what it does to an image.

Shares follow the tertiary hospital of the follow-up study (GE 71 %, DK 10,
Fuji 8, Samsung 5, Kodak 5, seven others under 1 % each). Look-up tables, gains
and habits are ours: plausible and different, not measurements of the makers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Maker:
    """One maker's habits.

    Parameters
    ----------
    name
        As in the DICOM manufacturer tag.
    share
        Fraction of all images.
    contrast
        Slope of the look-up table.
    toe
        Asymmetry of the table: above 0 lifts dark parts.
    latitude
        Fraction of the coarse brightness range that is kept.
    detail
        Gain on fine structure.
    sharpness
        Detector blur, mm.
    grain
        Factor on the quantum noise.
    scale
        Factor on the field of view.
    bits
        Stored bits.
    monochrome1
        Whether low values are shown white.
    """

    name: str
    share: float
    contrast: float
    toe: float
    latitude: float
    detail: float
    sharpness: float
    grain: float
    scale: float
    bits: int
    monochrome1: bool = False


_REST = 0.01 / 7

MAKERS: tuple[Maker, ...] = (
    Maker("GE Healthcare", 0.71, 1.00, 0.00, 0.50, 1.25, 0.20, 1.00, 1.00, 12),
    Maker("DK Medical Systems", 0.10, 1.16, -0.12, 0.46, 1.10, 0.28, 1.20, 0.98, 12),
    Maker("FUJIFILM Corporation", 0.08, 0.92, 0.10, 0.56, 1.45, 0.17, 0.90, 1.03, 10, True),
    Maker("Samsung Electronics", 0.05, 1.08, 0.04, 0.44, 1.50, 0.18, 0.85, 1.00, 14),
    Maker("KODAK", 0.05, 0.90, -0.06, 0.62, 1.05, 0.30, 1.30, 1.02, 12, True),
    Maker("Philips Medical Systems", _REST, 1.02, 0.06, 0.48, 1.40, 0.19, 0.90, 1.00, 15),
    Maker("SIEMENS", _REST, 1.10, 0.00, 0.52, 1.20, 0.20, 1.00, 0.98, 12),
    Maker("Canon Inc.", _REST, 0.96, 0.08, 0.50, 1.30, 0.20, 1.00, 1.02, 12),
    Maker("Agfa", _REST, 0.94, 0.12, 0.42, 1.55, 0.24, 1.10, 1.00, 12, True),
    Maker("KONICA MINOLTA", _REST, 1.05, -0.04, 0.55, 1.15, 0.22, 1.00, 1.00, 12, True),
    Maker("Shimadzu", _REST, 1.12, 0.02, 0.58, 1.10, 0.25, 1.10, 0.99, 12),
    Maker("DRGEM", _REST, 1.00, -0.08, 0.60, 1.00, 0.27, 1.15, 1.00, 14),
)


def maker_named(name: str) -> Maker:
    """Return the maker of that name.

    Raises
    ------
    KeyError
        Where there is none; the message lists those there are.
    """
    for maker in MAKERS:
        if maker.name == name:
            return maker
    raise KeyError(f"{name} is none of {[maker.name for maker in MAKERS]}")
