"""Who is related to whom, who comes from where, and whose sample is at fault.

Relatives share parents who were never sampled; those parents are nodes after the people. A
node's two gametes come from its parents where they are known and from the founders' pools
where not. Shares of relatives and faults are ours, of the size that biobanks report; every
kind is there at least once. Cohorts of fewer than :data:`LEAST_PEOPLE` have neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.simulation.genome_map import Places

Bools = NDArray[np.bool_]

LEAST_PEOPLE = 100

KINSHIP: dict[str, tuple[int, float]] = {
    "twins": (0, 0.5),
    "parent-offspring": (1, 0.25),
    "siblings": (1, 0.25),
    "half-siblings": (2, 0.125),
    "cousins": (3, 0.0625),
}
"""Degree and expected kinship coefficient by relation."""

PAIRS: dict[str, tuple[float, int]] = {
    "twins": (0.002, 2),
    "parent-offspring": (0.010, 3),
    "siblings": (0.015, 4),
    "half-siblings": (0.008, 3),
    "cousins": (0.020, 4),
}
"""Pairs as a share of the people, and the least number of them."""

FAULTS: dict[str, tuple[float, int]] = {
    "low_heterozygosity": (0.002, 2),
    "high_heterozygosity": (0.003, 2),
    "missing": (0.004, 2),
    "sex_mismatch": (0.002, 2),
    "XXY": (0.001, 1),
    "X0": (0.001, 1),
}
"""Faults as a share of the people, and the least number of them.

``low_heterozygosity``: child of siblings. ``high_heterozygosity``: contaminated by another
sample. ``missing``: many calls fail. ``sex_mismatch``: recorded as the other sex. ``XXY`` in
men and ``X0`` in women.
"""

CLAN, CLAN_FROM = 14, 1000
"""First cousins of one large family, and the least number of people to have it: each of them
has more than ten relatives of the third degree."""

EUROPEAN, ADMIXED = 0.86, 0.05
"""Shares of people of European and of mixed ancestry; the others are East Asian."""


@dataclass(frozen=True)
class Pedigree:
    """Families of a whole cohort.

    Parameters
    ----------
    parents
        Mother and father of every node, (nodes, 2), -1 where unknown. The first nodes are
        the people; those after them were never sampled. Parents of sampled people may be
        sampled.
    head
        The person by whose die a node's ancestry is told, (nodes,).
    genome
        The node whose genome a person carries, (people,): another person's in second twins.
    donor
        The person whose sample contaminates a person's, (people,); -1 where none.
    role
        ``"twin"`` (the second of two), ``"parent"``, ``"child"``, ``"sibling"`` (the second
        of two) or ``""``, (people,).
    pairs
        Numbers of two people and their relation.
    faults
        Numbers of the people by fault.
    """

    parents: Places
    head: Places
    genome: Places
    donor: Places
    role: NDArray[np.str_]
    pairs: tuple[tuple[int, int, str], ...]
    faults: dict[str, Places]

    def family_of(self, nodes: Places) -> Places:
        """Return ``nodes`` and all their ancestors, those without known parents first."""
        generation = {}
        frontier, depth = set(nodes.tolist()), 0
        while frontier:
            generation.update(dict.fromkeys(frontier, depth))
            frontier = set(self.parents[list(frontier)].ravel().tolist()) - {-1}
            depth += 1
        found = np.array(sorted(generation), dtype=np.int64)
        depths = np.array([generation[node] for node in found.tolist()])
        return found[np.argsort(-depths, kind="stable")]


@dataclass
class _Families:
    """Families as they are founded: lists grow with each member."""

    people: int
    parents: list[tuple[int, int]] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parents = [(-1, -1)] * self.people
        self.head = list(range(self.people))
        self.genome = list(range(self.people))
        self.role = [""] * self.people

    def unseen(self, head: int, mother: int = -1, father: int = -1) -> int:
        """Add somebody who was never sampled."""
        self.parents.append((mother, father))
        self.head.append(head)
        return len(self.parents) - 1

    def couple(self, head: int) -> tuple[int, int]:
        """Add a mother and a father without known parents."""
        return self.unseen(head), self.unseen(head)

    def bear(self, person: int, head: int, parents: tuple[int, int]) -> None:
        """Give a person parents."""
        self.parents[person] = parents
        self.head[person] = head

    def relate(self, first: int, second: int, relation: str) -> None:
        """Note a pair."""
        self.pairs.append((first, second, relation))

    def twins(self, first: int, second: int) -> None:
        self.genome[second] = self.head[second] = first
        self.role[second] = "twin"

    def parent_offspring(self, first: int, second: int, *, male: bool) -> None:
        self.bear(second, first, (-1, first) if male else (first, -1))
        self.role[first], self.role[second] = "parent", "child"

    def siblings(self, first: int, second: int) -> None:
        parents = self.couple(first)
        self.bear(first, first, parents)
        self.bear(second, first, parents)
        self.role[second] = "sibling"

    def half_siblings(self, first: int, second: int) -> None:
        mother = self.unseen(first)
        for child in (first, second):
            self.bear(child, first, (mother, self.unseen(first)))

    def cousins(self, members: list[int]) -> None:
        """Let each be the child of another of as many siblings."""
        head = members[0]
        grandparents = self.couple(head)
        for turn, member in enumerate(members):
            kin, spouse = self.unseen(head, *grandparents), self.unseen(head)
            self.bear(member, head, (kin, spouse) if turn % 2 else (spouse, kin))

    def inbred(self, person: int) -> None:
        """Make a person the child of siblings."""
        grandparents = self.couple(person)
        mother, father = (self.unseen(person, *grandparents) for _ in range(2))
        self.bear(person, person, (mother, father))


def plan_pedigree(
    people: int, rng: np.random.Generator, *, is_male: Callable[[Places], Bools]
) -> Pedigree:
    """Found the families of a cohort and pick whose sample is at fault.

    Parameters
    ----------
    people
        Size of the cohort.
    rng
        Draws who.
    is_male
        Tells the sex of people by their numbers; asked of few.
    """
    families = _Families(people)
    faults = {name: np.empty(0, dtype=np.int64) for name in FAULTS}
    donor = np.full(people, -1)
    if people >= LEAST_PEOPLE:
        waiting = rng.permutation(people).tolist()
        _found_pairs(families, waiting, is_male)
        if people >= CLAN_FROM:
            _found_clan(families, [waiting.pop() for _ in range(CLAN)])
        faults = _pick_faults(people, waiting, is_male)
        for person in faults["low_heterozygosity"].tolist():
            families.inbred(person)
        for person in faults["high_heterozygosity"].tolist():
            donor[person] = waiting.pop()
    return Pedigree(
        parents=np.array(families.parents, dtype=np.int64).reshape(-1, 2),
        head=np.array(families.head, dtype=np.int64),
        genome=np.array(families.genome, dtype=np.int64),
        donor=donor,
        role=np.array(families.role, dtype="U8"),
        pairs=tuple(families.pairs),
        faults=faults,
    )


def _found_pairs(
    families: _Families, waiting: list[int], is_male: Callable[[Places], Bools]
) -> None:
    for relation, (share, least) in PAIRS.items():
        for _ in range(max(least, round(share * families.people))):
            first, second = waiting.pop(), waiting.pop()
            families.relate(first, second, relation)
            if relation == "twins":
                families.twins(first, second)
            elif relation == "parent-offspring":
                male = bool(is_male(np.array([first]))[0])
                families.parent_offspring(first, second, male=male)
            elif relation == "siblings":
                families.siblings(first, second)
            elif relation == "half-siblings":
                families.half_siblings(first, second)
            else:
                families.cousins([first, second])


def _found_clan(families: _Families, members: list[int]) -> None:
    families.cousins(members)
    for turn, first in enumerate(members):
        for second in members[:turn]:
            families.relate(second, first, "cousins")


def _pick_faults(
    people: int, waiting: list[int], is_male: Callable[[Places], Bools]
) -> dict[str, Places]:
    found: dict[str, Places] = {}
    for name, (share, least) in FAULTS.items():
        many = max(least, round(share * people))
        if name in {"XXY", "X0"}:
            wanted = name == "XXY"
            fitting = [n for n in waiting[-30 * many :] if is_male(np.array([n]))[0] == wanted]
            chosen = fitting[:many]
            for person in chosen:
                waiting.remove(person)
        else:
            chosen = [waiting.pop() for _ in range(many)]
        found[name] = np.array(chosen, dtype=np.int64)
    return found


def east_asian_share(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected share of East Asian ancestry that a die in 0 to 1 stands for."""
    mixed = 0.2 + 0.6 * (uniform - EUROPEAN) / ADMIXED
    return np.where(uniform < EUROPEAN, 0.0, np.where(uniform < EUROPEAN + ADMIXED, mixed, 1.0))


def relatives_table(pedigree: Pedigree, names: list[str]) -> pd.DataFrame:
    """Return the planted pairs: ``id1``, ``id2``, ``relation``, ``degree``, ``kinship``."""
    rows = [
        (names[first], names[second], relation, *KINSHIP[relation])
        for first, second, relation in pedigree.pairs
    ]
    return pd.DataFrame(rows, columns=["id1", "id2", "relation", "degree", "kinship"])
