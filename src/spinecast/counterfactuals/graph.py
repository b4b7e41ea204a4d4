"""What causes what, as data: variables, their parents, and the image that some of them shape.

A graph is a belief about the world, stated before anything is fitted. It is written in
Python or in TOML::

    [variables.age]
    kind = "positive"
    unit = "years"

    [variables.lumbar_width]
    kind = "positive"
    unit = "mm"
    parents = ["age"]

    [image]
    parents = ["lumbar_width"]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from spinecast.errors import error
from spinecast.files import write_text

Kind = Literal["binary", "category", "positive", "real"]

#: How the image is called where an edge ends in it; no variable may have this name.
IMAGE = "image"

#: A graph of a thousand variables takes a tenth of this.
LARGEST_FILE = 2**20


@dataclass(frozen=True)
class Node:
    """One variable of a causal graph.

    Attributes
    ----------
    name
        A column of the table that the model is fitted to.
    kind
        ``positive`` (above 0, modelled by its logarithm), ``real``, ``binary`` or ``category``.
    unit
        For axes and tables; empty where there is none.
    parents
        Direct causes.
    levels
        Values of a binary (the one that counts 0, then the one that counts 1) or of a
        category. A binary without levels holds 0 and 1; a category without levels takes
        them from the table it is fitted to.
    """

    name: str
    kind: Kind = "positive"
    unit: str = ""
    parents: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise _unusable(f"a kind of {', '.join(get_args(Kind))}", self.kind, where=self.name)
        if not self.name:
            raise _unusable("a name for every variable", "an empty one", where="graph")
        levels, discrete = self.levels, self.kind in {"binary", "category"}
        right = len(levels) == 2 if self.kind == "binary" else discrete and len(levels) >= 2
        if levels and not (right and len(set(levels)) == len(levels)):
            wanted = "two different levels of a binary, two or more of a category"
            raise _unusable(wanted, repr(levels), where=self.name)

    @property
    def discrete(self) -> bool:
        """Whether values are levels instead of numbers."""
        return self.kind in {"binary", "category"}


@dataclass(frozen=True)
class CausalGraph:
    """A directed graph without cycles over variables, and the parents of one image.

    Attributes
    ----------
    nodes
        Variables, in the order that tables list them.
    image_parents
        Variables that shape the image directly; empty where there is no image. An image
        causes nothing.

    Raises
    ------
    ModelError
        SC-409 for a cycle, SC-410 for a parent that is no variable, SC-411 where the image
        is made a cause or a variable, SC-412 for anything else that is no graph.
    """

    nodes: tuple[Node, ...]
    image_parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        if not names:
            raise _unusable("at least one variable", "none", where="graph")
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise _unusable("each variable once", f"{', '.join(twice)} twice", where="graph")
        if IMAGE in names:
            raise _image_fault("variables of other names", f"a variable {IMAGE!r}")
        for child, parents in [(n.name, n.parents) for n in self.nodes] + [
            (IMAGE, self.image_parents)
        ]:
            self._check_parents(child, parents)
        _topological({node.name: node.parents for node in self.nodes})

    def _check_parents(self, child: str, parents: tuple[str, ...]) -> None:
        if IMAGE in parents:
            raise _image_fault("an image that causes nothing", f"an edge from it to {child!r}")
        unknown = [parent for parent in parents if parent not in self.names]
        if unknown:
            raise error(
                "SC-410",
                expected=f"parents among {', '.join(self.names)}",
                got=", ".join(unknown),
                where=f"parents of {child!r}",
            )
        if len(set(parents)) < len(parents):
            raise _unusable("each parent once", ", ".join(parents), where=f"parents of {child!r}")

    def __getitem__(self, name: str) -> Node:
        """Return the variable ``name`` (SC-410 where there is none)."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise error(
            "SC-410", expected=f"one of {', '.join(self.names)}", got=repr(name), where="graph"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in the order given."""
        return tuple(node.name for node in self.nodes)

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the variables, causes before effects; ties in the order given."""
        return _topological({node.name: node.parents for node in self.nodes})

    @property
    def roots(self) -> tuple[str, ...]:
        """Variables without parents."""
        return tuple(node.name for node in self.nodes if not node.parents)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Edges between variables, ``(from, to)``; the image's are in :attr:`image_parents`."""
        return tuple((parent, node.name) for node in self.nodes for parent in node.parents)

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the direct causes of a variable or of the image."""
        return self.image_parents if name == IMAGE else self[name].parents

    def ancestors(self, name: str) -> frozenset[str]:
        """Return every variable with a directed path to ``name`` (or to the image)."""
        found: set[str] = set()
        waiting = list(self.parents(name))
        while waiting:
            now = waiting.pop()
            if now not in found:
                found.add(now)
                waiting += self.parents(now)
        return frozenset(found)

    def descendants(self, *names: str) -> frozenset[str]:
        """Return every variable that a directed path from one of ``names`` reaches."""
        given = {self[name].name for name in names}
        return frozenset(name for name in self.names if self.ancestors(name) & given)

    def adjacent(self, first: str, second: str) -> bool:
        """Say whether an edge joins two variables."""
        return first in self.parents(second) or second in self.parents(first)

    def without(self, *names: str) -> CausalGraph:
        """Return the graph with variables left out and the paths through them kept.

        Parents of a variable that goes become parents of its children. Children that
        share one are confounded from then on, which no graph of this class can say:
        leaving out a common cause biases their edges.
        """
        graph = self
        for name in names:
            gone = self[name].name
            heirs = graph[gone].parents
            kept = (
                replace(node, parents=_inherited(node.parents, gone, heirs))
                for node in graph.nodes
                if node.name != gone
            )
            graph = CausalGraph(tuple(kept), _inherited(graph.image_parents, gone, heirs))
        return graph

    def with_levels(self, levels: Mapping[str, Iterable[str]]) -> CausalGraph:
        """Return the graph with levels given to categories."""
        nodes = (
            replace(node, levels=tuple(levels[node.name])) if node.name in levels else node
            for node in self.nodes
        )
        return replace(self, nodes=tuple(nodes))

    @classmethod
    def from_toml(cls, path: Path) -> CausalGraph:
        """Read a graph file.

        Raises
        ------
        ModelError
            SC-412 where the file cannot be read or is no graph; see also the class.
        """
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise _unusable("a file below 1 MiB", "a larger one", where=str(path))
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as cause:
            raise _unusable("a readable TOML file", str(cause), where=str(path)) from cause
        return cls.from_text(text, where=str(path))

    @classmethod
    def from_text(cls, text: str, *, where: str = "graph") -> CausalGraph:
        """Read a graph from TOML text (errors as of :meth:`from_toml`)."""
        try:
            content = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as cause:
            raise _unusable("TOML", str(cause), where=where) from cause
        _only(content, {"variables", IMAGE}, where=where)
        variables = content.get("variables", {})
        if not isinstance(variables, dict):
            raise _unusable("tables [variables.NAME]", "something else", where=where)
        nodes = tuple(_node(name, entry, where=where) for name, entry in variables.items())
        return cls(nodes, _image_parents(content.get(IMAGE, {}), where=where))

    def to_toml(self, path: Path) -> None:
        """Write a graph file that :meth:`from_toml` reads back as an equal graph."""
        write_text(path, self.to_text())

    def to_text(self) -> str:
        """Return the graph as TOML text."""
        blocks = []
        for node in self.nodes:
            lines = [f"[variables.{_quoted(node.name)}]", f"kind = {_quoted(node.kind)}"]
            lines += [f"unit = {_quoted(node.unit)}"] if node.unit else []
            lines += [f"parents = {_list(node.parents)}"] if node.parents else []
            lines += [f"levels = {_list(node.levels)}"] if node.levels else []
            blocks.append("\n".join(lines))
        if self.image_parents:
            blocks.append(f"[{IMAGE}]\nparents = {_list(self.image_parents)}")
        return "\n\n".join(blocks) + "\n"


def _topological(parents: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    done: list[str] = []
    while len(done) < len(parents):
        free = (n for n, above in parents.items() if n not in done and set(above) <= set(done))
        name = next(free, None)
        if name is None:
            path = " -> ".join(_cycle(parents, set(done)))
            raise error("SC-409", expected="causes before effects", got=path, where="graph")
        done.append(name)
    return tuple(done)


def _cycle(parents: Mapping[str, tuple[str, ...]], done: set[str]) -> list[str]:
    """Return one cycle among the variables not ``done``, each of which waits for another."""
    path = [next(name for name in parents if name not in done)]
    while path[-1] not in path[:-1]:
        path.append(next(parent for parent in parents[path[-1]] if parent not in done))
    return path[path.index(path[-1]) :][::-1]


def _inherited(parents: tuple[str, ...], gone: str, heirs: tuple[str, ...]) -> tuple[str, ...]:
    if gone not in parents:
        return parents
    kept = [parent for parent in parents if parent != gone]
    return (*kept, *(heir for heir in heirs if heir not in kept))


def _node(name: str, entry: Any, *, where: str) -> Node:
    place = f"{where}, variable {name!r}"
    if not isinstance(entry, dict):
        raise _unusable("a table with kind, unit, parents", repr(entry), where=place)
    _only(entry, {"kind", "unit", "parents", "levels"}, where=place)
    kind, unit = entry.get("kind"), entry.get("unit", "")
    if kind == IMAGE:
        raise _image_fault("one [image] table", f"{name!r} of kind image", where=where)
    if not isinstance(kind, str) or not isinstance(unit, str):
        raise _unusable("texts as kind and unit", f"{kind!r} and {unit!r}", where=place)
    parents, levels = (_texts(entry.get(key, []), where=place) for key in ("parents", "levels"))
    return Node(name, kind, unit=unit, parents=parents, levels=levels)  # type: ignore[arg-type]


def _image_parents(entry: Any, *, where: str) -> tuple[str, ...]:
    if isinstance(entry, list) and len(entry) > 1:
        raise _image_fault("one [image] table", f"{len(entry)} of them", where=where)
    if not isinstance(entry, dict):
        raise _unusable("a table [image] with parents", repr(entry), where=where)
    _only(entry, {"parents"}, where=f"{where}, [image]")
    return _texts(entry.get("parents", []), where=f"{where}, [image]")


def _only(entry: Mapping[str, Any], known: set[str], *, where: str) -> None:
    strange = sorted(set(entry) - known)
    if strange:
        raise _unusable(f"only {', '.join(sorted(known))}", ", ".join(strange), where=where)


def _texts(values: Any, *, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _unusable("a list of texts", repr(values), where=where)
    return tuple(values)


def _quoted(text: str) -> str:
    # a JSON string is a TOML string, but for DEL
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _unusable(expected: str, got: str, *, where: str) -> Exception:
    return error("SC-412", expected=expected, got=got, where=where)


def _image_fault(expected: str, got: str, *, where: str = "graph") -> Exception:
    return error("SC-411", expected=expected, got=got, where=where)
