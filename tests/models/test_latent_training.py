"""Fitting the pair: what it learns from, and that it learns."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from spinecast.errors import ModelError
from spinecast.models.diffx_config import TINY
from spinecast.models.fit import FitSettings
from spinecast.models.latent_diffusion import build_pair
from spinecast.models.latent_pairs import (
    ImagePairs,
    LatentSet,
    PairSampler,
    PromptTraining,
    pairs_forward_in_time,
)
from spinecast.models.latent_training import (
    _Noised,
    _structure_timesteps,
    encode_images,
    fit_autoencoder,
    fit_prompt,
    fit_structure,
    paired_loss,
    structure_loss,
)
from spinecast.models.prompts import Attributes


class Arrays:
    """The face of an image store over an array."""

    def __init__(self, images):
        self.images = images
        self.reads = 0

    def read(self, which):
        self.reads += 1
        return self.images[which]


def smooth_images(n, seed=0):
    rng = torch.Generator().manual_seed(seed)
    small = torch.rand(n, 1, 8, 4, generator=rng)
    return torch.nn.functional.interpolate(small, size=(64, 32), mode="bilinear")[:, 0].numpy()


def settings(steps, **other):
    return FitSettings(max_steps=steps, batch_size=8, learning_rate=2e-3, **other)


@pytest.fixture
def pair():
    return build_pair(TINY, seed=1)


@pytest.fixture
def latents():
    rng = torch.Generator().manual_seed(0)
    made = torch.randn(24, 4, 16, 8, generator=rng)
    return LatentSet(made, 0.5 * made)


def people(n):
    return [Attributes(age=50.0 + i, sex="FM"[i % 2], bmi=24, prevalent_vf=i % 2) for i in range(n)]


def test_pairs_go_forward_in_time_within_a_person():
    pairs = pairs_forward_in_time(["a", "b", "a", "a", "b"], [0, 1, 5, 2, 1])
    found = set(zip(pairs.baseline.tolist(), pairs.follow_up.tolist(), pairs.years, strict=True))
    assert found == {(0, 2, 5), (0, 3, 2), (3, 2, 3)}


def test_people_with_one_image_give_no_pair():
    assert len(pairs_forward_in_time(["a", "b"], [0, 0]).years) == 0


def test_pairs_back_in_time_or_of_unequal_length_are_refused():
    with pytest.raises(ModelError, match="SC-407"):
        ImagePairs(np.array([0]), np.array([1]), np.array([-1.0]))
    with pytest.raises(ModelError, match="SC-407"):
        ImagePairs(np.array([0]), np.array([1, 2]), np.array([1.0]))


def test_a_gap_of_unknown_length_is_kept_unknown_and_unsaid(pair, latents):
    unknown = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, np.nan))
    sampler = PairSampler(
        pair,
        latents,
        attributes=people(24),
        pairs=unknown,
        training=PromptTraining(self_share=0.0),
        settings=settings(1),
    )
    later = pair.prompt.text.tokenizer.vocabulary["years later"]
    for epoch in range(10):
        for *_, tokens in sampler.batches()(epoch):
            assert later not in tokens


def test_the_autoencoder_learns_and_its_latents_are_scaled():
    store = Arrays((smooth_images(32) > 0.5).astype(np.float32))
    module, result = fit_autoencoder(
        store,
        np.arange(24),
        config=TINY.autoencoder,
        settings=settings(60, validate_every=20),
        validation_rows=np.arange(24, 32),
    )
    assert result.history.loss.iloc[-1] < 0.95 * result.history.loss.iloc[0]
    latents = module.encode(store.images[:24])
    assert float(latents.std()) == pytest.approx(1, abs=0.05)


def test_fine_tuning_goes_on_from_the_given_autoencoder(pair):
    store = Arrays(smooth_images(8))
    module, _ = fit_autoencoder(
        store, np.arange(8), config=TINY.autoencoder, settings=settings(1), start=pair.autoencoder
    )
    assert module is pair.autoencoder


def test_latents_are_made_once_for_all_rows(pair):
    store = Arrays(smooth_images(10))
    rows = np.array([7, 2, 9])
    made = encode_images(pair, store, rows)
    assert store.reads == 1
    assert len(made) == 3
    torch.testing.assert_close(made.latents, pair.autoencoder.encode(store.images[rows]))
    torch.testing.assert_close(made.low_resolution, pair.encode_low_resolution(store.images[rows]))


def test_the_structure_model_learns(pair, latents):
    loss = structure_loss(pair)
    before = _mean_loss(pair.structure, loss, (latents.latents, latents.low_resolution))
    fit_structure(pair, latents, settings=settings(25))
    after = _mean_loss(pair.structure, loss, (latents.latents, latents.low_resolution))
    assert after < 0.95 * before


@pytest.mark.parametrize("mode", ["paired", "separate"])
def test_the_prompt_model_learns_and_the_structure_model_stays(pair, latents, mode):
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, 5.0))
    frozen = {k: v.clone() for k, v in pair.structure.state_dict().items()}
    training = PromptTraining(mode=mode)
    loss = paired_loss(pair, training)
    batch = next(
        PairSampler(
            pair,
            latents,
            attributes=people(24),
            pairs=pairs,
            training=training,
            settings=settings(1),
        ).batches()(0)
    )
    before = _mean_loss(pair.prompt, loss, batch)
    fit_prompt(pair, latents, people(24), pairs=pairs, training=training, settings=settings(25))
    assert _mean_loss(pair.prompt, loss, batch) < 0.97 * before
    for key, value in pair.structure.state_dict().items():
        assert torch.equal(value, frozen[key])


def test_separate_training_needs_no_pairs_and_never_runs_the_structure_model(
    pair, latents, monkeypatch
):
    none = ImagePairs(np.array([], int), np.array([], int), np.array([]))

    def fail(*_, **__):
        raise AssertionError("structure model was run")

    monkeypatch.setattr(type(pair.structure), "features", fail)
    training = PromptTraining(mode="separate")
    fit_prompt(pair, latents, people(24), pairs=none, training=training, settings=settings(2))


def test_clean_latents_can_be_read_off_the_features_handed_over(pair, latents):
    fit_structure(pair, latents, settings=settings(80))
    time = torch.full((24,), 900)
    with torch.no_grad():
        features = pair.structure.features(
            torch.randn(24, 4, 16, 8), time, latents.low_resolution, blocks=TINY.injection.at(900)
        )
        read = pair.structure.probe(features)
    assert read.shape == latents.latents.shape
    assert float((read - latents.latents).pow(2).mean()) < 0.9  # 1 is knowing nothing


def test_the_prompt_model_starts_from_the_structure_model_once(pair, latents, monkeypatch):
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, 5.0))
    monkeypatch.setattr("spinecast.models.latent_training.fit", lambda *_, **__: None)

    def run():
        fit_prompt(
            pair, latents, people(24), pairs=pairs, training=PromptTraining(), settings=settings(1)
        )

    run()
    ours, theirs = pair.prompt.unet.state_dict(), pair.structure.unet.state_dict()
    assert torch.equal(ours["conv_out.weight"], theirs["conv_out.weight"])
    assert torch.equal(ours["conv_in.weight"], theirs["conv_in.weight"][:, :4])
    with torch.no_grad():
        pair.prompt.unet.conv_out.bias.fill_(7)
    run()
    assert float(pair.prompt.unet.conv_out.bias.detach()[0]) == 7


def test_paired_training_without_pairs_is_refused(pair, latents):
    none = ImagePairs(np.array([], int), np.array([], int), np.array([]))
    with pytest.raises(ModelError, match="SC-407"):
        fit_prompt(
            pair,
            latents,
            people(24),
            pairs=none,
            training=PromptTraining(),
            settings=settings(1),
        )
    with pytest.raises(ModelError, match="SC-407"):
        fit_prompt(
            pair, latents, people(3), pairs=none, training=PromptTraining(), settings=settings(1)
        )


def test_batches_hold_the_stated_shares(pair, latents):
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, 5.0))
    training = PromptTraining(self_share=0.25, prompt_dropout=0.1, attribute_dropout=0.5)
    sampler = PairSampler(
        pair, latents, attributes=people(24), pairs=pairs, training=training, settings=settings(1)
    )
    tokenizer = pair.prompt.text.tokenizer
    counts = Counter()
    for epoch in range(300):
        for follow_up, baseline, low, tokens in sampler.batches()(epoch):
            same = (follow_up == baseline).flatten(1).all(dim=1)
            torch.testing.assert_close(low, 0.5 * baseline)
            counts["rows"] += len(tokens)
            counts["same"] += int(same.sum())
            counts["empty"] += int((tokens[:, 1] == tokenizer.vocabulary["<end>"]).sum())
            counts["bmi"] += int(
                (tokens == tokenizer.vocabulary["body mass index"]).any(dim=1).sum()
            )
    share = {name: count / counts["rows"] for name, count in counts.items()}
    assert share["same"] == pytest.approx(0.25, abs=0.04)
    assert share["empty"] == pytest.approx(0.1, abs=0.03)
    assert share["bmi"] == pytest.approx(0.9 * 0.5, abs=0.04)


@pytest.mark.parametrize(("power", "share"), [(0.0, 1 / 2), (1.0, 9 / 10), (2.0, 81 / 82)])
def test_pairs_far_apart_in_time_are_drawn_by_the_stated_power(pair, latents, power, share):
    years = np.tile([1.0, 9.0], 6)
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), years)
    training = PromptTraining(self_share=0.0, prompt_dropout=0.0, gap_power=power)
    sampler = PairSampler(
        pair, latents, attributes=people(24), pairs=pairs, training=training, settings=settings(1)
    )
    late = {latents.latents[row].sum().item() for row in pairs.follow_up[1::2]}
    drawn = [
        row.sum().item() in late
        for epoch in range(100)
        for follow_up, *_ in sampler.batches()(epoch)
        for row in follow_up
    ]
    assert np.mean(drawn) == pytest.approx(share, abs=0.05)


def test_the_structure_model_is_never_shown_a_noisier_baseline_than_stated(pair, latents):
    shown = []

    def watched(noisy, timestep, *_, blocks):
        shown.extend(timestep.tolist())
        return original(noisy, timestep, *_, blocks=blocks)

    original, pair.structure.features = pair.structure.features, watched
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, 5.0))
    training = PromptTraining(injection_dropout=0.0)
    sampler = PairSampler(
        pair, latents, attributes=people(24), pairs=pairs, training=training, settings=settings(1)
    )
    loss = paired_loss(pair, training)
    loss(pair.prompt, next(sampler.batches()(0)), torch.Generator().manual_seed(0))
    assert len(shown) == 8
    assert max(shown) == TINY.structure_noise


def test_half_of_a_structure_batch_has_the_noise_at_which_features_are_handed_over(pair):
    drawn = _structure_timesteps(pair, 1000, rng=torch.Generator().manual_seed(0))
    assert int(drawn[::2].max()) == TINY.structure_noise
    assert float(drawn[1::2].float().mean()) == pytest.approx(500, abs=40)
    published = replace(pair, config=replace(pair.config, structure_noise=1000))
    drawn = _structure_timesteps(published, 1000, rng=torch.Generator().manual_seed(0))
    assert float(drawn[::2].float().mean()) == pytest.approx(500, abs=40)


@pytest.mark.parametrize(("mode", "middle"), [("paired", 2 / 3), ("separate", 1 / 2)])
def test_timesteps_of_pairs_lean_to_noise_and_those_of_single_images_do_not(
    pair, latents, monkeypatch, mode, middle
):
    seen = []
    original = _Noised.draw.__func__

    def watched(cls, noise, clean, *, rng, timestep):
        seen.append(timestep.float().mean().item() / noise.timesteps)
        return original(cls, noise, clean, rng=rng, timestep=timestep)

    monkeypatch.setattr(_Noised, "draw", classmethod(watched))
    training = PromptTraining(mode=mode, injection_dropout=1.0)
    tokens = pair.prompt.text.tokenize(["An image of a spine"] * 24)
    batch = (latents.latents, latents.latents, latents.low_resolution, tokens)
    loss = paired_loss(pair, training)
    with torch.no_grad():
        for seed in range(20):
            loss(pair.prompt, batch, torch.Generator().manual_seed(seed))
    assert np.mean(seen) == pytest.approx(middle, abs=0.04)


def test_the_sentence_reaches_every_block_through_the_embedding_of_time(pair):
    """With cross-attention silenced, the sentence still changes what is predicted."""
    for name, weight in pair.prompt.unet.named_parameters():
        if ".attn2.to_out." in name:
            weight.detach().zero_()
    noisy = torch.randn(1, 4, 16, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        young, old = (
            pair.prompt(noisy, torch.tensor(500), pair.prompt.context([f"{age} years old male"]))
            for age in (50, 90)
        )
    assert float((young - old).abs().max()) > 1e-4


def test_batches_of_an_epoch_are_the_same_again(pair, latents):
    pairs = ImagePairs(np.arange(0, 24, 2), np.arange(1, 24, 2), np.full(12, 5.0))
    sampler = PairSampler(
        pair,
        latents,
        attributes=people(24),
        pairs=pairs,
        training=PromptTraining(),
        settings=settings(1),
    )
    for a, b in zip(next(sampler.batches()(3)), next(sampler.batches()(3)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noised_latents_and_their_target_agree_with_the_schedule(prediction):
    noise = replace(TINY.noise, prediction=prediction)
    clean = torch.randn(5, 4, 16, 8, generator=torch.Generator().manual_seed(2))
    rng = torch.Generator().manual_seed(3)
    timestep = torch.tensor([0, 40, 332, 666, 999])
    noised = _Noised.draw(noise, clean, rng=rng, timestep=timestep)
    from spinecast.models.latent_diffusion import ddim_scheduler

    scheduler = ddim_scheduler(noise)
    for i, t in enumerate(noised.timestep.tolist()):
        signal = scheduler.alphas_cumprod[t].sqrt()
        sigma = (1 - scheduler.alphas_cumprod[t]).sqrt()
        if prediction == "v_prediction":
            found = signal * noised.sample[i] - sigma * noised.target[i]
        else:
            found = (noised.sample[i] - sigma * noised.target[i]) / signal
        torch.testing.assert_close(found, clean[i], atol=1e-4, rtol=1e-3)


@torch.no_grad()
def _mean_loss(module, loss, batch):
    values = [loss(module, tuple(batch), torch.Generator().manual_seed(seed)) for seed in range(20)]
    return float(torch.stack(values).mean())
