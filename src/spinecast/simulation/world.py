"""A simulated cohort: tables, states and images, each made when asked for.

Everything follows from the preset and the seed. Tables draw people in blocks; one image
needs one person only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spinecast.cluster import map_blocks
from spinecast.errors import error
from spinecast.seeds import generator
from spinecast.simulation.acquisition import Acquisition, draw_acquisition
from spinecast.simulation.findings import report_findings, true_fractures
from spinecast.simulation.lives import NOTHING, STATE_FIELDS, Lives, draw_lives, state_at
from spinecast.simulation.population import person_id, person_number
from spinecast.simulation.presets import Preset, find_preset
from spinecast.simulation.records import (
    draw_record_dice,
    events_table,
    record_visits,
    visits_table,
)
from spinecast.simulation.schedule import Film, list_films
from spinecast.simulation.spine_state import SpineState

if TYPE_CHECKING:
    from spinecast.simulation.anatomy import Anatomy
    from spinecast.simulation.genomes import Genomes
    from spinecast.simulation.lateral import RenderedImage
    from spinecast.simulation.truth import Truth

BLOCK = 500
"""People drawn at once; bounds the memory of the hazard grids."""

_CASSETTES = frozenset({"KODAK", "FUJIFILM Corporation", "Agfa", "KONICA MINOLTA"})
"""Makers whose films are CR; the others write DX."""


def open_world(preset: str, seed: int = 0) -> World:
    """Open the simulated cohort of that preset and seed; nothing is drawn yet.

    Raises
    ------
    RunError
        SC-702 where there is no such preset.
    """
    return _reopen(find_preset(preset), seed)


def _reopen(preset: Preset, seed: int) -> World:
    if preset.view == "AP":
        from spinecast.simulation.dxa_world import DxaWorld

        return DxaWorld(preset, seed=seed)
    return World(preset, seed=seed)


class World:
    """One simulated cohort.

    Parameters
    ----------
    preset
        Size and hazards.
    seed
        The one seed of everything in it.
    """

    def __init__(self, preset: Preset, *, seed: int = 0) -> None:
        self.preset = preset
        self.seed = seed
        self._blocks: dict[int, Lives] = {}
        self._alone: dict[int, Lives] = {}

    def __len__(self) -> int:
        """Return the number of people."""
        return self.preset.people

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes as preset and seed; what was drawn can be drawn again."""
        return (_reopen, (self.preset, self.seed))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``people``, ``visits``, ``images``, ``events`` and ``findings`` as recorded."""
        parts = map_blocks(self._block_tables, range(self.block_count), label="people")
        return {
            name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]
        }

    @property
    def block_count(self) -> int:
        """Number of blocks that the people are drawn in."""
        return -(-self.preset.people // BLOCK)

    def block(self, number: int) -> Lives:
        """Return the lives of the people of one block, drawn once and kept."""
        if number not in self._blocks:
            people = range(number * BLOCK, min((number + 1) * BLOCK, self.preset.people))
            self._blocks[number] = draw_lives(self.preset, self.seed, people)
        return self._blocks[number]

    def state(
        self, person: str, years: float = 0.0, *, do: Mapping[str, Any] = NOTHING
    ) -> SpineState:
        """Return a person's spine ``years`` after baseline, as if alive then.

        Parameters
        ----------
        person
            A ``person_id``.
        years
            Since baseline; ``do={"age": ...}`` names the age instead.
        do
            Interventions. Causes (``smoking``, ``glucocorticoids``, ``polygenic_bmd``,
            ``bmi_at_baseline``, ... see ``causes.draw_causes``) act on all that follows from
            them, past fractures included, with the same dice. Fields of
            :class:`SpineState` (``bmd_spine``, ``fractures``, ...) are set as given and
            change nothing else.

        Raises
        ------
        RunError
            SC-706 where ``do`` names neither.
        """
        lives, column, time, fields = self._under(person, years, do=do)
        return state_at(lives, column, time, do=fields)

    def _under(
        self, person: str, years: float, *, do: Mapping[str, Any]
    ) -> tuple[Lives, int, float, dict[str, Any]]:
        """Return the person's life under interventions on causes, and what is left to set."""
        lives, column = self._find(person)
        time = years if "age" not in do else do["age"] - lives.causes["baseline_age"][column]
        causes = {name: value for name, value in do.items() if name in lives.causes.rows}
        fields = {n: v for n, v in do.items() if n in STATE_FIELDS - {"age"} and n not in causes}
        unknown = set(do) - set(causes) - set(fields) - {"age"}
        if unknown:
            raise error("SC-706", expected="causes or fields of the state", got=str(unknown))
        if causes:
            number = person_number(person)
            lives, column = draw_lives(self.preset, self.seed, [number], do=causes), 0
        return lives, column, float(time), fields

    def baseline_date(self, number: int) -> date:
        """Return the date of the index visit of person ``number``."""
        lives, column = self._find(person_id(number))
        return lives.schedule.baseline_date(column)

    def films(self, person: str) -> list[Film]:
        """Return the person's films in order of time."""
        lives, column = self._find(person)
        return self._films(lives, column)

    def film(self, image_id: str) -> Film:
        """Return the film called ``image_id``.

        Raises
        ------
        FileError
            SC-110 where there is none.
        """
        person = image_id.split("-", maxsplit=1)[0]
        found = [film for film in self.films(person) if film.image_id == image_id]
        if not found:
            raise error("SC-110", expected="an image of this cohort", got=image_id)
        return found[0]

    def anatomy(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> Anatomy:
        """Return the anatomy behind an image, ``years`` later and under interventions."""
        from spinecast.simulation.anatomy import build_anatomy
        from spinecast.simulation.anatomy_dice import draw_anatomy_dice

        film = self.film(image_id)
        state = self.state(person_id(film.person), film.years + years, do=do)
        dice = draw_anatomy_dice(generator(self.seed, "simulation", "anatomy", film.person))
        return build_anatomy(state, dice)

    def acquisition(self, image_id: str) -> Acquisition:
        """Return how the image was taken."""
        return self._acquisition(self.film(image_id))

    def render(self, image_id: str) -> RenderedImage:
        """Return the image as the device stored it; only its person is drawn."""
        return self.counterfactual(image_id)

    def counterfactual(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> RenderedImage:
        """Return the image as it would have been: same person, dice and acquisition.

        Parameters
        ----------
        image_id
            The film to repeat.
        years
            Taken so many years later (or earlier) than it was.
        do
            Interventions, see :meth:`state`.
        """
        from spinecast.simulation.lateral import render_lateral

        anatomy = self.anatomy(image_id, years=years, do=do)
        return render_lateral(anatomy, self.acquisition(image_id), shape=self.preset.shape)

    def genomes(self) -> Genomes:
        """Return the people's genomes, as an array reads them and as they are.

        Raises
        ------
        RunError
            SC-706 for a preset without genomes.
        """
        from spinecast.simulation.genome_plan import open_cohort_plan
        from spinecast.simulation.genomes import Genomes

        preset = self.preset
        if not preset.variants:
            raise error("SC-706", expected="a preset with genomes, as gwas-tiny", got=preset.name)
        return Genomes(open_cohort_plan(preset.people, preset.variants, seed=self.seed))

    def truth(self) -> Truth:
        """Return all that is true of this world."""
        from spinecast.simulation.truth import LateralTruth

        return LateralTruth(self)

    def _find(self, person: str) -> tuple[Lives, int]:
        number = person_number(person)
        if not 0 <= number < self.preset.people:
            raise error("SC-311", expected=f"P00000 to {person_id(len(self) - 1)}", got=person)
        if number // BLOCK in self._blocks:
            return self._blocks[number // BLOCK], number % BLOCK
        if number not in self._alone:
            self._alone[number] = draw_lives(self.preset, self.seed, [number])
        return self._alone[number], 0

    def _films(self, lives: Lives, column: int) -> list[Film]:
        return list_films(
            self.seed,
            lives.dice.numbers[column],
            schedule=lives.schedule,
            column=column,
            two_films=self.preset.two_films,
        )

    def _acquisition(self, film: Film) -> Acquisition:
        rng = generator(self.seed, "simulation", "acquisition", film.image_id)
        return draw_acquisition(rng, maker=film.maker, region=film.region)

    def _block_tables(self, number: int) -> dict[str, pd.DataFrame]:
        lives = self.block(number)
        ids = [person_id(person) for person in lives.dice.numbers]
        years = lives.schedule.years
        columns = record_visits(
            lives.causes,
            lives.course,
            draw_record_dice(self.seed, lives.dice.numbers),
            years=years,
            bmd_known=self.preset.bmd_known,
        )
        visits = visits_table(ids, columns)
        true = true_fractures(lives.course, lives.dice, years=years)
        return {
            "people": self._people(lives, ids),
            "visits": visits,
            "images": self._images(lives),
            "events": events_table(ids, lives.course, end=lives.schedule.end),
            "findings": report_findings(
                self.seed, lives.dice, lives.causes, true=true, visits=visits
            ),
        }

    def _people(self, lives: Lives, ids: list[str]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "person_id": ids,
                "sex": np.where(lives.causes["female"] > 0.5, "F", "M"),
                "ancestry": np.where(lives.causes["european"] > 0.5, "EUR", "EAS"),
            }
        )

    def _images(self, lives: Lives) -> pd.DataFrame:
        films = [film for column in range(len(lives.dice)) for film in self._films(lives, column)]
        return pd.DataFrame([self._image_row(film) for film in films])

    def _image_row(self, film: Film) -> dict[str, Any]:
        spacing = self.spacing(film)
        row, column = spacing if spacing is not None else (np.nan, np.nan)
        return {
            "image_id": film.image_id,
            "person_id": person_id(film.person),
            "visit": film.visit,
            "modality": self.modality(film),
            "view": self.preset.view,
            "region": film.region,
            "spacing_row": row,
            "spacing_column": column,
            "manufacturer": film.maker,
            "origin": "acquired",
            "sha256": "",
            "path": "",
        }

    def modality(self, film: Film) -> str:
        """Return the film's DICOM modality."""
        return modality(film.maker)

    def spacing(self, film: Film) -> tuple[float, float] | None:
        """Return the film's spacing in mm (row, column), or None where its header is silent."""
        if not film.spacing_known:
            return None
        size = round(float(self._acquisition(film).height) / self.preset.shape[0], 4)
        return size, size


def modality(maker: str) -> str:
    """Return the DICOM modality of a maker's films: DX, or CR from cassettes."""
    return "CR" if maker in _CASSETTES else "DX"
