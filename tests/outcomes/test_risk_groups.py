from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import assign_risk_groups, cox, cumulative_incidence, describe_risk_groups


def cohort(n=600, seed=0, effect=1.0):
    rng = np.random.default_rng(seed)
    now, later, age = rng.uniform(size=n), rng.uniform(size=n), rng.normal(70, 8, n)
    time = rng.exponential(20 * np.exp(-effect * (2 * (now > 0.5) + (later > 0.6))))
    death, censored = rng.exponential(30, n), rng.uniform(1, 14, n)
    duration = np.minimum(np.minimum(time, death), censored)
    event = np.where(duration == time, 1, np.where(duration == death, 2, 0))
    return duration, event, assign_risk_groups(now, later), age


def test_high_baseline_is_high_whatever_the_future():
    groups = assign_risk_groups([0.1, 0.1, 0.9, 0.9], [0.1, 0.9, 0.1, 0.9])
    assert groups.tolist() == ["LL", "LH", "HIGH", "HIGH"]


def test_a_score_at_its_threshold_is_high_and_thresholds_are_free():
    assert assign_risk_groups([0.5], [0.0]).tolist() == ["HIGH"]
    assert assign_risk_groups([0.49], [0.6]).tolist() == ["LH"]
    moved = assign_risk_groups([0.5], [0.6], threshold_baseline=0.7, threshold_generated=0.7)
    assert moved.tolist() == ["LL"]


def test_the_table_counts_everybody_once():
    duration, event, group, _ = cohort()
    found = describe_risk_groups(duration, event, group)
    assert found.table["group"].tolist() == ["LL", "LH", "HIGH"]
    assert found.table["n"].sum() == 600
    assert found.table["events"].sum() == (event == 1).sum()
    assert found.table["deaths"].sum() == (event == 2).sum()
    assert found.table["share"].sum() == pytest.approx(1)


def test_hazard_ratios_are_those_of_the_cox_models():
    duration, event, group, age = cohort()
    found = describe_risk_groups(duration, event, group, adjust=pd.DataFrame({"age": age}))
    x = pd.DataFrame({"LH": (group == "LH") * 1.0, "HIGH": (group == "HIGH") * 1.0, "age": age})
    fit = cox(duration, event, x)
    adjusted = found.hazard_ratios.query("model == 'adjusted'").set_index("group")
    assert adjusted.loc["HIGH", "estimate"] == pytest.approx(
        fit.coefficients.loc["HIGH", "hazard_ratio"]
    )
    plain = found.hazard_ratios.query("model == 'unadjusted'").set_index("group")
    assert 1 < plain.loc["LH", "estimate"] < plain.loc["HIGH", "estimate"]
    assert found.log_rank.p_value < 1e-6
    assert "age" not in set(found.hazard_ratios["group"])


def test_incidences_are_aalen_johansen_and_missing_beyond_follow_up():
    duration, event, group, _ = cohort()
    found = describe_risk_groups(duration, event, group, times=[2, 5, 50])
    table = found.incidence.set_index(["group", "time"])
    inside = group == "LH"
    expected = cumulative_incidence(duration[inside], event[inside]).at(5)
    assert table.loc[("LH", 5), "estimate"] == pytest.approx(expected)
    assert table.loc[("LH", 5), "ci_low"] < expected < table.loc[("LH", 5), "ci_high"]
    assert np.isnan(table.loc[("LH", 50), "estimate"])


def test_a_group_without_events_has_incidence_zero_and_no_hazard_ratio_but_a_reason():
    duration = np.r_[np.arange(1.0, 41), np.full(5, 9.0)]
    event = np.r_[np.tile([1, 0], 20), np.zeros(5)]
    group = np.r_[np.repeat(["LL", "HIGH"], 20), np.repeat("LH", 5)]
    found = describe_risk_groups(duration, event, group, times=[5])
    assert found.incidence.set_index("group").loc["LH", "estimate"] == 0
    assert found.unadjusted is None
    assert found.hazard_ratios["estimate"].isna().all()
    assert found.hazard_ratios["problem"].str.contains("SC-607").all()
    assert 0 <= found.log_rank.p_value <= 1


def test_the_frame_names_every_number():
    duration, event, group, _ = cohort()
    frame = describe_risk_groups(duration, event, group, times=[1, 5]).to_frame()
    terms = set(frame["term"])
    assert {"hazard_ratio_lh_unadjusted", "hazard_ratio_high_unadjusted"} <= terms
    assert {"incidence_ll_1y", "incidence_lh_5y", "incidence_high_5y"} <= terms


def test_only_two_groups_are_still_compared():
    duration, event, group, _ = cohort()
    kept = group != "LH"
    found = describe_risk_groups(duration[kept], event[kept], group[kept])
    assert found.table.set_index("group").loc["LH", "n"] == 0
    assert found.hazard_ratios["group"].tolist() == ["HIGH"]


def test_nobody_with_an_event_is_refused():
    with pytest.raises(SpinecastError, match="SC-601"):
        describe_risk_groups([1, 2], [0, 2], ["LL", "LH"])


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("SC-602", ["LL"] * 4),
        ("SC-602", ["LH", "HIGH", "LH", "HIGH"]),
        ("SC-610", ["LL", "LOW", "LL", "LL"]),
        ("SC-606", ["LL", "LH"]),
    ],
)
def test_degenerate_input_raises_its_code(code, group):
    with pytest.raises(SpinecastError, match=code):
        describe_risk_groups([1, 2, 3, 4], [1, 1, 0, 1], group)


def test_missing_scores_are_refused():
    with pytest.raises(SpinecastError, match="SC-604"):
        assign_risk_groups([0.2, np.nan], [0.1, 0.3])
