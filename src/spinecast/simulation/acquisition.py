"""How one radiograph was taken: maker, field of view, pose, exposure, noise.

Drawn without looking at the person, so that noise, gain, field of view and maker carry
no news of age or fracture. Nor does the border: a bent spine moves the trunk there, so the
outermost millimetres lie in the collimator's shadow, as on films of real systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from spinecast.simulation.makers import MAKERS, Maker, maker_named

_Choice = TypeVar("_Choice", Maker, "Region")


@dataclass(frozen=True)
class Region:
    """One habit of framing: its share, the levels it is centred between, its height in mm."""

    name: str
    share: float
    upper: str
    lower: str
    height: float


REGIONS: tuple[Region, ...] = (
    Region("TL", 0.28, "T5", "L4", 400.0),
    Region("TLS", 0.16, "T4", "S1", 475.0),
    Region("LS", 0.25, "T10", "S2", 310.0),
    Region("WHOLE", 0.25, "T3", "S2", 530.0),
    Region("CTL", 0.06, "C6", "L2", 520.0),
)
"""Shares: S2 cohort (T-L 28 %, T-L-S 16, L-S 24, whole 25, C-T-L 6); heights are ours."""


@dataclass(frozen=True)
class Acquisition:
    """Everything random about one radiograph.

    Parameters
    ----------
    maker
        Whose system.
    region
        Framing.
    height
        Field of view from top to bottom, mm; it is half as wide.
    shift
        Offset of the field, columns then rows, mm.
    tilt, turn, lean
        Pose jitter in radians: in the image plane, about the long axis, to the side.
    distance
        Focus to the middle of the person, mm.
    exposure
        Factor on the photons that reach the detector.
    window, level
        Factor on the contrast and offset of the look-up table.
    scatter
        Scattered to primary radiation behind the grid.
    noise_seed
        Of quantum noise.
    shutters
        How much of the field is blanked at the top, bottom, left and right, mm: the
        collimator's shadow, which systems show black.
    """

    maker: Maker
    region: Region
    height: float
    shift: tuple[float, float]
    tilt: float
    turn: float
    lean: float
    distance: float
    exposure: float
    window: float
    level: float
    scatter: float
    noise_seed: int
    shutters: tuple[float, float, float, float]


def draw_acquisition(
    rng: np.random.Generator, *, maker: str | None = None, region: str | None = None
) -> Acquisition:
    """Draw how one radiograph is taken.

    Parameters
    ----------
    rng
        Generator of this image.
    maker, region
        Names to force; drawn by their shares where None. The other draws are the same
        either way.
    """
    pick_maker, pick_region = rng.uniform(size=2)
    jitter = np.clip(rng.standard_normal(11), -2.5, 2.5)
    seed = int(rng.integers(1, 2**31 - 1))
    margins = 0.011 + 0.017 * rng.uniform(size=4)
    chosen = _by_share(MAKERS, pick_maker) if maker is None else maker_named(maker)
    framing = _by_share(REGIONS, pick_region) if region is None else region_named(region)
    height = framing.height * chosen.scale * (1 + 0.025 * jitter[0])
    return Acquisition(
        maker=chosen,
        region=framing,
        height=height,
        shift=(4.0 * jitter[1], 0.018 * framing.height * jitter[2]),
        tilt=float(np.radians(1.3 * jitter[3])),
        turn=float(np.radians(2.2 * jitter[4])),
        lean=float(np.radians(0.7 * jitter[5])),
        distance=1500.0 + 80.0 * jitter[6],
        exposure=float(np.exp(0.18 * jitter[7])),
        window=float(np.exp(0.07 * jitter[8])),
        level=0.10 * jitter[9],
        scatter=0.32 + 0.05 * jitter[10],
        noise_seed=seed,
        shutters=tuple(float(height * margin) for margin in margins),  # type: ignore[arg-type]
    )


def region_named(name: str) -> Region:
    """Return the region of that name.

    Raises
    ------
    KeyError
        Where there is none; the message lists those there are.
    """
    for region in REGIONS:
        if region.name == name:
            return region
    raise KeyError(f"{name} is none of {[region.name for region in REGIONS]}")


def _by_share(choices: tuple[_Choice, ...], uniform: float) -> _Choice:
    edges = np.cumsum([choice.share for choice in choices])
    return choices[min(int(np.searchsorted(edges / edges[-1], uniform)), len(choices) - 1)]
