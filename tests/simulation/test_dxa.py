"""AP spine DXA shows the density and size that the truth says, and repeats itself exactly."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.seeds import generator
from spinecast.simulation import Fracture, open_world
from spinecast.simulation.dxa import (
    DENSITY_PER_GREY,
    draw_dxa_acquisition,
    dxa_masks,
    noise_of,
    render_dxa,
)
from spinecast.simulation.dxa_shapes import LYING, lying

PEOPLE = [f"P{number:05d}" for number in range(14)]


@pytest.fixture(scope="module")
def world():
    return open_world("dxa-tiny", 3)


@pytest.fixture(scope="module")
def truth(world):
    return world.truth()


def first(person):
    return f"{person}-V0-0"


def sizes_of(mask, pixel):
    """Average width and height (mm) and area (cm2) of L1 to L4 as seen in their mask."""
    parts = [mask == label for label in range(1, 5)]
    width = np.mean([part.sum(axis=1).max() * pixel for part in parts])
    height = np.count_nonzero((mask > 0).any(axis=1)) * pixel / 4
    return width, height, np.count_nonzero(mask) * pixel**2 / 100


def centred(world, image_id, **changes):
    """A scan of that person without tilt, turn and noise of positioning."""
    person, size = world.scene(image_id)
    straight = replace(world.scan(image_id), tilt=0.0, turn=0.0)
    state = person[0].with_changes(**changes)
    return (state, replace(person[1], scoliosis=np.zeros(3))), size, straight


@pytest.mark.parametrize("person", PEOPLE)
def test_the_mean_density_of_l1_to_l4_is_the_persons_bone_density(world, truth, person):
    image = first(person)
    region = truth.masks(image) > 0
    true = truth.morphometry(person)["bmd_spine"]
    stored = truth.counterfactual(image, do={"fractures": ()}).density()
    if not world.scene(image)[0][0].fractures:
        assert truth.density(image)[region].mean() == pytest.approx(true, rel=0.01)
        assert stored[region].mean() == pytest.approx(true, rel=0.02)


@pytest.mark.parametrize("person", PEOPLE)
def test_l1_to_l4_are_as_wide_high_and_large_as_the_truth_says(world, person):
    scene = centred(world, first(person), fractures=())
    shape = (768, 768)
    mask = dxa_masks(*scene, shape=shape)
    width, height, area = sizes_of(mask, 205.0 / 768)
    true = world.morphometry(person)
    # a fraction of a pixel of the stored scan (1.07 mm)
    assert width == pytest.approx(true.lumbar_width, abs=0.3)
    assert height == pytest.approx(true.lumbar_height, abs=0.15)
    assert area == pytest.approx(true.lumbar_area, rel=0.01)


def test_without_change_the_scan_is_the_same_to_the_last_bit(world, truth):
    for person in PEOPLE[:4]:
        image = first(person)
        np.testing.assert_array_equal(
            truth.counterfactual(image).pixels, world.render(image).pixels
        )
        age = world.state(person).age
        again = truth.counterfactual(image, do={"age": age})
        np.testing.assert_array_equal(again.pixels, world.render(image).pixels)


def test_a_scan_is_rendered_alike_alone_and_in_a_crowd_and_otherwise_under_another_seed(world):
    world.tables()
    image = "P00005-V0-0"
    alone, other = open_world("dxa-tiny", 3).render(image), open_world("dxa-tiny", 4).render(image)
    np.testing.assert_array_equal(alone.pixels, world.render(image).pixels)
    assert not np.array_equal(other.pixels, alone.pixels)


def test_it_is_stored_as_eight_bits_linear_in_density(world):
    scan = world.render(first("P00001"))
    assert scan.pixels.dtype == np.uint8
    assert (scan.bits, scan.monochrome1) == (8, False)
    assert scan.pixels.shape == world.preset.shape == (192, 192)
    assert np.mean(scan.pixels == 255) < 0.002
    steps = np.unique(np.diff(np.unique(scan.density())))
    assert steps.min() == pytest.approx(DENSITY_PER_GREY, rel=1e-4)


def test_ten_years_on_the_bones_in_the_image_have_changed_as_the_graph_says(world, truth):
    image = first("P00001")
    now, later = (truth.masks(image, years=years, do={"fractures": ()}) for years in (0, 25))
    pixel = world.render(image).spacing[0]
    before, after = sizes_of(now, pixel), sizes_of(later, pixel)
    true = [truth.morphometry("P00001", years=years) for years in (0, 25)]
    for number, name in enumerate(("lumbar_width", "lumbar_height", "lumbar_area")):
        wanted = true[1][name] - true[0][name]
        assert after[number] - before[number] == pytest.approx(wanted, abs=1.1), name
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_a_wider_vertebra_by_intervention_changes_the_spine_and_leaves_the_pelvis(truth):
    image = first("P00001")
    now, wide = truth.density(image), truth.density(image, do={"lumbar_width": 52.0})
    changed = np.abs(wide - now) > 0.05
    assert changed[60:130, 70:130].any()
    assert not changed[:, :30].any()


def test_density_by_intervention_is_the_density_of_the_region(truth):
    image = first("P00002")
    region = truth.masks(image) > 0
    for density in (0.6, 0.9, 1.2):
        shown = truth.density(image, do={"bmd_spine": density, "fractures": ()})
        assert shown[region].mean() == pytest.approx(density, rel=0.01)


def test_a_crushed_vertebra_is_lower_and_denser_in_the_scan(truth):
    image = first("P00003")
    crush = {"fractures": (Fracture("L2", "crush", 0.45),)}
    sound, broken = (truth.masks(image, do=do) for do in ({"fractures": ()}, crush))
    rows = [np.count_nonzero((mask == 2).any(axis=1)) for mask in (sound, broken)]
    assert rows[1] < 0.75 * rows[0]
    densities = [
        truth.density(image, do=do)[mask == 2].mean()
        for do, mask in (({"fractures": ()}, sound), (crush, broken))
    ]
    assert densities[1] > 1.2 * densities[0]


def test_fractures_to_come_can_be_left_out_of_the_counterfactual(world):
    lives = world.block(0)
    times = lives.course.vertebral[0]
    column = int(np.flatnonzero((times > 0) & (times < 40))[0])
    person, years = f"P{column:05d}", float(times[column]) + 0.1
    truth, image = world.truth(), f"P{column:05d}-V0-0"
    with_new = truth.counterfactual(image, years=years)
    without = truth.counterfactual(image, years=years, new_fractures=False)
    assert len(world.state(person, years).fractures) > len(world.state(person).fractures)
    assert not np.array_equal(with_new.pixels, without.pixels)


def test_noise_grows_with_the_thickness_of_the_trunk_and_not_with_the_bones(world):
    state = world.state("P00000").with_changes(height=170.0)
    light, heavy = (noise_of(state.with_changes(weight=weight)) for weight in (60.0, 110.0))
    assert 1.4 < heavy / light < 3.0
    scan = world.render(first("P00001"))
    corner = scan.density()[100:140, 4:24]
    assert 0.01 < corner.std() < 0.06


def test_a_scan_is_taken_without_looking_at_the_person(world):
    scans = [draw_dxa_acquisition(generator(1, "tests", number)) for number in range(300)]
    assert np.std([scan.shift[0] for scan in scans]) == pytest.approx(2.5, rel=0.15)
    assert abs(np.mean([scan.tilt for scan in scans])) < 0.002
    person, size = world.scene(first("P00001"))
    before, after = (render_dxa(person, size, scan).pixels for scan in scans[:2])
    assert not np.array_equal(before, after)


def test_lying_down_takes_some_of_the_curves_away(world):
    state = world.state("P00000").with_changes(lordosis=60.0, kyphosis=60.0)
    flat = lying(state)
    assert flat.lordosis == pytest.approx(LYING["lordosis"][0] + 0.55 * 11.0)
    assert flat.kyphosis < 60.0
    assert flat.bmd_spine == state.bmd_spine


def test_the_index_says_that_these_are_densitometry_from_the_front(world):
    images = world.tables()["images"]
    assert set(images["modality"]) == {"BMD"}
    assert set(images["view"]) == {"AP"}
    assert images["spacing_row"].iloc[0] == pytest.approx(205 / 192, abs=1e-4)
    assert images.groupby("person_id").size().max() == 2


def test_an_unknown_sex_or_cause_is_refused(world):
    for do in ({"sex": "X"}, {"shoe_size": 42}):
        with pytest.raises(SpinecastError) as caught:
            world.morphometry("P00000", do=do)
        assert caught.value.code == "SC-706"


def test_forty_scans_a_second_on_one_core(world):
    world.tables()
    images = [first(f"P{number:05d}") for number in range(40)]
    world.render(images[0])
    best = min(_seconds(world, images) for _ in range(3))
    assert len(images) / best > 40


def _seconds(world, images):
    began = time.process_time()
    for image in images:
        world.render(image)
    return time.process_time() - began
