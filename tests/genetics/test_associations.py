"""The table of associations: right ones pass, impossible ones have a code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.genetics.associations import (
    MEDIAN_CHI_SQUARE,
    chi_squares,
    chromosome_name,
    genome_order,
    validate_associations,
)

from .association_tables import associations


def test_a_right_table_passes_and_is_not_touched():
    table = associations(20)
    before = table.copy()
    valid = validate_associations(table)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(valid[table.columns], before, check_dtype=False)


def test_categories_and_whole_counts_become_the_schemas_kinds():
    table = associations(20).astype({"chromosome": "category", "n": "int32"})
    valid = validate_associations(table)
    assert valid["chromosome"].dtype == object
    assert valid["n"].dtype == np.float64


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("chromosome", "23", "SC-550"),
        ("chromosome", None, "SC-313"),
        ("base_pair_location", -4, "SC-550"),
        ("effect_allele", "=1+1", "SC-550"),
        ("effect_allele", "Q", "SC-550"),
        ("other_allele", "", "SC-550"),
        ("variant_id", "rs 1", "SC-550"),
        ("variant_id", "rs1\tA", "SC-550"),
        ("variant_id", "", "SC-550"),
        ("beta", np.inf, "SC-550"),
        ("beta", "large", "SC-313"),
        ("standard_error", 0.0, "SC-550"),
        ("standard_error", -0.1, "SC-550"),
        ("effect_allele_frequency", 1.2, "SC-550"),
        ("p_value", -0.1, "SC-550"),
        ("p_value", 1.01, "SC-550"),
        ("n", -1, "SC-550"),
    ],
)
def test_every_impossible_value_has_its_code_and_row(column, value, code):
    table = associations(20)
    table[column] = table[column].astype(object)
    table.loc[7, column] = value
    with pytest.raises(SpinecastError) as caught:
        validate_associations(table)
    assert caught.value.code == code
    if code == "SC-550":
        assert "row 7" in caught.value.message
        assert column in caught.value.message


def test_one_allele_twice_is_no_variant():
    table = associations(5)
    table.loc[2, "other_allele"] = table.loc[2, "effect_allele"]
    with pytest.raises(SpinecastError) as caught:
        validate_associations(table)
    assert caught.value.code == "SC-550"


def test_a_missing_column_is_named():
    with pytest.raises(SpinecastError) as caught:
        validate_associations(associations(5).drop(columns="standard_error"))
    assert caught.value.code == "SC-301"


def test_statistics_may_be_unknown():
    table = associations(5)
    table.loc[0, ["beta", "standard_error", "p_value"]] = np.nan
    assert validate_associations(table)["beta"].isna().sum() == 1


def test_chromosomes_have_one_name_each():
    names = chromosome_name(["chr7", "07", 7, 7.0, "X", "chrX", 23, "24", "25", "MT", "M", "par1"])
    assert names.tolist() == ["7", "7", "7", "7", "X", "X", "X", "Y", "MT", "MT", "MT", "XY"]


def test_genome_order_counts_chromosomes_as_numbers():
    table = pd.DataFrame({"chromosome": ["X", "10", "2", "2"], "base_pair_location": [1, 1, 9, 3]})
    assert genome_order(table).tolist() == [3, 2, 1, 0]


def test_the_median_chi_square_is_that_of_one_degree_of_freedom():
    assert stats.chi2.median(1) == pytest.approx(MEDIAN_CHI_SQUARE, rel=1e-15)


def test_rows_in_genome_order_stay_where_they_are():
    table = associations(20)
    assert genome_order(table).tolist() == list(range(20))
    assert genome_order(table.iloc[::-1]).tolist() == [*range(19, -1, -1)]


def test_chi_squares_follow_the_p_values():
    table = associations(50)
    expected = stats.chi2.isf(table["p_value"], 1)
    np.testing.assert_allclose(chi_squares(table), expected, rtol=1e-8)
