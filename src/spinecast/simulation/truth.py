"""What is true of a simulated cohort, for tests and the report's recovery section.

No stage of any study reads this. Hazards and survival are those the events were drawn
from, not estimates; the best possible discrimination is computed from them over all pairs
of people, without the luck of one follow-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.simulation.causes import Causes, trajectory
from spinecast.simulation.findings import true_fractures
from spinecast.simulation.fractures import (
    STEP,
    cumulated_at,
    log_hazard,
    non_vertebral_multiplier,
    vertebral_multiplier,
)
from spinecast.simulation.lives import NOTHING, Lives
from spinecast.simulation.population import Floats, person_id
from spinecast.simulation.ranking import expected_auroc, expected_concordance

if TYPE_CHECKING:
    from spinecast.simulation.acquisition import Acquisition
    from spinecast.simulation.anatomy import Anatomy
    from spinecast.simulation.lateral import RenderedImage
    from spinecast.simulation.world import World

HORIZONS = (1.0, 5.0, 10.0)
"""Years at which the studies judge a risk score."""

ENDPOINTS = ("vertebral_fracture", "any_fracture", "death")
"""Endpoints whose survival has a closed form here."""


class Truth:
    """The truth of one world.

    Parameters
    ----------
    world
        Whose truth.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def coefficients(self) -> dict[str, float]:
        """True rates and log hazard ratios, by the names of ``presets.HazardModel``."""
        return asdict(self.world.preset.hazard)

    def people(self) -> pd.DataFrame:
        """Return one row a person: the state at baseline and all that comes.

        Returns
        -------
        pandas.DataFrame
            ``person_id``; the state at baseline (``trajectory``'s values, ``female``,
            ``baseline_age``); ``spine_age``, ``acceleration`` (years); ``pathological``
            (planted cluster); ``prevalent_vf``, ``fractures`` (count); ``log_hazard`` of a
            vertebral fracture at baseline and ``visible_predictor``, the part of it that a
            radiograph, age and sex can tell; times in years since baseline, never censored
            (inf: not within 45 years): ``vertebral_fracture``, ``non_vertebral_fracture``,
            ``any_fracture``, ``death``; ``follow_up``, when the records end.
        """
        frames = [_people(lives, self.world) for lives in self._lives()]
        return pd.concat(frames, ignore_index=True)

    def events_within(self, horizons: Sequence[float] = HORIZONS) -> pd.DataFrame:
        """Return what happens first within each horizon if records never ended.

        Returns
        -------
        pandas.DataFrame
            ``person_id``, ``endpoint``, ``horizon``, ``event`` (0, 1, or 2 = died before).
        """
        people = self.people()
        frames = [
            pd.DataFrame(
                {
                    "person_id": people["person_id"],
                    "endpoint": endpoint,
                    "horizon": horizon,
                    "event": _first(people[endpoint], people["death"], horizon),
                }
            )
            for endpoint in ("vertebral_fracture", "non_vertebral_fracture", "any_fracture")
            for horizon in horizons
        ]
        return pd.concat(frames, ignore_index=True)

    def survival(
        self, times: Sequence[float], endpoint: str = "vertebral_fracture"
    ) -> pd.DataFrame:
        """Return each person's true chance of no event up to each time.

        Parameters
        ----------
        times
            Years since baseline, at most 45.
        endpoint
            One of :data:`ENDPOINTS`.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``person_id``, one column a time. Fractures: as if nobody died
            (what censoring at death estimates); see :meth:`cumulative_incidence`.

        Raises
        ------
        StatisticsError
            SC-610 for another endpoint.
        """
        return self._by_person(times, lambda lives, t: np.exp(-self._cumulated(lives, t, endpoint)))

    def hazard(self, times: Sequence[float], endpoint: str = "vertebral_fracture") -> pd.DataFrame:
        """Return each person's true hazard per year at each time, given no event so far."""

        def at(lives: Lives, time: Floats) -> Floats:
            start = np.floor(time / STEP) * STEP
            later = self._cumulated(lives, start + STEP, endpoint)
            return (later - self._cumulated(lives, start, endpoint)) / STEP

        return self._by_person(times, at)

    def cumulative_incidence(
        self, times: Sequence[float], endpoint: str = "vertebral_fracture"
    ) -> pd.DataFrame:
        """Return each person's true chance of the event before each time and before death."""

        def at(lives: Lives, time: Floats) -> Floats:
            edges = np.arange(0.0, float(time[0]) + STEP / 2, STEP)
            risk = np.zeros(len(time))
            for low in edges[:-1] if len(edges) > 1 else []:
                start, stop = np.full_like(time, low), np.minimum(low + STEP, time)
                risk += self._risk_in_cell(lives, start, stop, endpoint=endpoint)
            last = np.full_like(time, edges[-1])
            return risk + self._risk_in_cell(lives, last, time, endpoint=endpoint)

        return self._by_person(times, at)

    def best_discrimination(
        self,
        endpoint: str = "vertebral_fracture",
        *,
        horizons: Sequence[float] = HORIZONS,
        tau: float = 10.0,
    ) -> pd.DataFrame:
        """Return the best c-index and AUROC that anybody could reach.

        Expected over all pairs of people from their true survival, as if nobody died,
        which is what censoring at death estimates.

        Parameters
        ----------
        endpoint
            ``"vertebral_fracture"`` or ``"any_fracture"``.
        horizons
            Years of the AUROCs.
        tau
            Years up to which the c-index looks.

        Returns
        -------
        pandas.DataFrame
            ``predictor`` (``image_visible``: the state a radiograph shows, age and sex;
            ``everything``: the true risk itself; ``age_sex``), ``statistic``
            (``c_index``, ``auroc``), ``horizon``, ``value``.
        """
        people = self.people()
        grid = np.arange(0.0, tau + STEP / 2, STEP)
        survival = self.survival(list(grid), endpoint).to_numpy()
        coefficients = self.world.preset.hazard
        predictors = {
            "image_visible": people["visible_predictor"].to_numpy(),
            "everything": 1.0 - survival[:, -1],
            "age_sex": (
                0.07 * people["baseline_age"] + (0.9 + coefficients.female) * people["female"]
            ).to_numpy(),
        }
        rows = []
        for name, risk in predictors.items():
            rows.append((name, "c_index", tau, expected_concordance(risk, survival)))
            for horizon in horizons:
                at_horizon = self.survival([horizon], endpoint).to_numpy()[:, 0]
                rows.append((name, "auroc", horizon, expected_auroc(risk, at_horizon)))
        return pd.DataFrame(rows, columns=["predictor", "statistic", "horizon", "value"])

    def expected_concordance(
        self, risk: pd.Series, endpoint: str = "vertebral_fracture", *, tau: float = 10.0
    ) -> float:
        """Return the c-index that ``risk`` would have on average over all that could happen.

        Parameters
        ----------
        risk
            Score by ``person_id``, high for early events; these people are compared.
        endpoint, tau
            See :meth:`best_discrimination`.
        """
        grid = list(np.arange(0.0, tau + STEP / 2, STEP))
        survival = self.survival(grid, endpoint).loc[risk.index].to_numpy()
        return expected_concordance(risk.to_numpy(dtype=float), survival)

    def prevalent_fractures(self) -> pd.DataFrame:
        """Return every deformed vertebra at every visit (see ``findings.true_fractures``)."""
        frames = [
            true_fractures(lives.course, lives.dice, years=lives.schedule.years)
            for lives in self._lives()
        ]
        return pd.concat(frames, ignore_index=True)

    def visits(self) -> pd.DataFrame:
        """Return the true state at every visit, with ``prevalent_vf`` and ``fractures``."""
        frames = [_visits(lives) for lives in self._lives()]
        table = pd.concat(frames, ignore_index=True)
        return table.sort_values(["person_id", "visit"], kind="stable", ignore_index=True)

    def counterfactual(
        self, image_id: str, *, years: float = 0.0, do: Mapping[str, Any] = NOTHING
    ) -> RenderedImage:
        """Return the image as it would have been (see ``World.counterfactual``)."""
        return self.world.counterfactual(image_id, years=years, do=do)

    def _lives(self) -> list[Lives]:
        return [self.world.block(number) for number in range(self.world.block_count)]

    def _by_person(self, times: Sequence[float], at: Any) -> pd.DataFrame:
        frames = []
        for lives in self._lives():
            people = len(lives.dice)
            values = {float(t): at(lives, np.full(people, float(t))) for t in times}
            index = [person_id(number) for number in lives.dice.numbers]
            frames.append(pd.DataFrame(values, index=pd.Index(index, name="person_id")))
        return pd.concat(frames)

    def _cumulated(self, lives: Lives, years: Floats, endpoint: str) -> Floats:
        model, course = self.world.preset.hazard, lives.course
        zero = np.zeros(len(lives.dice))

        def since_baseline(kind: str) -> Floats:
            curve = course.cumulated[kind]
            return cumulated_at(curve, years) - cumulated_at(curve, zero)

        if endpoint == "death":
            return since_baseline("death")
        if endpoint not in ENDPOINTS:
            raise error("SC-610", expected=f"one of {', '.join(ENDPOINTS)}", got=endpoint)
        counts = course.count_vertebral(0.0), course.count_non_vertebral(0.0)
        total = vertebral_multiplier(counts[0], model=model) * since_baseline("vertebral")
        if endpoint == "any_fracture":
            factor = non_vertebral_multiplier(*counts, model=model)
            total = total + factor * since_baseline("non_vertebral")
        return total

    def _risk_in_cell(self, lives: Lives, start: Floats, stop: Floats, *, endpoint: str) -> Floats:
        # Both hazards are constant within a cell, so the integral is exact.
        ours = self._cumulated(lives, stop, endpoint) - self._cumulated(lives, start, endpoint)
        death = self._cumulated(lives, stop, "death") - self._cumulated(lives, start, "death")
        before = self._cumulated(lives, start, endpoint) + self._cumulated(lives, start, "death")
        total = ours + death
        share = ours / np.where(total > 0.0, total, 1.0)
        return np.exp(-before) * share * -np.expm1(-total)


class LateralTruth(Truth):
    """The truth of a world of lateral radiographs."""

    def landmarks(self, image_id: str) -> dict[str, NDArray[np.float64]]:
        """Return the six points of every vertebra in view (see ``lateral_landmarks``)."""
        from spinecast.simulation.lateral import lateral_landmarks

        return lateral_landmarks(*self._scene(image_id), shape=self.world.preset.shape)

    def masks(self, image_id: str) -> NDArray[np.uint8]:
        """Return the labels of the vertebrae, T4 = 1 to L5 = 14 (see ``lateral_masks``)."""
        from spinecast.simulation.lateral import lateral_masks

        return lateral_masks(*self._scene(image_id), shape=self.world.preset.shape)

    def _scene(self, image_id: str) -> tuple[Anatomy, Acquisition]:
        return self.world.anatomy(image_id), self.world.acquisition(image_id)


def _people(lives: Lives, world: World) -> pd.DataFrame:
    causes, course = lives.causes, lives.course
    state = trajectory(causes, causes["baseline_age"])
    count = course.count_vertebral(0.0)
    model = world.preset.hazard
    factor = np.log(np.maximum(vertebral_multiplier(count, model=model), 1e-6))
    log_rate = log_hazard(causes, causes["baseline_age"], model=model)["vertebral"] + factor
    vertebral = course.first_after_baseline("vertebral")
    elsewhere = course.first_after_baseline("non_vertebral")
    return pd.DataFrame(
        {
            "person_id": [person_id(number) for number in lives.dice.numbers],
            "baseline_age": causes["baseline_age"],
            "female": causes["female"],
            **state,
            "acceleration": state["spine_age"] - causes["baseline_age"],
            "pathological": causes["pathological"],
            "prevalent_vf": (count > 0).astype(float),
            "fractures": count,
            "log_hazard": log_rate,
            "visible_predictor": log_rate - model.glucocorticoids * state["steroids"],
            "vertebral_fracture": vertebral,
            "non_vertebral_fracture": elsewhere,
            "any_fracture": np.minimum(vertebral, elsewhere),
            "death": course.death,
            "follow_up": np.minimum(lives.schedule.end, course.death),
        }
    )


def _visits(lives: Lives) -> pd.DataFrame:
    frames = []
    for visit, years in enumerate(lives.schedule.years):
        there = ~np.isnan(years)
        causes = Causes({name: value[there] for name, value in lives.causes.rows.items()})
        state = trajectory(causes, causes["baseline_age"] + years[there])
        count = np.sum(lives.course.vertebral[:, there] <= years[there], axis=0)
        numbers = np.asarray(lives.dice.numbers)[there]
        frames.append(
            pd.DataFrame(
                {
                    "person_id": [person_id(int(number)) for number in numbers],
                    "visit": visit,
                    "years_since_baseline": years[there],
                    **state,
                    "prevalent_vf": (count > 0).astype(float),
                    "fractures": count,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _first(time: pd.Series, death: pd.Series, horizon: float) -> Any:
    by_horizon = np.minimum(time, death) <= horizon
    return np.where(by_horizon, np.where(time <= death, 1, 2), 0)
