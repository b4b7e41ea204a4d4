"""Many systems (h2 K + (1 - h2) I) x = y at once, K only ever multiplied.

Two Krylov methods on a block of columns, each column with its own h2 and its own K (a
chromosome left out). Lanczos steps from a column give the quadratic form of that column
for *every* h2, because K and h2 K + (1 - h2) I have the same Krylov space; conjugate
gradients then give the solutions themselves at the h2 that was found.

Sources: Golub & Meurant, Matrices, Moments and Quadrature (2010), for the quadrature;
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
    followers: int = 0,
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
        A column is done when a step moves its form v'(h2 K + (1 - h2) I)^-1 v at h2 = 0.5 by
        no more than this share; one number or shape (k,).
    followers
        The first columns that do not decide themselves, but end when all others have.
    most_steps
        All end here.

    Returns
    -------
    Spectrum
        Shape (k, steps). Vectors are not orthogonalised again: repeated nodes share one
        eigenvalue's weight and do no harm to the sums.
    """
    limit = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), start.shape[1:])
    steps = min(most_steps, len(start))
    diagonal, links = (np.zeros((steps, start.shape[1])) for _ in range(2))
    forms = np.zeros(start.shape[1])
    active = np.arange(start.shape[1])
    now = start / np.sqrt((start**2).sum(axis=0))
    before, link = np.zeros_like(now), np.zeros(start.shape[1])
    for step in range(steps):
        following = times(now, active) - link * before
        diagonal[step, active] = (now * following).sum(axis=0)
        following -= diagonal[step, active] * now
        link = np.sqrt((following**2).sum(axis=0))
        # A column whose space is used up gets no further share.
        enough = link > _NOTHING_LEFT * (1.0 + np.abs(diagonal[0, active]))
        link = np.where(enough, link, 0.0)
        found = _quadrature(diagonal[: step + 1, active], links[:step, active])
        moved = found.inverse_forms(_WATCHED_H2) - forms[active]
        forms[active] += moved
        going = np.abs(moved) > limit[active] * forms[active]
        leading = active >= followers
        going = np.where(leading, going, going[leading].any())
        if step + 1 == steps or not going.any():
            break
        links[step, active[going]] = link[going]
        upward = np.divide(1.0, link, out=np.zeros_like(link), where=link > 0)
        before, now = now[:, going], (following * upward)[:, going]
        active, link = active[going], link[going]
    return _quadrature(diagonal[: step + 1], links[:step])


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
    tolerance: float = 5e-4,
    most_steps: int = 500,
    hearing: Hearing | None = None,
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
    tolerance
        A column is done when its residual is this share of the right-hand side.
    hearing
        Called after each step with the share of the way, by the logarithm of the residuals.

    Raises
    ------
    GeneticsError
        SC-543 when steps run out.
    """
    solution = np.zeros_like(right)
    residual = right.copy()
    direction = right.copy()
    size = (residual**2).sum(axis=0)
    goal = tolerance**2 * size
    for _ in range(most_steps):
        active = np.flatnonzero(size > goal)
        if not active.size:
            return solution
        along = direction[:, active]
        product = h2[active] * times(along, active) + (1.0 - h2[active]) * along
        length = size[active] / (along * product).sum(axis=0)
        solution[:, active] += length * along
        rest = residual[:, active] - length * product
        residual[:, active] = rest
        new = (rest**2).sum(axis=0)
        direction[:, active] = rest + new / size[active] * along
        size[active] = new
        if hearing is not None:
            left = float((size / np.maximum(goal, 1e-300)).max())
            hearing(float(np.clip(1.0 - np.log(max(left, 1.0)) / np.log(tolerance**-2), 0, 1)))
    raise error(
        "SC-543",
        expected=f"residuals below {tolerance:g} of the trait",
        got=f"{np.sqrt((size / np.maximum(goal, 1e-300)).max()) * tolerance:.1e} "
        f"after {most_steps} steps",
        where="mixed model by conjugate gradients",
    )
