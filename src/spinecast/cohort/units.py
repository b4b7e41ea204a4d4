"""Units and codings of whole columns: wrong ones are refused with the likely right one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.terms import TERMS, Term

# Below this many values a median says little; single values are checked against their range.
FEWEST_FOR_MEDIAN = 5
FEWEST_PER_SEX = 10
_SWAP_Z = 4.0
_BMI_OF_ADULTS = (14.0, 45.0)


def to_canonical(values: pd.Series, term: Term, unit: str) -> pd.Series:
    """Return ``values`` of ``unit`` in the term's canonical unit ("" = already canonical)."""
    return values if unit in {"", term.unit} else values * term.units[unit]


def check_unit(values: pd.Series, term: Term, *, where: str) -> None:
    """Raise SC-304 where the median of a column lies where no cohort's median lies.

    Parameters
    ----------
    values
        Values in what is believed to be the canonical unit; NaN is unknown.
    term
        What the column holds.
    where
        File and column, for the message.

    Notes
    -----
    Blind to units whose medians overlap (a duration of 30 days read as 30 years).
    """
    bounds = term.typical or (term.plausible if term.units else None)
    known = values.dropna()
    if bounds is None or len(known) < FEWEST_FOR_MEDIAN:
        return
    median = float(known.median())
    low, high = bounds
    if low <= median <= high:
        return
    raise error(
        "SC-304",
        expected=f"a median of {term.name} between {low:g} and {high:g} {term.unit}".rstrip(),
        got=f"{median:.4g}{_likely_unit(median, term)}",
        where=where,
    )


def _likely_unit(median: float, term: Term) -> str:
    low, high = term.typical or term.plausible or (-np.inf, np.inf)
    likely = [unit for unit, factor in term.units.items() if low <= median * factor <= high]
    if not likely:
        return ""
    return (
        f", which looks like {likely[0]} (a column {term.name}_{likely[0].replace('/', '_')}"
        f" or units.{term.name} in a map file says so)"
    )


def check_height_weight(visits: pd.DataFrame, *, where: str) -> None:
    """Raise SC-304 where height, weight and BMI of a table cannot all be in their units.

    Catches weights in pounds that pass alone, because the body mass index they give is absurd
    or differs from the one recorded.
    """
    computed = visits["weight"] / (visits["height"] / 100) ** 2
    known = computed.dropna()
    if len(known) < FEWEST_FOR_MEDIAN:
        return
    low, high = _BMI_OF_ADULTS
    median = float(known.median())
    ratio = (visits["bmi"] / computed).dropna()
    disagree = len(ratio) >= FEWEST_FOR_MEDIAN and abs(float(ratio.median()) - 1) > 0.2
    adults = float(visits["age"].median()) >= 18 if visits["age"].notna().any() else True
    if (adults and not low <= median <= high) or disagree:
        raise error(
            "SC-304",
            expected="height in cm and weight in kg that give the recorded or a human BMI",
            got=f"a median BMI of {median:.1f} kg/m2 from them",
            where=where,
        )


def check_sex_codes(sex: pd.Series, height: pd.Series, weight: pd.Series, *, where: str) -> None:
    """Raise SC-303 where women are significantly taller (or much heavier) than men.

    Parameters
    ----------
    sex, height, weight
        One row per person: F/M, cm, kg; unknown where missing.
    where
        File, for the message.

    Notes
    -----
    Only a swap of the whole column can be seen; single wrong cells cannot. Men are
    about 13 cm taller, so 10 people of each sex suffice; weight alone is asked for z > 4 too.
    """
    for values, name, unit in ((height, "height", "cm"), (weight, "weight", "kg")):
        women = values[(sex == "F") & values.notna()]
        men = values[(sex == "M") & values.notna()]
        if min(len(women), len(men)) < FEWEST_PER_SEX:
            continue
        if women.std() == 0 and men.std() == 0:
            continue
        error_of_difference = np.sqrt(women.var() / len(women) + men.var() / len(men))
        z = float((women.mean() - men.mean()) / error_of_difference)
        if z > _SWAP_Z:
            raise error(
                "SC-303",
                expected=f"men with a larger mean {name} than women",
                got=f"women {women.mean():.1f} {unit} (n {len(women)}), "
                f"men {men.mean():.1f} {unit} (n {len(men)})",
                where=where,
            )
        return  # height decides; weight is asked only where there is no height


def out_of_range(values: pd.Series, name: str) -> pd.Series:
    """Return a mask of values that no record of ``name`` may hold; unknown is in range."""
    plausible = TERMS[name].plausible
    if plausible is None:
        return pd.Series(False, index=values.index)
    low, high = plausible
    return values.notna() & ~values.between(low, high)
