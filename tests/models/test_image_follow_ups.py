"""Other images of the same people as teachers of what years do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.boxes import Boxes, draw_people
from tests.models.fitted_boxes import FIT, SHAPE, TWO_LEVEL, new_model

from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.errors import ModelError
from spinecast.models.hvae_training import HVAETraining, fit_image_model
from spinecast.models.image_follow_ups import (
    FollowUps,
    find_follow_ups,
    missed,
    with_follow_ups,
)

PEOPLE = 200
#: What years do to width, height and brightness.
YEARS = np.array([1.08, 0.95, 0.85])


class Twice:
    """Everybody twice: as they were, and later, lying elsewhere and with other grain."""

    def __init__(self, people: Boxes, *, change: np.ndarray, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        n, side, _ = people.texture.shape
        later = replace(
            people,
            parents=people.parents * change,
            place=people.place + rng.normal(0, 0.03, (n, 2)),
            grain=0.02 * rng.standard_normal((n, side, side)),
        )
        self.images = np.concatenate([people.images, later.images])
        self.parents = np.concatenate([people.parents, people.parents * change])

    def read(self, which: np.ndarray) -> np.ndarray:
        return self.images[which]

    def pairs(self, **options) -> FollowUps:
        n = len(self.images) // 2
        return find_follow_ups(
            self, np.arange(n), n + np.arange(n), parents=self.parents[n:], **options
        )


def skill(model, *, seed: int) -> float:
    """Return the share of the true change of strangers that counterfactuals make."""
    strangers = draw_people(64, side=SHAPE[0], seed=seed)
    before, later = strangers.images, strangers.under(strangers.parents * YEARS)
    mechanism = ImageMechanism(model, ("width", "height", "brightness"))
    made = mechanism.generate(before, strangers.parents, (strangers.parents * YEARS)[None]).mean[0]
    return float(1 - np.abs(made - later).mean() / np.abs(before - later).mean())


def test_how_a_person_lay_is_undone_and_what_years_did_is_not():
    people = draw_people(24, side=SHAPE[0], seed=3)
    same = Twice(people, change=np.ones(3))
    found = same.pairs()
    before = np.abs(same.images[:24] - same.images[24:]).mean()
    assert found.unchanged < 0.25 * before
    grown = Twice(people, change=np.array([1.25, 1.0, 1.0])).pairs()
    assert grown.unchanged > 3 * found.unchanged
    assert grown.pose[:, 3].abs().max() == 0


def test_a_batch_asks_those_who_have_another_image():
    people = draw_people(8, side=SHAPE[0], seed=3)
    images = Twice(people, change=YEARS)
    follow_ups = images.pairs()
    batch = np.array([11, 3, 5, 9, 0])
    known = torch.from_numpy(follow_ups.parents)
    places, later, asked = with_follow_ups(batch, images, follow_ups, asked=known, most=2)
    assert places.tolist() == [1, 2]
    assert later.shape == (2, *SHAPE)
    np.testing.assert_array_equal(asked, images.parents[[8 + 3, 8 + 5]])


def test_a_model_that_changes_nothing_misses_what_the_pairs_differ_by():
    people = draw_people(16, side=SHAPE[0], seed=3)
    images = Twice(people, change=YEARS)
    follow_ups, model = images.pairs(), new_model(TWO_LEVEL).eval()
    model.measure(torch.from_numpy(images.images), torch.from_numpy(images.parents))
    given = torch.from_numpy(images.read(np.arange(16)))
    own = model.scale(torch.from_numpy(images.parents[:16]))
    with torch.no_grad():
        inferred = model.infer(model.look(given), own, rng=None)
        places, later, _ = with_follow_ups(np.arange(16), images, follow_ups, asked=own, most=16)
        gap = missed(model, given, inferred, followed=(places, later, own), columns=slice(None))
        nobody = missed(
            model, given, inferred, followed=(places[:0], later[:0], own[:0]), columns=slice(None)
        )
    assert float(gap) == pytest.approx(follow_ups.unchanged, rel=1e-4)
    assert float(nobody) == 0


def test_years_are_learnt_from_people_who_came_twice():
    people = draw_people(PEOPLE, side=SHAPE[0], seed=1)
    images = Twice(people, change=YEARS)
    plain = HVAETraining(
        fit=replace(FIT, max_steps=120), counterfactual=0.0, roi_charbonnier=0.3, roi_laplacian=0.1
    )
    reached = {}
    for weight in (0.0, 3.0):
        model = new_model(TWO_LEVEL)
        fit_image_model(
            model, images, np.arange(2 * PEOPLE), parents=images.parents,
            training=replace(plain, follow_up=weight), follow_ups=images.pairs(),
        )  # fmt: skip
        assert float(model.redraw) == (0.0 if weight else 1.0)
        reached[weight] = skill(model, seed=5)
    assert reached[3.0] > 0.2
    assert reached[3.0] > reached[0.0] + 0.1


@pytest.mark.gpu
def test_years_are_learnt_on_an_accelerator_too():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    people = draw_people(32, side=SHAPE[0], seed=1)
    images, model = Twice(people, change=YEARS), new_model(TWO_LEVEL)
    plain = HVAETraining(
        fit=replace(FIT, max_steps=3, accelerator="gpu"), counterfactual=0.0, follow_up=3.0
    )
    result = fit_image_model(
        model, images, np.arange(64), parents=images.parents, training=plain,
        follow_ups=images.pairs(), validation_rows=np.arange(8),
    )  # fmt: skip
    assert result.steps == 3
    assert bool(result.history["loss"].notna().all())


def test_an_image_stands_once_among_the_first():
    people = draw_people(4, side=SHAPE[0], seed=3)
    images = Twice(people, change=YEARS)
    twice = np.array([0, 0])
    with pytest.raises(ModelError, match="SC-407"):
        find_follow_ups(images, twice, np.array([1, 2]), parents=images.parents[:2])
