"""Scorer networks: shapes, sizes, the published head, what they can see."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from spinecast.errors import ModelError
from spinecast.models.backbones import (
    DEMO,
    DEMO_FIT,
    PAPER,
    PAPER_FIT,
    TINY,
    TINY_FIT,
    ScorerConfig,
    build_scorer,
)

SMALL_B0 = ScorerConfig(backbone="efficientnet-b0", shape=(64, 32), head=(100, 100))


@pytest.mark.parametrize("config", [TINY, DEMO, SMALL_B0], ids=["tiny", "demo", "b0"])
def test_images_become_one_logit_each_through_maps_and_features(config):
    network = build_scorer(config).eval()
    images = torch.rand(2, 1, *config.shape)
    maps = network.maps(images)
    assert maps.shape[0] == 2
    assert maps.ndim == 4
    assert network.features(images).ndim == 2
    logits = network(images)
    assert logits.shape == (2,)
    assert torch.allclose(logits, network.logits(network.pooled(maps)), atol=1e-5)


def test_the_demo_network_is_small():
    assert sum(p.numel() for p in build_scorer(DEMO).parameters()) <= 350_000


def test_the_paper_network_is_b4_with_the_published_linear_head():
    with torch.device("meta"):
        network = build_scorer(PAPER)
        logits = network(torch.rand(1, 1, *PAPER.shape))
    linear = [(m.in_features, m.out_features) for m in network.head if isinstance(m, nn.Linear)]
    assert logits.shape == (1,)
    assert linear == [(1792, 100), (100, 100), (100, 1)]
    assert not [m for m in network.head if isinstance(m, nn.ReLU | nn.SiLU | nn.GELU)]
    assert (PAPER_FIT.optimizer, PAPER_FIT.learning_rate) == ("adam", 1e-4)
    assert (PAPER_FIT.batch_size, PAPER_FIT.max_epochs) == (30, 100)


def test_our_way_through_efficientnet_is_monais_way():
    network = build_scorer(SMALL_B0).eval()
    images = torch.rand(2, 1, 64, 32)
    with torch.no_grad():
        assert torch.allclose(network.features(images), network.trunk(images), atol=1e-5)


def test_configs_survive_json():
    for config in (PAPER, DEMO, TINY):
        assert ScorerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_defaults_of_the_presets_fit_each_other():
    assert DEMO_FIT.max_steps
    assert TINY_FIT.max_steps <= 100


def test_a_network_of_ones_own_is_accepted():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(3, 1)

        def forward_features(self, x):
            return self.body(x)

        def forward(self, x):
            return self.fc(self.body(x).mean((2, 3)))

    network = build_scorer(DEMO, model=Mine())
    images = torch.rand(2, 1, 20, 10)
    assert network(images).shape == (2,)
    assert network.features(images).shape == (2, 3)


def test_a_network_without_maps_says_so():
    network = build_scorer(DEMO, model=nn.Sequential(nn.Flatten(), nn.Linear(200, 1)))
    assert network(torch.rand(2, 1, 20, 10)).shape == (2,)
    with pytest.raises(ModelError, match="SC-407"):
        network.features(torch.rand(2, 1, 20, 10))


def test_impossible_configs_are_refused():
    with pytest.raises(ModelError, match="SC-407"):
        build_scorer(ScorerConfig(backbone="resnet"))
    with pytest.raises(ModelError, match="SC-407"):
        build_scorer(ScorerConfig(shape=(8, 8)))
