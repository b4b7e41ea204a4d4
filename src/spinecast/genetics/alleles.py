"""Do two tables mean the same alleles? Same, swapped, other strand, or a clash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error

# A and T, C and G add up to 3: the other strand of code x is 3 - x
_CODES = {"A": 0, "C": 1, "G": 2, "T": 3}
_OTHER = -1
# So many variants tell whether two tables name their alleles alike.
_LOOKED_AT = 10_000


def allele_codes(alleles: Any) -> NDArray[np.int8]:
    """Code single bases A, C, G, T as 0..3, either case; everything longer or else is -1."""
    column = pd.Series(alleles)
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = [_CODES.get(str(name).upper(), _OTHER) for name in column.cat.categories]
        table: NDArray[np.int8] = np.array([*names, _OTHER], dtype=np.int8)
        return table[column.cat.codes.to_numpy()]
    both = _CODES | {name.lower(): code for name, code in _CODES.items()}
    codes: NDArray[np.int8] = np.asarray(column.map(both).fillna(_OTHER), dtype=np.int8)
    return codes


def is_unambiguous_snp(effect: Any, other: Any) -> NDArray[np.bool_]:
    """Tell the variants with two different single bases that are not each other's complement.

    A/T and C/G look the same on both strands, so that a swap and a flip of
    strand cannot be told apart.
    """
    first, second = allele_codes(effect), allele_codes(other)
    return (first >= 0) & (second >= 0) & (first != second) & (first + second != 3)


def match_alleles(
    first: tuple[Any, Any], second: tuple[Any, Any], *, strands: bool = True
) -> NDArray[np.int8]:
    """Compare the alleles of two tables, variant by variant.

    Parameters
    ----------
    first, second
        (effect alleles, other alleles), shape (v,) each.
    strands
        Also take the other strand as a match, for unambiguous single bases.

    Returns
    -------
    numpy.ndarray
        Shape (v,): 1 same effect allele, -1 swapped, 0 a clash.
    """
    a, b, c, d = (
        pd.Series(column).astype(object).str.upper().to_numpy() for column in (*first, *second)
    )
    same, swapped = (a == c) & (b == d), (a == d) & (b == c)
    if strands:
        a1, a2, b1, b2 = (allele_codes(column) for column in (a, b, c, d))
        clear = is_unambiguous_snp(a, b) & is_unambiguous_snp(c, d)
        same |= clear & (a1 == 3 - b1) & (a2 == 3 - b2)
        swapped |= clear & (a1 == 3 - b2) & (a2 == 3 - b1)
    return (same.astype(np.int8) - (swapped & ~same)).astype(np.int8)


def require_matching_alleles(first: pd.DataFrame, second: pd.DataFrame, *, where: str) -> None:
    """Refuse two tables whose variants of one name mostly have other alleles.

    Looks at ten thousand variants spread over the first table; variants that only one table
    has do not count.

    Parameters
    ----------
    first, second
        ``variant_id``, ``effect_allele``, ``other_allele``.
    where
        Names the two tables in the error.

    Raises
    ------
    GeneticsError
        SC-553 where more than half of the shared variants clash.
    """
    columns = ["variant_id", "effect_allele", "other_allele"]
    some = first[columns].iloc[:: max(1, len(first) // _LOOKED_AT)]
    both = some.drop_duplicates("variant_id").merge(
        second.loc[second["variant_id"].isin(some["variant_id"]), columns].drop_duplicates(
            "variant_id"
        ),
        on="variant_id",
        suffixes=("", "_second"),
    )
    refuse_clashes(
        match_alleles(
            (both["effect_allele"], both["other_allele"]),
            (both["effect_allele_second"], both["other_allele_second"]),
        ),
        where=where,
    )


def refuse_clashes(matches: NDArray[np.int8], *, where: str) -> None:
    """Raise SC-553 where more than half of what :func:`match_alleles` compared clashes."""
    clashes = int((matches == 0).sum())
    if 2 * clashes > matches.size:
        raise error("SC-553", expected="variants of one name to have the same alleles", where=where,
                    got=f"{clashes:,} clashes among {matches.size:,}")  # fmt: skip
