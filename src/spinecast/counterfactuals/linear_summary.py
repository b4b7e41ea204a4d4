"""A causal graph read as straight lines: standardised weights, and whether the data agree.

Both look at means and straight lines only. A graph whose mechanisms bend may fail here and
be right, and one that passes may still have its arrows turned round.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.row_codes import Floats, encode_rows, fill_levels, person_groups
from spinecast.errors import error
from spinecast.seeds import generator

_Z = float(stats.norm.ppf(0.975))


def standardised_weights(
    graph: CausalGraph, table: pd.DataFrame, *, bootstrap: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Estimate the weight of every edge by least squares of each variable on its parents.

    Parameters
    ----------
    graph, table
        Variables and people; see :func:`~spinecast.counterfactuals.scm_fitting.fit_scm`.
    bootstrap
        Resamples of people (by ``person_id`` where there is one) behind the intervals,
        each standardised anew; at least 2.
    seed
        Of the resamples.

    Returns
    -------
    pandas.DataFrame
        ``from``, ``to``, ``weight``, ``ci_low``, ``ci_high`` (95 %, normal with the
        bootstrap's standard error). Numbers are in standard deviations; a binary counts 0
        and 1, so its weight is the difference between its levels in standard deviations of
        the child. A category has a row for each level but the first, ``name[level]``.

    Raises
    ------
    ModelError
        SC-407 for fewer than two resamples, SC-413 for rows that do not fit the graph.
    StatisticsError
        SC-603 for a variable that does not vary, SC-609 for too few people.
    """
    if bootstrap < 2:
        raise error("SC-407", expected="two resamples", got=str(bootstrap), where="weights")
    design = _Design.of(graph, table)
    people = person_groups(table)
    shares = np.full(people.max() + 1, 1 / (people.max() + 1))
    drawn = generator(seed, "weights").multinomial(len(shares), shares, size=bootstrap)
    everybody = np.ones((1, len(people)))
    moments = design.covariances(np.concatenate([everybody, drawn[:, people]]))
    rows: list[tuple[object, ...]] = []
    for node in design.graph.nodes:
        above = design.places(*node.parents)
        for child in design.places(node.name) if above else ():
            found = _least_squares(moments, above, child=child)
            errors = found[1:].std(axis=0, ddof=1)
            rows += [
                (design.labels[place], design.labels[child], weight, weight - half, weight + half)
                for place, weight, half in zip(above, found[0], _Z * errors, strict=True)
            ]
    return pd.DataFrame(rows, columns=["from", "to", "weight", "ci_low", "ci_high"])


def residual_independence(graph: CausalGraph, table: pd.DataFrame) -> pd.DataFrame:
    """Test what a graph forbids: dependence of variables that no edge joins.

    Of two such variables the later in causal order is independent of the earlier given
    both's parents (the local Markov property). A partial correlation that is not 0 says
    that an edge or a common cause is missing.

    Parameters
    ----------
    graph, table
        As of :func:`standardised_weights`. Visits of one person count as one observation.

    Returns
    -------
    pandas.DataFrame
        ``first``, ``second``, ``given`` (parents, joined by a comma), ``partial_correlation``
        (of the level where there are several: the largest), ``p_value`` (Fisher's z;
        Bonferroni over levels), ``p_holm`` over all pairs; smallest first.

    Raises
    ------
    ModelError, StatisticsError
        As of :func:`standardised_weights`.

    References
    ----------
    Pearl J. Causality. Cambridge University Press 2009, section 1.2.
    Holm S. Scand J Stat 1979;6:65.
    """
    design = _Design.of(graph, table)
    observations = int(person_groups(table).max()) + 1
    rows = []
    for first, second in combinations(graph.order, 2):
        if graph.adjacent(first, second):
            continue
        above = {*graph.parents(first), *graph.parents(second)}
        given = [name for name in graph.order if name in above]
        held = design.places(*given)
        correlation, tests = _partial(design, held, pair=(first, second))
        z = np.arctanh(correlation) * np.sqrt(max(observations - len(held) - 3, 1))
        p = min(1.0, tests * 2 * float(stats.norm.sf(abs(z))))
        rows.append((first, second, ", ".join(given), correlation, p))
    names = ["first", "second", "given", "partial_correlation", "p_value"]
    found = pd.DataFrame(rows, columns=names).sort_values("p_value", ignore_index=True)
    return found.assign(p_holm=_holm(found["p_value"].to_numpy(float)))


@dataclass(frozen=True)
class _Design:
    """Variables as columns: numbers as they are, levels as indicators of all but the first.

    Attributes
    ----------
    graph
        With the levels of its categories.
    owners, labels
        Variable and name of each column.
    values
        (n, columns); numbers are centred and scaled, which changes no weight here and
        keeps the arithmetic well conditioned.
    """

    graph: CausalGraph
    owners: list[str]
    labels: list[str]
    values: Floats

    @classmethod
    def of(cls, graph: CausalGraph, table: pd.DataFrame) -> _Design:
        """Read the columns of ``graph`` off ``table`` and see that they vary."""
        graph = fill_levels(graph, table)
        codes = encode_rows(graph, table)
        owners, labels, columns = [], [], []
        for node in graph.nodes:
            several = node.kind == "category"
            for level in range(1, len(node.levels)) if several else (0,):
                owners.append(node.name)
                labels.append(f"{node.name}[{node.levels[level]}]" if several else node.name)
                columns.append(codes[node.name] == level if several else codes[node.name])
        values = np.stack(columns, axis=1).astype(float)
        if len(values) <= len(labels) + 3:
            raise error("SC-609", expected=f"{len(labels) + 4} rows", got=str(len(values)))
        numbers = np.array([not graph[owner].discrete for owner in owners])
        spread = values.std(axis=0)
        constant = np.flatnonzero(spread <= 1e-12 * np.abs(values).max(axis=0))
        if len(constant):
            raise error(
                "SC-603", expected="values that differ", got=f"one, in {labels[constant[0]]}"
            )
        scaled = (values - values.mean(axis=0)) / np.where(numbers, spread, 1.0)
        return cls(graph, owners, labels, scaled)

    def places(self, *names: str) -> list[int]:
        """Return the columns of variables, in the order given."""
        return [place for name in names for place, owner in enumerate(self.owners) if owner == name]

    def covariances(self, counts: Floats) -> Floats:
        """Return covariances, (b, columns, columns), of ``counts`` (b, n) copies of each row.

        Numbers have unit variance in every one of them: each resample is standardised anew.
        """
        n, width = self.values.shape
        products = (self.values[:, :, None] * self.values[:, None, :]).reshape(n, -1)
        total = counts.sum(axis=1, keepdims=True)
        mean = counts @ self.values / total
        second = (counts @ products / total).reshape(-1, width, width)
        found = second - mean[:, :, None] * mean[:, None, :]
        discrete = np.array([self.graph[owner].discrete for owner in self.owners])
        scale = np.where(discrete, 1.0, np.sqrt(np.diagonal(found, axis1=1, axis2=2)))
        return found / (scale[:, :, None] * scale[:, None, :])


def _least_squares(moments: Floats, above: list[int], *, child: int) -> Floats:
    """Return weights (b, parents) of one column on others from covariances (b, p, p)."""
    squares, products = moments[:, above][:, :, above], moments[:, above, child]
    try:
        found = np.linalg.solve(squares, products[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError as cause:
        raise error("SC-607", expected="parents that differ", got=str(cause)) from cause
    return np.asarray(found, dtype=float)


def _partial(design: _Design, held: list[int], *, pair: tuple[str, str]) -> tuple[float, int]:
    """Return the largest partial correlation of two variables' columns, and among how many."""
    left, right = (_residuals(design.values, design.places(name), held) for name in pair)
    norms = np.outer(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0))
    # nothing is left of a variable that its parents determine: it depends on nothing more
    found = (left.T @ right / np.where(norms > 1e-9, norms, np.inf)).ravel()
    largest = float(found[np.abs(found).argmax()])
    return float(np.clip(largest, -1 + 1e-12, 1 - 1e-12)), len(found)


def _residuals(X: Floats, wanted: list[int], held: list[int]) -> Floats:
    design = np.column_stack([np.ones(len(X)), X[:, held]])
    return X[:, wanted] - design @ np.linalg.lstsq(design, X[:, wanted], rcond=None)[0]


def _holm(p: Floats) -> Floats:
    """Return Holm's adjusted p-values of sorted ``p``."""
    steps = p * np.arange(len(p), 0, -1)
    return np.minimum(1.0, np.maximum.accumulate(steps)) if len(p) else p
