"""A cohort of volunteers with AP spine DXA: the world of the ``dxa-`` presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.seeds import generator
from spinecast.simulation.anatomy_dice import AnatomyDice, draw_anatomy_dice
from spinecast.simulation.causes import trajectory
from spinecast.simulation.dxa import (
    FIELD,
    MAKER,
    DxaAcquisition,
    DxaImage,
    draw_dxa_acquisition,
    render_dxa,
)
from spinecast.simulation.imaging_visits import lumbar_course, measure
from spinecast.simulation.lives import NOTHING, Lives
from spinecast.simulation.morphometry import MORPHOMETRY, Morphometry
from spinecast.simulation.population import person_id
from spinecast.simulation.records import visits_table
from spinecast.simulation.schedule import Film
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.world import World

if TYPE_CHECKING:
    from spinecast.simulation.dxa_truth import DxaTruth

CAUSE_OF: Mapping[str, str] = {"height": "height_at_baseline", "weight": "weight_at_baseline"}
"""Variables of the graph that are causes under another name."""

Scene = tuple[tuple[SpineState, AnatomyDice], Morphometry]
"""A person at one time, and the true size of L1 to L4."""


class DxaWorld(World):
    """One simulated cohort of spine DXA; see :class:`spinecast.simulation.world.World`."""

    def state(
        self, person: str, years: float = 0.0, *, do: Mapping[str, Any] = NOTHING
    ) -> SpineState:
        """Return a person's spine ``years`` after baseline, as if alive then.

        Besides what ``World.state`` takes, ``do`` may name variables of the graph: ``sex``
        (0 or ``"F"``, 1 or ``"M"``), ``height`` (cm) and ``weight`` (kg) act on all that
        follows from them; ``lumbar_*`` is no part of this state (see :meth:`morphometry`).
        """
        return super().state(person, years, do=_as_causes(do)[0])

    def morphometry(
        self, person: str, years: float = 0.0, *, do: Mapping[str, Any] = NOTHING
    ) -> Morphometry:
        """Return the true size of L1 to L4 ``years`` after baseline, as without fractures.

        Parameters
        ----------
        person, years
            See :meth:`state`.
        do
            As for :meth:`state`, and ``lumbar_width``, ``lumbar_height`` (mm) and
            ``lumbar_area`` (cm2), which act on what follows from them.
        """
        causes, lumbar = _as_causes(do)
        lives, column, time, _ = self._under(person, years, do=causes)
        age = lives.causes["baseline_age"] + time
        values = lumbar_course(lives.causes, age, do=lumbar)
        return Morphometry(**{name: float(value[column]) for name, value in values.items()})

    def scene(self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING) -> Scene:
        """Return what a scan shows: the person at the time, and the size of L1 to L4."""
        film = self.film(image_id)
        name, time = person_id(film.person), film.years + years
        dice = draw_anatomy_dice(generator(self.seed, "simulation", "anatomy", film.person))
        person = self.state(name, time, do=do), dice
        return person, self.morphometry(name, time, do=do)

    def scan(self, image_id: str) -> DxaAcquisition:
        """Return how the scan was taken."""
        film = self.film(image_id)
        return draw_dxa_acquisition(
            generator(self.seed, "simulation", "dxa acquisition", film.image_id)
        )

    def counterfactual(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> DxaImage:
        """Return the scan as it would have been: same person, dice, positioning and noise.

        Parameters
        ----------
        image_id
            The scan to repeat.
        years
            Taken so many years later (or earlier) than it was.
        do
            Interventions, see :meth:`state` and :meth:`morphometry`.
        """
        person, morphometry = self.scene(image_id, years=years, do=do)
        return render_dxa(person, morphometry, self.scan(image_id), shape=self.preset.shape)

    def truth(self) -> DxaTruth:
        """Return all that is true of this world."""
        from spinecast.simulation.dxa_truth import DxaTruth

        return DxaTruth(self)

    def modality(self, film: Film) -> str:  # noqa: ARG002 (all alike)
        """Return the DICOM modality of every scan."""
        return "BMD"

    def spacing(self, film: Film) -> tuple[float, float]:  # noqa: ARG002 (all alike)
        """Return the spacing of every scan in mm (row, column)."""
        size = round(FIELD / self.preset.shape[0], 4)
        return size, size

    def _films(self, lives: Lives, column: int) -> list[Film]:
        number, years = lives.dice.numbers[column], lives.schedule.years[:, column]
        times = years[~np.isnan(years)]
        return [
            Film(
                image_id=f"P{number:05d}-V{visit}-0",
                person=number,
                visit=visit,
                film=0,
                years=float(time),
                maker=MAKER,
                region="LS",
                spacing_known=True,
            )
            for visit, time in enumerate(times)
        ]

    def _block_tables(self, number: int) -> dict[str, pd.DataFrame]:
        tables = super()._block_tables(number)
        lives = self.block(number)
        true = true_values(lives)
        read = measure(self.seed, lives.dice.numbers, true=true)
        ids = [person_id(person) for person in lives.dice.numbers]
        read = {"years_since_baseline": lives.schedule.years, **read}
        columns = visits_table(ids, read).drop(columns="years_since_baseline")
        kept = tables["visits"].drop(columns="bmd_spine")
        tables["visits"] = kept.merge(columns, on=["person_id", "visit"], validate="1:1")
        return tables


def true_values(lives: Lives) -> dict[str, Any]:
    """Return the true density and size of L1 to L4 at every visit, (visits, n) each."""
    age = lives.causes["baseline_age"] + np.nan_to_num(lives.schedule.years)
    state = trajectory(lives.causes, age)
    return {**lumbar_course(lives.causes, age), "bmd_spine": state["bmd_spine"]}


def _as_causes(do: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Split interventions into those on causes and state, and those on lumbar morphometry."""
    lumbar = {name: float(value) for name, value in do.items() if name in MORPHOMETRY}
    rest = {CAUSE_OF.get(n, n): v for n, v in do.items() if n not in {*MORPHOMETRY, "sex"}}
    if "sex" in do:
        codes: dict[Any, float] = {"F": 1.0, "M": 0.0, 0: 1.0, 1: 0.0}
        if do["sex"] not in codes:
            raise error("SC-706", expected="sex 0 or F, 1 or M", got=str(do["sex"]))
        rest["female"] = codes[do["sex"]]
    return rest, lumbar
