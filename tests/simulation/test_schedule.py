"""Visits and films carry the confounding that was planted, and nothing of the future."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.simulation import draw_lives, find_preset
from spinecast.simulation.acquisition import REGIONS
from spinecast.simulation.makers import MAKERS
from spinecast.simulation.schedule import (
    FIRST_DAY,
    LAST_DAY,
    LAST_INDEX_DAY,
    MAKER_DRIFT,
    list_films,
    maker_shares,
)


@pytest.fixture(scope="module")
def films(many):
    return [
        film
        for column, number in enumerate(many.dice.numbers[:1500])
        for film in list_films(11, number, schedule=many.schedule, column=column, two_films=0.35)
    ]


def test_visits_are_in_order_and_end_with_the_records_or_with_life(many):
    years = many.schedule.years
    last = np.minimum(many.schedule.end, many.course.death)
    assert (years[0] == 0).all()
    assert (np.nan_to_num(years, nan=-1).max(axis=0) < last).all()
    known = ~np.isnan(years)
    assert (known[:-1] | ~known[1:]).all(), "no visit after one that did not take place"
    later = np.diff(years, axis=0)
    assert (later[~np.isnan(later)] > 0).all()


def test_visits_fall_on_whole_days_half_a_year_to_thirteen_years_later(many):
    later = many.schedule.years[1:]
    later = later[~np.isnan(later)] * 365.25
    np.testing.assert_allclose(later, np.round(later), atol=1e-6)
    assert later.min() >= 28
    assert later.max() <= 13 * 365.25 + 1
    farthest = np.nanmax(many.schedule.years, axis=0)
    assert 2.0 < np.median(farthest[farthest > 0]) < 3.5


def test_most_people_have_a_later_film_and_those_without_left_or_died_early(many):
    without = np.isnan(many.schedule.years[1])
    assert 0.05 < without.mean() < 0.20
    followed = np.minimum(many.schedule.end, many.course.death)
    assert np.median(followed[without]) < 0.6 * np.median(followed[~without])


def test_the_old_are_filmed_again_sooner(many):
    farthest = np.nanmax(many.schedule.years, axis=0)
    there = farthest > 0
    age = many.causes["baseline_age"][there]
    assert np.corrcoef(age, np.log(farthest[there]))[0, 1] < -0.2


def test_follow_up_has_a_median_of_about_six_years_and_at_most_fifteen(many):
    followed = np.minimum(many.schedule.end, many.course.death)
    assert 5.0 < np.median(followed) < 7.5
    assert followed.max() < 15.01
    assert followed.min() > 0


def test_index_visits_fall_in_the_years_of_the_study(many):
    dates = [many.schedule.baseline_date(column) for column in range(300)]
    assert min(dates) >= FIRST_DAY
    assert max(dates) <= LAST_INDEX_DAY
    assert LAST_DAY > LAST_INDEX_DAY


def test_visits_do_not_look_ahead():
    """The same people under a world without fractures have the same visits."""
    preset = find_preset("demo")
    normal = draw_lives(preset, 9, range(120)).schedule.years
    strong = draw_lives(preset, 9, range(120), do={"bone_spine": 3.0}).schedule.years
    np.testing.assert_array_equal(normal, strong)


def test_makers_drift_with_the_calendar():
    early, late = maker_shares(2007.0), maker_shares(2020.0)
    assert sum(early.values()) == pytest.approx(1)
    for maker, drift in MAKER_DRIFT.items():
        assert (late[maker] - early[maker]) * drift > 0
    assert maker_shares(2013.0)["GE Healthcare"] == pytest.approx(0.71)


def test_films_use_known_makers_and_regions_in_their_shares(films):
    assert {film.maker for film in films} <= {maker.name for maker in MAKERS}
    shares = {region.name: region.share for region in REGIONS}
    for name, share in shares.items():
        found = np.mean([film.region == name for film in films])
        assert found == pytest.approx(share, abs=0.04), name


def test_some_baseline_visits_have_two_films_of_different_regions(films):
    second = [film for film in films if film.film == 1 and film.visit == 0]
    first = {film.person: film for film in films if film.film == 0 and film.visit == 0}
    assert len(second) / len(first) == pytest.approx(0.35, abs=0.05)
    assert all(film.region != first[film.person].region for film in second)
    assert all(film.maker == first[film.person].maker for film in second)


def test_a_few_headers_do_not_say_the_spacing(films):
    silent = np.mean([not film.spacing_known for film in films])
    assert silent == pytest.approx(0.03, abs=0.01)


def test_image_ids_are_unique(films):
    assert len({film.image_id for film in films}) == len(films)
