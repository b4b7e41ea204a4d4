"""Mechanisms: exact both ways, likelihoods that are likelihoods, levels that share their noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.models.context_net import ContextNet, MechanismSettings
from spinecast.models.mechanisms import (
    AffineMechanism,
    LevelMechanism,
    SplineMechanism,
    make_mechanism,
)

BENT = MechanismSettings(kind="spline")
PLAIN = MechanismSettings(kind="affine")


def people(n=400, dtype=torch.float64):
    rng = torch.Generator().manual_seed(0)
    parents = torch.randn(n, 2, generator=rng, dtype=dtype)
    noise = torch.randn(n, generator=rng, dtype=dtype)
    return (3.7 + 0.1 * parents[:, 0] + 0.05 * noise).exp(), parents


def shaken(mechanism, size=0.3, seed=1):
    """Give every weight a value, as a fit would."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in mechanism.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=rng, dtype=weight.dtype))
    return mechanism


def started(kind, settings, dtype=torch.float64):
    value, parents = people(dtype=dtype)
    mechanism = make_mechanism(kind, 2, settings=settings).to(dtype)
    mechanism.start(value, parents)
    return shaken(mechanism), value, parents


@pytest.mark.parametrize("kind", ["positive", "real"])
@pytest.mark.parametrize(
    ("settings", "dtype", "tolerance"),
    [
        (PLAIN, torch.float64, 1e-10),
        (PLAIN, torch.float32, 1e-5),
        (BENT, torch.float64, 1e-10),
        (BENT, torch.float32, 1e-5),
    ],
)
@torch.no_grad()
def test_prediction_undoes_abduction(kind, settings, dtype, tolerance):
    mechanism, value, parents = started(kind, settings, dtype)
    noise = mechanism.abduct(value, parents)
    assert noise.dtype == dtype
    again = mechanism.predict(noise, parents)
    assert ((again - value) / value).abs().max() < tolerance
    other = mechanism.predict(noise, parents + 1)
    assert (mechanism.abduct(other, parents + 1) - noise).abs().max() < 100 * tolerance
    assert (other - value).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["positive", "real"])
@pytest.mark.parametrize("settings", [PLAIN, BENT])
@torch.no_grad()
def test_the_density_integrates_to_one_in_the_unit_of_the_value(kind, settings):
    mechanism, _, _ = started(kind, settings)
    low = 1e-3 if kind == "positive" else -400.0
    grid = torch.linspace(low, 600.0, 80_001, dtype=torch.float64)
    for parents in ((0.0, 0.0), (1.0, -1.0)):
        given = torch.tensor([parents], dtype=torch.float64).expand(len(grid), -1)
        density = mechanism.log_prob(grid, given).exp()
        assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=2e-3)


@torch.no_grad()
def test_an_unshaken_mechanism_is_least_squares_on_logarithms():
    value, parents = people()
    design = np.column_stack([np.ones(len(value)), parents.numpy()])
    expected, *_ = np.linalg.lstsq(design, value.log().numpy(), rcond=None)
    left = value.log().numpy() - design @ expected
    for settings in (PLAIN, BENT):
        mechanism = make_mechanism("positive", 2, settings=settings).double()
        mechanism.start(value, parents)
        noise = mechanism.abduct(value, parents)
        assert noise.numpy() == pytest.approx(left / left.std(ddof=1), abs=1e-6)
        normal = stats.norm(design @ expected, left.std(ddof=1))
        expected_density = normal.logpdf(value.log().numpy()) - value.log().numpy()
        assert mechanism.log_prob(value, parents).numpy() == pytest.approx(
            expected_density, abs=1e-6
        )


def test_without_a_straight_line_the_start_knows_the_mean_only():
    value, parents = people()
    mechanism = make_mechanism(
        "positive", 2, settings=MechanismSettings(kind="affine", straight=False)
    ).double()
    mechanism.start(value, parents)
    assert mechanism.context.line is None
    assert mechanism.context(parents)[:, 0].abs().max() < 1e-6


def test_only_the_networks_weights_cost():
    context = ContextNet(2, 2, settings=MechanismSettings(hidden=(3,), ridge=0.5))
    with torch.no_grad():
        for weight in context.parameters():
            weight.fill_(1.0)
    assert float(context.penalty().detach()) == pytest.approx(0.5 * (2 * 3 + 3 * 2))
    assert not ContextNet(0, 2, settings=MechanismSettings()).penalty().item()


def test_roots_are_splines_and_others_affine_unless_told():
    assert isinstance(make_mechanism("positive", 0), SplineMechanism)
    assert not isinstance(make_mechanism("positive", 1), SplineMechanism)
    assert isinstance(make_mechanism("real", 1, settings=BENT), SplineMechanism)
    assert type(make_mechanism("real", 0, settings=PLAIN)) is AffineMechanism
    assert isinstance(make_mechanism("category", 0, levels=3), LevelMechanism)


def levels(n=3, parents=2):
    torch.manual_seed(0)
    return shaken(make_mechanism("category", parents, levels=n).double(), size=0.8)


@pytest.mark.parametrize("count", [2, 3, 5])
@torch.no_grad()
def test_a_level_is_the_one_that_its_noise_makes(count):
    mechanism = levels(count)
    rng = np.random.default_rng(0)
    parents = torch.from_numpy(rng.normal(size=(5_000, 2)))
    value = torch.from_numpy(rng.integers(0, count, 5_000)).double()
    dice = torch.from_numpy(rng.random((5_000, count)))
    noise = mechanism.abduct(value, parents, dice)
    assert noise.shape == (5_000, count)
    assert torch.isfinite(noise).all()
    assert torch.equal(mechanism.predict(noise, parents), value)
    assert torch.equal(mechanism.predict(mechanism.abduct(value, parents), parents), value)


@torch.no_grad()
def test_abducted_noise_of_drawn_levels_is_standard_gumbel_again():
    mechanism = levels(3)
    rng = np.random.default_rng(1)
    parents = torch.from_numpy(rng.normal(size=(20_000, 2)))
    value = mechanism.predict(mechanism.draw_noise(20_000, rng), parents)
    noise = mechanism.abduct(value, parents, torch.from_numpy(rng.random((20_000, 3))))
    for column in noise.T.numpy():
        assert stats.kstest(column, stats.gumbel_r.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(noise.T.numpy()) - np.eye(3)).max() < 0.03


@torch.no_grad()
def test_levels_are_drawn_as_often_as_their_probabilities_say():
    mechanism = levels(3)
    parents = torch.tensor([[0.5, -1.0]], dtype=torch.float64).expand(50_000, -1)
    drawn = mechanism.predict(mechanism.draw_noise(50_000, np.random.default_rng(2)), parents)
    shares = torch.bincount(drawn.long(), minlength=3) / 50_000
    for level in range(3):
        log_prob = mechanism.log_prob(torch.full((1,), float(level)).double(), parents[:1])
        assert float(shares[level]) == pytest.approx(math.exp(float(log_prob)), abs=0.01)


@torch.no_grad()
def test_raising_one_levels_probability_alone_pulls_nobody_between_the_others():
    mechanism = levels(3, parents=0)
    noise = mechanism.draw_noise(20_000, np.random.default_rng(3))
    parents = torch.zeros(20_000, 0, dtype=torch.float64)
    before = mechanism.predict(noise, parents)
    mechanism.context.level[1] += 1.0  # the third level
    after = mechanism.predict(noise, parents)
    moved = before != after
    assert 0.01 < float(moved.double().mean()) < 0.6
    assert (after[moved] == 2).all()


def test_a_variable_that_never_varies_is_refused():
    with pytest.raises(SpinecastError) as caught:
        make_mechanism("positive", 0).double().start(
            torch.full((30,), 2.0, dtype=torch.float64), torch.zeros(30, 0, dtype=torch.float64)
        )
    assert caught.value.code == "SC-603"


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_mechanism("image", 0),
        lambda: MechanismSettings(kind="linear"),
        lambda: MechanismSettings(bins=1),
        lambda: MechanismSettings(hidden=(16, 0)),
        lambda: MechanismSettings(ridge=-1),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(SpinecastError) as caught:
        make()
    assert caught.value.code == "SC-407"
