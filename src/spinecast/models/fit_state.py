"""Everything a training must remember to go on exactly where it was killed."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from spinecast.errors import SpinecastError
from spinecast.models.checkpoint import load_checkpoint, save_checkpoint
from spinecast.models.fit_settings import FitSettings

#: Name of the checkpoint in a training's folder.
NAME = "training"

#: Settings that say how long or how fast, not what: a resume may change them.
_NOT_COMPARED = ("max_minutes", "checkpoint_every_minutes", "threads", "devices", "nodes")


@dataclass
class Progress:
    """The numbers of a training: where it is and what it has seen."""

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "gradient_norm",
        "validation",
    )

    step: int = 0
    epoch: int = 0
    batch: int = 0
    skipped: int = 0
    failures: int = 0
    averaged: int = 0
    waited: int = 0
    seconds: float = 0.0
    best: float = math.inf
    stopped: str = ""
    open_row: list[list[float]] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)

    def record(self, loss: float, norm: float, *, rate: float) -> None:
        """Note one step in the row that the next validation closes."""
        self.open_row.append([loss, rate, norm])

    def close_row(self, validation: float) -> None:
        """Turn the steps since the last validation into one row of the history."""
        n = max(1, len(self.open_row))
        loss = sum(step[0] for step in self.open_row) / n if self.open_row else math.nan
        norm = sum(step[2] for step in self.open_row) / n if self.open_row else math.nan
        rate = self.open_row[-1][1] if self.open_row else math.nan
        self.rows.append([self.step, self.epoch, loss, rate, norm, validation])
        self.open_row = []

    def text(self) -> str:
        """Return one line for a person who waits."""
        loss = self.open_row[-1][0] if self.open_row else (self.rows[-1][2] if self.rows else 0.0)
        best = f", best validation {self.best:.4f}" if math.isfinite(self.best) else ""
        return f"step {self.step}, loss {loss:.4f}{best}"


@dataclass
class TrainingState:
    """The objects of one training: weights, averaged weights, best weights, optimiser, numbers."""

    module: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, torch.Tensor]
    progress: Progress
    fingerprint: str

    @staticmethod
    def start(
        module: nn.Module, optimizer: torch.optim.Optimizer, *, settings: FitSettings
    ) -> TrainingState:
        """Return the state before the first step."""
        return TrainingState(
            module=module,
            average=copy.deepcopy(module),
            optimizer=optimizer,
            best={},
            progress=Progress(),
            fingerprint=_fingerprint(module, settings),
        )


def average_weights(state: TrainingState, *, decay: float) -> None:
    """Move the averaged weights (and running statistics) towards the current ones.

    The decay is ramped up, ``min(decay, (1 + t) / (10 + t))``, so that the random
    start is forgotten early.
    """
    now = state.progress
    ramped = min(decay, (1 + now.averaged) / (10 + now.averaged)) if decay else 0.0
    now.averaged += 1
    means, values = (list(m.state_dict().values()) for m in (state.average, state.module))
    averaged = [mean.dtype.is_floating_point and ramped > 0 for mean in means]
    if ramped:
        # one call for all: on an accelerator hundreds of small ones take longer than the step
        update = get_ema_multi_avg_fn(ramped)
        update(list(compress(means, averaged)), list(compress(values, averaged)), None)
    with torch.no_grad():
        for mean, value, done in zip(means, values, averaged, strict=True):
            if not done:
                mean.copy_(value)


def copied_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of ``module``, copied to the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def store_state(folder: Path, state: TrainingState) -> None:
    """Write the whole state as one checkpoint, atomically."""
    optimizer = state.optimizer.state_dict()
    tensors = {f"module.{k}": v for k, v in state.module.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    for index, slots in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in slots.items()}
    config = {
        "fingerprint": state.fingerprint,
        "progress": asdict(state.progress),
        "groups": optimizer["param_groups"],
    }
    save_checkpoint(folder, tensors, name=NAME, config=config)


def restore_state(folder: Path, state: TrainingState) -> bool:
    """Continue from ``folder`` if it holds this training; say whether it did.

    A checkpoint that is missing, damaged or of other settings means starting anew:
    training again is always right, only slower.
    """
    try:
        tensors, config = load_checkpoint(folder, NAME)
    except SpinecastError:
        return False
    if config.get("fingerprint") != state.fingerprint:
        return False
    state.module.load_state_dict(_part(tensors, "module"))
    state.average.load_state_dict(_part(tensors, "average"))
    state.best = _part(tensors, "best")
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _part(tensors, "optimizer").items():
        index, _, name = key.partition(".")
        slots.setdefault(int(index), {})[name] = value
    state.optimizer.load_state_dict({"state": slots, "param_groups": config["groups"]})
    state.progress = Progress(**config["progress"])
    return True


def clear_state(folder: Path) -> None:
    """Delete the training's checkpoint, so that it starts anew."""
    for path in [folder / f"{NAME}.json", *folder.glob(f"{NAME}-*.safetensors")]:
        path.unlink(missing_ok=True)


def _part(tensors: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}


def _fingerprint(module: nn.Module, settings: FitSettings) -> str:
    compared: dict[str, Any] = {
        key: value for key, value in asdict(settings).items() if key not in _NOT_COMPARED
    }
    shapes = {key: list(value.shape) for key, value in module.state_dict().items()}
    text = json.dumps({"settings": compared, "shapes": shapes}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
