"""Structural causal models of tables: which noise made a person, and what else it would make.

A counterfactual is three steps (Pearl): *abduct* the noise of each variable from what was
observed, *act* by cutting the edges into the variables that are set, *predict* the rest
from the same noise. Variables that an intervention does not reach keep their observed
value to the last bit.

References
----------
Pearl J. Causality. Cambridge University Press 2009, section 7.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.graph_network import Codes, GraphNetwork
from spinecast.counterfactuals.row_codes import (
    Floats,
    Setting,
    decode,
    encode_intervention,
    encode_rows,
    person_keys,
)
from spinecast.errors import error
from spinecast.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
from spinecast.models.context_net import MechanismSettings
from spinecast.models.fit_settings import FitSettings
from spinecast.seeds import generator

#: 64 bits, because abduction must undo prediction to the last digit; one thread, because
#: the networks are small.
_STEPS = FitSettings(
    learning_rate=3e-3,
    max_steps=400,
    warmup_steps=50,
    batch_size=512,
    ema_decay=0.98,
    validate_every=25,
    precision="64-true",
    accelerator="cpu",
    threads=1,
)


@dataclass(frozen=True)
class ScmSettings:
    """How a structural causal model is fitted.

    Attributes
    ----------
    mechanism
        Of every variable that ``mechanisms`` does not name.
    mechanisms
        Of single variables.
    held_out
        Share of people whose likelihood chooses the best weights.
    fit
        All mechanisms are fitted together by maximum likelihood.
    seed
        Of first weights, order and hold-out.
    """

    mechanism: MechanismSettings = field(default_factory=MechanismSettings)
    mechanisms: Mapping[str, MechanismSettings] = field(default_factory=dict)
    held_out: float = 0.15
    fit: FitSettings = _STEPS
    seed: int = 0


@dataclass(frozen=True)
class Noise:
    """What is a person's own and stays under every intervention.

    Attributes
    ----------
    variables
        Name to float64 noise: (n,) standard normal for numbers, (n, levels) Gumbel.
    """

    variables: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.variables.values()), ()))


class StructuralCausalModel:
    """A graph with a fitted mechanism for each variable; made by :func:`fit_scm`.

    Attributes
    ----------
    graph
        With the levels of its categories.
    network
        Mechanisms in the order of the graph's nodes, float64.
    history
        Of the fit; empty for a loaded model.
    """

    def __init__(self, graph: CausalGraph, settings: ScmSettings) -> None:
        self.graph, self.settings = graph, settings
        self.history = pd.DataFrame()
        self.network = GraphNetwork(graph, settings.mechanism, settings.mechanisms).eval()

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest training value of each number: beyond them a model guesses."""
        numbers = [node.name for node in self.graph.nodes if not node.discrete]
        limits = {name: self.network.get_buffer(f"mechanisms.{place}.support").tolist()
                  for place, name in enumerate(self.graph.names) if name in numbers}  # fmt: skip
        return {name: (low, high) for name, (low, high) in limits.items()}

    def log_prob(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the log-density of each variable given its parents, (n, variables).

        Densities are per unit of the variable, so they compare models, not variables.
        """
        codes = _tensors(encode_rows(self.graph, rows))
        with torch.no_grad():
            parts = self.network.log_prob(codes)
        return pd.DataFrame({name: part.numpy() for name, part in parts.items()}, index=rows.index)

    def abduct(self, rows: pd.DataFrame, *, seed: int = 0) -> Noise:
        """Return the noise that makes ``rows``.

        Numbers have one such noise. Levels have many; one is drawn, which depends on the
        seed and the person (and visit), not on who else is in the table.

        Raises
        ------
        ModelError
            SC-413 for rows with missing or impossible values.
        """
        codes = _tensors(encode_rows(self.graph, rows))
        return Noise(self._abducted(codes, self.graph.names, keys=person_keys(rows), seed=seed))

    def counterfactual(
        self,
        rows: pd.DataFrame,
        do: Mapping[str, Setting],
        *,
        noise: Noise | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return what ``rows`` would have been, had ``do`` been done to them.

        Parameters
        ----------
        rows
            Observed people; columns that the graph does not know are passed on.
        do
            Variable to one value for everybody, or to one value a row, in the graph's
            units and levels.
        noise
            Of these rows, from :meth:`abduct`, to be shared by several interventions;
            None abducts it.
        seed
            Of the noise of levels.

        Returns
        -------
        pandas.DataFrame
            Variables that ``do`` names, and in rows where it changes something their
            descendants, take new values; every other value is the observed one, bit for bit.

        Raises
        ------
        ModelError
            SC-410 or SC-414 for an intervention, SC-413 for rows, that do not fit.

        Notes
        -----
        The answer is only as right as the graph: a common cause that it leaves out moves
        in the world and stays put here. Outside :attr:`support` it is an extrapolation.
        """
        observed = _tensors(encode_rows(self.graph, rows))
        acted = _tensors(encode_intervention(self.graph, do, len(rows)))
        moved = [n for n in self.graph.order if n in self.graph.descendants(*do) - set(do)]
        if noise is not None and len(noise) != len(rows):
            got = f"noise of {len(noise)}"
            raise error("SC-414", expected=f"noise of {len(rows)} rows", got=got, where="abduct")
        if noise is None:
            keys = person_keys(rows)
            noise = Noise(self._abducted(observed, moved, keys=keys, seed=seed))
        codes = {**observed, **acted}
        for name in moved:
            parents = self.graph.parents(name)
            # where no parent differs, neither does the answer: not even by rounding
            touched = torch.stack([codes[p] != observed[p] for p in parents]).any(dim=0)
            predicted = self._predicted(name, noise, codes, n=len(rows))
            codes[name] = torch.where(touched, predicted, observed[name])
        changed = [name for name in self.graph.names if name in {*do, *moved}]
        columns = {n: decode(self.graph[n], codes[n].numpy(), observed=rows[n]) for n in changed}
        return rows.assign(**columns)

    def predict(self, noise: Noise, do: Mapping[str, Setting] | None = None) -> pd.DataFrame:
        """Return every variable that ``noise`` makes under ``do``, as a table of the graph."""
        codes = _tensors(encode_intervention(self.graph, do or {}, len(noise)))
        for name in self.graph.order:
            if name not in codes:
                codes[name] = self._predicted(name, noise, codes, n=len(noise))
        return pd.DataFrame({n: decode(self.graph[n], codes[n].numpy()) for n in self.graph.names})

    def draw_noise(self, n: int, *, seed: int = 0) -> Noise:
        """Return the noise of ``n`` people who do not exist."""
        return Noise(
            {
                name: self.network.mechanism(name)
                .draw_noise(n, generator(seed, "noise", name))
                .numpy()
                for name in self.graph.names
            }
        )

    def sample(
        self, n: int, *, do: Mapping[str, Setting] | None = None, seed: int = 0
    ) -> pd.DataFrame:
        """Draw ``n`` people of the world in which ``do`` is done to everybody.

        Equal seeds draw equal noise, so that two interventions make pairs.
        """
        return self.predict(self.draw_noise(n, seed=seed), do)

    @torch.no_grad()
    def _abducted(
        self, codes: Codes, names: Iterable[str], *, keys: list[str], seed: int
    ) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for name in names:
            mechanism = self.network.mechanism(name)
            dice = None
            if mechanism.dice_shape is not None:
                drawn = [
                    generator(seed, "abduct", name, key).random(mechanism.dice_shape)
                    for key in keys
                ]
                dice = torch.from_numpy(np.array(drawn).reshape(len(keys), *mechanism.dice_shape))
            parents = self.network.parents(name, codes, len(keys))
            found[name] = mechanism.abduct(codes[name], parents, dice).numpy()
        return found

    @torch.no_grad()
    def _predicted(self, name: str, noise: Noise, codes: Codes, *, n: int) -> torch.Tensor:
        own = torch.from_numpy(noise.variables[name])
        return self.network.mechanism(name).predict(own, self.network.parents(name, codes, n))


def save_scm(folder: Path, model: StructuralCausalModel, *, name: str = "scm") -> Path:
    """Write a fitted model as a checkpoint: weights, graph and settings."""
    config = {"graph": model.graph.to_text(), "settings": asdict(model.settings)}
    return save_checkpoint(folder, model.network, name=name, config=config)


def load_scm(folder: Path, name: str = "scm") -> StructuralCausalModel:
    """Read what :func:`save_scm` wrote (raises SC-402, SC-403, SC-406)."""
    state, config = load_checkpoint(folder, name)
    graph = CausalGraph.from_text(config["graph"], where=str(folder))
    model = StructuralCausalModel(graph, _settings(config["settings"]))
    load_weights(model.network, state, where=str(folder))
    return model


def _settings(plain: dict[str, Any]) -> ScmSettings:
    special = {name: _mechanism(value) for name, value in plain["mechanisms"].items()}
    return ScmSettings(
        **{
            **plain,
            "mechanism": _mechanism(plain["mechanism"]),
            "mechanisms": special,
            "fit": FitSettings(**plain["fit"]),
        }
    )


def _mechanism(plain: dict[str, Any]) -> MechanismSettings:
    return MechanismSettings(**{**plain, "hidden": tuple(plain["hidden"])})


def _tensors(codes: Mapping[str, Floats]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in codes.items()}
