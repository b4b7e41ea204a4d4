"""The dice of every person: all chance is drawn here, before anything is computed.

Each person owns one random stream a topic, named after seed, topic and number, so a person
drawn alone has the same dice as in the crowd. Values stand in rows by name and in columns
by person; the equations in ``causes`` work on whole rows and add nothing random.
New dice go to the end of a list: those before it keep their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.seeds import generator

Floats = NDArray[np.float64]

NORMALS: tuple[str, ...] = (
    "polygenic_bmd",
    "polygenic_size",
    "polygenic_disc",
    "polygenic_weight",
    "height",
    "body_mass",
    "activity",
    "bone",
    "bone_spine",
    "bone_hip_region",
    "bone_neck",
    "bone_hip",
    "bone_slope",
    "trabecular",
    "trabecular_slope",
    "menopause",
    "weight_slope",
    "size",
    "ageing",
    "ageing_pace",
    "disc",
    "kyphosis",
    "lordosis",
    "osteophytes",
    "aorta",
    "muscle",
    "visceral",
    "subcutaneous",
    "frailty",
    "lumbar_width",
    "lumbar_height",
    "lumbar_area",
)
"""Standard normal dice of a person's constitution and life, in order."""

UNIFORMS: tuple[str, ...] = (
    "sex",
    "age",
    "ancestry",
    "smoking",
    "alcohol",
    "arthritis",
    "secondary",
    "parent",
    "steroids",
    "steroids_onset",
    "pathological",
    "calendar",
)
"""Uniform dice of a person's constitution and life, in order."""

FRACTURE_ROUNDS = 24
"""Most fractures, of any bone, that one life can hold."""

FRACTURE_DICE: tuple[str, ...] = ("vertebral", "non_vertebral", "level", "shape", "loss", "site")

VISITS = 4
"""Most visits of one person: baseline and three later."""


@dataclass(frozen=True)
class Dice:
    """All chance in the lives of some people.

    Parameters
    ----------
    numbers
        Which people, (n,).
    normals, uniforms
        By name, each (n,).
    fractures
        By name, each (rounds, n), uniform.
    death, drop_out
        Uniform, (n,).
    """

    numbers: tuple[int, ...]
    normals: dict[str, Floats]
    uniforms: dict[str, Floats]
    fractures: dict[str, Floats]
    death: Floats
    drop_out: Floats

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.numbers)


def draw_dice(seed: int, numbers: Sequence[int]) -> Dice:
    """Draw the dice of the people ``numbers``.

    Parameters
    ----------
    seed
        The world's seed.
    numbers
        Numbers of the people, 0-based; any subset, in any order.

    Returns
    -------
    Dice
        A person's column does not depend on who else was asked for.
    """
    normals = np.empty((len(NORMALS), len(numbers)))
    uniforms = np.empty((len(UNIFORMS), len(numbers)))
    fractures = np.empty((len(FRACTURE_DICE), FRACTURE_ROUNDS, len(numbers)))
    ends = np.empty((2, len(numbers)))
    for column, number in enumerate(numbers):
        constitution = generator(seed, "simulation", "constitution", number)
        normals[:, column] = constitution.standard_normal(len(NORMALS))
        uniforms[:, column] = _life(seed, number)
        course = generator(seed, "simulation", "fractures", number)
        ends[:, column] = course.random(2)
        fractures[:, :, column] = course.random((FRACTURE_ROUNDS, len(FRACTURE_DICE))).T
    return Dice(
        numbers=tuple(int(number) for number in numbers),
        normals=dict(zip(NORMALS, normals, strict=True)),
        uniforms=dict(zip(UNIFORMS, uniforms, strict=True)),
        fractures=dict(zip(FRACTURE_DICE, fractures, strict=True)),
        death=ends[0],
        drop_out=ends[1],
    )


def draw_life(seed: int, numbers: Sequence[int]) -> dict[str, Floats]:
    """Draw the uniform dice alone of the people ``numbers``, as :func:`draw_dice` does."""
    uniforms = np.array([_life(seed, number) for number in numbers]).reshape(-1, len(UNIFORMS))
    return dict(zip(UNIFORMS, uniforms.T, strict=True))


def _life(seed: int, number: int) -> Floats:
    return generator(seed, "simulation", "life", number).random(len(UNIFORMS))


def person_id(number: int) -> str:
    """Return the id of person ``number``, e.g. ``"P00017"``."""
    return f"P{number:05d}"


def person_number(person: str) -> int:
    """Return the number in a person's id; -1 where it is no such id."""
    digits = person.removeprefix("P")
    return int(digits) if digits.isdecimal() and person_id(int(digits)) == person else -1
