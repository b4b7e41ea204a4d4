"""Association of variants with what the rest of the genome does not predict of a trait.

For a variant x and the residual r = (1 - h2) H^-1 y of the mixed model without x's
chromosome (x and y without covariates), generalised least squares gives beta =
x'r / ((1 - h2) x'H^-1 x). The denominator needs a solution a variant; like BOLT-LMM and
GRAMMAR-Gamma we take it as c x'x with one constant c a trait, the mean over variants drawn
by lot. With s2 = y'r / degrees the statistic is (x'r)^2 / (c s2 x'x), chi-square with one
degree of freedom.

Sources: Loh et al., Nature Genetics 47, 284 (2015); Svishcheva et al., Nature Genetics 44,
1166 (2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.genetics.mixed_fits import degrees, without_covariates
from spinecast.genetics.panels import multiply, to_panels
from spinecast.genetics.projection import Floats, TraitGroup, group_traits
from spinecast.genetics.scan import ScanBlock
from spinecast.genetics.scan_kernels import left_over
from spinecast.genetics.tails import log10_p_of_z
from spinecast.genetics.whole_genome import WholeGenomeFit
from spinecast.genotypes.blocks import GenotypeBlock, GenotypeBlocks

# Of a variant's sum of squares, what covariates must leave: single precision tells no less.
_LEAST = 1e-4


@dataclass(frozen=True)
class MixedScan:
    """The mixed-model statistic for variants of one chromosome, see :func:`prepare_mixed_scan`.

    Parameters
    ----------
    groups
        Traits by who has them.
    panels
        Per group the basis of its covariates, then its residuals over their root mean
        square, cut into panels.
    masks
        Who belongs to each group that is not everybody, cut into panels.
    scales
        What residuals were divided by, (t,).
    noise
        Residual variance s2 of each trait, (t,).
    calibration
        The constant c of each trait, (t,).
    """

    groups: list[TraitGroup]
    panels: NDArray[Any]
    masks: NDArray[Any]
    scales: Floats
    noise: Floats
    calibration: Floats

    def block(self, blocks: GenotypeBlocks, k: int) -> ScanBlock:
        """Read block ``k`` and test its variants; missing genotypes are the variant's mean."""
        block = blocks.block(k)
        products = multiply(block.tile, self.panels)
        squares = self._squares(block)
        shape = (len(self.scales), len(block.variants))
        score, rest, frequency = np.empty(shape), np.empty(shape), np.empty(shape)
        people = np.empty(shape, dtype=np.int64)
        first = 0
        for place, group in enumerate(self.groups):
            basis, end = group.basis.shape[1], first + group.basis.shape[1] + group.traits.size
            own = np.empty(shape[1])
            left_over(products, squares[place], first, basis, own)
            rest[group.traits] = np.where(own > _LEAST * squares[place], own, np.nan)
            score[group.traits] = products[:, first + basis : end].T
            mean = block.mean + products[:, first] / np.sqrt(group.n)
            frequency[group.traits] = mean / 2.0
            people[group.traits] = group.n
            first = end
        score *= self.scales[:, None]
        standard_error = np.sqrt(self.noise[:, None] / (self.calibration[:, None] * rest))
        beta = score / (self.calibration[:, None] * rest)
        return ScanBlock(
            block.variants,
            beta.T,
            standard_error.T,
            log10_p_of_z(beta / standard_error).T,
            people.T,
            frequency.T,
        )

    def _squares(self, block: GenotypeBlock) -> list[Floats]:
        """Return the variants' sums of squares among the people of each group."""
        if not len(self.masks):
            return [block.sum_squares] * len(self.groups)
        some = iter(multiply(np.square(block.tile), self.masks).astype(np.float64).T)
        return [block.sum_squares if group.whole else next(some) for group in self.groups]


def prepare_mixed_scan(
    traits: Floats, covariates: Floats, *, fit: WholeGenomeFit, chromosome: str
) -> MixedScan:
    """Lay out the mixed-model statistic for variants of one chromosome.

    Parameters
    ----------
    traits, covariates
        As given to :func:`~spinecast.genetics.whole_genome.whole_genome_model`.
    fit
        What it returned.
    chromosome
        Of the variants to be tested: its own variants are left out of the prediction; for
        one that has none in the model (X, say) nothing is.

    Raises
    ------
    GeneticsError
        SC-533, SC-534, SC-540 as the model does.
    """
    groups = group_traits(traits, covariates)
    predicted = fit.prediction(chromosome).astype(np.float64)
    scales, noise = np.empty(traits.shape[1]), np.empty(traits.shape[1])
    columns = []
    for group in groups:
        own = group.residuals - without_covariates(group, predicted[:, group.traits])
        # By least squares on the mixed model's scale; for ridge by those of the residual.
        other = own if fit.way == "ridge" else group.residuals
        noise[group.traits] = (other * own).sum(axis=0) / degrees(group)
        scales[group.traits] = np.sqrt((own**2).mean(axis=0))
        columns += [group.basis, own / scales[group.traits]]
    masks = [group.mask for group in groups if not group.whole]
    return MixedScan(
        groups=groups,
        panels=to_panels(np.hstack(columns), np.float32),
        masks=to_panels(
            np.stack(masks, axis=1) if masks else np.empty((len(traits), 0)), np.float32
        ),
        scales=scales,
        noise=noise,
        calibration=fit.calibration,
    )


def mixed_scan(
    blocks: GenotypeBlocks, traits: Floats, covariates: Floats, *, fit: WholeGenomeFit
) -> Iterator[ScanBlock]:
    """Test every variant with the mixed-model statistic, chromosome by chromosome.

    Parameters
    ----------
    blocks
        Genotypes of the people whose traits are given, the same people as in ``fit``.
    traits, covariates
        As given to :func:`~spinecast.genetics.whole_genome.whole_genome_model`.
    fit
        What it returned, in any of the three ways. For ridge this is regression of the
        trait less its prediction, with a normal statistic.

    Yields
    ------
    ScanBlock
        In order of the chromosomes' first variants. The calibration is one number a trait:
        where variants differ much in how they follow relatedness (populations not taken
        out by covariates), single variants are off although the mean is right.
    """
    places = np.arange(blocks.n_variants) if blocks.variants is None else blocks.variants
    chromosomes = blocks.genotypes.variants["chromosome"].to_numpy()[places]
    for chromosome in dict.fromkeys(chromosomes):
        scan = prepare_mixed_scan(traits, covariates, fit=fit, chromosome=str(chromosome))
        part = replace(blocks, variants=places[chromosomes == chromosome])
        for k in range(len(part)):
            yield scan.block(part, k)
