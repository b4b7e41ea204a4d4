"""The pair: shapes, presets, keeping."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinecast.errors import ModelError
from spinecast.models.autoencoder import AutoencoderConfig
from spinecast.models.checkpoint import save_checkpoint
from spinecast.models.diffx_config import DEMO, PAPER, TINY, UNetConfig
from spinecast.models.feature_injection import up_path
from spinecast.models.latent_diffusion import (
    build_pair,
    ddim_scheduler,
    exact_scheduler,
    load_pair,
    reduced,
    save_pair,
)


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_the_paper_pair_has_stable_diffusions_size_without_taking_memory():
    with torch.device("meta"):
        pair = build_pair(PAPER)
    assert 855 < millions(pair.prompt.unet) < 865  # SD 1: 859.5 M
    assert 855 < millions(pair.structure.unet) < 865
    assert 84 < millions(pair.prompt) - millions(pair.prompt.unet) < 124
    assert 83 < millions(pair.autoencoder) < 84.5  # SD's: 83.7 M
    assert len(up_path(pair.prompt.unet)) == 12
    assert sum(attention is not None for _, attention in up_path(pair.prompt.unet)) == 9


def test_the_paper_pair_gives_the_published_shapes():
    with torch.device("meta"):
        pair = build_pair(PAPER)
        noisy = torch.empty(1, 4, 64, 64)
        low = torch.empty(1, 4, 64, 64)
        context = torch.empty(1, 77, 768)
        time = torch.empty(1)
        features = pair.structure.features(noisy, time, low, blocks=PAPER.injection.at(500))
        assert features.blocks[5].shape == (1, 1280, 16, 16)
        assert features.queries[11].shape == (1, 8, 4096, 40)
        assert pair.prompt(noisy, time, context, features=features).shape == (1, 4, 64, 64)
        assert pair.autoencoder.posterior(torch.empty(1, 512, 512)).mean.shape == (1, 4, 64, 64)


@pytest.mark.gpu
def test_one_training_step_of_the_paper_pair_runs_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    with torch.device("cuda"):
        pair = build_pair(PAPER)
        optimizer = torch.optim.AdamW(pair.prompt.parameters(), lr=1e-4)
        noisy, time = torch.randn(1, 4, 64, 64), torch.tensor([500])
        with torch.no_grad():
            features = pair.structure.features(noisy, time, noisy, blocks=PAPER.injection.at(500))
        context = pair.prompt.context(["An image of 72 years old female"])
        loss = pair.prompt(noisy, time, context, features=features).pow(2).mean()
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)


def test_the_demo_weights_are_small_enough_to_ship():
    pair = build_pair(DEMO)
    assert millions(pair.prompt.unet) < 3.5
    assert sum(millions(m) for m in pair.modules().values()) * 2 < 17  # megabytes at 16 bits


def test_equal_seeds_build_equal_pairs_and_leave_the_callers_generator_alone():
    before = torch.random.get_rng_state()
    a, b, c = build_pair(TINY, seed=3), build_pair(TINY, seed=3), build_pair(TINY, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(a.structure.token, b.structure.token)
    assert not torch.equal(a.structure.token, c.structure.token)


def test_a_pair_is_read_back_as_written(tmp_path):
    pair = build_pair(TINY, seed=1)
    pair.autoencoder.measure_scale(np.random.default_rng(0).random((4, 64, 32), dtype=np.float32))
    save_pair(tmp_path, pair, notes={"trained_on": "nothing"})
    again = load_pair(tmp_path)
    assert again.config == pair.config
    for name, module in pair.modules().items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, again.modules()[name].state_dict()[key]), key


def test_sixteen_bits_on_disk_are_32_in_memory(tmp_path):
    pair = build_pair(TINY, seed=1)
    save_pair(tmp_path, pair, half=True)
    again = load_pair(tmp_path)
    assert again.structure.token.dtype == torch.float32
    torch.testing.assert_close(again.structure.token, pair.structure.token, atol=1e-4, rtol=1e-3)
    half = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    save_pair(tmp_path / "full", pair)
    assert half < 0.6 * sum(p.stat().st_size for p in (tmp_path / "full").glob("*.safetensors"))


def test_networks_of_two_pairs_are_not_mixed(tmp_path):
    save_pair(tmp_path, build_pair(TINY))
    other = replace(TINY, low_resolution=4)
    save_pair(tmp_path / "other", build_pair(other))
    for path in (tmp_path / "other").glob("prompt*"):
        path.replace(tmp_path / path.name)
    with pytest.raises(ModelError, match="SC-403"):
        load_pair(tmp_path)


@pytest.mark.parametrize("config", [{}, {"diffx": 3}, {"diffx": {"colour": "red"}}])
def test_weights_of_something_else_are_refused(tmp_path, config):
    for name, module in build_pair(TINY).modules().items():
        save_checkpoint(tmp_path, module, name=name, config=config)
    with pytest.raises(ModelError, match="SC-403"):
        load_pair(tmp_path)


def test_missing_weights_are_said(tmp_path):
    with pytest.raises(ModelError, match="SC-406"):
        load_pair(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unet": UNetConfig(attention=(True,))},
        {"autoencoder": AutoencoderConfig(image_shape=(200, 96))},
    ],
)
def test_contradictory_settings_are_refused(wrong):
    with pytest.raises(ModelError, match="SC-407"):
        build_pair(replace(DEMO, **wrong))


def test_the_low_resolution_copy_keeps_size_and_mean_and_loses_detail():
    images = np.random.default_rng(0).random((2, 64, 32), dtype=np.float32)
    copy = reduced(images, 4)
    assert copy.shape == (2, 64, 32)
    assert float(copy.mean()) == pytest.approx(float(images.mean()), abs=0.02)
    assert float(copy.std()) < 0.4 * float(images.std())
    assert torch.equal(reduced(images, 1), torch.from_numpy(images))


def test_both_samplers_use_the_schedule_of_stable_diffusion():
    ddim, exact = ddim_scheduler(PAPER.noise, 50), exact_scheduler(PAPER.noise, 50)
    assert float(ddim.betas[0]) == pytest.approx(0.00085)
    assert float(ddim.betas[-1]) == pytest.approx(0.012)
    assert ddim.timesteps.tolist() == exact.timesteps.tolist()
    np.testing.assert_allclose(exact._signal**2, ddim.alphas_cumprod.numpy(), rtol=1e-4)
