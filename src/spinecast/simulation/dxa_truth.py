"""What is true of a simulated cohort of spine DXA, for tests and the recovery section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.simulation.causes import trajectory
from spinecast.simulation.dxa import DxaImage, clean_density, dxa_masks
from spinecast.simulation.dxa_rays import Image
from spinecast.simulation.dxa_world import true_values
from spinecast.simulation.imaging_visits import measurement_errors, noise_of
from spinecast.simulation.lives import NOTHING
from spinecast.simulation.morphometry import (
    MORPHOMETRY,
    graph_table,
    standardised,
)
from spinecast.simulation.population import person_id
from spinecast.simulation.truth import Truth

if TYPE_CHECKING:
    from spinecast.simulation.dxa_world import DxaWorld

BMD_CAUSES: tuple[str, ...] = ("sex", "age", "weight")
"""What bone density follows from in the graph; habits and menopause are noise there."""


class DxaTruth(Truth):
    """The truth of one world of spine DXA.

    Parameters
    ----------
    world
        Whose truth.
    """

    world: DxaWorld

    def morphometry(
        self, person: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> dict[str, float]:
        """Return a person's true size and density of L1 to L4, free of measurement error.

        Parameters
        ----------
        person
            A ``person_id``.
        years
            Since baseline.
        do
            Interventions by variable of the graph (``age``, ``sex``, ``height``, ``weight``,
            ``lumbar_width``, ``lumbar_height``, ``lumbar_area``, ``bmd_spine``), or of
            ``World.state``.

        Returns
        -------
        dict
            ``lumbar_width``, ``lumbar_height`` (mm), ``lumbar_area`` (cm2), ``bmd_spine``
            (g/cm2). Sizes are those without fractures.
        """
        size = self.world.morphometry(person, years, do=do)
        density = self.world.state(person, years, do=do).bmd_spine
        return {**{name: getattr(size, name) for name in MORPHOMETRY}, "bmd_spine": density}

    def counterfactual(
        self,
        image_id: str,
        *,
        years: float = 0.0,
        do: Mapping[str, Any] = NOTHING,
        new_fractures: bool = True,
    ) -> DxaImage:
        """Return the scan as it would have been (see ``DxaWorld.counterfactual``).

        Parameters
        ----------
        image_id, years, do
            See there.
        new_fractures
            False keeps the fractures of the scan itself, so that only what follows from
            ``years`` and ``do`` by the graph changes.
        """
        kept = do if new_fractures else {**self._fractures(image_id), **do}
        return self.world.counterfactual(image_id, years=years, do=kept)

    def density(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> Image:
        """Return the areal density (g/cm2) behind a scan, before noise and storage."""
        person, size = self.world.scene(image_id, years=years, do=do)
        return clean_density(person, size, self.world.scan(image_id), shape=self.world.preset.shape)

    def masks(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> NDArray[np.uint8]:
        """Return the labels of L1 = 1 to L4 = 4 (see ``dxa_masks``); above 0 is the region."""
        person, size = self.world.scene(image_id, years=years, do=do)
        return dxa_masks(person, size, self.world.scan(image_id), shape=self.world.preset.shape)

    def measurement_errors(self) -> dict[str, float]:
        """Return SDs of one measurement's error (see ``imaging_visits.measurement_errors``)."""
        return measurement_errors()

    def graph(self) -> pd.DataFrame:
        """Return the true standardised weights of the graph.

        Returns
        -------
        pandas.DataFrame
            ``from``, ``to``, ``weight`` and ``kind``: ``structural`` where the equation is
            linear and this is its coefficient; ``linearised`` for bone density, whose
            equations are not: least squares on the true values of this world's people.
        """
        structural = graph_table().assign(kind="structural")
        return pd.concat([structural, self._linearised()], ignore_index=True)

    def variables(self) -> pd.DataFrame:
        """Return the true variables of the graph at every visit.

        Returns
        -------
        pandas.DataFrame
            ``person_id``, ``visit``, ``sex`` (1 = men), ``age``, ``height``, ``weight``,
            ``lumbar_width``, ``lumbar_height``, ``lumbar_area``, ``bmd_spine``, and the noise
            of each equation as ``noise_<name>`` (in SD of the noise).
        """
        frames = []
        for lives in self._lives():
            years, true = lives.schedule.years, true_values(lives)
            age = lives.causes["baseline_age"] + np.nan_to_num(years)
            state = trajectory(lives.causes, age)
            noise = {f"noise_{n}": v for n, v in noise_of(lives.causes).items()}
            ids = np.array([person_id(number) for number in lives.dice.numbers])
            for visit in range(2):
                there = ~np.isnan(years[visit])
                columns = {
                    "person_id": ids,
                    "visit": np.full(len(ids), visit),
                    "sex": 1.0 - lives.causes["female"],
                    "age": age[visit],
                    "height": state["height"][visit],
                    "weight": state["weight"][visit],
                    **{name: value[visit] for name, value in true.items()},
                    **noise,
                }
                frames.append(pd.DataFrame({n: v[there] for n, v in columns.items()}))
        table = pd.concat(frames, ignore_index=True)
        return table.sort_values(["person_id", "visit"], kind="stable", ignore_index=True)

    def _linearised(self) -> pd.DataFrame:
        first = self.variables().query("visit == 0")
        columns = [standardised(name, first[name].to_numpy()) for name in BMD_CAUSES]
        density = first["bmd_spine"].to_numpy()
        design = np.column_stack([np.ones(len(first)), *columns])
        slopes = np.linalg.lstsq(design, (density - density.mean()) / density.std(), rcond=None)[0]
        rows = [
            (cause, "bmd_spine", float(slope), "linearised")
            for cause, slope in zip(BMD_CAUSES, slopes[1:], strict=True)
        ]
        return pd.DataFrame(rows, columns=["from", "to", "weight", "kind"])

    def _fractures(self, image_id: str) -> dict[str, Any]:
        film = self.world.film(image_id)
        state = self.world.state(person_id(film.person), film.years)
        return {"fractures": state.fractures}
