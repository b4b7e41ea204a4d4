"""Heritability, confounding and genetic correlation: against an oracle, a peer and the truth."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.block_jackknife import Estimate
from spinecast.genetics.ld_score import genetic_correlation, heritability, liability_scale

from . import ld_score_oracle as oracle
from .association_tables import even_normals, even_scores

SIZE, SAMPLES, M = 1500, 20_000.0, 120_000.0
LD, W_LD = even_scores(SIZE), even_scores(SIZE, 3) / 4
ALL = np.full(SIZE, SAMPLES)


def z_scores(h2: float, intercept: float = 1.05, root: int = 7) -> np.ndarray:
    return even_normals(SIZE, root) * np.sqrt(intercept + h2 * SAMPLES * LD / M)


@pytest.mark.parametrize("h2", [0.0, 0.2, 0.7])
def test_heritability_equals_an_oracle_that_leaves_rows_out_and_fits_again(h2):
    z = z_scores(h2)
    ours = heritability(z, ALL, LD, m=M, weight_ld_scores=W_LD, blocks=50)
    total, intercept, totals, intercepts = oracle.h2(z, ALL, LD, W_LD, M, 50)
    assert ours.h2.estimate == pytest.approx(total, rel=1e-9, abs=1e-12)
    assert ours.intercept.estimate == pytest.approx(intercept, rel=1e-9)
    assert ours.h2.standard_error == pytest.approx(oracle.spread(total, totals), rel=1e-8)
    assert ours.intercept.standard_error == pytest.approx(
        oracle.spread(intercept, intercepts), rel=1e-8
    )


def test_genetic_correlation_equals_the_oracle():
    z1 = z_scores(0.4)
    z2 = 0.6 * z1 + z_scores(0.3, root=11)
    other = np.full(SIZE, 15_000.0)
    ours = genetic_correlation((z1, ALL), (z2, other), LD, m=M, weight_ld_scores=W_LD, blocks=40)
    ratio, ratios, covariance = oracle.rg(z1, z2, ALL, other, LD, W_LD, M, 40)
    assert ours.rg.estimate == pytest.approx(ratio, rel=1e-8)
    assert ours.rg.standard_error == pytest.approx(oracle.spread(ratio, ratios), rel=1e-7)
    assert ours.covariance.estimate == pytest.approx(covariance[0], rel=1e-9)
    assert ours.intercept.estimate == pytest.approx(covariance[1], rel=1e-9)


# Printed by the reference implementation (bulik/ldsc at aa33296, its own arithmetic under
# Python 3) on these z-scores with sample sizes that vary: two-step at 30, then both at once.
PEER = {
    30.0: {
        "h2": (0.3699071452125889, 0.020593425978882845),
        "intercept": (1.2569289285029435, 0.067745795519804),
        "ratio": (0.06339689687686646, None),
        "covariance": (0.23338775273974344, 0.03147329655246368),
        "covariance_intercept": (0.8442062734062598, 0.09396668135033542),
        "rg": (0.5032673245913792, 0.05639025017955158),
    },
    None: {
        "h2": (0.39935254676111354, 0.02525290608673644),
        "intercept": (1.0345662333235708, 0.08246291464077392),
        "ratio": (0.008529175528052758, None),
        "covariance": (0.25667056116547043, 0.03009335363447384),
        "covariance_intercept": (0.6830882145871434, 0.09922714868663199),
        "rg": (0.5125516306439146, 0.04387468551636387),
    },
}


@pytest.mark.parametrize("two_step", PEER)
def test_every_number_equals_the_reference_implementations(two_step):
    n = np.round(20_000 + 2_000 * even_normals(SIZE, 13))
    z1 = even_normals(SIZE, 7) * np.sqrt(1.05 + 0.4 * n * LD / M)
    z2 = 0.6 * z1 + even_normals(SIZE, 11) * np.sqrt(1.05 + 0.3 * 20_000 * LD / M)
    ours = genetic_correlation(
        (z1, n), (z2, np.full(SIZE, 15_000.0)), LD,
        m=M, weight_ld_scores=W_LD, blocks=50, two_step=two_step,
    )  # fmt: skip
    found = {
        "h2": ours.first.h2, "intercept": ours.first.intercept, "ratio": ours.first.ratio,
        "covariance": ours.covariance, "covariance_intercept": ours.intercept, "rg": ours.rg,
    }  # fmt: skip
    for name, (estimate, error) in PEER[two_step].items():
        assert found[name].estimate == pytest.approx(estimate, rel=1e-9), name
        if error is not None:
            assert found[name].standard_error == pytest.approx(error, rel=1e-9), name


def simulated(rng, h2, n, ld, m, intercept=1.0):
    return rng.normal(size=ld.size) * np.sqrt(intercept + h2 * n * ld / m)


def test_simulated_heritability_and_confounding_are_recovered_at_the_nominal_rate():
    rng = np.random.default_rng(11)
    ld = 1 + rng.gamma(1.5, 60.0, 8000)
    n, m, h2, intercept = 60_000.0, 1e6, 0.4, 1.12
    inside = np.zeros((40, 2))
    estimates = []
    for repeat in range(40):
        z = simulated(rng, h2, n, ld, m, intercept)
        fit = heritability(z, np.full(ld.size, n), ld, m=m)
        estimates.append((fit.h2.estimate, fit.intercept.estimate))
        inside[repeat] = [fit.h2.ci[0] <= h2 <= fit.h2.ci[1],
                          fit.intercept.ci[0] <= intercept <= fit.intercept.ci[1]]  # fmt: skip
    means = np.mean(estimates, axis=0)
    assert means == pytest.approx([h2, intercept], abs=0.02)
    assert (inside.sum(axis=0) >= 34).all(), inside.mean(axis=0)


def test_simulated_genetic_correlation_and_overlap_are_recovered():
    rng = np.random.default_rng(12)
    ld = 1 + rng.gamma(1.5, 60.0, 8000)
    n, m, rg, overlap = 60_000.0, 1e6, 0.5, 0.3
    shared = np.sqrt(n * ld / m)
    found = []
    for _ in range(10):
        a, b = rng.normal(size=(2, ld.size))
        noise = rng.multivariate_normal([0, 0], [[1, overlap], [overlap, 1]], ld.size)
        z1 = np.sqrt(0.5) * shared * a + noise[:, 0]
        z2 = np.sqrt(0.3) * shared * (rg * a + np.sqrt(1 - rg**2) * b) + noise[:, 1]
        size = np.full(ld.size, n)
        fit = genetic_correlation((z1, size), (z2, size), ld, m=m)
        found.append((fit.rg.estimate, fit.intercept.estimate))
    assert np.mean(found, axis=0) == pytest.approx([rg, overlap], abs=0.05)


def test_a_trait_correlates_with_itself_by_one_whatever_its_intercept():
    z = z_scores(0.5)
    fit = genetic_correlation((z, ALL), (z, ALL), LD, m=M, blocks=30)
    assert fit.rg.estimate == pytest.approx(1.0, abs=0.02)
    opposite = genetic_correlation((z, ALL), (-z, ALL), LD, m=M, blocks=30)
    assert opposite.rg.estimate == pytest.approx(-fit.rg.estimate, rel=1e-9)


def test_a_fixed_intercept_has_no_error_and_narrows_the_slope():
    z = z_scores(0.3, intercept=1.0)
    free = heritability(z, ALL, LD, m=M)
    fixed = heritability(z, ALL, LD, m=M, intercept=1.0)
    assert fixed.intercept.estimate == 1.0
    assert np.isnan(fixed.intercept.standard_error)
    assert fixed.h2.standard_error < free.h2.standard_error


def test_one_giant_variant_moves_the_two_step_intercept_little():
    z = z_scores(0.3)
    z[700] = 45.0
    with_giant = heritability(z, ALL, LD, m=M).intercept.estimate
    without = heritability(np.delete(z, 700), ALL[1:], np.delete(LD, 700), m=M).intercept.estimate
    at_once = heritability(z, ALL, LD, m=M, two_step=None).intercept.estimate
    assert abs(with_giant - without) < 0.01
    assert abs(with_giant - without) < abs(at_once - without)


def test_variants_above_the_largest_chi_square_are_left_out():
    z = z_scores(0.7)
    fit = heritability(z, ALL, LD, m=M, max_chi_square=20.0)
    assert fit.n_variants == int((z**2 < 20).sum())


def test_ratio_is_unknown_where_nothing_is_inflated():
    fit = heritability(0.7 * even_normals(SIZE), ALL, LD, m=M)
    assert fit.mean_chi_square < 1
    assert np.isnan(fit.ratio.estimate)


def test_without_heritability_there_is_no_genetic_correlation():
    flat = even_normals(SIZE) * np.sqrt(np.maximum(3 - LD / 100, 0.2))
    fit = genetic_correlation((flat, ALL), (z_scores(0.4), ALL), LD, m=M)
    assert fit.first.h2.estimate < 0
    assert np.isnan(fit.rg.estimate)


def test_liability_scale_is_lees_formula():
    observed = Estimate(0.2, 0.02)
    liability = liability_scale(observed, sample_share=0.5, population_share=0.01)
    assert liability.estimate / observed.estimate == pytest.approx(0.5519, abs=1e-4)
    assert liability.standard_error / observed.standard_error == pytest.approx(0.5519, abs=1e-4)


def test_rows_of_the_estimates_table_have_limits_and_samples():
    table = heritability(z_scores(0.4), ALL, LD, m=M).to_frame("bmd")
    assert table["term"].tolist() == ["h2", "intercept", "ratio", "mean_chi_square", "lambda_gc"]
    assert (table["n"] == SAMPLES).all()
    h2 = table.set_index("term").loc["h2"]
    assert h2["ci_low"] < h2["estimate"] < h2["ci_high"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"z": np.full(SIZE, np.nan)}, "SC-555"),
        ({"n": np.zeros(SIZE)}, "SC-555"),
        ({"ld_scores": LD[:-1]}, "SC-555"),
        ({"ld_scores": np.full(SIZE, 7.0)}, "SC-556"),
        ({"ld_scores": np.zeros(SIZE)}, "SC-556"),
        ({"z": np.ones(2), "n": np.ones(2), "ld_scores": np.ones(2)}, "SC-556"),
    ],
)
def test_unusable_input_is_refused_with_a_code(change, code):
    given = {"z": z_scores(0.3), "n": ALL, "ld_scores": LD} | change
    with pytest.raises(SpinecastError) as caught:
        heritability(given["z"], given["n"], given["ld_scores"], m=M)
    assert caught.value.code == code
