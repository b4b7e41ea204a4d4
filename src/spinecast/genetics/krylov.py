"""Leading eigenvectors of a symmetric matrix that is only known by its products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues, descending, their unit vectors (n, k), and the matrix times these (n, k).

    ``residuals`` are the norms of matrix times vector minus eigenvalue times vector, over the
    eigenvalue; ``passes`` says how often the matrix was used.
    """

    eigenvalues: Floats
    vectors: Floats
    images: Floats
    residuals: Floats
    passes: int


def leading_eigenpairs(
    product: Callable[[Floats], Floats],
    start: Floats,
    count: int,
    *,
    tolerance: float = 1e-3,
    most_passes: int = 20,
) -> Eigenpairs:
    """Find the ``count`` largest eigenvalues of a positive semi-definite matrix.

    Every pass multiplies the newest block of an orthonormal basis; the eigenvectors are the
    best ones within all blocks so far (block Krylov), so that it settles in far fewer passes
    than by powers alone. It ends when every pair's residual is small, or after so many passes:
    eigenvalues that crowd, as those of noise do, do not settle and need not. Memory is that of
    the basis and its images, 16 n b bytes a pass.

    Parameters
    ----------
    product
        Returns the matrix times (n, b).
    start
        Random block, (n, b); wider than ``count`` helps.
    count
        Eigenpairs wanted.
    tolerance
        Largest residual norm over eigenvalue. Its square bounds the loss of an eigenvector's
        correlation, divided by the square of the relative gap to the next eigenvalue.
    most_passes
        Passes after which it ends.

    References
    ----------
    Musco and Musco, NeurIPS 28 (2015); Halko et al., SIAM Review 53, 217 (2011).
    """
    basis = np.linalg.qr(start)[0]
    block, images = basis, np.empty((start.shape[0], 0))
    done = 0
    while True:
        done += 1
        images = np.concatenate([images, product(block)], axis=1)
        small = basis.T @ images
        values, rotation = np.linalg.eigh((small + small.T) / 2.0)
        values, rotation = values[::-1][:count], rotation[:, ::-1][:, :count]
        vectors, rotated = basis @ rotation, images @ rotation
        residuals = np.linalg.norm(rotated - vectors * values, axis=0)
        residuals = residuals / np.maximum(values, np.finfo(float).tiny)
        found = Eigenpairs(values, vectors, rotated, residuals, done)
        if residuals.max() <= tolerance or done == most_passes:
            return found
        block = _next_block(images[:, -block.shape[1] :], basis)
        if block.shape[1] == 0:  # the basis spans all there is
            return found
        basis = np.concatenate([basis, block], axis=1)


def _next_block(images: Floats, basis: Floats) -> Floats:
    """Return what ``images`` add to the basis, orthonormal; twice, because once loses digits."""
    scale = np.linalg.norm(images)
    room = basis.shape[0] - basis.shape[1]
    for _ in range(2):
        images = images - basis @ (basis.T @ images)
    left, sizes, _ = np.linalg.svd(images, full_matrices=False)
    fresh = left[:, sizes > 1e-8 * scale][:, :room]
    return np.linalg.qr(fresh - basis @ (basis.T @ fresh))[0]
