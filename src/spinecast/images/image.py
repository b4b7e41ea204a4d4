"""The one image object that every room passes around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with their geometry and the little that is known about them.

    Parameters
    ----------
    pixels
        float32, (rows, cols) for a radiograph, (slices, rows, cols) for a volume or a
        multi-frame image. Bright means much attenuation (bone is white), whatever the file said.
        Radiographs are on the scale the header asks for, volumes of CT in Hounsfield units.
    spacing
        Millimetres between neighbours along each axis of ``pixels``; None where unknown.
        On projections it is the distance at the detector unless the header corrects it,
        so lengths measured with it are some percent too long.
    modality
        DICOM code: DX, CR, BMD, CT, MR, or "" where the file does not say.
    view
        LATERAL, AP, AXIAL, SAGITTAL or "" where unknown.
    region
        Field of view: TL, TLS, LS, WHOLE, CTL or "".
    manufacturer
        Maker of the device as the header spells it, or "".
    attributes
        A few whitelisted tags; never names, dates of birth or identifiers in the clear.
    """

    pixels: NDArray[np.float32]
    spacing: tuple[float, ...] | None = None
    modality: str = ""
    view: str = ""
    region: str = ""
    manufacturer: str = ""
    attributes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        if self.pixels.ndim not in {2, 3}:
            raise ValueError(f"pixels need 2 or 3 axes, got shape {self.pixels.shape}")
        if self.spacing is not None and len(self.spacing) != self.pixels.ndim:
            raise ValueError(f"{len(self.spacing)} spacings for {self.pixels.ndim} axes")
        if self.pixels.dtype != np.float32:
            object.__setattr__(self, "pixels", self.pixels.astype(np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels."""
        return self.pixels.shape
