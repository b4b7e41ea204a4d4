"""Going to noise and back must give the same latents."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from spinecast.errors import ModelError
from spinecast.models.exact_inverse import (
    ExactInverseScheduler,
    ddim_invert,
    invert,
    regenerate,
)


@pytest.fixture
def network():
    """A fixed nonlinear map that counts its calls."""
    torch.manual_seed(0)
    weight = torch.randn(6, 6, dtype=torch.float64)
    calls = []

    def predict(sample, timestep):
        calls.append(timestep)
        return torch.tanh(sample @ weight) * (0.5 + timestep / 2000)

    predict.calls = calls
    return predict


def clean():
    return torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [2, 5, 20, 100])
def test_the_round_trip_is_exact_in_double_precision(network, prediction, steps):
    scheduler = ExactInverseScheduler(prediction_type=prediction)
    scheduler.set_timesteps(steps)
    chain = invert(scheduler, clean(), network)
    back = regenerate(scheduler, chain, network)
    assert (back - clean()).abs().max() <= 1e-12


def test_plain_ddim_inversion_is_not_exact(network):
    scheduler = ExactInverseScheduler()
    scheduler.set_timesteps(20)
    end = ddim_invert(scheduler, clean(), network)[-1]
    sample = end
    scheduler_forward = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    scheduler_forward.set_timesteps(20)
    for timestep in scheduler_forward.timesteps:
        sample = scheduler_forward.step(
            network(sample, int(timestep)), timestep, sample
        ).prev_sample
    assert (sample - clean()).abs().max() > 1e-3


def test_one_network_call_is_made_per_step(network):
    scheduler = ExactInverseScheduler()
    scheduler.set_timesteps(10)
    chain = invert(scheduler, clean(), network)
    assert len(network.calls) == 10
    assert len(chain) == 11
    regenerate(scheduler, chain, network)
    assert len(network.calls) == 19


def test_a_smaller_gamma_is_exact_too_but_amplifies_rounding(network):
    scheduler = ExactInverseScheduler(gamma=0.9)
    scheduler.set_timesteps(20)
    back = regenerate(scheduler, invert(scheduler, clean(), network), network)
    assert (back - clean()).abs().max() <= 1e-9


def test_the_first_step_equals_ddim():
    ours = ExactInverseScheduler(prediction_type="v_prediction")
    ours.set_timesteps(10)
    theirs = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    theirs.set_timesteps(10)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    sample, output = clean().float(), torch.flip(clean().float(), [1])
    timestep = int(ours.timesteps[0])
    expected = theirs.step(output, timestep, sample).prev_sample
    found = ours.step(output, timestep, sample).prev_sample
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_with_an_exact_noise_estimate_the_image_is_recovered():
    # where the network knows the noise, every sampler must land on the clean image
    scheduler = ExactInverseScheduler()
    scheduler.set_timesteps(8)
    noise = torch.flip(clean(), [0])
    signal = float(scheduler._signal[int(scheduler.timesteps[0])])
    sample = signal * clean() + (1 - signal**2) ** 0.5 * noise
    scheduler.reset()
    for timestep in scheduler.timesteps.tolist():
        sample = scheduler.step(noise, timestep, sample, return_dict=False)[0]
    assert (sample - clean()).abs().max() < 1e-9


@pytest.mark.parametrize("gamma", [0.0, -1.0, 1.5])
def test_an_impossible_gamma_is_refused(gamma):
    with pytest.raises(ModelError, match="SC-407"):
        ExactInverseScheduler(gamma=gamma)


def test_an_unknown_prediction_or_timestep_is_refused():
    with pytest.raises(ModelError, match="SC-407"):
        ExactInverseScheduler(prediction_type="sample")
    scheduler = ExactInverseScheduler()
    scheduler.set_timesteps(10)
    with pytest.raises(ModelError, match="SC-407"):
        scheduler.step(clean(), 17, clean())


def test_it_wears_the_interface_of_diffusers(tmp_path):
    scheduler = ExactInverseScheduler(gamma=0.95)
    assert scheduler.scale_model_input(clean(), 3).equal(clean())
    assert scheduler.init_noise_sigma == 1.0
    assert ExactInverseScheduler.from_config(scheduler.config).config.gamma == 0.95
