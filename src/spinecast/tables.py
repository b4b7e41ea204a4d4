"""Schemas of the goods that cross a door between rooms, and the one way to check them.

Each table is a :class:`TableSpec`; its columns take kind, range and codes from
:mod:`spinecast.terms`. Extra columns pass; missing required ones do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from spinecast.errors import error
from spinecast.terms import TERMS, Kind

SPLITS = ("train", "validation", "test")

COVARIATES = (
    "height", "weight", "bmi", "prevalent_vf", "glucocorticoids", "prior_fracture",
    "rheumatoid_arthritis", "secondary_osteoporosis", "smoking", "alcohol",
    "parental_hip_fracture", "bmd_spine", "bmd_femoral_neck", "bmd_total_hip",
    "t_score_femoral_neck", "osteoporosis", "frax_mof",
)  # fmt: skip


@dataclass(frozen=True)
class TableSpec:
    """Columns of one good.

    Parameters
    ----------
    required
        Columns that must be there, in their order; values of keys are never unknown.
    key
        Columns whose combination occurs once.
    repeated
        Code raised where the key occurs twice.
    optional
        Columns that are checked where present.
    """

    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    repeated: str = "SC-314"
    optional: tuple[str, ...] = ()


TABLES: MappingProxyType[str, TableSpec] = MappingProxyType(
    {
        "people": TableSpec(("person_id", "sex"), ("person_id",), "SC-307", ("ancestry",)),
        "visits": TableSpec(
            ("person_id", "visit", "years_since_baseline", "age", *COVARIATES),
            ("person_id", "visit"),
            optional=(
                "cancer_within_1_year", "severe_deformity",
                "lumbar_width", "lumbar_height", "lumbar_area",
            ),
        ),
        "images": TableSpec(
            (
                "image_id", "person_id", "visit", "modality", "view", "region", "spacing_row",
                "spacing_column", "manufacturer", "origin", "sha256", "path",
            ),
            ("image_id",),
            "SC-308",
        ),
        "events": TableSpec(
            ("person_id", "endpoint", "event", "duration"), ("person_id", "endpoint")
        ),
        "findings": TableSpec(("person_id", "visit", "finding", "region", "severity")),
        "quarantine": TableSpec(("source", "code", "reason")),
        "skipped": TableSpec(("source", "code", "reason")),
        "splits": TableSpec(("person_id", "split", "fold"), ("person_id",), "SC-310"),
        "scores": TableSpec(
            ("person_id", "visit", "image_id", "horizon", "draw", "score", "value", "split")
        ),
        "estimates": TableSpec(
            ("analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n")
        ),
        "associations": TableSpec(
            (
                "chromosome", "base_pair_location", "effect_allele", "other_allele", "beta",
                "standard_error", "effect_allele_frequency", "p_value", "variant_id", "n",
            ),
            optional=("neg_log_10_p_value", "info"),
        ),
    }
)  # fmt: skip

_TEXTS = frozenset({
    "source", "code", "reason", "split", "score", "analysis", "term",
    "chromosome", "effect_allele", "other_allele", "variant_id",
})  # fmt: skip
_WHOLE = frozenset({"draw", "fold", "visit", "event", "base_pair_location"})
_KNOWN_VALUES = frozenset({"person_id", "image_id", "endpoint", "finding", *_WHOLE, *_TEXTS})
_COLUMN_CODES = {"sex": "SC-302", "event": "SC-319", "spacing_row": "SC-208",
                 "spacing_column": "SC-208", "duration": "SC-605"}  # fmt: skip


def empty_table(name: str) -> pd.DataFrame:
    """Return the table ``name`` with its required columns and no rows."""
    columns = TABLES[name].required
    return pd.DataFrame({column: pd.Series(dtype=_dtype(column)) for column in columns})


def validate(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Check ``frame`` against the schema of table ``name``.

    Parameters
    ----------
    frame
        Any frame; it is not changed.
    name
        A key of :data:`TABLES`.

    Returns
    -------
    pandas.DataFrame
        A copy with the schema's kinds (texts as objects, numbers as float64,
        counts as int64), required columns first, rows numbered from 0.

    Raises
    ------
    SpinecastError
        SC-301 missing column, SC-302 sex, SC-305 range, SC-313 kind,
        SC-319 event, SC-208 spacing, SC-605 duration, and SC-307, SC-308,
        SC-310 or SC-314 for a repeated key.
    """
    spec = TABLES[name]
    absent = [column for column in spec.required if column not in frame.columns]
    if absent:
        raise error(
            "SC-301",
            expected=f"column {absent[0]!r}",
            got=f"columns {', '.join(map(str, frame.columns)) or 'none'}",
            where=f"table {name}",
        )
    ordered = [*spec.required, *(c for c in frame.columns if c not in spec.required)]
    return _checked(frame.reset_index(drop=True)[ordered].copy(), name)


def _checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    import pandera.errors

    try:
        return _schema(name).validate(frame)
    except pandera.errors.SchemaErrors as faults:
        raise _as_error(faults.schema_errors[0], name) from None
    except pandera.errors.SchemaError as fault:
        raise _as_error(fault, name) from None


def _schema(name: str) -> Any:
    import pandera.pandas as pandera

    spec = TABLES[name]
    columns: dict[str, Any] = {column: _column(column) for column in spec.required}
    columns |= {column: _column(column, required=False) for column in spec.optional}
    if name == "splits":
        allowed = pandera.Check.isin(SPLITS, error=f"one of {', '.join(SPLITS)}")
        columns["split"] = pandera.Column(object, checks=[allowed])
    return pandera.DataFrameSchema(columns, unique=list(spec.key) or None)


def _column(column: str, *, required: bool = True) -> Any:
    import pandera.pandas as pandera

    return pandera.Column(
        _dtype(column),
        checks=_checks(column),
        nullable=column not in _KNOWN_VALUES,
        coerce=True,
        required=required,
    )


def _dtype(column: str) -> Any:
    if column in _WHOLE:
        return "int64"
    kind = TERMS[column].kind if column in TERMS else Kind.NUMBER
    numeric = kind in {Kind.NUMBER, Kind.FLAG} and column not in _TEXTS
    return "float64" if numeric else object


def _checks(column: str) -> list[Any]:
    import pandera.pandas as pandera

    if column not in TERMS:
        return []
    term = TERMS[column]
    if term.kind is Kind.FLAG:
        return [pandera.Check.isin([0.0, 1.0], error="0, 1 or empty")]
    if term.plausible is not None:
        low, high = term.plausible
        return [pandera.Check.in_range(low, high, error=f"{low:g} to {high:g} {term.unit}".strip())]
    if column in {"sex", "origin"}:
        values = sorted(set(term.codes.values()))
        return [pandera.Check.isin(values, error=f"one of {', '.join(values)}")]
    return [pandera.Check(_all_text, error="text")] if _dtype(column) is object else []


def _all_text(values: pd.Series) -> pd.Series:
    return values.map(lambda value: isinstance(value, str))


def _as_error(fault: Any, name: str) -> Exception:
    spec = TABLES[name]
    reason = fault.reason_code.name if fault.reason_code is not None else ""
    column = str(getattr(fault.schema, "name", "") or fault.column_name or "")
    where = f"table {name}" + (f", column {column}" if column in spec.required else "")
    if reason == "DUPLICATES":
        return error(spec.repeated, expected=f"each {' and '.join(spec.key)} once",
                     got=_examples(fault), where=f"table {name}")  # fmt: skip
    if reason == "DATAFRAME_CHECK":
        kind_fault = "SC-313" if fault.check.error == "text" else "SC-305"
        code = _COLUMN_CODES.get(column, kind_fault)
        return error(code, expected=str(fault.check.error), got=_examples(fault), where=where)
    if reason == "SERIES_CONTAINS_NULLS":
        return error("SC-313", expected="a value in every row", got="empty cells", where=where)
    return error("SC-313", expected=f"values of kind {_dtype(column)}", got=_examples(fault),
                 where=where)  # fmt: skip


def _examples(fault: Any) -> str:
    cases = getattr(fault, "failure_cases", None)
    if not isinstance(cases, pd.DataFrame) or "failure_case" not in cases:
        return str(cases)
    first = zip(cases["failure_case"].head(3), cases["index"].head(3), strict=True)
    rows = [f"{value!r} (row {row})" for value, row in first]
    more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
    return ", ".join(rows) + more
