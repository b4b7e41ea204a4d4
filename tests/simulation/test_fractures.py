"""Event times are exact draws from the stated hazards."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from spinecast.simulation import draw_lives, find_preset
from spinecast.simulation.fractures import (
    EDGES,
    MOST_FRACTURES,
    STEP,
    cumulated_at,
    log_hazard,
    non_vertebral_multiplier,
    standardised,
    vertebral_multiplier,
)
from spinecast.simulation.presets import HazardModel
from spinecast.simulation.spine_state import LEVELS

MODEL = find_preset("bench").hazard


def bench(hazard):
    return dataclasses.replace(find_preset("bench"), hazard=hazard)


def test_with_a_constant_hazard_the_waiting_time_is_exponential():
    flat = HazardModel(
        vertebral_rate=0.2, age=0, female=0, bmd=0, trabecular=0, kyphosis=0, disc=0, muscle=0,
        glucocorticoids=0, prior=0, after_baseline=0, non_vertebral_rate=1e-12,
    )  # fmt: skip
    course = draw_lives(bench(flat), 5, range(2500)).course
    none_before = course.count_vertebral(0.0) == 0
    first = course.first_after_baseline("vertebral")[none_before]
    assert none_before.sum() > 200
    assert stats.kstest(first, stats.expon(scale=1 / 0.2).cdf).pvalue > 0.005


def test_rescaled_by_the_true_hazard_every_first_fracture_is_exponential(many):
    course = many.course
    first = course.first_after_baseline("vertebral")
    curve = course.cumulated["vertebral"]
    factor = vertebral_multiplier(course.count_vertebral(0.0), model=MODEL)
    end, zero = np.minimum(first, EDGES[-1]), np.zeros(len(many.dice))
    spent = factor * (cumulated_at(curve, end) - cumulated_at(curve, zero))
    whole = factor * (curve[-1] - cumulated_at(curve, zero))
    # Given an event within the known time, 1 - exp(-spent) is uniform up to 1 - exp(-whole).
    had = np.isfinite(first)
    uniform = np.expm1(-spent[had]) / np.expm1(-whole[had])
    assert had.sum() > 1000
    assert stats.kstest(uniform, "uniform").pvalue > 0.005


def test_deaths_rescaled_by_their_hazard_are_exponential_too(many):
    spent = cumulated_at(many.course.cumulated["death"], np.minimum(many.course.death, EDGES[-1]))
    died = np.isfinite(many.course.death)
    assert died.mean() > 0.9
    whole = many.course.cumulated["death"][-1]
    uniform = (np.expm1(-spent) / np.expm1(-whole))[died]
    assert stats.kstest(uniform, "uniform").pvalue > 0.005


def test_mortality_doubles_every_eight_years(many):
    causes = many.causes
    young, old = (
        log_hazard(causes, np.full(len(many.dice), age), model=MODEL)["death"] for age in (60, 68)
    )
    no_drug = causes["glucocorticoids"] == 0
    np.testing.assert_allclose((old - young)[no_drug], np.log(2), rtol=1e-9)


def test_nobody_breaks_a_bone_before_fifty(many):
    age = many.causes["baseline_age"] + np.minimum(many.course.vertebral, 99)
    assert age.min() >= 50 - STEP


def test_times_are_in_order_and_no_vertebra_breaks_twice(many):
    times, levels = many.course.vertebral, many.course.vertebral_level
    finite = np.where(np.isfinite(times), times, 1e9)
    assert (np.diff(finite, axis=0) >= 0).all()
    for column in np.nonzero(np.isfinite(times).sum(axis=0) > 1)[0][:500]:
        own = levels[np.isfinite(times[:, column]), column]
        assert len(set(own)) == len(own)


def test_levels_peak_in_the_middle_and_at_the_foot_of_the_thoracic_spine(many):
    first = np.isfinite(many.course.vertebral[0])
    share = np.bincount(many.course.vertebral_level[0][first], minlength=len(LEVELS)) / first.sum()
    by_level = dict(zip(LEVELS, share, strict=True))
    assert by_level["T7"] + by_level["T8"] > 1.4 * (by_level["T9"] + by_level["T10"])
    assert by_level["T11"] + by_level["T12"] + by_level["L1"] > 0.35
    assert by_level["L5"] < 0.05


def test_height_losses_are_gradable_and_wedges_are_commonest(many):
    happened = np.isfinite(many.course.vertebral)
    loss = many.course.vertebral_loss[happened]
    assert loss.min() >= 0.20
    assert loss.max() <= 0.62
    shapes = np.bincount(many.course.vertebral_shape[happened], minlength=3)
    assert shapes[0] > shapes[1] > shapes[2] > 0


def test_a_first_fracture_multiplies_the_hazard_and_the_last_ends_it():
    factor = vertebral_multiplier(np.arange(12), model=MODEL)
    assert factor[0] == 1
    assert factor[1] == pytest.approx(np.exp(MODEL.prior))
    assert (np.diff(factor[1 : MOST_FRACTURES + 1]) < 0).all()
    assert (factor[MOST_FRACTURES:] == 0).all()
    elsewhere = non_vertebral_multiplier(np.array([0, 1, 0]), np.array([0, 0, 2]), model=MODEL)
    np.testing.assert_allclose(elsewhere, [1, *[np.exp(MODEL.non_vertebral_prior)] * 2])


@pytest.mark.parametrize(
    ("name", "coefficient"),
    [
        ("bmd_spine", MODEL.bmd),
        ("trabecular", MODEL.trabecular),
        ("kyphosis", MODEL.kyphosis),
        ("disc_height", MODEL.disc),
        ("muscle", MODEL.muscle),
    ],
)
def test_harm_is_measured_towards_higher_hazard(name, coefficient, many):
    state = {
        key: np.array([0.0, 1.0])
        for key in ("bmd_spine", "trabecular", "kyphosis", "disc_height", "muscle")
    }
    worse = 1 if name == "kyphosis" else -1
    assert coefficient > 0
    assert worse * np.diff(standardised(state)[name])[0] > 0


def test_more_bone_never_means_an_earlier_first_fracture():
    preset = find_preset("demo")
    people = range(150)
    normal = draw_lives(preset, 8, people)
    shift = {
        name: draw_lives(preset, 8, people, do={"bone_slope": 0.0, "bone_spine": value}).course
        for name, value in {"thin": -1.0, "dense": 1.0}.items()
    }
    first = {name: np.min(course.vertebral, axis=0) for name, course in shift.items()}
    assert (first["dense"] >= first["thin"]).all()
    assert np.mean(first["dense"] > first["thin"]) > 0.5
    assert len(normal.dice) == 150


def test_after_baseline_only_the_hazard_afterwards_changes():
    calm, raised = (
        draw_lives(bench(dataclasses.replace(MODEL, after_baseline=value)), 4, range(300)).course
        for value in (0.0, 1.0)
    )
    before = np.where(calm.vertebral <= 0, calm.vertebral, np.inf)
    same = np.where(raised.vertebral <= 0, raised.vertebral, np.inf)
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(same, axis=0))
    assert (
        raised.first_after_baseline("vertebral") <= calm.first_after_baseline("vertebral")
    ).all()
