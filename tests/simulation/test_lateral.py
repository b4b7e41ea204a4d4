"""Lateral radiographs: one image at every size, and every cause seen where it should be."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter
from tests.simulation.healthy import brightness, exposure, person

from spinecast.simulation import Fracture, open_world
from spinecast.simulation.acquisition import REGIONS
from spinecast.simulation.detector import open_field, shrink
from spinecast.simulation.lateral import lateral_landmarks, lateral_masks, ray_sums, render_lateral
from spinecast.simulation.spine_state import LEVELS

SIZES = ((192, 96), (256, 128), (512, 256), (1024, 512))
GE = "GE Healthcare"


@pytest.fixture(scope="module")
def at_sizes():
    anatomy, acquisition = person(1), exposure(1)
    return {size: render_lateral(anatomy, acquisition, shape=size) for size in SIZES}


def test_the_same_film_is_rendered_twice_the_same():
    first, second = (render_lateral(person(2), exposure(2)) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.spacing == second.spacing


def test_another_person_another_exposure_and_other_noise_give_another_film():
    film = brightness(person(2), exposure(2))
    assert np.abs(film - brightness(person(3), exposure(2))).mean() > 0.01
    assert np.abs(film - brightness(person(2), exposure(3))).mean() > 0.01
    other = dataclasses.replace(exposure(2), noise_seed=5)
    assert 0 < np.abs(film - brightness(person(2), other)).mean() < 0.01


def test_age_is_drawn_nowhere_by_itself():
    young, old = (render_lateral(person(2, age=age), exposure(2)) for age in (40, 95))
    np.testing.assert_array_equal(young.pixels, old.pixels)


@pytest.mark.parametrize("size", SIZES)
def test_the_field_of_view_does_not_depend_on_the_size(at_sizes, size):
    film = at_sizes[size]
    assert film.pixels.shape == size
    assert film.spacing[0] * size[0] == pytest.approx(exposure(1).height)
    assert film.spacing[1] * size[1] == pytest.approx(exposure(1).height / 2)


@pytest.mark.parametrize("size", SIZES[:-1])
def test_a_large_film_made_small_is_the_small_film(at_sizes, size):
    """Within the shutters, whose edge is as soft as a pixel is large."""
    rows = 64
    small = within_the_shutters(shrink(at_sizes[size].brightness(), size[0] // rows))
    large = within_the_shutters(shrink(at_sizes[SIZES[-1]].brightness(), SIZES[-1][0] // rows))
    assert np.abs(large - small).mean() < 0.01
    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("size", SIZES)
def test_a_film_uses_the_range_and_is_rarely_saturated(at_sizes, size):
    film = within_the_shutters(at_sizes[size].brightness())
    low, high = np.quantile(film, [0.05, 0.95])
    assert 0.0 <= film.min() < low < 0.45
    assert 0.55 < high < 0.98
    assert np.mean(film > 0.995) < 0.002


def test_more_photons_make_less_grain_as_the_square_root_says():
    anatomy, once = person(1), exposure(1, maker=GE)
    grain = []
    for factor in (1.0, 4.0):
        strong = dataclasses.replace(once, exposure=once.exposure * factor)
        one, other = (
            brightness(anatomy, dataclasses.replace(strong, noise_seed=s)) for s in (1, 2)
        )
        grain.append((one - other).std())
    assert grain[0] / grain[1] == pytest.approx(2.0, rel=0.05)


def test_ray_sums_hold_no_noise_and_bone_only_where_there_is_bone():
    soft, mineral = ray_sums(person(1), exposure(1))
    assert soft.shape == mineral.shape == (256, 128)
    assert soft.min() >= 0
    assert mineral.min() >= 0
    labels = lateral_masks(person(1), exposure(1))
    assert mineral[labels > 0].mean() > 3 * mineral[labels == 0].mean()


def surround(mask):
    return binary_dilation(mask, iterations=8) & ~binary_dilation(mask, iterations=3)


@pytest.mark.parametrize("number", range(4))
def test_lower_density_darkens_the_bodies_against_their_surround(number):
    contrast = []
    for bmd in (1.1, 0.9, 0.7, 0.5):
        anatomy, acquisition = person(number, bmd_spine=bmd), exposure(number, maker=GE)
        film = brightness(anatomy, acquisition)
        bodies = lateral_masks(anatomy, acquisition) > 0
        contrast.append(film[bodies].mean() - film[surround(bodies)].mean())
    assert np.all(np.diff(contrast) < -0.002)
    assert contrast[-1] > 0


def added(number, size=(512, 256), **changes):
    """What the changes add to a film of the same person, noise and all else equal."""
    acquisition = exposure(number, maker=GE)
    whole = brightness(person(number), acquisition, size)
    return brightness(person(number, **changes), acquisition, size) - whole


@pytest.mark.parametrize("number", range(3))
def test_osteophytes_are_bright_and_sit_on_the_front_corners(number):
    size = (512, 256)
    gain = added(number, size, osteophytes=0.9)
    landmarks = lateral_landmarks(person(number), exposure(number, maker=GE), shape=size)
    corners = np.concatenate([points[[0, 3]] for points in landmarks.values()])
    bright = np.argwhere(gain > 0.03)
    spacing = exposure(number, maker=GE).height / size[0]
    away = np.linalg.norm(bright[:, None] - corners, axis=-1).min(axis=1) * spacing
    assert len(bright) > 200
    assert np.quantile(away, 0.85) < 9.0
    assert gain.min() > -0.03


def plaques_before_the_spine(number, size=(512, 256)):
    """How far the pixels that calcification brightens lie before the bodies L1 to L4, mm."""
    gain = added(number, size, aortic_calcification=0.9)
    acquisition = exposure(number, maker=GE)
    landmarks = lateral_landmarks(person(number), acquisition, shape=size)
    lumbar = [landmarks[level] for level in LEVELS[-5:-1]]
    height = [points[:, 0].mean() for points in lumbar]
    row, column = np.nonzero(gain > 0.03)
    here = (row > height[0]) & (row < height[-1])
    front = np.interp(row[here], height, [points[[0, 3], 1].mean() for points in lumbar])
    return (front - column[here]) * acquisition.height / size[0]


def test_a_calcified_aorta_is_bright_in_front_of_the_lumbar_spine():
    """A winding aorta may lie over the front of the bodies, as it does beside them in life."""
    before = [plaques_before_the_spine(number) for number in range(6)]
    assert min(len(distances) for distances in before) > 50
    everybody = np.concatenate(before)
    assert -8.0 < everybody.min() < everybody.max() < 40.0
    assert np.median(everybody) > 5.0
    assert np.mean(everybody > 0) > 0.8


def test_a_fracture_changes_the_film_at_its_own_level_most():
    acquisition = exposure(0, maker=GE)
    broken = person(0, fractures=(Fracture("L2", "biconcave", 0.5),))
    gain = np.abs(brightness(broken, acquisition) - brightness(person(0), acquisition))
    labels = lateral_masks(person(0), acquisition)
    by_level = {level: gain[labels == n].mean() for n, level in enumerate(LEVELS, start=1)}
    assert max(by_level, key=by_level.get) == "L2"


@pytest.mark.parametrize("region", [region.name for region in REGIONS])
def test_every_region_shows_the_levels_it_is_named_by(region):
    shown = {
        "TL": {"T6", "T12", "L3"},
        "TLS": {"T6", "T12", "L5"},
        "LS": {"T12", "L1", "L5"},
        "WHOLE": {"T5", "T12", "L5"},
        "CTL": {"T5", "T12", "L1"},
    }[region]
    for number in range(6):
        assert shown <= set(lateral_landmarks(person(number), exposure(number, region=region)))


@pytest.fixture(scope="module")
def everyday():
    world = open_world("demo", 3)
    return [
        world.render(world.films(f"P{number:05d}")[0].image_id).brightness() for number in range(40)
    ]


def frame_of(film, inset):
    inner = film[inset : film.shape[0] - inset, inset : film.shape[1] - inset]
    return np.concatenate([inner[0], inner[-1], inner[1:-1, 0], inner[1:-1, -1]])


def within_the_shutters(film):
    edge = -(-4 * film.shape[0] // 128)
    return film[edge:-edge, edge:-edge]


def test_the_border_of_every_film_is_black(everyday):
    for film in everyday:
        assert frame_of(film, 0).max() == 0.0
        assert frame_of(film, 4 * film.shape[0] // 128).mean() > 0.02


def test_the_shutters_let_a_share_of_the_field_through_that_is_the_persons_no_business():
    """The same acquisition blanks the same pixels of two people."""
    taken = exposure(1)
    blank = [brightness(person(number), taken) == 0.0 for number in (1, 2)]
    assert np.array_equal(blank[0][:2], blank[1][:2])
    shown = open_field(taken, (256, 128))
    assert 0.85 < shown.mean() < 0.97
    assert shown[0].max() == shown[-1].max() == shown[:, 0].max() == shown[:, -1].max() == 0.0


def test_no_straight_edge_crosses_a_film(everyday):
    """A cut at a fixed row or column would stand out among the mean steps of its neighbours."""
    for film in map(within_the_shutters, everyday):
        smooth = gaussian_filter(film, 0.7)
        for axis in (0, 1):
            steps = np.abs(np.diff(smooth, axis=axis).mean(axis=1 - axis))
            usual = np.quantile(steps, 0.9)
            assert steps.max() < 8 * usual


def test_films_render_fast_enough_for_thousands_of_people():
    """40 a second on one idle core at 256 x 128 (benchmarks/rendering.py); half on a busy one."""
    people = [(person(number), exposure(number)) for number in range(3)]
    brightness(*people[0])
    seconds = []
    for _ in range(5):
        before = time.process_time()
        for number, (_, acquisition) in enumerate(people):
            brightness(person(number), acquisition)
        seconds.append(time.process_time() - before)
    assert len(people) / min(seconds) > 20
