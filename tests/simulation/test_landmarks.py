"""Landmarks and masks of lateral films: where the bodies are, to the millimetre."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from tests.simulation.healthy import exposure, heights, person, six_points

from spinecast.simulation import Fracture
from spinecast.simulation.lateral import lateral_landmarks, lateral_masks, ray_sums
from spinecast.simulation.spine_state import LEVELS, genant_grade

SIZE = (512, 256)


def inside(points, size):
    """Pixels whose middle lies within the six points."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    places = np.column_stack([rows.ravel(), columns.ravel()])
    return Outline(points[[0, 1, 2, 5, 4, 3]]).contains_points(places).reshape(size)


@pytest.mark.parametrize("size", [(128, 64), (256, 128), (512, 256)])
@pytest.mark.parametrize("number", range(3))
def test_masks_cover_the_bodies(number, size):
    labels = lateral_masks(person(number), exposure(number), shape=size)
    for level, points in lateral_landmarks(person(number), exposure(number), shape=size).items():
        polygon, own = inside(points, size), labels == LEVELS.index(level) + 1
        assert (own & polygon).sum() > 0.93 * polygon.sum()
        assert own.sum() < 1.6 * polygon.sum() + 12


def test_masks_number_the_levels_from_head_to_foot():
    labels = lateral_masks(person(0), exposure(0, region="WHOLE"))
    found = np.unique(labels)
    np.testing.assert_array_equal(found, np.arange(len(LEVELS) + 1))
    rows = [np.nonzero(labels == number)[0].mean() for number in found[1:]]
    assert np.all(np.diff(rows) > 0)


def test_a_fractured_body_keeps_a_mask_of_its_smaller_size():
    whole, broken = (
        (lateral_masks(person(1, fractures=found), exposure(1)) == LEVELS.index("L1") + 1).sum()
        for found in ((), (Fracture("L1", "crush", 0.5),))
    )
    assert 0.4 * whole < broken < 0.75 * whole


def test_masks_of_weak_bones_cover_as_much_as_those_of_strong_ones():
    weak, strong = (
        (lateral_masks(person(1, bmd_spine=bmd), exposure(1)) > 0).sum() for bmd in (0.5, 1.1)
    )
    assert weak == pytest.approx(strong, rel=0.08)


@pytest.mark.parametrize("number", range(4))
def test_six_points_on_the_film_measure_the_body_in_millimetres(number):
    """The spine lies in the plane that the spacing is stated for; pose only turns it there."""
    acquisition = exposure(number)
    spacing = acquisition.height / SIZE[0]
    found = lateral_landmarks(person(number), acquisition, shape=SIZE)
    assert len(found) >= 12
    for level, points in found.items():
        own = heights(six_points(person(number).bodies, level))
        np.testing.assert_allclose(heights(points) * spacing, own, rtol=1e-9)


def test_landmarks_name_the_same_places_at_every_size():
    small, large = (
        lateral_landmarks(person(1), exposure(1), shape=(rows, rows // 2)) for rows in (256, 1024)
    )
    assert list(small) == list(large)
    for level, points in small.items():
        np.testing.assert_allclose((points + 0.5) * 4, large[level] + 0.5, rtol=1e-9)


@pytest.mark.parametrize("shape", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize("loss", [0.23, 0.35, 0.5])
def test_a_reader_of_the_film_finds_the_grade_without_the_anatomy(shape, loss):
    """Semiquantitative reading: the broken body against its neighbours on the same film."""
    levels = ("T12", "L1", "L2")
    whole = lateral_landmarks(person(1), exposure(1), shape=SIZE)
    broken = lateral_landmarks(
        person(1, fractures=(Fracture("L1", shape, loss),)), exposure(1), shape=SIZE
    )
    of_whole, of_broken = ([heights(f[level]) for level in levels] for f in (whole, broken))
    usual = of_whole[1] / (of_whole[0] + of_whole[2])
    now = of_broken[1] / (of_broken[0] + of_broken[2])
    lost = float(np.max(1 - now / usual))
    assert lost == pytest.approx(loss, abs=0.015)
    assert genant_grade(lost) == genant_grade(loss)


def test_points_come_front_middle_back_from_the_upper_plate_to_the_lower():
    for points in lateral_landmarks(person(1), exposure(1), shape=SIZE).values():
        assert np.all(np.diff(points[:3, 1]) > 0)  # the person faces left
        assert np.all(np.diff(points[3:, 1]) > 0)
        assert np.all(points[:3, 0] < points[3:, 0])


def test_bodies_cut_by_the_border_are_left_out():
    shown = lateral_landmarks(person(1), exposure(1, region="LS"), shape=SIZE)
    assert "T4" not in shown
    for points in shown.values():
        assert np.all(points >= -0.5)
        assert np.all(points <= np.array(SIZE) - 0.5)


def test_bone_lies_within_the_points_and_disc_between_them():
    """Mineral along the line through the middle points rises in bodies and falls in discs."""
    acquisition = dataclasses.replace(exposure(1), lean=0.0)
    _, mineral = ray_sums(person(1), acquisition, shape=SIZE)
    found = lateral_landmarks(person(1), acquisition, shape=SIZE)
    levels = [level for level in ("T12", "L1", "L2", "L3", "L4") if level in found]
    for upper, lower in pairwise(levels):
        body = found[lower][[1, 4]].mean(axis=0)
        disc = 0.5 * (found[upper][4] + found[lower][1])
        (body_row, body_column), (row, column) = np.rint([body, disc]).astype(int)
        in_body = mineral[body_row - 2 : body_row + 3, body_column - 2 : body_column + 3].mean()
        in_disc = mineral[row - 1 : row + 2, column - 2 : column + 3].mean()
        assert in_body > 1.8 * in_disc


def test_the_brightest_lines_of_the_spine_are_its_endplates():
    _, mineral = ray_sums(person(1), exposure(1), shape=SIZE)
    for level in ("L1", "L2", "L3"):
        points = lateral_landmarks(person(1), exposure(1), shape=SIZE)[level]
        top, bottom = points[1], points[4]
        along = np.linspace(0.0, 1.0, 41)[:, None]
        line = np.rint(top + along * (bottom - top)).astype(int)
        profile = mineral[line[:, 0], line[:, 1]]
        ends = max(profile[:6].max(), profile[-6:].max())
        assert ends > profile[10:31].mean()
