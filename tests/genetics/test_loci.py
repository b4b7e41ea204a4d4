"""Loci: leads, blocks, pruning, what is known and what replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.genetics.loci import (
    correlations_in,
    find_loci,
    inflation,
    lead_variants,
    overlap_with_known,
    prune_leads,
    replication,
)

from .association_tables import associations
from .linked_panels import InMemory, tables


def peaks(places: dict[int, float], size: int = 400) -> pd.DataFrame:
    """z-scores near zero but at the given rows (20 kb apart, 200 a chromosome)."""
    z = np.random.default_rng(7).normal(size=size) * 0.5
    for row, value in places.items():
        z[row] = value
    return associations(size, z=z)


def test_inflation_is_median_and_mean_over_their_null():
    z = np.random.default_rng(1).normal(size=20_000) * np.sqrt(1.1)
    found = inflation(associations(20_000, z=z))
    assert found.lambda_gc == pytest.approx(np.median(z**2) / stats.chi2.median(1), rel=1e-9)
    assert found.mean_chi_square == pytest.approx(np.mean(z**2), rel=1e-9)
    assert found.n_variants == 20_000


def test_an_empty_scan_has_no_inflation():
    with pytest.raises(SpinecastError) as caught:
        inflation(associations(5).assign(p_value=np.nan, neg_log_10_p_value=np.nan))
    assert caught.value.code == "SC-556"


def test_neighbouring_hits_are_one_locus_led_by_the_lowest_p():
    table = peaks({10: 6.0, 12: -8.0, 13: 6.5, 100: 7.0, 210: 9.0})
    loci = find_loci(table)
    assert loci["variant_id"].tolist() == ["rs13", "rs101", "rs211"]
    assert loci["chromosome"].tolist() == ["1", "1", "2"]
    assert loci["significant"].tolist() == [3, 1, 1]
    assert loci["start"].iloc[0] == table["base_pair_location"].iloc[10]
    assert loci["end"].iloc[0] == table["base_pair_location"].iloc[13]


def test_loci_do_not_depend_on_the_order_of_rows():
    table = peaks({10: 6.0, 12: -8.0, 100: 7.0, 210: 9.0})
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(find_loci(table), find_loci(shuffled))


def test_several_traits_in_one_table_have_the_loci_that_each_has_alone():
    tables = {"b": peaks({10: 6.0, 12: -8.0, 399: 7.0}), "a": peaks({0: 7.0, 11: 6.0, 13: 9.0})}
    together = pd.concat([table.assign(trait=name) for name, table in tables.items()])
    alone = pd.concat([find_loci(table).assign(trait=name) for name, table in tables.items()])
    found = find_loci(together, within="trait")
    pd.testing.assert_frame_equal(found, alone.reset_index(drop=True))


def test_the_end_of_one_chromosome_is_not_beside_the_start_of_the_next():
    assert len(find_loci(peaks({199: 7.0, 200: 7.0}))) == 2


def test_a_scan_without_hits_has_no_loci_and_the_same_columns():
    none, some = find_loci(peaks({})), find_loci(peaks({5: 9.0}))
    assert none.empty
    assert none.columns.tolist() == some.columns.tolist()


def test_infinitely_small_p_values_are_ranked_by_their_logarithm():
    loci = find_loci(peaks({10: 60.0, 12: 70.0}))
    assert loci["variant_id"].tolist() == ["rs13"]


def test_each_block_of_a_million_bases_gives_one_lead_lowest_first():
    table = peaks({10: 6.0, 12: -8.0, 60: 7.0, 61: 5.0, 220: 9.0})
    leads = lead_variants(table)
    assert leads["variant_id"].tolist() == ["rs221", "rs13", "rs61"]
    assert lead_variants(table, most=2)["variant_id"].tolist() == ["rs221", "rs13"]


def test_pruning_keeps_the_strongest_of_linked_leads_within_the_window():
    leads = lead_variants(peaks({10: 6.0, 60: 8.0, 110: 7.0, 220: 9.0}))
    linked = {frozenset(("rs11", "rs61")): 0.97, frozenset(("rs61", "rs111")): 0.5}

    def correlations(names):
        return np.array([[1.0 if a == b else linked.get(frozenset((a, b)), 0.0) for b in names]
                         for a in names])  # fmt: skip

    kept = prune_leads(leads, correlations)
    assert kept["variant_id"].tolist() == ["rs221", "rs61", "rs111"]
    assert len(prune_leads(leads, correlations, window=500_000)) == 4


def test_the_same_variant_in_two_regions_is_kept_in_both():
    leads = lead_variants(peaks({10: 6.0}))
    both = pd.concat([leads.assign(region="hip"), leads.assign(region="spine")])
    kept = prune_leads(both, lambda names: np.eye(len(names)))
    assert kept["region"].tolist() == ["hip", "spine"]


def test_leads_are_pruned_by_the_correlations_of_genotypes():
    rng = np.random.default_rng(8)
    calls = rng.binomial(2, 0.4, (3, 200)).astype(np.float32)
    calls[1] = calls[0]
    calls[1, :4] = [np.nan, 2 - calls[0, 1], calls[0, 2], calls[0, 3]]
    samples, variants = tables(200, ["1", "1", "1"])
    correlations = correlations_in(InMemory(samples, variants, calls))
    names = variants["variant_id"].tolist()
    found = correlations([names[2], names[0], names[1]])
    filled = calls.copy()
    filled[1, 0] = np.nanmean(calls[1])
    np.testing.assert_allclose(found, np.corrcoef(filled[[2, 0, 1]]), atol=1e-6)
    assert found[1, 2] ** 2 > 0.9
    with pytest.raises(SpinecastError) as caught:
        correlations(["rs-unknown"])
    assert caught.value.code == "SC-511"


def test_known_loci_are_those_within_reach_of_a_known_variant():
    loci = find_loci(peaks({10: 7.0, 100: 7.0, 210: 9.0}))
    known = pd.DataFrame(
        {
            "chromosome": ["1", "1", "3"],
            "base_pair_location": [600_000, 2_700_000, 1],
            "variant_id": ["near", "far", "elsewhere"],
        }
    )
    found = overlap_with_known(loci, known)
    assert found["known"].tolist() == [True, False, False]
    assert found["nearest_known"].tolist() == ["near", "far", None]
    assert found["known_distance"].iloc[0] == 600_000 - loci["end"].iloc[0]
    assert np.isnan(found["known_distance"].iloc[2])


def test_replication_follows_the_effect_allele_and_corrects_for_the_leads_found():
    first = peaks({10: 7.0, 60: -7.0, 110: 7.0, 300: 7.0})
    second = peaks({10: 3.0, 60: 3.0, 110: 0.1})
    turn = second["variant_id"] == "rs61"
    second.loc[turn, ["effect_allele", "other_allele"]] = second.loc[
        turn, ["other_allele", "effect_allele"]
    ].to_numpy()
    second = second[second["variant_id"] != "rs301"]
    found = replication(lead_variants(first), second).set_index("variant_id")
    assert found.loc["rs11", "replication_p"] == pytest.approx(stats.norm.sf(3.0), rel=1e-6)
    assert found.loc["rs61", "same_sign"]
    assert found.loc[["rs11", "rs61"], "bonferroni"].all()
    assert not found.loc["rs111", "nominal"]
    assert np.isnan(found.loc["rs301", "replication_p"])
    assert not found.loc["rs301", ["nominal", "bonferroni", "same_sign"]].any()
