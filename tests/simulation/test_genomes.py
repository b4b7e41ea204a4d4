"""Simulated genomes have the linkage, families, ancestries and faults that they claim."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.simulation.genome_map import CHROMOSOMES, LENGTHS, lay_variants
from spinecast.simulation.genomes import WRONG_CALL, simulate_genomes
from spinecast.simulation.inheritance import MISSING
from spinecast.simulation.pedigree import FAULTS, KINSHIP

PEOPLE, VARIANTS = 1200, 3000


@pytest.fixture(scope="module")
def genomes():
    return simulate_genomes(PEOPLE, VARIANTS, seed=7)


@pytest.fixture(scope="module")
def calls(genomes):
    return genomes.hard_calls()


@pytest.fixture(scope="module")
def europeans(genomes):
    return np.flatnonzero(genomes.ancestry()["population"] == "EUR")


@pytest.fixture(scope="module")
def autosomal(genomes, calls):
    """Calls on the autosomes as floats, NaN where missing."""
    own = calls[~genomes.variants["chromosome"].isin(["X", "Y"]).to_numpy()].astype(float)
    own[own == MISSING] = np.nan
    return own


def numbers(genomes, names):
    return pd.Index(genomes.samples["sample_id"]).get_indexer(list(names))


def inbreeding(own, people):
    """Excess homozygosity of each person against the frequencies of ``people``."""
    frequency = np.nanmean(own[:, people], axis=1) / 2
    common = (frequency > 0.05) & (frequency < 0.95)
    expected = (2 * frequency * (1 - frequency))[common, None]
    seen = ~np.isnan(own[common])
    het = np.sum(own[common] == 1, axis=0)
    return 1 - het / np.sum(expected * seen, axis=0)


def test_variants_lie_in_order_on_chromosomes_of_true_length(genomes):
    variants = genomes.variants
    assert len(variants) == len(genomes) == VARIANTS
    assert variants["variant_id"].is_unique
    assert (variants["effect_allele"] != variants["other_allele"]).all()
    for place, name in enumerate(CHROMOSOMES):
        own = variants[variants["chromosome"] == name]
        assert own["base_pair_location"].is_monotonic_increasing
        assert own["base_pair_location"].between(1, LENGTHS[place]).all()
        assert own["centimorgans"].is_monotonic_increasing
    assert 250 < variants.query("chromosome == '1'")["centimorgans"].max() < 300


def test_fewer_than_200_variants_are_refused():
    with pytest.raises(ValueError, match="200"):
        lay_variants(199, np.random.default_rng(0))


def test_parts_of_the_calls_equal_the_whole(genomes, calls):
    some = np.array([2999, 5, 1500, 5])
    np.testing.assert_array_equal(genomes.hard_calls(some), calls[some])
    np.testing.assert_array_equal(genomes.hard_calls(slice(100, 300)), calls[100:300])
    np.testing.assert_array_equal(np.concatenate(list(genomes.blocks(97))), calls)
    assert calls.shape == (VARIANTS, PEOPLE)
    assert calls.dtype == np.int8
    assert set(np.unique(calls)) == {-1, 0, 1, 2}


def test_the_same_seed_gives_the_same_genomes_and_another_seed_others(calls):
    again, other = (simulate_genomes(PEOPLE, VARIANTS, seed=seed) for seed in (7, 8))
    np.testing.assert_array_equal(again.hard_calls(slice(0, 200)), calls[:200])
    assert not np.array_equal(other.hard_calls(slice(0, 200)), calls[:200])


def test_packed_calls_are_the_codes_of_plink_bed_rows(genomes, calls):
    packed = genomes.packed_calls(slice(0, 50))
    codes = (packed[:, :, None] >> np.array([0, 2, 4, 6])) & 3
    read = np.array([2, MISSING, 1, 0])[codes.reshape(50, -1)[:, :PEOPLE]]
    np.testing.assert_array_equal(read, calls[:50])


def test_genotypes_of_one_population_are_in_equilibrium(genomes, autosomal, europeans):
    own = autosomal[:, europeans]
    frequency = np.nanmean(own, axis=1) / 2
    ratio = np.sum(np.nanmean(own == 1, axis=1)) / np.sum(2 * frequency * (1 - frequency))
    assert ratio == pytest.approx(1.0, abs=0.02)


def test_neighbours_are_linked_and_stretches_are_not(genomes, autosomal, europeans):
    own = autosomal[:, europeans]
    frequency = np.nanmean(own, axis=1) / 2
    common = np.flatnonzero((frequency > 0.05) & (frequency < 0.95))
    own = np.nan_to_num(own[common] - 2 * frequency[common, None])
    own /= own.std(axis=1, keepdims=True)
    r2 = (np.mean(own[:-1] * own[1:], axis=1)) ** 2
    apart = np.diff(genomes.variants["base_pair_location"].to_numpy()[common])
    assert np.mean(r2[(apart > 0) & (apart < 5000)]) > 0.2
    assert np.mean(r2[apart > 1_000_000]) < 5 / len(europeans)
    assert np.mean(r2[apart < 0]) < 5 / len(europeans)


def test_relatives_share_as_much_as_their_relation_says(genomes, autosomal):
    pairs = genomes.relatives()
    assert set(pairs["relation"]) == set(KINSHIP)
    for relation, own in pairs.groupby("relation"):
        first, second = (autosomal[:, numbers(genomes, own[name])] for name in ("id1", "id2"))
        het = [np.where(np.isnan(first + second), 0, side == 1) for side in (first, second)]
        both = np.sum(het[0] * het[1], axis=0)
        opposite = np.nansum(np.abs(first - second) == 2, axis=0)
        least = np.minimum(*(np.sum(side, axis=0) for side in het))
        robust = (both - 2 * opposite) / (2 * least) + 0.5 * (
            1 - 0.5 * (np.sum(het[0], axis=0) + np.sum(het[1], axis=0)) / least
        )
        assert np.mean(robust) == pytest.approx(KINSHIP[relation][1], abs=0.025), relation


def test_twins_differ_by_error_alone_and_parents_always_share_an_allele(genomes, autosomal):
    pairs = genomes.relatives()
    for relation, apart in (("twins", 1), ("parent-offspring", 2)):
        own = pairs[pairs["relation"] == relation]
        first, second = (autosomal[:, numbers(genomes, own[name])] for name in ("id1", "id2"))
        seen = ~np.isnan(first + second)
        far = np.sum(np.abs(first - second)[seen] >= apart) / seen.sum()
        assert far < 4 * WRONG_CALL + 0.002, relation


def test_a_clan_of_cousins_has_more_than_ten_relatives_each(genomes):
    cousins = genomes.relatives().query("relation == 'cousins'")
    many = pd.concat([cousins["id1"], cousins["id2"]]).value_counts()
    assert np.sum(many > 10) >= 11


def test_the_admixed_lie_between_the_two_ancestries(genomes, autosomal):
    ancestry = genomes.ancestry()
    means = {
        name: np.nanmean(autosomal[:, np.flatnonzero(ancestry["population"] == name)], axis=1)
        for name in ("EUR", "EAS")
    }
    axis = means["EAS"] - means["EUR"]
    seen = ~np.isnan(autosomal)
    place = np.where(seen, autosomal - means["EUR"][:, None], 0).T @ axis
    place /= (seen * axis[:, None] ** 2).sum(axis=0)
    mixed = np.flatnonzero(ancestry["population"] == "ADMIXED")
    assert len(mixed) > 20
    found = np.corrcoef(place[mixed], ancestry["east_asian"].to_numpy()[mixed])[0, 1]
    assert found > 0.7
    assert place[mixed].mean() == pytest.approx(ancestry["east_asian"][mixed].mean(), abs=0.08)


def test_planted_samples_are_at_fault_as_they_say(genomes, calls, autosomal, europeans):
    planted = genomes.planted()
    assert set(planted["fault"]) == set(FAULTS)
    who = {name: numbers(genomes, own["sample_id"]) for name, own in planted.groupby("fault")}
    in_europe = {name: np.intersect1d(own, europeans) for name, own in who.items()}
    f = inbreeding(autosomal, europeans)
    others = np.setdiff1d(europeans, numbers(genomes, planted["sample_id"]))
    assert f[in_europe["low_heterozygosity"]].mean() > f[others].mean() + 3 * f[others].std()
    assert np.all(f[in_europe["high_heterozygosity"]] < f[others].min())
    missing = np.mean(calls == MISSING, axis=0)
    assert missing[who["missing"]].min() > 0.04
    assert missing[others].max() < 0.03


def test_sex_chromosomes_tell_sex_and_its_anomalies(genomes, calls):
    chromosome = genomes.variants["chromosome"].to_numpy()
    on_x, on_y = calls[chromosome == "X"], calls[chromosome == "Y"]
    planted = genomes.planted()
    ill = numbers(genomes, planted["sample_id"])
    two_x = np.mean(on_x == 1, axis=0) > 0.05
    has_y = np.mean(on_y == MISSING, axis=0) < 0.5
    female = genomes.samples["sex"].to_numpy() == 2
    well = np.setdiff1d(np.arange(PEOPLE), ill)
    np.testing.assert_array_equal(two_x[well], female[well])
    np.testing.assert_array_equal(has_y[well], ~female[well])
    expected = {"XXY": (True, True, False), "X0": (False, False, True)}
    for fault, wanted in expected.items():
        own = numbers(genomes, planted.loc[planted["fault"] == fault, "sample_id"])
        assert len(own) >= 1
        for person in own:
            assert (two_x[person], has_y[person], female[person]) == wanted
    other = numbers(genomes, planted.query("fault == 'sex_mismatch'")["sample_id"])
    np.testing.assert_array_equal(two_x[other], ~female[other])


def test_sons_have_their_fathers_y_and_their_mothers_x(genomes):
    pedigree = genomes.plan.pedigree
    on_x, on_y = genomes.true_calls("X"), genomes.true_calls("Y")
    male = genomes.samples["sex"].to_numpy() == 1
    checked = 0
    for child in np.flatnonzero(male[:PEOPLE]):
        mother, father = pedigree.parents[child]
        if father >= 0 and father < PEOPLE:
            np.testing.assert_array_equal(on_y[:, child], on_y[:, father])
            checked += 1
        if mother >= 0 and mother < PEOPLE:
            apart = np.abs(on_x[:, child] - on_x[:, mother])
            assert apart.max() <= 1
            checked += 1
    assert checked >= 1


def test_planted_variants_fail_or_lose_heterozygotes(genomes, calls, europeans):
    planted = genomes.planted_variants().set_index("variant_id")
    missing = pd.Series(np.mean(calls == MISSING, axis=1), genomes.variants["variant_id"])
    sexed = genomes.variants.set_index("variant_id")["chromosome"] == "Y"
    failing = planted.query("fault == 'missing'").index
    assert (missing[failing] > 0.04).all()
    assert (missing.drop(failing)[~sexed.drop(failing)] < 0.07).all()
    dropping = planted.query("fault == 'lost_heterozygotes'").index
    own = calls[pd.Index(genomes.variants["variant_id"]).get_indexer(dropping)][:, europeans]
    frequency = np.mean(own, axis=1, where=own >= 0) / 2
    ratio = np.mean(own == 1, axis=1) / (2 * frequency * (1 - frequency))
    assert np.mean(ratio[np.minimum(frequency, 1 - frequency) > 0.05]) < 0.85


def test_a_small_cohort_has_neither_relatives_nor_faults():
    small = simulate_genomes(40, 200, seed=1)
    assert len(small.relatives()) == len(small.planted()) == 0
    assert small.hard_calls().shape == (200, 40)


def test_genetic_values_are_dosages_times_betas_of_mean_0_and_variance_1(genomes, europeans):
    values, causal = genomes.genetic_values(), genomes.causal()
    for trait, own in causal.groupby("trait"):
        total = np.zeros(PEOPLE)
        share = values[trait].iloc[europeans]
        for chromosome, rows in own.groupby("chromosome"):
            places = genomes.variants.query("chromosome == @chromosome").reset_index(drop=True)
            where = pd.Index(places["variant_id"]).get_indexer(rows["variant_id"])
            copies = genomes.true_calls(chromosome)[where]
            expected = 2 * rows["effect_allele_frequency"].to_numpy()[:, None]
            total += rows["beta"].to_numpy() @ (copies - expected)
        slope = np.polyfit(values[trait], total, 1)[0]
        assert np.corrcoef(values[trait], total)[0, 1] == pytest.approx(1.0, abs=1e-9)
        assert slope == pytest.approx(0.30**0.5 if trait.startswith("bone") else 1.0)
        assert share.mean() == pytest.approx(0.0, abs=0.15)
        assert share.std() == pytest.approx(1.0, abs=0.12)


def test_one_strong_variant_acts_on_density_of_all_regions_and_on_size(genomes):
    causal = genomes.causal()
    causal["explained"] = (
        2 * causal["beta"] ** 2
        * causal["effect_allele_frequency"] * (1 - causal["effect_allele_frequency"])
    )  # fmt: skip
    own = causal[causal["variant_id"] == causal["variant_id"].value_counts().idxmax()]
    assert set(own["chromosome"]) == {"7"}
    explained = dict(zip(own["trait"], own["explained"], strict=True))
    assert explained == pytest.approx(
        {"polygenic_bmd": 0.12, "polygenic_size": 0.03, "bone_spine": 0.30 * 0.04}
    )


def test_values_of_people_drawn_alone_equal_those_of_the_crowd_to_the_last_bit(genomes):
    crowd = genomes.genetic_values()
    related = genomes.plan.pedigree.pairs[0][1]
    for person in (0, 311, related):
        alone = genomes.plan.genetic_values(np.array([person]))
        for trait, value in alone.items():
            assert value[0] == crowd[trait].iloc[person]
