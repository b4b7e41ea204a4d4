"""What every stage that fits networks shares: lengths from the settings, progress of a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spinecast.models.fit_settings import FitSettings
from spinecast.run import StageContext
from spinecast.stages.settings import TrainingSettings


def fitting(
    training: TrainingSettings, seed: int, *, start: FitSettings | None = None
) -> FitSettings:
    """Return the training loop's settings; what lengths do not say is taken from ``start``."""
    return replace(
        start or FitSettings(max_steps=1),
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        max_steps=training.steps,
        max_epochs=None,
        batch_size=training.batch_size,
        warmup_steps=training.warmup,
        ema_decay=training.ema,
        validate_every=max(1, training.steps // 10),
        seed=seed % 2**31,
    )


def part_of(
    context: StageContext, span: tuple[float, float], *, label: str
) -> Callable[[float, str], None]:
    """Return a progress callback for a part of a stage."""
    low, high = span

    def report(done: float, text: str) -> None:
        context.progress(low + (high - low) * done, f"{label} {text}".strip())

    return report
