"""The simulated cohort as a source like any other. Nothing else imports the simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinecast.cohort.cohort import Cohort
from spinecast.images import Image
from spinecast.simulation.hospital import write_hospital_folder
from spinecast.simulation.world import World, open_world
from spinecast.tables import validate

if TYPE_CHECKING:
    from spinecast.simulation.lateral import RenderedImage
    from spinecast.simulation.truth import Truth


class SimulatedSource:
    """People and images of a world whose truth is known.

    Parameters
    ----------
    preset
        A name of ``simulation.PRESETS``: ``tiny``, ``demo``, ``dxa-demo`` ...
    seed
        The world's seed.

    Raises
    ------
    RunError
        SC-702 where there is no such preset.
    """

    simulated = True

    def __init__(self, preset: str, seed: int = 0) -> None:
        self.name = f"simulated:{preset}"
        self.world: World = open_world(preset, seed)

    def load(self) -> Cohort:
        """Return the tables as a hospital's records would have them; nothing is at fault."""
        tables = {name: validate(table, name) for name, table in self.world.tables().items()}
        return Cohort(
            name=self.name,
            simulated=True,
            notes=(f"SIMULATED: {self.world.preset.description}; seed {self.world.seed}",),
            **tables,
        )

    def open_image(self, image_id: str) -> Image:
        """Render one image, as reading its file would give it.

        Raises
        ------
        SpinecastError
            SC-110 or SC-311 where this world has no such image.
        """
        film = self.world.film(image_id)
        return Image(
            pixels=bright_bone(self.world.render(image_id)),
            spacing=self.world.spacing(film),
            modality=self.world.modality(film),
            view=self.world.preset.view,
            region=film.region,
            manufacturer=film.maker,
            attributes={"ImageComments": "SIMULATED"},
        )

    def truth(self) -> Truth:
        """Return what is true of this world, for tests and recovery only."""
        return self.world.truth()


def write_simulated_folder(
    preset: str,
    directory: Path,
    *,
    seed: int = 0,
    damaged: float = 0.03,
    with_truth: bool = False,
    cluster: str | None = None,
) -> str:
    """Write a simulated cohort as a hospital folder and say what was written.

    Parameters
    ----------
    preset, seed
        As of :class:`SimulatedSource`.
    directory
        Folder to write.
    damaged
        Fraction of image files spoiled on purpose.
    with_truth
        Also write the folder ``truth``, which no reader looks at.
    cluster
        Where to render.

    Returns
    -------
    str
        One sentence with the counts.
    """
    world = open_world(preset, seed)
    folder = write_hospital_folder(
        world, directory, damaged=damaged, with_truth=with_truth, cluster=cluster
    )
    counts = {name: len(table) for name, table in folder.tables.items()}
    return (
        f"{counts['people']} people, {counts['visits']} visits, {counts['images']} images; "
        f"{len(folder.damage)} faults planted on purpose"
    )


def bright_bone(rendered: RenderedImage) -> NDArray[np.float32]:
    """Return stored pixels as float32 with bone bright, whatever the maker stores."""
    pixels = rendered.pixels.astype(np.float32)
    return np.float32(2**rendered.bits - 1) - pixels if rendered.monochrome1 else pixels
