"""Networks that turn one radiograph into one number.

``PAPER`` is the published scorer (EfficientNet-B4 with a linear head of
100 units). ``DEMO`` is a small residual network that trains in minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from spinecast.errors import error
from spinecast.models.augment import Augmentation
from spinecast.models.fit import FitSettings

Backbone = Literal["efficientnet-b0", "efficientnet-b4", "compact"]


@dataclass(frozen=True)
class ScorerConfig:
    """What a scorer is and how its images are changed while training.

    Attributes
    ----------
    backbone
        An EfficientNet of MONAI, or our ``compact`` residual network.
    shape
        Rows and columns of the images.
    widths, blocks
        Channels and residual blocks of the stages of ``compact``; each halves the image,
        the first by folding 2 x 2 pixels into channels, which loses nothing.
    head
        Sizes of the linear layers after pooling, without a bend between (as published).
    dropout
        Before the head.
    augmentation
        See :class:`~spinecast.models.augment.Augmentation`.
    """

    backbone: Backbone = "compact"
    shape: tuple[int, int] = (192, 96)
    widths: tuple[int, ...] = (16, 32, 64, 80)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    head: tuple[int, ...] = ()
    dropout: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> ScorerConfig:
        """Rebuild a config from the JSON form of :meth:`to_dict`."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()
        }
        values["augmentation"] = Augmentation(**plain["augmentation"])
        return ScorerConfig(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as plain values."""
        return asdict(self)


#: Augmentation is named in the paper, its amounts are not reported: these are ours.
PAPER = ScorerConfig(
    backbone="efficientnet-b4",
    shape=(1024, 512),
    head=(100, 100),
    augmentation=Augmentation(rotation=10, scale=0.1, noise=0.05),
)
PAPER_FIT = FitSettings(
    learning_rate=1e-4,
    weight_decay=1e-4,  # "weight decay" without an amount: ours
    optimizer="adam",
    schedule="constant",
    batch_size=30,
    max_epochs=100,
    patience=10,
    validate_every=500,
    clip_norm=None,
)
DEMO = ScorerConfig(
    augmentation=Augmentation(
        rotation=4, scale=0.08, shift=0.04, noise=0.05, contrast=0.2, gamma=0.2, blur=1.0
    ),
    dropout=0.1,
)
DEMO_FIT = FitSettings(
    learning_rate=3e-3,
    weight_decay=2e-2,
    warmup_steps=30,
    batch_size=32,
    max_steps=700,
    ema_decay=0.98,
    clip_norm=1.0,
    validate_every=70,
)
TINY = ScorerConfig(shape=(64, 32), widths=(8, 12, 16), blocks=(1, 1, 1))
TINY_FIT = FitSettings(
    learning_rate=5e-3, batch_size=16, max_steps=60, validate_every=20, accelerator="cpu"
)


class Scorer(nn.Module):
    """A network from images (n, 1, H, W) in [0, 1] to logits (n,).

    Subclasses give :meth:`maps` and :meth:`features`, which explanation and the
    out-of-distribution check look at.
    """

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last spatial feature maps (n, c, h, w)."""
        raise NotImplementedError

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Return features (n, f) from the maps."""
        raise NotImplementedError

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (n,) from the features."""
        raise NotImplementedError

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, f) features that the head reads."""
        return self.pooled(self.maps(images))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n,)."""
        return self.logits(self.features(images))


def build_scorer(config: ScorerConfig, *, model: nn.Module | None = None) -> Scorer:
    """Build the network of ``config`` with random weights.

    Parameters
    ----------
    config
        See :class:`ScorerConfig`.
    model
        A network of your own (timm, torchvision...) from (n, 1, H, W) to logits (n,) or
        (n, 1), used in place of ``config.backbone``. It must have ``forward_features``
        giving maps (n, c, h, w), as timm's have, for maps and features to exist.

    Raises
    ------
    ModelError
        SC-407 unknown backbone, or a shape too small for the stages.
    """
    if model is not None:
        return ExternalScorer(model)
    if config.backbone == "compact":
        return CompactScorer(config)
    if config.backbone.startswith("efficientnet-b"):
        return EfficientNetScorer(config)
    raise error("SC-407", expected="a known backbone", got=config.backbone)


class ExternalScorer(Scorer):
    """Wears our interface over somebody else's network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the model's ``forward_features`` gives (SC-407 if it has none)."""
        inner = getattr(self.model, "forward_features", None)
        if inner is None:
            raise error("SC-407", expected="a model with forward_features", got="one without")
        return inner(images)

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the mean over space."""
        return maps.mean(dim=(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n,)."""
        return self.model(images).reshape(len(images))


class EfficientNetScorer(Scorer):
    """EfficientNet with the published head: linear layers without a bend between them.

    No pretrained weights are fetched; put ImageNet weights in by ``load_state_dict``.
    """

    def __init__(self, config: ScorerConfig) -> None:
        super().__init__()
        from monai.networks.nets import EfficientNetBN

        self.trunk = EfficientNetBN(
            config.backbone, pretrained=False, spatial_dims=2, in_channels=1, num_classes=1
        )
        width = self.trunk._fc.in_features
        self.trunk._fc = nn.Identity()
        sizes = [width, *config.head, 1]
        linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.head = nn.Sequential(nn.Dropout(config.dropout), *linear)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps after the last convolution, 1/32 of the image's size."""
        net = self.trunk
        x = net._swish(net._bn0(net._conv_stem(net._conv_stem_padding(images))))
        x = net._blocks(x)
        return net._swish(net._bn1(net._conv_head(net._conv_head_padding(x))))

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the mean over space."""
        return maps.mean(dim=(2, 3))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (n,)."""
        return self.head(features)[:, 0]


class CompactScorer(Scorer):
    """Residual network for small images, at most 0.35 M parameters at DEMO.

    A wedge of 25 % in one vertebra is a change of two or three pixels in one place, so
    strides are anti-aliased, and the head reads the maximum over places beside the mean,
    at two scales.
    """

    def __init__(self, config: ScorerConfig) -> None:
        super().__init__()
        if min(config.shape) < 2 ** len(config.widths):
            raise error(
                "SC-407",
                expected=f"at least {2 ** len(config.widths)} pixels a side",
                got=str(config.shape),
            )
        stages: list[nn.Module] = []
        before = 0
        for width, blocks in zip(config.widths, config.blocks, strict=True):
            opening = _Shrink(before, width) if before else _Fold(width)
            stages.append(nn.Sequential(opening, *(_Residual(width) for _ in range(blocks))))
            before = width
        self.fine = nn.Sequential(*stages[:-1])
        self.coarse = stages[-1]
        pooled = 2 * (config.widths[-2] + config.widths[-1])
        sizes = [pooled, *config.head, 1]
        self.norm = nn.BatchNorm1d(pooled)
        linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.head = nn.Sequential(nn.Dropout(config.dropout), *linear)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps of the last stage but one, which still tells vertebrae apart."""
        return self.fine((images - 0.5) / 0.25)

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maximum and mean over space of the fine and the coarse maps."""
        coarse = self.coarse(maps)
        kinds = [torch.cat([m.amax(dim=(2, 3)), m.mean(dim=(2, 3))], 1) for m in (maps, coarse)]
        return self.norm(torch.cat(kinds, dim=1))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (n,)."""
        return self.head(features)[:, 0]


class _Fold(nn.Module):
    """Halve the image by folding 2 x 2 pixels into channels: nothing is lost or aliased."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(x)


class _Shrink(nn.Module):
    """Widen, then halve after a binomial blur (Zhang R. ICML 2019: shift-invariant again)."""

    kernel: torch.Tensor

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (line[:, None] * line[None, :]).expand(inputs, 1, 3, 3)
        self.register_buffer("kernel", kernel.contiguous(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return self.widen(functional.conv2d(padded, self.kernel, stride=2, groups=x.shape[1]))


class _Residual(nn.Module):
    """Two 3 x 3 convolutions about an identity, which the second starts from."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        last = self.body[-1]
        nn.init.zeros_(last.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.body(x))
