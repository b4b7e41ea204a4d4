"""What a page is made of: figures, tables and the sections that hold them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from markupsafe import Markup

from spinecast.errors import error

_ANCHOR = re.compile(r"[a-z][a-z0-9-]*")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Figure:
    """A drawn picture with its words.

    Parameters
    ----------
    content
        Bytes of one SVG or PNG file.
    alt
        What the picture shows, for those who cannot see it.
    caption
        What a reader must know to read it: units, sample size, what the bands are.
    """

    content: bytes
    alt: str
    caption: str = ""

    @property
    def media_type(self) -> str:
        """``image/png`` or ``image/svg+xml``, told from the first bytes."""
        return "image/png" if self.content.startswith(_PNG_SIGNATURE) else "image/svg+xml"

    @property
    def data_uri(self) -> str:
        """The whole picture as a ``data:`` address, so that the page asks nobody for it."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True)
class Table:
    """A table as markup that was escaped when it was made.

    Parameters
    ----------
    markup
        One ``<table>`` element; see :func:`spinecast.report.tables.frame_table`.
    caption
        What the rows are.
    folded
        Shown only when the reader opens it: for long listings.
    """

    markup: Markup
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """One card of the page.

    Parameters
    ----------
    title
        Heading, also the entry of the table of contents.
    anchor
        Name in the address (``#risk-groups``): lower-case letters, digits, hyphens.
    markup
        Opening text. A plain string is escaped; only :class:`markupsafe.Markup` is taken as HTML.
    figures, tables
        Shown in this order beneath the text.
    note
        How not to misread the section.
    group
        Chapter of the table of contents the section belongs to.
    tables_first
        Tables above figures.

    Raises
    ------
    RunError
        SC-702 where the anchor cannot be an address.
    """

    title: str
    anchor: str
    markup: str | Markup = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    note: str = ""
    group: str = ""
    tables_first: bool = False

    def __post_init__(self) -> None:
        if not _ANCHOR.fullmatch(self.anchor):
            raise error(
                "SC-702", expected="an anchor of a-z, 0-9 and hyphens", got=repr(self.anchor)
            )
