"""The checklist answers what the page answers, and says where it does not."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from spinecast.report.checklists import FOLLOW_UP_ANSWERS, TRIPOD_AI, Answer, checklist_table

EVERYTHING = {a.anchor for a in FOLLOW_UP_ANSWERS.values()}


class Rows(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"} and self.rows:
            self.rows[-1].append("")
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def shown(answers=FOLLOW_UP_ANSWERS, *, anchors=EVERYTHING, simulated=True) -> dict[str, str]:
    rows = Rows(str(checklist_table(answers, anchors=anchors, simulated=simulated).markup)).rows
    return {row[0]: row[2].strip() for row in rows[1:] if len(row) == 3}


def test_the_checklist_has_27_items_in_52_parts_in_order():
    names = [item for item, _ in TRIPOD_AI]
    assert len(names) == len(set(names)) == 52
    items = [int(re.match(r"\d+", n)[0]) for n in names]
    assert items == sorted(items)
    assert set(items) == set(range(1, 28))


def test_answers_are_of_items_that_exist():
    assert set(FOLLOW_UP_ANSWERS) <= {item for item, _ in TRIPOD_AI}


def test_every_item_is_shown_and_every_link_is_on_the_page():
    table = checklist_table(FOLLOW_UP_ANSWERS, anchors=EVERYTHING, simulated=False)
    found = Rows(str(table.markup))
    assert set(shown()) == {item for item, _ in TRIPOD_AI}
    assert {link[1:] for link in found.links} <= EVERYTHING | {"top"}


def test_an_answer_whose_section_is_missing_counts_as_none():
    assert shown(anchors={"flow"})["12e"] == "not answered here"
    assert shown(anchors={"flow", "models"})["12e"] == "models"


def test_words_stand_behind_their_link_or_alone():
    answers = {"1": Answer("top", "see above"), "2": Answer("", "in the paper")}
    found = shown(answers, anchors=set())
    assert found["1"] == "top: see above"
    assert found["2"] == "in the paper"


def test_ethics_do_not_apply_to_the_simulated_but_are_owed_by_the_real():
    assert shown(simulated=True)["17"] == "does not apply: no real people"
    assert shown(simulated=False)["17"] == "not answered here"


def test_the_caption_counts_only_what_is_answered():
    table = checklist_table(FOLLOW_UP_ANSWERS, anchors=EVERYTHING, simulated=True)
    answered = sum(
        words not in {"not answered here", "does not apply: no real people"}
        for words in shown().values()
    )
    assert f"{answered} of 52 items" in table.caption
    assert answered == len(FOLLOW_UP_ANSWERS)


@pytest.mark.parametrize("words", ["<script>x</script>", '"><img src=x>'])
def test_words_of_an_answer_are_escaped(words):
    table = checklist_table({"1": Answer("top", words)}, anchors=set(), simulated=True)
    assert words not in str(table.markup)
    assert shown({"1": Answer("top", words)})["1"] == f"top: {words}"
