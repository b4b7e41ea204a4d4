"""The small network through which parents set a mechanism's parameters, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

from spinecast.errors import error


@dataclass(frozen=True)
class MechanismSettings:
    """Size and kind of one mechanism.

    Attributes
    ----------
    kind
        Of a number: ``affine`` (normal noise, shifted and stretched by the parents),
        ``spline`` (the same, then bent by a neural spline flow, so that noise of any shape
        is normal again), or ``auto``: a spline for roots, affine otherwise, as published.
        Levels have one kind only.
    hidden
        Widths of the network's hidden layers; published: 16, 32.
    straight
        Add a straight line to the network's answer, started at least squares. Not in the
        published code: it makes small cohorts and ages beyond the training's follow the
        linear trend instead of a network's corner.
    ridge
        Price of the network's squared weights, in nats a person. Without one, a network of
        this size bends a straight world so much that people who age alike change unlike.
    bins
        Of a spline.
    """

    kind: Literal["auto", "affine", "spline"] = "auto"
    hidden: tuple[int, ...] = (16, 32)
    straight: bool = True
    ridge: float = 3e-3
    bins: int = 8

    def __post_init__(self) -> None:
        sizes = self.bins >= 2 and min(self.hidden, default=1) >= 1 and self.ridge >= 0
        if self.kind not in {"auto", "affine", "spline"} or not sizes:
            raise error(
                "SC-407",
                expected="kind auto, affine or spline, two bins, layers of 1 or more, ridge of 0",
                got=f"{self.kind}, {self.bins}, {self.hidden}, {self.ridge}",
                where="mechanism",
            )


class ContextNet(nn.Module):
    """From parents to a mechanism's parameters: a level, a straight line and a small network.

    The network's last layer starts at nothing, so that the fit starts at level and line.
    A root has its level only.
    """

    def __init__(self, parents: int, outputs: int, *, settings: MechanismSettings) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(outputs))
        self.line: nn.Linear | None = None
        self.bend: nn.Sequential | None = None
        self.ridge = settings.ridge
        if parents == 0:
            return
        if settings.straight:
            self.line = nn.Linear(parents, outputs, bias=False)
            nn.init.zeros_(self.line.weight)
        layers: list[nn.Module] = []
        sizes = (parents, *settings.hidden)
        for inputs, width in pairwise(sizes):
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.1)]
        last = nn.Linear(sizes[-1], outputs, bias=False)
        nn.init.zeros_(last.weight)
        self.bend = nn.Sequential(*layers, last)

    def start_line(self, z: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Set level and line of the first output to least squares of ``z``; return what is left."""
        ones = torch.ones_like(z)[:, None]
        design = torch.cat([ones, parents], dim=1) if self.line is not None else ones
        # gelsd answers where columns are collinear too
        found = torch.linalg.lstsq(design, z[:, None], driver="gelsd").solution
        with torch.no_grad():
            self.level[0] = found[0, 0]
            if self.line is not None:
                self.line.weight[0] = found[1:, 0]
        return z - (design @ found)[:, 0]

    def penalty(self) -> torch.Tensor:
        """Return the ridge times the network's squared weights; level and line are free."""
        weights = [] if self.bend is None else [p for p in self.bend.parameters() if p.ndim > 1]
        return self.ridge * sum((w.square().sum() for w in weights), start=self.level.new_zeros(()))

    def forward(self, parents: torch.Tensor) -> torch.Tensor:
        """Return parameters, (n, outputs), of parents (n, p)."""
        answer = self.level.expand(len(parents), -1)
        for part in (self.line, self.bend):
            if part is not None:
                answer = answer + part(parents)
        return answer
