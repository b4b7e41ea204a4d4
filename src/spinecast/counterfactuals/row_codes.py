"""Between tables of people and the numbers that causal models count in.

Numbers stay numbers; levels become 0, 1, 2 in the order of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.counterfactuals.graph import CausalGraph, Node
from spinecast.errors import error

Floats = NDArray[np.float64]

#: What an intervention sets a variable to: one value for everybody, or one a row.
Setting = float | int | str | Floats | pd.Series | list[Any]


def encode_rows(graph: CausalGraph, rows: pd.DataFrame) -> dict[str, Floats]:
    """Return every variable of ``rows`` as float64 codes, (n,).

    Raises
    ------
    ModelError
        SC-413 for a column that is not there, a missing or infinite number, a number of 0
        or less where the graph says positive, an unknown level.
    """
    return {node.name: _column(node, rows) for node in graph.nodes}


def usable_values(node: Node, values: pd.Series) -> NDArray[np.bool_]:
    """Say of each value whether it is one of the variable's, (n,)."""
    return ~np.isnan(_codes(node, values))


def encode_intervention(graph: CausalGraph, do: Mapping[str, Setting], n: int) -> dict[str, Floats]:
    """Return what ``do`` sets as float64 codes of ``n`` rows.

    Raises
    ------
    ModelError
        SC-410 for an unknown variable, SC-414 for an impossible value or another number
        of values than rows.
    """
    return {name: _set(graph[name], value, n) for name, value in do.items()}


def decode(node: Node, codes: Floats, *, observed: pd.Series | None = None) -> pd.Series:
    """Return codes as a column of the table: numbers, or levels as the graph writes them.

    Where ``observed`` (with its codes equal to ``codes``) is given, its own writing is kept.
    """
    index = None if observed is None else observed.index
    column = pd.Series(codes, index=index)
    if node.levels:
        levels = np.array(node.levels, dtype=object)
        column = pd.Series(levels[codes.astype(int)], index=index, dtype=object)
    if observed is None:
        return column
    kept = _codes(node, observed) == codes
    return observed if kept.all() else column.where(~kept, observed.astype(column.dtype))


def fill_levels(graph: CausalGraph, table: pd.DataFrame) -> CausalGraph:
    """Return the graph with the levels of its categories read off ``table``, sorted.

    Raises
    ------
    ModelError
        SC-412 where a category has fewer than two levels there, SC-413 without the column.
    """
    open_nodes = [node for node in graph.nodes if node.kind == "category" and not node.levels]
    found: dict[str, tuple[str, ...]] = {}
    for node in open_nodes:
        levels = sorted({str(value) for value in _raw(node, table).dropna()})
        if len(levels) < 2:
            got = ", ".join(levels) or "none"
            raise error("SC-412", expected="two levels or more", got=got, where=node.name)
        found[node.name] = tuple(levels)
    return graph.with_levels(found)


def person_keys(rows: pd.DataFrame) -> list[str]:
    """Return one text a row: who (and which visit) it is, else its place in the table."""
    if "person_id" not in rows:
        return [str(place) for place in range(len(rows))]
    people = rows["person_id"].astype(str)
    return (people + "\x1f" + rows["visit"].astype(str) if "visit" in rows else people).tolist()


def person_groups(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of each row's person, from 0; without ``person_id`` each row is one."""
    if "person_id" not in rows:
        return np.arange(len(rows))
    return pd.factorize(rows["person_id"])[0].astype(np.int64)


def _raw(node: Node, rows: pd.DataFrame) -> pd.Series:
    if node.name not in rows:
        raise error("SC-413", expected=f"a column {node.name!r}", got="none", where="table")
    return rows[node.name]


def _column(node: Node, rows: pd.DataFrame) -> Floats:
    raw = _raw(node, rows)
    codes = _codes(node, raw)
    wrong = np.flatnonzero(np.isnan(codes))
    if len(wrong):
        first = wrong[0]
        who = f"row {rows.index[first]}"
        who += f" (person {rows['person_id'].iloc[first]})" if "person_id" in rows else ""
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise error(
            "SC-413",
            expected=_wanted(node),
            got=f"{raw.iloc[first]!r}{more}",
            where=f"{node.name}, {who}",
        )
    return codes


def _set(node: Node, value: Setting, n: int) -> Floats:
    given = np.asarray(value, dtype=object)
    if given.shape not in {(), (n,)}:
        wanted, got = f"one value or {n}", " x ".join(map(str, given.shape))
        raise error("SC-414", expected=wanted, got=got, where=f"do({node.name})")
    values = pd.Series(np.broadcast_to(given, n))
    codes = _codes(node, values)
    wrong = np.flatnonzero(np.isnan(codes))
    if len(wrong):
        got = repr(values.iloc[wrong[0]])
        raise error("SC-414", expected=_wanted(node), got=got, where=f"do({node.name})")
    return codes


def _codes(node: Node, values: pd.Series) -> Floats:
    """Return codes, NaN where a value is not one of the variable's."""
    if node.levels:
        numbers = {level: float(code) for code, level in enumerate(node.levels)}
        return values.map(lambda value: numbers.get(str(value), np.nan)).to_numpy(float)
    codes = pd.to_numeric(values, errors="coerce").to_numpy(float, copy=True)
    possible = np.isfinite(codes)
    if node.kind == "positive":
        possible &= codes > 0
    if node.kind == "binary":
        possible &= np.isin(codes, (0, 1))
    codes[~possible] = np.nan
    return codes


def _wanted(node: Node) -> str:
    if node.levels:
        return f"one of {', '.join(node.levels)}"
    kinds = {"positive": "a number above 0", "binary": "0 or 1"}
    return kinds.get(node.kind, "a number")
