"""Radiographs to latents and back."""

import numpy as np
import pytest
import torch

from spinecast.errors import ModelError
from spinecast.models.autoencoder import (
    AutoencoderConfig,
    RadiographAutoencoder,
    autoencoder_loss,
)
from spinecast.models.diffx_config import DEMO, PAPER, TINY


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return RadiographAutoencoder(TINY.autoencoder).eval()


def some_images(n=4):
    return np.random.default_rng(0).random((n, 64, 32), dtype=np.float32)


def test_latents_and_images_have_the_promised_shapes(tiny):
    latents = tiny.encode(some_images())
    assert latents.shape == (4, *TINY.autoencoder.latent_shape) == (4, 4, 16, 8)
    images = tiny.decode(latents)
    assert images.shape == (4, 64, 32)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_presets_reduce_as_published():
    assert PAPER.autoencoder.factor == DEMO.autoencoder.factor == 8
    assert PAPER.autoencoder.latent_shape == (4, 64, 64)
    assert DEMO.autoencoder.latent_shape == (16, 24, 12)


def test_untrained_it_is_a_cut_cosine_transform(tiny):
    from scipy.fft import dctn, idctn

    images = some_images(1)
    squares = images[0].reshape(16, 4, 8, 4).transpose(0, 2, 1, 3)
    coefficients = dctn(squares, axes=(2, 3), norm="ortho")
    coefficients[:, :, 2:] = 0
    coefficients[:, :, :, 2:] = 0
    expected = idctn(coefficients, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(64, 32)
    found = tiny.decode(tiny.encode(images))[0].numpy()
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-5)


def test_untrained_it_already_keeps_what_is_smooth(tiny):
    small = torch.rand(4, 1, 8, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(small, size=(64, 32), mode="bilinear")[:, 0]
    error = (tiny.decode(tiny.encode(smooth)) - smooth).pow(2).mean()
    assert 10 * torch.log10(1 / error) > 28


def test_without_the_linear_path_it_is_stable_diffusions_network_alone():
    from dataclasses import replace

    plain = RadiographAutoencoder(replace(TINY.autoencoder, linear_path=False))
    assert all(name.startswith("network.") for name, _ in plain.named_parameters())
    assert not PAPER.autoencoder.linear_path


def test_before_measuring_the_factor_is_stable_diffusions(tiny):
    raw = tiny.posterior(torch.from_numpy(some_images())).mode()
    torch.testing.assert_close(tiny.encode(some_images()), raw * 0.18215)


def test_measured_latents_have_mean_zero_and_unit_variance(tiny):
    tiny.measure_scale(some_images(16))
    latents = tiny.encode(some_images(16))
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)


def test_measuring_the_scale_does_not_change_what_is_decoded(tiny):
    before = tiny.decode(tiny.encode(some_images()))
    tiny.measure_scale(some_images())
    torch.testing.assert_close(tiny.decode(tiny.encode(some_images())), before, atol=1e-5, rtol=0)


def test_channels_that_change_the_image_more_weigh_more(tiny):
    assert torch.equal(tiny.channel_weight, torch.ones(4, 1, 1))
    small = torch.rand(16, 1, 8, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(small, size=(64, 32), mode="bilinear")[:, 0]
    tiny.measure_scale(smooth)
    weight = tiny.channel_weight.flatten()
    assert float(weight.mean()) == pytest.approx(1, abs=1e-5)
    assert weight[0] == weight.max()
    assert weight[3] == weight.min()


def test_the_scale_travels_with_the_weights(tiny):
    tiny.measure_scale(some_images())
    other = RadiographAutoencoder(TINY.autoencoder).eval()
    other.load_state_dict(tiny.state_dict())
    torch.testing.assert_close(other.encode(some_images()), tiny.encode(some_images()))


def test_encoding_does_not_depend_on_the_batch(tiny):
    many = np.concatenate([some_images(4)] * 10)
    torch.testing.assert_close(tiny.encode(many)[36:], tiny.encode(some_images(4)))


def test_a_few_steps_lower_the_loss(tiny):
    tiny.train()
    # sharp steps: the cosine start rings there, white noise could not be compressed
    rng = torch.Generator().manual_seed(0)
    smooth = (torch.rand(8, 1, 8, 4, generator=rng) > 0.5).float()
    smooth = torch.nn.functional.interpolate(smooth, size=(62, 31))
    smooth = torch.nn.functional.pad(smooth, (1, 0, 1, 1))
    optimizer = torch.optim.Adam(tiny.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        loss = autoencoder_loss(tiny, (smooth[:, 0],), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_the_loss_of_a_perfect_copy_is_the_pull_on_the_latents_alone(tiny):
    from spinecast.models.autoencoder import _dissimilarity, _gradient_error

    images = torch.from_numpy(some_images())
    assert float(_gradient_error(images, images)) == 0
    assert float(_dissimilarity(images, images)) == pytest.approx(0, abs=1e-5)
    assert float(_dissimilarity(images, 1 - images)) > 0.5


def test_other_shapes_are_refused(tiny):
    with pytest.raises(ModelError, match="SC-404"):
        tiny.encode(np.zeros((2, 32, 64), dtype=np.float32))
    with pytest.raises(ModelError, match="SC-407"):
        RadiographAutoencoder(AutoencoderConfig(image_shape=(65, 32)))
