"""Partial likelihoods against plain NumPy loops, lifelines and finite differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from spinecast.errors import StatisticsError
from spinecast.models.losses import (
    cox_loss,
    discrete_hazard_loss,
    hazard_targets,
    survival_from_hazards,
)


def plain_cox(eta, duration, event, ties):
    """The textbook double loop."""
    total, events = 0.0, 0
    for time in np.unique(duration[event == 1]):
        risk = np.exp(eta[duration >= time]).sum()
        tied = eta[(duration == time) & (event == 1)]
        d = len(tied)
        events += d
        total += tied.sum()
        for rank in range(d):
            share = rank / d if ties == "efron" else 0.0
            total -= np.log(risk - share * np.exp(tied).sum())
    return -total / events


def cohort(seed, n=200, tied=True):
    rng = np.random.default_rng(seed)
    duration = rng.exponential(5, n)
    if tied:
        duration = np.ceil(duration)
    return rng.normal(size=n), duration, rng.integers(0, 3, n)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_cox_loss_equals_the_textbook_sum(ties, tied, seed):
    eta, duration, event = cohort(seed, tied=tied)
    ours = cox_loss(*map(torch.tensor, (eta, duration, event)), ties=ties)
    assert float(ours) == pytest.approx(plain_cox(eta, duration, event, ties), abs=1e-10)
    assert ours.dtype == torch.float64


def test_efron_agrees_with_lifelines():
    lifelines = pytest.importorskip("lifelines")
    eta, duration, event = cohort(7)
    frame = pd.DataFrame({"x": eta, "t": duration, "e": event == 1})
    fitted = lifelines.CoxPHFitter().fit(frame, "t", "e")
    risk = torch.tensor(eta * fitted.params_["x"])
    ours = -float(cox_loss(risk, torch.tensor(duration), torch.tensor(event))) * sum(event == 1)
    assert ours == pytest.approx(fitted.log_likelihood_, abs=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_gradients_are_right(ties):
    eta, duration, event = (torch.tensor(a) for a in cohort(3, n=30))
    eta.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cox_loss(x, duration, event, ties=ties), eta)


def test_order_of_people_and_a_common_shift_do_not_matter():
    eta, duration, event = (torch.tensor(a) for a in cohort(1))
    order = torch.randperm(len(eta), generator=torch.Generator().manual_seed(0))
    expected = cox_loss(eta, duration, event)
    assert torch.allclose(cox_loss(eta[order], duration[order], event[order]), expected)
    assert torch.allclose(cox_loss(eta + 500, duration, event), expected)


def test_extreme_risks_stay_finite_in_single_precision():
    eta = torch.tensor([-200.0, 0.0, 300.0, 300.0], requires_grad=True)
    loss = cox_loss(eta, torch.tensor([1.0, 2, 3, 3]), torch.tensor([1, 1, 1, 1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(eta.grad).all()


def test_nobody_with_an_event_gives_zero_and_a_zero_gradient():
    eta = torch.ones(3, requires_grad=True)
    loss = cox_loss(eta, torch.ones(3), torch.tensor([0, 2, 0]))
    loss.backward()
    assert loss == 0
    assert torch.equal(eta.grad, torch.zeros(3))


def test_unknown_ties_and_unequal_lengths_are_refused():
    with pytest.raises(StatisticsError, match="SC-610"):
        cox_loss(torch.ones(2), torch.ones(2), torch.ones(2), ties="exact")
    with pytest.raises(StatisticsError, match="SC-606"):
        cox_loss(torch.ones(2), torch.ones(3), torch.ones(2))


def test_hazard_targets_mark_what_was_seen():
    edges = torch.tensor([0.0, 1.0, 2.0, 5.0])
    duration = torch.tensor([0.5, 1.5, 1.5, 2.0, 9.0, 0.0, 2.0])
    event = torch.tensor([1, 1, 0, 0, 1, 1, 1])
    target, mask = hazard_targets(duration, event, edges)
    assert target.tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
    ]
    assert mask.tolist() == [
        [1, 0, 0],
        [1, 1, 0],
        [1, 0, 0],
        [1, 1, 0],
        [1, 1, 1],
        [1, 0, 0],
        [1, 1, 0],
    ]


def test_discrete_hazard_loss_is_least_at_the_observed_frequencies():
    rng = np.random.default_rng(0)
    duration = torch.tensor(rng.exponential(3, 5000))
    event = torch.tensor((rng.random(5000) < 0.7).astype(int))
    edges = torch.tensor([0.0, 1, 2, 4], dtype=torch.float64)
    target, mask = hazard_targets(duration, event, edges)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = discrete_hazard_loss(logits.expand(5000, 3), target, mask)
        loss.backward()
        return loss

    optimizer.step(closure)
    frequency = (target * mask).sum(0) / mask.sum(0)
    assert torch.allclose(torch.sigmoid(logits), frequency, atol=1e-4)
    survival = survival_from_hazards(logits[None].detach())
    assert torch.allclose(survival[0], torch.cumprod(1 - frequency, 0), atol=1e-4)


def test_masked_intervals_do_not_count():
    logits = torch.tensor([[0.0, 99.0]], requires_grad=True)
    loss = discrete_hazard_loss(logits, torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert float(loss.detach()) == pytest.approx(np.log(2), abs=1e-6)
    assert discrete_hazard_loss(logits, torch.zeros(1, 2), torch.zeros(1, 2)) == 0
