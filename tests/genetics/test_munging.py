"""Munging drops what cannot be used, in a fixed order, and counts every loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.genetics.associations import z_scores
from spinecast.genetics.munging import MungingRules, align, munge

from .association_tables import associations


def dropped(munged, rule):
    flow = munged.flow.set_index("rule")["dropped"]
    return int(flow[next(name for name in flow.index if rule in name)])


def test_a_clean_table_keeps_every_variant_and_its_z():
    z = np.random.default_rng(2).normal(size=400)
    munged = munge(associations(z=z))
    assert munged.flow["dropped"].sum() == 0
    np.testing.assert_allclose(munged.table["z"], z, rtol=1e-9)


def test_every_loss_is_counted_under_its_rule():
    table = associations()
    table["info"] = 1.0
    table.loc[0, "beta"] = np.nan
    table.loc[1, "info"] = 0.5
    table.loc[2, "effect_allele_frequency"] = 0.003
    table.loc[3, ["p_value", "neg_log_10_p_value"]] = [1.2, np.nan]
    table.loc[4, ["effect_allele", "other_allele"]] = ["A", "T"]
    table.loc[5, ["effect_allele", "other_allele"]] = ["AC", "A"]
    table.loc[6, "variant_id"] = "rs8"
    table.loc[8, "n"] = 100.0
    munged = munge(table)
    for rule, count in [
        ("missing", 1), ("quality", 1), ("frequency", 1), ("p-value", 1), ("ambiguous", 2),
        ("named before", 1), ("too few samples", 1),
    ]:  # fmt: skip
        assert dropped(munged, rule) == count, rule
    assert len(munged.table) == 400 - 8
    assert munged.flow["left"].iloc[-1] == len(munged.table)
    assert (munged.flow["left"].diff().iloc[1:] == -munged.flow["dropped"].iloc[1:]).all()


def test_z_keeps_its_size_where_the_p_value_underflows():
    table = associations(z=np.array([60.0, -50.0, 0.5, 0.0]))
    assert table["p_value"].iloc[0] == 0.0
    assert z_scores(table).tolist() == pytest.approx([60.0, -50.0, 0.5, 0.0], rel=1e-9)


def test_z_follows_the_p_value_where_it_is_no_wald_test():
    table = associations(4).drop(columns="neg_log_10_p_value").assign(beta=-1.0, p_value=0.01)
    assert z_scores(table) == pytest.approx(np.full(4, -stats.norm.isf(0.005)))


def test_a_reference_keeps_its_variants_and_refuses_clashes():
    table = associations()
    reference = table[["variant_id", "effect_allele", "other_allele"]].iloc[:300].copy()
    reference.iloc[0, 1:] = ["A", "C"]
    reference.iloc[1, 1:] = reference.iloc[1, [2, 1]].to_numpy()  # swapped: fine
    munged = munge(table, reference=reference)
    assert dropped(munged, "not in the reference") == 100
    assert dropped(munged, "clash") == 1
    assert len(munged.table) == 299


def test_a_table_of_other_alleles_is_refused():
    table = associations()
    reference = table[["variant_id"]].assign(effect_allele="A", other_allele="C")
    with pytest.raises(SpinecastError) as caught:
        munge(table, reference=reference)
    assert caught.value.code == "SC-553"


def test_odds_ratios_under_the_name_of_beta_are_noticed():
    table = associations()
    with pytest.raises(SpinecastError) as caught:
        munge(table.assign(beta=np.exp(table["beta"])))
    assert caught.value.code == "SC-559"


def test_sample_size_may_be_given_where_the_table_has_none():
    munged = munge(associations().drop(columns="n"), n=1234)
    assert (munged.table["n"] == 1234).all()
    with pytest.raises(SpinecastError) as caught:
        munge(associations().drop(columns="n"))
    assert caught.value.code == "SC-554"
    assert "'n'" in caught.value.message


def test_nothing_left_says_where_everything_went():
    with pytest.raises(SpinecastError) as caught:
        munge(associations(40), rules=MungingRules(maf=0.5))
    assert caught.value.code == "SC-556"
    assert "frequency at most 0.5: 40" in caught.value.message


def test_progress_counts_the_rules():
    seen = []
    munge(associations(50), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_two_traits_are_aligned_on_common_variants_and_alleles():
    first = associations(seed=1)
    second = associations(seed=2).iloc[100:].reset_index(drop=True)
    swapped = second["variant_id"].isin(["rs150", "rs151"])
    second.loc[swapped, ["effect_allele", "other_allele"]] = second.loc[
        swapped, ["other_allele", "effect_allele"]
    ].to_numpy()
    second.loc[second["variant_id"] == "rs200", "effect_allele"] = "G"
    second.loc[second["variant_id"] == "rs200", "other_allele"] = "T"
    one, two = align(munge(first), munge(second))
    assert one.table["variant_id"].tolist() == two.table["variant_id"].tolist()
    assert len(one.table) == 299
    names = two.table.set_index("variant_id")
    raw = munge(second).table.set_index("variant_id")
    assert names.loc["rs150", "z"] == -raw.loc["rs150", "z"]
    assert names.loc["rs160", "z"] == raw.loc["rs160", "z"]
    assert (two.table["effect_allele"] == one.table["effect_allele"]).all()
    assert two.flow["dropped"].iloc[-1] == 1


def test_traits_without_a_common_variant_are_refused():
    second = associations()
    second["variant_id"] = "x" + second["variant_id"]
    with pytest.raises(SpinecastError) as caught:
        align(munge(associations()), munge(second))
    assert caught.value.code == "SC-556"
