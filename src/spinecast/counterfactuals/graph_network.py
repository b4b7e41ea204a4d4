"""The mechanisms of one graph as one network, so that they are fitted and stored together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.models.context_net import MechanismSettings
from spinecast.models.mechanisms import Mechanism, make_mechanism

Codes = Mapping[str, torch.Tensor]


class GraphNetwork(nn.Module):
    """One mechanism for each variable of a graph, in 64 bits.

    Parameters
    ----------
    graph
        With the levels of its categories.
    default, special
        Mechanism settings of every variable, and those of single ones.
    """

    def __init__(
        self,
        graph: CausalGraph,
        default: MechanismSettings,
        special: Mapping[str, MechanismSettings],
    ) -> None:
        super().__init__()
        self.graph = graph
        levels = {n.name: max(len(n.levels), 2) if n.discrete else 2 for n in graph.nodes}
        self.mechanisms = nn.ModuleList(
            make_mechanism(
                node.kind,
                # a number is one column, and so is one level fewer than there are
                sum(levels[parent] - 1 for parent in node.parents),
                levels=levels[node.name],
                settings=special.get(node.name, default),
            )
            for node in graph.nodes
        )
        self.double()

    def mechanism(self, name: str) -> Mechanism:
        """Return the mechanism of a variable (SC-410 where there is none)."""
        found = self.mechanisms[self.graph.names.index(self.graph[name].name)]
        assert isinstance(found, Mechanism)
        return found

    def start(self, codes: Codes) -> None:
        """Take scales and first weights from training codes, (n,) of each variable."""
        for name in self.graph.order:
            parents = self.parents(name, codes, len(codes[name]))
            self.mechanism(name).start(codes[name], parents)

    def parents(self, name: str, codes: Codes, n: int) -> torch.Tensor:
        """Return the parents of a variable as its mechanism sees them, (n, columns)."""
        seen = [self.mechanism(above).encode(codes[above]) for above in self.graph.parents(name)]
        level = next(self.parameters())
        return torch.cat(seen, dim=1) if seen else level.new_zeros(n, 0)

    def penalty(self) -> torch.Tensor:
        """Return what the weights of all mechanisms cost in a fit."""
        return torch.stack([self.mechanism(name).penalty() for name in self.graph.names]).sum()

    def log_prob(self, codes: Codes) -> dict[str, torch.Tensor]:
        """Return the log-density of each variable given its parents, (n,) each."""
        seen = {name: self.mechanism(name).encode(value) for name, value in codes.items()}
        found = {}
        for name, value in codes.items():
            above = [seen[parent] for parent in self.graph.parents(name)]
            parents = torch.cat(above, dim=1) if above else value.new_zeros(len(value), 0)
            found[name] = self.mechanism(name).log_prob(value, parents)
        return found
