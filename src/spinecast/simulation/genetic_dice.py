"""What people get from their genomes: genetic values in place of dice, and family likeness.

Where a preset has genomes, the dice of the heritable causes (``genetic_effects.TRAITS``) are
replaced, wholly or in part, by genetic values of the same mean and variance; all equations
stay as they are. Families share their ancestry, second twins the sex and age of the first, and
parents are old where their children are among the young.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spinecast.simulation.genetic_effects import TRAITS
from spinecast.simulation.population import Dice, Floats, draw_life

if TYPE_CHECKING:
    from spinecast.simulation.genome_plan import GenomePlan

_OLDEST, _YOUNGEST = 0.9, 0.1
"""Parents and children of the cohort are of the oldest and the youngest tenth."""

_BETWEEN_SIBLINGS = 0.2
"""Siblings' ages differ by at most this share of all ages, either way."""


def inherit(dice: Dice, plan: GenomePlan, seed: int) -> Dice:
    """Return the dice of people with their genomes and families taken into account.

    Parameters
    ----------
    dice
        As drawn by themselves.
    plan
        Of their cohort's genomes.
    seed
        The world's seed.
    """
    numbers = np.array(dice.numbers, dtype=np.int64)
    normals = dict(dice.normals)
    for trait, value in plan.genetic_values(numbers).items():
        share = TRAITS[trait].share
        normals[trait] = np.sqrt(share) * value + np.sqrt(1.0 - share) * normals[trait]
    role, head = plan.pedigree.role[numbers], plan.pedigree.head[numbers]
    first = draw_life(seed, head.tolist())
    own = dice.uniforms
    twin = role == "twin"
    uniforms = {
        **own,
        "sex": np.where(twin, first["sex"], own["sex"]),
        "age": np.where(twin, first["age"], _ages(own["age"], first["age"], role)),
        # 0 stands for European, 1 for another ancestry, whatever the population's threshold
        "ancestry": (plan.east_asian(numbers) >= 0.5).astype(float),
    }
    return replace(dice, normals=normals, uniforms=uniforms)


def _ages(own: Floats, first: Floats, role: np.ndarray) -> Floats:
    near = first + _BETWEEN_SIBLINGS * (2.0 * own - 1.0)
    near = np.abs(near)
    near = np.where(near > 1.0, 2.0 - near, near)
    ages = np.where(role == "parent", _OLDEST + (1.0 - _OLDEST) * own, own)
    ages = np.where(role == "child", _YOUNGEST * own, ages)
    return np.where(role == "sibling", near, ages)
