"""Two-level ridge regression of traits on the whole genome.

Level 0 replaces each block of variants by its ridge predictions at five strengths, out of
fold; level 1 regresses the trait on all those predictions, again by ridge, its strength
chosen by cross-validation. A left-out chromosome's predictions are left out of the sum.
Cost is linear in people, variants and traits, but K-fold predictions are noisier than
those of a mixed model where people are few.

Source: Mbatchou et al., Nature Genetics 53, 1097 (2021), for the two levels and the five
strengths. Here each strength has its own Cholesky factor (five cost less than one
eigendecomposition), people are dealt to folds by lot, and a trait that no strength
predicts better than its mean is not predicted at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from spinecast.cluster import map_blocks
from spinecast.genetics.mixed_fits import ModelInput, without_covariates
from spinecast.genetics.projection import Floats, TraitGroup
from spinecast.genetics.relationship import WHOLE, ModelBlock

# Shares of variance that a strength supposes the predictors to explain.
STRENGTHS = (0.01, 0.25, 0.5, 0.75, 0.99)
Narrow = NDArray[np.float32]


@dataclass(frozen=True)
class RidgeFit:
    """Predictions of a group's traits.

    Parameters
    ----------
    predictions
        By place of the left-out chromosome, or :data:`WHOLE`; (n, k), in units of the
        trait's standard deviation.
    predicted
        Share of variance predicted out of fold by the whole genome, shape (k,). Both levels
        share their folds, so that among few people noise is "predicted" too, by some
        hundredths; tests on the left-out chromosome are not biased by it.
    """

    predictions: dict[int, Floats]
    predicted: Floats


@dataclass(frozen=True)
class _Level0:
    """What every block's task needs: traits by group, folds, total number of variants."""

    groups: list[TraitGroup]
    values: list[Floats]
    folds: NDArray[np.int64]
    total: int


def deal_folds(people: int, folds: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal people to folds by lot, sizes differing by one at most, shape (n,)."""
    dealt: NDArray[np.int64] = rng.permutation(np.arange(people) % folds)
    return dealt


def fit_ridge(
    model: ModelInput, *, folds: NDArray[np.int64], cluster: str | None = None
) -> list[RidgeFit]:
    """Fit both levels.

    Parameters
    ----------
    model
        Variants in blocks and traits; progress is heard after each block of level 0.
    folds
        Each person's fold, shape (n,).
    cluster
        Where level 0 runs, one task a block; None for threads of this process.

    Returns
    -------
    list of RidgeFit
        In the order of the groups.
    """
    relationship, groups, values = model.relationship, model.groups, model.values
    level_0 = _Level0(groups, values, folds, len(relationship.variants))
    task = partial(_block_predictions, level_0)
    parts = map_blocks(
        task, relationship.blocks, cluster=cluster, label="ridge, level 0", progress=model.progress
    )
    chromosomes = np.repeat([block.chromosome for block in relationship.blocks], len(STRENGTHS))
    return [
        _combine(
            np.concatenate([part[g] for part in parts], axis=2),
            values[g],
            group,
            folds=folds,
            chromosomes=chromosomes,
        )
        for g, group in enumerate(groups)
    ]


def _block_predictions(level_0: _Level0, block: ModelBlock) -> list[Narrow]:
    """Return per group the block's out-of-fold predictions, (k, n, strengths)."""
    tile = block.standardised()
    return [
        _predict_block(tile, group, columns, folds=level_0.folds, total=level_0.total)
        for group, columns in zip(level_0.groups, level_0.values, strict=True)
    ]


def _predict_block(
    tile: Narrow, group: TraitGroup, columns: Floats, *, folds: NDArray[np.int64], total: int
) -> Narrow:
    basis = group.basis.astype(np.float32)
    x = np.where(group.mask, tile, np.float32(0.0))
    x -= (x @ basis) @ basis.T
    y = columns.astype(np.float32)
    places = [np.flatnonzero((folds == fold) & group.mask) for fold in range(folds.max() + 1)]
    inside = [x[:, who] for who in places]
    products = [part @ part.T for part in inside]
    targets = [part @ y[who] for part, who in zip(inside, places, strict=True)]
    gram, target = np.sum(products, axis=0), np.sum(targets, axis=0)
    out = np.zeros((y.shape[1], len(y), len(STRENGTHS)), dtype=np.float32)
    for fold, who in enumerate(places):
        for s, share in enumerate(STRENGTHS):
            penalty = total * (1.0 - share) / share
            effects = _ridge(gram - products[fold], target - targets[fold], penalty=penalty)
            out[:, who, s] = (inside[fold].T @ effects).T
    return out


def _ridge(gram: NDArray, target: NDArray, *, penalty: float) -> NDArray:
    gram[np.diag_indices_from(gram)] += penalty
    factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
    solution: NDArray = linalg.cho_solve(factor, target, check_finite=False)
    return solution


def _combine(
    predictions: Narrow,
    columns: Floats,
    group: TraitGroup,
    *,
    folds: NDArray[np.int64],
    chromosomes: NDArray[np.int64],
) -> RidgeFit:
    """Level 1 of each trait; predictions (k, n, blocks x strengths)."""
    left_out = [WHOLE, *np.unique(chromosomes)]
    found = {int(place): np.zeros_like(columns) for place in left_out}
    shares = np.zeros(columns.shape[1])
    for k in range(columns.shape[1]):
        x = predictions[k].astype(np.float64)
        spread = np.sqrt((x**2).sum(axis=0) / group.n)
        x *= np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        effects, shares[k] = _level_1(x, columns[:, k], folds=np.where(group.mask, folds, -1))
        if shares[k] > 0:
            for place in left_out:
                kept = chromosomes != place
                own = np.einsum("ij,ij->i", x[:, kept], effects[folds][:, kept])
                found[int(place)][:, k] = np.where(group.mask, own, 0.0)
    return RidgeFit({place: without_covariates(group, one) for place, one in found.items()}, shares)


def _level_1(x: Floats, y: Floats, *, folds: NDArray[np.int64]) -> tuple[Floats, float]:
    """Return effects by fold (trained on the others) of the best strength, and its share."""
    places = [np.flatnonzero(folds == fold) for fold in range(folds.max() + 1)]
    products = [x[who].T @ x[who] for who in places]
    targets = [x[who].T @ y[who] for who in places]
    gram, target = np.sum(products, axis=0), np.sum(targets, axis=0)
    best, least = np.zeros((len(places), x.shape[1])), np.inf
    for share in STRENGTHS:
        penalty = x.shape[1] * (1.0 - share) / share
        effects = np.array(
            [
                _ridge(gram - products[fold], target - targets[fold], penalty=penalty)
                for fold in range(len(places))
            ]
        )
        error = sum(
            float(((y[who] - x[who] @ effects[fold]) ** 2).sum()) for fold, who in enumerate(places)
        )
        if error < least:
            best, least = effects, error
    return best, 1.0 - least / float(y @ y)
