"""The prediction starts from the guess, by the rules of Gaussians."""

from dataclasses import replace

import pytest
import torch

from spinecast.errors import ModelError
from spinecast.models.diffx_config import PAPER, TINY, NoiseConfig
from spinecast.models.first_guess import FirstGuess
from spinecast.models.latent_diffusion import build_pair, ddim_scheduler, load_pair, save_pair


@pytest.fixture
def about():
    return FirstGuess(TINY)


def drawn(seed, n=3):
    return torch.randn(n, 4, 16, 8, generator=torch.Generator().manual_seed(seed))


def test_its_schedule_is_the_samplers():
    scheduler = ddim_scheduler(TINY.noise)
    torch.testing.assert_close(FirstGuess(TINY).signal ** 2, scheduler.alphas_cumprod)


@torch.no_grad()
def test_nothing_known_leaves_the_networks_output_alone(about):
    about.doubt.fill_(0)
    found = about(
        drawn(0), drawn(1), timestep=torch.tensor([10, 500, 990]), guess=torch.zeros(3, 4, 16, 8)
    )
    torch.testing.assert_close(found, drawn(0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("t", [5, 300, 999])
@torch.no_grad()
def test_a_sure_guess_is_what_the_prediction_leads_to(about, t):
    about.doubt.fill_(-30.0)
    guess, noisy = drawn(2), drawn(3)
    v = about(torch.zeros_like(noisy), noisy, timestep=torch.tensor(t), guess=guess)
    signal = about.signal[t]
    clean = signal * noisy - (1 - signal**2).sqrt() * v
    torch.testing.assert_close(clean, guess, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("t", [50, 400, 900])
@torch.no_grad()
def test_no_linear_prediction_is_better_and_what_is_left_has_unit_size(about, t):
    s2, n = 0.05, 2000
    rng = torch.Generator().manual_seed(4)
    guess = torch.randn(n, 4, 2, 2, generator=rng)
    clean = guess + s2**0.5 * torch.randn(n, 4, 2, 2, generator=rng)
    noise = torch.randn(n, 4, 2, 2, generator=rng)
    a = about.signal[t]
    b = (1 - a**2).sqrt()
    noisy, target = a * clean + b * noise, a * noise - b * clean
    zero = torch.zeros_like(noisy)
    expected = about(zero, noisy, timestep=torch.tensor(t), guess=guess)
    design = torch.stack([noisy.flatten(), guess.flatten()], dim=1)
    best = design @ torch.linalg.lstsq(design, target.flatten()[:, None]).solution
    left = float((target - expected).pow(2).mean())
    assert left == pytest.approx(float((target.flatten() - best[:, 0]).pow(2).mean()), rel=0.01)
    unit = about(zero + 1, noisy, timestep=torch.tensor(t), guess=guess) - expected
    assert left == pytest.approx(float(unit.pow(2).mean()), rel=0.05)


@torch.no_grad()
def test_guesses_are_shared_by_the_draws_of_an_image(about):
    guess = drawn(5, 2)
    found = about(drawn(6, 6), drawn(7, 6), timestep=torch.tensor(300), guess=guess)
    repeated = about(
        drawn(6, 6), drawn(7, 6), timestep=torch.tensor(300), guess=guess.repeat_interleave(3, 0)
    )
    assert torch.equal(found, repeated)


@torch.no_grad()
def test_the_guess_travels_with_the_features_and_only_with_them():
    pair = build_pair(TINY, seed=1)
    time = torch.tensor(500)
    handed = pair.structure.features(drawn(0, 2), time, drawn(1, 2), blocks=TINY.injection.at(500))
    assert handed.guess is not None
    assert torch.equal(handed.rows(torch.tensor([1])).guess, handed.guess[1:])
    without = pair.structure.features(
        drawn(0, 2), time, drawn(1, 2), blocks=(frozenset(), frozenset({5}))
    )
    assert without.guess is None


def test_pairs_without_a_guess_keep_working(tmp_path):
    plain = replace(TINY, first_guess=False)
    save_pair(tmp_path, build_pair(plain, seed=1))
    again = load_pair(tmp_path)
    assert again.prompt.about is None
    assert not PAPER.first_guess


@pytest.mark.parametrize("wrong", [{"probe": False}, {"noise": NoiseConfig(prediction="epsilon")}])
def test_a_guess_needs_a_probe_and_v_prediction(wrong):
    with pytest.raises(ModelError, match="SC-407"):
        build_pair(replace(TINY, **wrong))
