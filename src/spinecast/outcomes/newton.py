"""Newton's method with halved steps, and the verdict where there is no maximum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from scipy import linalg

from spinecast.errors import SpinecastError, error
from spinecast.outcomes.inputs import FloatArray

MOST_STEPS = 60
MOST_HALVINGS = 40
# Below this Newton decrement one more step is exact to rounding.
SETTLED = 1e-11
# A standard error of 50 (covariates have unit spread): the likelihood is flat there, which
# only a coefficient on its way to infinity brings about.
FLAT = 50.0


class Curved(Protocol):
    """A log-likelihood at one point."""

    @property
    def value(self) -> float:
        """Log-likelihood."""
        ...

    @property
    def gradient(self) -> FloatArray:
        """First derivative, shape (p,)."""
        ...

    @property
    def information(self) -> FloatArray:
        """Minus the second derivative, shape (p, p)."""
        ...


Point = TypeVar("Point", bound=Curved)


@dataclass(frozen=True)
class Maximum(Generic[Point]):
    """Where the likelihood is largest.

    Attributes
    ----------
    coefficients, inverse
        Where it is, shape (p,), and the inverse information there, (p, p).
    start, here
        The likelihood where the search began and at the maximum.
    """

    coefficients: FloatArray
    inverse: FloatArray
    start: Point
    here: Point


def maximise(
    evaluate: Callable[[FloatArray], Point], start: FloatArray, names: tuple[str, ...]
) -> Maximum[Point]:
    """Climb to the maximum of a concave log-likelihood in standardised covariates.

    Parameters
    ----------
    evaluate
        Value, gradient (p,) and information (p, p) at given coefficients.
    start
        First coefficients, shape (p,).
    names
        Covariates, for messages.

    Raises
    ------
    StatisticsError
        SC-607 where columns are collinear, a coefficient runs away or steps run out.
    """
    beta, first = start, evaluate(start)
    here = first
    for _ in range(MOST_STEPS):
        step = inverse_information(here.information, names) @ here.gradient
        decrement = float(step @ here.gradient)
        beta, here = _climb(evaluate, beta, here, step=step)
        if decrement < SETTLED:
            inverse = inverse_information(here.information, names)
            _refuse_runaway(beta, inverse, names)
            return Maximum(beta, inverse, start=first, here=here)
    raise _failure(names, f"no convergence in {MOST_STEPS} steps")


def _climb(
    evaluate: Callable[[FloatArray], Point], beta: FloatArray, here: Point, *, step: FloatArray
) -> tuple[FloatArray, Point]:
    slack = 1e-12 * (1.0 + abs(here.value))
    for halving in range(MOST_HALVINGS):
        trial = beta + step * 0.5**halving
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            there = evaluate(trial)
        if np.isfinite(there.value) and there.value >= here.value - slack:
            return trial, there
    return beta, here


def inverse_information(information: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Invert an information matrix; SC-607 where it is (nearly) singular."""
    diagonal = np.sqrt(np.diag(information)) if np.all(np.diag(information) > 0) else None
    if diagonal is None:
        raise _failure(names, "a likelihood without curvature")
    correlation = information / np.outer(diagonal, diagonal)
    values = linalg.eigvalsh(correlation)
    if not values[0] > 1e-11 * len(names):
        raise _failure(names, "collinear columns (or a flat likelihood)")
    inverse: FloatArray = linalg.inv(correlation) / np.outer(diagonal, diagonal)
    return (inverse + inverse.T) / 2


def _refuse_runaway(beta: FloatArray, inverse: FloatArray, names: tuple[str, ...]) -> None:
    errors = np.sqrt(np.diag(inverse))
    worst = int(np.argmax(errors))
    if errors[worst] > FLAT:
        direction = "+" if beta[worst] > 0 else "-"
        raise _failure(
            names, f"coefficient of {names[worst]} runs to {direction}infinity (separation)"
        )


def _failure(names: tuple[str, ...], got: str) -> SpinecastError:
    return error("SC-607", expected="a maximum", got=got, where=", ".join(names))
