"""A whole cohort's genetics, fixed by its size and seed: map, founders, families, effects.

Nothing here is drawn per person: the plan tells how to make anybody's genome, alone or in the
crowd, with equal results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from spinecast.cluster import map_blocks
from spinecast.seeds import generator, integer
from spinecast.simulation.coalescent import FOUNDERS, founder_haplotypes
from spinecast.simulation.genetic_effects import TRAITS, Bytes, GeneticEffects, plant_effects
from spinecast.simulation.genome_map import CHROMOSOMES, Places, VariantMap, X, Y, lay_variants
from spinecast.simulation.hashed_dice import Words, half_thresholds, thresholds
from spinecast.simulation.inheritance import AUTOSOME, ON_X, ON_Y, fill_haplotypes
from spinecast.simulation.morphometry import SHARE_OF_MEN
from spinecast.simulation.pedigree import Bools, Pedigree, east_asian_share, plan_pedigree
from spinecast.simulation.population import Floats, draw_life

SWITCHES = 1.0
"""Changes of the copied founder per cM: within a stretch they are few."""

TRACT = 0.1
"""Chance that a change of founder draws the ancestry anew: tracts of 10 cM."""

PeopleDice = Callable[[Places], tuple[Floats, Floats]]
"""From numbers of people to the dice of their sex and of their ancestry, uniform."""

_PLANS = Lock()


@dataclass(frozen=True)
class Family:
    """Some people and all their ancestors, ancestors first.

    Parameters
    ----------
    nodes
        Numbers of the nodes (n,).
    parents
        Their parents' places in ``nodes`` (n, 2), -1 where unknown.
    asian
        Thresholds of East Asian ancestry (n,).
    """

    nodes: Places
    parents: Places
    asian: Words

    def places(self, nodes: Places) -> Places:
        """Return where ``nodes`` stand among the family."""
        order = np.argsort(self.nodes)
        return order[np.searchsorted(self.nodes, nodes, sorter=order)]


class GenomePlan:
    """What all genomes of one cohort follow from.

    Parameters
    ----------
    people, variants
        Size of the cohort, and of a genome.
    seed
        The world's seed.
    dice
        Sex and ancestry of people, see :data:`PeopleDice`.
    """

    def __init__(self, people: int, variants: int, *, seed: int, dice: PeopleDice) -> None:
        self.people = people
        self.seed = seed
        self.dice = dice
        self.variants: VariantMap = lay_variants(variants, self.stream("map"))
        # Threads, wherever the caller runs: the work is compiled and lets go of the lock.
        self.pools: list[Bytes] = map_blocks(self._pool, range(len(CHROMOSOMES)), label="founders")
        self.pedigree: Pedigree = plan_pedigree(
            people, self.stream("pedigree"), is_male=lambda numbers: ~self.female(numbers)
        )
        self.effects: GeneticEffects = plant_effects(
            self.variants, self._europeans, self.stream("effects")
        )

    def stream(self, name: str) -> np.random.Generator:
        """Return the generator of one part of the plan."""
        return generator(self.seed, "simulation", "genomes", name)

    def key(self, *names: str | int) -> np.uint64:
        """Return the key of hashed dice of one part of the plan."""
        return np.uint64(integer(self.seed, "simulation", "genomes", *names))

    def female(self, numbers: Places) -> Bools:
        """Return whether people are recorded as women."""
        return self.dice(numbers)[0] < 1.0 - SHARE_OF_MEN

    def east_asian(self, nodes: Places) -> Floats:
        """Return the expected share of East Asian ancestry of nodes, as their family has it."""
        return east_asian_share(self.dice(self.pedigree.head[nodes])[1])

    def family(self, numbers: Places) -> Family:
        """Return the people ``numbers`` (with whose genomes twins carry) and their ancestors."""
        nodes = self.pedigree.family_of(self.pedigree.genome[numbers])
        parents = self.pedigree.parents[nodes]
        family = Family(nodes=nodes, parents=parents, asian=half_thresholds(self.east_asian(nodes)))
        known = parents >= 0
        places = np.full_like(parents, -1)
        places[known] = family.places(parents[known])
        return Family(nodes=nodes, parents=places, asian=family.asian)

    def haplotypes(self, chromosome: int, family: Family) -> Bytes:
        """Return the haplotypes of a family along one chromosome.

        Parameters
        ----------
        chromosome
            Place in ``genome_map.CHROMOSOMES``.
        family
            n nodes.

        Returns
        -------
        ndarray
            Copies of the effect allele, 0 or 1, (variants there, 2 n): maternal and paternal
            in turn; see ``inheritance.fill_haplotypes`` on X and Y.
        """
        step = self.variants.step[self.variants.on(chromosome)]
        out = np.empty((len(step), 2 * len(family.nodes)), dtype=np.uint8)
        founders = (
            self.pools[chromosome],
            FOUNDERS,
            kind_of(chromosome),
            SWITCHES * np.cumsum(np.where(np.isfinite(step), step, 0.0)),
            half_thresholds(np.array([TRACT]))[0],
            thresholds(-0.5 * np.expm1(-0.02 * step)),
        )
        key = self.key("gametes", chromosome)
        fill_haplotypes(founders, (family.nodes, family.parents, family.asian, key), out)
        return out

    def genetic_values(self, numbers: Places) -> dict[str, Floats]:
        """Return people's true genetic values by trait, each (n,), in SD of Europeans.

        Free of error of the array. A person's value does not depend on who else is asked for.
        """
        family = self.family(numbers)
        columns = 2 * family.places(self.pedigree.genome[numbers])
        values = {trait: np.zeros(len(numbers)) for trait in TRAITS}
        effects = self.effects
        for chromosome in range(X):
            own = self.variants.on(chromosome)
            first, last = np.searchsorted(effects.places, [own.start, own.stop])
            if first == last:
                continue
            rows = effects.places[first:last] - own.start
            alleles = self.haplotypes(chromosome, family)[rows].astype(np.int8)
            copies = alleles[:, columns] + alleles[:, columns + 1] - effects.mean[first:last, None]
            for column, trait in enumerate(TRAITS):
                beta = effects.betas[first:last, column]
                acting = np.flatnonzero(beta)
                if len(acting):
                    # summed in order, so that a person alone gets the same last digit
                    terms = beta[acting, None] * copies[acting]
                    values[trait] += np.add.accumulate(terms, axis=0)[-1]
        return values

    def _pool(self, chromosome: int) -> Bytes:
        step = self.variants.step[self.variants.on(chromosome)]
        return founder_haplotypes(step, FOUNDERS, self.key("founders", chromosome))

    def _europeans(self, chromosome: int) -> Bytes:
        return self.pools[chromosome][: FOUNDERS[0]]


def kind_of(chromosome: int) -> int:
    """Return how a chromosome is inherited."""
    return {X: ON_X, Y: ON_Y}.get(chromosome, AUTOSOME)


def open_cohort_plan(people: int, variants: int, *, seed: int) -> GenomePlan:
    """Return the plan of a simulated cohort, whose people have dice of their own; kept."""
    with _PLANS:
        return _cohort_plan(people, variants, seed)


@lru_cache(maxsize=3)
def _cohort_plan(people: int, variants: int, seed: int) -> GenomePlan:
    def dice(numbers: Places) -> tuple[Floats, Floats]:
        different, places = np.unique(numbers, return_inverse=True)
        uniforms = draw_life(seed, different.tolist())
        return uniforms["sex"][places], uniforms["ancestry"][places]

    return GenomePlan(people, variants, seed=seed, dice=dice)


def open_free_plan(people: int, variants: int, *, seed: int) -> GenomePlan:
    """Return the plan of people who are nothing but genomes, for benchmarks."""
    uniforms = generator(seed, "simulation", "genomes", "people").random((2, people))
    return GenomePlan(
        people,
        variants,
        seed=seed,
        dice=lambda numbers: (uniforms[0, numbers], uniforms[1, numbers]),
    )
