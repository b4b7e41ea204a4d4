from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from spinecast.errors import SpinecastError
from spinecast.outcomes import delong


def brute_force(label, scores):
    """DeLong's AUROCs and covariance by the n x m table of comparisons."""
    cases, controls = label == 1, label == 0
    tables = [
        (s[cases][:, None] > s[controls]) + 0.5 * (s[cases][:, None] == s[controls]) for s in scores
    ]
    auc = np.array([t.mean() for t in tables])
    v10 = np.cov([t.mean(axis=1) for t in tables])
    v01 = np.cov([t.mean(axis=0) for t in tables])
    return auc, np.atleast_2d(v10 / cases.sum() + v01 / controls.sum())


def draw(seed, n=60, k=3, levels=8):
    rng = np.random.default_rng(seed)
    label = np.r_[0, 0, 1, 1, rng.integers(0, 2, n - 4)]
    scores = [np.round(rng.normal(size=n) + 0.8 * label) * levels / 8 for _ in range(k)]
    return label, scores


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_midranks_give_the_brute_force_covariance(seed):
    label, scores = draw(seed)
    found = delong(label, *scores)
    auc, covariance = brute_force(label, scores)
    np.testing.assert_allclose(found.auroc, auc, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    np.testing.assert_allclose(found.auroc, [roc_auc_score(label, s) for s in scores])


def test_each_pair_is_tested_with_its_covariance():
    label, scores = draw(1)
    found = delong(label, *scores)
    assert set(found.pairs) == {(0, 1), (0, 2), (1, 2)}
    c = found.covariance
    z = (found.auroc[0] - found.auroc[2]) / np.sqrt(c[0, 0] + c[2, 2] - 2 * c[0, 2])
    assert found.z(0, 2) == pytest.approx(z)
    assert found.to_frame()["term"].tolist()[-1] == "auroc_1-auroc_2"
    same = delong(label, scores[0], 3 * scores[0] + 1)
    assert same.p_value() == 1.0


def test_duplicated_people_need_their_cluster():
    label, scores = draw(2, n=100)
    twice = np.repeat(np.arange(100), 2)
    single = delong(label, *scores)
    doubled = delong(label[twice], *(s[twice] for s in scores), cluster=twice)
    np.testing.assert_allclose(doubled.auroc, single.auroc)
    np.testing.assert_allclose(doubled.covariance, single.covariance, rtol=0.02)


def test_clusters_of_one_are_no_clusters():
    label, scores = draw(3)
    plain, own = delong(label, *scores), delong(label, *scores, cluster=np.arange(60))
    np.testing.assert_allclose(own.covariance, plain.covariance, rtol=0.05)


def test_the_paired_test_holds_its_level_and_limits_cover():
    p, hits = [], 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 2, 150)
        truth = rng.normal(size=150) + label
        a, b = truth + rng.normal(size=150), truth + rng.normal(size=150)
        found = delong(label, a, b)
        p.append(found.p_value())
        expected = 0.6914624612740131  # Phi(1 / sqrt(2 * 2))
        hits += found.ci_low[0] <= expected <= found.ci_high[0]
    assert 0.025 <= np.mean(np.array(p) < 0.05) <= 0.085
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("SC-601", lambda: delong([1, 1, 1], [1, 2, 3])),
        ("SC-609", lambda: delong([1, 0, 0], [1, 2, 3])),
        ("SC-609", lambda: delong([1, 0, 0, 1])),
        ("SC-319", lambda: delong([2, 0, 1, 1], [1, 2, 3, 4])),
        ("SC-604", lambda: delong([1, 0, 0, 1], [1, 2, np.nan, 4])),
    ],
)
def test_degenerate_input_raises_its_code(code, call):
    with pytest.raises(SpinecastError, match=code):
        call()
