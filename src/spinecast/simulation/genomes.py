"""Genomes of a simulated cohort as an array reads them, and what is true of them.

Two ancestries with admixture, relatives, linkage that decays as in life, sex chromosomes, and
faults planted on purpose: samples that are contaminated, inbred, ill-typed or of another sex
than recorded, variants that fail or lose heterozygotes, and a little error everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import map_blocks
from spinecast.simulation.genetic_effects import TRAITS
from spinecast.simulation.genome_map import BUILD, CHROMOSOMES, Places
from spinecast.simulation.genome_plan import GenomePlan, kind_of, open_free_plan
from spinecast.simulation.hashed_dice import half_thresholds
from spinecast.simulation.inheritance import Bytes, Calls, pack_calls, read_calls, true_calls
from spinecast.simulation.pedigree import relatives_table
from spinecast.simulation.population import Floats, person_id

WRONG_CALL = 0.0005
"""Chance that any call is wrong."""

MISSING_CALL, MISSING_SPREAD = 0.003, 0.8
"""Median over variants of the share of missing calls, and the spread of its logarithm."""

FAILING_VARIANTS, FAILING = 0.01, (0.06, 0.20)
DROPPING_VARIANTS, DROPPING = 0.005, (0.2, 0.5)
"""Shares of ill-typed variants: those that fail often, and those whose heterozygotes are often
read as homozygous; and between what shares of calls."""

FAILING_SAMPLE = (0.06, 0.12)
CONTAMINATION = 0.5
"""Chance that a donor's other allele shows where the person is homozygous."""

Which = slice | Places | None
"""Variants by place: a slice, an array, or all."""


class Genomes:
    """Genomes of a cohort, made chromosome by chromosome when asked for.

    Parameters
    ----------
    plan
        What they follow from.
    """

    build = BUILD

    def __init__(self, plan: GenomePlan) -> None:
        self.plan = plan
        self.variants: pd.DataFrame = plan.variants.frame()
        self._genome = plan.pedigree.genome
        self._female = plan.female(self._genome)
        names = [person_id(number) for number in range(plan.people)]
        sex = np.where(self._female, 2, 1)
        self.samples = pd.DataFrame({"family_id": names, "sample_id": names, "sex": sex})
        self._family = plan.family(np.arange(plan.people))
        self._array = _read_array(plan)
        self._last: tuple[int, Calls] = (-1, np.empty((0, 0), dtype=np.int8))

    def __len__(self) -> int:
        """Return the number of variants."""
        return len(self.variants)

    def hard_calls(self, variants: Which = None) -> Calls:
        """Return what the array read.

        Parameters
        ----------
        variants
            Places of v variants. Ask for whole chromosomes, or in ascending order: one
            chromosome is made at a time and the latest is kept.

        Returns
        -------
        ndarray
            Copies of the effect allele, -1 where missing, int8 (v, n). Men's X and Y count 0
            or 2, women's Y is missing.
        """
        places = np.arange(len(self)) if variants is None else np.arange(len(self))[variants]
        out = np.empty((len(places), self.plan.people), dtype=np.int8)
        where = self.plan.variants.chromosome[places]
        for chromosome in np.unique(where).tolist():
            rows = np.flatnonzero(where == chromosome)
            start = self.plan.variants.on(chromosome).start
            out[rows] = self._chromosome(chromosome)[places[rows] - start]
        return out

    def packed_calls(self, variants: Which = None) -> Bytes:
        """Return :meth:`hard_calls` in 2-bit codes of PLINK 1 .bed rows, (v, ceil(n / 4))."""
        if variants is not None:
            return pack_calls(self.hard_calls(variants))
        parts = map_blocks(self._packed, range(len(CHROMOSOMES)), label="genomes")
        return np.concatenate(parts)

    def blocks(self, size: int = 4096) -> Iterator[Calls]:
        """Yield the calls of all variants in order, at most ``size`` at a time."""
        for chromosome in range(len(CHROMOSOMES)):
            own = self.plan.variants.on(chromosome)
            for first in range(own.start, own.stop, size):
                yield self.hard_calls(slice(first, min(first + size, own.stop)))

    def true_calls(self, chromosome: str) -> Calls:
        """Return true genotypes of all people on one chromosome, free of error, (v, n)."""
        return self._true(CHROMOSOMES.index(chromosome))

    def causal(self) -> pd.DataFrame:
        """Return the causal variants (see ``GeneticEffects.table``)."""
        return self.plan.effects.table(self.variants)

    def genetic_values(self) -> pd.DataFrame:
        """Return everybody's true genetic values by trait, in SD; indexed by sample id."""
        values = self.plan.genetic_values(np.arange(self.plan.people))
        return pd.DataFrame(values, index=self.samples["sample_id"])[list(TRAITS)]

    def relatives(self) -> pd.DataFrame:
        """Return all pairs of relatives: id1, id2, relation, degree, kinship (expected)."""
        return relatives_table(self.plan.pedigree, self.samples["sample_id"].tolist())

    def ancestry(self) -> pd.DataFrame:
        """Return ``sample_id``, ``east_asian`` (expected share) and ``population``.

        ``population`` is EUR, EAS or ADMIXED.
        """
        share = self.plan.east_asian(self._genome)
        names = np.where(share == 0.0, "EUR", np.where(share == 1.0, "EAS", "ADMIXED"))
        return pd.DataFrame(
            {"sample_id": self.samples["sample_id"], "east_asian": share, "population": names}
        )

    def planted(self) -> pd.DataFrame:
        """Return the samples at fault: ``sample_id``, ``fault`` (see ``pedigree.FAULTS``)."""
        rows = [
            (person_id(number), fault)
            for fault, numbers in self.plan.pedigree.faults.items()
            for number in numbers.tolist()
        ]
        return pd.DataFrame(rows, columns=["sample_id", "fault"])

    def planted_variants(self) -> pd.DataFrame:
        """Return ill-typed variants: ``variant_id``, ``fault``, ``share`` of calls.

        ``fault`` is ``missing`` or ``lost_heterozygotes``.
        """
        failing, dropping = self._array
        frames = []
        for fault, share in (("missing", failing), ("lost_heterozygotes", dropping)):
            ill = np.flatnonzero(share >= (FAILING[0] if fault == "missing" else DROPPING[0]))
            names = self.variants["variant_id"].to_numpy()[ill]
            frames.append(pd.DataFrame({"variant_id": names, "fault": fault, "share": share[ill]}))
        return pd.concat(frames, ignore_index=True)

    def _chromosome(self, chromosome: int) -> Calls:
        kept, calls = self._last
        if kept != chromosome:
            calls = self._read(chromosome)
            self._last = (chromosome, calls)
        return calls

    def _packed(self, chromosome: int) -> Bytes:
        return pack_calls(self._read(chromosome))

    def _true(self, chromosome: int) -> Calls:
        haplotypes = self.plan.haplotypes(chromosome, self._family)
        out = np.empty((len(haplotypes), self.plan.people), dtype=np.int8)
        people = (self._family.places(self._genome), *self._karyotypes())
        true_calls(haplotypes, people, kind_of(chromosome), out)
        return out

    def _karyotypes(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return who has two X, and who has a Y."""
        faults = self.plan.pedigree.faults
        female = self._female.copy()
        female[faults["sex_mismatch"]] ^= True
        two_x, has_y = female.copy(), ~female
        two_x[faults["XXY"]] = has_y[faults["XXY"]] = True
        two_x[faults["X0"]] = has_y[faults["X0"]] = False
        return two_x, has_y

    def _read(self, chromosome: int) -> Calls:
        calls = self._true(chromosome)
        own = self.plan.variants.on(chromosome)
        failing, dropping = (share[own] for share in self._array)
        chances = (
            half_thresholds(failing),
            half_thresholds(_failing_samples(self.plan)),
            half_thresholds(np.array([WRONG_CALL]))[0],
            half_thresholds(dropping),
            half_thresholds(np.array([CONTAMINATION]))[0],
            self.plan.pedigree.donor,
        )
        read_calls(calls, chances, own.start, self.plan.key("array"))
        return calls


def simulate_genomes(people: int, variants: int, *, seed: int = 0) -> Genomes:
    """Simulate genomes of any size without a cohort, for benchmarks and tests.

    Parameters
    ----------
    people
        From 100 on with relatives and samples at fault.
    variants
        At least 200.
    seed
        The one seed of all.

    Returns
    -------
    Genomes
        Memory of one chromosome at a time: about 3.5 bytes a person and variant of it.
    """
    return Genomes(open_free_plan(people, variants, seed=seed))


def _read_array(plan: GenomePlan) -> tuple[Floats, Floats]:
    """Return the share of calls each variant loses, and of heterozygotes it misreads."""
    rng = plan.stream("array")
    count = len(plan.variants)
    failing = MISSING_CALL * np.exp(MISSING_SPREAD * rng.standard_normal(count))
    failing = np.minimum(failing, 0.9 * FAILING[0])
    kind = rng.random(count)
    failing = np.where(kind < FAILING_VARIANTS, rng.uniform(*FAILING, count), failing)
    drops = (kind >= FAILING_VARIANTS) & (kind < FAILING_VARIANTS + DROPPING_VARIANTS)
    return failing, np.where(drops, rng.uniform(*DROPPING, count), 0.0)


def _failing_samples(plan: GenomePlan) -> Floats:
    share = np.zeros(plan.people)
    ill = plan.pedigree.faults["missing"]
    share[ill] = plan.stream("samples").uniform(*FAILING_SAMPLE, len(ill))
    return share
