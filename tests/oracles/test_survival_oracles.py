"""Against lifelines, statsmodels and scikit-survival, and published anchors."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from spinecast.outcomes import (
    brier_score,
    cox,
    cumulative_incidence,
    harrell_concordance,
    kaplan_meier,
    log_rank,
    time_dependent_auc,
    uno_concordance,
)

lifelines = pytest.importorskip("lifelines")
phreg = pytest.importorskip("statsmodels.duration.hazard_regression")
sksurv_datasets = pytest.importorskip("sksurv.datasets")
metrics = pytest.importorskip("sksurv.metrics")


@pytest.fixture(autouse=True)
def _oracles_may_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def rossi():
    from lifelines.datasets import load_rossi

    frame = load_rossi()
    return frame["week"], frame["arrest"], frame.drop(columns=["week", "arrest"])


def gbsg2():
    x, y = sksurv_datasets.load_gbsg2()
    coded = pd.DataFrame(
        {
            "age": x["age"],
            "estrec": x["estrec"],
            "horTh": (x["horTh"] == "yes") * 1.0,
            "menostat": (x["menostat"] == "Post") * 1.0,
            "pnodes": x["pnodes"],
            "progrec": x["progrec"],
            "tgrade": x["tgrade"].map({"I": 0.0, "II": 1.0, "III": 2.0}).astype(float),
            "tsize": x["tsize"],
        }
    )
    return y["time"], y["cens"], coded


def veteran():
    x, y = sksurv_datasets.load_veterans_lung_cancer()
    cell = x["Celltype"]
    coded = pd.DataFrame(
        {
            "age": x["Age_in_years"],
            "karnofsky": x["Karnofsky_score"],
            "months": x["Months_from_Diagnosis"],
            "prior": (x["Prior_therapy"] == "yes") * 1.0,
            "test": (x["Treatment"] == "test") * 1.0,
            **{str(c): (cell == c) * 1.0 for c in sorted(cell.unique())[1:]},
        }
    )
    return y["Survival_in_days"], y["Status"], coded


DATA = {"rossi": rossi, "gbsg2": gbsg2, "veteran": veteran}


@pytest.mark.parametrize(
    ("name", "chi2", "concordance"),
    [("rossi", 33.266, 0.6403), ("gbsg2", 101.861, 0.6879), ("veteran", 62.104, 0.7360)],
)
def test_published_anchors_of_the_cox_model(name, chi2, concordance):
    fit = cox(*DATA[name]())
    assert fit.likelihood_ratio.statistic == pytest.approx(chi2, abs=1e-3)
    assert fit.concordance.estimate == pytest.approx(concordance, abs=6e-5)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_is_statsmodels_and_scikit_survival_to_eight_digits(name, ties):
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    duration, event, x = DATA[name]()
    scaled = (x - x.mean()) / x.std()  # the oracles converge poorly on raw units
    fit = cox(duration, event, scaled, ties=ties)
    other = phreg.PHReg(
        np.asarray(duration), scaled.to_numpy(), status=np.asarray(event), ties=ties
    )
    result = other.fit(maxiter=200, tol=1e-12)
    assert fit.log_likelihood == pytest.approx(result.llf, abs=1e-7)
    np.testing.assert_allclose(fit.coefficients["coef"], result.params, atol=1e-7)
    np.testing.assert_allclose(fit.coefficients["standard_error"], result.bse, rtol=1e-6)
    third = CoxPHSurvivalAnalysis(ties=ties, tol=1e-14, n_iter=200)
    third.fit(scaled, Surv.from_arrays(np.asarray(event) == 1, np.asarray(duration)))
    np.testing.assert_allclose(fit.coefficients["coef"], third.coef_, atol=1e-8)
    if ties == "breslow":
        curves = third.predict_survival_function(scaled.iloc[:5])
        times = np.quantile(duration, [0.2, 0.5, 0.8])
        np.testing.assert_allclose(
            fit.survival(scaled.iloc[:5], times), [c(times) for c in curves], atol=1e-8
        )


def test_cox_with_late_entry_and_strata_is_statsmodels():
    duration, event, x = rossi()
    rng = np.random.default_rng(0)
    # Half weeks: the peer lets people who enter at t be at risk at t, we do not.
    entry = np.floor(np.asarray(duration) * rng.uniform(0, 0.8, len(x))) + 0.5
    strata = x["race"].to_numpy()
    rest = x.drop(columns="race")
    fit = cox(duration, event, rest, entry=entry, strata=strata)
    other = phreg.PHReg(
        np.asarray(duration), rest.to_numpy(), status=np.asarray(event),
        entry=entry, strata=strata, ties="efron",
    ).fit(maxiter=200, tol=1e-12)  # fmt: skip
    np.testing.assert_allclose(fit.coefficients["coef"], other.params, atol=1e-7)
    np.testing.assert_allclose(fit.coefficients["standard_error"], other.bse, rtol=1e-6)


def test_weights_and_cluster_robust_errors_are_lifelines_where_nobody_is_tied():
    duration, event, x = rossi()
    rng = np.random.default_rng(1)
    time = duration + rng.uniform(0, 0.4, len(x))
    frame = x.assign(t=time, e=event, w=rng.integers(1, 4, len(x)), c=np.arange(len(x)) // 3)
    other = lifelines.CoxPHFitter().fit(frame, "t", "e", cluster_col="c", weights_col="w")
    fit = cox(time, event, x, weights=frame["w"], cluster=frame["c"])
    np.testing.assert_allclose(fit.coefficients["coef"], other.params_, atol=1e-6)
    np.testing.assert_allclose(fit.coefficients["robust_se"], other.standard_errors_, rtol=1e-5)


def test_kaplan_meier_with_entry_and_weights_is_lifelines():
    duration, event, _ = rossi()
    rng = np.random.default_rng(3)
    entry = np.floor(np.asarray(duration) * rng.uniform(0, 0.3, len(duration)))
    fitter = lifelines.KaplanMeierFitter().fit(duration, event, entry=entry)
    ours = kaplan_meier(duration, event, entry=entry)
    np.testing.assert_allclose(
        ours.survival, fitter.survival_function_at_times(ours.times), atol=1e-12
    )
    fitter = lifelines.KaplanMeierFitter().fit(duration, event)
    ours = kaplan_meier(duration, event)
    limits = fitter.confidence_interval_.loc[ours.times].to_numpy()
    np.testing.assert_allclose(ours.ci_low, limits[:, 0], atol=1e-10)
    np.testing.assert_allclose(ours.ci_high, limits[:, 1], atol=1e-10)


def test_log_rank_is_lifelines_and_scikit_survival():
    from sksurv.compare import compare_survival
    from sksurv.util import Surv

    duration, event, x = gbsg2()
    group = x["tgrade"].to_numpy()
    ours = log_rank(duration, event, group)
    other = lifelines.statistics.multivariate_logrank_test(duration, group, event)
    chi2, p = compare_survival(Surv.from_arrays(event, duration), group)
    assert ours.statistic == pytest.approx(other.test_statistic, rel=1e-9)
    assert ours.statistic == pytest.approx(chi2, rel=1e-9)
    assert ours.p_value == pytest.approx(p, rel=1e-7)
    two = log_rank(duration, event, x["horTh"], rho=1)
    peto = lifelines.statistics.multivariate_logrank_test(
        duration, x["horTh"], event, weightings="fleming-harrington", p=1, q=0
    )
    assert two.statistic == pytest.approx(peto.test_statistic, rel=0.02)  # S(t-) against S(t)


@pytest.mark.parametrize("name", DATA)
def test_harrells_c_is_scikit_survival_and_lifelines_exactly(name):
    duration, event, x = DATA[name]()
    duration, happened = np.asarray(duration), np.asarray(event) == 1
    score = np.asarray(x.iloc[:, 0], dtype=float)
    ours = harrell_concordance(duration, happened, score)
    c, agree, against, tied, _ = metrics.concordance_index_censored(happened, duration, score)
    assert ours.estimate == c
    assert (ours.concordant, ours.discordant, ours.tied_risk) == (agree, against, tied)
    assert ours.estimate == lifelines.utils.concordance_index(duration, -score, happened)


def _without_shared_times(duration, event):
    """Move censorings off event times, where conventions differ."""
    return np.asarray(duration, dtype=float) + np.where(np.asarray(event) == 1, 0.0, 0.25)


def test_unos_c_is_scikit_survival():
    from sksurv.util import Surv

    duration, event, x = gbsg2()
    time = _without_shared_times(duration, event)
    y, tau = Surv.from_arrays(event, time), 1800.0
    score = x["pnodes"].to_numpy(dtype=float)
    theirs = metrics.concordance_index_ipcw(y, y, score, tau=tau)[0]
    ours = uno_concordance(time, event, time, event=event, risk=score, tau=tau)
    assert ours.estimate == pytest.approx(theirs, abs=1e-12)


def test_auroc_and_brier_are_scikit_survival_where_conventions_meet():
    from sksurv.util import Surv

    duration, event, x = gbsg2()
    time = _without_shared_times(duration, event)
    y, times = Surv.from_arrays(event, time), np.array([400.0, 900.0, 1500.0])
    score = x["pnodes"].to_numpy(dtype=float)
    ours = time_dependent_auc(time, event, time, event=event, risk=score, times=times)
    theirs, mean = metrics.cumulative_dynamic_auc(y, y, score, times)
    np.testing.assert_allclose(ours.estimate, theirs, atol=1e-10)
    assert ours.weighted_mean.estimate == pytest.approx(mean, abs=1e-10)
    predicted = cox(time, event, x).survival(x, times)
    found = brier_score(time, event, time, event=event, survival=predicted, times=times)
    np.testing.assert_allclose(
        found.estimate, metrics.brier_score(y, y, predicted, times)[1], atol=1e-10
    )
    assert found.integrated.estimate == pytest.approx(
        metrics.integrated_brier_score(y, y, predicted, times), abs=1e-10
    )


def test_aalen_johansen_is_lifelines_and_scikit_survival():
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    rng = np.random.default_rng(4)
    time = np.ceil(rng.exponential(20, 300))
    event = rng.choice([0, 1, 2], 300, p=[0.3, 0.4, 0.3])
    ours = cumulative_incidence(time, event, conf_type="plain")
    fitter = lifelines.AalenJohansenFitter(seed=1, calculate_variance=False)
    jittered = time + np.where(event == 0, 0.1, 0.0)  # lifelines jitters ties by itself
    x, curve = cumulative_incidence_competing_risks(event, time)
    np.testing.assert_allclose(ours.incidence, curve[1][np.isin(x, ours.times)], atol=1e-12)
    fitter.fit(np.argsort(np.argsort(jittered + rng.uniform(0, 0.01, 300))) + 1, event, 1)
    ranks = np.argsort(np.argsort(jittered + 0.0, kind="stable"), kind="stable") + 1
    mine = cumulative_incidence(ranks, event)
    fitter.fit(ranks, event, event_of_interest=1)
    assert mine.incidence[-1] == pytest.approx(fitter.cumulative_density_.iloc[-1, 0], abs=1e-10)
