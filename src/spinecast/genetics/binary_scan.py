"""Association of case-control traits: a score test for all variants, a finer one for the few.

The null model is fitted once per trait. Scores of a block come from matrix products as in the
linear scan. Where the normal approximation gives p < 0.05 it may mislead, the more so the
rarer the cases or the allele: there the saddle-point approximation or Firth's regression
takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.binary_kernels import correct
from spinecast.genetics.binary_null import BinaryNull, fit_binary_null
from spinecast.genetics.panels import multiply, to_panels
from spinecast.genetics.projection import checked_covariates
from spinecast.genetics.scan import ScanBlock, by_chromosome
from spinecast.genetics.tails import log10_p_of_z
from spinecast.genotypes.blocks import GenotypeBlocks

Floats = NDArray[np.float64]
CORRECTIONS = ("spa", "firth", "none")
DOUBTFUL = -np.log10(0.05)
"""From this -log10 p on the normal approximation is replaced."""
_LEAST = 1e-4


@dataclass(frozen=True)
class BinaryScan:
    """Logistic score tests made ready by :func:`prepare_binary_scan`.

    Parameters
    ----------
    nulls
        One model per trait.
    panels
        Per trait residual, projection and mask, cut into panels.
    weights
        Per trait the variances of the outcomes, cut into panels.
    correction
        ``spa``, ``firth`` or ``none``.
    """

    nulls: list[BinaryNull]
    panels: NDArray[Any]
    weights: NDArray[Any]
    correction: str

    def block(self, blocks: GenotypeBlocks, k: int) -> ScanBlock:
        """Read block ``k`` and test its variants on every trait."""
        block = blocks.block(k)
        products = multiply(block.tile, self.panels).astype(np.float64)
        squares = multiply(np.square(block.tile), self.weights).astype(np.float64)
        v, t = len(block.variants), len(self.nulls)
        beta, spread, log10_p, frequency = (np.empty((t, v)) for _ in range(4))
        first = 0
        for place, null in enumerate(self.nulls):
            last = first + 1 + null.design.shape[1]
            score = np.ascontiguousarray(products[:, first])
            explained = np.square(products[:, first + 1 : last]).sum(axis=1)
            variance = squares[:, place] - explained
            variance[~(variance > _LEAST * squares[:, place])] = np.nan
            found = np.stack([score / variance, 1 / np.sqrt(variance), score / np.sqrt(variance)])
            found[2] = log10_p_of_z(found[2])
            self._correct(null, block.tile, found, score=score, variance=variance)
            beta[place], spread[place], log10_p[place] = found
            frequency[place] = (block.mean + products[:, last] / null.people.size) / 2
            first = last + 1
        n = np.repeat([[null.people.size for null in self.nulls]], v, axis=0)
        return ScanBlock(block.variants, beta.T, spread.T, log10_p.T, n, frequency.T)

    def _correct(
        self,
        null: BinaryNull,
        tile: NDArray[np.float32],
        found: Floats,
        *,
        score: Floats,
        variance: Floats,
    ) -> None:
        if self.correction == "none":
            return
        chosen = np.flatnonzero(found[2] > DOUBTFUL)
        correct(
            tile, chosen, null.people, null.cases, null.fitted, null.design,
            null.start, null.offset, self.correction == "firth", score, variance, found,
        )  # fmt: skip


def binary_scan(
    blocks: GenotypeBlocks,
    traits: Floats,
    covariates: Floats,
    *,
    correction: str = "spa",
    offsets: Mapping[str, Floats] | None = None,
) -> Iterator[ScanBlock]:
    """Test case-control traits on every variant, one block after another.

    Parameters
    ----------
    blocks
        Genotypes of the people whose traits are given; missing ones are the variant's mean.
    traits
        (n, t), 0 and 1 (or 1 and 2), NaN where missing.
    covariates
        (n, c) without intercept, no NaN.
    correction
        For p < 0.05: ``spa``, the saddle-point approximation (error scaled to its p value),
        ``firth``, Firth's regression (p by the penalised likelihood ratio), or ``none``.
        Elsewhere beta is one step from the null: it understates large effects.
    offsets
        Chromosome to (n, t): log odds from the other chromosomes; None for none.

    Yields
    ------
    ScanBlock
        beta as log odds ratios.

    Raises
    ------
    GeneticsError
        SC-533 covariates with gaps, SC-536 an unknown correction, SC-538 a trait that is not
        case-control, SC-539 a null model without solution.

    References
    ----------
    Dey et al., Am J Hum Genet 2017;101:37 (saddle point); Firth, Biometrika 1993;80:27.
    """
    for chromosome, part in by_chromosome(blocks, offsets):
        own = None if offsets is None else offsets[chromosome]
        scan = prepare_binary_scan(traits, covariates, correction=correction, offset=own)
        for k in range(len(part)):
            yield scan.block(part, k)


def prepare_binary_scan(
    traits: Floats,
    covariates: Floats,
    *,
    correction: str = "spa",
    offset: Floats | None = None,
    names: Sequence[str] = (),
) -> BinaryScan:
    """Fit null models and lay them out for :meth:`BinaryScan.block`; see :func:`binary_scan`."""
    if correction not in CORRECTIONS:
        got = repr(correction)
        raise error("SC-536", expected=" or ".join(CORRECTIONS), got=got, where="correction")
    checked = checked_covariates(covariates, len(traits))
    nulls = [
        fit_binary_null(
            traits[:, column],
            checked,
            offset=None if offset is None else offset[:, column],
            name=names[column] if names else f"trait {column + 1}",
        )
        for column in range(traits.shape[1])
    ]
    columns = np.hstack([_columns(null, len(traits)) for null in nulls])
    weights = np.zeros((len(traits), len(nulls)))
    for place, null in enumerate(nulls):
        weights[null.people, place] = null.weights
    return BinaryScan(
        nulls=nulls,
        panels=to_panels(columns, np.float32),
        weights=to_panels(weights, np.float32),
        correction=correction,
    )


def _columns(null: BinaryNull, n: int) -> Floats:
    """Return residual, W X (so that g'WX is what covariates explain) and mask, (n, k + 2)."""
    columns = np.zeros((n, null.design.shape[1] + 2))
    columns[null.people, 0] = null.cases - null.fitted
    columns[null.people, 1:-1] = null.design * null.weights[:, None]
    columns[null.people, -1] = 1
    return columns
