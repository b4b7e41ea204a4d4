from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.genetics import relatedness
from spinecast.genetics.hard_calls import bit_planes, split_planes
from spinecast.genetics.relatedness import (
    degree_of,
    king_kinship,
    kinship_matrix,
    people_with_many_relatives,
    unrelated_people,
)
from spinecast.genotypes.decode import to_packed

from .linked_panels import opened, read_peer, run_peer

V = 8000


def family_calls() -> np.ndarray:
    """Two ancestries; 90 strangers, then a twin, a child, its sib, a half-sib, a cousin."""
    rng = np.random.default_rng(4)
    base = rng.uniform(0.1, 0.9, (V, 1))
    other = np.clip(base + rng.normal(0, 0.15, (V, 1)), 0.02, 0.98)
    frequency = np.where(np.arange(90) < 45, base, other)
    first, second = (rng.random((2, V, 90)) < frequency).astype(np.int8)

    def gamete(a, b):
        return np.where(rng.random(V) < 0.5, a, b)

    def child(mother, father):
        return gamete(*mother), gamete(*father)

    people = [(first[:, k], second[:, k]) for k in range(90)]
    people.append(people[0])
    people += [child(people[0], people[1]), child(people[0], people[1])]
    people.append(child(people[0], people[2]))
    people.append(child(people[91], people[3]))
    people.append(child(people[92], people[4]))
    calls = np.stack([a + b for a, b in people], axis=1)
    return np.where(rng.random(calls.shape) < 0.02, -1, calls).astype(np.int8)


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    return opened(folder, family_calls(), ["1"] * (V - 20) + ["X"] * 20)


def by_hand(calls):
    """KING-robust pair by pair, equation 11."""
    n = calls.shape[1]
    kinship = np.full((n, n), 0.5)
    for i in range(n):
        for j in range(n):
            both = (calls[:, i] >= 0) & (calls[:, j] >= 0)
            one, other = calls[both, i], calls[both, j]
            fewer = min((one == 1).sum(), (other == 1).sum())
            if i != j:
                shared = ((one == 1) & (other == 1)).sum()
                opposite = (np.abs(one - other) == 2).sum()
                total = (one == 1).sum() + (other == 1).sum()
                kinship[i, j] = (shared - 2 * opposite) / (2 * fewer) + 0.5 - total / (4 * fewer)
    return kinship


def test_every_pair_is_equation_11_of_the_paper(genotypes):
    people = np.arange(60, 96)
    calls = family_calls()[: V - 20, people]
    np.testing.assert_allclose(
        kinship_matrix(genotypes, samples=people), by_hand(calls), atol=1e-12
    )


def test_the_table_equals_plinks_to_its_printed_digits(genotypes):
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer("plink2", stem, "--make-king-table", "--king-table-filter", "0.02")
    theirs = read_peer(out.with_suffix(".kin0"))
    found = king_kinship(genotypes, above=0.02)
    found = found.set_index(found[["id_1", "id_2"]].apply(frozenset, axis=1))
    keys = theirs[["IID1", "IID2"]].apply(frozenset, axis=1)
    assert set(keys) == set(found.index)
    ours = found.loc[list(keys)]
    assert ours["n"].tolist() == theirs["NSNP"].tolist()
    for name, column in (("het_het", "HETHET"), ("ibs0", "IBS0"), ("kinship", "KINSHIP")):
        np.testing.assert_allclose(ours[name], theirs[column], rtol=1e-5, atol=1e-6)


def test_the_planted_relations_have_their_degrees(genotypes):
    found = king_kinship(genotypes).set_index(["place_1", "place_2"])["degree"].to_dict()
    assert found[0, 90] == 0
    assert [found[0, 91], found[1, 92], found[91, 92]] == [1, 1, 1]
    assert [found[91, 93], found[92, 94]] == [2, 2]
    assert found[94, 95] == 3
    strangers = [pair for pair in found if max(pair) < 90]
    assert strangers == []


def test_strips_and_reads_do_not_change_the_pairs(genotypes, monkeypatch):
    whole = king_kinship(genotypes)
    monkeypatch.setattr(relatedness, "_ROWS", 7)
    monkeypatch.setattr(relatedness, "_VARIANTS_A_READ", 128)
    parts = king_kinship(genotypes)
    pd.testing.assert_frame_equal(
        whole.sort_values(["place_1", "place_2"], ignore_index=True),
        parts.sort_values(["place_1", "place_2"], ignore_index=True),
    )


@pytest.mark.parametrize(("rows", "n"), [(1, 1), (63, 65), (64, 128), (130, 70)])
def test_planes_turn_over_without_losing_a_bit(rows, n):
    calls = np.random.default_rng(rows).integers(-1, 3, (rows, n)).astype(np.int8)
    turned = split_planes(to_packed(calls), n).transposed()
    expected = split_planes(to_packed(np.ascontiguousarray(calls.T)), rows)
    np.testing.assert_array_equal(turned.homozygous, expected.homozygous)
    np.testing.assert_array_equal(turned.carries, expected.carries)
    assert turned.width == rows


def test_a_subset_of_samples_has_the_bits_of_a_file_of_its_own(genotypes):
    people = np.array([3, 90, 41])
    planes = bit_planes(genotypes, np.arange(50), people)
    alone = split_planes(to_packed(np.ascontiguousarray(family_calls()[:50, people])), 3)
    np.testing.assert_array_equal(planes.homozygous, alone.homozygous)
    np.testing.assert_array_equal(planes.carries, alone.carries)


def test_degrees_change_at_the_published_limits():
    kinship = np.array([0.5, 0.36, 0.35, 0.18, 0.17, 0.09, 0.088, 0.045, 0.044, -0.1])
    assert degree_of(kinship).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1, -1]


def pair_frame(pairs, kinship=0.07):
    one, other = (np.array([p[k] for p in pairs], dtype=np.int64) for k in range(2))
    frame = pd.DataFrame({"place_1": one, "place_2": other, "kinship": kinship})
    return frame.assign(degree=degree_of(frame["kinship"].to_numpy()))


def test_who_is_related_to_many_is_told_and_their_relatives_are_not():
    pairs = pair_frame([(0, k) for k in range(1, 13)] + [(1, 2)])
    assert people_with_many_relatives(pairs).tolist() == [0]
    assert people_with_many_relatives(pairs, more_than=12).size == 0
    assert people_with_many_relatives(pair_frame([(0, k) for k in range(1, 13)], 0.2)).size == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=40))
def test_no_two_kept_are_related_and_nobody_else_could_be_kept(pairs):
    pairs = [pair for pair in pairs if pair[0] != pair[1]]
    kept = set(unrelated_people(pair_frame(pairs), np.arange(15)).tolist())
    assert not [pair for pair in pairs if set(pair) <= kept]
    for left in set(range(15)) - kept:
        others = {other for pair in pairs if left in pair for other in pair} - {left}
        assert others & kept


def test_of_two_relatives_the_preferred_is_kept():
    pairs = pair_frame([(0, 1)])
    assert unrelated_people(pairs, np.arange(2)).tolist() == [0]
    assert unrelated_people(pairs, np.arange(2), preference=np.array([0.0, 1.0])).tolist() == [1]


def test_in_a_star_the_many_stay_and_the_middle_goes():
    kept = unrelated_people(pair_frame([(0, k) for k in range(1, 6)]), np.arange(6))
    assert kept.tolist() == [1, 2, 3, 4, 5]
