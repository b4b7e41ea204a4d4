"""Sections: verdicts said plainly, counts that add up, notes that fit what was done."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from tests.report.demo_goods import all_sections, headline_rows, quarantine, recovery, strip

from spinecast.report.checklists import FOLLOW_UP_ANSWERS
from spinecast.report.goods import Estimate, FlowStep, HeadlineRow, NeighbourData, Target
from spinecast.report.published import OWN_LIMITS
from spinecast.report.sections import (
    flow_section,
    headline_section,
    limits_section,
    neighbours_section,
    provenance_section,
    quarantine_section,
    recovery_section,
    strips_section,
    table_one_section,
    treatment_section,
    uncertainty_section,
)
from spinecast.report.sections.summary import verdict

NAN = math.nan
STEPS = [FlowStep("Given", 12, 30), FlowStep("Under 50 years", 10, 25)]


def row(value: float, low: float = NAN, high: float = NAN, **changes) -> HeadlineRow:
    return HeadlineRow("measure", Estimate(value, low, high), **changes)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (row(0.9, 0.88, 0.92, target=Target(0.85)), "met"),
        (row(0.9, 0.80, 0.99, target=Target(0.85)), "near"),
        (row(0.8, 0.70, 0.90, target=Target(0.85)), "missed"),
        (row(0.9, target=Target(0.85)), "met"),
        (row(50, 40, 70, target=Target(60, "at most")), "near"),
        (row(NAN, target=Target(0.85)), "missed"),
        (row(0.9), ""),
        (row(0.1, target=Target(0.85), met=True), "met"),
        (row(0.9, target=Target(0.85), met=False), "missed"),
    ],
)
def test_a_verdict_is_met_near_missed_or_none(given, kind):
    assert verdict(given)[1] == kind


def test_a_target_reached_by_the_estimate_alone_is_not_called_simply_met():
    assert verdict(row(0.9, 0.8, 0.99, target=Target(0.85)))[0] == (
        "met, but not by the whole interval"
    )


def test_the_tally_counts_only_what_was_promised():
    rows = [row(0.9, target=Target(0.8)), row(0.7, target=Target(0.8)), row(0.5)]
    assert "1 of 2 targets met." in str(headline_section(rows).markup)
    assert "targets met" not in str(headline_section([row(0.5)]).markup)


def test_key_rows_are_tiles_and_all_rows_are_in_the_table():
    section = headline_section(headline_rows(), text="In words.")
    tiles, table = str(section.markup), str(section.tables[0].markup)
    assert tiles.count('class="tile"') == sum(r.key for r in headline_rows()) == 4
    assert table.count("<tr") == 1 + len(headline_rows())
    assert "In words." in tiles


def test_tiles_of_small_targets_say_which_way_the_interval_reaches():
    late = row(50, 40, 70, target=Target(60, "at most"), key=True)
    good = row(0.9, 0.8, 0.99, target=Target(0.85), key=True)
    assert "interval reaches above" in str(headline_section([late]).markup)
    assert "interval reaches below" in str(headline_section([good]).markup)


def test_the_naive_alternative_stands_beside_ours_with_like_digits():
    given = row(0.782, 0.731, 0.825, naive=Estimate(0.70123), naive_label="persistence")
    text = str(headline_section([given]).tables[0].markup)
    assert "persistence: 0.70<" in text


def test_a_verdict_chip_is_not_aligned_like_a_number():
    text = str(headline_section(headline_rows()).tables[0].markup)
    assert 'class="num">verdict' not in text


def test_the_flow_note_says_who_is_missing_only_where_follow_up_was_demanded():
    kept = flow_section(STEPS, simulated=True).note
    left_out = flow_section(STEPS, simulated=True, follow_up_demanded=True).note
    assert "People without a later film stay in" in kept
    assert "are missing" not in kept
    assert "those who died or left early are missing" in left_out
    assert all("in one split only" in note for note in (kept, left_out))


def test_the_flow_has_the_same_counts_as_a_table():
    section = flow_section(STEPS, simulated=False, splits=[FlowStep("Train", 10, 25)])
    text = str(section.tables[0].markup)
    assert section.tables[0].folded
    assert text.count("<tr") == 4
    assert ">25<" in text


@pytest.mark.parametrize(
    ("quarantined", "words"), [(14, "The counts add up."), (13, "THE COUNTS DO NOT ADD UP.")]
)
def test_the_quarantine_says_whether_the_counts_add_up(quarantined, words):
    counts = {"given": 100, "used": 80, "skipped": 6, "quarantined": quarantined}
    assert words in quarantine_section(quarantine(), counts).markup


def test_the_quarantine_is_counted_by_code_and_listed_row_by_row():
    section = quarantine_section(quarantine(), {"given": 14, "quarantined": 14})
    by_code, listing = section.tables
    assert 'class="num">9<' in str(by_code.markup)
    assert listing.folded
    assert listing.caption == "Every quarantined input (14)"
    assert str(listing.markup).count("<tr") == 15


def test_an_empty_quarantine_leaves_no_empty_tables():
    empty = quarantine().head(0)
    section = quarantine_section(empty, {"given": 3, "used": 3}, skipped=empty)
    assert section.tables == ()
    assert "The counts add up." in section.markup


def test_table_one_sets_levels_in_beneath_their_variable():
    table = pd.DataFrame(
        {"variable": ["Age", "Sex", "  women"], "all": ["65", "", "7"], "p": ["0.5", None, "1"]}
    )
    text = str(table_one_section(table).tables[0].markup)
    assert text.count('<tr class="head">') == 1
    assert text.count('<tr class="sub">') == 1
    assert "None" not in text


def test_flagged_neighbours_are_counted_aloud():
    film = np.full((16, 8), 0.5, np.float32)
    near = [NeighbourData("P", film, film, 0.9, flagged=f) for f in (True, False, True)]
    assert neighbours_section(near, simulated=True).markup.startswith("2 of 3 generated films")
    assert "No generated film" in neighbours_section(near[1:2], simulated=True).markup


def test_strips_are_one_figure_a_person():
    assert len(strips_section([strip(3, follow_up=False)], simulated=True).figures) == 1


def test_uncertain_people_are_a_share_of_everybody():
    spread = np.array([0.1, 0.1, 0.1, 0.9])
    assert uncertainty_section(spread, threshold=0.5, simulated=True).markup.startswith("25.0 %")


def test_recovery_counts_the_intervals_that_hold_the_truth():
    section = recovery_section(recovery(), text="Best 0.756.")
    assert section.markup == "Best 0.756. 3 of 5 intervals hold the truth; 95 % should."
    assert len(section.figures) == 1


def test_recovery_without_any_interval_is_a_table_alone():
    bare = recovery().assign(ci_low=NAN, ci_high=NAN, covered=NAN)
    section = recovery_section(bare)
    assert section.figures == ()
    assert "0 of 0" in section.markup


def test_the_picture_of_the_recovery_is_stamped_unless_told_otherwise():
    assert b"SIMULATED COHORT" in recovery_section(recovery()).figures[0].content
    phantom = recovery_section(recovery(), simulated=False)
    assert b"SIMULATED COHORT" not in phantom.figures[0].content


def test_limits_of_the_simulated_come_first_and_the_published_study_has_its_own():
    text = str(limits_section(["Ours."], simulated=True).markup)
    assert text.index("nothing here speaks of any patient") < text.index("Ours.")
    assert all(limit[:30] in text for limit in OWN_LIMITS)
    real = str(limits_section(["Ours."], simulated=False, published=False).markup)
    assert real.count("<li>") == 1


def test_treatment_counts_are_whole_and_rates_have_their_digits():
    table = pd.DataFrame({"rule": ["a"], "treated": [1447.0], "sensitivity": [0.552]})
    text = str(treatment_section(table).tables[0].markup)
    assert ">1,447<" in text
    assert ">0.552<" in text


def test_provenance_shows_facts_and_folds_versions_and_hashes():
    section = provenance_section({"seed": 1}, versions={"numpy": "2"}, hashes={"w": "ab" * 32})
    assert [t.folded for t in section.tables] == [False, True, True]
    assert f'<span class="hash">{"ab" * 32}</span>' in str(section.tables[2].markup)
    assert len(provenance_section({"seed": 1}, versions={}, hashes={}).tables) == 1


def test_every_answer_of_the_checklist_has_its_section_on_the_whole_page(demo_page):
    anchors = {s.anchor for s in demo_page.sections}
    assert {a.anchor for a in FOLLOW_UP_ANSWERS.values()} <= anchors | {"top"}


def test_every_picture_of_the_simulated_page_is_stamped(demo_page):
    charts = [f for s in demo_page.sections for f in s.figures if "svg" in f.media_type]
    assert len(charts) > 12
    assert all(b"SIMULATED COHORT" in chart.content for chart in charts)


def test_chapters_of_the_page_are_not_torn_apart(demo_page):
    groups = [s.group for s in demo_page.sections]
    blocks = [g for i, g in enumerate(groups) if i == 0 or groups[i - 1] != g]
    assert len(blocks) == len(set(blocks))


@pytest.mark.long
def test_the_page_of_real_people_stamps_no_picture_as_simulated():
    charts = [f for s in all_sections(simulated=False) for f in s.figures]
    assert not any(b"SIMULATED COHORT" in chart.content for chart in charts)
