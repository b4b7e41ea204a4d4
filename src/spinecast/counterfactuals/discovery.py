"""Find a graph in the data (PC-stable with tiers), and say how often each edge is found again.

An optional check of a graph that somebody who knows the field has drawn; it replaces none.
The library causal-learn does the search and is not part of the ordinary installation.

References
----------
Colombo D, Maathuis MH. Order-independent constraint-based causal structure learning.
J Mach Learn Res 2014;15:3741.
Petersen AH, Osler M, Ekstrøm CT. Data-driven model building for life-course epidemiology.
Am J Epidemiol 2021;190:1898 (tiers that limit what is held fixed).
Meinshausen N, Bühlmann P. Stability selection. J R Stat Soc B 2010;72:417.
Zheng Y et al. Causal-learn: causal discovery in Python. J Mach Learn Res 2024;25(60).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Literal

import numpy as np
import pandas as pd

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.row_codes import Floats, encode_rows, person_groups
from spinecast.errors import error
from spinecast.seeds import generator

#: Ends of an edge as causal-learn writes them in ``graph[row, column]``: the mark at ``row``.
_TAIL, _HEAD = -1, 1

#: Name under which causal-learn knows our test.
_TEST = "spinecast_tiered_fisherz"

#: The tier of variables that cause nothing.
_EFFECTS = 10**6


@dataclass(frozen=True)
class DiscoverySettings:
    """How edges are looked for.

    Attributes
    ----------
    alpha
        Level of each test of independence (Fisher's z of partial correlations, numbers
        that are positive by their logarithm).
    tiers
        Variable to tier: nothing causes a variable of an earlier tier, and a test of two
        variables holds none of a later tier fixed than both's (a common effect held fixed
        can hide an edge). Variables not named are in the last. None puts the given graph's
        roots in tier 0 and everything else in tier 1. Variables of tier 0 cause each other
        in no direction.
    effects_only
        Variables, such as measures of the image, that cause nothing at all; they come
        after the last tier.
    resamples
        Drawn tables behind the frequencies.
    resampling
        ``half``: half of the people, each once. ``bootstrap``: as many people as there are,
        with repetition; repeated people look like evidence, so tests then find edges that
        are not there more often than ``alpha`` says.
    seed
        Of the resamples.
    """

    alpha: float = 0.01
    tiers: Mapping[str, int] | None = None
    effects_only: tuple[str, ...] = ()
    resamples: int = 100
    resampling: Literal["half", "bootstrap"] = "half"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.resamples < 1:
            raise error(
                "SC-407",
                expected="0 < alpha < 1 and one resample",
                got=f"{self.alpha} and {self.resamples}",
                where="discovery",
            )
        if self.resampling not in {"half", "bootstrap"}:
            raise error("SC-407", expected="half or bootstrap", got=self.resampling)


def discover_edges(
    graph: CausalGraph,
    table: pd.DataFrame,
    *,
    settings: DiscoverySettings | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> pd.DataFrame:
    """Look for the edges of ``graph``'s variables in resamples of ``table``.

    Parameters
    ----------
    graph
        Gives the variables, their kinds and the edges to compare with; its edges do not
        guide the search, but for the roots in :attr:`DiscoverySettings.tiers`.
    table
        One row a person. Several visits of one person count as independent in the tests,
        which then find too much.
    settings, progress
        How, and who waits.

    Returns
    -------
    pandas.DataFrame
        A row for each ordered pair that was joined at least once or is in the graph:
        ``from``, ``to``, ``frequency`` (share of resamples with this arrow; an edge whose
        direction the data leave open counts half each way), ``adjacent`` (share with an edge
        between the two, whatever its direction), ``found`` (the same as frequency, in the
        whole table), ``in_graph``.

    Raises
    ------
    RunError
        SC-710 where causal-learn is not installed, with the line that installs it.
    ModelError
        SC-407 for categories of three levels or more, which have no partial correlation;
        SC-410 for a tier of an unknown variable; SC-413 for rows that do not fit the graph.

    Notes
    -----
    A common cause that is not in the table shows as an edge between its effects. Arrows
    within a tier follow from few tests and turn easily: trust ``adjacent`` before
    ``frequency``.
    """
    settings = settings or DiscoverySettings()
    values, people = _values(graph, table), person_groups(table)
    search = _Search(graph.names, settings.alpha, _tiers(graph, settings))
    whole = search.arrows(values)
    counts, joined = np.zeros_like(whole), np.zeros_like(whole)
    for number in range(settings.resamples):
        arrows = search.arrows(values[_resample(people, settings, number)])
        counts += arrows
        joined += (arrows + arrows.T) > 0
        if progress is not None:
            progress((number + 1) / settings.resamples, f"resample {number + 1}")
    return _edges(graph, counts / settings.resamples, joined / settings.resamples, whole=whole)


def _edges(
    graph: CausalGraph, frequency: Floats, adjacent: Floats, *, whole: Floats
) -> pd.DataFrame:
    """Return matrices over pairs of variables as the table of :func:`discover_edges`."""
    rows = [
        (*pair, frequency[place], adjacent[place], whole[place], pair in graph.edges)
        for place in permutations(range(len(graph.names)), 2)
        if (pair := (graph.names[place[0]], graph.names[place[1]])) in graph.edges
        or frequency[place] + whole[place] > 0
    ]
    columns = ["from", "to", "frequency", "adjacent", "found", "in_graph"]
    found = pd.DataFrame(rows, columns=columns)
    by = ["in_graph", "frequency"]
    return found.sort_values(by, ascending=False, kind="stable", ignore_index=True)


@dataclass
class _Search:
    """PC-stable over columns of one meaning, with what the tiers forbid.

    Attributes
    ----------
    names, alpha, tiers
        Of the columns; a tier is a number, and :data:`_EFFECTS` where effects begin.
    """

    names: tuple[str, ...]
    alpha: float
    tiers: dict[str, int]
    pc: Callable[..., Any] = field(init=False)
    knowledge: Any = field(init=False)

    def __post_init__(self) -> None:
        try:
            from causallearn.graph.GraphNode import GraphNode
            from causallearn.search.ConstraintBased.PC import pc
            from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge
        except ImportError as cause:
            raise error(
                "SC-710",
                expected="causal-learn (pip install 'spinecast[discovery]')",
                got=str(cause),
                where="graph discovery",
            ) from cause
        _register_tiered_test()
        self.pc, self.knowledge = pc, BackgroundKnowledge()
        nodes = {name: GraphNode(name) for name in self.names}
        for source, target in permutations(self.names, 2):
            if _ruled_out(self.tiers[source], self.tiers[target]):
                self.knowledge.add_forbidden_by_node(nodes[source], nodes[target])

    def arrows(self, values: Floats) -> Floats:
        """Return (variables, variables): 1 for an arrow from row to column, a half if undecided."""
        found = self.pc(
            values,
            alpha=self.alpha,
            indep_test=_TEST,
            tiers=[self.tiers[name] for name in self.names],
            stable=True,
            background_knowledge=self.knowledge,
            show_progress=False,
            node_names=list(self.names),
        ).G.graph
        marks = np.asarray(found)
        arrows = ((marks == _TAIL) & (marks.T == _HEAD)).astype(float)
        open_ended = (marks != 0) & (marks == marks.T)
        return arrows + 0.5 * open_ended


def _values(graph: CausalGraph, table: pd.DataFrame) -> Floats:
    for node in graph.nodes:
        if node.kind == "category" and len(node.levels) != 2:
            raise error(
                "SC-407", expected="numbers and binaries", got=f"category {node.name}",
                where="graph discovery",
            )  # fmt: skip
    codes = encode_rows(graph, table)
    columns = [np.log(codes[n.name]) if n.kind == "positive" else codes[n.name]
               for n in graph.nodes]  # fmt: skip
    return np.stack(columns, axis=1)


def _tiers(graph: CausalGraph, settings: DiscoverySettings) -> dict[str, int]:
    """Return the tier of every variable."""
    given = settings.tiers
    tiers = {name: int(name not in graph.roots) for name in graph.names} if given is None else given
    unknown = [n for n in (*tiers, *settings.effects_only) if n not in graph.names]
    if unknown:
        wanted = f"variables among {', '.join(graph.names)}"
        raise error("SC-410", expected=wanted, got=", ".join(unknown), where="tiers")
    last = max(tiers.values(), default=0)
    found = {name: tiers.get(name, last) for name in graph.names}
    return found | dict.fromkeys(settings.effects_only, _EFFECTS)


def _ruled_out(source: int, target: int) -> bool:
    """Say whether tiers forbid an arrow."""
    return source > target or source == target == 0 or source == _EFFECTS


def _register_tiered_test() -> None:
    """Teach causal-learn Fisher's z that holds nothing of a later tier fixed."""
    from causallearn.utils.cit import FisherZ, register_ci_test

    class TieredFisherZ(FisherZ):  # type: ignore[misc]
        """Fisher's z; a forbidden set of held variables separates nothing."""

        def __init__(self, data: Floats, *, tiers: list[int], **settings: Any) -> None:
            super().__init__(data, **settings)
            self.tiers = tiers

        def __call__(self, x: int, y: int, held: Any = None) -> float:
            latest = max(self.tiers[x], self.tiers[y])
            if any(self.tiers[int(z)] > latest for z in held or ()):
                return 0.0
            return float(super().__call__(x, y, held))

    register_ci_test(_TEST, TieredFisherZ)


def _resample(people: np.ndarray, settings: DiscoverySettings, number: int) -> np.ndarray:
    """Return row numbers of one resample of whole people."""
    rng = generator(settings.seed, "discovery", number)
    count = int(people.max()) + 1
    if settings.resampling == "half":
        chosen = rng.permutation(count)[: math.ceil(count / 2)]
        return np.flatnonzero(np.isin(people, chosen))
    copies = np.bincount(rng.integers(0, count, count), minlength=count)
    return np.repeat(np.arange(len(people)), copies[people])
