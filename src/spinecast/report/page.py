"""One page that asks nobody for anything: sections in, HTML out.

The page holds no script. Its content security policy forbids all of them and
every outside address; the one style sheet is named there by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from spinecast.errors import error
from spinecast.report.parts import Section
from spinecast.report.templating import printable, read_asset, render

SIMULATED_WORDS = (
    "Every person, image and fracture on this page was made by a computer. "
    "The results mean nothing clinically; they show what the method can and cannot recover."
)


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    simulated: bool,
    meta: Mapping[str, Any],
) -> str:
    """Render a report as one self-contained HTML page.

    Parameters
    ----------
    title
        Heading of the page.
    sections
        Cards in reading order; neighbours of one ``group`` share a chapter in the table
        of contents.
    simulated
        Show the SIMULATED banner.
    meta
        ``subtitle`` (one sentence under the title), ``cohort`` (for real cohorts: what it
        is and for whom it does not speak; shown as the banner), and ``facts``, a mapping
        of short words shown beneath the title (run, version, seed, date). All optional.

    Returns
    -------
    str
        The page. Equal input gives an equal page, byte for byte.

    Raises
    ------
    RunError
        SC-702 where two sections have one anchor.
    """
    anchors = [s.anchor for s in sections]
    twice = sorted({a for a in anchors if anchors.count(a) > 1})
    if twice:
        raise error("SC-702", expected="one section per anchor", got=f"twice: {', '.join(twice)}")
    style = read_asset("page.css")
    return printable(
        render(
            "page.html.j2",
            title=title,
            subtitle=meta.get("subtitle", ""),
            facts=dict(meta.get("facts", {})),
            banner_title="SIMULATED" if simulated else "",
            banner=SIMULATED_WORDS if simulated else meta.get("cohort", ""),
            chapters=[(name, list(found)) for name, found in groupby(sections, lambda s: s.group)],
            style=Markup(style),  # noqa: S704  our own file
            policy=_policy(style),
        )
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
