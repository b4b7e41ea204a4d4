"""The training loop: length, averages, skipping, stopping, exact resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spinecast.errors import ModelError
from spinecast.models.fit import FitSettings, clear_state, fit, index_batches

BASE = FitSettings(
    learning_rate=0.05, max_steps=60, validate_every=10, threads=1, accelerator="cpu"
)

_rng = np.random.default_rng(0)
X = torch.tensor(_rng.normal(size=(64, 3)), dtype=torch.float32)
Y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.3


def linear() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


def batches(epoch):
    for rows in index_batches(64, batch_size=16, seed=3)(epoch):
        yield X[rows], Y[rows]


def squared(module, batch, rng):
    x, y = batch
    noise = 0.01 * torch.randn(x.shape, generator=rng)
    return ((module(x + noise)[:, 0] - y) ** 2).mean()


def error_now(module):
    return float(((module(X)[:, 0] - Y) ** 2).mean().detach())


def settings(**changes):
    return FitSettings(**{**BASE.__dict__, **changes})


def equal(a, b):
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


def test_fitting_lowers_the_loss_and_returns_the_module_in_eval_mode():
    module = linear()
    before = error_now(module.eval())
    result = fit(module, batches, squared, settings=BASE, validate=error_now)
    assert error_now(module) < 0.3 * before
    assert not module.training
    assert result.steps == 60
    assert result.stopped == "length"
    assert result.history["step"].tolist() == [10, 20, 30, 40, 50, 60]
    assert equal(result.state, module.state_dict())


def test_the_best_validated_weights_are_the_ones_returned():
    seen = []

    def validate(module):
        seen.append((len(seen), [p.clone() for p in module.parameters()]))
        return abs(len(seen) - 3)

    result = fit(linear(), batches, squared, settings=BASE, validate=validate)
    best = seen[2][1]
    assert result.best == 0
    assert all(torch.equal(a, b) for a, b in zip(result.state.values(), best, strict=True))


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not():
    first = fit(linear(), batches, squared, settings=BASE).state
    again = fit(linear(), batches, squared, settings=BASE).state
    other = fit(linear(), batches, squared, settings=settings(seed=1)).state
    assert equal(first, again)
    assert not equal(first, other)


def test_fitting_leaves_the_global_random_state_and_threads_alone():
    module = linear()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    fit(module, batches, squared, settings=settings(max_steps=3))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_the_average_follows_its_definition():
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    raw = [0.0]

    def loss(module, batch, rng):
        raw.append(float(module.weight.detach()))
        return -module.weight.sum()

    result = fit(
        module,
        batches,
        loss,
        settings=settings(ema_decay=0.5, max_steps=4, schedule="constant", weight_decay=0.0),
    )
    weights = [*raw[2:], raw[-1] + 0.05]  # AdamW moves by one learning rate a step
    mean = 0.0
    for t, weight in enumerate(weights):
        decay = min(0.5, (1 + t) / (10 + t))
        mean = decay * mean + (1 - decay) * weight
    assert result.state["weight"].item() == pytest.approx(mean, rel=1e-5)


def test_steps_with_a_wild_gradient_are_skipped_and_counted():
    def loss(module, batch, rng):
        calls.append(1)
        return squared(module, batch, rng) * (1e6 if len(calls) == 5 else 1)

    calls = []
    result = fit(linear(), batches, loss, settings=settings(skip_norm=1e3))
    assert result.skipped == 1
    assert np.isfinite(result.history["loss"]).all()


def test_a_few_nans_are_survived():
    def loss(module, batch, rng):
        calls.append(1)
        return squared(module, batch, rng) * (float("nan") if len(calls) in {3, 4} else 1)

    calls = []
    result = fit(linear(), batches, loss, settings=BASE)
    assert result.skipped == 2
    assert all(torch.isfinite(value).all() for value in result.state.values())


def test_lasting_nans_end_the_training_with_sc_405():
    def loss(module, batch, rng):
        return squared(module, batch, rng) * float("nan")

    with pytest.raises(ModelError, match="SC-405"):
        fit(linear(), batches, loss, settings=BASE)


def test_patience_ends_a_training_that_no_longer_improves():
    result = fit(
        linear(), batches, squared, settings=settings(patience=1), validate=lambda module: 1.0
    )
    assert result.stopped == "patience"
    assert result.steps == 30


def test_the_time_limit_ends_a_training():
    result = fit(linear(), batches, squared, settings=settings(max_minutes=1e-9))
    assert result.stopped == "time"
    assert result.steps == 1


def test_epochs_can_set_the_length():
    result = fit(linear(), batches, squared, settings=settings(max_steps=None, max_epochs=3))
    assert result.steps == 12
    assert result.history["learning_rate"].iloc[-1] < BASE.learning_rate


def test_warm_up_then_cosine():
    result = fit(linear(), batches, squared, settings=settings(validate_every=1, warmup_steps=10))
    rate = result.history["learning_rate"].to_numpy()
    assert rate[0] == pytest.approx(0.1 * BASE.learning_rate)
    assert rate.argmax() in {9, 10}
    assert rate[-1] < 0.01 * BASE.learning_rate


def test_progress_ends_at_one():
    said = []
    fit(
        linear(),
        batches,
        squared,
        settings=BASE,
        progress=lambda done, text: said.append((done, text)),
    )
    assert said[-1][0] == 1.0
    assert "loss" in said[-1][1]
    assert [done for done, _ in said] == sorted(done for done, _ in said)


def test_no_length_at_all_is_refused():
    with pytest.raises(ModelError, match="SC-407"):
        FitSettings()


def test_an_empty_epoch_is_refused():
    with pytest.raises(ModelError, match="SC-407"):
        fit(linear(), lambda epoch: iter(()), squared, settings=BASE)


def test_index_batches_visit_everybody_once_and_differ_between_epochs():
    make = index_batches(10, batch_size=3, seed=1, drop_last=False)
    first, second = (np.concatenate(list(make(epoch))) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
    assert [len(rows) for rows in index_batches(10, batch_size=3)(0)] == [3, 3, 3]
    assert [len(rows) for rows in index_batches(2, batch_size=3)(0)] == [2]


def interrupted(folder: Path, after: int, **changes):
    """Raise in the loss after some steps, as a crash would."""
    calls = []

    def loss(module, batch, rng):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return squared(module, batch, rng)

    with pytest.raises(KeyboardInterrupt):
        fit(
            linear(), batches, loss, settings=settings(**changes), validate=error_now, folder=folder
        )


@pytest.mark.parametrize("after", [1, 4, 23])
def test_a_resumed_training_equals_an_unbroken_one(tmp_path, after):
    changes = {"checkpoint_every_minutes": 0.0, "ema_decay": 0.9, "warmup_steps": 5}
    whole = fit(linear(), batches, squared, settings=settings(**changes), validate=error_now)
    interrupted(tmp_path, after, **changes)
    resumed = fit(
        linear(),
        batches,
        squared,
        settings=settings(**changes),
        validate=error_now,
        folder=tmp_path,
    )
    assert equal(whole.state, resumed.state)
    assert whole.history.equals(resumed.history)


def test_a_finished_training_is_returned_without_a_step(tmp_path):
    done = fit(linear(), batches, squared, settings=BASE, folder=tmp_path)

    def loss(module, batch, rng):
        raise AssertionError

    again = fit(linear(), batches, loss, settings=BASE, folder=tmp_path)
    assert equal(done.state, again.state)
    assert done.history.equals(again.history)


def test_a_checkpoint_of_other_settings_or_damaged_is_thrown_away(tmp_path):
    fit(linear(), batches, squared, settings=settings(max_steps=5), folder=tmp_path)
    fresh = fit(linear(), batches, squared, settings=BASE)
    assert equal(fit(linear(), batches, squared, settings=BASE, folder=tmp_path).state, fresh.state)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"broken")
    assert equal(fit(linear(), batches, squared, settings=BASE, folder=tmp_path).state, fresh.state)


def test_clear_state_makes_a_training_start_anew(tmp_path):
    fit(linear(), batches, squared, settings=settings(max_steps=5), folder=tmp_path)
    clear_state(tmp_path)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import test_fit
def slow(module, batch, rng):
    time.sleep(0.01)
    return test_fit.squared(module, batch, rng)
settings = test_fit.settings(checkpoint_every_minutes=0.0, ema_decay=0.9)
test_fit.fit(test_fit.linear(), test_fit.batches, slow, settings=settings,
    validate=test_fit.error_now, folder=Path({folder!r}))
"""


def test_a_training_killed_with_sigkill_resumes_to_the_same_bytes(tmp_path):
    changes = {"checkpoint_every_minutes": 0.0, "ema_decay": 0.9}
    whole = fit(linear(), batches, squared, settings=settings(**changes), validate=error_now)
    code = KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    deadline = time.monotonic() + 60
    while not (tmp_path / "training.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    resumed = fit(
        linear(),
        batches,
        squared,
        settings=settings(**changes),
        validate=error_now,
        folder=tmp_path,
    )
    assert equal(whole.state, resumed.state)
    assert whole.history.equals(resumed.history)
