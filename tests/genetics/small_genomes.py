"""Small genomes for tests of whole-genome models: linkage, two ancestries, siblings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spinecast.genotypes import GenotypeBlocks, Genotypes, open_genotypes, write_bed


@dataclass(frozen=True)
class SmallGenomes:
    genotypes: Genotypes
    calls: np.ndarray  # (v, n), no missing
    ancestry: np.ndarray  # (n,), 0 or 1

    @property
    def chromosomes(self):
        return self.genotypes.variants["chromosome"].to_numpy()

    def blocks(self, size=64, **settings):
        return GenotypeBlocks(self.genotypes, size=size, **settings)

    def standardised(self, places=None):
        calls = self.calls if places is None else self.calls[places]
        centred = calls - calls.mean(axis=1, keepdims=True)
        return centred / centred.std(axis=1, keepdims=True)

    def polygenic(self, rng, traits, *, h2, on=None):
        """Traits (n, t) of which a share h2 is additive over the chromosomes ``on``."""
        chosen = np.isin(self.chromosomes, list(on)) if on else np.full(len(self.calls), True)
        z = self.standardised(np.flatnonzero(chosen))
        values = z.T @ rng.standard_normal((len(z), traits))
        values *= np.sqrt(h2) / values.std(axis=0)
        return values + np.sqrt(1 - h2) * rng.standard_normal(values.shape)


def _copied(pool, people, rng, switch):
    """Haplotypes (v, people): mosaics of the pool's columns."""
    v, size = pool.shape
    switches = rng.random((v, people)) < switch
    switches[0] = True
    runs = np.maximum.accumulate(np.where(switches, np.arange(v)[:, None], 0), axis=0)
    source = rng.integers(size, size=(v, people))
    return pool[np.arange(v)[:, None], np.take_along_axis(source, runs, axis=0)]


def _children(parents, rng, switch=0.01):
    """Two siblings for each column pair of parents (v, families, 4): (v, families, 2, 2)."""
    v, families, _ = parents.shape
    crossed = rng.random((v, families, 2, 2)) < switch
    phase = (crossed.cumsum(axis=0) + rng.integers(2, size=(1, families, 2, 2))) % 2
    side = np.array([0, 2])[None, None, None, :]  # father's columns 0, 1; mother's 2, 3
    return np.take_along_axis(parents[:, :, None, :], phase + side, axis=3)


def make_genomes(folder, *, people=400, chromosomes=5, each=120, seed=0, siblings=0.4, name="g"):
    """Write and open genomes: ``siblings`` is the share of people with a sibling in the set."""
    rng = np.random.default_rng(seed)
    families = int(people * siblings / 2)
    founders = people + 2 * families
    ancestry = (rng.random(founders) < 0.3).astype(int)
    ancestry[people : people + families] = ancestry[people + families :]  # parents match
    calls, second = [], ancestry[people : people + families]
    for _ in range(chromosomes):
        frequency = rng.uniform(0.1, 0.9, size=(each, 1))
        drift = rng.normal(0.0, 0.08, size=(each, 2))
        haplotypes = np.empty((each, 2 * founders), dtype=np.int8)
        for population in (0, 1):
            local = np.clip(frequency + drift[:, [population]], 0.05, 0.95)
            copies = np.clip(rng.binomial(40, local), 4, 36)
            pool = (rng.random((each, 40)).argsort(axis=1) < copies).astype(np.int8)
            columns = np.flatnonzero(np.repeat(ancestry, 2) == population)
            haplotypes[:, columns] = _copied(pool, columns.size, rng, 0.08)
        parents = haplotypes[:, 2 * people :].reshape(each, 2, families, 2)
        parents = parents.transpose(0, 2, 1, 3).reshape(each, families, 4)
        children = _children(parents, rng).sum(axis=3).reshape(each, 2 * families)
        unrelated = haplotypes[:, : 2 * people].reshape(each, people, 2).sum(axis=2)
        calls.append(np.hstack([children, unrelated[:, 2 * families :]]).astype(np.int8))
    calls = np.vstack(calls)
    of_people = np.concatenate([np.repeat(second, 2), ancestry[2 * families : people]])
    samples = pd.DataFrame(
        {
            "family_id": [f"F{i}" for i in range(people)],
            "sample_id": [f"P{i}" for i in range(people)],
            "sex": 1 + np.arange(people) % 2,
        }
    )
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat([str(c + 1) for c in range(chromosomes)], each),
            "base_pair_location": np.tile(1000 + 5000 * np.arange(each), chromosomes),
            "variant_id": [f"v{i}" for i in range(len(calls))],
            "effect_allele": "A",
            "other_allele": "G",
        }
    )
    path = write_bed(folder / name, samples=samples, variants=variants, calls=[calls])
    return SmallGenomes(open_genotypes(path), calls, of_people)
