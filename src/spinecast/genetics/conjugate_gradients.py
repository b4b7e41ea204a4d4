"""Many systems (h2 K + (1 - h2) I) x = y at once, K only ever multiplied.

Two Krylov methods on a block of columns, each column with its own h2 and its own K (a
chromosome left out). Lanczos steps from a column give the quadratic form of that column
for *every* h2, because K and h2 K + (1 - h2) I have the same Krylov space; conjugate
gradients then give the solutions themselves at the h2 that was found.

The steps are read by two quadratures: that of Gauss lies below the form (above the
logarithm), that of Gauss and Radau with a node at 0, below which K has no eigenvalue, on the
other side. Their mean is taken, and their distance says when to end.

Sources: Golub & Meurant, Matrices, Moments and Quadrature (2010), for the quadratures;
Loh et al., Nature Genetics 47, 284 (2015), for conjugate gradients in mixed models.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spinecast.errors import error
from spinecast.genetics.projection import Floats
from spinecast.genetics.reml import Spectrum
from spinecast.genotypes.genotypes import Places

# Multiplies columns (n, k) by K; the places say which columns of the whole block they are.
Times = Callable[[Floats, Places], Floats]
# Hears how much of the way is done, 0 to 1.
Hearing = Callable[[float], None]

# Where the forms' convergence is watched. Lower h2 converges faster; at higher h2 the error
# is larger, still far below the standard error of h2.
_WATCHED_H2 = 0.5
_NOTHING_LEFT = 1e-9


def lanczos_spectra(
    times: Times,
    start: Floats,
    *,
    tolerance: Floats | float = 1e-6,
    most_steps: int = 80,
) -> Spectrum:
    """Return the spectra of columns by Lanczos steps.

    Parameters
    ----------
    times
        K times columns; must keep them in the space they start in.
    start
        Columns, shape (n, k), none 0.
    tolerance
        A column is done when its form v'(h2 K + (1 - h2) I)^-1 v at h2 = 0.5 is known to this
        share; one number or shape (k,).
    most_steps
        All end here.

    Returns
    -------
    Spectrum
        Shape (k, 2 steps + 1). Vectors are not orthogonalised again: repeated nodes share one
        eigenvalue's weight and do no harm to the sums.
    """
    limit = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), start.shape[1:])
    steps = min(most_steps, len(start))
    diagonal, links = (np.zeros((steps, start.shape[1])) for _ in range(2))
    nodes, weights = (np.zeros((start.shape[1], 2 * steps + 1)) for _ in range(2))
    active = np.arange(start.shape[1])
    now = start / np.sqrt((start**2).sum(axis=0))
    before, link = np.zeros_like(now), np.zeros(start.shape[1])
    for step in range(steps):
        following = times(now, active) - link * before
        diagonal[step, active] = (now * following).sum(axis=0)
        following -= diagonal[step, active] * now
        link = np.sqrt((following**2).sum(axis=0))
        # A column whose space is used up gets no further share.
        link[link <= _NOTHING_LEFT * (1.0 + np.abs(diagonal[0, active]))] = 0.0
        links[step, active] = link
        gauss, radau = _rules(diagonal[: step + 1, active], links[: step + 1, active])
        nodes[active, : 2 * step + 3] = np.hstack([gauss.nodes, radau.nodes])
        weights[active, : 2 * step + 3] = np.hstack([gauss.weights, radau.weights]) / 2.0
        below, above = (rule.inverse_forms(_WATCHED_H2) for rule in (gauss, radau))
        going = (above - below > 2.0 * limit[active] * below) & (link > 0)
        if not going.any():
            break
        before, now = now[:, going], following[:, going] / link[going]
        active, link = active[going], link[going]
    return Spectrum(nodes[:, : 2 * step + 3], weights[:, : 2 * step + 3])


def _rules(diagonal: Floats, links: Floats) -> tuple[Spectrum, Spectrum]:
    """Return the rules of Gauss, and of Gauss and Radau with a node at 0, of steps (k, columns)."""
    pivot = diagonal[0]
    for step in range(1, len(diagonal)):
        pivot = diagonal[step] - _over(links[step - 1] ** 2, pivot)
    last = _over(links[-1] ** 2, pivot)
    return _quadrature(diagonal, links[:-1]), _quadrature(np.vstack([diagonal, last]), links)


def _over(squares: Floats, pivots: Floats) -> Floats:
    """Return squares over pivots; 0 for pivots that rounding took to 0 or below."""
    return np.divide(squares, pivots, out=np.zeros_like(squares), where=pivots > 0)


def _quadrature(diagonal: Floats, links: Floats) -> Spectrum:
    """Return nodes and weights of tridiagonal matrices; a link of 0 ends a column's own."""
    steps, columns = diagonal.shape
    matrix = np.zeros((columns, steps, steps))
    place = np.arange(steps)
    matrix[:, place, place] = diagonal.T
    matrix[:, place[:-1], place[1:]] = matrix[:, place[1:], place[:-1]] = links.T
    nodes, vectors = np.linalg.eigh(matrix)
    # Rounding may leave an eigenvalue of K a little below 0.
    return Spectrum(np.maximum(nodes, 0.0), vectors[:, 0, :] ** 2)


def solve_systems(
    times: Times,
    right: Floats,
    h2: Floats,
    *,
    ease: Times = lambda vectors, _: vectors,
    tolerance: float = 5e-4,
    most_steps: int = 500,
    hearing: Hearing = lambda _: None,
) -> Floats:
    """Solve (h2 K + (1 - h2) I) x = right for every column by conjugate gradients.

    Parameters
    ----------
    times
        K times columns; must keep them in the space they start in.
    right
        Right-hand sides, shape (n, k).
    h2
        Each column's, below 1, shape (k,).
    ease
        About the inverse of the system times columns, symmetric and positive.
    tolerance
        A column is done when its residual is this share of the right-hand side.
    hearing
        Called after each step with the share of the way, by the logarithm of the residuals.

    Raises
    ------
    GeneticsError
        SC-543 when steps run out.
    """
    solution, residual = np.zeros_like(right), right.copy()
    direction = ease(residual, np.arange(right.shape[1])).copy()
    along = (residual * direction).sum(axis=0)
    size = (residual**2).sum(axis=0)
    goal = tolerance**2 * size
    for _ in range(most_steps):
        active = np.flatnonzero(size > goal)
        if not active.size:
            return solution
        step = direction[:, active]
        product = h2[active] * times(step, active) + (1.0 - h2[active]) * step
        length = along[active] / (step * product).sum(axis=0)
        solution[:, active] += length * step
        rest = residual[:, active] - length * product
        residual[:, active] = rest
        eased = ease(rest, active)
        new, size[active] = (rest * eased).sum(axis=0), (rest**2).sum(axis=0)
        direction[:, active] = eased + new / along[active] * step
        along[active] = new
        left = float((size / np.maximum(goal, 1e-300)).max())
        hearing(float(np.clip(1.0 - np.log(max(left, 1.0)) / np.log(tolerance**-2), 0, 1)))
    raise error(
        "SC-543",
        expected=f"residuals below {tolerance:g} of the trait",
        got=f"{np.sqrt(left) * tolerance:.1e} after {most_steps} steps",
        where="mixed model by conjugate gradients",
    )
