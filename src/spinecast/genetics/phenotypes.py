"""Traits made ready for a scan: covariates taken out, values put on a normal scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.projection import group_traits
from spinecast.genetics.trait_files import read_traits

__all__ = ["BLOM", "PLINK", "rank_inverse_normal", "read_traits", "residualise"]

Floats = NDArray[np.float64]

BLOM = 3 / 8
"""Offset of Blom (1958), the usual one of genetics."""
PLINK = 1 / 2
"""Offset of plink2's ``--quantile-normalize``."""


def residualise(traits: Floats, covariates: Floats) -> Floats:
    """Take covariates and intercept out of traits by least squares.

    Traits are grouped by who has them, and each group is projected within its own people: a
    trait's residuals do not depend on which others stand beside it.

    Parameters
    ----------
    traits
        (n, t), NaN where missing.
    covariates
        (n, c) without intercept, c may be 0; no NaN. Columns that others explain are harmless.

    Returns
    -------
    float64 array
        (n, t) in the traits' units, mean 0, NaN where missing.

    Raises
    ------
    GeneticsError
        SC-533 for covariates with gaps, SC-534 for a trait without variation or people.
    """
    residuals = np.full(traits.shape, np.nan)
    for group in group_traits(traits, covariates):
        residuals[np.ix_(group.mask, group.traits)] = group.residuals[group.mask]
    return residuals


def rank_inverse_normal(values: Floats, *, offset: float = BLOM) -> Floats:
    """Replace values by the normal quantiles of their ranks, column by column.

    The quantile of rank r among n is that of (r - offset) / (n - 2 offset + 1). Tied values
    share the mean of their ranks, as in plink2. Apply it after taking covariates out: before,
    the covariates bend the scale (Beasley et al., Behav Genet 2009;39:580).

    Parameters
    ----------
    values
        (n,) or (n, t), NaN where missing.
    offset
        From 0 to below 1: :data:`BLOM` 3/8, :data:`PLINK` 1/2.

    Returns
    -------
    float64 array
        Of the same shape; NaN where missing.

    Raises
    ------
    GeneticsError
        SC-536 for an offset out of range.
    """
    from scipy.special import ndtri

    if not 0 <= offset < 1:
        raise error("SC-536", expected="an offset from 0 to below 1", got=str(offset))
    columns = np.atleast_2d(np.asarray(values, dtype=np.float64).T)
    out = np.full(columns.shape, np.nan)
    for column, target in zip(columns, out, strict=True):
        known = np.isfinite(column)
        n = int(known.sum())
        target[known] = ndtri((_mean_ranks(column[known]) - offset) / (n - 2 * offset + 1))
    return out.T.reshape(np.shape(values))


def _mean_ranks(values: Floats) -> Floats:
    """Return ranks from 1; ties share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
