"""The table of associations: what a scan hands on, checked; its order and its statistics."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.tails import z_of_log10_ps
from spinecast.genetics.text_columns import column_bytes, rows_with
from spinecast.tables import TABLES, validate

UNPLACED = "0"
CHROMOSOMES = (*(str(number) for number in range(1, 23)), "X", "Y", "XY", "MT", UNPLACED)
CHROMOSOME_RANK = {name: rank for rank, name in enumerate(CHROMOSOMES, start=1)}
MEDIAN_CHI_SQUARE = 0.4549364231195724
"""Of chi-square with one degree of freedom."""
_CODES = {"23": "X", "24": "Y", "25": "MT", "26": "MT", "M": "MT", "PAR1": "XY", "PAR2": "XY"}
_TEXTS = ("chromosome", "effect_allele", "other_allele", "variant_id")
_NUMBERS = (
    "base_pair_location", "beta", "standard_error", "effect_allele_frequency", "p_value", "n",
    "neg_log_10_p_value", "info",
)  # fmt: skip
_NUMBER_KINDS = (np.float64, np.int64, np.int32)
_ALLELE = re.compile(r"[ACGTNacgtn]+|<[A-Za-z0-9:_]+>|[*.]|LONG_STRING")
_NOT_IN_IDS = bytes(range(33))


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
    _require_possible(table)
    return table


def checked_associations(frame: pd.DataFrame) -> pd.DataFrame:
    """Check a table of associations as :func:`validate_associations` does.

    A table that is of the right kinds already stays as it is, its rows numbered from 0: texts
    may be objects, categories or Arrow's. So a scan's own table costs little.
    """
    if not _has_kinds(frame):
        return validate_associations(frame)
    table = frame.reset_index(drop=True)
    _require_possible(table)
    return table


def _has_kinds(frame: pd.DataFrame) -> bool:
    """Tell whether all columns are there, numbers are numbers and no text is missing."""
    if not set(TABLES["associations"].required) <= set(frame.columns):
        return False
    kinds = {name: frame[name].dtype for name in frame.columns.intersection([*_TEXTS, *_NUMBERS])}
    return (
        pd.api.types.is_integer_dtype(kinds["base_pair_location"])
        and all(kinds[name] in _NUMBER_KINDS for name in kinds if name in _NUMBERS)
        and not isinstance(kinds["variant_id"], pd.CategoricalDtype)
        and not any(frame[name].hasnans for name in _TEXTS)
    )


def _require_possible(table: pd.DataFrame) -> None:
    """Raise SC-550 for a value that no variant can have."""
    rules: tuple[tuple[str, Any, str], ...] = (
        ("chromosome", table["chromosome"].isin(CHROMOSOMES), "1 to 22, X, Y, XY, MT or 0"),
        ("base_pair_location", table["base_pair_location"] >= 0, "a position"),
        ("effect_allele", _are_alleles(table["effect_allele"]), "bases A, C, G, T"),
        ("other_allele", _are_alleles(table["other_allele"]), "bases A, C, G, T"),
        ("other_allele", _differ(table), "two different alleles"),
        ("variant_id", _are_names(table["variant_id"]), "a name without spaces"),
        ("beta", ~np.isinf(table["beta"]), "a finite number"),
        ("standard_error", _within(table["standard_error"], 0, np.inf, open_low=True), "above 0"),
        ("effect_allele_frequency", _within(table["effect_allele_frequency"], 0, 1), "0 to 1"),
        ("p_value", _within(table["p_value"], 0, 1), "0 to 1"),
        ("n", _within(table["n"], 0, np.inf), "a number of samples"),
    )
    for column, right, expected in rules:
        _require(table, column, right=np.asarray(right, dtype=np.bool_), expected=expected)


def _are_alleles(values: pd.Series) -> NDArray[np.bool_]:
    # a few texts repeated millions of times: each is looked at once
    right = [v for v in values.unique() if isinstance(v, str) and _ALLELE.fullmatch(v)]
    return values.isin(right).to_numpy()


def _differ(table: pd.DataFrame) -> NDArray[np.bool_]:
    effect, other = table["effect_allele"], table["other_allele"]
    numbered = {name: place for place, name in enumerate({*effect.unique(), *other.unique()})}
    return effect.map(numbered).to_numpy() != other.map(numbered).to_numpy()


def _are_names(values: pd.Series) -> NDArray[np.bool_]:
    import pyarrow as pa

    try:
        names = column_bytes(values)
    except pa.ArrowException:
        return values.map(lambda value: isinstance(value, str)).to_numpy(dtype=np.bool_)
    right = np.diff(names[1]) > 0
    right[rows_with(names, _NOT_IN_IDS)] = False
    return right


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
    rank = table["chromosome"].map(CHROMOSOME_RANK).to_numpy(dtype=np.float64)
    rank = np.where(np.isnan(rank), len(CHROMOSOMES) + 1, rank)
    location = table["base_pair_location"].to_numpy()
    step, onward = np.diff(rank), np.diff(location) >= 0
    if ((step > 0) | ((step == 0) & onward)).all():
        return np.arange(len(table), dtype=np.int64)
    return np.lexsort((location, rank)).astype(np.int64)


def in_genome_order(table: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    """Return the wanted rows in genome order, numbered from 0."""
    rows = np.flatnonzero(wanted.to_numpy(dtype=np.bool_))
    kept = table if rows.size == len(table) else table.iloc[rows]
    order = genome_order(kept)
    ordered = bool((np.diff(order) == 1).all())
    return (kept if ordered else kept.iloc[order]).reset_index(drop=True)


def natural_log_p(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return the natural logarithm of each p-value, shape (v,); NaN where it is unknown.

    ``neg_log_10_p_value`` is preferred where it is there: ``p_value`` ends at 1e-308.
    """
    tail = None
    if "neg_log_10_p_value" in associations.columns:
        tail = associations["neg_log_10_p_value"].to_numpy(dtype=np.float64)
        known = np.isfinite(tail)
        if known.all():
            return -tail * np.log(10)
    with np.errstate(divide="ignore", invalid="ignore"):
        natural = np.log(associations["p_value"].to_numpy(dtype=np.float64))
    return natural if tail is None else np.where(known, -tail * np.log(10), natural)


def neg_log_10_p(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return -log10 of each p-value, shape (v,); see :func:`natural_log_p`."""
    if "neg_log_10_p_value" in associations.columns:
        tail = associations["neg_log_10_p_value"].to_numpy(dtype=np.float64)
        if np.isfinite(tail).all():
            return tail
    return -natural_log_p(associations) / np.log(10)


def z_scores(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return signed z-scores, shape (v,): size from the p-value, sign from ``beta``.

    Tests that are no Wald tests (saddle-point, Firth) keep their p-value this way.
    """
    sign = np.sign(associations["beta"].to_numpy(dtype=np.float64))
    size = z_of_log10_ps(neg_log_10_p(associations))
    with np.errstate(invalid="ignore"):
        return np.where(sign == 0, 0.0, sign * size)


def chi_squares(associations: pd.DataFrame) -> NDArray[np.float64]:
    """Return chi-square statistics with one degree of freedom, shape (v,), from the p-values."""
    return z_of_log10_ps(neg_log_10_p(associations)) ** 2
