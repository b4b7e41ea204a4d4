"""What the ways of fitting a whole-genome model take and give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.cluster import Progress
from spinecast.errors import error
from spinecast.genetics.projection import Floats, TraitGroup
from spinecast.genetics.relationship import Relationship

# With fewer people beyond the covariates a variance component means nothing.
FEWEST_DEGREES = 10
# A calibration variant of less than this length per person hardly varies in the group.
_LEAST_LENGTH = 1e-6


@dataclass(frozen=True)
class ModelInput:
    """What a whole-genome model is fitted to, read once.

    Parameters
    ----------
    relationship
        The model's variants.
    groups, values
        Groups of traits, and their traits without covariates, standardised, each (n, t).
    progress
        Hears how far the fit is, as ``progress(done, total)``.
    """

    relationship: Relationship
    groups: list[TraitGroup]
    values: list[Floats]
    progress: Progress | None


@dataclass(frozen=True)
class CalibrationVariants:
    """Variants drawn by lot to calibrate the test statistic.

    Parameters
    ----------
    columns
        Standardised dosages, (n, v).
    chromosomes
        Places of their chromosomes in the relationship, (v,).
    """

    columns: Floats
    chromosomes: NDArray[np.int64]

    def within(self, group: TraitGroup) -> CalibrationVariants:
        """Return those that vary in the group, of length 1 with its covariates taken out."""
        columns = without_covariates(group, self.columns)
        length = np.sqrt((columns**2).sum(axis=0))
        varying = length > _LEAST_LENGTH * np.sqrt(group.n)
        return CalibrationVariants(columns[:, varying] / length[varying], self.chromosomes[varying])


@dataclass(frozen=True)
class MixedFit:
    """The mixed model of the traits of one group.

    Parameters
    ----------
    h2, h2_error
        Heritability and its standard error, (t,).
    calibration
        Mean over calibration variants x of (1 - h2) x' H^-1 x / x'x, H = h2 K + (1 - h2) I
        without x's chromosome: what an effect of x leaves of itself in the residual, (t,).
    residuals
        (1 - h2) H^-1 y by place of the left-out chromosome, or WHOLE for none; (n, t).
    """

    h2: Floats
    h2_error: Floats
    calibration: Floats
    residuals: dict[int, Floats]


def without_covariates(group: TraitGroup, columns: Floats) -> Floats:
    """Take intercept and covariates out of columns (n, k); who is not in the group becomes 0."""
    kept = columns if group.whole else np.where(group.mask[:, None], columns, 0.0)
    projected: Floats = kept - group.basis @ (group.basis.T @ kept)
    return projected


def degrees(group: TraitGroup) -> int:
    """Return how many dimensions the intercept and the covariates leave.

    Raises
    ------
    GeneticsError
        SC-540 when they are too few for a variance component.
    """
    left = group.n - group.basis.shape[1]
    if left < FEWEST_DEGREES:
        raise error(
            "SC-540",
            expected=f"at least {FEWEST_DEGREES} people more than covariates",
            got=f"{group.n} people, {group.basis.shape[1]} covariates with the intercept",
            where=f"trait {int(group.traits[0]) + 1}",
        )
    return left


def standardised(group: TraitGroup) -> Floats:
    """Return the traits without covariates, in standard deviations of themselves, (n, t)."""
    values: Floats = group.residuals / np.sqrt(group.sum_squares / degrees(group))
    return values


def calibrated(h2: Floats, forms: Floats) -> Floats:
    """Return (1 - h2) times the mean of x' H^-1 x over calibration variants (t, v), (t,)."""
    if not forms.shape[1]:
        return np.ones(len(h2))
    mean: Floats = (1.0 - h2) * forms.mean(axis=1)
    return mean
