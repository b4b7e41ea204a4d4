"""The simulated cohort as a source like any other. Nothing else imports the simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import map_blocks
from spinecast.cohort.cohort import Cohort
from spinecast.cohort.sources.ukbiobank_extract import ScanFiles, write_ukbiobank_extract
from spinecast.errors import error
from spinecast.images import Image
from spinecast.simulation.dicom_files import encode, film_dataset
from spinecast.simulation.hospital import dated_tables, film_record, write_hospital_folder
from spinecast.simulation.world import World, open_world
from spinecast.tables import validate

if TYPE_CHECKING:
    from spinecast.simulation.genomes import Genomes
    from spinecast.simulation.lateral import RenderedImage
    from spinecast.simulation.truth import Truth


_BLOCK = 32  # scans rendered by one task
_TOGETHER = 512  # scans held in memory


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

    def genomes(self) -> Genomes:
        """Return the people's genomes, as an array reads them, and what is true of them.

        Raises
        ------
        RunError
            SC-706 for a preset without genomes.
        """
        return self.world.genomes()

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


def write_simulated_extract(
    preset: str, directory: Path, *, seed: int = 0, cluster: str | None = None
) -> str:
    """Write a simulated cohort of spine DXA as a UK Biobank extract and say what was written.

    Parameters
    ----------
    preset, seed
        As of :class:`SimulatedSource`; of spine DXA.
    directory
        Folder to write: one field-numbered table, one archive of DICOM a person and visit.
    cluster
        Where to render.

    Returns
    -------
    str
        One sentence with the counts.

    Raises
    ------
    RunError
        SC-706 for a preset of radiographs, which that layout has none of.
    """
    world = open_world(preset, seed)
    if world.preset.view != "AP":
        raise error("SC-706", expected="a preset of spine DXA, such as dxa-tiny", got=preset,
                    where="--layout ukbiobank")  # fmt: skip
    tables = world.tables()
    people = dated_tables(world, tables)["people"].set_index("person_id")
    scans = tables["images"].sort_values(["person_id", "visit"], kind="stable")
    write_ukbiobank_extract(
        directory,
        tables["people"],
        tables["visits"],
        files=_encoded_scans(_Encode(world, people), scans, cluster),
    )
    return (
        f"{len(people)} people, {len(tables['visits'])} visits, {len(scans)} images; "
        "SIMULATED in the header of every image"
    )


@dataclass(frozen=True)
class _Encode:
    """Renders scans and returns their DICOM files as bytes."""

    world: World
    people: pd.DataFrame

    def __call__(self, image_ids: list[str]) -> list[bytes]:
        return [
            encode(film_dataset(film_record(self.world, image_id, self.people)))
            for image_id in image_ids
        ]


def _encoded_scans(work: _Encode, scans: pd.DataFrame, cluster: str | None) -> Iterator[ScanFiles]:
    """Yield the files of one person and visit after another; few are in memory at a time."""
    for start in range(0, len(scans), _TOGETHER):
        part = scans.iloc[start : start + _TOGETHER]
        names = part["image_id"].tolist()
        blocks = [names[i : i + _BLOCK] for i in range(0, len(names), _BLOCK)]
        encoded = map_blocks(work, blocks, cluster=cluster, label="scans")
        files = [content for block in encoded for content in block]
        for person, visit, content in zip(part["person_id"], part["visit"], files, strict=True):
            yield str(person), int(visit), [content]


def bright_bone(rendered: RenderedImage) -> NDArray[np.float32]:
    """Return stored pixels as float32 with bone bright, whatever the maker stores."""
    pixels = rendered.pixels.astype(np.float32)
    return np.float32(2**rendered.bits - 1) - pixels if rendered.monochrome1 else pixels
