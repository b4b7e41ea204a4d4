"""Against numbers that R made (reference/make.R); R is not needed to compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from spinecast.outcomes import (
    brier_score,
    compare_concordance,
    cox,
    cumulative_incidence,
    cutpoint_log_rank,
    delong,
    fine_gray,
    gray_test,
    harrell_concordance,
    kaplan_meier,
    log_rank,
    time_dependent_auc,
)

FOLDER = Path(__file__).parent / "reference"
SETS = ("plain", "tied")
TIES = ("efron", "breslow")
NUMBERS = pd.read_csv(FOLDER / "numbers.csv").set_index(["set", "what", "term"])["value"]
CASES = pd.read_csv(FOLDER / "cases.csv")


def of_r(name: str, what: str, term: str) -> float:
    return float(NUMBERS.loc[(name, what, term)])


def people(name: str) -> pd.DataFrame:
    return CASES[CASES["set"] == name].reset_index(drop=True)


def same(ours: float, name: str, what: str, term: str, rel: float = 1e-8) -> None:
    assert ours == pytest.approx(of_r(name, what, term), rel=rel, abs=1e-11), (what, term)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("kind", ["", "_strata", "_weights", "_entry", "_cluster"])
def test_cox_is_coxph(name, ties, kind):
    d = people(name)
    own = d["event"] == 1
    options = {
        "": {},
        "_strata": {"strata": d["stratum"]},
        "_weights": {"weights": d["weight"]},
        "_entry": {"entry": d["entry"]},
        "_cluster": {"cluster": d["person"]},
    }[kind]
    covariates = ["x", "y", "z"] if kind == "" else ["x", "z"]
    fit = cox(d["duration"], own, d[covariates], ties=ties, **options)
    what = f"cox_{ties}{kind}"
    error = "robust_se" if kind == "_cluster" else "standard_error"
    for term in covariates:
        same(fit.coefficients.loc[term, "coef"], name, what, f"coef_{term}")
        same(fit.coefficients.loc[term, error], name, what, f"se_{term}", rel=1e-7)
    same(fit.log_likelihood, name, what, "log_likelihood")
    same(fit.likelihood_ratio.statistic, name, what, "likelihood_ratio")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("transform", ["km", "identity", "log"])
def test_the_proportional_hazards_test_is_cox_zph(name, transform):
    d = people(name)
    fit = cox(d["duration"], d["event"] == 1, d[["x", "y", "z"]])
    table = fit.proportional_hazards_test(transform)
    for term in ("x", "y", "z", "global"):
        same(table.loc[term, "statistic"], name, f"zph_{transform}", term, rel=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_kaplan_meier_is_survfit(name):
    d = people(name)
    curve = kaplan_meier(d["duration"], d["event"] == 1)
    for t in (1, 3, 6):
        same(curve.at(float(t)), name, "km", f"surv_{t}")
        low, high = curve.ci_at(float(t))
        same(low, name, "km", f"lower_{t}")
        same(high, name, "km", f"upper_{t}")
    mean = curve.restricted_mean(6.0)
    same(mean.estimate, name, "km", "rmean_6")
    same(mean.standard_error, name, "km", "rmean_se_6", rel=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_log_rank_is_survdiff(name):
    d = people(name)
    own = d["event"] == 1
    for rho in (0, 1):
        found = log_rank(d["duration"], own, d["stratum"], rho=rho)
        same(found.statistic, name, "log_rank", f"rho_{rho}")
    found = log_rank(d["duration"], own, d["z"], strata=d["stratum"])
    same(found.statistic, name, "log_rank", "stratified")


@pytest.mark.parametrize("name", SETS)
def test_concordance_and_its_error_are_those_of_survival(name):
    d = people(name)
    own = d["event"] == 1
    found = harrell_concordance(d["duration"], own, d["x"])
    same(found.estimate, name, "harrell", "estimate", rel=1e-12)
    same(found.standard_error, name, "harrell", "se", rel=1e-10)
    found = harrell_concordance(d["duration"], own, d["x"], cluster=d["person"])
    same(found.standard_error, name, "harrell", "se_cluster", rel=1e-10)
    gap = compare_concordance(d["duration"], own, d["x"], risk_b=d["y"])
    same(gap.difference, name, "harrell", "difference", rel=1e-10)
    same(gap.standard_error, name, "harrell", "difference_se", rel=1e-10)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("cause", [1, 2])
def test_cumulative_incidence_is_cuminc(name, cause):
    d = people(name)
    curve = cumulative_incidence(d["duration"], d["event"], cause=cause)
    for t in (1, 3, 6):
        same(curve.at(float(t)), name, "cuminc", f"estimate_{cause}_{t}", rel=1e-10)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("cause", [1, 2])
def test_grays_test_is_cuminc(name, cause):
    d = people(name)
    statistic = f"statistic_{cause}"
    found = gray_test(d["duration"], d["event"], d["stratum"], cause=cause)
    same(found.statistic, name, "gray", statistic)
    found = gray_test(d["duration"], d["event"], d["stratum"], cause=cause, rho=1)
    same(found.statistic, name, "gray_rho", statistic)
    found = gray_test(d["duration"], d["event"], d["z"], cause=cause, strata=d["stratum"])
    same(found.statistic, name, "gray_stratified", statistic)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("ties", TIES)
def test_fine_gray_is_coxph_on_finegrays_weights(name, ties):
    d = people(name)
    fit = fine_gray(d["duration"], d["event"], d[["x", "z"]], ties=ties)
    for term in ("x", "z"):
        same(fit.coefficients.loc[term, "coef"], name, f"finegray_{ties}", f"coef_{term}")


def test_fine_gray_is_crr_where_nobody_is_tied():
    d = people("plain")
    fit = fine_gray(d["duration"], d["event"], d[["x", "z"]], ties="breslow")
    for term in ("x", "z"):
        same(fit.coefficients.loc[term, "coef"], "plain", "fine_gray_breslow", f"coef_{term}")
        # theirs holds the censoring curve's own error by another order of 1/n
        same(fit.coefficients.loc[term, "robust_se"], "plain", "fine_gray_breslow", f"se_{term}",
             rel=1e-4)  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_delong_is_proc(name):
    d = people(name)
    found = delong(d["event"] == 1, d["x"], d["y"])
    same(found.auroc[0], name, "delong", "auc_x", rel=1e-12)
    same(found.covariance[0, 0], name, "delong", "var_x")
    same(found.covariance[0, 1], name, "delong", "cov")
    same(found.z(), name, "delong", "z", rel=1e-7)
    same(found.p_value(), name, "delong", "p", rel=1e-7)


@pytest.mark.parametrize("method", ["Lau92", "Lau94"])
def test_the_cut_point_is_maxstat(method):
    """Where nobody is tied: theirs gives tied times other log-rank scores."""
    d = people("plain")
    found = cutpoint_log_rank(d["duration"], d["event"] == 1, d["x"], method=method.lower())
    same(found.statistic, "plain", "maxstat", f"statistic_{method}")
    same(found.p_value, "plain", "maxstat", f"p_{method}", rel=1e-6)
    same(found.cutpoint, "plain", "maxstat", f"cut_{method}")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("competing", [False, True])
def test_auroc_and_brier_are_risk_regression(name, competing):
    d = people(name)
    event = d["event"] if competing else (d["event"] == 1).astype(int)
    what = "score_competing" if competing else "score"
    given = (d["duration"], event, d["duration"])
    curve = time_dependent_auc(
        *given, event=event, risk=d["x"], times=[2, 5],
        competing="controls" if competing else "excluded",
    )  # fmt: skip
    risk = np.column_stack([expit(-1.5 + 0.6 * d["x"]), expit(-0.5 + 0.6 * d["x"])])
    brier = brier_score(*given, event=event, survival=1 - risk, times=[2, 5])
    counted = np.sqrt(len(d) / (len(d) - 1))
    for place, t in enumerate((2, 5)):
        same(curve.estimate[place], name, what, f"auc_{t}", rel=1e-10)
        same(brier.score[place].estimate, name, what, f"brier_{t}", rel=1e-10)
        same(brier.null[place].estimate, name, what, f"brier_null_{t}", rel=1e-10)
        # theirs divides by n - 1, and is approximate where times are tied
        close = (1e-6, 1e-3) if name == "plain" else (1e-3, 0.03)
        same(curve.standard_error[place] * counted, name, what, f"auc_se_{t}", rel=close[0])
        same(brier.score[place].standard_error * counted, name, what, f"brier_se_{t}",
             rel=close[1])  # fmt: skip


def jackknife(estimate, n: int) -> float:
    left_out = np.array([estimate(np.delete(np.arange(n), i)) for i in range(n)])
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


@pytest.mark.parametrize("competing", [False, True])
def test_errors_under_ties_are_those_of_leaving_one_out(competing):
    d = people("tied")
    event = (d["event"] if competing else (d["event"] == 1) * 1).to_numpy()
    years, x = d["duration"].to_numpy(), d["x"].to_numpy()
    free = 1 - expit(-0.5 + 0.6 * x)

    def brier(rows):
        given = (years[rows], event[rows], years[rows])
        return brier_score(*given, event=event[rows], survival=free[rows], times=[5]).score[0]

    everybody = brier(np.arange(len(d)))
    apart = jackknife(lambda rows: brier(rows).estimate, len(d))
    assert everybody.standard_error == pytest.approx(apart, rel=0.01)


def test_published_anchors():
    bleeding = pd.read_csv(FOLDER / "asah.csv")
    found = delong(bleeding["outcome"], bleeding["s100b"], bleeding["wfns"])
    assert found.z() == pytest.approx(-2.2089836, abs=5e-8)
    assert found.p_value() == pytest.approx(0.0271758, abs=5e-8)
    gammopathy = pd.read_csv(FOLDER / "mgus2.csv")
    months, event = gammopathy["months"], gammopathy["event"]
    assert cumulative_incidence(months, event).at(240.0) == pytest.approx(0.0998, abs=5e-5)
    assert 1 - kaplan_meier(months, event == 1).at(240.0) == pytest.approx(0.2096, abs=5e-5)
    same(gray_test(months, event, gammopathy["female"]).statistic, "mgus2", "gray", "sex")
