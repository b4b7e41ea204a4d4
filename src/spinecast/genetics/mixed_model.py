"""The infinitesimal mixed model, exactly: every variant a small effect, K written out.

y = covariates + g + e with g ~ N(0, s2 h2 K), e ~ N(0, s2 (1 - h2) I). h2 is estimated
once, on all variants of the model, by restricted maximum likelihood; for each left-out
chromosome K is that of the others (scaled to their number) and s2 is profiled anew, so
that the variance a left-out chromosome explains falls to e. Cost n^3, memory 4 n^2
numbers: for up to about 8,000 people, and the yardstick of the other ways.

Sources: Kang et al., Nature Genetics 42, 348 (2010); Loh et al., Nature Genetics 47, 284
(2015) for leaving out a chromosome and for the calibration.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from spinecast.genetics.mixed_fits import (
    CalibrationVariants,
    MixedFit,
    ModelInput,
    calibrated,
    degrees,
)
from spinecast.genetics.projection import Floats, TraitGroup
from spinecast.genetics.relationship import WHOLE, Relationship
from spinecast.genetics.reml import Spectrum, fit_h2

# From so many traits on one eigendecomposition costs less than a factorisation a trait.
_MANY_TRAITS = 12


def fit_exactly(model: ModelInput, calibration: CalibrationVariants) -> list[MixedFit]:
    """Fit the mixed model with K written out.

    Parameters
    ----------
    model
        Variants and traits; progress is heard after each left-out chromosome.
    calibration
        Variants for the calibration.

    Returns
    -------
    list of MixedFit
        In the order of the groups.
    """
    relationship, groups, values = model.relationship, model.groups, model.values
    total = _sum_of_products(relationship)
    fits = [
        _fit_whole(group, columns, total / len(relationship.variants))
        for group, columns in zip(groups, values, strict=True)
    ]
    forms: list[list[Floats]] = [[] for _ in groups]
    drawn = [calibration.within(group) for group in groups]
    sizes = relationship.sizes
    for place in range(len(relationship.chromosomes)):
        others = total - _sum_of_products(relationship, chromosome=place)
        others /= max(int(sizes.sum() - sizes[place]), 1)
        for g, group in enumerate(groups):
            x = drawn[g].columns[:, drawn[g].chromosomes == place]
            solved, form = _solve(group, others, values[g], h2=fits[g].h2, x=x)
            fits[g].residuals[place] = solved
            forms[g].append(form)
        if model.progress is not None:
            model.progress(place + 1, len(relationship.chromosomes))
    return [
        MixedFit(fit.h2, fit.h2_error, calibrated(fit.h2, np.hstack(form)), fit.residuals)
        for fit, form in zip(fits, forms, strict=True)
    ]


def _sum_of_products(relationship: Relationship, *, chromosome: int = WHOLE) -> Floats:
    """Return Z Z' of all variants or of one chromosome's, (n, n)."""
    total = np.zeros((relationship.people, relationship.people))
    for block in relationship.blocks:
        if chromosome in {WHOLE, block.chromosome}:
            tile = block.standardised()
            total += tile.T @ tile
    return total


def _within(group: TraitGroup, relationship: Floats) -> Floats:
    """Return K among the group's people with its covariates taken out on both sides."""
    who = np.flatnonzero(group.mask)
    basis = group.basis[who]
    matrix: Floats = relationship[np.ix_(who, who)]
    half = basis @ (basis.T @ matrix)
    matrix = matrix - half
    projected: Floats = matrix - (matrix @ basis) @ basis.T
    return (projected + projected.T) / 2.0


def _fit_whole(group: TraitGroup, columns: Floats, relationship: Floats) -> MixedFit:
    eigenvalues, vectors = linalg.eigh(
        _within(group, relationship), overwrite_a=True, check_finite=False
    )
    scores = vectors.T @ columns[group.mask]
    # The covariates' own directions have eigenvalue 0, the least there is.
    kept = np.maximum(eigenvalues[group.basis.shape[1] :], 0.0)[None]
    shares = scores[group.basis.shape[1] :].T ** 2
    traits = Spectrum(kept, shares / shares.sum(axis=1, keepdims=True))
    everyone = Spectrum(kept, np.full_like(kept, 1.0 / kept.size))
    found = [
        fit_h2(traits.column(k), everyone.mean_log, degrees=degrees(group))
        for k in range(columns.shape[1])
    ]
    h2 = np.array([one.h2 for one in found])
    shrunk = (1.0 - h2) / (h2 * np.maximum(eigenvalues, 0.0)[:, None] + 1.0 - h2)
    residual = np.zeros_like(columns)
    residual[group.mask] = vectors @ (shrunk * scores)
    errors = np.array([one.standard_error for one in found])
    return MixedFit(h2, errors, np.ones_like(h2), {WHOLE: residual})


def _solve(
    group: TraitGroup, relationship: Floats, columns: Floats, *, h2: Floats, x: Floats
) -> tuple[Floats, Floats]:
    """Return (1 - h2) H^-1 y (n, k), and x' H^-1 x (k, columns of x) at each trait's h2."""
    matrix = _within(group, relationship)
    y, x = columns[group.mask], x[group.mask]
    solved = np.zeros_like(columns)
    if len(h2) >= _MANY_TRAITS:
        eigenvalues, vectors = linalg.eigh(matrix, overwrite_a=True, check_finite=False)
        inverse = 1.0 / (h2 * np.maximum(eigenvalues, 0.0)[:, None] + 1.0 - h2)
        solved[group.mask] = vectors @ ((1.0 - h2) * inverse * (vectors.T @ y))
        return solved, inverse.T @ (vectors.T @ x) ** 2
    forms = np.empty((len(h2), x.shape[1]))
    both = np.empty((len(y), 1 + x.shape[1]))
    for k, share in enumerate(h2):
        covariance = share * matrix
        covariance[np.diag_indices_from(covariance)] += 1.0 - share
        both[:, 0], both[:, 1:] = y[:, k], x
        factor = linalg.cho_factor(covariance, overwrite_a=True, check_finite=False)
        found = linalg.cho_solve(factor, both, check_finite=False)
        solved[group.mask, k] = (1.0 - share) * found[:, 0]
        forms[k] = (x * found[:, 1:]).sum(axis=0)
    return solved, forms
