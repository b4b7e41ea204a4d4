"""How a variable comes from its parents and its own noise, each an exact two-way street.

A mechanism is fitted by maximum likelihood and then answers three questions: how likely a
value is (``log_prob``), which noise made it (``abduct``), what that noise makes under
other parents (``predict``). Numbers are standardised by the training data, positive ones
after their logarithm; parents come standardised in the same way by their own mechanisms.

References
----------
Pawlowski N, Castro DC, Glocker B. Deep structural causal models. NeurIPS 2020.
Durkan C et al. Neural spline flows. NeurIPS 2019.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error
from spinecast.models.context_net import ContextNet, MechanismSettings

#: Smallest scale of an affine mechanism, in training standard deviations (as published).
SMALLEST_SCALE = 1e-3

#: Splines bend within this many standard deviations of the noise, and are straight outside.
SPLINE_BOUND = 5.0

#: Splines neither rise nor fall more steeply than a hundredfold, so that they can be undone.
SPLINE_SLOPE = 1e-2


class Mechanism(nn.Module, ABC):
    """One variable given its parents.

    Attributes
    ----------
    columns
        Numbers in which children see the variable.
    noise_shape, dice_shape
        Of one person's noise, and of the uniform numbers that abduction needs.
    """

    context: ContextNet
    columns: int = 1
    noise_shape: tuple[int, ...] = ()
    dice_shape: tuple[int, ...] | None = None

    def penalty(self) -> torch.Tensor:
        """Return what the network's weights cost, to be added to the mean of -log_prob."""
        return self.context.penalty()

    @abstractmethod
    def start(self, value: torch.Tensor, parents: torch.Tensor) -> None:
        """Take scales and first weights from training values (n,) and parents (n, p)."""

    @abstractmethod
    def encode(self, value: torch.Tensor) -> torch.Tensor:
        """Return values (n,) as children see them, (n, columns)."""

    @abstractmethod
    def log_prob(self, value: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return the log-density (log-probability of levels) per value in its unit, (n,)."""

    @abstractmethod
    def abduct(
        self, value: torch.Tensor, parents: torch.Tensor, dice: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the noise, (n, *noise_shape), that makes ``value`` of ``parents``."""

    @abstractmethod
    def predict(self, noise: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return the values, (n,), that ``noise`` makes of ``parents``."""

    @abstractmethod
    def draw_noise(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw noise of new people, (n, *noise_shape) float64."""


class AffineMechanism(Mechanism):
    """A number: noise stretched and shifted by a network of the parents, then exponentiated.

    Parameters
    ----------
    parents
        Columns of the parents; 0 for a root.
    positive
        Model the logarithm.
    settings
        See :class:`MechanismSettings`.
    """

    center: torch.Tensor
    spread: torch.Tensor
    support: torch.Tensor

    def __init__(self, parents: int, *, positive: bool, settings: MechanismSettings) -> None:
        super().__init__()
        self.positive = positive
        self.context = ContextNet(parents, self._outputs(settings), settings=settings)
        self.register_buffer("center", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("support", torch.zeros(2))

    @staticmethod
    def _outputs(_settings: MechanismSettings) -> int:
        return 2

    def start(self, value: torch.Tensor, parents: torch.Tensor) -> None:
        """Take scales and first weights from training values (n,) and parents (n, p).

        Raises
        ------
        StatisticsError
            SC-603 where all values are equal.
        """
        plain = value.log() if self.positive else value
        if not bool(plain.std() > 1e-9 * (1 + plain.abs().max())):
            raise error("SC-603", expected="values that differ", got=f"{float(value[0])} only")
        self.center.copy_(plain.mean())
        self.spread.copy_(plain.std())
        self.support.copy_(torch.stack([value.min(), value.max()]))
        z = self.encode(value)[:, 0]
        left = self.context.start_line(z, parents)
        with torch.no_grad():
            deviation = max(float(left.std()), 2 * SMALLEST_SCALE) - SMALLEST_SCALE
            self.context.level[1] = math.log(math.expm1(deviation))

    def encode(self, value: torch.Tensor) -> torch.Tensor:
        """Return (logarithms of) values in training standard deviations, (n, 1)."""
        plain = value.log() if self.positive else value
        return ((plain - self.center) / self.spread)[:, None]

    def log_prob(self, value: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return log-densities in the value's unit, (n,)."""
        noise, log_slope = self._noise(self.encode(value)[:, 0], self.context(parents))
        density = -0.5 * noise**2 - 0.5 * math.log(2 * math.pi) + log_slope - self.spread.log()
        return density - value.log() if self.positive else density

    def abduct(
        self,
        value: torch.Tensor,
        parents: torch.Tensor,
        dice: torch.Tensor | None = None,  # noqa: ARG002 (levels need them, numbers do not)
    ) -> torch.Tensor:
        """Return the standard normal noise, (n,), that makes ``value`` of ``parents``."""
        return self._noise(self.encode(value)[:, 0], self.context(parents))[0]

    def predict(self, noise: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return the values, (n,), that ``noise`` makes of ``parents``."""
        plain = self._standard(noise, self.context(parents)) * self.spread + self.center
        return plain.exp() if self.positive else plain

    def draw_noise(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw standard normal noise, (n,)."""
        return torch.from_numpy(rng.standard_normal(n))

    def _noise(self, z: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return noise and the log-slope of noise in ``z``."""
        scale = F.softplus(context[:, 1]) + SMALLEST_SCALE
        return (z - context[:, 0]) / scale, -scale.log()

    def _standard(self, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Undo :meth:`_noise`."""
        return context[:, 0] + (F.softplus(context[:, 1]) + SMALLEST_SCALE) * noise


class SplineMechanism(AffineMechanism):
    """A number whose noise is bent by a rational-quadratic spline after the affine step.

    At the start the spline is straight, so that the fit begins as an affine mechanism.
    Splines are computed in 64 bits: their inverse loses half of 32.
    """

    def __init__(self, parents: int, *, positive: bool, settings: MechanismSettings) -> None:
        super().__init__(parents, positive=positive, settings=settings)
        self.bins = settings.bins

    @staticmethod
    def _outputs(settings: MechanismSettings) -> int:
        return 2 + 3 * settings.bins - 1

    def _noise(self, z: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        straight, log_slope = super()._noise(z, context)
        bent, log_bend = self._spline(context).call_and_ladj(straight.double())
        return bent.to(z), log_slope + log_bend.to(z)

    def _standard(self, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        straight = self._spline(context).inv(noise.double()).to(noise)
        return super()._standard(straight, context)

    def _spline(self, context: torch.Tensor) -> torch.distributions.Transform:
        from zuko.transforms import MonotonicRQSTransform

        widths, heights, slopes = (
            context[:, 2:].double().split([self.bins, self.bins, self.bins - 1], dim=1)
        )
        return MonotonicRQSTransform(
            widths, heights, slopes, bound=SPLINE_BOUND, slope=SPLINE_SLOPE
        )


class LevelMechanism(Mechanism):
    """A binary or category: the level whose log-probability plus Gumbel noise is largest.

    A level does not reveal its noise, only the region it came from. Abduction draws from
    that region, with the given uniform numbers: the same noise then makes the same level of
    the same parents, and under other parents answers stay as they were unless their
    probabilities pull them over. That coupling is an assumption, not a finding: data of one
    world cannot tell it from others.

    References
    ----------
    Maddison CJ, Tarlow D, Minka T. A* sampling. NeurIPS 2014.
    Oberst M, Sontag D. Counterfactual off-policy evaluation with Gumbel-max structural
    causal models. ICML 2019.
    """

    def __init__(self, parents: int, *, levels: int, settings: MechanismSettings) -> None:
        super().__init__()
        self.levels = levels
        self.columns = levels - 1
        self.noise_shape = self.dice_shape = (levels,)
        self.context = ContextNet(parents, levels - 1, settings=settings)

    def start(self, value: torch.Tensor, parents: torch.Tensor) -> None:  # noqa: ARG002
        """Begin with the observed shares of the levels (n,), whatever the parents."""
        counts = torch.bincount(value.long(), minlength=self.levels).to(value) + 0.5
        with torch.no_grad():
            self.context.level.copy_((counts[1:] / counts[0]).log())

    def encode(self, value: torch.Tensor) -> torch.Tensor:
        """Return an indicator of every level but the first, (n, levels - 1)."""
        others = torch.arange(1, self.levels, device=value.device)
        return (value[:, None] == others).to(value)

    def log_prob(self, value: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities of levels, (n,)."""
        return self._logits(parents).gather(1, value.long()[:, None])[:, 0]

    def abduct(
        self, value: torch.Tensor, parents: torch.Tensor, dice: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return Gumbel noise, (n, levels), drawn from what ``value`` allows.

        Parameters
        ----------
        value, parents
            Levels as numbers from 0, (n,), and (n, p).
        dice
            Uniform numbers between 0 and 1, (n, levels); without them the middle is taken,
            which is one possible noise but no draw.
        """
        logits = self._logits(parents)
        gumbel = -(-(torch.full_like(logits, 0.5) if dice is None else dice.to(logits)).log()).log()
        own = F.one_hot(value.long(), self.levels).bool()
        # log-probabilities sum to 1, so the largest of all is a plain Gumbel number
        top = gumbel.gather(1, value.long()[:, None])
        below = -F.softplus(top - gumbel - logits) + top
        return torch.where(own, top, below) - logits

    def predict(self, noise: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
        """Return levels as numbers from 0, (n,)."""
        return (self._logits(parents) + noise).argmax(dim=1).to(noise)

    def draw_noise(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw standard Gumbel noise, (n, levels)."""
        return torch.from_numpy(rng.gumbel(size=(n, self.levels)))

    def _logits(self, parents: torch.Tensor) -> torch.Tensor:
        others = self.context(parents)
        return F.pad(others, (1, 0)).log_softmax(dim=1)


def make_mechanism(
    kind: str, parents: int, *, levels: int = 2, settings: MechanismSettings | None = None
) -> Mechanism:
    """Return an unfitted mechanism.

    Parameters
    ----------
    kind
        Of the variable: ``positive``, ``real``, ``binary`` or ``category``.
    parents
        Columns of its parents, 0 for a root.
    levels
        Of a category.
    settings
        See :class:`MechanismSettings`.

    Raises
    ------
    ModelError
        SC-407 for another kind.
    """
    settings = settings or MechanismSettings()
    if kind in {"binary", "category"}:
        return LevelMechanism(parents, levels=levels, settings=settings)
    if kind not in {"positive", "real"}:
        wanted = "positive, real, binary or category"
        raise error("SC-407", expected=wanted, got=kind, where="mechanism")
    bent = settings.kind == "spline" or (settings.kind == "auto" and parents == 0)
    made = SplineMechanism if bent else AffineMechanism
    return made(parents, positive=kind == "positive", settings=settings)
