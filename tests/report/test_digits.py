"""Numbers have the digits their interval deserves, and never look surer than they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinecast.report.digits import (
    MISSING,
    decimals_for,
    write_count,
    write_interval,
    write_number,
    write_p,
    write_share,
)

NAN = math.nan


def read(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


@pytest.mark.parametrize(
    ("half_width", "decimals"),
    # two significant digits below 35, one from 35 on (Particle Data Group)
    [
        (0.012, 3),
        (0.034, 3),
        (0.035, 2),
        (0.099, 2),
        (0.12, 2),
        (0.5, 1),
        (1.2, 1),
        (4, 0),
        (120, 0),
    ],
)
def test_decimals_follow_the_half_width(half_width, decimals):
    assert decimals_for(half_width) == decimals


@pytest.mark.parametrize("half_width", [NAN, math.inf, 0.0, -1.0])
def test_without_a_width_three_decimals_are_kept(half_width):
    assert decimals_for(half_width) == 3


def test_decimals_are_capped():
    assert decimals_for(1e-9) == 6
    assert decimals_for(1e-9, at_most=4) == 4


@given(st.floats(1e-5, 1e5), st.floats(1.0, 10.0))
def test_a_narrower_interval_never_deserves_fewer_decimals(half_width, factor):
    assert decimals_for(half_width) >= decimals_for(half_width * factor)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"), (12.345, "12.3"), (123.45, "123"), (1234567.0, "1,234,567"),
        (5.0, "5"), (0.0, "0"), (-0.5, "−0.500"), (1e-9, "0.000000"), (-1e-9, "0.000000"),
        (NAN, MISSING), (math.inf, MISSING), (-math.inf, MISSING), (None, MISSING),
    ],
)  # fmt: skip
def test_a_number_alone_has_three_significant_digits(value, text):
    assert write_number(value) == text


def test_a_rounded_zero_has_no_sign():
    assert write_number(-0.0001, 2) == "0.00"
    assert write_number(-0.0, 1) == "0.0"


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_a_written_number_reads_back_within_its_rounding(value, decimals):
    # the text is exact; what is read back is the nearest double to it
    half = 0.5001 * 10**-decimals + math.ulp(value)
    assert read(write_number(value, decimals)) == pytest.approx(value, abs=half)


def test_all_three_numbers_of_an_interval_have_the_same_decimals():
    assert write_interval(0.8264, 0.80111, 0.85) == "0.826 (0.801 to 0.850)"
    assert write_interval(28.3, 22.0, 34.9) == "28 (22 to 35)"


@pytest.mark.parametrize("bounds", [(NAN, NAN), (NAN, 1.0), (0.0, NAN), (-math.inf, 1.0)])
def test_half_an_interval_is_none(bounds):
    assert write_interval(0.5, *bounds) == "0.500"


def test_an_interval_that_excludes_no_effect_is_seen_to():
    assert write_interval(1.9, 1.004, 3.6, null=1.0) == "1.900 (1.004 to 3.600)"
    assert write_interval(1.9, 1.004, 3.6) == "1.9 (1.0 to 3.6)"


def test_an_interval_that_ends_on_no_effect_keeps_its_digits():
    assert write_interval(1.9, 1.0, 3.6, null=1.0) == "1.9 (1.0 to 3.6)"


@given(st.floats(0.1, 10), st.floats(0.01, 5), st.sampled_from([0.0, 1.0]))
def test_rounding_never_moves_a_bound_across_no_effect(value, half, null):
    low, high = value - half, value + half
    text = write_interval(value, low, high, null=null)
    written_low, written_high = (read(t) for t in text.partition("(")[2].rstrip(")").split(" to "))
    if low > null + 1e-4:
        assert written_low > null
    if high < null - 1e-4:
        assert written_high < null


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "< 0.001"), (1e-30, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"),
     (0.0456, "0.046"), (0.1, "0.10"), (0.234, "0.23"), (1.0, "1.00"), (NAN, MISSING),
     (None, MISSING)],
)  # fmt: skip
def test_p_values_are_never_zero(p, text):
    assert write_p(p) == text


def test_counts_have_thousands_separated():
    assert write_count(1234.0) == "1,234"
    assert write_count(NAN) == MISSING


def test_shares_name_the_count_first():
    assert write_share(12, 353) == "12 (3.4 %)"
    assert write_share(0, 10) == "0 (0.0 %)"


def test_a_share_of_nothing_is_a_count():
    assert write_share(0, 0) == "0"
