"""Augmentation: deterministic given its dice, and true to geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spinecast.models.augment import (
    Augmentation,
    AugmentationDice,
    apply_augmentation,
    augment,
    draw_augmentation,
)

FULL = Augmentation(rotation=10, scale=0.1, shift=0.05, noise=0.05, contrast=0.2, gamma=0.2, blur=1)


def picture(n=4, rows=40, columns=20):
    return torch.rand(n, 1, rows, columns, generator=torch.Generator().manual_seed(0))


def dice(images, **changes):
    n = len(images)
    plain = {
        "angle": torch.zeros(n),
        "size": torch.ones(n),
        "shift": torch.zeros(n, 2),
        "contrast": torch.ones(n),
        "gamma": torch.ones(n),
        "blur": torch.zeros(n),
        "noise": torch.zeros_like(images),
    }
    return AugmentationDice(**{**plain, **changes})


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_neutral_dice_change_nothing():
    images = picture()
    assert torch.allclose(apply_augmentation(images, dice(images)), images, atol=1e-6)


def test_no_augmentation_returns_the_images_themselves():
    images = picture()
    assert augment(images, Augmentation(), rng()) is images


def test_equal_generators_give_equal_images_within_zero_and_one():
    images = picture()
    first, again = augment(images, FULL, rng(1)), augment(images, FULL, rng(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(images, FULL, rng(2)))
    assert first.min() >= 0
    assert first.max() <= 1
    assert first.shape == images.shape


def test_dice_stay_within_their_limits_and_images_draw_their_own():
    drawn = draw_augmentation(picture(200), FULL, rng())
    assert drawn.angle.abs().max() <= math.radians(10)
    assert 0.9 <= drawn.size.min() < drawn.size.max() <= 1.1
    assert drawn.shift.abs().max() <= 0.1
    assert drawn.angle.unique().numel() > 190


def test_rotation_keeps_angles_and_lengths_in_pixels_on_oblong_images():
    images = torch.zeros(1, 1, 81, 41)
    images[0, 0, 20, 20] = 1  # 20 pixels above the centre
    turned = apply_augmentation(images, dice(images, angle=torch.tensor([math.radians(30)])))
    weights = turned[0, 0].numpy()
    rows, columns = np.indices(weights.shape)
    row, column = (weights * rows).sum() / weights.sum(), (weights * columns).sum() / weights.sum()
    offset = np.array([row - 40, column - 20])
    assert np.hypot(*offset) == pytest.approx(20, abs=0.3)
    assert math.degrees(math.atan2(abs(offset[1]), -offset[0])) == pytest.approx(30, abs=1)


def test_scaling_by_two_doubles_a_square():
    images = torch.zeros(1, 1, 40, 20)
    images[0, 0, 16:24, 6:14] = 1
    grown = apply_augmentation(images, dice(images, size=torch.tensor([2.0])))
    assert float(grown.sum()) == pytest.approx(4 * 64, rel=0.05)


def test_shifts_are_shares_of_the_image_and_bring_in_black():
    images = torch.ones(1, 1, 40, 20)
    moved = apply_augmentation(images, dice(images, shift=torch.tensor([[0.0, 0.5]])))
    assert float(moved.mean()) == pytest.approx(0.75, abs=0.01)


def test_full_blur_lowers_grain_and_keeps_the_mean():
    images = picture(1, 60, 60)
    soft = apply_augmentation(images, dice(images, blur=torch.ones(1)))
    assert soft.std() < 0.5 * images.std()
    assert float(soft.mean()) == pytest.approx(float(images.mean()), abs=0.01)
