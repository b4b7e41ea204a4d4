"""How a network is fitted: the one set of settings of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spinecast.errors import error


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Attributes
    ----------
    learning_rate, weight_decay, optimizer
        Peak learning rate; decay is decoupled for ``adamw``, an L2 penalty for ``adam``.
    max_steps, max_epochs
        Length; at least one is needed, whichever comes first ends it.
    max_minutes
        A safety limit on wall time, counted over resumes. A run that it ends is not
        reproducible to the step, so lengths belong in ``max_steps``.
    batch_size
        Not used by :func:`fit`, which takes batches as they come: kept here so that
        one value describes a training.
    warmup_steps, schedule
        Linear warm-up, then ``cosine`` to zero or ``constant``.
    ema_decay
        Decay of the averaged weights, ramped up from zero; 0 keeps no average.
    clip_norm, skip_norm
        Gradients longer than ``clip_norm`` are shortened, longer than ``skip_norm``
        the step is left out; None does neither.
    patience
        Validations without improvement before it stops; None never stops.
    validate_every
        Steps between validations (and between rows of the history).
    checkpoint_every_minutes
        Wall time between checkpoints; 0 writes one after every step.
    seed
        Of dropout and of the generator that the loss receives.
    threads
        CPU threads while fitting; None leaves them. Equal threads give equal weights.
    precision, accelerator, devices, nodes, strategy
        Passed to Lightning Fabric: ``"32-true"``, ``"bf16-mixed"``; ``"auto"``, ``"cpu"``...
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "adam"] = "adamw"
    max_steps: int | None = None
    max_epochs: int | None = None
    max_minutes: float | None = None
    batch_size: int = 32
    warmup_steps: int = 0
    schedule: Literal["cosine", "constant"] = "cosine"
    ema_decay: float = 0.0
    clip_norm: float | None = 1.0
    skip_norm: float | None = None
    patience: int | None = None
    validate_every: int = 100
    checkpoint_every_minutes: float = 5.0
    seed: int = 0
    threads: int | None = None
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_epochs is None:
            raise error("SC-407", expected="max_steps or max_epochs", got="neither")
        if self.learning_rate <= 0 or not 0 <= self.ema_decay < 1:
            raise error(
                "SC-407",
                expected="learning_rate > 0 and 0 <= ema_decay < 1",
                got=f"{self.learning_rate} and {self.ema_decay}",
            )
