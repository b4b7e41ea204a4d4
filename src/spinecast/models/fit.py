"""The one way networks are fitted: a readable loop on Lightning Fabric.

Everything a network's training needs once stands here: warm-up and schedule,
gradient clipping and skipping, averaged weights, early stopping, a time limit,
atomic checkpoints and exact resume. What differs between networks (the data and
the loss) is given by the caller.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from spinecast.errors import error
from spinecast.models.fit_settings import FitSettings
from spinecast.models.fit_state import (
    Progress,
    TrainingState,
    average_weights,
    clear_state,
    copied_state,
    restore_state,
    store_state,
)
from spinecast.seeds import generator, integer

Batch = tuple[torch.Tensor, ...]
Batches = Callable[[int], Iterator[Batch]]
Loss = Callable[[nn.Module, Batch, torch.Generator], torch.Tensor]

#: This many useless steps (loss or gradient not finite) in a row end the training with SC-405.
TOLERATED_FAILURES = 5


@dataclass(frozen=True)
class FitResult:
    """What a training left behind; the module itself holds ``state`` when :func:`fit` returns.

    Attributes
    ----------
    state
        Averaged weights, of the best validation where there was one, else the last.
    history
        ``step``, ``epoch``, ``loss`` (mean since the row before), ``learning_rate``,
        ``gradient_norm``, ``validation`` (NaN without one).
    steps, skipped
        Optimiser steps asked for, and those left out for their gradient.
    best
        Lowest validation value; NaN without validation.
    stopped
        ``length``, ``patience`` or ``time``.
    """

    state: dict[str, torch.Tensor]
    history: pd.DataFrame
    steps: int
    skipped: int
    best: float
    stopped: str


def fit(
    module: nn.Module,
    batches: Batches,
    loss: Loss,
    *,
    settings: FitSettings,
    validate: Callable[[nn.Module], float] | None = None,
    folder: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> FitResult:
    """Fit ``module`` in place and leave it with its best averaged weights, in eval mode.

    Parameters
    ----------
    module
        Network on the CPU.
    batches
        Epoch number to an iterator of tuples of tensors. It must give the same batches
        whenever it is asked for the same epoch: resume replays it. Several devices take
        turns, so that each sees its share.
    loss
        ``loss(module, batch, rng)`` to a scalar. ``rng`` belongs to the step, so a
        resumed training draws what the unbroken one would have drawn.
    validate
        Lower is better; called with the averaged weights in eval mode, without gradients.
    folder
        Where to keep checkpoints. A training found there under equal settings and equal
        parameter shapes is continued, or returned at once if it had ended; anything else
        is thrown away. The data are not compared: a folder belongs to one data set.
    progress
        Called with the fraction done and a line of text, about once a second.

    Returns
    -------
    FitResult

    Raises
    ------
    ModelError
        SC-405 after five steps in a row whose loss or gradient is not finite.
    """
    from lightning.fabric import Fabric

    fabric = Fabric(
        accelerator=settings.accelerator,
        strategy=settings.strategy,
        devices=settings.devices,
        num_nodes=settings.nodes,
        precision=settings.precision,
    )
    if settings.devices * settings.nodes > 1:
        fabric.launch()
    with _threads(settings.threads), torch.random.fork_rng():
        fitter = _Fitter(fabric, module, settings=settings, folder=folder)
        fitter.run(batches, loss, validate=validate, progress=progress)
    return fitter.result()


def index_batches(
    n: int, *, batch_size: int, seed: int = 0, drop_last: bool = True
) -> Callable[[int], Iterator[np.ndarray]]:
    """Return a callable ``epoch -> iterator`` of shuffled indices, equal for equal epochs.

    Parameters
    ----------
    n
        Number of items.
    batch_size
        Items per batch.
    seed
        Of the order.
    drop_last
        Leave out a last batch that is not full (unless it is the only one).
    """

    def batches(epoch: int) -> Iterator[np.ndarray]:
        order = generator(seed, "batches", epoch).permutation(n)
        end = n - n % batch_size if drop_last and n >= batch_size else n
        for start in range(0, end, batch_size):
            yield order[start : start + batch_size]

    return batches


class _Fitter:
    """One training: the objects of :class:`TrainingState` and the steps over them."""

    def __init__(
        self, fabric: Any, module: nn.Module, *, settings: FitSettings, folder: Path | None
    ) -> None:
        self.fabric, self.settings, self.folder = fabric, settings, folder
        self.module = module
        fabric.to_device(module)
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        plain = kind(
            [p for p in module.parameters() if p.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.wrapped, self.optimizer = fabric.setup(module, plain)
        # one process needs no wrapper, and the bare module lets losses call its methods
        self.called = self.wrapped if fabric.world_size > 1 else module
        self.state = TrainingState.start(module, plain, settings=settings)
        if folder is not None:
            restore_state(folder, self.state)
        self.started = time.monotonic() - self.state.progress.seconds
        self.stored = time.monotonic()
        self.reported = -math.inf

    def run(
        self,
        batches: Batches,
        loss: Loss,
        *,
        validate: Callable[[nn.Module], float] | None,
        progress: Callable[[float, str], None] | None,
    ) -> None:
        """Step until something says stop, then store the end."""
        now = self.state.progress
        while not now.stopped:
            given = now.batch
            for batch in islice(self._share(batches(now.epoch)), now.batch, None):
                self._step(batch, loss)
                if now.step % self.settings.validate_every == 0:
                    self._validate(validate)
                self._stop_if_done()
                if now.stopped:
                    break
                self._report(progress)
                self._store_if_due()
            else:
                if now.batch == given == 0:
                    raise error("SC-407", expected="batches", got="an empty epoch")
                now.epoch, now.batch = now.epoch + 1, 0
                self._stop_if_done()
        self._finish(validate)
        self._report(progress)

    def _share(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        rank, world = self.fabric.global_rank, self.fabric.world_size
        while len(group := list(islice(batches, world))) == world:
            yield self.fabric.to_device(group[rank])

    def _step(self, batch: Batch, loss: Loss) -> None:
        settings, now = self.settings, self.state.progress
        rank = self.fabric.global_rank
        rng = torch.Generator(device=self.fabric.device)
        rng.manual_seed(integer(settings.seed, "fit", "loss", now.step, rank))
        torch.manual_seed(integer(settings.seed, "fit", "dropout", now.step, rank))
        rate = settings.learning_rate * self._rate_factor()
        for group in self.state.optimizer.param_groups:
            group["lr"] = rate
        self.module.train()
        self.optimizer.zero_grad()
        with self.fabric.autocast():
            value = loss(self.called, batch, rng)
        self.fabric.backward(value)
        norm = self._clipped_norm()
        now.step, now.batch = now.step + 1, now.batch + 1
        if self._usable(norm):
            self.optimizer.step()
            average_weights(self.state, decay=settings.ema_decay)
            now.record(float(value.detach()), norm, rate=rate)

    def _clipped_norm(self) -> float:
        limit = self.settings.clip_norm
        norm = self.fabric.clip_gradients(
            self.wrapped,
            self.optimizer,
            max_norm=math.inf if limit is None else limit,
            error_if_nonfinite=False,
        )
        return float(norm)

    def _usable(self, norm: float) -> bool:
        """Judge by the gradient: it is finite only where the loss is, on every device alike."""
        now, limit = self.state.progress, self.settings.skip_norm
        if math.isfinite(norm):
            now.failures = 0
            skip = limit is not None and norm > limit
            now.skipped += skip
            return not skip
        now.failures += 1
        now.skipped += 1
        if now.failures >= TOLERATED_FAILURES:
            raise error(
                "SC-405",
                expected="a finite loss and gradient",
                got=f"{now.failures} steps in a row without one",
                where=f"step {now.step}",
            )
        return False

    def _rate_factor(self) -> float:
        settings = self.settings
        step = self.state.progress.step
        warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
        if settings.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self._fraction())))

    def _fraction(self) -> float:
        settings, now = self.settings, self.state.progress
        by_step = now.step / settings.max_steps if settings.max_steps else 0.0
        by_epoch = now.epoch / settings.max_epochs if settings.max_epochs else 0.0
        return max(by_step, by_epoch)

    def _validate(self, validate: Callable[[nn.Module], float] | None) -> None:
        value = math.nan
        if validate is not None:
            average = self.state.average.eval()
            with torch.no_grad():
                # one device decides for all, so that they stop together
                value = float(self.fabric.broadcast(validate(average)))
        self.state.progress.close_row(value)
        if value < self.state.progress.best:
            self.state.progress.best, self.state.progress.waited = value, 0
            self.state.best = copied_state(self.state.average)
        else:
            self.state.progress.waited += 1

    def _stop_if_done(self) -> None:
        settings, now = self.settings, self.state.progress
        now.seconds = float(self.fabric.broadcast(time.monotonic() - self.started))
        if self._fraction() >= 1:
            now.stopped = "length"
        elif settings.patience is not None and now.waited > settings.patience:
            now.stopped = "patience"
        elif settings.max_minutes is not None and now.seconds > 60 * settings.max_minutes:
            now.stopped = "time"

    def _finish(self, validate: Callable[[nn.Module], float] | None) -> None:
        if self.state.progress.open_row:
            self._validate(validate)
        if not self.state.best or validate is None:
            self.state.best = copied_state(self.state.average)
        if self.folder is not None and self.fabric.is_global_zero:
            store_state(self.folder, self.state)

    def _store_if_due(self) -> None:
        due = time.monotonic() - self.stored >= 60 * self.settings.checkpoint_every_minutes
        if self.folder is not None and due and self.fabric.is_global_zero:
            store_state(self.folder, self.state)
            self.stored = time.monotonic()

    def _report(self, progress: Callable[[float, str], None] | None) -> None:
        due = time.monotonic() - self.reported > 1 or bool(self.state.progress.stopped)
        if progress is not None and due and self.fabric.is_global_zero:
            progress(min(1.0, self._done()), self.state.progress.text())
            self.reported = time.monotonic()

    def _done(self) -> float:
        limit, now = self.settings.max_minutes, self.state.progress
        by_time = now.seconds / (60 * limit) if limit else 0.0
        return 1.0 if now.stopped else max(self._fraction(), by_time)

    def result(self) -> FitResult:
        """Load the best weights into the module and describe the training."""
        now = self.state.progress
        self.module.to("cpu")
        self.module.load_state_dict(self.state.best)
        self.module.eval()
        return FitResult(
            state=self.state.best,
            history=pd.DataFrame(now.rows, columns=list(Progress.COLUMNS)),
            steps=now.step,
            skipped=now.skipped,
            best=now.best if math.isfinite(now.best) else math.nan,
            stopped=now.stopped,
        )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["Batch", "FitResult", "FitSettings", "clear_state", "fit", "index_batches"]
