from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import (
    cox,
    cox_likelihood,
    cumulative_incidence,
    fine_gray,
    subdistribution,
)
from spinecast.outcomes.censoring import censoring_curve
from spinecast.outcomes.cox_likelihood import evaluate
from spinecast.outcomes.inputs import survival_columns
from spinecast.outcomes.newton import maximise

from .cohorts import simulate
from .test_time_dependent import censoring_survival


def brute_force_log_likelihood(duration, event, x, beta):
    """Breslow's pseudo-likelihood with every weight written out."""
    total = 0.0
    for i in np.flatnonzero(event == 1):
        t = duration[i]
        weight = (duration >= t) * 1.0
        for j in np.flatnonzero((event == 2) & (duration < t)):
            weight[j] = censoring_survival(duration, event, t, before=True) / censoring_survival(
                duration, event, duration[j], before=True
            )
        total += x[i] @ beta - np.log(weight @ np.exp(x @ beta))
    return total


def test_the_estimate_maximises_the_pseudo_likelihood_written_out():
    s = simulate(70, 0, tied=True, deaths=True)
    x = np.column_stack([s.risk, s.other])
    fit = fine_gray(s.duration, s.event, x, ties="breslow")
    beta = fit.coefficients["coef"].to_numpy()
    best = brute_force_log_likelihood(s.duration, s.event, x, beta)
    assert fit.log_likelihood == pytest.approx(best, abs=1e-8)
    for step in np.vstack([np.eye(2), -np.eye(2)]) * 1e-3:
        assert brute_force_log_likelihood(s.duration, s.event, x, beta + step) < best


def test_without_deaths_it_is_the_cox_model():
    s = simulate(100, 1, tied=True)
    a, b = fine_gray(s.duration, s.event, s.risk), cox(s.duration, s.event, s.risk)
    assert a.coefficients["coef"].item() == pytest.approx(b.coefficients["coef"].item())
    assert a.coefficients["robust_se"].item() == pytest.approx(b.coefficients["robust_se"].item())


@pytest.mark.parametrize("person", [0, 3, 8, 13, 21, 34])
def test_influence_is_the_derivative_in_a_persons_weight_also_through_the_censoring_curve(person):
    # With Breslow ties, twenty copies of everybody are the same data: one copy more or
    # less is a weight of 1 +- 0.05.
    s = simulate(40, 2, tied=True, deaths=True)
    x = np.column_stack([s.risk, s.other])

    def coefficients(rows):
        fit = fine_gray(s.duration[rows], s.event[rows], x[rows], ties="breslow")
        return fit.coefficients["coef"].to_numpy()

    copies = np.tile(np.arange(40), 20)
    more = coefficients(np.append(copies, person))
    less = coefficients(np.delete(copies, person))
    columns = survival_columns(s.duration, s.event)
    curve = censoring_curve(columns)
    sets = subdistribution._lingering(columns, x, curve, ties="breslow")
    top = maximise(lambda b: evaluate(sets, b), np.zeros(2), ("a", "b"))
    influence = subdistribution._influence(sets, top.here, columns, curve=curve) @ top.inverse
    influence /= sets.scale  # from covariates of unit spread to those given
    np.testing.assert_allclose(influence[person], (more - less) / 0.1, rtol=0.01, atol=2e-4)


def test_predicted_incidence_follows_the_groups_own_curves():
    rng = np.random.default_rng(3)
    n = 3000
    group = rng.integers(0, 2, n)
    # Fine and Gray's own simulation: incidence 1 - (1 - p(1 - e^-t))^exp(beta x)
    p, beta = 0.4, 0.7
    limit = 1 - (1 - p) ** np.exp(beta * group)
    has_event = rng.uniform(size=n) < limit
    u = rng.uniform(size=n) * limit
    t1 = -np.log(1 - (1 - (1 - u) ** np.exp(-beta * group)) / p)
    time = np.where(has_event, t1, rng.exponential(1.0, n))
    censored = rng.uniform(0.5, 4, n)
    duration = np.minimum(time, censored)
    event = np.where(time <= censored, np.where(has_event, 1, 2), 0)
    fit = fine_gray(duration, event, pd.DataFrame({"group": group}))
    row = fit.coefficients.loc["group"]
    assert row["coef"] == pytest.approx(beta, abs=3 * row["robust_se"])
    predicted = fit.incidence(pd.DataFrame({"group": [0, 1]}), [0.5, 1.5])
    for g in (0, 1):
        own = cumulative_incidence(duration[group == g], event[group == g])
        np.testing.assert_allclose(predicted[g], own.at([0.5, 1.5]), atol=0.03)


def test_limits_cover_the_true_effect_about_as_often_as_they_say():
    hits, draws = 0, 300
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=150)
        limit = 1 - 0.6 ** np.exp(0.5 * x)
        has_event = rng.uniform(size=150) < limit
        u = rng.uniform(size=150) * limit
        t1 = -np.log(1 - (1 - (1 - u) ** np.exp(-0.5 * x)) / 0.4)
        time, c = np.where(has_event, t1, rng.exponential(1.0, 150)), rng.uniform(0.3, 4, 150)
        event = np.where(time <= c, np.where(has_event, 1, 2), 0)
        row = fine_gray(np.minimum(time, c), event, x).coefficients.iloc[0]
        hits += row["coef_low"] <= 0.5 <= row["coef_high"]
    assert 0.915 <= hits / draws <= 0.985


def test_the_frame_has_one_row_per_covariate():
    s = simulate(100, 4, deaths=True)
    fit = fine_gray(s.duration, s.event, pd.DataFrame({"a": s.risk, "b": s.other}))
    frame = fit.to_frame()
    assert frame["term"].tolist() == ["a", "b"]
    assert (frame["ci_low"] < frame["estimate"]).all()
    assert fit.deaths == (s.event == 2).sum()
    assert fit.wald.degrees_of_freedom == 2


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("SC-601", {"event": np.full(60, 2)}),
        ("SC-603", {"covariates": np.ones(60)}),
        ("SC-610", {"ties": "exact"}),
    ],
)
def test_degenerate_input_raises_its_code(code, change):
    s = simulate(60, 5, deaths=True)
    arguments = {"duration": s.duration, "event": s.event, "covariates": s.risk, **change}
    with pytest.raises(SpinecastError, match=code):
        fine_gray(**arguments)


@pytest.mark.parametrize("fit", [cox, fine_gray])
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_people_worked_on_in_blocks_give_what_all_at_once_give(fit, ties, monkeypatch):
    s = simulate(300, 5, tied=True, deaths=True)
    x = np.column_stack([s.risk, s.other])
    whole = fit(s.duration, s.event, x, ties=ties)
    monkeypatch.setattr(cox_likelihood, "BLOCK", 7)
    parts = fit(s.duration, s.event, x, ties=ties)
    for name in ("coef", "standard_error", "robust_se"):
        np.testing.assert_allclose(parts.coefficients[name], whole.coefficients[name], rtol=1e-10)
