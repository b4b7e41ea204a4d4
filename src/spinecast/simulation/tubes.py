"""Bones that are long: chains of tubes and plates in three dimensions.

Ribs, pedicles, facets, spinous processes, crests, osteophytes and calcified
plaques are all polylines with a radius at each point, a cortical wall and a
core. A tube is round (or flattened) about its line; a plate has one thickness
across the person instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Material = tuple[Floats | float, Floats | float, Floats | float, Floats | float, Floats | float]


@dataclass(frozen=True, eq=False)
class Tube:
    """One polyline.

    Parameters
    ----------
    points
        (k, 3) mm.
    radius
        (k,) mm.
    wall
        Thickness of the cortex, mm.
    cortex, core
        Mineral densities, g/cm3.
    flatness
        Thickness across the person as a fraction of the diameter.
    breadth
        Thickness across the person in mm where it is a plate; 0 for tubes.
    fade
        (k,) factor on the density, so that nothing ends at a cut; None is 1 all along.
    """

    points: Floats
    radius: Floats
    wall: float = 0.8
    cortex: float = 1.0
    core: float = 0.10
    flatness: float = 1.0
    breadth: float = 0.0
    fade: Floats | None = None


@dataclass(frozen=True, eq=False)
class Tubes:
    """Many tubes, end to end in flat arrays.

    ``points`` (m, 3), ``radius`` and ``fade`` (m,); ``start`` (k + 1,) says where each
    begins; ``material`` (k, 5) holds wall, cortex, core, flatness and breadth.
    """

    points: Floats
    radius: Floats
    fade: Floats
    start: NDArray[np.int64]
    material: Floats

    def __len__(self) -> int:
        """Return the number of tubes."""
        return len(self.start) - 1


def join(tubes: Iterable[Tube]) -> Tubes:
    """Lay tubes end to end."""
    kept = list(tubes)
    counts = [len(tube.points) for tube in kept]
    fades = [np.ones(len(t.points)) if t.fade is None else t.fade for t in kept]
    material = [(t.wall, t.cortex, t.core, t.flatness, t.breadth) for t in kept]
    return Tubes(
        points=np.concatenate([tube.points for tube in kept]),
        radius=np.concatenate([tube.radius for tube in kept]),
        fade=np.concatenate(fades),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        material=np.array(material, dtype=np.float64),
    )


def equal_tubes(points: Floats, radius: Floats, *, material: Material, fade: Floats) -> Tubes:
    """Lay tubes of equally many points end to end.

    Parameters
    ----------
    points
        (k, m, 3) mm.
    radius, fade
        Broadcast to (k, m).
    material
        Wall, cortex, core, flatness and breadth, each a number or (k,).
    """
    count, knots, _ = points.shape
    columns = np.empty((count, len(material)))
    for column, values in enumerate(material):
        columns[:, column] = values
    return Tubes(
        points=points.reshape(-1, 3),
        radius=np.broadcast_to(radius, (count, knots)).ravel(),
        fade=np.broadcast_to(fade, (count, knots)).ravel(),
        start=knots * np.arange(count + 1, dtype=np.int64),
        material=columns,
    )


def merge(groups: Iterable[Tubes]) -> Tubes:
    """Lay groups of tubes end to end, in their order."""
    kept = list(groups)
    shift = np.cumsum([0] + [len(group.points) for group in kept])
    starts = [group.start[:-1] + before for group, before in zip(kept, shift, strict=False)]
    return Tubes(
        points=np.concatenate([group.points for group in kept]),
        radius=np.concatenate([group.radius for group in kept]),
        fade=np.concatenate([group.fade for group in kept]),
        start=np.concatenate([*starts, shift[-1:]]).astype(np.int64),
        material=np.concatenate([group.material for group in kept]),
    )
