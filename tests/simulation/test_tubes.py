"""Long bones, laid down for all levels at once, are those of one level at a time."""

from __future__ import annotations

import numpy as np
import pytest
from tests.simulation.healthy import own_shape, person

from spinecast.simulation.posterior import (
    _PARTS,
    bone_strength,
    osteophytes,
    posterior_elements,
)
from spinecast.simulation.thorax import ribs, shoulder_blades
from spinecast.simulation.tubes import Tube, equal_tubes, join, merge
from spinecast.simulation.vertebral_sizes import CHAIN, N_CHAIN
from spinecast.simulation.vessels import plaques


@pytest.fixture(scope="module", params=range(3))
def case(request):
    number = request.param
    changes = {"osteophytes": 0.8, "aortic_calcification": 0.8, "bmd_spine": 0.7}
    return person(number, **changes), own_shape(number)


def of(tubes, index):
    """Points, radius, fade and material of one tube."""
    own = slice(tubes.start[index], tubes.start[index + 1])
    return tubes.points[own], tubes.radius[own], tubes.fade[own], tubes.material[index]


def same(first, second):
    for name in ("points", "radius", "fade", "start", "material"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-12)


def lumbar_like(level):
    return (
        1.0 if level[0] == "L" else {"T9": 0.1, "T10": 0.25, "T11": 0.55, "T12": 0.85}.get(level, 0)
    )


def one_part(part, bodies, row, *, dice, hand):
    """The plain reading of the table: one part of one vertebra on one side."""
    level = CHAIN[row]
    size = bodies.width[row] / (45.0 if level[0] == "L" else 36.0)
    size = (size + bodies.depth[row].mean() / 31.0) / 2
    thoracic, lumbar = (np.array(rows, float) for rows in _PARTS[part])
    behind, above, aside, radius = ((thoracic + lumbar_like(level) * (lumbar - thoracic)) * size).T
    length, drop, facet, side = dice.posterior[row]
    if part == "spine":
        behind = behind * (1 + 0.06 * length)
        above = above + np.arange(4) / 3 * 2.2 * drop
    else:
        aside, radius = aside * hand, radius * (1 + 0.07 * facet)
        above = above + 0.6 * side * hand
    from_centre = np.column_stack([behind + bodies.depth[row].mean() / 2, above])
    turned = bodies.to_world(
        *(np.tile(column, (len(bodies.levels), 1)) for column in from_centre.T)
    )
    return np.column_stack([turned[row], aside]), radius


@pytest.mark.parametrize("level", ["L5", "L1", "T12", "T10", "T5", "C4"])
def test_posterior_elements_lie_where_the_table_says(case, level):
    anatomy, dice = case
    row = CHAIN.index(level)
    found = posterior_elements(anatomy.bodies, anatomy.state, dice)
    assert len(found) == 9 * N_CHAIN
    index = 9 * row
    for part in ("pedicle", "upper facet", "lower facet", "transverse"):
        for hand in (-1.0, 1.0):
            points, radius = one_part(part, anatomy.bodies, row, dice=dice, hand=hand)
            np.testing.assert_allclose(of(found, index)[0], points, atol=1e-9)
            np.testing.assert_allclose(of(found, index)[1], radius, atol=1e-9)
            index += 1
    points, radius = one_part("spine", anatomy.bodies, row, dice=dice, hand=0.0)
    np.testing.assert_allclose(of(found, index)[0], points, atol=1e-9)
    np.testing.assert_allclose(of(found, index)[1], radius, atol=1e-9)


def test_spinous_processes_are_plates_and_all_else_tubes(case):
    anatomy, dice = case
    material = posterior_elements(anatomy.bodies, anatomy.state, dice).material
    plates = material[:, 4] > 0
    np.testing.assert_array_equal(np.nonzero(plates)[0], 9 * np.arange(N_CHAIN) + 8)
    strength = bone_strength(anatomy.state)
    np.testing.assert_allclose(material[plates, 2], 0.13 * strength)
    np.testing.assert_allclose(material[~plates, 2], 0.11 * strength)


def test_there_are_24_ribs_in_pairs_that_leave_the_spine_at_their_level(case):
    anatomy, dice = case
    found = ribs(anatomy.bodies, anatomy.state, dice)
    assert len(found) == 24
    for number in range(12):
        body = anatomy.bodies.centre[CHAIN.index(f"T{number + 1}")]
        left, right = (of(found, 2 * number + hand)[0] for hand in (0, 1))
        assert np.all(left[:, 2] < 0)
        assert np.all(right[:, 2] > 0)
        for side in (left, right):
            assert np.hypot(*(side[0, :2] - body)) < 30.0


def test_ribs_run_back_then_forward_and_down_without_jumps(case):
    anatomy, dice = case
    found = ribs(anatomy.bodies, anatomy.state, dice)
    for index in range(24):
        points, radius, fade, _ = of(found, index)
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        assert steps.max() < 55.0
        assert points[-1, 1] > points[0, 1]
        assert points[:6, 0].max() > points[0, 0] + 8.0
        assert np.all(radius > 2.0)
        assert fade[-1] < 0.7
    for number in range(1, 9):  # the long ones reach the front of the chest
        points = of(found, 2 * number)[0]
        assert points[-1, 0] < points[0, 0] - 40.0


def test_nobodys_left_ribs_are_the_right_ones_mirrored(case):
    anatomy, dice = case
    found = ribs(anatomy.bodies, anatomy.state, dice)
    left, right = (of(found, 10 + hand)[0] for hand in (0, 1))
    assert not np.allclose(left[:, :2], right[:, :2], atol=0.1)


def test_spurs_start_at_the_front_corners_and_grow_forward(case):
    anatomy, dice = case
    found = osteophytes(anatomy.bodies, anatomy.state, dice)
    corners = anatomy.bodies.six_points()[:, [0, 3]].reshape(-1, 2)
    assert 5 < len(found) < 2 * N_CHAIN
    for index in range(len(found)):
        points, radius, _, _ = of(found, index)
        away = np.linalg.norm(corners - points[1, :2], axis=1)
        assert away.min() < 0.13 * 9.0
        assert points[-1, 0] < points[0, 0]
        assert np.all(np.diff(radius) < 0)


def test_plaques_lie_on_the_wall_of_the_aorta(case):
    anatomy, dice = case
    found = plaques(anatomy.vessel, anatomy.state, dice)
    assert len(found) > 5
    line, radius = anatomy.vessel.line, anatomy.vessel.radius
    fine = np.linspace(0, 8, 2000)
    x, y = (np.interp(fine, np.arange(9), line[:, axis]) for axis in (0, 1))
    wide = np.interp(fine, np.arange(9), radius)
    for index in range(len(found)):
        points = of(found, index)[0]
        nearest = np.abs(y[None] - points[:, 1:2]).argmin(axis=1)
        off = np.abs(points[:, 0] - x[nearest]) / wide[nearest]
        assert np.all((off > 0.85) & (off < 1.02))


def test_the_young_have_neither_spurs_nor_plaques():
    anatomy = person(0)
    assert len(osteophytes(anatomy.bodies, anatomy.state, own_shape(0))) == 0
    assert len(plaques(anatomy.vessel, anatomy.state, own_shape(0))) == 0


def test_merged_groups_are_the_tubes_joined_one_by_one():
    rng = np.random.default_rng(0)
    tubes = [
        Tube(rng.random((knots, 3)), rng.random(knots), wall=0.1 * knots, fade=rng.random(knots))
        for knots in (2, 5, 3, 4)
    ]
    same(merge([join(tubes[:1]), join(tubes[1:3]), join(tubes[3:])]), join(tubes))


def test_tubes_of_equal_length_are_the_tubes_joined_one_by_one():
    rng = np.random.default_rng(1)
    points, radius, wall = rng.random((3, 4, 3)), rng.random((3, 4)), rng.random(3)
    one_by_one = [
        Tube(points[row], radius[row], wall=wall[row], cortex=0.9, core=0.2, flatness=0.5)
        for row in range(3)
    ]
    group = equal_tubes(points, radius, material=(wall, 0.9, 0.2, 0.5, 0.0), fade=np.ones(1))
    same(group, join(one_by_one))
    none = equal_tubes(points[:0], radius[:0], material=(0.1, 1, 0.2, 1, 0), fade=np.ones(1))
    same(merge([none, group, none]), group)


def test_shoulder_blades_stand_apart_above_the_chest(case):
    anatomy, dice = case
    left, right = shoulder_blades(anatomy.bodies, anatomy.state, dice)
    assert left.points[0, 2] == -right.points[0, 2]
    assert not np.allclose(left.points[:, :2], right.points[:, :2], atol=1.0)
