"""The one Jinja2 environment of the report: everything is escaped unless made of Markup here."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_FOLDER = Path(__file__).parent / "templates"
# control characters and lone surrogates are forbidden in XML or cannot be written as UTF-8;
# bidirectional overrides make a reader see letters in another order than they stand
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def render(template: str, /, **values: Any) -> Markup:
    """Fill a template of this room; strings are escaped, a forgotten value raises."""
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704  autoescaped


def printable(text: str) -> str:
    """Show control characters, lone surrogates and direction overrides as U+FFFD."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def read_asset(name: str) -> str:
    """Read a text file that lies beside the templates (the style sheet)."""
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
