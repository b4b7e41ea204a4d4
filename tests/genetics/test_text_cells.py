"""Numbers as text: the digits asked for, exactly, and rows in which every cell has its place."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from spinecast.genetics.text_cells import join_cells, number_cells, p_value_cells


def texts(cells):
    text, ends = cells
    whole = text.tobytes().decode()
    return [whole[a:b] for a, b in pairwise(ends)]


def test_numbers_are_written_as_they_are_said():
    values = [0.0, -0.0, 1.0, -1.5, 1e-6, 1e-7, 0.00012345678, 123456789.0, 9999999999.0, 1e10,
              999999.5, 12.0, 1e300, np.nan, np.inf, -np.inf, 5000.0]  # fmt: skip
    assert texts(number_cells(np.array(values), 6)) == [
        "0", "-0", "1", "-1.5", "0.000001", "1e-7", "0.000123457", "123457000", "1e+10", "1e+10",
        "1000000", "12", "1e+300", "", "inf", "-inf", "5000",
    ]  # fmt: skip
    assert texts(number_cells(np.array([5000.0, 248956422.0, 9999999999.0, 0.5]), 10)) == [
        "5000", "248956422", "9999999999", "0.5",
    ]  # fmt: skip


@pytest.mark.parametrize("digits", [1, 6, 9])
def test_every_number_keeps_the_digits_asked_for_and_no_more(digits):
    rng = np.random.default_rng(3)
    values = rng.choice([-1, 1], 5000) * 10 ** rng.uniform(-40, 40, 5000)
    for value, text in zip(values, texts(number_cells(values, digits)), strict=True):
        assert text == text.strip()
        assert len(Decimal(text).normalize().as_tuple().digits) <= digits
        assert Decimal(text) == Decimal(f"{value:.{digits - 1}e}")


def test_p_values_are_written_however_small():
    log10_p = np.array([0.0, 5.0, 7.0, 8.3, 289.99, 290.5, 323.3, 1000.2, 300.0000001, np.nan])
    assert texts(p_value_cells(log10_p)) == [
        "1", "0.00001", "1e-7", "5.01187e-9", "1.02329e-290", "3.16228e-291", "5.01187e-324",
        "6.30957e-1001", "1e-300", "",
    ]  # fmt: skip
    assert texts(p_value_cells(np.array([np.inf]))) == ["0"]


def test_cells_stand_side_by_side_and_empty_ones_are_filled():
    numbers = number_cells(np.array([1.5, np.nan, -2.0]), 6)
    names = (np.frombuffer(b"..rs1rs22xx", dtype=np.uint8), np.array([2, 5, 9, 9]))
    lines = join_cells([names, numbers], separator="\t", missing="#NA").tobytes().decode()
    assert lines == "rs1\t1.5\nrs22\t#NA\n#NA\t-2\n"
