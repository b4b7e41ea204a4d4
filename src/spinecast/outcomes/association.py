"""Association of a score with many traits, adjusted, with false discovery rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from spinecast.errors import error
from spinecast.outcomes.inputs import (
    FloatArray,
    number_column,
    number_table,
    require_option,
    require_variation,
)
from spinecast.outcomes.intervals import (
    Estimate,
    benjamini_hochberg,
    normal_quantile,
    t_quantile,
    two_sided_p,
)
from spinecast.outcomes.regression import least_squares, logistic


@dataclass(frozen=True)
class Associations:
    """Effects of one standard deviation of a score on each trait.

    Attributes
    ----------
    table
        One row per trait: term, family, estimate (change in the trait's unit, or log odds
        ratio), standard_error, ci_low, ci_high, p_value, q_value (Benjamini-Hochberg), n.
    """

    table: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table.copy()


def associate(
    score: Any,
    table: pd.DataFrame,
    *,
    adjust: Any = None,
    family: str | dict[str, str] = "gaussian",
    missing: str = "raise",
) -> Associations:
    """Regress every column of ``table`` on the standardised score and the adjustment.

    Parameters
    ----------
    score
        Shape (n,); one unit of the effect is its standard deviation.
    table
        Traits, shape (n, k).
    adjust
        Covariates: a frame or array of n rows, or a list of columns of ``table``
        (which are then not traits).
    family
        "gaussian" (least squares) or "binomial" (logistic, traits 0/1), for all traits
        or by trait name.
    missing
        "raise", or "drop" to leave out people without the trait, counted in ``n``.

    Raises
    ------
    StatisticsError
        SC-603 constant score or trait, SC-604 missing values, SC-606 lengths, SC-607
        separation or collinear columns, SC-609 too few people, SC-610 unknown family.
    """
    require_option(missing, ("raise", "drop"), name="missing")
    exposure = number_column(score, "score")
    require_variation(exposure, name="score")
    exposure = (exposure - exposure.mean()) / exposure.std(ddof=1)
    if len(table) != exposure.size:
        raise error("SC-606", expected=f"{exposure.size} rows", got=str(len(table)), where="table")
    traits, covariates = _split(table, adjust)
    design = np.column_stack([exposure, covariates])
    rows = []
    for name in traits.columns:
        kind = family.get(str(name), "gaussian") if isinstance(family, dict) else family
        require_option(kind, ("gaussian", "binomial"), name="family")
        trait = pd.to_numeric(traits[name], errors="coerce").to_numpy(dtype=np.float64)
        known = np.isfinite(trait) if missing == "drop" else np.ones(trait.size, dtype=bool)
        effect, n = _effect(design[known], trait[known], kind=kind, name=str(name))
        rows.append({**effect.row(term=str(name), family=kind), "n": n})
    found = pd.DataFrame(rows)
    found["q_value"] = benjamini_hochberg(found["p_value"].to_numpy())
    return Associations(found)


def _split(table: pd.DataFrame, adjust: Any) -> tuple[pd.DataFrame, FloatArray]:
    if adjust is None:
        return table, np.empty((len(table), 0))
    named = isinstance(adjust, list | tuple) and all(isinstance(a, str) for a in adjust)
    chosen = table[list(adjust)] if named else adjust
    matrix, names = number_table(chosen, "adjust", length=len(table))
    for name, column in zip(names, matrix.T, strict=True):
        require_variation(column, name=name)
    return (table.drop(columns=list(adjust)) if named else table), matrix


def _effect(design: FloatArray, trait: FloatArray, *, kind: str, name: str) -> tuple[Estimate, int]:
    n, p = design.shape
    if n < p + 3:
        raise error("SC-609", expected=f"{p + 3} people", got=str(n), where=name)
    trait = number_column(trait, name)
    require_variation(trait, name=name)
    names = ("score", *(f"adjust{i}" for i in range(p - 1)))
    if kind == "binomial":
        if not np.isin(trait, (0.0, 1.0)).all():
            raise error("SC-604", expected="0 or 1", got="other values", where=name)
        fit = logistic(design, trait, names=names)
        reach = normal_quantile()
    else:
        fit = least_squares(design, trait, names=names)
        reach = t_quantile(n - p - 1)
    effect, spread = float(fit.coefficients[1]), float(np.sqrt(fit.covariance[1, 1]))
    p_value = _p(effect / spread, kind, n - p - 1) if spread > 0 else 0.0
    limits = effect - reach * spread, effect + reach * spread
    return Estimate(effect, spread, *limits, p_value), n


def _p(statistic: float, kind: str, degrees_of_freedom: int) -> float:
    if kind == "binomial":
        return float(two_sided_p(statistic))
    return float(2 * stats.t.sf(abs(statistic), degrees_of_freedom))
