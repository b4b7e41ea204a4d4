"""Reports: goods that were saved come in, one self-contained page goes out. No torch here.

A stage reads saved files, fills the dataclasses of :mod:`spinecast.report.goods`, calls
functions of :mod:`spinecast.report.sections`, and gives the sections to :func:`render_page`.
"""

from spinecast.report.page import render_page
from spinecast.report.parts import Figure, Section, Table

__all__ = ["Figure", "Section", "Table", "render_page"]
