"""Anatomy: sizes in the published ranges, and every part of the state seen in the shapes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.simulation.healthy import MAN, cobb, heights, own_shape, person, six_points

from spinecast.simulation import Fracture, open_world
from spinecast.simulation.anatomy import build_anatomy
from spinecast.simulation.spine_state import LEVELS, genant_grade
from spinecast.simulation.vertebra import CORTEX, POSTERIOR_SHARE
from spinecast.simulation.vertebral_sizes import CHAIN

CROWD = 40
LONGEST_JUMP = 10.0
"""Of the outline from one row of the table to the next, 5 mm below, in mm."""


@pytest.fixture(scope="module")
def men():
    return [person(number).bodies for number in range(CROWD)]


@pytest.fixture(scope="module")
def women():
    return [person(number, sex="F").bodies for number in range(CROWD)]


def mean_height(bodies, level):
    front, _, back = np.mean([heights(six_points(b, level)) for b in bodies], axis=0)
    return 0.5 * (front + back)


def gaps(bodies):
    """Disc heights L4/L5 up to T4/T5 between the six points, mm, head to foot reversed."""
    points = bodies.six_points()[: CHAIN.index("T4") + 1]
    below, above = points[:-1, [0, 2]], points[1:, [3, 5]]
    return np.linalg.norm(above - below, axis=-1).mean(axis=1)


def arrays(thing):
    """All numbers in an anatomy, however deep."""
    if dataclasses.is_dataclass(thing):
        values = (getattr(thing, field.name) for field in dataclasses.fields(thing))
        return [number for value in values for number in arrays(value)]
    return [np.asarray(thing)] if isinstance(thing, np.ndarray | float | int) else []


def test_the_same_person_is_built_the_same_twice():
    for first, second in zip(arrays(person(3)), arrays(person(3)), strict=True):
        np.testing.assert_array_equal(first, second)


def test_two_people_in_the_same_state_differ_in_shape():
    assert not np.allclose(person(1).bodies.centre, person(2).bodies.centre, atol=0.5)
    assert not np.allclose(person(1).soft.table[:60], person(2).soft.table[:60], atol=0.5)


def test_age_acts_only_through_the_state():
    for young, old in zip(arrays(person(3)), arrays(person(3, age=90)), strict=True):
        if young.ndim:
            np.testing.assert_array_equal(young, old)


@pytest.mark.parametrize(("level", "height"), [("T6", 19.0), ("L4", 28.0)])
def test_mens_bodies_have_the_height_of_radiographs(men, level, height):
    assert mean_height(men, level) == pytest.approx(height, abs=0.4)


def test_bodies_grow_from_head_to_foot(men):
    of_levels = [mean_height(men, level) for level in LEVELS[:-1]]
    assert np.all(np.diff(of_levels) > 0)
    assert of_levels[0] > 17.5
    assert of_levels[-1] < 28.5


def test_depths_and_widths_of_t6_to_l5_stay_in_the_published_ranges(men):
    rows = [men[0].levels.index(level) for level in LEVELS[2:]]
    depth = np.mean([b.depth[rows].mean(axis=1) for b in men], axis=0)
    width = np.mean([b.width[rows] for b in men], axis=0)
    assert 25.5 < depth.min() < depth.max() < 35.5
    assert 29.5 < width.min() < width.max() < 48.5


def test_women_are_092_of_men_in_every_length_of_the_bodies(men, women):
    for man, woman in zip(men, women, strict=True):
        np.testing.assert_allclose(woman.width / man.width, 0.92, rtol=1e-6)
        np.testing.assert_allclose(woman.depth / man.depth, 0.92, rtol=1e-6)
    for level in LEVELS:
        assert mean_height(women, level) / mean_height(men, level) == pytest.approx(0.92, abs=2e-3)


def test_vertebra_size_scales_the_bodies():
    small, large = person(4, vertebra_size=0.95).bodies, person(4, vertebra_size=1.05).bodies
    np.testing.assert_allclose(large.width / small.width, 1.05 / 0.95)


def test_bodies_do_not_overlap_and_lie_in_order():
    for number in range(CROWD):
        anatomy = person(number, kyphosis=55.0, disc_height=0.6)
        assert np.all(np.diff(anatomy.bodies.centre[: len(CHAIN), 1]) < 0)
        assert gaps(anatomy.bodies).min() > 1.0


@pytest.mark.parametrize("shape", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize("loss", [0.22, 0.30, 0.45, 0.60])
@pytest.mark.parametrize("level", ["T7", "L1"])
def test_six_points_give_back_the_loss_and_the_grade(shape, loss, level):
    whole = heights(six_points(person(3).bodies, level))
    broken = person(3, fractures=(Fracture(level, shape, loss),)).bodies
    lost = 1 - heights(six_points(broken, level)) / whole
    front, middle, back = lost
    most = {"wedge": front, "biconcave": middle, "crush": lost.min()}[shape]
    assert most == pytest.approx(loss, abs=0.012)
    assert genant_grade(most) == Fracture(level, shape, loss).grade
    if shape == "wedge":
        assert front > middle > back
        assert back < 0.08
    elif shape == "biconcave":
        assert middle > 2 * max(front, back)
    else:
        np.testing.assert_allclose(lost, loss, atol=0.012)


def test_one_fracture_leaves_the_other_bodies_as_they_are():
    whole = person(3).bodies
    broken = person(3, fractures=(Fracture("L1", "crush", 0.5),)).bodies
    for level in set(LEVELS) - {"L1"}:
        np.testing.assert_allclose(
            heights(six_points(broken, level)), heights(six_points(whole, level)), rtol=1e-9
        )


def test_a_crush_shortens_the_spine_by_what_it_takes():
    whole, broken = (
        person(3, fractures=found).bodies for found in ((), (Fracture("L2", "crush", 0.5),))
    )
    lost = np.diff([heights(six_points(b, "L2")).mean() for b in (broken, whole)])[0]
    reach = [np.hypot(*(b.centre[CHAIN.index("L1")])) for b in (broken, whole)]
    assert reach[1] - reach[0] == pytest.approx(lost, rel=0.15)


@pytest.mark.parametrize("number", range(5))
def test_the_kyphosis_of_the_state_is_the_angle_measured(number):
    stated = np.array([20.0, 35.0, 50.0, 65.0])
    measured = [cobb(person(number, kyphosis=angle).bodies, "T4", "T12") for angle in stated]
    np.testing.assert_allclose(np.diff(measured), np.diff(stated), atol=0.2)
    np.testing.assert_allclose(measured, stated, atol=6.0)


def test_lordosis_bends_the_lumbar_spine_the_other_way():
    flat, hollow = (-cobb(person(2, lordosis=angle).bodies, "L1", "L5") for angle in (30.0, 60.0))
    assert hollow > flat + 12.0


def test_wedge_fractures_add_kyphosis_and_neighbouring_discs_give_some_back():
    added = []
    for loss in (0.0, 0.25, 0.5):
        bodies = person(2, fractures=(Fracture("T8", "wedge", loss),)).bodies
        added.append(cobb(bodies, "T4", "T12"))
    wedge = np.degrees(np.arctan(0.4 * 20.5 / 28.5))
    assert added[0] < added[1] < added[2]
    assert 0.5 * wedge < added[2] - added[0] < 1.1 * wedge


def test_discs_have_the_height_of_young_men(men):
    mean = np.mean([gaps(bodies) for bodies in men], axis=0)
    assert 3.5 < mean.min() < mean.max() < 11.6
    assert mean[0] > 2 * mean[-1]


def test_discs_shrink_with_the_state_each_at_its_own_pace():
    young, worn = (gaps(person(2, disc_height=factor).bodies) for factor in (1.0, 0.6))
    left = worn / young
    assert np.all(left < 1.0)
    assert left.mean() == pytest.approx(0.6, abs=0.12)
    assert left.std() > 0.05


def test_an_ap_scan_of_the_bodies_gives_the_areal_density_back():
    for bmd in (0.7, 0.9, 1.1):
        bodies = person(1, bmd_spine=bmd).bodies
        rows = [CHAIN.index(level) for level in ("L1", "L2", "L3", "L4")]
        depth = bodies.depth[rows].mean(axis=1) / 10
        plates = 2 * bodies.endplate[rows] / 10 * CORTEX * depth * 10 / bodies.anterior[rows]
        areal = bodies.core[rows] * depth + 2 * bodies.shell[rows] / 10 * CORTEX + plates
        assert areal.mean() / (1 - POSTERIOR_SHARE) == pytest.approx(bmd, rel=0.02)


def test_low_density_thins_every_bone():
    weak, strong = person(1, bmd_spine=0.6), person(1, bmd_spine=1.1)
    assert np.all(weak.bodies.core < strong.bodies.core)
    assert np.all(weak.bodies.shell < strong.bodies.shell)
    assert np.all(weak.bones.material[:, :3] <= strong.bones.material[:, :3])
    assert np.all(weak.wings.mineral <= strong.wings.mineral)


def test_lost_trabeculae_show_as_contrast_of_the_lattice():
    assert person(1, trabecular=0.6).bodies.texture[0] > person(1).bodies.texture[0]


def test_spurs_and_plaques_appear_one_by_one_and_then_grow():
    none = len(person(5).bones)
    for cause in ("osteophytes", "aortic_calcification"):
        counts = [len(person(5, **{cause: amount}).bones) - none for amount in (0.0, 0.4, 0.7, 1.0)]
        assert counts[0] == 0
        assert np.all(np.diff(counts) >= 0)
        assert counts[-1] > 10


def test_fat_and_muscle_thicken_the_body():
    thin, stout = person(1, weight=55.0).soft, person(1, weight=105.0).soft
    width = {name: soft.table[:, 2].mean() for name, soft in {"thin": thin, "stout": stout}.items()}
    assert width["stout"] > 1.15 * width["thin"]
    lean, fat = person(1).soft, person(1, subcutaneous_fat=1.8).soft
    assert np.all(fat.table[:, 3] > lean.table[:, 3])


def test_nothing_of_the_body_is_broken_off():
    """No outline column jumps from row to row: nothing ends at a fixed coordinate."""
    for number in range(10):
        table = person(number, kyphosis=50.0).soft.table
        assert np.abs(np.diff(table[:, :2], axis=0)).max() < LONGEST_JUMP
        assert np.all(table[:, 0] - table[:, 1] > 100.0)


MANY_WEDGES = tuple(
    Fracture(level, "wedge", 0.5) for level in ("T5", "T6", "T7", "T8", "T9", "T11", "T12", "L1")
)


def possible(anatomy):
    """Whether the mobile spine still rises: no body below the one under it, none upside down."""
    centre = anatomy.bodies.centre[: len(CHAIN), 1]
    steepest = np.degrees(np.abs(anatomy.bodies.inclination[: len(CHAIN)])).max()
    return bool(np.all(np.diff(centre) < 0) and steepest < 90.0)


def test_healthy_spines_rise_without_folding():
    assert all(possible(person(number, kyphosis=60.0)) for number in range(20))


def test_eight_wedge_fractures_leave_a_body_that_can_exist():
    assert possible(build_anatomy(MAN.with_changes(fractures=MANY_WEDGES), own_shape(2)))


def test_the_oldest_with_many_fractures_can_exist():
    state = open_world("tiny", 1).state("P00031", do={"age": 91})
    assert len(state.fractures) >= 8
    assert possible(build_anatomy(state, own_shape(31)))
