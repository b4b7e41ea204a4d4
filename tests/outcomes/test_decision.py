from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import decision_curve, kaplan_meier, treatment_scenario

from .cohorts import simulate


def test_the_published_treatment_scenario_is_reproduced():
    # 1,852 people, 191 fractures: FRAX > 20 % flags 53 (21); adding LH and HIGH, 688 (126).
    frax = treatment_scenario(*scenario(flagged=53, right=21))
    assert frax.sensitivity.estimate == pytest.approx(0.110, abs=5e-4)
    assert frax.specificity.estimate == pytest.approx(0.981, abs=5e-4)
    assert frax.precision.estimate == pytest.approx(0.396, abs=5e-4)
    assert frax.f1.estimate == pytest.approx(0.172, abs=5e-4)
    more = treatment_scenario(*scenario(flagged=688, right=126))
    assert more.treated == 688
    assert more.sensitivity.estimate == pytest.approx(0.660, abs=5e-4)
    assert more.specificity.estimate == pytest.approx(0.662, abs=5e-4)
    assert more.precision.estimate == pytest.approx(0.183, abs=5e-4)
    assert more.f1.estimate == pytest.approx(0.287, abs=5e-4)


def scenario(flagged, right, n=1852, events=191):
    treated, had = np.zeros(n), np.zeros(n)
    had[:events] = 1
    treated[:right] = 1
    treated[events : events + flagged - right] = 1
    return treated, had


def test_counts_add_up_and_rates_have_limits_around_them():
    found = treatment_scenario(*scenario(53, 21))
    frame = found.to_frame().set_index("term")
    counts = ["true_positive", "false_positive", "false_negative", "true_negative"]
    assert frame.loc[counts, "estimate"].sum() == 1852
    for term in ("sensitivity", "specificity", "precision", "f1"):
        row = frame.loc[term]
        assert 0 <= row["ci_low"] < row["estimate"] < row["ci_high"] <= 1


def test_treating_nobody_leaves_precision_undefined_and_f1_zero():
    found = treatment_scenario(np.zeros(10), np.r_[1, np.zeros(9)])
    assert np.isnan(found.precision.estimate)
    assert found.f1.estimate == 0
    assert found.sensitivity.estimate == 0


def test_net_benefit_without_censoring_is_counted_by_hand():
    rng = np.random.default_rng(0)
    duration, risk = rng.exponential(5, 200), rng.uniform(size=200)
    had = duration <= 3
    curve = decision_curve(risk, duration, np.ones(200), t=3, thresholds=[0.2, 0.5])
    for cut in (0.2, 0.5):
        flag = risk >= cut
        expected = np.mean(flag & had) - np.mean(flag & ~had) * cut / (1 - cut)
        assert curve.of("model").loc[cut, "estimate"] == pytest.approx(expected)
        everyone = had.mean() - (1 - had.mean()) * cut / (1 - cut)
        assert curve.of("all").loc[cut, "estimate"] == pytest.approx(everyone)


def test_nobody_treated_is_a_benefit_of_zero_not_missing():
    s = simulate(100, 1)
    curve = decision_curve(np.full(100, 0.3), s.duration, s.event, t=3, thresholds=[0.1, 0.9])
    assert curve.of("model").loc[0.9, "estimate"] == 0
    assert (curve.of("none")["estimate"] == 0).all()
    assert curve.to_frame()["estimate"].notna().all()


def test_treating_all_uses_the_survival_curve():
    s = simulate(150, 2)
    curve = decision_curve(np.full(150, 0.5), s.duration, s.event, t=4, thresholds=[0.25])
    risk = 1 - kaplan_meier(s.duration, s.event).at(4)
    assert curve.of("all")["estimate"].item() == pytest.approx(risk - (1 - risk) / 3)


def test_deaths_lower_the_benefit_unless_taken_for_censoring():
    s = simulate(300, 3, deaths=True)
    risk = 1 / (1 + np.exp(-s.risk))
    options = {"t": 5, "thresholds": [0.3]}
    with_deaths = decision_curve(risk, s.duration, s.event, **options).of("model")["estimate"]
    without = decision_curve(risk, s.duration, s.event, competing=False, **options).of("model")
    assert with_deaths.item() < without["estimate"].item()


def test_the_error_is_what_bootstrap_finds():
    s = simulate(200, 4, deaths=True)
    risk = 1 / (1 + np.exp(-s.risk))
    found = decision_curve(risk, s.duration, s.event, t=4, thresholds=[0.4]).of("model")
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(300):
        d = rng.integers(200, size=200)
        again = decision_curve(risk[d], s.duration[d], s.event[d], t=4, thresholds=[0.4])
        draws.append(again.of("model")["estimate"].item())
    assert found["standard_error"].item() == pytest.approx(np.std(draws), rel=0.12)


def test_several_models_come_by_name():
    s = simulate(80, 5)
    risks = pd.DataFrame({"a": np.linspace(0, 1, 80), "b": np.linspace(1, 0, 80)})
    table = decision_curve(risks, s.duration, s.event, t=3, thresholds=[0.2, 0.4]).to_frame()
    assert set(table["model"]) == {"a", "b", "all", "none"}
    assert len(table) == 8
    again = decision_curve(dict(risks), s.duration, s.event, t=3, thresholds=[0.2, 0.4])
    pd.testing.assert_frame_equal(table, again.to_frame())


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-601", {"t": 0.001}),
        ("SC-604", {"risks": np.full(60, 1.2)}),
        ("SC-604", {"thresholds": [1.0]}),
        ("SC-608", {"t": 99}),
    ],
)
def test_degenerate_input_raises_its_code(code, change):
    s = simulate(60, 6)
    arguments = {"risks": np.full(60, 0.5), "t": 3, "thresholds": [0.2], **change}
    risks = arguments.pop("risks")
    with pytest.raises(SpinecastError, match=code):
        decision_curve(risks, s.duration, s.event, **arguments)


def test_flags_must_be_yes_or_no():
    with pytest.raises(SpinecastError, match="SC-604"):
        treatment_scenario([0, 2], [0, 1])
    with pytest.raises(SpinecastError, match="SC-606"):
        treatment_scenario([0, 1], [0, 1, 1])
