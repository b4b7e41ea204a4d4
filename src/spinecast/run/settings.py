"""Settings are frozen dataclasses; here they become plain values, TOML and fingerprints."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from spinecast.errors import error

SettingsT = TypeVar("SettingsT")


def settings_to_dict(settings: Any) -> dict[str, Any]:
    """Return the settings as plain nested values (numbers, text, lists, dicts)."""
    return {f.name: _plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}


def settings_from_dict(kind: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Rebuild settings of class ``kind`` from plain values.

    Raises
    ------
    RunError
        SC-706 for a name the settings do not have.
    """
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise error(
            "SC-706",
            expected=f"settings named {', '.join(sorted(hints))}",
            got=", ".join(unknown),
            where=kind.__name__,
        )
    return kind(**{name: _typed(hints[name], value) for name, value in values.items()})


def fingerprint(content: Any) -> str:
    """Return a short stable hash of plain values; None counts as absent (TOML has no None)."""
    text = json.dumps(_without_none(content), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Write nested plain values as TOML; None is left out, as TOML has no word for it."""
    lines, tables = [], []
    for name, value in values.items():
        if isinstance(value, Mapping):
            tables.append((name, value))
        elif value is not None:
            lines.append(f"{name} = {_toml_value(value)}")
    text = "\n".join(lines) + ("\n" if lines else "")
    for name, value in tables:
        full = f"{prefix}.{name}" if prefix else name
        text += f"\n[{full}]\n{to_toml(value, full)}"
    return text


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value if item is not None) + "]"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return settings_to_dict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def _typed(hint: Any, value: Any) -> Any:
    """Give a plain value the type its field is annotated with."""
    if value is None:
        return None
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return settings_from_dict(hint, value)
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        return _typed(inner[0], value) if len(inner) == 1 else value
    if origin is tuple:
        part = typing.get_args(hint)[0]
        return tuple(_typed(part, item) for item in value)
    if hint is Path:
        return Path(value)
    return value
