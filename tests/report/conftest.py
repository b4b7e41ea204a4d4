"""The demonstration page, rendered once: the sections, the text and the seconds it took."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from tests.report.demo_goods import all_sections

from spinecast.report import Section, render_page

TITLE = "Follow-up radiographs, fracture scores and risk groups"


@dataclass(frozen=True)
class Rendered:
    """A page, the sections it was made of, and how long both took."""

    sections: list[Section]
    text: str
    seconds: float


@pytest.fixture(scope="session")
def demo_page() -> Rendered:
    start = time.process_time()
    sections = all_sections(simulated=True)
    facts = {"study": "followup-xray", "preset": "demo", "seed": 1}
    text = render_page(
        TITLE, sections, simulated=True, meta={"subtitle": "A film, its futures.", "facts": facts}
    )
    return Rendered(sections, text, time.process_time() - start)
