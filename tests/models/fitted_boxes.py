"""Image models fitted to the toy boxes, once per process."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from tests.models.boxes import LOGGED, Boxes, Drawn, draw_people

from spinecast.models import deep_hvae, hvae
from spinecast.models.deep_hvae import DeepConfig, DeepHVAE, Level
from spinecast.models.fit import FitResult, FitSettings
from spinecast.models.hvae import TwoLevelConfig, TwoLevelHVAE
from spinecast.models.hvae_training import HVAETraining, fit_image_model
from spinecast.models.parent_reader import ParentReader, ReaderConfig, fit_reader

SHAPE = (32, 32)
PEOPLE, HELD_OUT = 480, 80
ROWS, VALIDATION = np.arange(PEOPLE), np.arange(PEOPLE, PEOPLE + HELD_OUT)

TWO_LEVEL = replace(
    hvae.DEMO,
    image_shape=SHAPE,
    logged=LOGGED,
    patch=2,
    encoder=(16, 24, 32),
    decoder=(32, 24, 16),
    outer_latents=8,
    inner_latents=24,
    hidden=64,
)
DEEP = replace(
    deep_hvae.DEMO,
    image_shape=SHAPE,
    logged=LOGGED,
    patch=2,
    levels=(Level(1, 16, 1, 1, 0), Level(2, 24, 1, 2, 4), Level(2, 32, 1, 1, 8)),
)
FIT = FitSettings(
    learning_rate=5e-3,
    max_steps=320,
    batch_size=24,
    warmup_steps=20,
    ema_decay=0.97,
    clip_norm=100.0,
    skip_norm=2000.0,
    validate_every=80,
    threads=1,
    accelerator="cpu",
)
TRAINING = HVAETraining(fit=FIT, counterfactual=0.1, roi_charbonnier=0.3, roi_laplacian=0.1)


def new_model(config: TwoLevelConfig | DeepConfig) -> TwoLevelHVAE | DeepHVAE:
    """Return an unfitted model, the same one whenever it is asked for."""
    torch.manual_seed(0)
    return DeepHVAE(config) if isinstance(config, DeepConfig) else TwoLevelHVAE(config)


@cache
def people() -> tuple[Boxes, Drawn]:
    """Return the people and their images; the last ones are not trained on."""
    boxes = draw_people(PEOPLE + HELD_OUT, side=SHAPE[0], seed=1)
    return boxes, Drawn(boxes)


@cache
def strangers() -> Boxes:
    """Return people whom nothing was fitted to."""
    return draw_people(96, side=SHAPE[0], seed=99)


@cache
def reader(seed: int = 0, widths: tuple[int, ...] = (16, 24, 32)) -> ParentReader:
    """Return a fitted reader; other seeds and widths are other readers."""
    boxes, drawn = people()
    settings = FitSettings(
        learning_rate=4e-3, max_steps=150, batch_size=32, ema_decay=0.95, validate_every=50,
        seed=seed, threads=1, accelerator="cpu",
    )  # fmt: skip
    config = ReaderConfig(SHAPE, LOGGED, patch=2, widths=widths)
    found, _ = fit_reader(
        drawn, ROWS, boxes.parents, config=config, settings=settings, validation_rows=VALIDATION
    )
    return found


@cache
def fitted(config: TwoLevelConfig | DeepConfig) -> tuple[TwoLevelHVAE | DeepHVAE, FitResult]:
    """Return a fitted model and its training."""
    boxes, drawn = people()
    model = new_model(config)
    result = fit_image_model(
        model,
        drawn,
        ROWS,
        parents=boxes.parents,
        training=TRAINING,
        reader=reader(),
        validation_rows=VALIDATION,
    )
    return model, result
