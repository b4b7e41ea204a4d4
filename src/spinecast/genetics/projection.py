"""Traits grouped by who has them, each group projected exactly within its own people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.errors import error

Floats = NDArray[np.float64]

# A column of which less than this share of length is its own is a combination of earlier ones.
_INDEPENDENT = 1e-7


@dataclass(frozen=True)
class TraitGroup:
    """Traits that the same people have.

    Parameters
    ----------
    traits
        Columns of the traits, (t,).
    mask
        Who has them, (n,).
    n
        How many that is.
    basis
        Orthonormal basis of intercept (first) and covariates among them, (n, k); 0 elsewhere.
    residuals
        The traits without covariates, (n, t), in their units; 0 elsewhere.
    sum_squares
        Of the residuals, (t,).
    """

    traits: NDArray[np.int64]
    mask: NDArray[np.bool_]
    n: int
    basis: Floats
    residuals: Floats
    sum_squares: Floats

    @property
    def whole(self) -> bool:
        """Whether nobody is missing."""
        return self.n == self.mask.size

    @property
    def degrees_of_freedom(self) -> int:
        """Of the residual once one variant is in the model: people - basis - 1."""
        return self.n - self.basis.shape[1] - 1


def group_traits(
    traits: Floats, covariates: Floats, *, names: Sequence[str] = ()
) -> list[TraitGroup]:
    """Group traits by missingness and take the covariates out within each group.

    Parameters
    ----------
    traits
        (n, t), NaN where missing.
    covariates
        (n, c) without intercept, no NaN. Columns that are combinations of earlier ones among
        the people of a group (sex among women) are left out of its basis.
    names
        The traits' names, for messages.

    Returns
    -------
    list of TraitGroup
        In the order in which their first traits stand.

    Raises
    ------
    GeneticsError
        SC-533 for covariates with gaps or another number of rows, SC-534 for a trait that is
        constant once covariates are out, or that too few people have.
    """
    traits = np.asarray(traits, dtype=np.float64)
    covariates = checked_covariates(covariates, len(traits))
    known = ~np.isnan(traits)
    places: dict[bytes, list[int]] = {}
    for column in range(traits.shape[1]):
        places.setdefault(known[:, column].tobytes(), []).append(column)
    labels = list(names) or [f"trait {column + 1}" for column in range(traits.shape[1])]
    return [
        _group(traits, covariates, np.asarray(columns, dtype=np.int64), labels=labels)
        for columns in places.values()
    ]


def orthonormal_basis(columns: Floats) -> Floats:
    """Return an orthonormal basis of ``columns`` (n, c), in their order; (n, k), k <= c.

    Gram and Schmidt, twice over for rounding; columns that earlier ones explain are left out.
    """
    basis = np.empty((columns.shape[0], 0))
    for column in columns.T:
        length = float(np.linalg.norm(column))
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        left = float(np.linalg.norm(rest))
        if length > 0 and left > _INDEPENDENT * length:
            basis = np.column_stack([basis, rest / left])
    return basis


def _group(
    traits: Floats, covariates: Floats, columns: NDArray[np.int64], *, labels: list[str]
) -> TraitGroup:
    mask = ~np.isnan(traits[:, columns[0]])
    n = int(mask.sum())
    design = np.column_stack([np.ones(n), covariates[mask]])
    inner = orthonormal_basis(design)
    k = inner.shape[1]
    if n < k + 2:
        got = f"{n} people and {k} covariates with intercept"
        raise error("SC-534", expected=f"{k + 2} people", got=got, where=labels[columns[0]])
    # Column by column: a product of many columns at once may round one by its neighbours.
    values = [np.ascontiguousarray(traits[mask, column]) for column in columns]
    within = [_without(inner, _without(inner, value)) for value in values]
    squares = np.array([value @ value for value in within])
    sizes = np.array([value @ value for value in values])
    _require_variation(squares, sizes, [labels[c] for c in columns])
    basis = np.zeros((mask.size, k))
    basis[mask] = inner
    residuals = np.zeros((mask.size, columns.size))
    residuals[mask] = np.column_stack(within)
    return TraitGroup(columns, mask, n, basis, residuals, squares)


def _without(basis: Floats, column: Floats) -> Floats:
    return column - basis @ (basis.T @ column)


def _require_variation(squares: Floats, sizes: Floats, labels: list[str]) -> None:
    for label, flat in zip(labels, squares <= 1e-18 * sizes, strict=True):
        if flat:
            raise error(
                "SC-534",
                expected="a trait that varies among people of equal covariates",
                got="none once covariates are taken out",
                where=label,
            )


def checked_covariates(covariates: Floats, n: int) -> Floats:
    """Return covariates as (n, c) of float64; SC-533 for gaps or another number of rows."""
    checked = np.asarray(covariates, dtype=np.float64).reshape(len(covariates), -1)
    if len(checked) != n:
        raise error("SC-533", expected=f"{n} rows", got=str(len(checked)), where="covariates")
    if not np.isfinite(checked).all():
        gaps = int((~np.isfinite(checked)).sum())
        raise error("SC-533", expected="a number in every cell", got=f"{gaps} gaps")
    return checked
