"""Small regressions that other statistics lean on: weighted logistic and least squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from spinecast.outcomes.inputs import FloatArray
from spinecast.outcomes.newton import inverse_information, maximise


@dataclass(frozen=True)
class Regression:
    """Coefficients (intercept first, p + 1) with model and sandwich covariance."""

    coefficients: FloatArray
    covariance: FloatArray
    robust: FloatArray


@dataclass(frozen=True)
class _Point:
    value: float
    gradient: FloatArray
    information: FloatArray


def logistic(
    x: FloatArray,
    y: FloatArray,
    *,
    weights: FloatArray | None = None,
    offset: FloatArray | None = None,
    names: tuple[str, ...] = (),
) -> Regression:
    """Fit a weighted logistic regression with intercept.

    Parameters
    ----------
    x
        Covariates without intercept, shape (n, p), p may be 0; none constant.
    y
        0/1, shape (n,).
    weights, offset
        Shape (n,); 1 and 0 if None.

    Raises
    ------
    StatisticsError
        SC-607 on separation, collinear columns or no convergence.
    """
    n, p = x.shape
    weight = np.ones(n) if weights is None else weights
    shift = np.zeros(n) if offset is None else offset
    mean, scale = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(n), (x - mean) / scale])
    labels = ("intercept", *(names or tuple(f"x{i}" for i in range(p))))
    at = partial(_logistic_at, design, y, weight=weight, offset=shift)
    top = maximise(at, np.zeros(p + 1), labels)
    residual = weight * (y - special.expit(design @ top.coefficients + shift))
    influence = (design * residual[:, None]) @ top.inverse
    back = np.eye(p + 1)
    back[0, 1:] = -mean / scale
    back[1:, 1:] = np.diag(1 / scale)
    return Regression(
        back @ top.coefficients,
        back @ top.inverse @ back.T,
        back @ (influence.T @ influence) @ back.T,
    )


def _logistic_at(
    design: FloatArray, y: FloatArray, beta: FloatArray, *, weight: FloatArray, offset: FloatArray
) -> _Point:
    eta = design @ beta + offset
    fitted = special.expit(eta)
    value = float(weight @ (y * eta - np.logaddexp(0, eta)))
    gradient = design.T @ (weight * (y - fitted))
    curvature = weight * fitted * (1 - fitted)
    return _Point(value, gradient, design.T @ (design * curvature[:, None]))


def least_squares(x: FloatArray, y: FloatArray, *, names: tuple[str, ...] = ()) -> Regression:
    """Fit ordinary least squares with intercept; SC-607 where columns are collinear."""
    n, p = x.shape
    mean, scale = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(n), (x - mean) / scale])
    labels = ("intercept", *(names or tuple(f"x{i}" for i in range(p))))
    inverse = inverse_information(design.T @ design, labels)
    beta = inverse @ (design.T @ y)
    residual = y - design @ beta
    influence = (design * residual[:, None]) @ inverse
    back = np.eye(p + 1)
    back[0, 1:] = -mean / scale
    back[1:, 1:] = np.diag(1 / scale)
    spread = float(residual @ residual) / (n - p - 1)
    return Regression(
        back @ beta,
        spread * back @ inverse @ back.T,
        back @ (influence.T @ influence) @ back.T,
    )
