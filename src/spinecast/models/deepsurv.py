"""DeepSurv: a small neural network under Cox's partial likelihood.

References
----------
Katzman JL et al. DeepSurv. BMC Med Res Methodol 2018;18:24.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spinecast.errors import error
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.models.fit import Batch, FitSettings, fit
from spinecast.models.losses import cox_loss
from spinecast.seeds import generator, integer

Floats = NDArray[np.float64]
Validation = tuple[Floats, Floats, NDArray[np.int64]]


_STEPS = FitSettings(
    learning_rate=5e-3,
    weight_decay=1e-2,
    max_steps=400,
    schedule="constant",
    validate_every=5,
    patience=12,
    accelerator="cpu",
)


@dataclass(frozen=True)
class DeepSurvSettings:
    """Size and fitting of a DeepSurv ensemble.

    Attributes
    ----------
    width, depth, dropout
        Of the hidden layers.
    members
        Networks of different starts (and, without given validation, different hold-outs)
        whose log hazards are averaged.
    held_out
        Share of people, taken equally from those with and without the event, that stops
        each member where no validation is given.
    fit
        Steps are over the whole cohort, so that risk sets are whole.
    """

    width: int = 32
    depth: int = 2
    dropout: float = 0.2
    members: int = 5
    held_out: float = 0.2
    fit: FitSettings = _STEPS
    seed: int = 0


class _Member(nn.Module):
    """A straight line plus a bent correction, which starts at nothing."""

    def __init__(self, covariates: int, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        sizes = [covariates] + [width] * depth
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.GELU(), nn.Dropout(dropout)]
        last = nn.Linear(sizes[-1], 1, bias=False)
        line = nn.Linear(covariates, 1, bias=False)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(line.weight)
        self.line, self.correction = line, nn.Sequential(*layers, last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.line(x) + self.correction(x))[:, 0]


class DeepSurv(nn.Module):
    """A fitted ensemble with its covariates' scale and its baseline hazard.

    Made by :func:`fit_deepsurv`; everything a prediction needs is in its state dict.
    """

    center: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor
    event_times: torch.Tensor
    cumulative_hazard: torch.Tensor

    def __init__(self, covariates: int, events: int, *, settings: DeepSurvSettings) -> None:
        super().__init__()
        self.settings = settings
        self.members = nn.ModuleList(
            _Member(
                covariates, width=settings.width, depth=settings.depth, dropout=settings.dropout
            )
            for _ in range(settings.members)
        )
        for name, length in (("center", covariates), ("scale", covariates), ("shift", 1)):
            self.register_buffer(name, torch.zeros(length, dtype=torch.float64))
        for name in ("event_times", "cumulative_hazard"):
            self.register_buffer(name, torch.zeros(events, dtype=torch.float64))

    def standardise(self, X: Floats) -> torch.Tensor:
        """Return (n, p) covariates in training standard deviations, as float32.

        Raises
        ------
        StatisticsError
            SC-604 missing or infinite values; SC-606 another number of covariates.
        """
        X = np.asarray(X, dtype=float)
        if X.ndim != 2 or X.shape[1] != len(self.center):
            raise error("SC-606", expected=f"(n, {len(self.center)})", got=str(X.shape))
        _require_finite(X, "covariates")
        return ((torch.tensor(X) - self.center) / self.scale).float()

    def risk(self, X: Floats) -> Floats:
        """Return (n,) log relative hazards; 0 is the training mean.

        Parameters
        ----------
        X
            (n, p) covariates in the units and order of training.
        """
        values = self._mean_log_hazard(self.standardise(X)) - self.shift
        return values.numpy()

    def survival(self, X: Floats, times: Floats) -> Floats:
        """Return (n, t) probabilities of no event by each of ``times`` (years).

        Beyond the last event of training the curve stays level, which claims more than
        was seen. With a competing death this is not the chance of staying free of
        fracture but that chance in a world without death.
        """
        index = np.searchsorted(self.event_times.numpy(), np.asarray(times, float), side="right")
        baseline = np.concatenate([[0.0], self.cumulative_hazard.numpy()])[index]
        return np.exp(-np.exp(self.risk(X))[:, None] * baseline[None, :])

    def _mean_log_hazard(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.stack([member(x) for member in self.members]).double().mean(dim=0)


def fit_deepsurv(
    X: Floats,
    duration: Floats,
    event: NDArray[np.int64],
    *,
    settings: DeepSurvSettings = DeepSurvSettings(),
    validation: Validation | None = None,
) -> DeepSurv:
    """Fit a DeepSurv ensemble.

    Parameters
    ----------
    X
        (n, p) covariates in any units; constant columns are tolerated and ignored.
    duration
        (n,) years.
    event
        (n,) 1 = event; 0 and 2 leave the risk set.
    settings
        See :class:`DeepSurvSettings`.
    validation
        ``(X, duration, event)`` of other people, to stop on. None holds out a share.

    Returns
    -------
    DeepSurv
        In eval mode. Its Breslow baseline is of the fitted people.

    Raises
    ------
    StatisticsError
        SC-601 nobody had the event; SC-604 missing values; SC-606 lengths differ.
    """
    X, duration = np.asarray(X, dtype=float), np.asarray(duration, dtype=float)
    _check(X, duration, event)
    times = np.unique(duration[event == 1])
    model = DeepSurv(X.shape[1], len(times), settings=settings)
    spread = X.std(axis=0)
    model.center.copy_(torch.tensor(X.mean(axis=0)))
    model.scale.copy_(torch.tensor(np.where(spread > 0, spread, 1.0)))
    people = _as_batch(model, (X, duration, event))
    given = None if validation is None else _as_batch(model, validation)
    for number in range(settings.members):
        _fit_member(model, number, people=people, given=given)
    model.eval()
    log_hazard = model._mean_log_hazard(people[0])
    model.shift.copy_(log_hazard.mean()[None])
    model.event_times.copy_(torch.tensor(times))
    hazard = breslow_hazard((log_hazard - model.shift).numpy(), duration, event)
    model.cumulative_hazard.copy_(torch.tensor(hazard))
    return model


def breslow_hazard(log_hazard: Floats, duration: Floats, event: NDArray[np.int64]) -> Floats:
    """Return Breslow's cumulative baseline hazard at the sorted unique event times.

    References
    ----------
    Breslow N. J R Stat Soc B 1972;34:216.
    """
    times, counts = np.unique(duration[event == 1], return_counts=True)
    order = np.argsort(duration, kind="stable")
    from_end = np.cumsum(np.exp(log_hazard[order])[::-1])[::-1]
    at_risk = from_end[np.searchsorted(duration[order], times, side="left")]
    return np.cumsum(counts / at_risk)


def save_deepsurv(folder: Path, model: DeepSurv, *, name: str = "deepsurv") -> Path:
    """Write a fitted ensemble as a checkpoint."""
    config = {
        "covariates": len(model.center),
        "events": len(model.event_times),
        "settings": asdict(model.settings),
    }
    return save_checkpoint(folder, model, name=name, config=config)


def load_deepsurv(folder: Path, name: str = "deepsurv") -> DeepSurv:
    """Read what :func:`save_deepsurv` wrote (raises SC-402, SC-403, SC-406)."""
    state, config = load_checkpoint(folder, name)
    plain = dict(config["settings"])
    settings = DeepSurvSettings(**{**plain, "fit": FitSettings(**plain["fit"])})
    model = DeepSurv(config["covariates"], config["events"], settings=settings)
    load_weights(model, state, where=str(folder))
    return model.eval()


def _fit_member(model: DeepSurv, number: int, *, people: Batch, given: Batch | None) -> None:
    settings = model.settings
    seed = integer(settings.seed, "deepsurv", number) % 2**31
    member = model.members[number]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _restart(member)
    kept, stop_on = (people, given) if given else _split(people, settings.held_out, seed=seed)

    def batches(_epoch: int) -> Iterator[Batch]:
        yield kept

    def loss(module: nn.Module, batch: Batch, _rng: torch.Generator) -> torch.Tensor:
        return cox_loss(module(batch[0]), batch[1], batch[2])

    def validate(module: nn.Module) -> float:
        return float(cox_loss(module(stop_on[0]), stop_on[1], stop_on[2]))

    has_events = bool((stop_on[2] == 1).any())
    chosen = replace(
        settings.fit, seed=seed, patience=settings.fit.patience if has_events else None
    )
    fit(member, batches, loss, settings=chosen, validate=validate if has_events else None)


def _restart(member: nn.Module) -> None:
    """Draw new hidden weights; the last layers stay at zero, where everyone's risk is equal."""
    for layer in member.modules():
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            layer.reset_parameters()


def _split(people: Batch, share: float, *, seed: int) -> tuple[Batch, Batch]:
    event = people[2].numpy() == 1
    held = np.zeros(len(event), dtype=bool)
    rng = generator(seed, "held out")
    for group in (np.flatnonzero(event), np.flatnonzero(~event)):
        held[rng.permutation(group)[: math.floor(share * len(group))]] = True
    return tuple(t[~held] for t in people), tuple(t[held] for t in people)


def _as_batch(model: DeepSurv, people: Validation) -> Batch:
    X, duration, event = people
    return (model.standardise(X), torch.tensor(duration), torch.tensor(event))


def _check(X: Floats, duration: Floats, event: NDArray[np.int64]) -> None:
    if not (X.ndim == 2 and len(X) == len(duration) == len(event)):
        raise error(
            "SC-606",
            expected="(n, p), (n,) and (n,)",
            got=f"{X.shape}, {np.shape(duration)} and {np.shape(event)}",
        )
    _require_finite(X, "covariates")
    _require_finite(duration, "durations")
    if not (np.asarray(event) == 1).any():
        raise error("SC-601", expected="at least one event", got="none")


def _require_finite(values: Floats, name: str) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise error("SC-604", expected=f"finite {name}", got=f"{bad} missing or infinite")
