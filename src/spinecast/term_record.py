"""What the registry of :mod:`spinecast.terms` says of one variable."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """How a variable is read, checked and summarised."""

    IDENTIFIER = "identifier"
    TEXT = "text"
    CATEGORY = "category"
    NUMBER = "number"
    COUNT = "count"
    FLAG = "flag"
    DATE = "date"


@dataclass(frozen=True)
class Term:
    """One variable.

    Parameters
    ----------
    name
        The name used everywhere in Spinecast.
    kind
        How it is read and checked.
    meaning
        One sentence for the reference page.
    unit
        Canonical unit; empty where there is none.
    plausible
        Lowest and highest value a single record may hold (both allowed).
    typical
        Range in which the median of a whole column must lie.
    units
        Other units a column may come in: factor to the canonical unit.
    codes
        Values a category is written as, each to its canonical value (keys in lower case).
    aliases
        Column names that mean this variable, in lower case with ``_`` between words.
    reference
        Where the definition comes from.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    plausible: tuple[float, float] | None = None
    typical: tuple[float, float] | None = None
    units: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    codes: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    aliases: tuple[str, ...] = ()
    reference: str = ""
