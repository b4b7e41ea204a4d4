"""A network that reads an image's parents off the image, for counterfactual training.

It is frozen before the image model is trained. Its own readings are shrunk towards what
is common, and where a parent is hardly visible it guesses from the others; so a
counterfactual image is never asked to *be read as* the parents intervened on. It is asked
to move the reading as far as people who differ by that much differ in their readings:

    reading(counterfactual) = reading(image) + slopes x (parents asked - parents),

slopes being the regression of readings on parents among people. With noise independent
of the parents this holds on average for any reading of a true counterfactual.

A network used here must not judge the model afterwards: judges are trained apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from spinecast.models.fit import Batch, FitResult, FitSettings, fit, index_batches
from spinecast.models.hvae_layers import ParentScale
from spinecast.models.image_model import require_multiple
from spinecast.models.latent_pairs import ReadsImages

#: Images read at once where no gradient is kept.
ROWS_PER_PASS = 64

#: Directions among parents in which people differ less than this share of the largest are left out.
SMALLEST_DIRECTION = 0.1


@dataclass(frozen=True)
class ReaderConfig:
    """Shape of a reader.

    Attributes
    ----------
    image_shape, logged, patch
        As in :class:`~spinecast.models.hvae.TwoLevelConfig`.
    widths
        Channels per stage; each stage but the first halves the sides.
    jitter
        Standard deviation of the noise added to images while training, against readings
        that hang on single grey levels.
    """

    image_shape: tuple[int, int] = (192, 192)
    logged: tuple[bool, ...] = (True, True, True)
    patch: int = 4
    widths: tuple[int, ...] = (24, 32, 48, 64)
    jitter: float = 0.05


class ParentReader(nn.Module):
    """Images to standardised parents, with the slopes and the spread of its readings.

    Attributes
    ----------
    slopes
        (parents, parents): how readings (columns) move with parents (rows) among people.
    spread
        (parents,): residual standard deviation of the readings given the parents.
    """

    slopes: torch.Tensor
    spread: torch.Tensor

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        factor = config.patch * 2 ** (len(config.widths) - 1)
        require_multiple(config.image_shape, factor, where="parent reader")
        self.config = config
        self.scale = ParentScale(config.logged)
        layers: list[nn.Module] = [
            nn.Conv2d(config.patch**2, config.widths[0], 3, padding=1),
            nn.BatchNorm2d(config.widths[0]),
            nn.SiLU(),
        ]
        for before, after in pairwise(config.widths):
            layers += [nn.Conv2d(before, after, 3, 2, padding=1), nn.BatchNorm2d(after), nn.SiLU()]
        size = config.widths[-1] * prod(side // factor for side in config.image_shape)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 64), nn.SiLU())
        self.head = nn.Linear(64, len(config.logged))
        self.register_buffer("slopes", torch.eye(len(config.logged)))
        self.register_buffer("spread", torch.ones(len(config.logged)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return readings, (n, parents), of images (n, rows, columns)."""
        folded = F.pixel_unshuffle(images[:, None] * 2 - 1, self.config.patch)
        return self.head(self.body(folded))

    @torch.no_grad()
    def calibrate(self, images: torch.Tensor, parents: torch.Tensor) -> None:
        """Set slopes and spread by least squares, on people it was not fitted to if possible."""
        readings = torch.cat([self(part) for part in images.split(ROWS_PER_PASS)]).double()
        known = self.scale(parents).double()
        centred, moved = known - known.mean(dim=0), readings - readings.mean(dim=0)
        # parents may be nearly collinear (an area is nearly width x height): what hardly any
        # two people differ by is not extrapolated
        solution = torch.linalg.pinv(centred, rtol=SMALLEST_DIRECTION) @ moved
        residual = moved - centred @ solution
        degrees = max(1, len(known) - known.shape[1] - 1)
        self.slopes.copy_(solution)
        self.spread.copy_((residual.square().sum(dim=0) / degrees).sqrt())


def fit_reader(
    images: ReadsImages,
    rows: np.ndarray,
    parents: np.ndarray,
    *,
    config: ReaderConfig,
    settings: FitSettings,
    validation_rows: np.ndarray,
    folder: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[ParentReader, FitResult]:
    """Fit a reader, then calibrate it on validation people.

    Parameters
    ----------
    images, parents
        Where images are read from, and the value of every parent of every image there,
        (images, parents) in their units.
    rows, validation_rows
        Training and validation images.
    folder, progress
        See :func:`spinecast.models.fit.fit`.
    """
    values = torch.from_numpy(np.asarray(parents, dtype=np.float64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        reader = ParentReader(config)
    reader.scale.measure(values[rows])
    known = reader.scale(values)
    held_out = torch.from_numpy(images.read(validation_rows))
    order = index_batches(len(rows), batch_size=settings.batch_size, seed=settings.seed)

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in order(epoch):
            yield torch.from_numpy(images.read(rows[batch])), known[rows[batch]]

    def loss(module: nn.Module, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        given, target = batch
        noise = torch.randn(given.shape, generator=rng, device=given.device)
        return F.mse_loss(module(given + config.jitter * noise), target)

    def validate(module: nn.Module) -> float:
        device = next(module.parameters()).device
        parts = [module(part.to(device)).cpu() for part in held_out.split(ROWS_PER_PASS)]
        return float(F.mse_loss(torch.cat(parts), known[validation_rows]))

    result = fit(
        reader, batches, loss, settings=settings, validate=validate, folder=folder,
        progress=progress,
    )  # fmt: skip
    reader.calibrate(held_out, values[validation_rows])
    return reader, result


__all__ = ["ParentReader", "ReaderConfig", "fit_reader"]
