"""Whole lives, put together: dice, causes, fractures and visits of some people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from spinecast.simulation.causes import Causes, draw_causes, trajectory
from spinecast.simulation.findings import settled_loss
from spinecast.simulation.fractures import Course, simulate_course
from spinecast.simulation.imaging_visits import VOLUNTEERS, plan_imaging_visits
from spinecast.simulation.population import Dice, draw_dice
from spinecast.simulation.presets import Preset
from spinecast.simulation.schedule import Schedule, draw_schedule
from spinecast.simulation.spine_state import FRACTURE_SHAPES, LEVELS, Fracture, SpineState

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""The empty intervention."""

STATE_FIELDS = frozenset(field.name for field in fields(SpineState))


@dataclass(frozen=True)
class Lives:
    """Some people's lives; every array has them in its last axis.

    Parameters
    ----------
    dice, causes, course, schedule
        See their modules.
    """

    dice: Dice
    causes: Causes
    course: Course
    schedule: Schedule


def draw_lives(
    preset: Preset, seed: int, numbers: Sequence[int], *, do: Mapping[str, Any] = NOTHING
) -> Lives:
    """Draw the lives of the people ``numbers``, alone or in a crowd with equal results.

    Parameters
    ----------
    preset, seed, numbers
        Which world, and who.
    do
        Interventions on causes (see ``causes.draw_causes``); all that follows from them,
        fractures included, is computed anew from the same dice.
    """
    dice = draw_dice(seed, numbers)
    if preset.variants:
        # imported here: worlds without genomes load none of it
        from spinecast.simulation.genetic_dice import inherit
        from spinecast.simulation.genome_plan import open_cohort_plan

        plan = open_cohort_plan(preset.people, preset.variants, seed=seed)
        dice = inherit(dice, plan, seed)
    volunteers = preset.view == "AP"
    causes = draw_causes(dice, do=do, equations=VOLUNTEERS if volunteers else None)
    course = simulate_course(causes, dice, model=preset.hazard)
    if volunteers:
        schedule = plan_imaging_visits(seed, dice, course=course)
    else:
        schedule = draw_schedule(seed, dice, causes, course=course)
    return Lives(dice=dice, causes=causes, course=course, schedule=schedule)


def state_at(
    lives: Lives, column: int, years: float, *, do: Mapping[str, Any] = NOTHING
) -> SpineState:
    """Return the state of one person ``years`` after baseline, as if alive then.

    Parameters
    ----------
    lives, column
        The person.
    years
        Since baseline; negative before it.
    do
        Interventions on fields of the state itself; they change what is seen and nothing else.
    """
    one = Causes({name: value[column : column + 1] for name, value in lives.causes.rows.items()})
    age = float(one["baseline_age"][0]) + years
    values = {name: float(v[0]) for name, v in trajectory(one, np.array([age])).items()}
    state = SpineState(
        age=age,
        sex="F" if one["female"][0] > 0.5 else "M",
        fractures=fractures_at(lives.course, column, years),
        **{name: value for name, value in values.items() if name in STATE_FIELDS},
    )
    return state.with_changes(**do) if do else state


def fractures_at(course: Course, column: int, years: float) -> tuple[Fracture, ...]:
    """Return the deformed vertebrae of one person ``years`` after baseline, head to foot."""
    times = course.vertebral[:, column]
    happened = np.nonzero(times <= years)[0]
    found = [
        Fracture(
            level=LEVELS[course.vertebral_level[turn, column]],
            shape=FRACTURE_SHAPES[course.vertebral_shape[turn, column]],
            loss=float(settled_loss(course.vertebral_loss[turn, column], years - times[turn])),
        )
        for turn in happened
    ]
    return tuple(sorted(found, key=lambda fracture: LEVELS.index(fracture.level)))
