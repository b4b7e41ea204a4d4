"""Fitted scorers, and images scored with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spinecast.errors import error
from spinecast.models.backbones import Scorer, ScorerConfig, build_scorer
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.scores.calibration import Calibration

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BATCH = 64


class ImageSource(Protocol):
    """What scorers read images from: an ImageStore is one."""

    def __len__(self) -> int: ...

    def read(self, indices: Any) -> NDArray[np.float32]:
        """Return (n, rows, columns) in [0, 1]."""
        ...


Images = ImageSource | NDArray[np.float32]


@dataclass(frozen=True)
class ScoreTask:
    """What a scorer says about an image.

    Attributes
    ----------
    name
        Name in the ``score`` column.
    kind
        ``binary`` gives probabilities, ``regression`` values in the target's unit.
    """

    name: str
    kind: Literal["binary", "regression"] = "binary"


VERTEBRAL_FRACTURE = ScoreTask("vertebral_fracture")
OSTEOPOROSIS = ScoreTask("osteoporosis")
AGE = ScoreTask("age", "regression")


@dataclass(frozen=True)
class FittedScorer:
    """A network with everything needed to turn its logits into scores.

    Attributes
    ----------
    module, task, config
        Network, what it says, how it was built.
    calibration
        Of a binary task.
    center, spread
        Mean and standard deviation of a regression's target while training.
    """

    module: Scorer
    task: ScoreTask
    config: ScorerConfig
    calibration: Calibration = field(default_factory=Calibration)
    center: float = 0.0
    spread: float = 1.0

    def values(self, logits: Floats) -> Floats:
        """Turn (n,) logits into probabilities, or values in the target's unit."""
        if self.task.kind == "binary":
            return self.calibration.probabilities(logits)
        return self.center + self.spread * np.asarray(logits, dtype=float)


Scorers = FittedScorer | Sequence[FittedScorer]


def score_images(
    scorer: Scorers, images: Images, *, rows: Indices | None = None, batch_size: int = BATCH
) -> Floats:
    """Score images.

    Parameters
    ----------
    scorer
        One scorer, or several of one task whose scores are averaged (an ensemble, for
        images of people that none of them has seen).
    images
        ImageStore or array (n, rows, columns) in [0, 1], prepared as the training images.
    rows
        Which of them; None scores all.
    batch_size
        Images at a time.

    Returns
    -------
    ndarray
        (n,) probabilities in [0, 1], or years for the age regressor. On the scorer's own
        training people these are far too good: use cross-fitted scores there. An average
        over an ensemble is less spread than its members, so thresholds chosen on one do
        not carry over exactly.

    Raises
    ------
    ModelError
        SC-404 image shape; SC-407 scorers of different tasks.
    ContentError
        SC-209 non-finite pixels.
    """
    members = [scorer] if isinstance(scorer, FittedScorer) else list(scorer)
    if len({member.task for member in members}) != 1:
        raise error(
            "SC-407",
            expected="scorers of one task",
            got=", ".join(sorted({m.task.name for m in members})) or "no scorer",
        )
    each = [
        member.values(
            image_logits(
                member.module, images, shape=member.config.shape, rows=rows, batch_size=batch_size
            )
        )
        for member in members
    ]
    return np.mean(each, axis=0)


def image_logits(
    module: nn.Module,
    images: Images,
    *,
    shape: tuple[int, int],
    rows: Indices | None = None,
    batch_size: int = BATCH,
) -> Floats:
    """Return (n,) logits of ``module``, left in eval mode; errors as :func:`score_images`."""
    return _run(module, module, images, shape=shape, rows=rows, batch_size=batch_size)


def image_features(
    scorer: FittedScorer, images: Images, *, rows: Indices | None = None, batch_size: int = BATCH
) -> Floats:
    """Return the (n, f) features that the scorer's head reads (errors: :func:`score_images`)."""
    shape, module = scorer.config.shape, scorer.module
    return _run(module, module.features, images, shape=shape, rows=rows, batch_size=batch_size)


def read_images(images: Images, rows: Indices) -> NDArray[np.float32]:
    """Return (n, rows, columns) float32 of an ImageStore or an array."""
    chosen = images[rows] if isinstance(images, np.ndarray) else images.read(rows)
    return np.asarray(chosen, dtype=np.float32)


def as_tensor(pixels: NDArray[np.float32], shape: tuple[int, int]) -> torch.Tensor:
    """Return (n, 1, rows, columns) after checking shape (SC-404) and finiteness (SC-209)."""
    if pixels.ndim != 3 or pixels.shape[1:] != tuple(shape):
        raise error("SC-404", expected=f"(n, {shape[0]}, {shape[1]})", got=str(pixels.shape))
    if not np.isfinite(pixels).all():
        raise error("SC-209", expected="finite pixels", got="NaN or infinite ones")
    return torch.from_numpy(np.ascontiguousarray(pixels))[:, None]


def save_scorer(folder: Path, scorer: FittedScorer, *, name: str = "", half: bool = False) -> Path:
    """Write a scorer as a checkpoint named ``name``, or after its task."""
    config = {
        "task": asdict(scorer.task),
        "scorer": scorer.config.to_dict(),
        "calibration": asdict(scorer.calibration),
        "center": scorer.center,
        "spread": scorer.spread,
    }
    name = name or f"{scorer.task.name}_scorer"
    return save_checkpoint(folder, scorer.module, name=name, config=config, half=half)


def load_scorer(
    folder: Path,
    name: str,
    *,
    model: nn.Module | None = None,
    device: torch.device | str = "cpu",
) -> FittedScorer:
    """Read what :func:`save_scorer` wrote (raises SC-402, SC-403, SC-406).

    ``model`` is the empty network where the scorer was built around one of your own;
    ``device`` is where it shall run.
    """
    state, plain = load_checkpoint(folder, name)
    config = ScorerConfig.from_dict(plain["scorer"])
    module = build_scorer(config, model=model)
    load_weights(module, state, where=f"{folder}/{name}")
    return FittedScorer(
        module.eval().to(device, memory_format=torch.channels_last),
        ScoreTask(**plain["task"]),
        config,
        calibration=Calibration(**plain["calibration"]),
        center=plain["center"],
        spread=plain["spread"],
    )


def _run(
    module: nn.Module,
    function: Any,
    images: Images,
    *,
    shape: tuple[int, int],
    rows: Indices | None,
    batch_size: int,
) -> Floats:
    chosen = np.arange(len(images)) if rows is None else np.asarray(rows)
    device = next(module.parameters()).device
    module.eval()
    done = []
    with torch.no_grad():
        for start in range(0, len(chosen), batch_size):
            pixels = read_images(images, chosen[start : start + batch_size])
            done.append(function(as_tensor(pixels, shape).to(device)).double().cpu().numpy())
    return np.concatenate(done) if done else np.empty(0)
