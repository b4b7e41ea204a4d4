"""What one network holds is what the other uses, at the places asked for and nowhere else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from spinecast.errors import ModelError
from spinecast.models.diffx_config import TINY
from spinecast.models.feature_injection import (
    Features,
    InjectionConfig,
    check_blocks,
    recording,
    replacing,
    up_path,
)
from spinecast.models.latent_diffusion import build_pair

TIME = torch.tensor(500)


@pytest.fixture(scope="module")
def pair():
    return build_pair(TINY, seed=1)


def latents(n, seed=0):
    return torch.randn(n, 4, 16, 8, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def structure_features(pair, n=2, injection=TINY.injection):
    return pair.structure.features(latents(n), TIME, latents(n, 1), blocks=injection.at(500))


@torch.no_grad()
def context(pair, n):
    return pair.prompt.context([f"An image of {60 + i} years old female" for i in range(n)])


def test_the_up_path_has_three_blocks_a_level_and_so_a_fifth(pair):
    path = up_path(pair.prompt.unet)
    assert len(path) == 9
    assert [attention is not None for _, attention in path] == [False] * 3 + [True] * 6


def test_recording_keeps_what_was_asked_for(pair):
    features = structure_features(pair)
    assert set(features.blocks) == {5}
    assert set(features.queries) == set(features.keys) == {5, 6, 7, 8}
    assert features.blocks[5].shape == (2, 16, 8, 4)
    assert features.queries[8].shape == (2, 2, 16 * 8, 8)


@torch.no_grad()
def test_outside_a_context_the_hooks_do_nothing(pair):
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor2_0

    plain = UNet2DConditionModel.from_config(pair.prompt.unet.config).eval()
    plain.load_state_dict(pair.prompt.unet.state_dict())
    plain.set_attn_processor(AttnProcessor2_0())
    expected = plain(latents(2), TIME, encoder_hidden_states=context(pair, 2)).sample
    found = pair.prompt(latents(2), TIME, context(pair, 2))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_replacing_by_its_own_features_changes_nothing(pair):
    config = InjectionConfig(feature_blocks=(3, 5), attention_blocks=(4, 5, 6, 7, 8))
    given, sentence = latents(2), context(pair, 2)
    with recording(*config.at(500)) as own:
        expected = pair.prompt(given, TIME, sentence, features=None)
    assert not own.blocks, "an inner context that replaces nothing must hide the outer one"
    with recording(*config.at(500)) as own:
        expected = pair.prompt.unet(given, TIME, encoder_hidden_states=sentence).sample
    with replacing(own):
        found = pair.prompt.unet(given, TIME, encoder_hidden_states=sentence).sample
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_another_persons_features_change_the_prediction(pair):
    features, sentence = structure_features(pair), context(pair, 2)
    own = pair.prompt(latents(2, 3), TIME, sentence)
    handed = pair.prompt(latents(2, 3), TIME, sentence, features=features)
    assert (own - handed).abs().max() > 1e-3


@torch.no_grad()
def test_queries_and_keys_alone_can_be_handed_over(pair):
    features = structure_features(pair, injection=InjectionConfig(feature_blocks=()))
    assert not features.blocks
    own = pair.prompt(latents(2, 3), TIME, context(pair, 2))
    handed = pair.prompt(latents(2, 3), TIME, context(pair, 2), features=features)
    assert (own - handed).abs().max() > 1e-6


@pytest.mark.parametrize("blocks", [(0,), (4,), (5,), (3, 6), (7,), (8,)])
@torch.no_grad()
def test_the_short_way_equals_the_whole_network(pair, blocks):
    config = InjectionConfig(feature_blocks=blocks, attention_blocks=(3, 4, 5, 6, 7, 8))
    features = structure_features(pair, injection=config)
    given, sentence = latents(12, 3), context(pair, 4)
    whole = pair.prompt(given, TIME, sentence, features=features, draws=3, shortcut=False)
    short = pair.prompt(given, TIME, sentence, features=features, draws=3)
    torch.testing.assert_close(short, whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_sharing_one_images_features_equals_repeating_them(pair):
    features = structure_features(pair)
    given, sentence = latents(12, 3), context(pair, 12)
    rows = torch.arange(2).repeat_interleave(6)
    shared = pair.prompt(given, TIME, sentence, features=features)
    repeated = pair.prompt(given, TIME, sentence, features=features.rows(rows))
    torch.testing.assert_close(shared, repeated, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_large_attention_maps_are_not_kept_but_give_the_same(pair, monkeypatch):
    features, sentence = structure_features(pair), context(pair, 4)
    expected = pair.prompt(latents(4), TIME, sentence, features=features)
    monkeypatch.setattr("spinecast.models.feature_injection.LARGEST_SHARED_MAP", 4)
    found = pair.prompt(latents(4), TIME, sentence, features=features)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_prompt_network_through_the_short_way():
    pair = build_pair(TINY, seed=2)
    features = structure_features(pair)
    pair.prompt(latents(2), TIME, context(pair, 2), features=features).pow(2).mean().backward()
    unet = pair.prompt.unet
    assert unet.conv_in.weight.grad.abs().sum() > 0
    assert up_path(unet)[8][0].conv1.weight.grad.abs().sum() > 0
    # replaced and therefore dead
    assert up_path(unet)[4][0].conv1.weight.grad is None


@torch.no_grad()
def test_threads_sharing_a_network_do_not_meet(pair):
    features, sentence = structure_features(pair), context(pair, 2)
    given = latents(2, 3)
    alone = pair.prompt(given, TIME, sentence)
    handed = pair.prompt(given, TIME, sentence, features=features, shortcut=False)

    def work(i):
        with torch.no_grad():
            return pair.prompt(
                given, TIME, sentence, features=features if i % 2 else None, shortcut=False
            )

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(16)))
    for i, result in enumerate(found):
        torch.testing.assert_close(result, handed if i % 2 else alone)


def test_timesteps_limit_what_is_handed_over():
    config = InjectionConfig(feature_timesteps=(200, 1000), attention_timesteps=(500, 1000))
    assert config.at(100) == (frozenset(), frozenset())
    assert config.at(300) == (frozenset({5}), frozenset())
    assert config.at(999) == (frozenset({5}), frozenset({5, 6, 7, 8}))
    assert InjectionConfig.none().at(500) == (frozenset(), frozenset())


def test_blocks_that_do_not_exist_are_refused(pair):
    for wrong in ({"feature_blocks": (9,)}, {"attention_blocks": (0,)}):
        with pytest.raises(ModelError, match="SC-407"):
            check_blocks(replace(InjectionConfig(), **wrong), pair.prompt.unet)


def test_features_can_be_picked_by_row_and_change_precision():
    features = Features(blocks={5: torch.arange(6.0).reshape(3, 2)})
    assert features.rows(torch.tensor([2])).blocks[5].tolist() == [[4.0, 5.0]]
    assert features.to(torch.float64).blocks[5].dtype == torch.float64
