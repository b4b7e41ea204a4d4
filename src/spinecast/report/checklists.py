"""TRIPOD+AI: what a report of a prediction model must answer, and where this one does.

Items after Collins et al., BMJ 2024;385:e078378, in our own short words (27 items,
52 with their parts). An item that the page does not answer says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from spinecast.report.parts import Table
from spinecast.report.tables import frame_table

SOURCE = "Collins et al., TRIPOD+AI, BMJ 2024;385:e078378"


@dataclass(frozen=True)
class Answer:
    """Where an item is answered: an ``anchor`` of the page, words, or both."""

    anchor: str = ""
    words: str = ""


TRIPOD_AI: tuple[tuple[str, str], ...] = (
    ("1", "Title names the kind of study, the people and the outcome"),
    ("2", "Abstract after TRIPOD+AI for abstracts"),
    ("3a", "Health context, reasons for the model, existing models"),
    ("3b", "People it is meant for, purpose in care, intended users"),
    ("3c", "Known inequalities in health between groups"),
    ("4", "Objectives: development, evaluation or both"),
    ("5a", "Sources of data for development and evaluation, and how they represent people"),
    ("5b", "Dates: first and last inclusion, end of follow-up"),
    ("6a", "Setting, number and place of centres"),
    ("6b", "Eligibility"),
    ("6c", "Treatments received and how they were handled"),
    ("7", "Preparation and quality checks of data, alike across groups"),
    ("8a", "Outcome, its time horizon, how and when it was assessed"),
    ("8b", "Who assessed the outcome, where it needs judgement"),
    ("8c", "Blinding of outcome assessment"),
    ("9a", "How predictors were chosen"),
    ("9b", "Definition, timing and blinding of predictors"),
    ("9c", "Who assessed predictors, where they need judgement"),
    ("10", "Sample size and its justification"),
    ("11", "Missing data"),
    ("12a", "How data were used and divided"),
    ("12b", "How predictors entered (form, scaling)"),
    ("12c", "Kind of model, building steps, tuning, internal validation"),
    ("12d", "Differences between clusters (centres, makers)"),
    ("12e", "Measures of performance: discrimination, calibration, usefulness"),
    ("12f", "Updating of the model"),
    ("12g", "How predictions were computed for evaluation"),
    ("13", "Class imbalance"),
    ("14", "Fairness: what was done and why"),
    ("15", "Output of the model and reasons for cut-offs"),
    ("16", "Differences between development and evaluation data"),
    ("17", "Ethical approval and consent"),
    ("18a", "Funding"),
    ("18b", "Conflicts of interest"),
    ("18c", "Protocol"),
    ("18d", "Registration"),
    ("18e", "Data sharing"),
    ("18f", "Code sharing"),
    ("19", "Involvement of patients and the public"),
    ("20a", "Flow of participants, with and without the outcome, follow-up time"),
    ("20b", "Characteristics, events, follow-up and missing data, by group"),
    ("20c", "Evaluation people beside development people"),
    ("21", "People and events in each analysis"),
    ("22", "The whole model, so that others can use it"),
    ("23a", "Performance with intervals, and in key groups"),
    ("23b", "Differences of performance between clusters"),
    ("24", "Results of updating"),
    ("25", "Interpretation, with fairness, against the objectives and earlier studies"),
    ("26", "Limits and their effect on bias and uncertainty"),
    ("27a", "Poor or missing input at the time of use"),
    ("27b", "What users must do, and what they must know"),
    ("27c", "Next steps, and for whom it may hold"),
)

FOLLOW_UP_ANSWERS: Mapping[str, Answer] = {
    "1": Answer("top"),
    "4": Answer("headline", "development and evaluation on people kept apart"),
    "5a": Answer("flow"),
    "6b": Answer("flow"),
    "7": Answer("quarantine", "counted by reason; not compared across groups"),
    "8a": Answer("risk-groups"),
    "9b": Answer("scores"),
    "11": Answer("table-one", "counted; prompts leave unknown attributes out"),
    "12a": Answer("flow", "split by person"),
    "12c": Answer("provenance", "every setting is in study.toml"),
    "12e": Answer("models"),
    "12g": Answer("models", "out-of-fold scores"),
    "15": Answer("risk-groups", "cut-offs chosen outside the test set"),
    "18f": Answer("provenance"),
    "20a": Answer("flow"),
    "20b": Answer("table-one"),
    "20c": Answer("table-one"),
    "21": Answer("risk-groups"),
    "22": Answer("provenance", "weights with their hashes"),
    "23a": Answer("models"),
    "25": Answer("headline"),
    "26": Answer("limits"),
    "27a": Answer("quarantine", "unlike images are refused with a code"),
}

COUNTERFACTUAL_ANSWERS: Mapping[str, Answer] = {
    "1": Answer("top"),
    "4": Answer("headline", "development and evaluation on people kept apart"),
    "5a": Answer("flow"),
    "6b": Answer("flow"),
    "7": Answer("quarantine", "counted by reason; not compared across groups"),
    "9a": Answer("graph", "the variables of the causal graph"),
    "11": Answer("flow", "people with an unknown variable are left out and counted"),
    "12a": Answer("flow", "split by person"),
    "12c": Answer("provenance", "every setting is in study.toml"),
    "12e": Answer("foretold"),
    "12g": Answer("foretold", "age alone set to that of the later scan"),
    "18f": Answer("provenance"),
    "20b": Answer("table-one"),
    "20c": Answer("table-one"),
    "22": Answer("provenance", "weights with their hashes"),
    "23a": Answer("foretold"),
    "25": Answer("headline"),
    "26": Answer("limits"),
    "27a": Answer("quarantine", "unlike images are refused with a code"),
}


def checklist_table(
    answers: Mapping[str, Answer], *, anchors: Collection[str], simulated: bool
) -> Table:
    """Show every TRIPOD+AI item with a link to where it is answered.

    Parameters
    ----------
    answers
        Item -> answer; an answer whose anchor is not on the page counts as none,
        unless it has words.
    anchors
        Anchors of the page.
    simulated
        Items on real people (ethics, registration, centres, ...) do not apply.
    """
    rows = [
        {
            "item": item,
            "asks": asks,
            "answered": _place(item, answers, anchors, simulated=simulated),
        }
        for item, asks in TRIPOD_AI
    ]
    answered = sum(isinstance(row["answered"], Markup) for row in rows)
    return frame_table(
        pd.DataFrame(rows),
        caption=f"TRIPOD+AI: {answered} of {len(rows)} items answered on this page ({SOURCE})",
        folded=True,
    )


_REAL_PEOPLE_ONLY = frozenset(
    {"3c", "5b", "6a", "6c", "8b", "8c", "9c", "17", "18c", "18d", "18e", "19"}
)


def _place(
    item: str, answers: Mapping[str, Answer], anchors: Collection[str], *, simulated: bool
) -> str:
    answer = answers.get(item, Answer())
    if answer.anchor in {*anchors, "top"}:
        link = Markup('<a href="#{0}">{0}</a>').format(answer.anchor)
        return link + (Markup(": {}").format(answer.words) if answer.words else Markup(""))
    if answer.words and not answer.anchor:
        return Markup("{}").format(answer.words)
    if simulated and item in _REAL_PEOPLE_ONLY:
        return "does not apply: no real people"
    return "not answered here"
