"""What one person's spine is at one moment: all that any image can show of it.

The population draws it, the anatomy builds shapes from it, and every modality
renders those shapes. It holds no random number: the same state, the same
individual shape (``AnatomyDice``) and the same acquisition give the same image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LEVELS: tuple[str, ...] = (
    *(f"T{number}" for number in range(4, 13)),
    *(f"L{number}" for number in range(1, 6)),
)
"""Vertebral levels that carry a body with six points, from head to foot."""

FRACTURE_SHAPES: tuple[str, ...] = ("wedge", "biconcave", "crush")

GENANT_CUTS: tuple[float, ...] = (0.20, 0.25, 0.40)
"""Least fraction of height lost for grades 1, 2 and 3 (Genant et al., JBMR 1993;8:1137)."""

GREATEST_LOSS = 0.7
"""Beyond this a body is a plate, and its six points can no longer be told apart."""


@dataclass(frozen=True)
class Fracture:
    """One deformed vertebra.

    Parameters
    ----------
    level
        ``"T4"`` to ``"L5"``.
    shape
        ``"wedge"`` (front lost), ``"biconcave"`` (middle lost) or ``"crush"`` (all lost).
    loss
        Fraction of the height lost where the shape loses most, 0 to 0.7.
    """

    level: str
    shape: str
    loss: float

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS[0]} to {LEVELS[-1]}, got {self.level}")
        if self.shape not in FRACTURE_SHAPES:
            raise ValueError(f"shape must be one of {FRACTURE_SHAPES}, got {self.shape}")
        if not 0.0 <= self.loss <= GREATEST_LOSS:
            raise ValueError(f"loss must lie in 0 to {GREATEST_LOSS}, got {self.loss}")

    @property
    def grade(self) -> int:
        """Genant grade, 0 (none) to 3 (severe)."""
        return genant_grade(self.loss)


@dataclass(frozen=True)
class SpineState:
    """Everything about one person at one time that an image can show.

    Parameters
    ----------
    age
        Years. Drawn nowhere by itself: it acts through the other values only.
    sex
        ``"F"`` or ``"M"``.
    height, weight
        Centimetres and kilograms.
    bmd_spine
        Areal bone density of L1 to L4, g/cm2.
    trabecular
        Integrity of the trabecular lattice; 1 in young adults, falling with age and density.
    vertebra_size
        Factor on the body dimensions; 1 is the mean of the sex.
    disc_height
        Factor on the disc heights; 1 is young.
    kyphosis, lordosis
        Angles of T4 to T12 and of L1 to S1 without fractures, degrees.
    osteophytes, aortic_calcification
        0 (none) to 1 (severe).
    muscle, visceral_fat, subcutaneous_fat
        Factors; 1 is the mean of the sex.
    fractures
        Deformed vertebrae, at most one entry a level.
    """

    age: float
    sex: str
    height: float
    weight: float
    bmd_spine: float
    trabecular: float = 1.0
    vertebra_size: float = 1.0
    disc_height: float = 1.0
    kyphosis: float = 38.0
    lordosis: float = 50.0
    osteophytes: float = 0.0
    aortic_calcification: float = 0.0
    muscle: float = 1.0
    visceral_fat: float = 1.0
    subcutaneous_fat: float = 1.0
    fractures: tuple[Fracture, ...] = ()

    def __post_init__(self) -> None:
        if self.sex not in {"F", "M"}:
            raise ValueError(f"sex must be F or M, got {self.sex}")
        levels = [fracture.level for fracture in self.fractures]
        if len(levels) != len(set(levels)):
            raise ValueError(f"at most one fracture a level, got {levels}")

    def fracture_at(self, level: str) -> Fracture | None:
        """Return the fracture of ``level``, or None where it is whole."""
        return next((found for found in self.fractures if found.level == level), None)

    def with_changes(self, **changes: object) -> SpineState:
        """Return the same person with some values changed, as an intervention does."""
        return replace(self, **changes)  # type: ignore[arg-type]


def genant_grade(loss: float) -> int:
    """Return the Genant grade (0 to 3) of a fraction of height lost.

    Source: Genant HK et al., J Bone Miner Res 1993;8:1137-48: 20-25 % mild,
    25-40 % moderate, over 40 % severe.
    """
    return sum(loss >= cut for cut in GENANT_CUTS)
