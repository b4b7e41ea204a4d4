from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import cox

from .cohorts import simulate


def design(n, seed, *, tied=True):
    s = simulate(n, seed, tied=tied)
    rng = np.random.default_rng(seed + 1)
    frame = pd.DataFrame(
        {"risk": s.risk, "age": 60 + 8 * rng.normal(size=n), "sex": rng.integers(0, 2, n)}
    )
    return s, frame


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_gradient_vanishes_and_robust_errors_are_derivatives_in_weights(ties):
    s, x = design(60, 0)
    whole = cox(s.duration, s.event, x, ties=ties)
    step, moved = 1e-4, []
    for i in range(60):
        ends = []
        for sign in (1, -1):
            w = np.ones(60)
            w[i] += sign * step
            fit = cox(s.duration, s.event, x, ties=ties, weights=w)
            ends.append(fit.coefficients["coef"].to_numpy())
        moved.append((ends[0] - ends[1]) / (2 * step))
    jackknife = np.sqrt(np.sum(np.square(moved), axis=0))
    np.testing.assert_allclose(whole.coefficients["robust_se"], jackknife, rtol=1e-5)


def test_efron_and_breslow_agree_without_ties_and_differ_with_them():
    for tied in (False, True):
        s, x = design(120, 1, tied=tied)
        a, b = (cox(s.duration, s.event, x, ties=t).log_likelihood for t in ("efron", "breslow"))
        assert (abs(a - b) < 1e-9) is not tied


def test_integer_weights_with_breslow_ties_are_repeated_people():
    s, x = design(80, 2)
    w = np.random.default_rng(0).integers(1, 4, 80)
    rows = np.repeat(np.arange(80), w)
    a = cox(s.duration, s.event, x, weights=w, ties="breslow")
    b = cox(s.duration[rows], s.event[rows], x.iloc[rows], ties="breslow")
    np.testing.assert_allclose(a.coefficients["coef"], b.coefficients["coef"], atol=1e-9)
    np.testing.assert_allclose(a.coefficients["standard_error"], b.coefficients["standard_error"])


def test_units_rows_and_shifts_do_not_matter():
    s, x = design(100, 3)
    plain = cox(s.duration, s.event, x).coefficients["coef"]
    scaled = cox(s.duration, s.event, x.assign(age=x["age"] * 1e6 + 1e8)).coefficients["coef"]
    assert scaled["age"] * 1e6 == pytest.approx(plain["age"], rel=1e-6)
    order = np.random.default_rng(0).permutation(100)
    shuffled = cox(s.duration[order], s.event[order], x.iloc[order]).coefficients["coef"]
    np.testing.assert_allclose(shuffled, plain, atol=1e-9)
    longer = cox(s.duration * 365.25, s.event, x).coefficients["coef"]
    np.testing.assert_allclose(longer, plain, atol=1e-9)


def test_a_heavy_tailed_covariate_still_converges():
    s, x = design(300, 4)
    heavy = x.assign(crp=np.exp(4 * np.random.default_rng(0).normal(size=300)))
    assert np.isfinite(cox(s.duration, s.event, heavy).log_likelihood)


def test_strata_are_separate_baselines():
    s, x = design(150, 5)
    group = x["sex"].to_numpy()
    both = cox(s.duration, s.event, x[["risk"]], strata=group)
    beta = both.coefficients["coef"].to_numpy()
    apart = [
        cox(s.duration[group == g], s.event[group == g], x.loc[group == g, ["risk"]])
        for g in (0, 1)
    ]
    assert min(a.coefficients["coef"].iloc[0] for a in apart) < beta[0]
    assert max(a.coefficients["coef"].iloc[0] for a in apart) > beta[0]
    assert set(both.baseline_hazard["stratum"]) == {0, 1}
    one = both.survival(x[["risk"]].iloc[:3], [1, 2], stratum=1)
    assert one.shape == (3, 2)
    with pytest.raises(SpinecastError, match="SC-610"):
        both.survival(x[["risk"]], 1)


def test_splitting_follow_up_in_two_spells_changes_nothing():
    s, x = design(90, 6, tied=False)
    cut = 1.5
    late = s.duration > cut
    duration = np.concatenate([np.minimum(s.duration, cut), s.duration[late]])
    event = np.concatenate([np.where(late, 0, s.event), s.event[late]])
    entry = np.concatenate([np.full(90, -1.0), np.full(late.sum(), cut)])
    spells = pd.concat([x, x[late]])
    whole = cox(s.duration, s.event, x)
    split = cox(duration, event, spells, entry=entry)
    np.testing.assert_allclose(split.coefficients["coef"], whole.coefficients["coef"], atol=1e-9)
    assert split.log_likelihood == pytest.approx(whole.log_likelihood)
    person = np.concatenate([np.arange(90), np.flatnonzero(late)])
    joined = cox(duration, event, spells, entry=entry, cluster=person)
    np.testing.assert_allclose(
        joined.coefficients["robust_se"], whole.coefficients["robust_se"], rtol=1e-6
    )


def test_clusters_move_tests_and_limits_to_robust_errors():
    s, x = design(80, 7)
    twice = np.repeat(np.arange(80), 2)
    fit = cox(s.duration[twice], s.event[twice], x.iloc[twice], cluster=twice, ties="breslow")
    single = cox(s.duration, s.event, x, ties="breslow")
    np.testing.assert_allclose(
        fit.coefficients["robust_se"], single.coefficients["robust_se"], rtol=1e-6
    )
    frame = fit.to_frame()
    np.testing.assert_allclose(frame["standard_error"], fit.coefficients["robust_se"])
    assert fit.coefficients["z"].iloc[0] == pytest.approx(
        fit.coefficients["coef"].iloc[0] / fit.coefficients["robust_se"].iloc[0]
    )


def test_predictions_follow_the_baseline_and_the_risk():
    s, x = design(150, 8)
    fit = cox(s.duration, s.event, x)
    risk = fit.risk(x[["sex", "age", "risk"]])  # columns are found by name
    np.testing.assert_allclose(risk, fit.risk(x.to_numpy()))
    assert risk.mean() == pytest.approx(0, abs=1e-12)
    curves = fit.survival(x, [0, 1, 3, 9])
    assert curves.shape == (150, 4)
    assert np.all(curves[:, 0] == 1)
    assert np.all(np.diff(curves, axis=1) <= 0)
    assert np.argmin(curves[:, 2]) == np.argmax(risk)
    with pytest.raises(SpinecastError, match="SC-606"):
        fit.risk(np.ones((3, 2)))


def test_the_three_tests_agree_in_a_large_sample():
    s, x = design(3000, 9, tied=False)
    fit = cox(s.duration, s.event, x[["sex"]])
    values = [fit.likelihood_ratio.statistic, fit.wald.statistic, fit.score_test.statistic]
    assert np.ptp(values) < 0.05 * max(values) + 0.01
    assert fit.aic == pytest.approx(-2 * fit.log_likelihood + 2)


def test_limits_cover_the_true_effect_about_as_often_as_they_say():
    hits, draws = 0, 300
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(120, 1))
        time, c = rng.exponential(5 * np.exp(-0.7 * x[:, 0])), rng.uniform(0, 12, 120)
        table = cox(np.minimum(time, c), time <= c, x).coefficients
        hits += table["coef_low"].iloc[0] <= 0.7 <= table["coef_high"].iloc[0]
    assert 0.92 <= hits / draws <= 0.98


def test_a_trend_in_the_effect_is_found_and_its_absence_is_not():
    rng = np.random.default_rng(10)
    x = rng.normal(size=1500)
    early = rng.exponential(np.exp(-1.5 * x))
    time = np.where(early < 0.5, early, 0.5 + rng.exponential(1.0, 1500))  # the effect ends at 0.5
    moving = cox(time, np.ones(1500), x).proportional_hazards_test()
    assert moving["p_value"].iloc[0] < 1e-4
    assert moving.index.tolist() == ["x0", "global"]
    steady = cox(rng.exponential(np.exp(-x)), np.ones(1500), x)
    for transform in ("km", "rank", "identity", "log"):
        assert steady.proportional_hazards_test(transform)["p_value"].iloc[0] > 1e-3
    with pytest.raises(SpinecastError, match="SC-610"):
        steady.proportional_hazards_test("sqrt")


def test_perfect_separation_is_reported_with_the_covariate():
    rng = np.random.default_rng(11)
    event = np.repeat([1, 0], 50)
    duration = rng.uniform(1, 5, 100)
    flag = event * 1.0
    with pytest.raises(SpinecastError, match="SC-607") as caught:
        cox(duration, event, pd.DataFrame({"flag": flag, "noise": rng.normal(size=100)}))
    assert "flag" in str(caught.value)


def test_collinear_columns_are_reported():
    s, x = design(60, 12)
    with pytest.raises(SpinecastError, match="SC-607"):
        cox(s.duration, s.event, x.assign(months=x["age"] * 12))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-601", {"event": np.zeros(60)}),
        ("SC-603", {"covariates": np.ones(60)}),
        ("SC-604", {"covariates": np.r_[np.nan, np.arange(59)]}),
        ("SC-605", {"entry": np.full(60, 100.0)}),
        ("SC-606", {"covariates": np.arange(59)}),
        ("SC-610", {"ties": "exact"}),
    ],
)
def test_degenerate_input_raises_its_code(code, change):
    s, x = design(60, 13)
    arguments = {"duration": s.duration, "event": s.event, "covariates": x, **change}
    with pytest.raises(SpinecastError, match=code):
        cox(**arguments)


def test_a_covariate_of_minute_spread_gives_an_infinite_ratio_per_unit_and_no_warning() -> None:
    from spinecast.outcomes import cox

    rng = np.random.default_rng(3)
    score = rng.normal(size=60)
    duration = rng.exponential(1 / np.exp(0.8 * score))
    fit = cox(duration, np.ones(60), pd.DataFrame({"score": score * 1e-6}))
    assert np.isinf(fit.coefficients.loc["score", "hazard_ratio"])
    plain = cox(duration, np.ones(60), pd.DataFrame({"score": score}))
    assert fit.coefficients.loc["score", "z"] == pytest.approx(plain.coefficients.loc["score", "z"])
    survival = fit.survival(pd.DataFrame({"score": [1.0]}), [0.0, float(duration.max())])[0]
    assert survival.tolist() == [1.0, 0.0]
