"""Fractures, death and drop-out in continuous time, simulated without approximation.

The hazards are constant on quarter-year cells around each person's baseline (the value at
the cell's middle), so cumulated hazards are piecewise linear and event times come from
inverting them exactly. A vertebral fracture multiplies the hazards from its moment on; a
multiplier only rescales the rest of the curve, so a life is a chain of inversions.
Death and drop-out end the records, not the chain: the world also knows what would have
come afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.causes import MEAN_AGE, REFERENCE, Causes, trajectory
from spinecast.simulation.population import FRACTURE_ROUNDS, Dice, Floats
from spinecast.simulation.presets import HazardModel
from spinecast.simulation.spine_state import FRACTURE_SHAPES, LEVELS

STEP = 0.25
"""Width of a cell of constant hazard, years."""

HISTORY, FUTURE = 40.0, 45.0
"""Years before and after baseline that the world knows."""

EDGES: Floats = np.arange(-HISTORY, FUTURE + STEP / 2, STEP)
"""Edges of the cells, years since baseline."""

FIRST_AGE = 50.0
"""Fractures are simulated from this age on."""

MOST_FRACTURES = 10
"""No further vertebra breaks after so many."""

SITES: tuple[str, ...] = ("hip", "wrist", "humerus", "pelvis", "rib", "ankle")

# Two peaks, at T7-T8 and T11-L1, T4 to L5 (spinecast.simulation.spine_state.LEVELS).
_LEVEL_WEIGHTS = np.array(
    [0.02, 0.03, 0.06, 0.10, 0.10, 0.06, 0.06, 0.11, 0.17, 0.16, 0.07, 0.05, 0.04, 0.015]
)
_SHAPE_CUTS = (0.60, 0.86)  # wedge, biconcave, crush
_SITE_CUTS = (0.22, 0.50, 0.64, 0.72, 0.90)


@dataclass(frozen=True)
class Course:
    """What happens to the bones of some people, in years since baseline.

    Parameters
    ----------
    vertebral, vertebral_level, vertebral_shape, vertebral_loss
        (rounds, n), in order of time, ``inf`` where no more come; level and shape are
        positions in ``LEVELS`` and ``FRACTURE_SHAPES``, loss is the final fraction lost.
    non_vertebral, non_vertebral_site
        The same for fractures elsewhere.
    death, drop_out
        (n,), years since baseline.
    cumulated
        ``"vertebral"``, ``"non_vertebral"``, ``"death"`` -> cumulated hazard at ``EDGES``
        before any multiplier, (edges, n).
    """

    vertebral: Floats
    vertebral_level: NDArray[np.int64]
    vertebral_shape: NDArray[np.int64]
    vertebral_loss: Floats
    non_vertebral: Floats
    non_vertebral_site: NDArray[np.int64]
    death: Floats
    drop_out: Floats
    cumulated: dict[str, Floats]

    def count_vertebral(self, years: Floats | float) -> NDArray[np.int64]:
        """Count the vertebral fractures up to ``years`` since baseline, (n,)."""
        return np.sum(self.vertebral <= years, axis=0)

    def count_non_vertebral(self, years: Floats | float) -> NDArray[np.int64]:
        """Count the fractures elsewhere up to ``years`` since baseline, (n,)."""
        return np.sum(self.non_vertebral <= years, axis=0)

    def first_after_baseline(self, kind: str) -> Floats:
        """Return the first ``"vertebral"`` or ``"non_vertebral"`` time after 0, (n,)."""
        times: Floats = getattr(self, kind)
        return np.min(np.where(times > 0.0, times, np.inf), axis=0)


def standardised(state: dict[str, Floats]) -> dict[str, Floats]:
    """Return the state in standard deviations towards harm, by the names of the hazard."""
    signs = {"bmd_spine": -1, "trabecular": -1, "kyphosis": 1, "disc_height": -1, "muscle": -1}
    return {
        name: sign * (state[name] - REFERENCE[name][0]) / REFERENCE[name][1]
        for name, sign in signs.items()
    }


def log_hazard(causes: Causes, age: Floats, *, model: HazardModel) -> dict[str, Floats]:
    """Return the log hazards before multipliers at ``age``, shaped like ``age``.

    ``"vertebral"`` and ``"non_vertebral"`` leave out earlier fractures and the factor
    after baseline; ``"death"`` is complete.
    """
    state = trajectory(causes, age)
    harm = standardised(state)
    decades = (age - MEAN_AGE) / 10.0
    vertebral = (
        np.log(model.vertebral_rate)
        + model.age * decades
        + model.female * causes["female"]
        + model.bmd * harm["bmd_spine"]
        + model.trabecular * harm["trabecular"]
        + model.kyphosis * harm["kyphosis"]
        + model.disc * harm["disc_height"]
        + model.muscle * harm["muscle"]
        + model.glucocorticoids * state["steroids"]
    )
    elsewhere = (
        np.log(model.non_vertebral_rate)
        + model.non_vertebral_age * decades
        + model.non_vertebral_female * causes["female"]
        + model.non_vertebral_bmd * harm["bmd_spine"]
        + model.non_vertebral_muscle * harm["muscle"]
        + 0.5 * model.glucocorticoids * state["steroids"]
    )
    death = (
        np.log(model.death_rate)
        + np.log(2.0) * (age - MEAN_AGE) / model.death_doubling
        + 0.45 * (1.0 - causes["female"])
        + 0.30 * causes["smoking"]
        + 0.30 * state["steroids"]
        + 0.20 * causes["frailty"]
    )
    return {"vertebral": vertebral, "non_vertebral": elsewhere, "death": death}


def vertebral_multiplier(count: NDArray[np.int64], *, model: HazardModel) -> Floats:
    """Return the factor on the vertebral hazard after ``count`` vertebral fractures."""
    # The fewer whole vertebrae at risk are left, the less is left to break.
    left = np.clip((MOST_FRACTURES - count) / (MOST_FRACTURES - 1.0), 0.0, 1.0)
    return np.where(count > 0, np.exp(model.prior) * left, 1.0)


def non_vertebral_multiplier(
    vertebral: NDArray[np.int64], elsewhere: NDArray[np.int64], *, model: HazardModel
) -> Floats:
    """Return the factor on the non-vertebral hazard after so many fractures of each kind."""
    return np.where(vertebral + elsewhere > 0, np.exp(model.non_vertebral_prior), 1.0)


def simulate_course(causes: Causes, dice: Dice, *, model: HazardModel) -> Course:
    """Run everybody's life from 50 (or 40 years before baseline) to 45 years after.

    Parameters
    ----------
    causes, dice
        Of the same people.
    model
        The true hazards.

    Returns
    -------
    Course
        Exact draws from the piecewise-constant hazards given the dice.
    """
    cumulated = _cumulated_hazards(causes, model)
    chain = _Chain(cumulated, dice, model)
    chain.run()
    level = _choose_levels(chain.vertebral, dice)
    order = np.argsort(chain.vertebral, axis=0, kind="stable")
    bone = trajectory(causes, causes["baseline_age"])["bmd_spine"]
    loss = _draw_loss(dice.fractures["loss"], bone)
    shape = np.digitize(dice.fractures["shape"], _SHAPE_CUTS)
    site = np.digitize(dice.fractures["site"], _SITE_CUTS)
    order_elsewhere = np.argsort(chain.non_vertebral, axis=0, kind="stable")
    return Course(
        vertebral=np.take_along_axis(chain.vertebral, order, axis=0),
        vertebral_level=np.take_along_axis(level, order, axis=0),
        vertebral_shape=np.take_along_axis(shape, order, axis=0),
        vertebral_loss=np.take_along_axis(loss, order, axis=0),
        non_vertebral=np.take_along_axis(chain.non_vertebral, order_elsewhere, axis=0),
        non_vertebral_site=np.take_along_axis(site, order_elsewhere, axis=0),
        death=_time_at(cumulated["death"], -np.log1p(-dice.death)),
        drop_out=_time_at(cumulated["drop_out"], -np.log1p(-dice.drop_out)),
        cumulated=cumulated,
    )


def cumulated_at(cumulated: Floats, years: Floats) -> Floats:
    """Read a cumulated hazard (edges, n) at ``years`` (n,) since baseline: linear in a cell."""
    position = np.clip((years + HISTORY) / STEP, 0.0, len(EDGES) - 1.0)
    cell = np.minimum(position.astype(np.int64), len(EDGES) - 2)
    columns = np.arange(cumulated.shape[1])
    low, high = cumulated[cell, columns], cumulated[cell + 1, columns]
    return low + (high - low) * (position - cell)


def _cumulated_hazards(causes: Causes, model: HazardModel) -> dict[str, Floats]:
    middle = EDGES[:-1, None] + STEP / 2
    age = causes["baseline_age"] + middle
    log_hazards = log_hazard(causes, age, model=model)
    old_enough, later = age >= FIRST_AGE, middle > 0.0
    after = np.exp(model.after_baseline * later)
    drop_out = model.drop_out * np.exp(0.02 * (age - MEAN_AGE))
    rates = {
        "vertebral": np.exp(log_hazards["vertebral"]) * old_enough * after,
        "non_vertebral": np.exp(log_hazards["non_vertebral"]) * old_enough,
        "death": np.exp(log_hazards["death"]) * later,
        "drop_out": drop_out * later,
    }
    return {name: _cumulate(rate) for name, rate in rates.items()}


def _cumulate(rate: Floats) -> Floats:
    cumulated = np.zeros((rate.shape[0] + 1, rate.shape[1]))
    np.cumsum(rate * STEP, axis=0, out=cumulated[1:])
    return cumulated


def _time_at(cumulated: Floats, target: Floats) -> Floats:
    """Return the years at which each column reaches ``target``; inf where it never does."""
    above = np.sum(cumulated <= target, axis=0)
    reached = above < len(EDGES)
    cell = np.clip(above - 1, 0, len(EDGES) - 2)
    columns = np.arange(cumulated.shape[1])
    low, high = cumulated[cell, columns], cumulated[cell + 1, columns]
    share = (target - low) / np.where(high > low, high - low, 1.0)
    return np.where(reached, EDGES[cell] + STEP * share, np.inf)


class _Chain:
    """The rounds of one simulation: in each, every person's next fracture of any bone."""

    def __init__(self, cumulated: dict[str, Floats], dice: Dice, model: HazardModel) -> None:
        people = len(dice)
        self.cumulated, self.dice, self.model = cumulated, dice, model
        self.now = np.full(people, -HISTORY)
        self.vertebral = np.full((FRACTURE_ROUNDS, people), np.inf)
        self.non_vertebral = np.full((FRACTURE_ROUNDS, people), np.inf)
        self.counts = np.zeros((2, people), dtype=np.int64)

    def run(self) -> None:
        """Go on until nobody has another fracture within the known time."""
        for turn in range(FRACTURE_ROUNDS):
            vertebral, elsewhere = self._next_times(turn)
            first = np.minimum(vertebral, elsewhere)
            if not np.any(np.isfinite(first)):
                return
            is_vertebral = (vertebral <= elsewhere) & np.isfinite(first)
            is_elsewhere = (elsewhere < vertebral) & np.isfinite(first)
            self.vertebral[turn] = np.where(is_vertebral, first, np.inf)
            self.non_vertebral[turn] = np.where(is_elsewhere, first, np.inf)
            self.counts += np.stack([is_vertebral, is_elsewhere])
            self.now = np.where(np.isfinite(first), first, FUTURE)

    def _next_times(self, turn: int) -> tuple[Floats, Floats]:
        factors = {
            "vertebral": vertebral_multiplier(self.counts[0], model=self.model),
            "non_vertebral": non_vertebral_multiplier(*self.counts, model=self.model),
        }
        times = []
        for kind, factor in factors.items():
            curve = self.cumulated[kind]
            wait = -np.log1p(-self.dice.fractures[kind][turn])
            scaled = wait / np.where(factor > 0.0, factor, 1.0)
            target = np.where(factor > 0.0, cumulated_at(curve, self.now) + scaled, np.inf)
            times.append(_time_at(curve, target))
        return times[0], times[1]


def _choose_levels(times: Floats, dice: Dice) -> NDArray[np.int64]:
    """Give each fracture its level, never one that is already broken, (rounds, n)."""
    people = times.shape[1]
    free = np.ones((len(LEVELS), people))
    level = np.zeros(times.shape, dtype=np.int64)
    columns = np.arange(people)
    for turn in range(times.shape[0]):
        weights = np.cumsum(_LEVEL_WEIGHTS[:, None] * free, axis=0)
        target = dice.fractures["level"][turn] * weights[-1]
        level[turn] = np.minimum(np.sum(weights <= target, axis=0), len(LEVELS) - 1)
        broken = np.isfinite(times[turn])
        free[level[turn][broken], columns[broken]] = 0.0
    return level


def _draw_loss(uniform: Floats, bone: Floats) -> Floats:
    """Return the final fraction of height lost: more where bone is thin."""
    thin = -(bone - REFERENCE["bmd_spine"][0]) / REFERENCE["bmd_spine"][1]
    return np.clip(0.21 + 0.34 * uniform**1.2 + 0.03 * thin, 0.20, 0.62)


def fracture_shape(position: int) -> str:
    """Return the name of the shape at ``position``."""
    return FRACTURE_SHAPES[position]
