"""Restricted maximum likelihood of one variance component from a spectrum.

With y ~ N(covariates, s2 (h2 K + (1 - h2) I)) the likelihood, the scale s2 profiled out,
needs K only through two spectral measures: the eigenvalues of K off the covariates (for
the determinant), and the share of y that lies on each (for the quadratic form). Both are
the same for every h2, so that one decomposition serves any number of evaluations; it may
be exact, or a Gauss quadrature by Lanczos steps (see ``conjugate_gradients``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinecast.genetics.projection import Floats

# Closer to 1 the covariance of people who share all variants becomes singular.
GREATEST_H2 = 0.99
_GRID = np.linspace(0.0, GREATEST_H2, 34)
_PRECISION = 1e-7


@dataclass(frozen=True)
class Spectrum:
    """Where columns lie on the eigenvalues of a relationship matrix K.

    Parameters
    ----------
    nodes, weights
        Eigenvalues (or quadrature nodes) and each column's share there, weights of a
        column adding to 1; shape (columns, nodes), nodes also (1, nodes).
    """

    nodes: Floats
    weights: Floats

    def inverse_forms(self, h2: float) -> Floats:
        """Return v'(h2 K + (1 - h2) I)^-1 v of every column v of length 1, shape (columns,)."""
        forms: Floats = (self.weights / (h2 * self.nodes + 1.0 - h2)).sum(axis=1)
        return forms

    def mean_log(self, h2: float) -> float:
        """Return the mean over columns of v' log(h2 K + (1 - h2) I) v."""
        logs = np.log(h2 * self.nodes + 1.0 - h2)
        return float((self.weights * logs).sum(axis=1).mean())

    def column(self, place: int) -> Spectrum:
        """Return one column's spectrum."""
        nodes = self.nodes[min(place, len(self.nodes) - 1)]
        return Spectrum(nodes[None], self.weights[place][None])

    def rows(self, places: slice) -> Spectrum:
        """Return the spectra of some columns."""
        return Spectrum(self.nodes[places], self.weights[places])


@dataclass(frozen=True)
class SampledLog:
    """Log-determinant a dimension of h2 K + (1 - h2) I, sampled but for what can be known.

    The largest eigenvalues (populations, families) are taken as they are, random columns off
    their eigenvectors stand for the rest. Of the rest, the part of log that is linear in
    the eigenvalues comes from the trace of K, the quadratic part from many more random
    columns that K was multiplied with only once. What is left to chance is small.

    Parameters
    ----------
    leading
        Largest eigenvalues, (l,).
    probes
        Spectrum of random columns off their eigenvectors and off the covariates.
    moments
        v'Kv and v'KKv of more such columns v of length 1, (columns, 2).
    dimension
        Dimension off the covariates.
    trace
        Of K off the covariates.

    References
    ----------
    Meyer et al., Hutch++, SIAM SOSA (2021), for taking a leading space exactly.
    """

    leading: Floats
    probes: Spectrum
    moments: Floats
    dimension: int
    trace: float

    def __call__(self, h2: float) -> float:
        """Return the estimate at ``h2``."""
        others = self.dimension - len(self.leading)
        known = np.array([(self.trace - self.leading.sum()) / others, 0.0])
        share = self.probes.weights / self.probes.weights.sum()
        nodes = np.stack([self.probes.nodes, self.probes.nodes**2])
        mean = (share * nodes).sum(axis=(1, 2))
        away = nodes - mean[:, None, None]
        # Both samples of the squares in one, with what the known trace says about their error.
        pooled = np.vstack([self.moments, _moments(self.probes)]).mean(axis=0)
        products = np.einsum("ikl,jkl->ij", share * away, away)
        slope = products[0, 1] / products[0, 0] if products[0, 0] > 0 else 0.0
        known[1] = pooled[1] + slope * (known[0] - pooled[0])
        logs = np.log(h2 * self.probes.nodes + 1.0 - h2)
        slopes = np.linalg.lstsq(products, (share * away * logs).sum(axis=(1, 2)), rcond=None)[0]
        rest = float((share * logs).sum() + slopes @ (known - mean))
        exact = float(np.log(h2 * self.leading + 1.0 - h2).sum())
        return (exact + others * rest) / self.dimension


def _moments(spectrum: Spectrum) -> Floats:
    powers = [(spectrum.weights * spectrum.nodes**power).sum(axis=1) for power in (1, 2)]
    return np.stack(powers, axis=1)


@dataclass(frozen=True)
class Heritability:
    """The share of variance that the relationship matrix explains.

    Parameters
    ----------
    h2
        Between 0 and :data:`GREATEST_H2`.
    standard_error
        From the curvature of the likelihood; NaN at the border.
    """

    h2: float
    standard_error: float


def fit_h2(
    trait: Spectrum, log_determinant: Callable[[float], float], *, degrees: int
) -> Heritability:
    """Maximise the restricted likelihood in h2: a grid, then golden sections about its best.

    Parameters
    ----------
    trait
        Spectrum of the trait with the covariates taken out (one column).
    log_determinant
        Log-determinant of h2 K + (1 - h2) I off the covariates, divided by its dimension.
    degrees
        That dimension: people less covariates and intercept.

    Returns
    -------
    Heritability
        A standard error near the border of h2 is too small to be read as a normal one.
    """

    def deviance(h2: float) -> float:
        form = float(trait.inverse_forms(h2)[0])
        return degrees * (np.log(form) + log_determinant(h2))

    values = np.array([deviance(h2) for h2 in _GRID])
    best = int(values.argmin())
    low, high = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    found = _least(deviance, low, high)
    h2 = found if deviance(found) < values[best] else float(_GRID[best])
    return Heritability(h2, _standard_error(deviance, h2))


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of one valley is least, by golden sections.

    Written out: the optimisers of SciPy take longer to load than a model of 5,000 people to step.
    """
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _PRECISION:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = function(right)
    return float((low + high) / 2.0)


def _standard_error(deviance: Callable[[float], float], h2: float) -> float:
    step = 1e-3
    if not step < h2 < GREATEST_H2 - step:
        return float("nan")
    curvature = (deviance(h2 + step) - 2.0 * deviance(h2) + deviance(h2 - step)) / step**2
    return float(np.sqrt(2.0 / curvature)) if curvature > 0 else float("nan")
