"""Abduct, act, predict on images: exactness, direction, nearness to the true counterfactual."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.models.fitted_boxes import DEEP, TWO_LEVEL, fitted, reader, strangers

from spinecast.counterfactuals import image_mechanism
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.errors import CohortError, ModelError

NAMES = ("width", "height", "brightness")
KINDS = pytest.mark.parametrize("config", [TWO_LEVEL, DEEP], ids=["two-level", "deep"])


def mechanism(config):
    return ImageMechanism(fitted(config)[0], NAMES)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def scaled(factors):
    return strangers().parents * np.asarray(factors)


def others():
    """Return each one's parents of somebody else."""
    return np.roll(strangers().parents, 1, axis=0)


def generated(config, parents_do, **options):
    boxes = strangers()
    return mechanism(config).generate(boxes.images, boxes.parents, parents_do, **options)


def skill(made, true):
    images = strangers().images
    return 1 - np.abs(made - true).mean() / np.abs(images - true).mean()


@KINDS
def test_an_intervention_that_changes_nothing_returns_the_image(config):
    boxes = strangers()
    found = generated(
        config, boxes.parents[None], particles=3, generator=rng(), keep_particles=True
    )
    assert np.abs(found.particles[0] - boxes.images[:, None]).max() < 1e-6
    assert np.abs(found.mean[0] - boxes.images).max() < 1e-6
    assert found.spread.max() < 1e-6


@KINDS
def test_there_and_back_again_is_the_image_nearly(config):
    boxes, found = strangers(), mechanism(config)
    there = found.generate(boxes.images, boxes.parents, scaled([1.1, 1, 1])[None]).mean[0]
    back = found.generate(there, scaled([1.1, 1, 1]), boxes.parents[None]).mean[0]
    assert np.abs(back - boxes.images).mean() < 0.7 * np.abs(there - boxes.images).mean()


@KINDS
@pytest.mark.parametrize("parent", [0, 1, 2])
def test_an_intervened_parent_is_read_off_the_image_by_another_network(config, parent):
    factors = np.ones(3)
    factors[parent] = 1.12
    judge = reader(seed=7, widths=(12, 24, 40))
    asked = scaled(factors)
    made = generated(config, asked[None]).mean[0]
    with torch.no_grad():
        before, after = (judge(torch.from_numpy(i)) for i in (strangers().images, made))
    moved = (after - before).mean(dim=0)
    known = judge.scale(torch.from_numpy(asked))
    expected = known - judge.scale(torch.from_numpy(strangers().parents))
    assert 0.6 < float(moved[parent] / expected[:, parent].mean()) < 1.4
    untouched = [k for k in range(3) if k != parent]
    assert float(moved[untouched].abs().max()) < 0.35 * float(moved[parent])
    error = float((after - known)[:, parent].abs().mean())
    assert error < 0.6 * float((before - known)[:, parent].abs().mean())


@KINDS
def test_counterfactuals_are_nearer_to_the_truth_than_no_change(config):
    asked = others()
    made = generated(config, asked[None]).mean[0]
    assert skill(made, strangers().under(asked)) > 0.3


@KINDS
def test_wider_and_brighter_go_the_right_way_and_near_the_truth(config):
    for factors in ([1.15, 1, 1], [1, 1, 1.2], [1, 1, 0.8]):
        true = strangers().under(scaled(factors))
        made = generated(config, scaled(factors)[None]).mean[0]
        change, expected = made - strangers().images, true - strangers().images
        assert np.sign(change.mean()) == np.sign(expected.mean())
        assert skill(made, true) > 0.25


def test_interventions_share_one_abduction_and_particles_differ():
    asked = np.stack([scaled([1.1, 1, 1]), scaled([1, 1, 1.2])])
    both = generated(DEEP, asked, particles=4, generator=rng(5), keep_particles=True)
    alone = generated(DEEP, asked[1:], particles=4, generator=rng(5), keep_particles=True)
    np.testing.assert_array_equal(both.particles[1], alone.particles[0])
    np.testing.assert_allclose(both.mean, both.particles.mean(axis=2), atol=1e-6)
    assert both.spread.max() > 1e-4


def test_memory_is_bounded_by_passes_that_change_nothing(monkeypatch):
    asked = scaled([1.1, 1, 1])[None]
    whole = generated(TWO_LEVEL, asked).mean
    monkeypatch.setattr(image_mechanism, "PIXELS_PER_PASS", 32 * 32 * 7)
    assert len(list(mechanism(TWO_LEVEL)._passes(96, 1))) == 14
    np.testing.assert_allclose(generated(TWO_LEVEL, asked).mean, whole, atol=1e-5)


@KINDS
def test_a_mechanism_read_back_gives_equal_images(config, tmp_path):
    first = mechanism(config)
    first.save(tmp_path)
    second = ImageMechanism.load(tmp_path)
    boxes, asked = strangers(), others()[None]
    assert second.parents == NAMES
    assert second.model.config == first.model.config
    for made in ("generate", "reconstruct"):
        extra = (asked,) if made == "generate" else ()
        a, b = (getattr(m, made)(boxes.images, boxes.parents, *extra) for m in (first, second))
        a, b = (x.mean if made == "generate" else x for x in (a, b))
        np.testing.assert_array_equal(a, b)


@KINDS
def test_reconstructions_are_the_models_own_drawing(config):
    boxes = strangers()
    drawn = mechanism(config).reconstruct(boxes.images, boxes.parents)
    error = float(np.square(drawn - boxes.images).mean())
    assert 1e-6 < error < 0.6 * float(boxes.images.var(axis=0).mean())


def test_arrays_that_are_views_are_as_good_as_copies():
    boxes, found = strangers(), mechanism(TWO_LEVEL)
    backwards = (boxes.images[::-1], boxes.parents[::-1])
    np.testing.assert_array_equal(
        found.reconstruct(*backwards), found.reconstruct(*(view.copy() for view in backwards))
    )


def test_wrong_requests_are_refused():
    found, boxes = mechanism(TWO_LEVEL), strangers()
    with pytest.raises(ModelError, match="SC-407"):
        found.abduct(boxes.images, boxes.parents, particles=2)
    with pytest.raises(ModelError, match="SC-407"):
        found.generate(boxes.images, boxes.parents, boxes.parents)
    with pytest.raises(ModelError, match="SC-407"):
        ImageMechanism(found.model, ("width",))
    with pytest.raises(ModelError, match="SC-404"):
        found.abduct(boxes.images[:, :16], boxes.parents)
    with pytest.raises(CohortError, match="SC-305"):
        found.abduct(boxes.images, -boxes.parents)
    with pytest.raises(ModelError, match="SC-403"):
        image_mechanism.config_from_dict("shallow", {})
