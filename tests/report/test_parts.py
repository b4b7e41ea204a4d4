"""Figures know what they are, sections refuse anchors that are no address."""

from __future__ import annotations

import base64

import pytest
from markupsafe import Markup

from spinecast.errors import RunError
from spinecast.report import Section, render_page
from spinecast.report.parts import Figure, Table
from spinecast.report.templating import printable

PNG = b"\x89PNG\r\n\x1a\n rest"
SVG = b"<?xml version='1.0'?><svg/>"


@pytest.mark.parametrize(("content", "kind"), [(PNG, "image/png"), (SVG, "image/svg+xml")])
def test_a_figure_tells_its_kind_from_its_first_bytes(content, kind):
    figure = Figure(content, alt="words")
    assert figure.media_type == kind
    assert figure.data_uri.startswith(f"data:{kind};base64,")


def test_the_data_address_holds_every_byte():
    figure = Figure(PNG, alt="words")
    assert base64.b64decode(figure.data_uri.partition(",")[2]) == PNG


@pytest.mark.parametrize("anchor", ["risk-groups", "a", "table1", "x-2-y"])
def test_anchors_of_small_letters_digits_and_hyphens_are_taken(anchor):
    assert Section("T", anchor).anchor == anchor


@pytest.mark.parametrize(
    "anchor", ["", "Risk", "1st", "-a", "a b", "a_b", 'a"b', "a\n", "ä", "a<b", "a#b"]
)
def test_anchors_that_cannot_be_an_address_are_refused(anchor):
    with pytest.raises(RunError, match="SC-702"):
        Section("T", anchor)


def page_of(section: Section) -> str:
    return render_page("T", [section], simulated=False, meta={})


def test_plain_words_are_escaped_and_markup_is_not():
    assert "&lt;b&gt;" in page_of(Section("T", "a", "<b>"))
    assert "<b>bold</b>" in page_of(Section("T", "a", Markup("<b>bold</b>")))


def test_films_lie_on_a_plate_and_charts_do_not():
    text = page_of(Section("T", "a", figures=(Figure(PNG, "film"), Figure(SVG, "chart"))))
    assert text.count('<figure class="plate">') == 1
    assert text.count("<figure") == 2


def test_a_figure_without_caption_leaves_no_empty_caption():
    assert "<figcaption>" not in page_of(Section("T", "a", figures=(Figure(SVG, "chart"),)))


@pytest.mark.parametrize("first", [True, False])
def test_tables_stand_above_figures_only_where_asked(first):
    table = Table(Markup("<table></table>"), caption="C")
    section = Section("T", "a", figures=(Figure(SVG, "x"),), tables=(table,), tables_first=first)
    text = page_of(section)
    assert (text.index("<table>") < text.index("<figure")) is first


def test_folded_tables_open_by_their_caption():
    table = Table(Markup("<table></table>"), caption="Every row", folded=True)
    text = page_of(Section("T", "a", tables=(table,)))
    assert "<details><summary>Every row</summary>" in text


def test_scrolling_tables_can_be_reached_by_keyboard_and_have_a_name():
    text = page_of(Section("Who", "a", tables=(Table(Markup("<table></table>")),)))
    assert 'role="region" aria-label="Who" tabindex="0"' in text


def test_a_note_is_set_apart():
    assert '<p class="note">Careful.</p>' in page_of(Section("T", "a", note="Careful."))


@pytest.mark.parametrize("text", ["plain", "é β ≤ − 脊椎 🦴", "two\nlines\tand a tab"])
def test_what_can_be_printed_is_left_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    "code", [0x00, 0x08, 0x0B, 0x1B, 0x7F, 0x9B, 0x202E, 0x2066, 0xD800, 0xFFFF]
)
def test_what_cannot_be_printed_is_replaced_one_by_one(code):
    assert printable(f"a{chr(code)}b") == "a\N{REPLACEMENT CHARACTER}b"
