"""Which variants act on which causes, and by how much.

Effects are additive. Each of the causes in :data:`TRAITS` gets some hundreds of variants, most
of them weak, a few strong, rarer ones with larger effects; values have mean 0 and variance 1
over Europeans by the founders' haplotypes, whoever is drawn. One strong variant beside WNT16
acts on all three densities, on the spine by itself, and on vertebral size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.simulation.genome_map import CHROMOSOMES, STRONG_LOCUS, UNLINKED, VariantMap, X
from spinecast.simulation.population import Floats

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Heritable:
    """A cause that variants act on.

    Parameters
    ----------
    share
        Of its variance that is genetic; the rest stays a die.
    region
        Where bone density feels it, or what else does.
    strong
        Share of the genetic variance that the strong variant makes.
    """

    share: float
    region: str
    strong: float = 0.0


TRAITS: dict[str, Heritable] = {
    "polygenic_bmd": Heritable(1.0, "spine, femoral neck and total hip", strong=0.12),
    "polygenic_size": Heritable(1.0, "stature and vertebral size", strong=0.03),
    "polygenic_disc": Heritable(1.0, "spine age"),
    "polygenic_weight": Heritable(1.0, "weight"),
    "bone_spine": Heritable(0.30, "spine", strong=0.04),
    "bone_hip_region": Heritable(0.30, "femoral neck and total hip"),
}
"""By the name of the die that the genetic value replaces or, in part, takes the place of."""

_LEAST_CAUSAL, _CAUSAL_SHARE = 40, 0.01
_HEAVY_SHARE, _HEAVY = 0.06, 2.5
_SELECTION = -0.4
"""Exponent of 2 p (1 - p) in the variance of an effect; about that of bone density and height
(Zeng et al., Nat Genet 2018;50:746)."""

_COMMON = 0.02
_STRONG_FREQUENCY = (0.2, 0.5)


@dataclass(frozen=True)
class GeneticEffects:
    """The causal variants.

    Parameters
    ----------
    places
        Of the causal variants in the genome, ascending, (c,).
    betas
        Effect of one copy of the effect allele, in SD of the genetic value, (c, traits).
    mean
        Expected copies in Europeans, (c,).
    """

    places: NDArray[np.int64]
    betas: Floats
    mean: Floats

    def table(self, variants: pd.DataFrame) -> pd.DataFrame:
        """Return one row a variant and trait that it acts on.

        Returns
        -------
        pandas.DataFrame
            The variant's columns, ``trait``, ``region``, ``beta`` (SD of the cause per copy of
            the effect allele), ``effect_allele_frequency`` (expected, Europeans).
        """
        rows, columns = np.nonzero(self.betas)
        names = np.array(list(TRAITS))[columns]
        scale = np.sqrt([TRAITS[name].share for name in names])
        table = variants.iloc[self.places[rows]].reset_index(drop=True)
        return table.assign(
            trait=names,
            region=[TRAITS[name].region for name in names],
            beta=self.betas[rows, columns] * scale,
            effect_allele_frequency=self.mean[rows] / 2.0,
        )


def plant_effects(
    variants: VariantMap, founders: Callable[[int], Bytes], rng: np.random.Generator
) -> GeneticEffects:
    """Choose causal variants and scale their effects.

    Parameters
    ----------
    variants
        The genome.
    founders
        European founders' alleles on a chromosome by its place, (founders, variants there).
    rng
        Draws which and how much.
    """
    pools = [founders(chromosome) for chromosome in range(X)]
    frequency = np.concatenate([pool.mean(axis=0) for pool in pools])
    variance = 2.0 * frequency * (1.0 - frequency)
    stretch = np.cumsum(variants.step[: len(frequency)] > UNLINKED, dtype=np.int64)
    common = np.minimum(frequency, 1.0 - frequency) >= _COMMON
    strong = _strong_place(variants, frequency)
    elsewhere = np.flatnonzero(common & (stretch != stretch[strong]))
    many = min(max(_LEAST_CAUSAL, round(_CAUSAL_SHARE * len(variants))), len(elsewhere))
    betas = np.zeros((len(frequency), len(TRAITS)))
    for column, trait in enumerate(TRAITS.values()):
        chosen = rng.choice(elsewhere, many, replace=False)
        heavy = np.where(rng.random(many) < _HEAVY_SHARE, _HEAVY, 1.0)
        spread = variance[chosen] ** (_SELECTION / 2.0)
        betas[chosen, column] = heavy * spread * rng.standard_normal(many)
        total = _variance(betas[:, column], pools, stretch)
        betas[:, column] *= np.sqrt((1.0 - trait.strong) / total)
        betas[strong, column] = np.sqrt(trait.strong / variance[strong])
    places = np.flatnonzero(betas.any(axis=1))
    return GeneticEffects(places=places, betas=betas[places], mean=2.0 * frequency[places])


def _strong_place(variants: VariantMap, frequency: Floats) -> int:
    """Return the common variant nearest to the strong locus."""
    chromosome = CHROMOSOMES.index(STRONG_LOCUS[0])
    minor = np.minimum(frequency, 1.0 - frequency)
    low, high = _STRONG_FREQUENCY
    places = np.arange(variants.on(chromosome).start, variants.on(chromosome).stop)
    fitting = places[(minor[places] >= low) & (minor[places] <= high)]
    fitting = fitting if len(fitting) else places[[int(np.argmax(minor[places]))]]
    away = np.abs(variants.position[fitting] - STRONG_LOCUS[1])
    return int(fitting[np.argmin(away)])


def _variance(beta: Floats, pools: list[Bytes], stretch: NDArray[np.int64]) -> float:
    """Return the variance of the genetic value: stretches are independent of each other."""
    total, first = 0.0, 0
    for pool in pools:
        own = slice(first, first + pool.shape[1])
        first = own.stop
        causal = np.flatnonzero(beta[own])
        if len(causal):
            values = pool[:, causal] * beta[own][causal]
            starts = np.flatnonzero(np.diff(stretch[own][causal], prepend=-1))
            sums = np.add.reduceat(values, starts, axis=1)
            total += 2.0 * float(sums.var(axis=0).sum())
    return total
