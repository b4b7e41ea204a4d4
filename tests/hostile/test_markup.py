"""Hostile words in every text field of the goods: shown as words, never taken as markup.

The oracle is structure: a page made of hostile words must have exactly the elements and
attributes of the same page made of harmless words.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.report import demo_goods

from spinecast.files import write_table
from spinecast.report import Section, render_page
from spinecast.report.figures import draw_flow, draw_forest
from spinecast.report.goods import Estimate, FlowStep, ForestRow
from spinecast.report.parts import Figure
from spinecast.report.sections import cohort, pictures, risk, scores, trust
from spinecast.report.templating import printable

OWNED = "document.title='OWNED'"
PAYLOADS = (
    f"<script>{OWNED}</script>",
    f"</script><script>{OWNED}</script>",
    f"<ScRiPt >{OWNED}</sCrIpT >",
    f"<scr<script>ipt>{OWNED}</scr</script>ipt>",
    f'<script src="http://127.0.0.1:9/x.js"></script>{OWNED}',
    f"<img src=x onerror={OWNED}>",
    f'"><img src=x onerror="{OWNED}">',
    f"' onmouseover='{OWNED}' x='",
    f'" autofocus onfocus="{OWNED}" x="',
    f"<body onload={OWNED}>",
    f"<details open ontoggle={OWNED}>",
    f"<svg onload={OWNED}>",
    f"<svg><script>{OWNED}</script></svg>",
    f"<svg><animate onbegin={OWNED} attributeName=x dur=1s>",
    f"]]></style></svg><script>{OWNED}</script>",
    f"<a href=\"javascript:{OWNED}\">x</a>",
    f"javascript:{OWNED}",
    f"<iframe srcdoc=\"<script>parent.{OWNED}</script>\"></iframe>",
    f"data:text/html,<script>{OWNED}</script>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css><base href=http://127.0.0.1:9/>",
    "</title></style></textarea><h1>OWNED</h1><form action=http://127.0.0.1:9/><input name=q>",
    "<!--<table></table></section></main>",
    "{{ 7 * 191 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${7*191} #{7*191} <%= 7*191 %> {{ config }} $\\frac{1}{2}$",
    f"＜script＞{OWNED}＜/script＞ \u02bcx\u02bc",
    f"\u202e>tpircs<\u202c<\u200bscript>{OWNED}</script>",
    f"\x00<\x0bscript>{OWNED}</script>\x1b[2J\ud800\uffff",
    "&lt;script&gt;&#60;script&#62;&#x3C;img src=x onerror=1&#x3E;&amp;quot;",
    "=cmd|' /C calc'!A0",
    "+HYPERLINK(\"http://127.0.0.1:9/\",\"x\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
)  # fmt: skip
HARMLESS = "harmless words"
KEPT = {"sense"}  # of targets: chosen by the stages, not read from files
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Poison:
    """Replaces every text of the goods by the next payload, keeping keys apart by a number."""

    def __init__(self, payloads: tuple[str, ...]) -> None:
        self.next = itertools.cycle(payloads)
        self.number = itertools.count()
        self.used: set[str] = set()

    def word(self, *, unique: bool = False) -> str:
        payload = next(self.next)
        self.used.add(payload)
        return f"{payload}{next(self.number)}" if unique else payload

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.word() if value else value
        if isinstance(value, pd.DataFrame):
            return self._frame(value)
        if dataclasses.is_dataclass(value):
            changed = {
                f.name: self(getattr(value, f.name))
                for f in dataclasses.fields(value)
                if f.name not in KEPT
            }
            return dataclasses.replace(value, **changed)
        if isinstance(value, Mapping):
            return {self.word(unique=True): self(v) for v in value.values()}
        if isinstance(value, list | tuple):
            return type(value)(self(v) for v in value)
        return value

    def _frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        shown = frame.copy()
        for name in shown.columns:
            if shown[name].map(lambda v: isinstance(v, str)).any():
                shown[name] = [self(v) for v in shown[name]]
        return shown


def poisoned_call(function: Callable[..., Section], poison: Poison) -> Callable[..., Section]:
    """Poison what a section function is given, but the names it looks things up by."""

    def call(*args, **settings) -> Section:
        if function.__name__ in {"checklist_section", "recovery_section", "published_section"}:
            given = args  # anchors and names of analyses; their frames have a test of their own
        elif function.__name__ == "quarantine_section":
            given = (poison(args[0]), args[1])
        else:
            given = tuple(poison(a) for a in args)
        return function(*given, **{k: poison(v) for k, v in settings.items()})

    return call


def poisoned_sections(patch: pytest.MonkeyPatch, poison: Poison) -> list[Section]:
    for name in list(vars(demo_goods)):
        if name.endswith("_section"):
            patch.setattr(demo_goods, name, poisoned_call(getattr(demo_goods, name), poison))
    return demo_goods.all_sections(simulated=True)


def blank_figures(patch: pytest.MonkeyPatch, poison: Poison) -> None:
    """Draw nothing: every figure is one pixel with hostile words around it."""

    def blank(*_args, **_settings) -> Figure:
        return Figure(PIXEL, alt=poison.word(), caption=poison.word())

    for room in (cohort, pictures, risk, scores, trust):
        for name in list(vars(room)):
            if name.startswith("draw_"):
                patch.setattr(room, name, blank)


def hostile_section(poison: Poison) -> Section:
    """A section whose every own word is hostile."""
    frame = pd.DataFrame({poison.word(): [poison.word()], poison.word(unique=True): [1.0]})
    folded = demo_goods.estimates().head(2).assign(term=[poison.word(), poison.word()])
    from spinecast.report.tables import estimates_table, frame_table

    return Section(
        poison.word(), "own", poison.word(),
        figures=(Figure(PIXEL, alt=poison.word(), caption=poison.word()),),
        tables=(frame_table(frame, caption=poison.word()),
                frame_table(frame, caption=poison.word(), folded=True),
                estimates_table(folded, caption=poison.word())),
        note=poison.word(), group=poison.word(),
    )  # fmt: skip


def page_of(sections: list[Section], poison: Poison) -> str:
    facts = {poison.word(unique=True): poison.word() for _ in range(3)}
    meta = {"subtitle": poison.word(), "cohort": poison.word(), "facts": facts}
    return render_page(poison.word(), sections, simulated=False, meta=meta)


class Structure(HTMLParser):
    """Elements with the names of their attributes, in order; addresses; words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(sorted(n for n, _ in attrs if n != "class"))))
        links = {"src", "href", "action", "data", "srcset", "formaction", "xlink:href"}
        self.addresses += [v or "" for n, v in attrs if n in links]

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.comments.append(data)


def quick_page(payloads: tuple[str, ...]) -> str:
    poison = Poison(payloads)
    with pytest.MonkeyPatch.context() as patch:
        blank_figures(patch, poison)
        return page_of([*poisoned_sections(patch, poison), hostile_section(poison)], poison)


@pytest.fixture(scope="module")
def harmless() -> Structure:
    return Structure(quick_page((HARMLESS,)))


@pytest.fixture(scope="module")
def drawn() -> tuple[str, Poison]:
    """One page with every figure really drawn, the payloads taking turns."""
    poison = Poison(PAYLOADS)
    with pytest.MonkeyPatch.context() as patch:
        sections = [*poisoned_sections(patch, poison), hostile_section(poison)]
    return page_of(sections, poison), poison


def pictures_of(page: str) -> Iterator[bytes]:
    for content in re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page):
        yield base64.b64decode(content)


def test_there_are_at_least_30_payloads_all_different():
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 30


def test_the_poison_reaches_the_fields(harmless):
    assert sum(HARMLESS in words for words in harmless.words) > 200


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_in_every_field_changes_no_element_of_the_page(payload, harmless):
    text = quick_page((payload,))
    found = Structure(text)
    assert found.found == harmless.found
    assert found.comments == []
    assert all(a.startswith(("#", "data:image/")) for a in found.addresses)
    assert any(printable(payload) in words for words in found.words)  # shown, not swallowed
    assert "1337" not in text  # 7 * 191: no template was run
    assert text.encode("utf-8")


def test_every_payload_is_on_the_drawn_page(drawn):
    assert drawn[1].used == set(PAYLOADS)


def test_the_drawn_page_has_no_script_no_handler_and_no_outside_address(drawn):
    found = Structure(drawn[0])
    tags = {tag for tag, _ in found.found}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form", "svg"}
    assert not [n for _, names in found.found for n in names if n.startswith("on")]
    assert all(a.startswith(("#", "data:image/")) for a in found.addresses)
    assert len(drawn[0].encode()) < 8e6


def test_the_drawn_page_keeps_its_policy_first(drawn):
    head = html.unescape(drawn[0][: drawn[0].index("<title>")])
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in head


def test_words_inside_drawn_charts_stay_words(drawn):
    charts = list(pictures_of(drawn[0]))
    assert len(charts) > 12
    for chart in charts:
        for element in ET.fromstring(chart).iter():
            name = element.tag.rpartition("}")[2]
            assert name not in {"script", "foreignObject", "iframe", "animate", "set", "a"}
            for key, value in element.attrib.items():
                bare = key.rpartition("}")[2]
                assert not bare.startswith("on")
                if bare == "href":
                    assert value.startswith(("#", "data:image/png;base64,"))


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_is_drawn_as_the_words_it_is(payload):
    estimate = Estimate(1.5, 1.2, 1.9)
    for figure in (
        draw_forest([ForestRow(payload, estimate, heading=payload)], simulated=True),
        draw_flow([FlowStep("Given", 9, 9), FlowStep(payload, 8, 8)], simulated=True),
    ):
        root = ET.fromstring(figure.content)  # fails on what XML forbids
        kinds = {e.tag.rpartition("}")[2] for e in root.iter()}
        assert not kinds & {"script", "img", "iframe", "a", "animate", "foreignObject"}
        text = " ".join(t for e in root.iter() if (t := e.text))
        letters = re.sub(r"\W", "", printable(payload))[:12]
        assert letters in re.sub(r"\W", "", text)


def test_no_table_cell_of_recovery_or_published_rows_is_markup():
    from spinecast.report.recovery import recovery_table

    rows = demo_goods.recovery()
    for payload in PAYLOADS:
        text = str(recovery_table(rows.assign(label=payload)).markup)
        assert {t for t, _ in Structure(text).found} == {
            "table", "caption", "thead", "tbody", "tr", "th", "td"
        }  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_an_exported_table_gives_a_spreadsheet_nothing_to_run(payload, tmp_path):
    printed = printable(payload)
    table = pd.DataFrame({"person_id": ["P1", printed], "value": [-1.0, 2.0]})
    write_table(tmp_path / "table.csv", table)
    read = pd.read_csv(tmp_path / "table.csv", dtype=str)
    assert read["person_id"][1].lstrip("'") == printed.lstrip("'")
    assert not read["person_id"][1].startswith(("=", "+", "-", "@"))
    assert float(read["value"][0]) == -1.0  # numbers are left alone


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def opened(page: str, folder: Path) -> str:
    """Return the page as a browser has it after running whatever it runs."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000",
         str(folder / "page.html")],
        capture_output=True, text=True, check=True, timeout=90,
    )  # fmt: skip
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_runs_nothing_of_the_drawn_page(drawn, tmp_path):
    control = "<!doctype html><title>quiet</title><img src=x onerror=\"document.title='OWNED'\">"
    assert "<title>OWNED</title>" in opened(control, tmp_path)  # the browser would run it
    shown = opened(drawn[0], tmp_path)
    assert "<title>OWNED</title>" not in shown
    assert np.isclose(len(Structure(shown).found), len(Structure(drawn[0]).found), atol=3)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_policy_alone_stops_a_script_that_slipped_through(drawn, tmp_path):
    slipped = drawn[0].replace("</main>", f"<script>{OWNED}</script></main>")
    assert f"<script>{OWNED}</script>" in slipped
    assert "<title>OWNED</title>" not in opened(slipped, tmp_path)
