"""Expected discrimination agrees with brute force over all pairs, and with drawn events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.simulation.ranking import expected_auroc, expected_concordance

RNG = np.random.default_rng(0)


def brute_force_auroc(risk, survival):
    won = pairs = 0.0
    for i in range(len(risk)):
        for j in range(len(risk)):
            if i != j:
                weight = (1 - survival[i]) * survival[j]
                pairs += weight
                won += weight * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    return won / pairs


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.02, 0.98)), min_size=2, max_size=25))
def test_auroc_equals_the_sum_over_all_pairs(people):
    risk = np.array([score for score, _ in people], float)
    survival = np.array([chance for _, chance in people])
    assert expected_auroc(risk, survival) == pytest.approx(brute_force_auroc(risk, survival))


def test_a_score_of_no_information_ranks_like_a_coin():
    survival = RNG.uniform(0.2, 0.9, 400)
    assert expected_auroc(np.zeros(400), survival) == pytest.approx(0.5)
    curves = np.exp(-np.outer(RNG.exponential(1, 400), np.linspace(0, 2, 9)))
    assert expected_concordance(np.zeros(400), curves) == pytest.approx(0.5)


def test_the_reversed_score_has_the_complementary_value():
    survival, risk = RNG.uniform(0.2, 0.9, 300), RNG.normal(size=300)
    total = expected_auroc(risk, survival) + expected_auroc(-risk, survival)
    assert total == pytest.approx(1)


def test_the_true_risk_ranks_best():
    rate = RNG.lognormal(0, 1, 500)
    curves = np.exp(-np.outer(rate, np.linspace(0, 1, 21)))
    best = expected_concordance(rate, curves)
    noisy = expected_concordance(rate * RNG.lognormal(0, 0.5, 500), curves)
    assert best > noisy > 0.5


def test_concordance_equals_that_of_drawn_events():
    rate = RNG.lognormal(0, 1, 250)
    grid = np.linspace(0, 1, 201)
    expected = expected_concordance(rate, np.exp(-np.outer(rate, grid)))
    won = pairs = 0
    for _ in range(40):
        time = RNG.exponential(1 / rate)
        earlier = (time[:, None] < time) & (time[:, None] <= 1)
        won += (earlier & (rate[:, None] > rate)).sum()
        pairs += earlier.sum()
    assert expected == pytest.approx(won / pairs, abs=0.01)
