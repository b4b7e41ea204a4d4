from __future__ import annotations

from math import comb

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import quality
from spinecast.genetics.hard_calls import hard_calls
from spinecast.genetics.hardy_weinberg import hardy_weinberg_mid_p
from spinecast.genetics.quality import apply_rules, select_variants, variant_summary

from .linked_panels import InMemory, linked_calls, opened, read_peer, run_peer, tables

CHROMOSOMES = ["1"] * 30 + ["2"] * 20 + ["X"] * 10 + ["Y"] * 4


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    calls = linked_calls(151, len(CHROMOSOMES), seed=5, missing=0.1)
    male = np.arange(151) % 2 == 0
    haploid = np.isin(CHROMOSOMES, ["X", "Y"])[:, None] & male
    calls = np.where(haploid & (calls == 1), 2, calls)  # one allele stands twice in the file
    calls[-4:, ~male] = -1
    calls[3] = 0
    calls[4, :5] = -1
    calls[4, 5:] = 1  # an excess that chance does not give
    return opened(tmp_path_factory.mktemp("quality"), calls.astype(np.int8), CHROMOSOMES)


def exact_mid_p(two: int, one: int, none: int) -> float:
    """Every possible number of heterozygotes, weighed in whole numbers."""
    n, rare = two + one + none, 2 * min(two, none) + one
    weights = {}
    for het in range(rare % 2, min(rare, 2 * n - rare) + 1, 2):
        homozygous = (rare - het) // 2
        weights[het] = comb(n, homozygous) * comb(n - homozygous, het) * 2**het
    here = weights[one]
    less = sum(w for w in weights.values() if w < here)
    same = sum(w for w in weights.values() if w == here)
    return float((2 * less + same) / (2 * sum(weights.values())))


@pytest.mark.parametrize("total", [1, 2, 9, 40])
def test_hardy_weinberg_is_the_sum_over_all_numbers_of_heterozygotes(total):
    counts = [(a, b, total - a - b) for a in range(total + 1) for b in range(total + 1 - a)]
    expected = [exact_mid_p(*row) for row in counts]
    np.testing.assert_allclose(hardy_weinberg_mid_p(np.array(counts)), expected, rtol=1e-9)


def test_the_far_side_counts_where_everybody_is_heterozygous():
    p = hardy_weinberg_mid_p(np.array([[0, 146, 0], [3, 140, 5]]))
    np.testing.assert_allclose(p, [exact_mid_p(0, 146, 0), exact_mid_p(3, 140, 5)], rtol=1e-9)


def test_hardy_weinberg_of_nobody_is_unknown_and_of_an_extreme_is_zero_not_nan():
    p = hardy_weinberg_mid_p(np.array([[0, 0, 0, 7], [250_000, 0, 250_000, 0]]))
    assert np.isnan(p[0])
    assert p[1] == 0.0


def test_frequency_missingness_and_p_equal_plinks(genotypes):
    stem = genotypes.paths[0].with_suffix("")
    found = variant_summary(genotypes)
    out = run_peer("plink2", stem, "--freq", "--missing", "--hardy", "midp")
    frequency = read_peer(out.with_suffix(".afreq"))
    alt_is_ours = (frequency["ALT"] == "A").to_numpy()
    theirs = np.where(alt_is_ours, frequency["ALT_FREQS"], 1 - frequency["ALT_FREQS"])
    np.testing.assert_allclose(found["effect_allele_frequency"], theirs, rtol=2e-5, atol=1e-7)
    missing = read_peer(out.with_suffix(".vmiss"))
    np.testing.assert_allclose(found["missing"], missing["F_MISS"], rtol=2e-5, atol=1e-9)
    hardy = read_peer(out.with_suffix(".hardy"))
    autosomes = found[found["chromosome"].isin(["1", "2"])]
    np.testing.assert_allclose(autosomes["hwe_p"], hardy["MIDP"], rtol=2e-5)


def test_on_x_only_females_tell_of_equilibrium_as_in_plink(genotypes):
    found = variant_summary(genotypes)
    out = run_peer("plink1.9", genotypes.paths[0].with_suffix(""), "--hardy", "midp")
    hardy = read_peer(out.with_suffix(".hwe"))
    theirs = hardy.loc[hardy["TEST"].str.startswith("ALL"), ["SNP", "P"]].set_index("SNP")["P"]
    x = found[found["chromosome"] == "X"].set_index("variant_id")["hwe_p"]
    np.testing.assert_allclose(x, theirs[x.index], rtol=2e-3)
    assert found.loc[found["chromosome"] == "Y", "hwe_p"].isna().all()


def test_blocks_and_subsets_do_not_change_a_variants_numbers(genotypes, monkeypatch):
    whole = variant_summary(genotypes)
    monkeypatch.setattr(quality, "_BLOCK", 7)
    part = variant_summary(genotypes, variants=np.arange(3, 40))
    np.testing.assert_array_equal(whole.loc[3:39, "hwe_p"], part["hwe_p"])
    people = np.arange(0, 151, 2)
    some = variant_summary(genotypes, samples=people)
    dosages = genotypes.dosages(np.arange(50), samples=people)
    np.testing.assert_allclose(some["maf"][:50], _maf(dosages), rtol=1e-6)
    assert some["n"].max() <= people.size


def _maf(dosages):
    frequency = np.nanmean(dosages.astype(float), axis=1) / 2
    return np.minimum(frequency, 1 - frequency)


def test_dosages_have_the_information_that_plink_calls_mach_r2(tmp_path):
    rng = np.random.default_rng(8)
    samples, variants = tables(60, ["1"] * 12)
    true = rng.binomial(2, 0.3, (12, 60))
    dosages = np.round(np.clip(0.6 * true + 0.4 * rng.beta(2, 4, (12, 60)) * 2, 0, 2), 3)
    dosages[2, :7] = np.nan
    found = variant_summary(InMemory(samples, variants, dosages))
    frequency = np.nanmean(dosages, axis=1) / 2
    expected = np.nanvar(dosages, axis=1) / (2 * frequency * (1 - frequency))
    np.testing.assert_allclose(found["info"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["effect_allele_frequency"], frequency, rtol=1e-5)
    assert found["n"].tolist() == (~np.isnan(dosages)).sum(axis=1).tolist()


def test_a_dosage_between_calls_is_no_hard_call():
    calls = hard_calls(np.array([0.0, 0.1, 0.11, 0.95, 1.89, 1.95, np.nan], dtype=np.float32))
    assert calls.tolist() == [0, 0, -1, 1, -1, 2, -1]


def test_files_of_hard_calls_have_no_imputation_quality(genotypes):
    assert variant_summary(genotypes)["info"].isna().all()


def test_every_variant_is_kept_or_counted_under_the_first_rule_it_breaks(genotypes):
    summary = variant_summary(genotypes)
    selection = select_variants(summary, maf=0.1, hwe=1e-5, missing=0.12)
    flow = selection.flow
    assert flow["excluded"].sum() + selection.places.size == len(summary)
    assert flow["left"].iloc[-1] == selection.places.size
    assert flow["excluded"].iloc[0] == 1  # the constant one
    assert 4 not in selection.places
    kept = summary.loc[selection.places]
    assert kept["maf"].min() > 0.1
    assert kept["missing"].max() <= 0.12


def test_a_limit_that_is_no_share_is_refused(genotypes):
    with pytest.raises(SpinecastError, match="SC-525") as caught:
        select_variants(variant_summary(genotypes), maf=5)
    assert "maf" in caught.value.message


def test_rules_count_only_those_still_there():
    keep = np.array([True, False, False, True])
    found = apply_rules(np.array([5, 2, 9, 4]), [("a", keep), ("b", ~keep), ("c", keep)])
    assert found.flow["excluded"].tolist() == [2, 2, 0]
    assert found.places.size == 0
