"""Ancestry: principal components of the samples, projection, and distance from a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count as numbers
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.genetics.chromosomes import autosomal, chosen_samples
from spinecast.genetics.krylov import leading_eigenpairs
from spinecast.genotypes.blocks import GenotypeBlocks
from spinecast.genotypes.genotypes import Genotypes, Places

Floats = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_BLOCK = 512
# So many sums are made at a time, however many cores there are: their order is the result's.
_PARTS = 8
_OVERSAMPLING = 10
# Share of a reference's variants that must be there to be projected on it.
_ENOUGH = 0.9
COMPONENTS_OF_DISTANCE = 6
LARGEST_DISTANCE = 7.0**2


@dataclass(frozen=True)
class Components:
    """Principal components of genotypes.

    Parameters
    ----------
    scores
        Indexed by ``sample_id``: ``PC1`` ..., each of unit length.
    eigenvalues
        Eigenvalues of the relationship matrix Z'Z / m, (k,).
    loadings
        Per variant: ``variant_id``, ``effect_allele``, ``other_allele``,
        ``effect_allele_frequency``, and the weight of its standardised dosage in each score.
    constant
        Variants left out because they do not vary.
    residuals
        How far each component is from settled, (k,): 1e-3 is sharp, 1e-1 says that it lies
        among the noise, where no component tells anything.
    passes
        How often the genotypes were read.
    """

    scores: pd.DataFrame
    eigenvalues: Floats
    loadings: pd.DataFrame
    constant: int
    residuals: Floats
    passes: int


@dataclass(frozen=True)
class _Tile:
    """Centred dosages (v, n) and what scales them to variance 1 in equilibrium; 0 if constant."""

    variants: Places
    rows: NDArray[np.float32]
    scale: Floats
    frequency: Floats

    @property
    def varies(self) -> BoolArray:
        return self.scale > 0


@dataclass(frozen=True)
class _Standardised:
    """Genotypes of mean 0 and variance 1, scaled only after they are multiplied: Z = D X."""

    blocks: GenotypeBlocks

    def __iter__(self) -> Iterator[_Tile]:
        for block in self.blocks:
            frequency = np.nan_to_num(block.mean) / 2.0
            spread = np.sqrt(2.0 * frequency * (1.0 - frequency))
            varies = (spread > 0) & (block.sum_squares > 0)
            scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)
            yield _Tile(block.variants, block.tile, scale, frequency)

    def relationship(self, vectors: Floats) -> Floats:
        """Return Z'Z times vectors, (n, b)."""
        count = len(self.blocks)
        ends = np.linspace(0, count, min(_PARTS, count) + 1).astype(int) * _BLOCK
        variants = np.asarray(self.blocks.variants)
        single = vectors.astype(np.float32)
        jobs = [
            (_Standardised(replace(self.blocks, variants=variants[start:end])), single)
            for start, end in pairwise(ends)
        ]
        total = np.zeros_like(vectors)
        for part in map_blocks(_relationship, jobs, label="components"):
            total += part
        return total


def _relationship(job: tuple[_Standardised, NDArray[np.float32]]) -> Floats:
    genotypes, vectors = job
    total = np.zeros(vectors.shape)
    for tile in genotypes:
        inner = (tile.rows @ vectors) * (tile.scale**2)[:, None].astype(np.float32)
        total += tile.rows.T @ inner
    return total


def principal_components(
    genotypes: Genotypes,
    *,
    variants: Places,
    generator: np.random.Generator,
    samples: Places | None = None,
    count: int = 10,
    tolerance: float = 1e-3,
    most_passes: int = 20,
    progress: Progress | None = None,
) -> Components:
    """Compute the leading principal components of the samples.

    The relationship matrix is never made: each pass reads the genotypes once and multiplies
    them with a block of ``count`` + 10 vectors, 4 n m (count + 10) operations. Scores equal
    PLINK 2's ``--pca`` up to sign; missing calls count as the mean.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    variants
        Places; give common (MAF above 0.05), pruned ones outside long-range linkage
        (``outside_long_range``), or components tell inversions instead of ancestry. Those not
        on autosomes are left out.
    generator
        For the random start.
    samples
        Places; unrelated people only, or components tell families. Others can be projected.
    count
        Components wanted.
    tolerance, most_passes, progress
        See :func:`spinecast.genetics.krylov.leading_eigenpairs`; called after each pass.

    Raises
    ------
    GeneticsError
        SC-522 no variants left, SC-526 fewer samples than components ask for.
    """
    people = chosen_samples(genotypes, samples)
    order = np.argsort(people)
    blocks, m = _standardised(genotypes, autosomal(genotypes, variants), people[order])
    found = leading_eigenpairs(
        _counted_product(blocks, m, most_passes=most_passes, progress=progress),
        generator.standard_normal((people.size, _width(people, count))),
        count,
        tolerance=tolerance,
        most_passes=most_passes,
    )
    scores = np.empty_like(found.vectors)
    scores[order] = found.vectors
    return Components(
        scores=_scores(genotypes, people, scores),
        eigenvalues=found.eigenvalues,
        loadings=_loadings(genotypes, blocks, found.vectors / (found.eigenvalues * m)),
        constant=blocks.blocks.n_variants - m,
        residuals=found.residuals,
        passes=found.passes + 2,
    )


def _counted_product(
    blocks: _Standardised, m: int, *, most_passes: int, progress: Progress | None
) -> Callable[[Floats], Floats]:
    passes = numbers(1)

    def product(vectors: Floats) -> Floats:
        found = blocks.relationship(vectors) / m
        if progress is not None:
            progress(next(passes), most_passes)
        return found

    return product


def _scores(genotypes: Genotypes, people: Places, scores: Floats) -> pd.DataFrame:
    ids = pd.Index(genotypes.samples["sample_id"].to_numpy()[people], name="sample_id")
    names = [f"PC{k + 1}" for k in range(scores.shape[1])]
    return pd.DataFrame(scores, columns=names, index=ids)


def _width(people: Places, count: int) -> int:
    width = count + _OVERSAMPLING
    if count < 1 or people.size <= width:
        got = f"{people.size} samples for {count} components"
        raise error("SC-526", expected=f"more than {width} samples", got=got)
    return width


def _standardised(
    genotypes: Genotypes, variants: Places, people: Places
) -> tuple[_Standardised, int]:
    """Return the blocks and how many of their variants vary."""
    blocks = _Standardised(GenotypeBlocks(genotypes, people, variants, _BLOCK))
    m = sum(int(tile.varies.sum()) for tile in blocks)
    if m == 0:
        got = f"none among {variants.size}"
        raise error("SC-522", expected="variants that vary", got=got, where=genotypes.origin)
    return blocks, m


def _loadings(genotypes: Genotypes, blocks: _Standardised, weights: Floats) -> pd.DataFrame:
    parts = [
        (
            tile.variants[tile.varies],
            (tile.rows @ weights * tile.scale[:, None])[tile.varies],
            tile.frequency[tile.varies],
        )
        for tile in blocks
    ]
    places = np.concatenate([part[0] for part in parts])
    columns = ["variant_id", "effect_allele", "other_allele"]
    frame = genotypes.variants.iloc[places][columns].reset_index(drop=True)
    frame = frame.assign(effect_allele_frequency=np.concatenate([part[2] for part in parts]))
    names = [f"PC{k + 1}" for k in range(weights.shape[1])]
    return frame.join(pd.DataFrame(np.concatenate([part[1] for part in parts]), columns=names))


def project_components(
    genotypes: Genotypes, loadings: pd.DataFrame, *, samples: Places | None = None
) -> pd.DataFrame:
    """Place samples on the components of others.

    Missing calls and missing variants count as the mean. Samples that took no part in the
    components come out nearer to zero than those that did, the more so the fewer people and
    the later the component.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    loadings
        As in :class:`Components`; alleles may be exchanged.
    samples
        Places; None for all.

    Returns
    -------
    DataFrame
        Indexed by ``sample_id``: ``PC1`` ...

    Raises
    ------
    GeneticsError
        SC-524 where fewer than 90 % of the variants are there with the same two alleles.
    """
    people = chosen_samples(genotypes, samples)
    table = genotypes.variants.assign(place=np.arange(genotypes.n_variants))
    keys = ["variant_id", "effect_allele", "other_allele"]
    columns = [*keys, "place"]
    merged = loadings.merge(table[columns], on="variant_id", suffixes=("", "_here"))
    same = merged["effect_allele"] == merged["effect_allele_here"]
    same &= merged["other_allele"] == merged["other_allele_here"]
    swapped = merged["effect_allele"] == merged["other_allele_here"]
    swapped &= merged["other_allele"] == merged["effect_allele_here"]
    merged = merged[same | swapped].drop_duplicates("variant_id")
    if len(merged) < _ENOUGH * len(loadings):
        got = f"{len(merged)} of {len(loadings)}"
        expected = f"at least {_ENOUGH:.0%} of the variants with the same alleles"
        raise error("SC-524", expected=expected, got=got, where=genotypes.origin)
    names = [name for name in loadings.columns if name.startswith("PC")]
    scores = np.zeros((people.size, len(names)))
    for start in range(0, len(merged), _BLOCK):
        part = merged.iloc[start : start + _BLOCK]
        dosages = genotypes.dosages(part["place"].to_numpy(dtype=np.int64), samples=people)
        turned = (part["effect_allele"] != part["effect_allele_here"]).to_numpy()
        dosages = np.where(turned[:, None], 2.0 - dosages, dosages)
        frequency = part["effect_allele_frequency"].to_numpy(dtype=np.float64)[:, None]
        spread = np.sqrt(2.0 * frequency * (1.0 - frequency))
        standardised = np.nan_to_num((dosages - 2.0 * frequency) / spread)
        scores += standardised.T @ part[names].to_numpy(dtype=np.float64)
    return _scores(genotypes, people, scores)


def ancestry_distance(
    scores: pd.DataFrame, reference: BoolArray, *, count: int = COMPONENTS_OF_DISTANCE
) -> Floats:
    """Return how far each sample lies from a reference group: sum of ((PC - M) / SD)^2.

    Parameters
    ----------
    scores
        Columns ``PC1`` ...
    reference
        Who belongs to the group, e.g. by self-report, (n,).
    count
        Components used. UK Biobank studies of British and Irish people keep D < 7^2.

    Raises
    ------
    GeneticsError
        SC-526 for fewer than three reference samples, SC-525 for missing components.
    """
    names = [f"PC{k + 1}" for k in range(count)]
    if count < 1 or not set(names) <= set(scores.columns):
        raise error("SC-525", expected=f"components {names}", got=str(list(scores.columns)))
    group = np.asarray(reference, dtype=np.bool_)
    if int(group.sum()) < 3:
        raise error("SC-526", expected="at least 3 reference samples", got=str(int(group.sum())))
    values = scores[names].to_numpy(dtype=np.float64)
    centre, spread = values[group].mean(axis=0), values[group].std(axis=0, ddof=1)
    if not np.all(spread > 0):
        raise error("SC-526", expected="reference samples that differ", got="a constant component")
    return (((values - centre) / spread) ** 2).sum(axis=1)
