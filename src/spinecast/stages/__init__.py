"""Stages: the only glue between run folders and rooms."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy(place: str) -> Callable[[Any], None]:
    """Return a function that imports ``module:function`` of this package when called.

    So a study can be listed, and its settings read, without loading torch.
    """
    module, _, name = place.partition(":")

    def make(context: Any) -> None:
        getattr(import_module(f"spinecast.stages.{module}"), name)(context)

    make.__name__ = name
    return make
