"""From patient millimetres to image pixels, with magnification and pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.acquisition import Acquisition
from spinecast.simulation.anatomy import Anatomy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """Where the field of view lies over one anatomy.

    Parameters
    ----------
    centre
        x and y of the middle of the field, mm.
    height
        Of the field, mm; the width follows from the shape.
    tilt, turn, lean
        Radians; see ``Acquisition``.
    distance
        Focus to the middle of the person, mm.
    shape
        Rows and columns.
    """

    centre: tuple[float, float]
    height: float
    tilt: float
    turn: float
    lean: float
    distance: float
    shape: tuple[int, int]

    @property
    def spacing(self) -> float:
        """Size of a pixel in the plane of the spine, mm."""
        return self.height / self.shape[0]

    def project(self, points: Floats) -> Floats:
        """Turn (n, 3) points in mm into (n, 2) column and row positions in mm of the image."""
        x, y, z = points.T
        scale = 1.0 + z / self.distance
        across = (x + z * self.turn - self.centre[0]) * scale
        down = (y + z * self.lean - self.centre[1]) * scale
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        half_rows, half_columns = (0.5 * count * self.spacing for count in self.shape)
        return np.stack(
            [
                cosine * across - sine * down + half_columns,
                sine * across + cosine * down + half_rows,
            ],
            axis=1,
        )

    def geometry(self, z: float = 0.0) -> Floats:
        """Return what kernels need to take a pixel back to the plane at depth ``z``."""
        half_rows, half_columns = (0.5 * count * self.spacing for count in self.shape)
        scale = 1.0 + z / self.distance
        return np.array(
            [
                self.spacing,
                half_columns,
                half_rows,
                np.cos(self.tilt) / scale,
                np.sin(self.tilt) / scale,
                self.centre[0] - z * self.turn,
                self.centre[1] - z * self.lean,
            ]
        )


def frame(anatomy: Anatomy, acquisition: Acquisition, *, shape: tuple[int, int]) -> View:
    """Centre the field of view between the levels that the region is framed by.

    The field stands in a fixed relation to the spine, as a radiographer sets it;
    its size is the acquisition's alone.
    """
    bodies = anatomy.bodies
    upper = bodies.levels.index(acquisition.region.upper)
    lower = bodies.levels.index(acquisition.region.lower)
    y = 0.5 * (bodies.centre[upper, 1] + bodies.centre[lower, 1])
    inside = np.abs(bodies.centre[:, 1] - y) < 0.45 * acquisition.height
    x = bodies.centre[inside, 0].mean() + 0.018 * acquisition.height
    return View(
        centre=(float(x) + acquisition.shift[0], float(y) + acquisition.shift[1]),
        height=acquisition.height,
        tilt=acquisition.tilt,
        turn=acquisition.turn,
        lean=acquisition.lean,
        distance=acquisition.distance,
        shape=shape,
    )
