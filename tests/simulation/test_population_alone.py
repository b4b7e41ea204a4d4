"""One person drawn alone is the same person as in the crowd."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.simulation import draw_lives, find_preset, open_world, state_at

PRESET = find_preset("demo")


@pytest.fixture(scope="module")
def crowd():
    return draw_lives(PRESET, 3, range(80))


@pytest.mark.parametrize("number", [0, 17, 79])
def test_a_person_drawn_alone_has_the_causes_of_the_crowd(crowd, number):
    alone = draw_lives(PRESET, 3, [number])
    for name, row in crowd.causes.rows.items():
        assert alone.causes[name][0] == row[number], name


@pytest.mark.parametrize("number", [0, 17, 79])
def test_a_person_drawn_alone_has_the_fractures_of_the_crowd(crowd, number):
    alone = draw_lives(PRESET, 3, [number])
    for name in ("vertebral", "vertebral_level", "vertebral_loss", "non_vertebral"):
        np.testing.assert_array_equal(
            getattr(alone.course, name)[:, 0], getattr(crowd.course, name)[:, number]
        )
    assert alone.course.death[0] == crowd.course.death[number]


@pytest.mark.parametrize("number", [5, 40])
def test_a_person_drawn_alone_has_the_visits_and_states_of_the_crowd(crowd, number):
    alone = draw_lives(PRESET, 3, [number])
    np.testing.assert_array_equal(alone.schedule.years[:, 0], crowd.schedule.years[:, number])
    for years in (-3.0, 0.0, 2.5, 14.0):
        assert state_at(alone, 0, years) == state_at(crowd, number, years)


def test_the_order_in_which_people_are_asked_for_does_not_matter(crowd):
    some = draw_lives(PRESET, 3, [44, 2, 9])
    for column, number in enumerate([44, 2, 9]):
        assert state_at(some, column, 1.0) == state_at(crowd, number, 1.0)


def test_the_same_seed_gives_the_same_tables_and_another_seed_others():
    first, again, other = (open_world("tiny", seed).tables() for seed in (1, 1, 2))
    for name, table in first.items():
        assert table.equals(again[name]), name
    assert not first["visits"].equals(other["visits"])


def test_a_state_asked_before_the_tables_equals_the_one_asked_after_them():
    fresh, drawn = open_world("tiny", 4), open_world("tiny", 4)
    drawn.tables()
    for person in ("P00000", "P00033"):
        assert fresh.state(person, 1.5) == drawn.state(person, 1.5)
        assert fresh.films(person) == drawn.films(person)


def test_an_unknown_preset_person_film_or_intervention_is_an_error_with_a_code():
    world = open_world("tiny")
    with pytest.raises(SpinecastError, match="SC-702"):
        open_world("huge")
    with pytest.raises(SpinecastError, match="SC-311"):
        world.state("P00060")
    with pytest.raises(SpinecastError, match="SC-110"):
        world.film("P00001-V9-0")
    with pytest.raises(SpinecastError, match="SC-706"):
        world.state("P00001", do={"horoscope": 1})


def test_a_world_travels_to_another_process_as_its_preset_and_seed():
    world = open_world("tiny", 4)
    world.tables()
    content = pickle.dumps(world)
    assert len(content) < 5000
    assert pickle.loads(content).state("P00003") == world.state("P00003")
