"""The same people at two times, in the fit of a causal model: what years do is on record.

Among people, age explains a few hundredths of bone density; within a person two visits
show its effect free of what makes people differ. So the likelihood of a cohort with
second visits is that of the first visits, and of every change given them: normal, about
what the model foretells of the first visit at the second one's time, with the variance that
two measurements and all else leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.graph_network import Codes, GraphNetwork
from spinecast.counterfactuals.row_codes import encode_rows
from spinecast.errors import error

#: Fewer pairs say too little about the variance of a change.
FEWEST_PAIRS = 20


@dataclass(frozen=True)
class FollowedPeople:
    """People at two times, row by row.

    Attributes
    ----------
    before, after
        Tables as of ``fit_scm``, of one length; order in time does not matter.
    time
        The root that passes by itself.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    time: str = "age"

    def __post_init__(self) -> None:
        if len(self.before) != len(self.after):
            raise error("SC-413", expected=f"{len(self.before)} later rows",
                        got=str(len(self.after)), where="follow-ups")  # fmt: skip

    def __len__(self) -> int:
        return len(self.before)

    def of(self, chosen: np.ndarray) -> FollowedPeople:
        """Return the pairs where ``chosen``, (n,) bool, holds."""
        return FollowedPeople(self.before[chosen], self.after[chosen], self.time)


class ChangeLikelihood:
    """Minus the log-likelihood of changes, per person of a cohort.

    Parameters
    ----------
    network
        Started, so that its scales are known.
    pairs
        Whose changes.
    share
        Pairs for each person whose first visit is in the fit.
    """

    def __init__(self, network: GraphNetwork, pairs: FollowedPeople, share: float) -> None:
        self.names = foretold_by(network.graph, pairs.time)
        self.time, self.share = pairs.time, share
        self.before, self.after = (_codes(network.graph, t) for t in (pairs.before, pairs.after))
        years = self.after[self.time] - self.before[self.time]
        visits = self.before, self.after
        with torch.no_grad():
            self.variance = {
                name: _left_over(
                    *(network.mechanism(name).encode(v[name])[:, 0] for v in visits), years=years
                )
                for name in self.names
            }

    def __call__(self, network: GraphNetwork) -> torch.Tensor:
        """Return minus the mean log-density of all changes, times the share."""
        made: dict[str, torch.Tensor] = {**self.before, self.time: self.after[self.time]}
        n, total = len(made[self.time]), made[self.time].new_zeros(())
        for name in self.names:
            mechanism = network.mechanism(name)
            noise = mechanism.abduct(self.before[name], network.parents(name, self.before, n))
            made[name] = mechanism.predict(noise, network.parents(name, made, n))
            missed = mechanism.encode(made[name]) - mechanism.encode(self.after[name])
            variance = self.variance[name]
            total = total + 0.5 * (missed.square().mean() / variance + math.log(variance))
        return self.share * total


def foretold_by(graph: CausalGraph, time: str) -> list[str]:
    """Return the numbers that follow from ``time``, causes first, levels being left out."""
    later = graph.descendants(time) - {time} if time in graph.names else set()
    levels = {name for name in graph.names if graph[name].discrete}
    # what follows through a level is not foretold without drawing it
    blocked = graph.descendants(*(levels & later)) if levels & later else set()
    return [name for name in graph.order if name in later - levels - blocked]


def enough(graph: CausalGraph, pairs: FollowedPeople | None) -> bool:
    """Say whether pairs can teach this graph."""
    return pairs is not None and len(pairs) >= FEWEST_PAIRS and bool(foretold_by(graph, pairs.time))


def _codes(graph: CausalGraph, table: pd.DataFrame) -> Codes:
    return {name: torch.from_numpy(values) for name, values in encode_rows(graph, table).items()}


def _left_over(before: torch.Tensor, after: torch.Tensor, *, years: torch.Tensor) -> float:
    """Return the variance of a variable's change that a straight line in time leaves."""
    change = after - before
    slope = (change * years).sum() / years.square().sum().clamp(min=1e-12)
    return max(float((change - slope * years).square().mean()), 1e-8)


__all__ = ["ChangeLikelihood", "FollowedPeople", "enough", "foretold_by"]
