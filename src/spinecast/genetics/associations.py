"""The table of associations: what a scan hands on, checked; its order and its statistics."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from spinecast.errors import error
from spinecast.tables import validate

UNPLACED = "0"
CHROMOSOMES = (*(str(number) for number in range(1, 23)), "X", "Y", "XY", "MT", UNPLACED)
CHROMOSOME_RANK = {name: rank for rank, name in enumerate(CHROMOSOMES, start=1)}
_CODES = {"23": "X", "24": "Y", "25": "MT", "26": "MT", "M": "MT", "PAR1": "XY", "PAR2": "XY"}
_ALLELE = re.compile(r"[ACGTNacgtn]+|<[A-Za-z0-9:_]+>|[*.]|LONG_STRING")
_NOT_IN_IDS = r"[\s\x00-\x1f]|^$"


def validate_associations(frame: pd.DataFrame) -> pd.DataFrame:
    """Check a table of associations.

    Parameters
    ----------
    frame
        GWAS-SSF column names; others pass. Statistics may be NaN (a variant
        that could not be tested), its place and its alleles may not.

    Returns
    -------
    pandas.DataFrame
        A copy with the schema's kinds; see :func:`spinecast.tables.validate`.

    Raises
    ------
    CohortError
        SC-301 a column is missing, SC-313 a cell is of another kind.
    GeneticsError
        SC-550 a value that no variant can have.
    """
    table = validate(frame, "associations")
    rules: tuple[tuple[str, Any, str], ...] = (
        ("chromosome", table["chromosome"].isin(CHROMOSOMES), "1 to 22, X, Y, XY, MT or 0"),
        ("base_pair_location", table["base_pair_location"] >= 0, "a position"),
        ("effect_allele", _are_alleles(table["effect_allele"]), "bases A, C, G, T"),
        ("other_allele", _are_alleles(table["other_allele"]), "bases A, C, G, T"),
        ("other_allele", table["effect_allele"] != table["other_allele"], "two different alleles"),
        ("variant_id", _are_names(table["variant_id"]), "a name without spaces"),
        ("beta", ~np.isinf(table["beta"]), "a finite number"),
        ("standard_error", _within(table["standard_error"], 0, np.inf, open_low=True), "above 0"),
        ("effect_allele_frequency", _within(table["effect_allele_frequency"], 0, 1), "0 to 1"),
        ("p_value", _within(table["p_value"], 0, 1), "0 to 1"),
        ("n", _within(table["n"], 0, np.inf), "a number of samples"),
    )
    for column, right, expected in rules:
        _require(table, column, right=np.asarray(right, dtype=np.bool_), expected=expected)
    return table


def _are_alleles(values: pd.Series) -> NDArray[np.bool_]:
    # a few texts repeated millions of times: each is looked at once
    right = [v for v in values.unique() if isinstance(v, str) and _ALLELE.fullmatch(v)]
    return values.isin(right).to_numpy()


def _are_names(values: pd.Series) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        names = pa.array(values.to_numpy(dtype=object), pa.string())
    except pa.ArrowException:
        return values.map(lambda value: isinstance(value, str)).to_numpy(dtype=np.bool_)
    found = pc.match_substring_regex(names, _NOT_IN_IDS)
    return ~np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _within(
    values: pd.Series, low: float, high: float, *, open_low: bool = False
) -> NDArray[np.bool_]:
    numbers = values.to_numpy(dtype=np.float64)
    above = numbers > low if open_low else numbers >= low
    return (above & (numbers <= high) & ~np.isinf(numbers)) | np.isnan(numbers)


def _require(table: pd.DataFrame, column: str, *, right: NDArray[np.bool_], expected: str) -> None:
    wrong = np.flatnonzero(~right)
    if wrong.size:
        shown = ", ".join(f"{table[column].iloc[row]!r} (row {row})" for row in wrong[:3])
        more = f" and {wrong.size - 3} more" if wrong.size > 3 else ""
        raise error("SC-550", expected=expected, got=shown + more, where=f"column {column}")


def chromosome_name(names: Any) -> NDArray[np.object_]:
    """Return chromosome names as this package writes them: 1..22, X, Y, XY, MT.

    ``chr7``, ``07`` and 7 become ``7``; PLINK's and GWAS-SSF's 23, 24, 25 and 26
    become X, Y and MT (both write MT their own way). Unknown names stay.
    """
    column = pd.Series(names)
    known = {name: _chromosome_name(name) for name in column.unique()}
    return column.map(known).to_numpy(dtype=object)


def _chromosome_name(name: Any) -> str:
    text = f"{name:g}" if isinstance(name, float | np.floating) else str(name)
    short = text.strip().upper().removeprefix("CHR").lstrip("0")
    return _CODES.get(short, short or UNPLACED)


def genome_order(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows' places in genome order, (v,): chromosome, then position; stable."""
    rank = table["chromosome"].map(CHROMOSOME_RANK).fillna(len(CHROMOSOMES) + 1)
    places = (table["base_pair_location"].to_numpy(), rank.to_numpy(dtype=np.float64))
    return np.lexsort(places).astype(np.int64)


def natural_log_p(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return the natural logarithm of each p-value, shape (v,); NaN where it is unknown.

    ``neg_log_10_p_value`` is preferred where it is there: ``p_value`` ends at 1e-308.
    """
    p_value = associations["p_value"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        natural = np.log(p_value)
    if "neg_log_10_p_value" not in associations.columns:
        return natural
    tail = associations["neg_log_10_p_value"].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(tail), -tail * np.log(10), natural)


def z_scores(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return signed z-scores, shape (v,): size from the p-value, sign from ``beta``.

    Tests that are no Wald tests (saddle-point, Firth) keep their p-value this way.
    """
    sign = np.sign(associations["beta"].to_numpy(dtype=np.float64))
    size = -special.ndtri_exp(natural_log_p(associations) - np.log(2))
    with np.errstate(invalid="ignore"):
        return np.where(sign == 0, 0.0, sign * size)


def chi_squares(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return chi-square statistics with one degree of freedom, shape (v,), from the p-values."""
    return special.ndtri_exp(natural_log_p(associations) - np.log(2)) ** 2
