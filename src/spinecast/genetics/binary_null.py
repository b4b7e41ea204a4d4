"""Logistic regression of a case-control trait on covariates alone: the null of every variant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.projection import orthonormal_basis

Floats = NDArray[np.float64]

_MOST_STEPS = 50
_LONGEST_STEP = 5.0
# A linear predictor of 30 is a probability of 1e-13: the coefficients are on their way to
# infinity.
_SEPARATED = 30.0


@dataclass(frozen=True)
class BinaryNull:
    """The null model of one trait among the people who have it.

    Parameters
    ----------
    people
        Their places, (m,).
    cases
        0 or 1, (m,).
    fitted
        Probability of being a case by maximum likelihood, (m,).
    design
        Columns X of intercept and covariates, (m, k), such that X'WX = I with W = fitted
        (1 - fitted): what the covariates explain of g, in the metric of W, is X X'W g.
    start
        Coefficients of X by maximum likelihood, (k,).
    offset
        Log odds added, (m,).
    """

    people: NDArray[np.int64]
    cases: Floats
    fitted: Floats
    design: Floats
    start: Floats
    offset: Floats

    @property
    def weights(self) -> Floats:
        """Variance of each person's outcome, (m,)."""
        return self.fitted * (1 - self.fitted)


def fit_binary_null(
    trait: Floats, covariates: Floats, *, offset: Floats | None = None, name: str = "trait"
) -> BinaryNull:
    """Fit a trait's null model by maximum likelihood.

    Parameters
    ----------
    trait
        (n,), 0 and 1, or 1 and 2 as PLINK writes controls and cases; NaN where missing.
    covariates
        (n, c) without intercept, no NaN.
    offset
        Added to the log odds, (n,): a prediction from other chromosomes.
    name
        The trait's, for messages.

    Raises
    ------
    GeneticsError
        SC-538 for a trait that is not case-control, SC-539 where a covariate parts cases from
        controls, or there are fewer of either than columns.
    """
    people = np.flatnonzero(~np.isnan(trait))
    cases = _cases(trait[people], name)
    columns = np.column_stack([np.ones(people.size), covariates[people]])
    basis = orthonormal_basis(columns) * np.sqrt(people.size)
    shift = np.zeros(people.size) if offset is None else offset[people]
    if min(cases.sum(), people.size - cases.sum()) < basis.shape[1]:
        got = f"{int(cases.sum())} cases among {people.size}"
        raise error("SC-539", expected=f"{basis.shape[1]} cases and controls", got=got, where=name)
    beta = _maximum(basis, cases, shift, name=name)
    fitted = _expit(basis @ beta + shift)
    weights = fitted * (1 - fitted)
    factor = np.linalg.cholesky(basis.T @ (basis * weights[:, None]))
    design = np.ascontiguousarray(np.linalg.solve(factor, basis.T).T)
    return BinaryNull(people, cases, fitted, design, factor.T @ beta, shift)


def _cases(values: Floats, name: str) -> Floats:
    found = set(np.unique(values).tolist())
    if found == {0.0, 1.0}:
        return values
    if found == {1.0, 2.0}:
        return values - 1
    listed = ", ".join(f"{value:g}" for value in sorted(found)[:4])
    raise error("SC-538", expected="0 and 1 (or 1 and 2)", got=listed or "no values", where=name)


def _maximum(x: Floats, y: Floats, shift: Floats, *, name: str) -> Floats:
    """Climb to the maximum likelihood by Newton's steps of bounded length."""
    beta = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        eta = x @ beta + shift
        if np.abs(eta).max() > _SEPARATED:
            break
        p = _expit(eta)
        information = x.T @ (x * (p * (1 - p))[:, None])
        step = np.linalg.solve(information, x.T @ (y - p))
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            return beta
    raise error(
        "SC-539",
        expected="covariates that leave cases and controls mixed",
        got="covariates that part them, or no convergence",
        where=name,
    )


def _expit(eta: Floats) -> Floats:
    return 1 / (1 + np.exp(-eta))
