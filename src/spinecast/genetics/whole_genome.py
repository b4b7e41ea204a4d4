"""One face of the whole-genome models: what all variants but a chromosome's say of a trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from spinecast.cluster import Progress
from spinecast.errors import error
from spinecast.genetics.mixed_fits import (
    CalibrationVariants,
    MixedFit,
    ModelInput,
    standardised,
)
from spinecast.genetics.projection import Floats, group_traits
from spinecast.genetics.relationship import (
    WHOLE,
    Relationship,
    blocks_at_work,
    open_relationship,
)
from spinecast.genotypes.blocks import GenotypeBlocks
from spinecast.seeds import generator

# The relationship matrix written out (n^3), only multiplied by, or two-level ridge regression.
WAYS = ("auto", "exact", "cg", "ridge")
# Up to here writing K out costs little more than iterating, and leaves nothing to chance. Its
# matrices are small: several threads gain little on free cores, and where cores are shared
# they wait for each other many times as long as the work takes.
EXACT_PEOPLE = 1000
# Probes of the determinant: as many times people stay about constant, within limits.
_PROBE_PEOPLE, _FEWEST_PROBES, _MOST_PROBES = 480_000, 24, 144


@dataclass(frozen=True)
class WholeGenomeFit:
    """Predictions of traits from the whole genome, a chromosome left out at a time.

    Parameters
    ----------
    way
        "exact", "cg" or "ridge".
    loco
        By left-out chromosome, float32 (n, t): the part of each trait that the others
        predict, in the trait's unit, without covariates; 0 for who lacks the trait.
        Its keys are the chromosomes that have variants in the model.
    whole
        The same from all the model's variants, for chromosomes that have none in it.
    h2, h2_error
        Share of variance beyond the covariates that the variants explain, and its
        standard error, (t,); NaN for ridge.
    predicted
        For ridge, the share of variance predicted out of fold, (t,); else NaN.
    calibration
        What an effect of a variant leaves of itself in the residual, (t,); 1 for ridge.
    variants
        Variants in the model.
    left_out
        Variants offered and not used, by reason.
    """

    way: str
    loco: dict[str, NDArray[np.float32]]
    whole: NDArray[np.float32]
    h2: Floats
    h2_error: Floats
    predicted: Floats
    calibration: Floats
    variants: int
    left_out: dict[str, int]

    def prediction(self, chromosome: str) -> NDArray[np.float32]:
        """Return what other chromosomes predict, for variants of ``chromosome``, (n, t)."""
        return self.loco.get(chromosome, self.whole)


def whole_genome_model(
    blocks: GenotypeBlocks,
    traits: Floats,
    covariates: Floats,
    *,
    way: str = "auto",
    names: Sequence[str] = (),
    seed: int = 0,
    least_copies: float = 5.0,
    memory: int = 2**29,
    tolerance: float = 5e-4,
    calibration_variants: int = 30,
    probes: int | None = None,
    folds: int = 5,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> WholeGenomeFit:
    """Fit a whole-genome model, leaving out each chromosome in turn.

    Parameters
    ----------
    blocks
        Variants offered (autosomes are used; prune them first) and the people; for ridge, a
        block is a block of level 0.
    traits, covariates
        (n, t) with NaN where missing, (n, c) without intercept and without NaN.
    way
        One of :data:`WAYS`; "auto" is exact up to 1,000 people, else cg.
    names, seed
        The traits' names, for messages; of calibration variants, probes and folds.
    least_copies, memory
        Variants with fewer of the rarer allele are left out; bytes for decoded genotypes (cg).
    tolerance, calibration_variants, probes, folds
        Of solutions by cg, as a share of the trait; how many (probes 24 or more, or None).
    cluster, progress
        Where ridge's level 0 runs, None for threads; called as ``progress(done, total)``.

    Returns
    -------
    WholeGenomeFit
        A trait's numbers do not depend on the traits beside it, beyond rounding.

    Raises
    ------
    GeneticsError
        SC-533, SC-534 unusable traits or covariates, SC-540 too few people, SC-541 no variant
        left, SC-542 an unknown way, SC-543 no convergence.
    """
    chosen = _chosen(way, blocks.n_samples)
    groups = group_traits(traits, covariates, names=names)
    kept = memory if chosen == "cg" else 0  # the other ways read blocks once or twice
    relationship = open_relationship(blocks, least_copies=least_copies, memory=kept)
    model = ModelInput(relationship, groups, [standardised(group) for group in groups], progress)
    if chosen == "ridge":
        return _by_ridge(model, seed=seed, folds=folds, cluster=cluster)
    drawn = _calibration(blocks, relationship, seed=seed, count=calibration_variants)
    if chosen == "exact":
        return _exactly(model, drawn)
    return _by_cg(model, drawn, seed=seed, probes=probes, tolerance=tolerance)


def whole_genome_memory(
    people: int,
    variants: int,
    traits: int,
    *,
    way: str = "auto",
    chromosomes: int = 22,
    size: int = 1024,
    memory: int = 2**29,
) -> int:
    """Return about how many bytes :func:`whole_genome_model` takes at its peak.

    Parameters
    ----------
    people, variants, traits
        How many; variants are those offered to the model.
    way, memory
        As given to the model.
    chromosomes
        With variants in the model.
    size
        Variants a block.

    Raises
    ------
    GeneticsError
        SC-542 an unknown way.
    """
    results = (8 + 4) * people * traits * (chromosomes + 1)
    threads, block = blocks_at_work(people, size), 4 * people * size
    chosen = _chosen(way, people)
    if chosen == "exact":
        return results + (threads + 1) * block + 5 * 8 * people**2
    if chosen == "ridge":
        predictions = 5 * 4 * people * traits * (variants // size + chromosomes)
        return results + predictions + threads * (4 * block + 8 * 4 * size**2)
    from spinecast.genetics.iterative_model import batch_width

    width = min(batch_width(people), traits * (chromosomes + 1))
    columns = max(width, traits + _MOST_PROBES) * people
    decoded = min(memory, 4 * people * variants)
    return results + decoded + (threads + 1) * (block + 4 * columns) + 8 * 8 * columns


def _chosen(way: str, people: int) -> str:
    if way not in WAYS:
        raise error("SC-542", expected=", ".join(WAYS), got=repr(way), where="way")
    if way != "auto":
        return way
    return "exact" if people <= EXACT_PEOPLE else "cg"


def _calibration(
    blocks: GenotypeBlocks, relationship: Relationship, *, seed: int, count: int
) -> CalibrationVariants:
    offered = relationship.variants
    rng = generator(seed, "genetics", "calibration variants")
    places = np.sort(rng.choice(offered, min(count, len(offered)), replace=False))
    dosages = blocks.genotypes.dosages(places, samples=blocks.samples).astype(np.float64)
    centred = np.nan_to_num(dosages - np.nanmean(dosages, axis=1, keepdims=True), nan=0.0)
    columns = (centred / centred.std(axis=1, keepdims=True)).T
    of_variant = blocks.genotypes.variants["chromosome"].to_numpy()[places]
    position = {name: place for place, name in enumerate(relationship.chromosomes)}
    return CalibrationVariants(columns, np.array([position[name] for name in of_variant]))


def _exactly(model: ModelInput, drawn: CalibrationVariants) -> WholeGenomeFit:
    from spinecast.genetics.mixed_model import fit_exactly

    threads = 1 if model.relationship.people <= EXACT_PEOPLE else None
    with threadpool_limits(threads, user_api="blas"):
        return _mixed("exact", model, fit_exactly(model, drawn))


def _by_cg(
    model: ModelInput,
    drawn: CalibrationVariants,
    *,
    seed: int,
    probes: int | None,
    tolerance: float,
) -> WholeGenomeFit:
    from spinecast.genetics.iterative_model import fit_by_conjugate_gradients

    people = model.relationship.people
    some = int(np.clip(_PROBE_PEOPLE // people, _FEWEST_PROBES, _MOST_PROBES))
    count = max(probes or some, _FEWEST_PROBES)
    rng = generator(seed, "genetics", "probes")
    drawn_probes = rng.standard_normal((count, people)).T
    with threadpool_limits(1, user_api="blas"):  # blocks are multiplied side by side
        fits = fit_by_conjugate_gradients(model, drawn, probes=drawn_probes, tolerance=tolerance)
    return _mixed("cg", model, fits)


def _mixed(way: str, model: ModelInput, fits: list[MixedFit]) -> WholeGenomeFit:
    predictions = [
        {place: columns - residual for place, residual in fit.residuals.items()}
        for columns, fit in zip(model.values, fits, strict=True)
    ]
    missing = _by_trait(model, [np.full(len(fit.h2), np.nan) for fit in fits])
    return _assemble(
        way,
        model,
        predictions,
        h2=_by_trait(model, [fit.h2 for fit in fits]),
        h2_error=_by_trait(model, [fit.h2_error for fit in fits]),
        predicted=missing,
        calibration=_by_trait(model, [fit.calibration for fit in fits]),
    )


def _by_ridge(model: ModelInput, *, seed: int, folds: int, cluster: str | None) -> WholeGenomeFit:
    from spinecast.genetics.ridge import deal_folds, fit_ridge

    dealt = deal_folds(
        model.relationship.people, folds, rng=generator(seed, "genetics", "ridge folds")
    )
    with threadpool_limits(1, user_api="blas"):  # as above
        fits = fit_ridge(model, folds=dealt, cluster=cluster)
    predicted = _by_trait(model, [fit.predicted for fit in fits])
    missing = np.full_like(predicted, np.nan)
    return _assemble(
        "ridge",
        model,
        [fit.predictions for fit in fits],
        h2=missing,
        h2_error=missing,
        predicted=predicted,
        calibration=np.ones_like(predicted),
    )


def _by_trait(model: ModelInput, numbers: list[Floats]) -> Floats:
    out = np.empty(sum(len(group.traits) for group in model.groups))
    for group, own in zip(model.groups, numbers, strict=True):
        out[group.traits] = own
    return out


def _assemble(
    way: str, model: ModelInput, predictions: list[dict[int, Floats]], **by_trait: Floats
) -> WholeGenomeFit:
    relationship, groups = model.relationship, model.groups
    scale = _by_trait(model, [np.sqrt(g.sum_squares / (g.n - g.basis.shape[1])) for g in groups])

    def table(place: int) -> NDArray[np.float32]:
        out = np.zeros((relationship.people, len(scale)), dtype=np.float32)
        for group, own in zip(groups, predictions, strict=True):
            out[:, group.traits] = own[place] * scale[group.traits]
        return out

    return WholeGenomeFit(
        way=way,
        loco={name: table(place) for place, name in enumerate(relationship.chromosomes)},
        whole=table(WHOLE),
        variants=len(relationship.variants),
        left_out=relationship.left_out,
        **by_trait,
    )
