"""Founders are a sample of the neutral coalescent with recombination."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.simulation.coalescent import EFFECTIVE_SIZE, FOUNDERS, SPLIT, founder_haplotypes

STEP = 0.004  # cM


@pytest.fixture(scope="module")
def pools():
    step = np.full(300, STEP)
    step[0] = np.inf
    return [founder_haplotypes(step, FOUNDERS, np.uint64(key)) for key in range(60)]


def test_every_variant_is_carried_by_some_founders_and_not_by_all(pools):
    counts = np.concatenate([pool.sum(axis=0) for pool in pools])
    assert counts.min() >= 1
    assert counts.max() < sum(FOUNDERS)


def test_frequencies_of_common_variants_fall_as_one_over_the_count(pools):
    europeans = FOUNDERS[0]
    counts = np.concatenate([pool[:europeans].sum(axis=0) for pool in pools]).astype(int)
    counts = counts[(counts >= 0.01 * europeans) & (counts <= 0.99 * europeans)]
    expected = 1.0 / np.arange(0.01 * europeans, 0.99 * europeans + 1)
    for limit in (0.03, 0.10, 0.30):
        cut = int(limit * europeans)
        wanted = expected[: cut - int(0.01 * europeans) + 1].sum() / expected.sum()
        assert np.mean(counts <= cut) == pytest.approx(wanted, abs=0.04)


def test_linkage_decays_with_distance_as_theory_says(pools):
    """Ohta & Kimura's ratio of expectations, (10 + r) / (22 + 13 r + r^2), r = 4 Ne c."""
    for apart in (2, 8, 30, 100):
        covariance, spread = 0.0, 0.0
        for pool in pools:
            own = pool[: FOUNDERS[0]].astype(float)
            own = own - own.mean(axis=0)
            product = np.mean(own[:, :-apart] * own[:, apart:], axis=0)
            variance = own.var(axis=0)
            covariance += np.sum(product**2)
            spread += np.sum(variance[:-apart] * variance[apart:])
        rho = 4 * EFFECTIVE_SIZE * apart * STEP / 100
        theory = (10 + rho) / (22 + 13 * rho + rho**2) + 1 / FOUNDERS[0]
        assert covariance / spread == pytest.approx(theory, rel=0.2)


def test_the_two_populations_differ_as_their_split_says(pools):
    between, within = 0.0, 0.0
    for pool in pools:
        p, q = pool[: FOUNDERS[0]].mean(axis=0), pool[FOUNDERS[0] :].mean(axis=0)
        corrections = p * (1 - p) / (FOUNDERS[0] - 1) + q * (1 - q) / (FOUNDERS[1] - 1)
        between += np.sum((p - q) ** 2 - corrections)
        within += np.sum(p * (1 - q) + q * (1 - p))
    assert between / within == pytest.approx(SPLIT / (1 + SPLIT), abs=0.02)


def test_the_same_key_gives_the_same_founders_and_another_key_others(pools):
    step = np.full(300, STEP)
    step[0] = np.inf
    again = founder_haplotypes(step, FOUNDERS, np.uint64(0))
    np.testing.assert_array_equal(again, pools[0])
    assert not np.array_equal(pools[0], pools[1])


def test_without_recombination_no_two_variants_show_all_four_combinations():
    step = np.zeros(60)
    step[0] = np.inf
    pool = founder_haplotypes(step, FOUNDERS, np.uint64(5)).astype(int)
    for first in range(59):
        for second in range(first):
            assert len(set(2 * pool[:, first] + pool[:, second])) <= 3
