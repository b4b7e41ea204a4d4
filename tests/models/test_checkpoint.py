"""Weights on disk: round trips, damage, foreign versions."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from spinecast.errors import ModelError
from spinecast.models.checkpoint import (
    checkpoint_hash,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_weights_and_config_come_back_exactly(tmp_path, network):
    save_checkpoint(tmp_path, network, name="net", config={"width": 2})
    state, config = load_checkpoint(tmp_path, "net")
    assert config == {"width": 2}
    assert set(state) == set(network.state_dict())
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    assert all(state[key].dtype == value.dtype for key, value in network.state_dict().items())


def test_half_precision_halves_the_file_and_keeps_three_digits(tmp_path):
    state = {
        "a": torch.randn(10, 100),
        "mean": torch.randn(7),
        "count": torch.tensor(70_000),
        "large": torch.tensor([[1e6]]),
    }
    save_checkpoint(tmp_path, state, name="full", config={})
    save_checkpoint(tmp_path, state, name="half", config={}, half=True)
    size = {p.name.split("-")[0]: p.stat().st_size for p in tmp_path.glob("*.safetensors")}
    assert size["half"] < 0.6 * size["full"]
    loaded, _ = load_checkpoint(tmp_path, "half")
    assert loaded["a"].dtype == torch.float32
    assert torch.allclose(loaded["a"], state["a"], rtol=1e-3, atol=1e-6)
    assert torch.equal(loaded["mean"], state["mean"])
    assert loaded["count"] == 70_000
    assert loaded["large"] == 1e6


def test_tied_weights_can_be_saved(tmp_path):
    tensor = torch.ones(3)
    save_checkpoint(tmp_path, {"a": tensor, "b": tensor, "c": tensor[1:]}, name="n", config={})
    state, _ = load_checkpoint(tmp_path, "n")
    assert state["b"].tolist() == [1, 1, 1]


def test_saving_again_leaves_one_weights_file_and_other_names_alone(tmp_path, network):
    save_checkpoint(tmp_path, network, name="net", config={})
    save_checkpoint(tmp_path, network, name="net-b", config={})
    with torch.no_grad():
        network[0].weight.add_(1)
    save_checkpoint(tmp_path, network, name="net", config={})
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    state, _ = load_checkpoint(tmp_path, "net")
    assert torch.equal(state["0.weight"], network[0].weight)
    assert checkpoint_hash(tmp_path, "net") != checkpoint_hash(tmp_path, "net-b")


def test_saving_is_deterministic(tmp_path, network):
    save_checkpoint(tmp_path / "a", network, name="net", config={"b": 1, "a": 2})
    save_checkpoint(tmp_path / "b", network, name="net", config={"a": 2, "b": 1})
    for one in (tmp_path / "a").iterdir():
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_one_changed_byte_is_sc_402(tmp_path, network):
    save_checkpoint(tmp_path, network, name="net", config={})
    path = next(tmp_path.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="SC-402"):
        load_checkpoint(tmp_path, "net")


def test_rubbish_with_a_matching_hash_is_still_sc_402(tmp_path, network):
    import hashlib

    save_checkpoint(tmp_path, network, name="net", config={})
    description = json.loads((tmp_path / "net.json").read_text())
    (tmp_path / description["weights"]).write_bytes(b"rubbish")
    description["sha256"] = hashlib.sha256(b"rubbish").hexdigest()
    (tmp_path / "net.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="SC-402"):
        load_checkpoint(tmp_path, "net")


def test_broken_json_is_sc_402(tmp_path, network):
    save_checkpoint(tmp_path, network, name="net", config={})
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(ModelError, match="SC-402"):
        load_checkpoint(tmp_path, "net")


@pytest.mark.parametrize("content", ["[]", '{"format": 99}', "{}"])
def test_another_format_is_sc_403(tmp_path, content):
    (tmp_path / "net.json").write_text(content)
    with pytest.raises(ModelError, match="SC-403"):
        load_checkpoint(tmp_path, "net")


def test_missing_weights_are_sc_406(tmp_path, network):
    with pytest.raises(ModelError, match="SC-406"):
        load_checkpoint(tmp_path, "net")
    save_checkpoint(tmp_path, network, name="net", config={})
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(ModelError, match="SC-406"):
        load_checkpoint(tmp_path, "net")


def test_weights_of_another_network_are_sc_403(network):
    with pytest.raises(ModelError, match="SC-403"):
        load_weights(nn.Conv2d(1, 2, 5), network.state_dict())


def test_weights_are_put_into_a_fresh_network(tmp_path, network):
    save_checkpoint(tmp_path, network, name="net", config={})
    fresh = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    load_weights(fresh, load_checkpoint(tmp_path, "net")[0])
    x = torch.rand(1, 1, 5, 5)
    assert torch.equal(fresh.eval()(x), network.eval()(x))
