"""Numbers written with as many digits as their interval deserves.

An estimate of 0.8264 whose interval is half a unit wide knows nothing of its
third digit. The half-width of the interval decides: two of its significant
digits are kept where they are below 35 (Particle Data Group rule), else one.
"""

from __future__ import annotations

import math

MISSING = "–"
_TWO_DIGITS_BELOW = 35


def decimals_for(half_width: float, *, at_most: int = 6) -> int:
    """Give the number of decimals an estimate with this interval half-width deserves."""
    if not math.isfinite(half_width) or half_width <= 0:
        return 3
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10 ** (exponent - 1))
    digits = 1 - exponent if leading < _TWO_DIGITS_BELOW else -exponent
    return min(max(digits, 0), at_most)


def write_number(value: float, decimals: int | None = None) -> str:
    """Write one number; without ``decimals``, three significant digits and thousands separated."""
    if value is None or not math.isfinite(value):
        return MISSING
    if decimals is None:
        decimals = _free_decimals(value)
    text = f"{value:,.{decimals}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", "−")


def write_interval(
    estimate: float, ci_low: float, ci_high: float, *, null: float | None = None
) -> str:
    """Write ``0.83 (0.80 to 0.85)``.

    Parameters
    ----------
    estimate, ci_low, ci_high
        The number and its confidence interval; NaN bounds are left out.
    null
        Value of no effect (1 for a hazard ratio). Decimals are added until rounding
        does not move a bound onto it: an interval that excludes 1 must be seen to.
    """
    if not (math.isfinite(ci_low) and math.isfinite(ci_high)):
        return write_number(estimate)
    decimals = decimals_for((ci_high - ci_low) / 2)
    while null is not None and decimals < 4 and _touches(null, (ci_low, ci_high), decimals):
        decimals += 1
    low, high = write_number(ci_low, decimals), write_number(ci_high, decimals)
    return f"{write_number(estimate, decimals)} ({low} to {high})"


def write_p(value: float) -> str:
    """Write a p-value: never 0, never more than two significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def write_count(value: float) -> str:
    """Write a count with thousands separated."""
    return MISSING if value is None or not math.isfinite(value) else f"{round(value):,}"


def write_share(part: float, whole: float) -> str:
    """Write ``12 (3.4 %)``."""
    if not whole:
        return write_count(part)
    return f"{write_count(part)} ({100 * part / whole:.1f} %)"


def _free_decimals(value: float) -> int:
    if value == 0 or float(value).is_integer():
        return 0
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 6)


def _touches(null: float, bounds: tuple[float, float], decimals: int) -> bool:
    return any(b != null and round(b, decimals) == round(null, decimals) for b in bounds)
