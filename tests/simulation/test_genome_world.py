"""Where a cohort has genomes, its people's lives follow from them."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.simulation import draw_lives, find_preset, open_world
from spinecast.simulation.population import draw_dice

PRESET = find_preset("gwas-tiny")
SEED = 5


@pytest.fixture(scope="module")
def world():
    return open_world("gwas-tiny", SEED)


@pytest.fixture(scope="module")
def genomes(world):
    return world.genomes()


@pytest.fixture(scope="module")
def lives():
    return draw_lives(PRESET, SEED, range(len(open_world("gwas-tiny", SEED))))


def place(name):
    return int(name.removeprefix("P"))


def test_worlds_without_genomes_keep_their_dice():
    for name in ("tiny", "dxa-tiny"):
        drawn = draw_lives(find_preset(name), 3, range(20))
        dice = draw_dice(3, range(20))
        for trait in ("polygenic_bmd", "polygenic_size", "polygenic_disc", "polygenic_weight"):
            np.testing.assert_array_equal(drawn.causes[trait], dice.normals[trait])
        with pytest.raises(SpinecastError, match="SC-706"):
            open_world(name).genomes()


def test_polygenic_causes_are_the_genetic_values(lives, genomes):
    values = genomes.genetic_values()
    for trait in ("polygenic_bmd", "polygenic_size", "polygenic_disc", "polygenic_weight"):
        np.testing.assert_array_equal(lives.causes[trait], values[trait])


def test_genetic_values_move_what_they_should(lives, genomes):
    values = genomes.genetic_values()
    spine = np.corrcoef(values["bone_spine"], lives.causes["bone_spine"])[0, 1]
    hip = np.corrcoef(values["bone_spine"], lives.causes["bone_hip"])[0, 1]
    assert spine > 0.25
    assert abs(hip) < 0.2
    weight = np.corrcoef(values["polygenic_weight"], lives.causes["weight_at_baseline"])[0, 1]
    assert weight > 0.2


def test_the_samples_are_the_people_in_their_order(world, genomes):
    people = world.tables()["people"]
    assert genomes.samples["sample_id"].tolist() == people["person_id"].tolist()
    recorded = np.where(people["sex"] == "F", 2, 1)
    np.testing.assert_array_equal(genomes.samples["sex"], recorded)
    european = genomes.ancestry()["east_asian"] < 0.5
    np.testing.assert_array_equal(people["ancestry"] == "EUR", european)


def test_twins_are_of_one_sex_and_age_and_parents_older_than_children(world, genomes, lives):
    pairs = genomes.relatives()
    age, female = lives.causes["baseline_age"], lives.causes["female"]
    for row in pairs.query("relation == 'twins'").itertuples():
        first, second = place(row.id1), place(row.id2)
        assert age[first] == age[second]
        assert female[first] == female[second]
    for row in pairs.query("relation == 'parent-offspring'").itertuples():
        assert age[place(row.id1)] - age[place(row.id2)] > 15


def test_a_person_drawn_alone_is_the_same_as_in_the_crowd(lives, genomes):
    related = [place(name) for name in genomes.relatives()["id2"].iloc[:3]]
    for number in (0, 133, 299, *related):
        alone = draw_lives(PRESET, SEED, [number])
        for name, row in lives.causes.rows.items():
            assert alone.causes[name][0] == row[number], name
        assert alone.course.death[0] == lives.course.death[number]


def test_an_intervention_on_a_genetic_cause_is_obeyed(world):
    low, high = (
        world.state("P00004", do={"polygenic_bmd": value}).bmd_spine for value in (-2.0, 2.0)
    )
    assert high > low + 0.2


def test_the_strong_variant_is_found_in_bone_density(lives, genomes):
    causal = genomes.causal()
    name = causal["variant_id"].value_counts().idxmax()
    strong = causal.query("variant_id == @name and trait == 'polygenic_bmd'").iloc[0]
    where = np.flatnonzero(genomes.variants["variant_id"] == name)
    dosage = genomes.hard_calls(where)[0].astype(float)
    seen = dosage >= 0
    slope, _ = np.polyfit(dosage[seen], lives.causes["polygenic_bmd"][seen], 1)
    assert slope == pytest.approx(strong["beta"], abs=0.3)
