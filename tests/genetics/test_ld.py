from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import ld
from spinecast.genetics.hard_calls import split_planes
from spinecast.genetics.ld import clump, linkage_with, prune
from spinecast.genetics.linkage import haplotype_r2, pair_table
from spinecast.genotypes.decode import to_packed

from .linked_panels import InMemory, linked_calls, opened, read_peer, run_peer, tables

V, N = 900, 133
CHROMOSOMES = ["1"] * 500 + ["2"] * 350 + ["3"] * 49 + ["4"]
SETTINGS = [(50, 5, 0.2), (500, 10, 0.1), (30, 7, 0.5), (3, 1, 0.02)]


def panel_calls() -> np.ndarray:
    calls = linked_calls(N, V, seed=11, missing=0.03)
    calls[100:103] = calls[99]  # equals: the later one goes
    calls[200] = np.where(calls[199] < 0, -1, 2 - calls[199])
    calls[300], calls[301], calls[302] = 2, -1, 1  # nothing varies here
    calls[899] = 0  # alone on its chromosome
    return calls


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("ld"), panel_calls(), CHROMOSOMES)


def names(genotypes, places):
    return genotypes.variants["variant_id"].to_numpy()[places].tolist()


@pytest.mark.parametrize("program", ["plink2", "plink1.9"])
@pytest.mark.parametrize(("window", "step", "r2"), SETTINGS)
def test_lists_are_plinks_for_windows_of_variants(genotypes, program, window, step, r2):
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer(program, stem, "--indep-pairwise", str(window), str(step), str(r2))
    found = prune(genotypes, window=window, step=step, r2=r2)
    assert names(genotypes, found.kept) == out.with_suffix(".prune.in").read_text().split()
    assert names(genotypes, found.removed) == out.with_suffix(".prune.out").read_text().split()


@pytest.mark.parametrize("program", ["plink2", "plink1.9"])
@pytest.mark.parametrize(("kb", "r2"), [(50, 0.2), (2, 0.05), (1000, 0.9), (12, 0.1)])
def test_lists_are_plinks_for_windows_of_kb(genotypes, program, kb, r2):
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer(program, stem, "--indep-pairwise", f"{kb}kb", "1", str(r2))
    found = prune(genotypes, window=kb, step=1, r2=r2, unit="kb")
    assert names(genotypes, found.kept) == out.with_suffix(".prune.in").read_text().split()


def test_parts_of_a_kb_count_as_in_plink2(genotypes):
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer("plink2", stem, "--indep-pairwise", "12.5kb", "1", "0.1")
    found = prune(genotypes, window=12.5, step=1, r2=0.1, unit="kb")
    assert names(genotypes, found.kept) == out.with_suffix(".prune.in").read_text().split()


def test_slabs_do_not_change_the_lists(genotypes, monkeypatch):
    whole = prune(genotypes, window=20, step=3)
    monkeypatch.setattr(ld, "_SLAB", 64)
    np.testing.assert_array_equal(whole.kept, prune(genotypes, window=20, step=3).kept)


def test_no_pair_left_within_a_window_is_above_the_limit(genotypes):
    kept = prune(genotypes, window=40, step=1, r2=0.3).kept
    first = kept[kept < 500]
    for at, place in enumerate(first):
        near = first[at + 1 :][first[at + 1 :] < place + 40]
        if near.size:
            assert np.nanmax(linkage_with(genotypes, int(place), near)) <= 0.3 + 1e-12


def test_only_the_chosen_variants_and_people_are_looked_at(genotypes, tmp_path):
    variants, people = np.arange(0, V, 2), np.arange(20, 100)
    found = prune(genotypes, variants=variants, samples=people)
    table = genotypes.variants.iloc[variants]
    alone = opened(tmp_path, panel_calls()[np.ix_(variants, people)], table["chromosome"].tolist())
    np.testing.assert_array_equal(found.kept, variants[prune(alone).kept])


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 1},
        {"step": 0},
        {"r2": 1.0},
        {"unit": "kb"},
        {"unit": "kbp"},
        {"window": 0, "unit": "kb", "step": 1},
    ],
)
def test_an_impossible_window_is_refused(genotypes, wrong):
    with pytest.raises(SpinecastError, match="SC-525"):
        prune(genotypes, **wrong)


def test_positions_that_fall_are_refused_by_name():
    samples, variants = tables(9, ["1"] * 4)
    variants["base_pair_location"] = [10, 30, 20, 40]
    calls = np.random.default_rng(0).integers(0, 3, (4, 9))
    with pytest.raises(SpinecastError, match="SC-520") as caught:
        prune(InMemory(samples, variants, calls))
    assert "rs2" in caught.value.message


def test_no_autosomal_variant_is_said():
    samples, variants = tables(9, ["X"] * 2)
    with pytest.raises(SpinecastError, match="SC-522"):
        prune(InMemory(samples, variants, np.ones((2, 9))))


def test_r2_of_counts_is_the_correlation_over_people_called_at_both(genotypes):
    calls = panel_calls().astype(float)
    others = np.array([60, 80, 100, 300, 301])
    found = linkage_with(genotypes, 99, others)
    for place, r2 in zip(others[:3], found[:3], strict=True):
        both = (calls[99] >= 0) & (calls[place] >= 0)
        assert r2 == pytest.approx(np.corrcoef(calls[99, both], calls[place, both])[0, 1] ** 2)
    assert np.isnan(found[3:]).all()


def by_steps(table, steps=4000):
    """Expectation-maximisation from equal shares, step by step."""
    table = table.astype(float)
    known = np.array(
        [
            [
                2 * table[0, 0] + table[0, 1] + table[1, 0],
                2 * table[0, 2] + table[0, 1] + table[1, 2],
            ],
            [
                2 * table[2, 0] + table[2, 1] + table[1, 0],
                2 * table[2, 2] + table[2, 1] + table[1, 2],
            ],
        ]
    )
    share = np.full((2, 2), 0.25)
    for _ in range(steps):
        coupling, repulsion = share[0, 0] * share[1, 1], share[0, 1] * share[1, 0]
        s = coupling / (coupling + repulsion)
        share = known + table[1, 1] * np.array([[s, 1 - s], [1 - s, s]])
        share /= share.sum()
    p, q = share[0].sum(), share[:, 0].sum()
    return (share[0, 0] - p * q) ** 2 / (p * (1 - p) * q * (1 - q))


@pytest.mark.parametrize("seed", range(12))
def test_haplotype_r2_is_where_expectation_maximisation_ends(seed):
    rng = np.random.default_rng(seed)
    haplotypes = rng.choice(4, (2, 90), p=rng.dirichlet([1, 1, 1, 1]))
    calls = np.stack([(haplotypes // 2).sum(axis=0), (haplotypes % 2).sum(axis=0)])
    planes = split_planes(to_packed(calls), 90)
    table = pair_table(planes.homozygous, planes.carries, 0, 1)
    expected = [[((calls[0] == a) & (calls[1] == b)).sum() for b in (2, 1, 0)] for a in (2, 1, 0)]
    assert table.tolist() == expected
    assert haplotype_r2(table) == pytest.approx(by_steps(table), rel=1e-6, abs=1e-9)


def associations(seed=0):
    rng = np.random.default_rng(seed)
    p = 10 ** -rng.gamma(1.5, 1.6, V)
    ids = [f"rs{k}" for k in range(V)]
    return pd.DataFrame({"variant_id": ids, "p_value": p}).sample(frac=0.9, random_state=1)


@pytest.mark.parametrize(("p1", "p2", "r2", "kb"), [(1e-4, 0.01, 0.2, 250), (1e-2, 0.5, 0.05, 40)])
def test_clumps_are_plinks(genotypes, tmp_path, p1, p2, r2, kb):
    given = associations()
    report = tmp_path / "report.txt"
    frame = given.rename(columns={"variant_id": "SNP", "p_value": "P"})
    frame.to_csv(report, sep=" ", index=False)
    limits = ["--clump-p1", str(p1), "--clump-p2", str(p2), "--clump-r2", str(r2)]
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer("plink1.9", stem, "--clump", str(report), *limits, "--clump-kb", str(kb))
    theirs = read_peer(out.with_suffix(".clumped"))
    found = clump(given, genotypes, p1=p1, p2=p2, r2=r2, kb=kb)
    assert found.table["variant_id"].tolist() == theirs["SNP"].tolist()
    total = found.table["members"] + found.table["others"]
    assert total.tolist() == theirs["TOTAL"].tolist()
    for index, listed in zip(theirs["SNP"], theirs["SP2"], strict=True):
        ours = found.members.loc[found.members["index_id"] == index, "variant_id"].tolist()
        assert ours == ([] if listed == "NONE" else [x.split("(")[0] for x in listed.split(",")])


def test_p_values_too_small_for_a_float_are_ordered_by_their_logarithm(genotypes):
    given = pd.DataFrame({"variant_id": ["rs99", "rs100"], "p_value": 0.0})
    given = given.assign(neg_log_10_p_value=[400.0, 900.0])
    found = clump(given, genotypes)
    assert found.table["variant_id"].tolist() == ["rs100"]
    assert found.members["variant_id"].tolist() == ["rs99"]


def test_associations_of_other_variants_are_counted_and_none_at_all_is_refused(genotypes):
    given = pd.DataFrame({"variant_id": ["rs99", "elsewhere"], "p_value": [1e-9, 1e-9]})
    assert clump(given, genotypes).absent == 1
    with pytest.raises(SpinecastError, match="SC-527"):
        clump(given.iloc[1:], genotypes)
