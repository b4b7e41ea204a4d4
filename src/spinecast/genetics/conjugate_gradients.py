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

# Where the forms' convergence is watched: few people have traits of higher h2 than this.
_WATCHED_H2 = 0.8
_WATCHED_EVERY = 4
_NOTHING_LEFT = 1e-9


def lanczos_spectra(
    times: Times, start: Floats, *, tolerance: float = 1e-7, most_steps: int = 80
) -> Spectrum:
    """Return the spectra of columns by Lanczos steps.

    Parameters
    ----------
    times
        K times columns; must keep them in the space they start in.
    start
        Columns, shape (n, k), none 0.
    tolerance
        Steps end when no column's form v'(h2 K + (1 - h2) I)^-1 v at h2 = 0.8 moves by
        more than this share in four steps, or after ``most_steps``.

    Returns
    -------
    Spectrum
        Shape (k, steps). Vectors are not orthogonalised again: repeated nodes share one
        eigenvalue's weight and do no harm to the sums.
    """
    now = start / np.sqrt((start**2).sum(axis=0))
    before = np.zeros_like(now)
    link = np.zeros(now.shape[1])
    everything = np.arange(now.shape[1])
    diagonal: list[Floats] = []
    links: list[Floats] = []
    forms = np.zeros(now.shape[1])
    for step in range(1, min(most_steps, len(start)) + 1):
        following = times(now, everything) - link * before
        diagonal.append((now * following).sum(axis=0))
        following -= diagonal[-1] * now
        link = np.sqrt((following**2).sum(axis=0))
        # A column whose space is used up gets no further share.
        link = np.where(link > _NOTHING_LEFT * (1.0 + np.abs(diagonal[0])), link, 0.0)
        before, now = now, following * np.divide(1.0, link, out=np.zeros_like(link), where=link > 0)
        if step % _WATCHED_EVERY == 0:
            last, forms = forms, _quadrature(diagonal, links).inverse_forms(_WATCHED_H2)
            if np.all(np.abs(forms - last) <= tolerance * forms):
                break
        links.append(link)
    return _quadrature(diagonal, links[: len(diagonal) - 1])


def _quadrature(diagonal: list[Floats], links: list[Floats]) -> Spectrum:
    steps = len(diagonal)
    matrix = np.zeros((diagonal[0].size, steps, steps))
    for i in range(steps):
        matrix[:, i, i] = diagonal[i]
    for i in range(steps - 1):
        matrix[:, i, i + 1] = matrix[:, i + 1, i] = links[i]
    nodes, vectors = np.linalg.eigh(matrix)
    # Rounding may leave an eigenvalue of K a little below 0.
    return Spectrum(np.maximum(nodes, 0.0), vectors[:, 0, :] ** 2)


def solve_systems(
    times: Times,
    right: Floats,
    h2: Floats,
    *,
    tolerance: float = 1e-4,
    most_steps: int = 500,
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
    raise error(
        "SC-543",
        expected=f"residuals below {tolerance:g} of the trait",
        got=f"{np.sqrt((size / np.maximum(goal, 1e-300)).max()) * tolerance:.1e} "
        f"after {most_steps} steps",
        where="mixed model by conjugate gradients",
    )
