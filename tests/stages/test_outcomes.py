"""`spinecast outcomes`: anyone's table of scores becomes estimates, comparisons and a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import compare_concordance, cox, fine_gray, time_dependent_auc
from spinecast.stages.outcome_estimates import Question
from spinecast.stages.outcome_run import OutcomesSummary, describe_outcomes
from spinecast.stages.outcome_table import OutcomeColumns, read_outcomes

COLUMNS = OutcomeColumns("years", "status", ("new", "old"))
QUESTION = Question((2.0, 5.0))


def people(n: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return people whose hazard follows ``new`` closely and ``old`` loosely; some die before."""
    rng = np.random.default_rng(seed)
    new = rng.normal(size=n)
    event = rng.exponential(8 * np.exp(-new))
    death, end = rng.exponential(25, n), rng.uniform(1, 10, n)
    years = np.minimum.reduce([event, death, end])
    status = np.where(years == event, 1, np.where(years == death, 2, 0))
    old = new + rng.normal(size=n)
    return pd.DataFrame({"id": np.arange(n), "years": years, "status": status,
                         "new": new, "old": old})  # fmt: skip


def write(frame: pd.DataFrame, folder: Path, **options) -> Path:
    path = folder / "cohort.csv"
    frame.to_csv(path, index=False, **options)
    return path


def judged(path: Path, out: Path, **changes) -> OutcomesSummary:
    columns = changes.pop("columns", COLUMNS)
    question = changes.pop("question", QUESTION)
    return describe_outcomes(path, columns, question, out=out, progress=lambda done, text: None)


def value(found: OutcomesSummary, analysis: str, term: str) -> pd.Series:
    rows = found.estimates
    row = rows[(rows["analysis"] == analysis) & (rows["term"] == term)]
    assert len(row) == 1, (analysis, term)
    return row.iloc[0]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def found(frame, tmp_path_factory) -> OutcomesSummary:
    folder = tmp_path_factory.mktemp("outcomes")
    return judged(write(frame, folder), folder / "out")


def test_numbers_are_those_of_the_outcomes_room(found, frame):
    gap = compare_concordance(frame["years"], frame["status"], frame["new"], risk_b=frame["old"])
    row = value(found, "comparison/new - old", "harrell_c")
    assert row["estimate"] == pytest.approx(gap.difference, abs=1e-12)
    assert row["p_value"] == pytest.approx(gap.p_value, rel=1e-9)
    times = (frame["years"], frame["status"], frame["years"])
    auroc = time_dependent_auc(*times, event=frame["status"], risk=frame["new"], times=[2, 5],
                               competing="controls")  # fmt: skip
    row = value(found, "discrimination/new", "auroc_5y")
    assert row["estimate"] == pytest.approx(auroc.at(5.0), abs=1e-12)
    assert row["ci_low"] == pytest.approx(auroc.ci_low[1], abs=1e-12)
    scaled = (frame[["new"]] - frame["new"].mean()) / frame["new"].std(ddof=0)
    for analysis, fit in (("hazard/new", cox), ("subdistribution/new", fine_gray)):
        ratio = fit(frame["years"], frame["status"], scaled).to_frame()["estimate"][0]
        row = value(found, analysis, "hazard_ratio_per_sd")
        assert row["estimate"] == pytest.approx(ratio, rel=1e-9)
        assert row["ci_low"] < ratio < row["ci_high"]


def test_the_better_score_is_found_better(found):
    row = value(found, "comparison/new - old", "harrell_c")
    assert row["ci_low"] > 0
    assert row["p_value"] < 0.001


def test_deaths_make_one_minus_kaplan_meier_too_high(found):
    naive = value(found, "incidence", "one_minus_kaplan_meier_5y")["estimate"]
    assert value(found, "incidence", "risk_5y")["estimate"] < naive


def test_files_and_page_are_there_and_ask_nobody(found):
    folder = found.page.parent
    assert {f.name for f in folder.iterdir()} == {
        "estimates.csv", "excluded.csv", "flow.json", "index.html",
    }  # fmt: skip
    page = found.page.read_text(encoding="utf-8")
    assert page.count("<svg") + page.count("data:image") >= 5
    assert "<script" not in page
    for words in ("Thirds of new", "Hazard ratios", "Risk over time", "In-sample"):
        assert words in page
    stored = pd.read_csv(folder / "estimates.csv")
    assert len(stored) == len(found.estimates)


def test_rows_that_cannot_be_used_are_set_aside_with_line_and_reason(frame, tmp_path):
    broken = frame.head(60).astype(object)
    broken.loc[3, "new"] = ""
    broken.loc[5, "years"] = -1
    broken.loc[7, "status"] = 3
    broken.loc[9, "old"] = "=HYPERLINK(1)"
    broken.loc[11, "years"] = "inf"
    path = write(broken, tmp_path)
    with path.open("a", encoding="utf-8") as handle:
        handle.write("1,2\n")
    found = judged(path, tmp_path / "out")
    excluded = pd.read_csv(tmp_path / "out/excluded.csv").set_index("line")
    assert excluded["code"].to_dict() == {
        5: "SC-604", 7: "SC-605", 9: "SC-319", 11: "SC-313", 13: "SC-313", 62: "SC-313",
    }  # fmt: skip
    flow = json.loads((tmp_path / "out/flow.json").read_text())
    assert flow == {"given": 61, "used": 55, "set_aside": 6}
    assert (found.given, found.used) == (61, 55)


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        (OutcomeColumns("year", "status", ("new",)), "SC-301", "did you mean 'years'"),
        (OutcomeColumns("years", "id", ("new",)), "SC-319", "0, 1, 2, 3, 4"),
        (OutcomeColumns("years", "status", ("new",), unit="hours"), "SC-610", "hours"),
        (OutcomeColumns("years", "status", ("new", "new")), "SC-706", "twice"),
    ],
)
def test_wrong_columns_have_their_codes(frame, tmp_path, columns, code, words):
    with pytest.raises(SpinecastError, match=code) as caught:
        judged(write(frame, tmp_path), tmp_path / "out", columns=columns)
    assert words in str(caught.value)


def test_wrong_questions_have_their_codes(frame, tmp_path):
    path = write(frame, tmp_path)
    for question in (Question(()), Question((-1.0,)), Question((2.0,), risk_at=2.0)):
        with pytest.raises(SpinecastError, match="SC-706"):
            judged(path, tmp_path / "out", question=question)
    with pytest.raises(SpinecastError, match="SC-110"):
        judged(tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(SpinecastError, match="SC-609"):
        judged(write(frame.head(9), tmp_path), tmp_path / "out")


def test_units_are_turned_into_years(frame, tmp_path):
    days = frame.assign(years=frame["years"] * 365.25)
    columns = OutcomeColumns("years", "status", ("new",), unit="days")
    read = read_outcomes(write(days, tmp_path), columns)
    np.testing.assert_allclose(read.duration, frame["years"], rtol=1e-12)


def test_semicolons_and_decimal_commas_give_the_same_numbers(found, frame, tmp_path):
    path = write(frame, tmp_path, sep=";", decimal=",")
    again = judged(path, tmp_path / "out")
    pd.testing.assert_frame_equal(again.estimates, found.estimates, rtol=1e-9)


def test_repeated_rows_of_a_person_do_not_narrow_intervals(found, frame, tmp_path):
    twice = pd.concat([frame, frame], ignore_index=True)
    columns = OutcomeColumns("years", "status", ("new", "old"), person="id")
    again = judged(write(twice, tmp_path), tmp_path / "out", columns=columns)
    for analysis, term in (
        ("discrimination/new", "auroc_5y"),
        ("comparison/new - old", "harrell_c"),
        ("hazard/new", "hazard_ratio_per_sd"),
    ):
        one, two = (value(each, analysis, term) for each in (found, again))
        assert two["ci_high"] - two["ci_low"] == pytest.approx(
            one["ci_high"] - one["ci_low"], rel=0.1
        )


def test_predicted_risks_are_judged_as_risks(frame, tmp_path):
    risk = 1 - np.exp(-5 / 8 * np.exp(frame["new"]))
    path = write(frame.assign(risk=risk, half=risk / 2), tmp_path)
    columns = OutcomeColumns("years", "status", ("risk", "half"))
    found = judged(path, tmp_path / "o", columns=columns, question=Question((5.0,), risk_at=5.0))
    good, half = (value(found, f"accuracy/{n}", "calibration_observed_expected")["estimate"]
                  for n in ("risk", "half"))  # fmt: skip
    assert 0.7 < good < 1.1
    assert half == pytest.approx(2 * good, rel=1e-6)
    assert value(found, "accuracy/risk", "prediction_accuracy_5y")["estimate"] > 0
    assert "Decisions" in found.page.read_text(encoding="utf-8")


def test_what_cannot_be_estimated_is_named_and_the_rest_stands(frame, tmp_path):
    flat = frame.assign(flat=1.0)
    columns = OutcomeColumns("years", "status", ("new", "flat"))
    found = judged(write(flat, tmp_path), tmp_path / "out", columns=columns,
                   question=Question((2.0, 50.0)))  # fmt: skip
    assert {each.analysis for each in found.missing} == {
        "everything at 50 years", "hazard/flat", "subdistribution/flat",
    }  # fmt: skip
    assert value(found, "discrimination/new", "auroc_2y")["estimate"] > 0.6
    assert value(found, "discrimination/flat", "harrell_c")["estimate"] == 0.5
    assert not found.estimates["term"].str.contains("50y").any()
    assert "SC-603" in " ".join(each.why for each in found.missing)
    assert "follow-up ends" in found.page.read_text(encoding="utf-8")
    with pytest.raises(SpinecastError, match="SC-608"):
        judged(write(flat, tmp_path), tmp_path / "out", question=Question((50.0,)))
