"""Fit a scorer to images: one function for fracture, osteoporosis and age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from spinecast.errors import error
from spinecast.models.augment import augment
from spinecast.models.backbones import Scorer, ScorerConfig, build_scorer
from spinecast.models.fit import Batch, FitSettings, fit, index_batches
from spinecast.scores.calibration import Calibration, fit_calibration
from spinecast.scores.predict import (
    FittedScorer,
    Floats,
    Images,
    Indices,
    ScoreTask,
    as_tensor,
    image_logits,
    read_images,
)
from spinecast.seeds import generator, integer

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class ScorerRows:
    """Which rows of the images a scorer is fitted to, and which stop and calibrate it.

    Attributes
    ----------
    training
        Rows to fit to.
    validation
        Rows of other people; empty means no early stopping and no calibration.
    """

    training: Indices
    validation: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class ScorerSettings:
    """How a scorer is fitted, apart from the network itself.

    Attributes
    ----------
    fit
        See :class:`~spinecast.models.fit.FitSettings`.
    copy_share
        Chance that one of the extra copies is shown in place of an image.
    calibration
        ``platt``, ``temperature`` or ``none``; fitted on validation rows, binary tasks only.
    """

    fit: FitSettings
    copy_share: float = 0.5
    calibration: Literal["temperature", "platt", "none"] = "platt"


def fit_scorer(
    images: Images,
    target: Floats,
    *,
    task: ScoreTask,
    config: ScorerConfig,
    settings: FitSettings | ScorerSettings,
    rows: ScorerRows | None = None,
    extra_images: Sequence[Images] = (),
    model: nn.Module | None = None,
    start_from: FittedScorer | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> FittedScorer:
    """Fit one network to one target.

    Parameters
    ----------
    images
        ImageStore, or array (n, rows, columns) in [0, 1].
    target
        (n,) 0/1 or numbers; NaN is unknown and is left out.
    task, config, settings
        What it says, what it is, how it is fitted.
    rows
        Rows to fit to and to stop on, split by person; None fits to all.
    extra_images
        Copies of the same images, row by row, shown in their place in a share of draws:
        drawings of 0 years, so that scores of smoother generated images compare.
    model, start_from
        A network of your own in place of ``config.backbone``; a scorer to start from.
    folder, progress
        See :func:`spinecast.models.fit.fit`; a folder belongs to this one data set.

    Returns
    -------
    FittedScorer
        Binary tasks are calibrated on the validation rows.

    Raises
    ------
    StatisticsError
        SC-606 lengths differ; SC-603 the target is constant among the training rows.
    ModelError
        SC-404 image shape; SC-405 training diverged.
    """
    chosen = ScorerSettings(settings) if isinstance(settings, FitSettings) else settings
    sources = (images, *extra_images)
    lesson = _Lesson.make(sources, target, task=task, config=config, settings=chosen, rows=rows)
    network = _start(config, model=model, start_from=start_from, seed=chosen.fit.seed)
    validate = lesson.validate if len(lesson.validation) else None
    options: dict[str, Any] = {"folder": folder, "progress": progress, "validate": validate}
    fit(network, lesson.batches, lesson.loss, settings=chosen.fit, **options)
    return lesson.fitted(network)


@dataclass(frozen=True)
class _Lesson:
    """What one scorer learns from, in the shape that the training loop asks for."""

    sources: tuple[Images, ...]
    target: Floats
    task: ScoreTask
    config: ScorerConfig
    settings: ScorerSettings
    training: Indices
    validation: Indices
    center: float
    spread: float

    @staticmethod
    def make(
        sources: tuple[Images, ...],
        target: Floats,
        *,
        task: ScoreTask,
        config: ScorerConfig,
        settings: ScorerSettings,
        rows: ScorerRows | None,
    ) -> _Lesson:
        target = np.asarray(target, dtype=float)
        if any(len(source) != len(target) for source in sources):
            lengths = ", ".join(str(len(source)) for source in sources)
            raise error("SC-606", expected=f"{len(target)} images, as targets", got=lengths)
        given = rows or ScorerRows(np.arange(len(target)))
        training = given.training[np.isfinite(target[given.training])]
        validation = given.validation[np.isfinite(target[given.validation])]
        seen = target[training]
        if len(seen) == 0 or seen.std() == 0:
            raise error("SC-603", expected="a target that varies", got="one value", where=task.name)
        scaled = task.kind == "regression"
        center, spread = (float(seen.mean()), float(seen.std())) if scaled else (0.0, 1.0)
        return _Lesson(
            sources, target, task, config, settings, training, validation, center, spread
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        settings = self.settings.fit
        dice = generator(settings.seed, "copies", epoch)
        order = index_batches(
            len(self.training), batch_size=settings.batch_size, seed=settings.seed
        )
        for picked in order(epoch):
            rows = self.training[picked]
            pixels = self._pixels(rows, dice)
            yield as_tensor(pixels, self.config.shape), self._wanted(rows)

    def _pixels(self, rows: Indices, dice: np.random.Generator) -> NDArray[np.float32]:
        pixels = read_images(self.sources[0], rows)
        if len(self.sources) == 1:
            return pixels
        shown = dice.random(len(rows)) < self.settings.copy_share
        copy = np.where(shown, dice.integers(1, len(self.sources), len(rows)), 0)
        pixels = pixels.copy()
        for number in range(1, len(self.sources)):
            if (copy == number).any():
                pixels[copy == number] = read_images(self.sources[number], rows[copy == number])
        return pixels

    def _wanted(self, rows: Indices) -> torch.Tensor:
        return torch.tensor((self.target[rows] - self.center) / self.spread, dtype=torch.float32)

    def loss(self, module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        return self._distance(module(augment(batch[0], self.config.augmentation, rng)), batch[1])

    def validate(self, module: nn.Module) -> float:
        said = torch.tensor(self._logits(module), dtype=torch.float32)
        return float(self._distance(said, self._wanted(self.validation)))

    def _calibration(self, module: nn.Module) -> Calibration:
        if self.task.kind == "regression" or not len(self.validation):
            return Calibration()
        method = self.settings.calibration
        return fit_calibration(self._logits(module), self.target[self.validation], method=method)

    def fitted(self, network: Scorer) -> FittedScorer:
        calibration = self._calibration(network)
        return FittedScorer(
            network,
            self.task,
            self.config,
            calibration=calibration,
            center=self.center,
            spread=self.spread,
        )

    def _logits(self, module: nn.Module) -> Floats:
        shape = self.config.shape
        return image_logits(module, self.sources[0], shape=shape, rows=self.validation)

    def _distance(self, said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if self.task.kind == "binary":
            return functional.binary_cross_entropy_with_logits(said, wanted)
        return functional.mse_loss(said, wanted)


def _start(
    config: ScorerConfig, *, model: nn.Module | None, start_from: FittedScorer | None, seed: int
) -> Scorer:
    with torch.random.fork_rng():
        torch.manual_seed(integer(seed, "scorer", "start"))
        network = build_scorer(config, model=model)
    if start_from is not None:
        network.load_state_dict(start_from.module.state_dict())
    # a third faster on CPUs, equal results
    return network.to(memory_format=torch.channels_last)
