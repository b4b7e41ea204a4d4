"""Follow-ups: shapes, sharing, seeds, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinecast.counterfactuals import (
    SamplingSettings,
    generate_follow_up,
    generate_unshared,
    reconstruct,
)
from spinecast.counterfactuals.sampling import SamplingRun
from spinecast.errors import ModelError
from spinecast.models.diffx_config import TINY
from spinecast.models.feature_injection import InjectionConfig
from spinecast.models.latent_diffusion import build_pair
from spinecast.models.prompts import Attributes

QUICK = SamplingSettings(steps=3)
PEOPLE = [Attributes(age=60, sex="F"), Attributes(age=70, sex="M"), Attributes()]


@pytest.fixture(scope="module")
def pair():
    return build_pair(TINY, seed=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((3, 64, 32), dtype=np.float32)


def test_every_image_gets_every_horizon_and_draw(pair, images):
    found = generate_follow_up(
        pair, images, PEOPLE, horizons=np.array([1, 5, 10, 2.5]), draws=2, settings=QUICK
    )
    assert found.images.shape == (3, 4, 2, 64, 32)
    assert found.reconstruction.shape == found.autoencoded.shape == (3, 64, 32)
    for array in (found.images, found.reconstruction, found.autoencoded):
        assert array.dtype == np.float32
        assert array.min() >= 0
        assert array.max() <= 1


def test_horizons_may_differ_between_people(pair, images):
    own = np.array([[1.0, 3.0], [1.0, 9.0], [1.0, 4.0]])
    together = generate_follow_up(pair, images, PEOPLE, horizons=own, draws=1, settings=QUICK)
    alone = generate_follow_up(
        pair, images[1:2], PEOPLE[1:2], horizons=own[1:2], draws=1, settings=QUICK
    )
    np.testing.assert_allclose(together.images[1], alone.images[0], atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("structure", ["noised", "inverted", "ddim"])
def test_sharing_the_structure_branch_changes_nothing(pair, images, scale, structure):
    settings = replace(QUICK, guidance_scale=scale, structure=structure)
    arguments = {"horizons": np.array([1, 10]), "draws": 3, "settings": settings, "seed": 5}
    shared = generate_follow_up(pair, images[:2], PEOPLE[:2], **arguments)
    unshared = generate_unshared(pair, images[:2], PEOPLE[:2], **arguments)
    np.testing.assert_allclose(shared.images, unshared.images, atol=1e-4)


def test_sharing_holds_where_only_some_timesteps_are_handed_over(pair, images):
    injection = InjectionConfig(feature_timesteps=(500, 1000), attention_timesteps=(300, 1000))
    settings = replace(QUICK, steps=5, injection=injection)
    arguments = {"horizons": np.array([1, 10]), "draws": 2, "settings": settings}
    shared = generate_follow_up(pair, images[:2], PEOPLE[:2], **arguments)
    unshared = generate_unshared(pair, images[:2], PEOPLE[:2], **arguments)
    np.testing.assert_allclose(shared.images, unshared.images, atol=1e-4)


@pytest.mark.parametrize(("noisiest", "passes"), [(1000, QUICK.steps), (40, 1)])
def test_the_structure_model_runs_once_per_noise_level_for_all_draws(
    pair, images, monkeypatch, noisiest, passes
):
    rows = []
    pair = replace(pair, config=replace(pair.config, structure_noise=noisiest))
    original = type(pair.structure).forward

    def counted(self, noisy, *rest):
        rows.append(len(noisy))
        return original(self, noisy, *rest)

    monkeypatch.setattr(type(pair.structure), "forward", counted)
    given = pair.autoencoder.encode(images[:1])
    assert len(given) == 1
    run = SamplingRun.prepare(
        pair,
        torch.from_numpy(images[:1]),
        PEOPLE[:1],
        years=np.array([[1.0, 5.0, 10.0]]),
        draws=10,
        seed=0,
        settings=QUICK,
    )
    with torch.no_grad():
        assert len(run.sample(share=True)) == 30
    assert rows == [1] * passes


def test_draws_depend_on_seed_and_image_not_on_company_or_memory(pair, images):
    arguments = {"horizons": np.array([5.0]), "draws": 2}
    a = generate_follow_up(pair, images, PEOPLE, settings=QUICK, seed=1, **arguments).images
    alone = generate_follow_up(pair, images[2:], PEOPLE[2:], settings=QUICK, seed=1, **arguments)
    narrow = replace(QUICK, rows_per_pass=1)
    b = generate_follow_up(pair, images, PEOPLE, settings=narrow, seed=1, **arguments).images
    other = generate_follow_up(pair, images, PEOPLE, settings=QUICK, seed=2, **arguments).images
    np.testing.assert_allclose(a[2], alone.images[0], atol=1e-4)
    np.testing.assert_allclose(a, b, atol=1e-4)
    assert np.abs(a - other).max() > 1e-3


def test_more_draws_begin_with_the_same_draws(pair, images):
    few = generate_follow_up(
        pair, images[:1], PEOPLE[:1], horizons=np.array([5.0]), draws=2, settings=QUICK
    )
    many = generate_follow_up(
        pair, images[:1], PEOPLE[:1], horizons=np.array([5.0]), draws=4, settings=QUICK
    )
    np.testing.assert_allclose(few.images[0, 0], many.images[0, 0, :2], atol=1e-4)


def test_draws_differ_and_horizons_differ(pair, images):
    found = generate_follow_up(
        pair, images[:1], PEOPLE[:1], horizons=np.array([1.0, 30.0]), draws=2, settings=QUICK
    ).images
    assert np.abs(found[0, 0, 0] - found[0, 0, 1]).max() > 1e-3
    assert np.abs(found[0, 0, 0] - found[0, 1, 0]).max() > 1e-6


def test_the_baselines_detail_can_be_kept(pair, images):
    keep = replace(QUICK, detail="baseline")
    arguments = {"horizons": np.array([0.0, 10.0]), "draws": 2}
    kept = generate_follow_up(pair, images, PEOPLE, settings=keep, **arguments).images
    drawn = generate_follow_up(pair, images, PEOPLE, settings=QUICK, **arguments).images
    np.testing.assert_allclose(kept[:, 0, 0], images, atol=1e-5)
    expected = np.clip(images[:, None] + drawn[:, 1] - drawn[:, 0], 0, 1)
    np.testing.assert_allclose(kept[:, 1], expected, atol=1e-4)


def test_guidance_of_one_skips_the_unconditional_pass(pair, images):
    run = SamplingRun.prepare(
        pair,
        torch.from_numpy(images[:1]),
        PEOPLE[:1],
        years=np.array([[1.0]]),
        draws=1,
        seed=0,
        settings=QUICK,
    )
    assert run.unconditional is None


def test_the_sentence_says_age_sex_and_years_and_foretells_nothing(pair, images, monkeypatch):
    said = []
    original = type(pair.prompt).context
    monkeypatch.setattr(
        type(pair.prompt), "context", lambda self, p: said.extend(p) or original(self, p)
    )
    known = [Attributes(age=62.4, sex="F", bmi=24, prevalent_vf=1)]
    generate_follow_up(pair, images[:1], known, horizons=np.array([10.0]), draws=1, settings=QUICK)
    assert said[0] == "An image of 72 years old female, 10 years later"
    said.clear()
    published = replace(QUICK, say_years=False)
    generate_follow_up(
        pair, images[:1], known, horizons=np.array([10.0]), draws=1, settings=published
    )
    assert said[0] == "An image of 72 years old female"


def test_unknown_age_and_sex_are_not_filled_in(pair, images):
    found = generate_follow_up(
        pair, images[:1], [Attributes()], horizons=np.array([10.0]), draws=1, settings=QUICK
    )
    assert np.isfinite(found.images).all()


@pytest.mark.parametrize("by", ["pair", "autoencoder", "single", "single_inverted"])
def test_an_image_can_be_drawn_as_it_is_now_in_four_ways(pair, images, by):
    found = reconstruct(pair, images, PEOPLE, by=by, settings=QUICK)
    assert found.shape == images.shape
    assert np.isfinite(found).all()


def test_the_single_model_from_random_noise_does_not_see_the_image(pair, images):
    # the same noise would need the same image; so only the shape of the statement is tested:
    # no structure features are made at all
    run = SamplingRun.prepare(
        pair,
        torch.from_numpy(images[:1]),
        PEOPLE[:1],
        years=np.array([[0.0]]),
        draws=1,
        seed=0,
        settings=replace(QUICK, injection=InjectionConfig.none()),
    )
    assert run.trajectory == {}
    assert run.features(999) is None


def test_no_images_give_no_follow_ups(pair):
    found = generate_follow_up(
        pair,
        np.zeros((0, 64, 32), dtype=np.float32),
        [],
        horizons=np.array([1.0, 5.0]),
        draws=2,
        settings=QUICK,
    )
    assert found.images.shape == (0, 2, 2, 64, 32)


def test_wrong_input_is_refused(pair, images):
    with pytest.raises(ModelError, match="SC-404"):
        generate_follow_up(pair, images[:, :32], PEOPLE, horizons=np.array([1.0]))
    with pytest.raises(ModelError, match="SC-407"):
        generate_follow_up(pair, images, PEOPLE[:2], horizons=np.array([1.0]))
    for horizons in (np.array([-1.0]), np.array([np.nan]), np.ones((2, 2))):
        with pytest.raises(ModelError, match="SC-407"):
            generate_follow_up(pair, images, PEOPLE, horizons=horizons)
    with pytest.raises(ModelError, match="SC-407"):
        SamplingSettings(steps=0)
