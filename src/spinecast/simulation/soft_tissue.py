"""Soft tissue: outline, fat and muscle, lungs under their diaphragm, heart, airway, bowel gas.

Everything is written as smooth functions of the height y, anchored at the
person's own vertebrae, so that no two outlines are alike and nothing ends at a
fixed coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.vertebra import VertebralBodies
from spinecast.simulation.vertebral_sizes import CHAIN

Floats = NDArray[np.float64]

ROW_STEP = 5.0
"""Distance between the rows of the outline table, mm."""

COLUMNS = (
    "back",
    "front",
    "width",
    "fat_back",
    "fat_front",
    "fat_side",
    "spine",
    "spine_half",
    "lung_width",
    "lung_back",
    "lung_front",
    "mediastinum",
    "fat_share",
    "airway",
)
"""Columns of the outline table: x positions and thicknesses in mm; ``fat_share`` is a fraction."""

_ANCHORS = ("C4", "C7", "T2", "T5", "T8", "T11", "L1", "L3", "L5")
_SACRAL_ANCHORS = (60.0, 115.0)

_PROFILES = {
    # values at the anchors C4 C7 T2 T5 T8 T11 L1 L3 L5 and 60 and 115 mm below S1
    "behind": (48, 58, 62, 62, 64, 67, 70, 72, 74, 76, 88),
    "depth": (118, 138, 165, 212, 232, 236, 232, 226, 226, 220, 222),
    "width": (118, 165, 325, 318, 312, 300, 284, 280, 318, 350, 362),
    "fat_back": (4, 8, 8, 7, 7, 9, 11, 13, 16, 22, 32),
    "fat_front": (3, 4, 7, 11, 12, 15, 19, 24, 26, 24, 20),
    "fat_side": (3, 4, 9, 11, 11, 13, 15, 19, 24, 30, 34),
    "lung_width": (0, 0, 90, 222, 246, 248, 246, 240, 236, 230, 230),
    "mediastinum": (0, 0, 62, 66, 64, 66, 74, 80, 80, 80, 80),
    "fat_share": (0.2, 0.2, 0.2, 0.15, 0.15, 0.2, 0.32, 0.42, 0.40, 0.3, 0.3),
    "airway": (8.5, 8.5, 8.5, 7.5, 0, 0, 0, 0, 0, 0, 0),
}


@dataclass(frozen=True, eq=False)
class SoftTissue:
    """Everything that is not bone.

    Parameters
    ----------
    first_row
        y of the first row of ``table``, mm.
    table
        (n, 14) values every 5 mm of y; see ``COLUMNS``.
    domes
        (2, 5) left and right diaphragm: x and y of the top (mm), curvature to the front
        and to the back (1/mm), share of the lung.
    heart
        x, y, half length, half height, thickness, mm.
    gas
        Amount of bowel gas, 0 to 1.
    gas_bounds
        Highest and lowest y of bowel gas, mm.
    seed
        Of lung vessels, fat lobules and gas.
    """

    first_row: float
    table: Floats
    domes: Floats
    heart: Floats
    gas: float
    gas_bounds: Floats
    seed: int


def build_soft_tissue(bodies: VertebralBodies, state: SpineState, dice: AnatomyDice) -> SoftTissue:
    """Lay soft tissue around the posed spine."""
    order = np.argsort(bodies.centre[:, 1])
    line = bodies.centre[order]
    rows = np.arange(line[0, 1] - 90.0, bodies.centre[-1, 1] + 130.0, ROW_STEP)
    spine = np.interp(rows, line[:, 1], line[:, 0])
    half = np.interp(rows, line[:, 1], 0.5 * bodies.depth.mean(axis=1)[order])
    at_rows = _profiles(bodies, rows)
    habitus = _habitus(state, dice)
    columns = _columns(rows, at_rows, habitus=habitus, spine=spine, half=half)
    domes, heart = _chest(bodies, columns, dice=dice, rows=rows)
    level = {name: bodies.centre[CHAIN.index(name), 1] for name in ("T12", "T10")}
    return SoftTissue(
        first_row=float(rows[0]),
        table=np.stack([columns[name] for name in COLUMNS], axis=1),
        domes=domes,
        heart=heart,
        gas=float(np.clip(0.5 + 0.22 * dice.frame["visceral_gas"], 0.0, 1.0)),
        gas_bounds=np.array([level["T12"] + 18.0, 150.0]),
        seed=dice.seed,
    )


def _profiles(bodies: VertebralBodies, rows: Floats) -> dict[str, Floats]:
    """Read the anchor table at the rows, smoothed so that no anchor shows."""
    at = [bodies.centre[CHAIN.index(level), 1] for level in _ANCHORS] + list(_SACRAL_ANCHORS)
    return {
        name: gaussian_filter1d(np.interp(rows, at, values), 5.0, mode="nearest")
        for name, values in _PROFILES.items()
    }


def _habitus(state: SpineState, dice: AnatomyDice) -> dict[str, float]:
    """Turn weight, height and the dice into factors on the outline."""
    bmi = state.weight / (state.height / 100.0) ** 2
    stout = float(np.clip((bmi / 24.0) ** 0.5, 0.75, 1.5))
    frame = state.height / (162.0 if state.sex == "F" else 175.0)
    male = 1.04 if state.sex == "M" else 0.96
    outline = dice.outline
    return {
        "depth": stout**0.8 * frame * male * (1 + 0.035 * outline["chest"]),
        "belly": float(14.0 * (state.visceral_fat - 1.0) + 9.0 * outline["belly"]),
        "width": stout * frame * male * (1 + 0.03 * outline["waist"]),
        "fat": float(np.clip(state.subcutaneous_fat * (1 + 0.14 * outline["back_fat"]), 0.3, 3)),
        "muscle": float(np.clip(state.muscle, 0.5, 1.6)),
        "visceral": float(np.clip(state.visceral_fat, 0.2, 2.0)),
    }


def _columns(
    rows: Floats,
    at_rows: dict[str, Floats],
    *,
    habitus: dict[str, float],
    spine: Floats,
    half: Floats,
) -> dict[str, Floats]:
    smooth = gaussian_filter1d(spine, 4.0, mode="nearest")
    fat_back = at_rows["fat_back"] * habitus["fat"]
    behind = at_rows["behind"] * (0.80 + 0.20 * habitus["muscle"])
    back = gaussian_filter1d(np.maximum(smooth, spine - 4.0) + behind, 4.0, mode="nearest")
    back = back + fat_back
    middle = np.exp(-(((rows - np.interp(0.62, [0, 1], [rows[0], rows[-1]])) / 110.0) ** 2))
    depth = at_rows["depth"] * habitus["depth"] + habitus["belly"] * middle
    lung_back = spine + half + 25.0
    return {
        "back": back,
        "front": back - depth - 0.5 * fat_back,
        "width": at_rows["width"] * habitus["width"],
        "fat_back": fat_back,
        "fat_front": at_rows["fat_front"] * habitus["fat"],
        "fat_side": at_rows["fat_side"] * habitus["fat"],
        "spine": spine,
        "spine_half": half,
        "lung_width": at_rows["lung_width"] * habitus["width"] ** 0.5,
        "lung_back": gaussian_filter1d(lung_back, 3.0, mode="nearest"),
        "lung_front": back - depth + 30.0,
        "mediastinum": at_rows["mediastinum"],
        "fat_share": np.clip(at_rows["fat_share"] * habitus["visceral"], 0.0, 0.75),
        "airway": at_rows["airway"],
    }


def _chest(
    bodies: VertebralBodies, columns: dict[str, Floats], *, dice: AnatomyDice, rows: Floats
) -> tuple[Floats, Floats]:
    """Return both diaphragm domes and the heart."""
    frame = dice.frame
    top = float(bodies.centre[CHAIN.index("T10"), 1]) + 2.0 + 9.0 * frame["dome"]
    here = int(np.argmin(np.abs(rows - top)))
    middle = 0.5 * (columns["lung_back"][here] + columns["lung_front"][here])
    gap = 6.0 + 4.0 * frame["dome_side"]
    domes = np.array(
        [
            [middle + 4.0, top + gap, 0.0045, 0.0092, 0.48],
            [middle - 4.0, top - gap, 0.0050, 0.0098, 0.52],
        ]
    )
    heart = np.array([middle - 34.0, top - 36.0, 50.0 + 4.0 * frame["heart"], 46.0, 95.0])
    return domes, heart
