"""Alleles of two tables: same, swapped, on the other strand, or another variant."""

from __future__ import annotations

import pandas as pd
import pytest

from spinecast.genetics.alleles import allele_codes, is_unambiguous_snp, match_alleles


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (("A", "G"), 1),
        (("G", "A"), -1),
        (("T", "C"), 1),  # the other strand
        (("C", "T"), -1),
        (("a", "g"), 1),
        (("A", "C"), 0),
        (("A", "T"), 0),
    ],
)
def test_a_against_g_is_found_either_way_round_and_on_either_strand(second, expected):
    found = match_alleles((["A"], ["G"]), ([second[0]], [second[1]]))
    assert found.tolist() == [expected]


def test_insertions_match_by_their_letters_only():
    found = match_alleles((["AT", "A"], ["A", "AT"]), (["AT", "AT"], ["A", "A"]))
    assert found.tolist() == [1, -1]
    assert match_alleles((["AT"], ["A"]), (["TA"], ["T"])).tolist() == [0]


def test_strands_are_not_guessed_where_a_swap_looks_the_same():
    assert match_alleles((["A"], ["T"]), (["T"], ["A"])).tolist() == [-1]
    assert is_unambiguous_snp(["A", "C", "A"], ["T", "G", "G"]).tolist() == [False, False, True]


def test_without_strands_only_the_same_letters_match():
    assert match_alleles((["A"], ["G"]), (["T"], ["C"]), strands=False).tolist() == [0]


def test_missing_alleles_clash():
    assert match_alleles((["A"], ["G"]), ([None], [None])).tolist() == [0]


def test_categories_are_coded_as_texts_are():
    texts = ["A", "c", "AT", None, "G"]
    assert allele_codes(texts).tolist() == [0, 1, -1, -1, 2]
    assert allele_codes(pd.Categorical(texts)).tolist() == [0, 1, -1, -1, 2]
