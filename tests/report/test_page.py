"""The page: one file that asks nobody for anything, small, quick, readable, equal each time."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from spinecast.errors import RunError
from spinecast.report import Section, render_page
from spinecast.report.page import SIMULATED_WORDS
from spinecast.report.parts import Figure

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"></svg>'
VOID = {"meta", "link", "img", "br", "hr", "input", "col"}


class Outline(HTMLParser):
    """Collects elements, checks that they nest, and keeps what a reader is led by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.badly_nested: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.badly_nested.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def small_page(**changes) -> str:
    settings = {"simulated": True, "meta": {}} | changes
    sections = [
        Section("First", "first", "Words.", group="One"),
        Section("Second", "second", figures=(Figure(SVG, alt="a square"),), group="One"),
        Section("Third", "third", group="Two"),
    ]
    return render_page("A title", sections, **settings)


@pytest.fixture(scope="module")
def outline(demo_page) -> Outline:
    return Outline(demo_page.text)


def test_the_whole_page_stays_below_8_megabytes_and_20_seconds(demo_page):
    assert len(demo_page.text.encode()) < 8e6
    assert demo_page.seconds < 20


def test_elements_nest_and_every_one_is_closed(outline):
    assert outline.badly_nested == []
    assert outline.open == []


def test_no_address_leads_out_of_the_page(outline):
    addresses = [
        value
        for _, attrs in outline.elements
        for name, value in attrs.items()
        if name in {"src", "href", "srcset", "action", "data", "poster", "background"}
    ]
    assert len(addresses) > 50
    assert all(a.startswith(("#", "data:image/")) for a in addresses)
    assert not outline.all("script")
    assert not outline.all("link")
    assert not outline.all("iframe")


def test_every_link_finds_its_place(outline):
    places = {attrs["id"] for _, attrs in outline.elements if "id" in attrs}
    links = {attrs["href"][1:] for attrs in outline.all("a")}
    assert links <= places


def test_places_have_one_name_each(outline):
    places = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(places) == len(set(places))


def test_the_policy_forbids_everything_but_the_style_sheet_and_embedded_pictures(demo_page):
    outline = Outline(demo_page.text)
    policies = [a for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0]["content"].split(";"))
    style = re.search(r"<style>(.*?)</style>", demo_page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert "script-src" not in rules


def test_the_policy_stands_before_anything_it_should_govern(demo_page):
    assert demo_page.text.index("Content-Security-Policy") < demo_page.text.index("<style>")


def test_nothing_is_styled_or_handled_inside_an_element(outline):
    names = {name for _, attrs in outline.elements for name in attrs}
    assert "style" not in names  # the policy would ignore it
    assert not [name for name in names if name.startswith("on")]


def test_pictures_are_whole_and_told_in_words(outline, demo_page):
    pictures = outline.all("img")
    assert len(pictures) == sum(len(s.figures) for s in demo_page.sections) >= 25
    for picture in pictures:
        kind, _, content = picture["src"].partition(";base64,")
        raw = base64.b64decode(content, validate=True)
        assert raw[:4] == b"\x89PNG" if kind == "data:image/png" else ET.fromstring(raw) is not None
        assert len(picture["alt"]) > 20
        assert "nan" not in picture["alt"].lower().split()


def test_no_missing_number_is_printed_as_nan_none_or_infinity(demo_page):
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", demo_page.text, flags=re.DOTALL).split()
    assert not {"nan", "NaN", "None", "inf", "-inf", "<NA>", "NaT"} & set(words)


def test_headings_go_down_one_level_at_a_time(outline):
    levels = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_the_page_has_a_language_a_main_part_and_a_way_to_skip_to_it(outline):
    assert outline.all("html")[0]["lang"] == "en"
    assert len(outline.all("main")) == len(outline.all("nav")) == 1
    assert outline.all("a")[0]["href"] == f"#{outline.all('main')[0]['id']}"


def test_table_heads_say_what_they_head(outline):
    assert all(attrs.get("scope") in {"col", "row"} for attrs in outline.all("th"))


def test_equal_goods_give_an_equal_page():
    assert small_page() == small_page()


def test_a_simulated_page_says_so_in_banner_and_title():
    text = small_page(simulated=True)
    assert SIMULATED_WORDS in text
    assert "<strong>SIMULATED</strong>" in text
    assert "<title>A title (simulated)</title>" in text


def test_a_simulated_banner_is_not_replaced_by_words_about_a_cohort():
    assert "Hospital A" not in small_page(simulated=True, meta={"cohort": "Hospital A"})


def test_a_real_page_shows_its_cohort_and_no_word_of_simulation():
    text = small_page(simulated=False, meta={"cohort": "Hospital A: 10 people."})
    assert "Hospital A: 10 people." in text
    assert "simulated" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower()


def test_a_page_without_banner_and_facts_leaves_no_empty_boxes():
    text = small_page(simulated=False)
    assert 'class="banner' not in text
    assert 'class="facts"' not in text
    assert 'class="subtitle"' not in text


def test_facts_and_subtitle_stand_beneath_the_title():
    text = small_page(meta={"subtitle": "In short.", "facts": {"seed": 7}})
    assert "In short." in text
    assert "<dt>seed</dt><dd>7</dd>" in text


def test_chapters_gather_neighbours_and_keep_reading_order():
    text = small_page()
    assert re.findall(r'<p class="chapter">(\w+)</p>', text) == ["One", "Two"]
    assert re.findall(r'<section class="card" id="(\w+)"', text) == ["first", "second", "third"]


def test_two_sections_of_one_anchor_are_refused_by_name():
    twice = [Section("A", "same"), Section("B", "same")]
    with pytest.raises(RunError, match=r"SC-702.*same"):
        render_page("T", twice, simulated=True, meta={})


def test_control_characters_and_turned_letters_are_shown_as_replaced():
    text = render_page("T", [Section("a\x00b\x1b\u202ec\ud800", "a")], simulated=False, meta={})
    assert "a�b��c�" in text
    assert text.encode()


def test_the_footer_denies_clinical_use():
    assert "Not a medical device" in small_page()
