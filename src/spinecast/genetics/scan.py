"""Linear association of many traits with every variant: one matrix product a block.

By Frisch, Waugh and Lovell the effect of a variant beside covariates is that of what the
covariates leave of it on what they leave of the trait. The traits' rests and an orthonormal
basis of the covariates stand in one matrix; its product with a block of genotypes holds
everything a statistic needs, for all traits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.panels import multiply, to_panels
from spinecast.genetics.projection import TraitGroup, group_traits
from spinecast.genetics.scan_kernels import centre_rows, left_over, statistics, without_missing
from spinecast.genotypes.blocks import GenotypeBlocks

Floats = NDArray[np.float64]
MISSING = ("impute", "exact")
# Of a variant's sum of squares, what covariates must leave: single precision cannot tell less.
_LEAST = {"impute": 1e-4, "exact": 1e-7}


@dataclass(frozen=True)
class ScanBlock:
    """Associations of a block of variants with every trait.

    Parameters
    ----------
    variants
        Places of the variants, (v,).
    beta, standard_error
        Per copy of the effect allele in units of the trait (log odds for binary traits),
        (v, t); NaN where the variant does not vary among the trait's people, or covariates
        explain it.
    log10_p
        Minus log10 of the two-sided p value, (v, t).
    n
        People in the statistic, (v, t).
    effect_allele_frequency
        Among them, (v, t).
    """

    variants: NDArray[np.int64]
    beta: Floats
    standard_error: Floats
    log10_p: Floats
    n: NDArray[np.int64]
    effect_allele_frequency: Floats

    @property
    def dropped(self) -> NDArray[np.int64]:
        """Variants without a statistic, per trait, (t,)."""
        return np.isnan(self.beta).sum(axis=0)


class Scan(Protocol):
    """A statistic made ready for one set of traits, to be applied to any block."""

    def block(self, blocks: GenotypeBlocks, k: int) -> ScanBlock:
        """Read block ``k`` and test its variants."""
        ...


@dataclass(frozen=True)
class LinearScan:
    """Linear regression made ready by :func:`prepare_linear_scan`.

    Parameters
    ----------
    groups
        Traits by who has them, their residuals of unit variance.
    scales
        What the residuals were divided by, one array per group.
    panels
        Per group basis and traits, cut into panels.
    masks
        Who belongs to each group that is not everybody, cut into panels.
    table
        The columns of ``panels`` side by side, for people to be taken out; exact only.
    missing
        ``impute`` or ``exact``.
    n_traits
        In all groups together.
    """

    groups: list[TraitGroup]
    scales: list[Floats]
    panels: NDArray[Any]
    masks: NDArray[Any]
    table: Floats | None
    missing: str
    n_traits: int

    def block(self, blocks: GenotypeBlocks, k: int) -> ScanBlock:
        """Read block ``k`` and regress every trait on its variants."""
        if self.missing == "exact":
            return self._exact(blocks, k)
        block = blocks.block(k)
        products = multiply(block.tile, self.panels)
        squares = self._squares(block.tile, block.sum_squares)
        out = _Output(block.variants, self.n_traits)
        first = 0
        for place, group in enumerate(self.groups):
            basis = group.basis.shape[1]
            traits = group.traits.size
            rest = np.empty(len(block.variants))
            left_over(products, squares[place], first, basis, rest)
            score = products[:, first + basis : first + basis + traits]
            own = np.broadcast_to(self._trait_squares(place), score.shape)
            sums = products[:, first].astype(np.float64) * np.sqrt(group.n)
            out.put(self, place, score=score, own=own, rest=rest, squares=squares[place],
                    used=np.full(len(rest), group.n), mean=block.mean, sums=sums)  # fmt: skip
            first += basis + traits
        return out.result()

    def _exact(self, blocks: GenotypeBlocks, k: int) -> ScanBlock:
        variants = blocks.places(k)
        dosages = blocks.genotypes.dosages(variants, samples=blocks.samples)
        tile = np.empty(dosages.shape)
        mean, sum_squares = np.empty(len(variants)), np.empty(len(variants))
        centre_rows(dosages, tile, mean, sum_squares)
        rows, places = np.nonzero(np.isnan(dosages))
        starts = np.searchsorted(rows, np.arange(len(variants) + 1)).astype(np.int64)
        products = multiply(tile, self.panels)
        squares = self._squares(tile, sum_squares)
        out = _Output(variants, self.n_traits)
        first = 0
        for place, group in enumerate(self.groups):
            basis, traits = group.basis.shape[1], group.traits.size
            score = np.empty((len(variants), traits))
            own = np.tile(self._trait_squares(place), (len(variants), 1))
            rest, used = np.empty(len(variants)), np.full(len(variants), group.n)
            sums = products[:, first] * np.sqrt(group.n)
            without_missing(
                products, squares[place], starts, places, self.table, group.mask,
                first, basis, score, own, rest, used,
            )  # fmt: skip
            out.put(self, place, score=score, own=own, rest=rest, squares=squares[place],
                    used=used, mean=mean, sums=sums)  # fmt: skip
            first += basis + traits
        return out.result()

    def _squares(self, tile: NDArray[Any], whole: Floats) -> list[Floats]:
        """Return the variants' sums of squares among the people of each group."""
        if not len(self.masks):
            return [whole] * len(self.groups)
        columns = iter(multiply(np.square(tile), self.masks).astype(np.float64).T)
        return [whole if g.whole else np.ascontiguousarray(next(columns)) for g in self.groups]

    def _trait_squares(self, place: int) -> Floats:
        return self.groups[place].sum_squares / self.scales[place] ** 2


class _Output:
    """Arrays of a block being filled, traits first so that each trait is contiguous."""

    def __init__(self, variants: NDArray[np.int64], n_traits: int) -> None:
        shape = (n_traits, len(variants))
        self.variants = variants
        self.beta, self.standard_error, self.log10_p = (np.empty(shape) for _ in range(3))
        self.n = np.empty(shape, dtype=np.int64)
        self.frequency = np.empty(shape)

    def put(
        self,
        scan: LinearScan,
        place: int,
        *,
        score: NDArray[Any],
        own: Floats,
        rest: Floats,
        squares: Floats,
        used: NDArray[np.int64],
        mean: Floats,
        sums: Floats,
    ) -> None:
        """Compute the statistics of one group; ``sums`` are of its centred dosages."""
        group = scan.groups[place]
        degrees = (used - group.basis.shape[1] - 1).astype(np.float64)
        least = _LEAST[scan.missing] * squares
        statistics(
            score, own, scan.scales[place], rest, least, degrees,
            group.traits, self.beta, self.standard_error, self.log10_p,
        )  # fmt: skip
        self.n[group.traits] = used
        with np.errstate(invalid="ignore", divide="ignore"):
            self.frequency[group.traits] = (mean + sums / used) / 2

    def result(self) -> ScanBlock:
        """Return the block, variants first."""
        return ScanBlock(
            self.variants, self.beta.T, self.standard_error.T, self.log10_p.T, self.n.T,
            self.frequency.T,
        )  # fmt: skip


def linear_scan(
    blocks: GenotypeBlocks,
    traits: Floats,
    covariates: Floats,
    *,
    missing: str = "impute",
    offsets: Mapping[str, Floats] | None = None,
) -> Iterator[ScanBlock]:
    """Regress traits on every variant, one block after another.

    Parameters
    ----------
    blocks
        Genotypes of the people whose traits are given.
    traits
        (n, t), NaN where missing.
    covariates
        (n, c) without intercept, no NaN.
    missing
        What a missing genotype is: ``impute``, the variant's mean over all people of
        ``blocks``, in single precision (chi-square right to about 1e-5), or ``exact``, a
        person left out of that variant's regression, in double precision (equal to plink2).
    offsets
        Chromosome to (n, t): predictions from the other chromosomes, subtracted from the
        traits first; None for none.

    Yields
    ------
    ScanBlock
        In the order of the variants, or by chromosome where there are offsets. A trait's
        numbers are the same bits whichever traits stand beside it.

    Raises
    ------
    GeneticsError
        SC-533 covariates with gaps, SC-534 a trait without variation, SC-536 an unknown
        way with missing genotypes, or a chromosome without offsets.

    References
    ----------
    Frisch and Waugh, Econometrica 1933;1:387; Lovell, J Am Stat Assoc 1963;58:993.
    """
    for chromosome, part in by_chromosome(blocks, offsets):
        own = traits if offsets is None else traits - offsets[chromosome]
        scan = prepare_linear_scan(own, covariates, missing=missing)
        for k in range(len(part)):
            yield scan.block(part, k)


def by_chromosome(
    blocks: GenotypeBlocks, offsets: Mapping[str, Floats] | None
) -> Iterator[tuple[str, GenotypeBlocks]]:
    """Yield the blocks whole where there are no offsets, else chromosome by chromosome."""
    if offsets is None:
        yield "", blocks
        return
    places = np.arange(blocks.n_variants) if blocks.variants is None else blocks.variants
    chromosomes = blocks.genotypes.variants["chromosome"].to_numpy()[places]
    for chromosome in dict.fromkeys(chromosomes):
        require_offset(chromosome, offsets)
        yield str(chromosome), replace(blocks, variants=places[chromosomes == chromosome])


def require_offset(chromosome: str, offsets: Mapping[str, Floats]) -> None:
    """Raise SC-536 where there is no prediction for a chromosome that is to be scanned."""
    if chromosome not in offsets:
        raise error(
            "SC-536",
            expected="predictions that leave each scanned chromosome out",
            got=f"none for chromosome {chromosome}",
        )


def prepare_linear_scan(
    traits: Floats,
    covariates: Floats,
    *,
    missing: str = "impute",
    names: Sequence[str] = (),
) -> LinearScan:
    """Project traits and lay them out for :meth:`LinearScan.block`; see :func:`linear_scan`."""
    if missing not in MISSING:
        raise error("SC-536", expected=" or ".join(MISSING), got=repr(missing), where="missing")
    groups = group_traits(traits, covariates, names=names)
    scales = [np.sqrt(g.sum_squares / g.degrees_of_freedom) for g in groups]
    columns = [np.hstack([g.basis, g.residuals / s]) for g, s in zip(groups, scales, strict=True)]
    dtype = np.float64 if missing == "exact" else np.float32
    table = np.hstack(columns)
    partial = [g.mask for g in groups if not g.whole]
    masks = np.stack(partial, axis=1) if partial else np.empty((len(table), 0))
    return LinearScan(
        groups=groups,
        scales=scales,
        panels=to_panels(table, dtype),
        masks=to_panels(masks, dtype),
        table=np.ascontiguousarray(table) if missing == "exact" else None,
        missing=missing,
        n_traits=int(traits.shape[1]),
    )
