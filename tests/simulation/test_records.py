"""Records know part of the truth, with the errors they were given and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.simulation.findings import settled_loss, true_fractures
from spinecast.simulation.records import (
    READER_SENSITIVITY,
    READER_SPECIFICITY,
    draw_record_dice,
    events_table,
    grade_of,
    in_days,
    record_visits,
    t_score,
    visits_table,
)
from spinecast.simulation.spine_state import LEVELS
from spinecast.tables import validate


@pytest.fixture(scope="module")
def dice(many):
    return draw_record_dice(11, many.dice.numbers)


@pytest.fixture(scope="module")
def columns(many, dice):
    return record_visits(many.causes, many.course, dice, years=many.schedule.years, bmd_known=0.43)


@pytest.fixture(scope="module")
def events(many):
    ids = [f"P{number:05d}" for number in many.dice.numbers]
    return events_table(ids, many.course, end=many.schedule.end)


# Share recorded yes among those recorded at all; S2 and its tolerance.
@pytest.mark.parametrize(
    ("name", "published", "tolerance"),
    [
        ("prevalent_vf", 0.186, 0.015),
        ("prior_fracture", 0.074, 0.015),
        ("glucocorticoids", 0.047, 0.010),
        ("rheumatoid_arthritis", 0.027, 0.008),
        ("secondary_osteoporosis", 0.020, 0.006),
        ("osteoporosis", 0.403, 0.05),
    ],
)
def test_recorded_shares_at_baseline_are_those_of_the_hospital(columns, name, published, tolerance):
    assert np.nanmean(columns[name][0]) == pytest.approx(published, abs=tolerance)


def test_the_reader_has_the_stated_sensitivity_and_specificity(many, columns):
    there = ~np.isnan(many.schedule.years[0])
    true = many.course.count_vertebral(0.0) > 0
    read = columns["prevalent_vf"][0] == 1
    assert read[true & there].mean() == pytest.approx(READER_SENSITIVITY, abs=0.02)
    assert (~read)[~true & there].mean() == pytest.approx(READER_SPECIFICITY, abs=0.01)


def test_density_is_known_for_some_more_often_for_women(many, columns):
    known = ~np.isnan(columns["bmd_spine"][0])
    female = many.causes["female"] == 1
    assert known.mean() == pytest.approx(0.43, abs=0.03)
    assert known[female].mean() > known[~female].mean() + 0.05
    for name in ("bmd_femoral_neck", "t_score_femoral_neck", "osteoporosis"):
        np.testing.assert_array_equal(np.isnan(columns[name][0]), ~known)


def test_osteoporosis_is_a_lowest_t_score_of_two_and_a_half_below(columns):
    scores = [
        t_score(columns[site][0], site=site)
        for site in ("bmd_spine", "bmd_femoral_neck", "bmd_total_hip")
    ]
    known = ~np.isnan(scores[0])
    low = np.min(scores, axis=0)[known] <= -2.5
    np.testing.assert_array_equal(columns["osteoporosis"][0][known] == 1, low)


def test_recorded_history_is_never_more_than_the_truth(many, columns):
    for name in ("rheumatoid_arthritis", "smoking", "alcohol", "parental_hip_fracture"):
        said = columns[name][0] == 1
        assert not (said & (many.causes[name] == 0)).any(), name
        assert said.sum() < (many.causes[name] == 1).sum(), name


def test_habits_and_family_are_often_not_recorded(columns):
    for name, share in (("smoking", 0.18), ("alcohol", 0.22), ("parental_hip_fracture", 0.30)):
        assert np.isnan(columns[name][0]).mean() == pytest.approx(share, abs=0.02)
    assert np.isnan(columns["height"][0]).mean() == pytest.approx(0.02, abs=0.01)


def test_a_recorded_history_stays_recorded_at_later_visits(many, columns):
    later = ~np.isnan(many.schedule.years[1])
    for name in ("prior_fracture", "rheumatoid_arthritis"):
        first, second = columns[name][0][later], columns[name][1][later]
        assert not ((first == 1) & (second == 0)).any()


def test_the_simulated_probability_is_in_percent_and_follows_the_risk_factors(columns):
    value = columns["frax_mof"][0]
    known = value[~np.isnan(value)]
    assert known.min() >= 2
    assert known.max() <= 45
    assert 5 < known.mean() < 12
    for name, sign in (("age", 1), ("bmd_femoral_neck", -1), ("prior_fracture", 1)):
        both = ~np.isnan(value) & ~np.isnan(columns[name][0])
        assert sign * np.corrcoef(value[both], columns[name][0][both])[0, 1] > 0.15, name


def test_incident_fractures_come_at_the_rate_of_the_hospital(events):
    """7.6 % vertebral and 10.3 % any, over a mean of 2.9 years (S2)."""
    for endpoint, published in (("vertebral_fracture", 0.076), ("any_fracture", 0.103)):
        table = events[events["endpoint"] == endpoint]
        early = (table["event"] == 1) & (table["duration"] <= 2.9)
        assert early.mean() == pytest.approx(published, abs=0.02)


def test_events_agree_across_endpoints(events):
    wide = events.pivot(index="person_id", columns="endpoint", values=["event", "duration"])
    event, duration = wide["event"], wide["duration"]
    any_fracture = np.minimum(
        duration["vertebral_fracture"].where(event["vertebral_fracture"] == 1, np.inf),
        duration["non_vertebral_fracture"].where(event["non_vertebral_fracture"] == 1, np.inf),
    )
    had = event["any_fracture"] == 1
    np.testing.assert_array_equal(had, np.isfinite(any_fracture))
    np.testing.assert_allclose(duration["any_fracture"][had], any_fracture[had])
    died_first = event["vertebral_fracture"] == 2
    assert (event["death"][died_first] == 1).all()
    np.testing.assert_allclose(
        duration["vertebral_fracture"][died_first], duration["death"][died_first]
    )
    assert set(event["death"]) == {0, 1}


def test_durations_are_whole_days_and_at_least_one(events):
    days = events["duration"] * 365.25
    np.testing.assert_allclose(days, np.round(days), atol=1e-6)
    assert days.min() >= 1
    assert in_days(np.array([0.0]))[0] == pytest.approx(1 / 365.25)


def test_tables_of_every_preset_pass_the_schemas(tiny_tables):
    for name, table in tiny_tables.items():
        validate(table, name)


def test_the_visits_table_has_one_row_a_visit_in_order(many, columns):
    ids = [f"P{number:05d}" for number in many.dice.numbers]
    table = visits_table(ids, columns)
    assert len(table) == np.sum(~np.isnan(many.schedule.years))
    order = table.groupby("person_id")["visit"]
    assert (order.cumcount() == table["visit"]).all()
    assert (table.groupby("person_id")["years_since_baseline"].diff().dropna() > 0).all()


def test_height_loss_settles_to_its_final_value():
    since = np.array([0.0, 1.0, 5.0, 50.0])
    loss = settled_loss(np.full(4, 0.4), since)
    assert (np.diff(loss) > 0).all()
    assert loss[0] == pytest.approx(0.4 * 0.85)
    assert loss[-1] == pytest.approx(0.4)


def test_grades_follow_genant():
    np.testing.assert_array_equal(grade_of(np.array([0.1, 0.2, 0.24, 0.25, 0.39, 0.4])),
                                  [0, 1, 1, 2, 2, 3])  # fmt: skip


def test_fractures_stay_at_all_later_visits(many):
    true = true_fractures(many.course, many.dice, years=many.schedule.years)
    visits = true.groupby(["person_id", "region"])["visit"].agg(["min", "max", "nunique"])
    assert (visits["max"] - visits["min"] + 1 == visits["nunique"]).all()


def test_reported_findings_are_incomplete_but_not_made_up_where_the_reading_is_right(
    tiny, tiny_tables
):
    findings = tiny_tables["findings"]
    graded = findings[findings["finding"] == "vertebral_fracture"]
    true = tiny.truth().prevalent_fractures()
    keys = ["person_id", "visit", "region"]
    matched = graded.merge(true[keys], on=keys, how="left", indicator=True)["_merge"] == "both"
    assert matched.mean() > 0.8
    assert len(graded) < len(true) * 1.2
    assert set(graded["severity"]) <= {1.0, 2.0, 3.0}
    assert set(graded["region"]) <= set(LEVELS)


def test_only_visits_read_as_fractured_carry_graded_fractures(tiny_tables):
    findings, visits = tiny_tables["findings"], tiny_tables["visits"]
    graded = findings[findings["finding"] == "vertebral_fracture"]
    keys = ["person_id", "visit"]
    read = graded.merge(visits[[*keys, "prevalent_vf"]], on=keys)
    assert (read["prevalent_vf"] == 1).all()
    with_finding = graded[keys].drop_duplicates()
    assert len(with_finding) == int((visits["prevalent_vf"] == 1).sum())
    assert isinstance(with_finding, pd.DataFrame)
