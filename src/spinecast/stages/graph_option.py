"""A user's own causal graph as an option of a run: its text, so that a run knows what it was."""

from __future__ import annotations

from pathlib import Path

from spinecast.counterfactuals.graph import CausalGraph


def read_graph(path: Path) -> str:
    """Return the text of a graph file that can be used.

    Raises
    ------
    ModelError
        SC-409 to SC-412 for what is no graph, before anything is run.
    """
    CausalGraph.from_toml(path)
    return path.read_text(encoding="utf-8")
