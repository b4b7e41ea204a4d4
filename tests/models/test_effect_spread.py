"""How far off effects are, measured where second images are off what was foretold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.models.fitted_boxes import DEEP, SHAPE, new_model
from torch.nn import functional as F

from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.models.effect_spread import measure_stray, window_mends
from spinecast.models.image_follow_ups import FollowUps
from spinecast.models.parent_effects import displace


def textures(n: int, seed: int, side: int = SHAPE[0]) -> torch.Tensor:
    """Return images with edges a few pixels wide everywhere."""
    noise = torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.4 * F.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False)[:, 0]


def test_a_displacement_and_a_gain_are_found_where_they_are():
    images = textures(4, 1, side=96)
    field = torch.zeros(4, 2, 96, 96)
    field[:, 0], field[:, 1] = 0.3, -0.2
    later = displace(images, field) * 1.05
    later[:, :20] = torch.nan
    found = window_mends(images, later, window=16, columns=slice(16, 80))
    assert found.shape == (4, 6, 6, 3)
    assert found[:, :2].isnan().all()
    assert found[:, :, [0, 5]].isnan().all()
    median = found.flatten(0, 2).nanmedian(dim=0).values
    np.testing.assert_allclose(median, [0.3, -0.2, np.log(1.05)], atol=0.04)


class Twice:
    """Images, and the same with parts astray by so much a unit of change, turned, with grain."""

    def __init__(self, n: int, *, stray: float, turn: float = 0.0, seed: int = 0) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.model = new_model(DEEP).eval()
        first = textures(n, seed + 1)
        self.change = torch.linspace(0.2, 3.0, n)
        own = torch.ones(n, 3, dtype=torch.float64)
        self.parents = torch.cat([own, own]).numpy()
        self.asked = own.clone()
        self.asked[:, 0] = self.change.exp()
        effects = self.model.effects
        assert effects is not None
        draws = torch.randn(n, 3, *effects.windows, generator=rng)
        effects.stray[0] = stray
        delta = torch.stack([self.change, torch.zeros(n), torch.zeros(n)], dim=1)
        field, _ = effects.astray(draws, delta)
        effects.stray.zero_()
        field[:, 1] += turn * torch.randn(n, 1, 1, generator=rng)
        grain = 0.01 * torch.randn(first.shape, generator=rng)
        self.images = torch.cat([first, displace(first, field) + grain]).numpy()

    def read(self, which: np.ndarray) -> np.ndarray:
        return self.images[which]

    def pairs(self) -> FollowUps:
        n = len(self.images) // 2
        return FollowUps(np.arange(n), n + np.arange(n), self.asked.numpy(), torch.zeros(n, 4), 1.0)


@pytest.mark.parametrize("stray", [0.0, 0.15])
def test_what_grows_with_the_change_is_measured(stray):
    people = Twice(120, stray=stray)
    model = people.model
    model.redraw.zero_()
    measure_stray(model, people, people.pairs(), parents=people.parents)
    assert float(model.effects.stray[0]) == pytest.approx(stray, abs=0.06)
    assert float(model.effects.stray[1]) < 0.05


def test_how_people_turned_does_not_hide_how_far_off_effects_are():
    people = Twice(120, stray=0.15, turn=0.8)
    people.model.redraw.zero_()
    measure_stray(people.model, people, people.pairs(), parents=people.parents)
    assert float(people.model.effects.stray[0]) == pytest.approx(0.15, abs=0.06)


def test_few_pairs_say_nothing():
    people = Twice(12, stray=0.3)
    measure_stray(people.model, people, people.pairs(), parents=people.parents)
    assert not people.model.effects.stray.any()


def test_particles_stray_and_the_mean_does_not():
    people = Twice(6, stray=0.0)
    mechanism = ImageMechanism(people.model, ("width", "height", "brightness"))
    people.model.redraw.zero_()
    images, known = people.images[:6], people.parents[:6]
    asked = np.stack([known, known * np.array([2.0, 1.0, 1.0])])
    exact = mechanism.generate(images, known, asked)
    people.model.effects.stray.copy_(torch.tensor([0.5, 0.02]))
    dice = torch.Generator().manual_seed(3)
    found = mechanism.generate(images, known, asked, particles=8, generator=dice)
    # nothing changes where nothing was asked, and the estimate is what it was
    assert found.spread[0].max() < 1e-5
    assert found.spread[1].mean() > 0.005
    np.testing.assert_allclose(found.mean, exact.mean, atol=0.02)
