"""Images come from the same truth as the tables, and interventions do what they say."""

from __future__ import annotations

import time

import numpy as np
import pytest

from spinecast.simulation import open_world
from spinecast.simulation.lives import STATE_FIELDS
from spinecast.simulation.world import modality


@pytest.fixture(scope="module")
def image_id(tiny_tables):
    return str(tiny_tables["images"]["image_id"].iloc[4])


@pytest.fixture(scope="module")
def fractured(tiny):
    """A person without fractures at baseline who then has one, and no other for six years."""
    lives = tiny.block(0)
    times = lives.course.vertebral
    alone = (times[0] > 0) & (times[0] < 10) & (times[1] > times[0] + 6)
    column = int(np.flatnonzero(alone)[0])
    return f"P{column:05d}", float(times[0, column])


def test_the_tables_are_those_of_a_cohort(tiny, tiny_tables):
    assert set(tiny_tables) == {"people", "visits", "images", "events", "findings"}
    assert len(tiny_tables["people"]) == len(tiny) == 60
    assert len(tiny_tables["events"]) == 4 * 60
    keys = ["person_id", "visit"]
    visits = set(map(tuple, tiny_tables["visits"][keys].itertuples(index=False)))
    assert set(map(tuple, tiny_tables["images"][keys].itertuples(index=False))) <= visits


def test_the_same_image_is_rendered_twice_alike_and_alone_as_in_the_crowd(tiny, image_id):
    first, second = tiny.render(image_id), open_world("tiny", 3).render(image_id)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.pixels.shape == tiny.preset.shape


def test_another_seed_gives_another_image(tiny, image_id):
    other = open_world("tiny", 4).render("P00001-V0-0")
    assert not np.array_equal(other.pixels, tiny.render("P00001-V0-0").pixels)


def test_the_index_says_how_the_image_was_taken(tiny, tiny_tables):
    for row in tiny_tables["images"].iloc[:6].itertuples():
        rendered = tiny.render(row.image_id)
        assert (row.manufacturer, row.region) == (rendered.maker, rendered.region)
        assert row.modality == modality(rendered.maker)
        if not np.isnan(row.spacing_row):
            assert row.spacing_row == pytest.approx(rendered.spacing[0], abs=1e-4)


def test_no_change_is_the_image_itself(tiny, image_id):
    np.testing.assert_array_equal(
        tiny.counterfactual(image_id).pixels, tiny.render(image_id).pixels
    )


def test_ten_years_later_the_image_differs_and_shares_pose_and_noise(tiny, image_id):
    now, later = tiny.render(image_id), tiny.counterfactual(image_id, years=10.0)
    assert now.spacing == later.spacing
    assert now.maker == later.maker
    difference = np.abs(now.brightness() - later.brightness())
    assert 0.001 < difference.mean() < 0.15


def test_an_intervention_on_what_is_seen_changes_nothing_else(tiny):
    before = tiny.state("P00002", 1.0)
    after = tiny.state("P00002", 1.0, do={"bmd_spine": 0.5})
    assert after.bmd_spine == 0.5
    assert after.with_changes(bmd_spine=before.bmd_spine) == before


def test_an_intervention_on_a_cause_changes_what_follows_from_it(tiny):
    before = tiny.state("P00002")
    after = tiny.state("P00002", do={"polygenic_bmd": 3.0})
    assert after.bmd_spine > before.bmd_spine
    assert after.trabecular > before.trabecular
    assert (after.age, after.height) == (before.age, before.height)


def test_age_can_be_named_instead_of_years(tiny):
    assert tiny.state("P00007", do={"age": 75.0}).age == pytest.approx(75.0)


def test_sex_as_a_cause_changes_the_person(tiny):
    states = [tiny.state("P00011", do={"female": value}) for value in (0.0, 1.0)]
    assert [state.sex for state in states] == ["M", "F"]
    assert states[0].height > states[1].height


def test_a_fracture_deforms_the_vertebra_in_every_later_state_and_in_none_before(tiny, fractured):
    person, years = fractured
    assert tiny.state(person, years - 0.01).fractures == ()
    later = [tiny.state(person, years + t).fractures for t in (0.0, 1.0, 5.0)]
    assert [len(found) for found in later] == [1, 1, 1]
    assert len({found[0].level for found in later}) == 1
    assert later[0][0].loss < later[1][0].loss < later[2][0].loss


def test_taking_the_fractures_away_changes_the_image_where_the_vertebra_is(tiny, fractured):
    person, years = fractured
    image = tiny.films(person)[0].image_id
    broken = tiny.counterfactual(image, years=years + 0.1)
    whole = tiny.counterfactual(image, years=years + 0.1, do={"fractures": ()})
    assert not np.array_equal(broken.pixels, whole.pixels)


def test_states_hold_every_field_that_images_need(tiny):
    state = tiny.state("P00000")
    assert all(getattr(state, name) is not None for name in STATE_FIELDS)


def test_truth_gives_landmarks_inside_the_masks(tiny, image_id):
    truth = tiny.truth()
    masks, points = truth.masks(image_id), truth.landmarks(image_id)
    assert masks.shape == tiny.preset.shape
    assert len(points) >= 4
    for level, six in points.items():
        row, column = np.round(six.mean(axis=0)).astype(int)
        assert masks[row, column] > 0, level


def test_the_tables_of_five_thousand_people_take_well_under_a_minute():
    began = time.perf_counter()
    tables = open_world("bench", 1).tables()
    assert len(tables["people"]) == 5000
    assert len(tables["images"]) > 10_000
    assert time.perf_counter() - began < 60
