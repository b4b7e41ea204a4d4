from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.outcomes import associate, benjamini_hochberg, holm, wilson
from spinecast.outcomes.regression import logistic

statsmodels = pytest.importorskip("statsmodels.api")


def traits(n=300, seed=0):
    rng = np.random.default_rng(seed)
    score, age = rng.normal(5, 2, n), rng.normal(70, 8, n)
    height = 160 + 0.8 * score - 0.1 * age + rng.normal(size=n)
    frail = rng.uniform(size=n) < 1 / (1 + np.exp(-(score - 5) / 2))
    return score, pd.DataFrame(
        {"height": height, "frail": frail * 1.0, "noise": rng.normal(size=n), "age": age}
    )


def test_least_squares_is_statsmodels():
    score, table = traits()
    found = associate(score, table[["height", "age"]], adjust=["age"]).table
    z = (score - score.mean()) / score.std(ddof=1)
    oracle = statsmodels.OLS(
        table["height"], statsmodels.add_constant(np.column_stack([z, table["age"]]))
    ).fit()
    assert found["term"].tolist() == ["height"]
    assert found["estimate"].item() == pytest.approx(oracle.params.iloc[1])
    assert found["standard_error"].item() == pytest.approx(oracle.bse.iloc[1])
    assert found["p_value"].item() == pytest.approx(oracle.pvalues.iloc[1])
    assert found["ci_low"].item() == pytest.approx(oracle.conf_int().iloc[1, 0])


def test_logistic_regression_is_statsmodels():
    score, table = traits()
    found = associate(score, table[["frail"]], adjust=table[["age"]], family="binomial").table
    z = (score - score.mean()) / score.std(ddof=1)
    design = statsmodels.add_constant(np.column_stack([z, table["age"]]))
    oracle = statsmodels.Logit(table["frail"], design).fit(disp=0, tol=1e-12)
    assert found["estimate"].item() == pytest.approx(oracle.params.iloc[1], abs=1e-7)
    assert found["standard_error"].item() == pytest.approx(oracle.bse.iloc[1], rel=1e-6)
    assert found["p_value"].item() == pytest.approx(oracle.pvalues.iloc[1], rel=1e-4)


def test_weighted_logistic_with_sandwich_errors_is_statsmodels():
    score, table = traits()
    w = np.random.default_rng(1).uniform(0.5, 3, 300)
    fit = logistic(score[:, None], table["frail"].to_numpy(), weights=w)
    model = statsmodels.GLM(
        table["frail"], statsmodels.add_constant(score),
        family=statsmodels.families.Binomial(), freq_weights=w,
    ).fit(cov_type="HC0", tol=1e-12)  # fmt: skip
    np.testing.assert_allclose(fit.coefficients, model.params, atol=1e-7)
    naive = model.model.fit(tol=1e-12).bse
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), naive, rtol=1e-6)


def test_families_by_trait_and_effects_per_standard_deviation():
    score, table = traits()
    options = {"adjust": ["age"], "family": {"frail": "binomial"}}
    a = associate(score, table, **options).table.set_index("term")
    b = associate(score * 100, table, **options).table.set_index("term")
    np.testing.assert_allclose(a["estimate"], b["estimate"], atol=1e-9)
    assert a.loc["frail", "family"] == "binomial"
    assert a.loc["height", "q_value"] < 1e-6 < a.loc["noise", "q_value"]
    np.testing.assert_allclose(a["q_value"], benjamini_hochberg(a["p_value"].to_numpy()))


def test_missing_traits_are_refused_or_dropped_and_counted():
    score, table = traits()
    table.loc[:9, "height"] = np.nan
    with pytest.raises(SpinecastError, match="SC-604"):
        associate(score, table)
    found = associate(score, table, missing="drop").to_frame().set_index("term")
    assert found.loc["height", "n"] == 290
    assert found.loc["noise", "n"] == 300


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("SC-603", lambda s, t: associate(np.ones(300), t)),
        ("SC-603", lambda s, t: associate(s, t.assign(noise=1.0))),
        ("SC-604", lambda s, t: associate(s, t, family="binomial")),
        ("SC-606", lambda s, t: associate(s[:5], t)),
        ("SC-607", lambda s, t: associate(s, t, adjust=2 * s)),
        (
            "SC-607",
            lambda s, t: associate(s, pd.DataFrame({"y": (s > 5) * 1.0}), family="binomial"),
        ),
        ("SC-609", lambda s, t: associate(s[:3], t[:3])),
        ("SC-610", lambda s, t: associate(s, t, family="poisson")),
    ],
)
def test_degenerate_input_raises_its_code(code, call):
    with pytest.raises(SpinecastError, match=code):
        call(*traits())


def test_adjusted_p_values_are_the_textbook_ones():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan, 0.02])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_wilsons_interval_is_the_published_one_and_missing_of_nobody():
    found = wilson(81, 263)  # Newcombe, Stat Med 1998
    assert found.ci == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20).ci[0] == 0
    assert np.isnan(wilson(0, 0).estimate)
