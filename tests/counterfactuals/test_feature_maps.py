"""Principal components of what the structure model holds."""

import numpy as np
import pytest

from spinecast.counterfactuals.feature_maps import PAPER_TIMESTEPS, feature_maps, principal_maps
from spinecast.errors import ModelError
from spinecast.models.diffx_config import TINY
from spinecast.models.latent_diffusion import build_pair


@pytest.fixture(scope="module")
def pair():
    return build_pair(TINY, seed=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, 64, 32), dtype=np.float32)


def test_there_is_a_map_for_every_block_and_timestep_of_the_paper(pair, images):
    found = feature_maps(pair, images)
    assert [(m.timestep, m.block) for m in found] == [
        (t, b) for t in PAPER_TIMESTEPS for b in range(9)
    ]
    assert found[0].maps.shape == (2, 3, 4, 2)
    assert found[8].maps.shape == (2, 3, 16, 8)
    for each in found:
        assert each.maps.min() >= 0
        assert each.maps.max() <= 1
        assert (np.diff(each.explained) <= 1e-9).all()
        assert each.explained.sum() <= 1 + 1e-9


def test_maps_are_the_same_again(pair, images):
    a, b = (feature_maps(pair, images, blocks=[5], timesteps=[300], seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(a.maps, b.maps)


def test_components_agree_with_scikit_learn():
    from sklearn.decomposition import PCA

    features = np.random.default_rng(0).normal(size=(3, 5, 4, 2))
    maps, explained = principal_maps(features, components=2)
    flat = features.transpose(0, 2, 3, 1).reshape(-1, 5)
    theirs = PCA(2).fit(flat)
    np.testing.assert_allclose(explained, theirs.explained_variance_ratio_, rtol=1e-6)
    projected = theirs.transform(flat)
    for k in range(2):
        ours = maps[:, k].reshape(-1)
        assert abs(np.corrcoef(ours, projected[:, k])[0, 1]) == pytest.approx(1, abs=1e-5)


def test_one_planted_direction_explains_everything():
    pattern = np.random.default_rng(1).random((1, 1, 6, 3))
    maps, explained = principal_maps(pattern * np.array([1.0, -2.0, 3.0])[None, :, None, None])
    assert explained[0] == pytest.approx(1)
    scaled = (pattern - pattern.min()) / np.ptp(pattern)
    np.testing.assert_allclose(maps[0, 0], scaled[0, 0], atol=1e-6)


def test_constant_features_give_no_noise():
    maps, _ = principal_maps(np.ones((1, 3, 2, 2)))
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("wrong", [{"blocks": [9]}, {"timesteps": [1000]}])
def test_places_that_do_not_exist_are_refused(pair, images, wrong):
    with pytest.raises(ModelError, match="SC-407"):
        feature_maps(pair, images, **wrong)
