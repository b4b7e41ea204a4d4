from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from spinecast.errors import SpinecastError
from spinecast.genetics.binary_kernels import firth, saddle_point
from spinecast.genetics.binary_null import fit_binary_null
from spinecast.genetics.binary_scan import binary_scan

from .small_study import gathered, make_study, needs_plink2, plink2_glm


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), n=400, v=120, missing=0.0, seed=2)


def cases(study, *, share=0.2, effect=0.9, seed=0):
    rng = np.random.default_rng(seed)
    g = study.copies[3] - study.copies[3].mean()
    risk = np.log(share / (1 - share)) + effect * g + 0.4 * study.covariates[:, 2]
    return (rng.random(len(g)) < 1 / (1 + np.exp(-risk))).astype(float)


def log_likelihood(beta, x, y):
    eta = x @ beta
    return y @ eta - np.logaddexp(0, eta).sum()


def test_the_null_model_is_the_maximum_of_its_likelihood(study):
    y = cases(study)
    null = fit_binary_null(y, study.covariates)
    x = np.column_stack([np.ones(len(y)), study.covariates - study.covariates.mean(axis=0)])
    best = optimize.minimize(lambda b: -log_likelihood(b, x, y), np.zeros(4), tol=1e-12)
    assert null.fitted == pytest.approx(1 / (1 + np.exp(-x @ best.x)), abs=1e-5)
    inner = null.design.T @ (null.design * null.weights[:, None])
    assert inner == pytest.approx(np.eye(4), abs=1e-10)
    assert x.T @ (y - null.fitted) == pytest.approx(np.zeros(4), abs=1e-6)


def test_scores_are_those_of_the_textbook(study):
    y = cases(study)
    found = gathered(binary_scan(study.blocks(), y[:, None], study.covariates, correction="none"))
    null = fit_binary_null(y, study.covariates)
    x = np.column_stack([np.ones(len(y)), study.covariates])
    w = null.weights
    for v in (0, 3, 50):
        g = study.copies[v]
        rest = g - x @ np.linalg.solve(x.T @ (x * w[:, None]), x.T @ (w * g))
        variance = rest @ (w * rest)
        score = rest @ (y - null.fitted)
        assert found["beta"][v, 0] == pytest.approx(score / variance, rel=1e-3, abs=1e-6)
        assert found["standard_error"][v, 0] == pytest.approx(variance**-0.5, rel=1e-4)
        p = 2 * stats.norm.sf(abs(score) / np.sqrt(variance))
        assert 10 ** -found["log10_p"][v, 0] == pytest.approx(p, rel=1e-3)
        assert found["effect_allele_frequency"][v, 0] == pytest.approx(g.mean() / 2, abs=1e-6)
    assert np.isnan(found["beta"][7, 0])


def test_the_saddle_point_gives_the_exact_tails_of_a_skewed_score():
    """All carriers alike: the score is a binomial count, whose tails are known."""
    m, carriers, mu = 2000, 60, 0.01
    g = np.zeros(m)
    g[:carriers] = 1.0
    fitted = np.full(m, mu)
    variance = carriers * mu * (1 - mu)
    for count in (3, 4, 5, 6):
        score = count - carriers * mu
        middle = 0.5 * (
            stats.binom.sf(count - 1, carriers, mu) + stats.binom.sf(count, carriers, mu)
        )
        found = 10 ** -saddle_point(g, fitted, score, variance)
        normal = 2 * stats.norm.sf(score / np.sqrt(variance))
        assert 0.5 < found / middle < 2.0
        assert normal < 0.2 * middle


def test_firth_regression_maximises_the_penalised_likelihood():
    rng = np.random.default_rng(4)
    g, age = rng.normal(size=(2, 300))
    y = (rng.random(300) < 1 / (1 + np.exp(2 - 0.8 * g - 0.5 * age))).astype(float)
    null = fit_binary_null(y, age[:, None])
    g -= null.design @ (null.design.T @ (null.weights * g))
    x = np.column_stack([np.ones(300), age, g])

    def minus(beta):
        p = 1 / (1 + np.exp(-x @ beta))
        return -log_likelihood(beta, x, y) - 0.5 * np.linalg.slogdet(information(p))[1]

    def information(p):
        return x.T @ (x * (p * (1 - p))[:, None])

    best = optimize.minimize(minus, np.array([-2.0, 0.5, 0.8]), tol=1e-12)
    without = optimize.minimize(lambda b: minus(np.append(b, 0.0)), np.array([-2.0, 0.5]))
    variance = g @ (null.weights * g)
    beta, error, log10_p = firth(g, variance, y, null.design, null.start, null.offset)
    assert beta == pytest.approx(best.x[2], abs=1e-5)
    inverse = np.linalg.inv(information(1 / (1 + np.exp(-x @ best.x))))
    assert error == pytest.approx(np.sqrt(inverse[2, 2]), rel=1e-5)
    p = stats.chi2.sf(2 * (without.fun - best.fun), 1)
    assert 10**-log10_p == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize("correction", ["spa", "firth"])
def test_a_variant_that_only_cases_carry_gets_a_finite_effect(tmp_path, correction):
    study = make_study(tmp_path, n=500, v=10, missing=0.0)
    rng = np.random.default_rng(8)
    y = (rng.random(500) < 0.1).astype(float)
    copies = study.copies.copy()
    copies[0] = 0
    copies[0, np.flatnonzero(y)[:6]] = 1
    from spinecast.genotypes import GenotypeBlocks, open_genotypes, write_bed

    tables = study.genotypes
    bed = write_bed(
        tmp_path / "cases", samples=tables.samples, variants=tables.variants, calls=[copies]
    )
    blocks = GenotypeBlocks(open_genotypes(bed))
    found = gathered(binary_scan(blocks, y[:, None], study.covariates, correction=correction))
    assert 0.5 < found["beta"][0, 0] < 30
    assert 0 < found["standard_error"][0, 0] < 30
    assert 2 < found["log10_p"][0, 0] < 20


@pytest.mark.parametrize("correction", ["spa", "firth"])
def test_rare_cases_are_tested_at_their_nominal_rate(tmp_path, correction):
    """One case to a hundred controls, rare variants: where the plain score test fails."""
    study = make_study(
        tmp_path, n=3000, v=3000, traits=1, missing=0.0, seed=9, between=(0.004, 0.02)
    )
    rng = np.random.default_rng(10)
    y = (rng.random(3000) < 0.01).astype(float)
    traits = np.column_stack([rng.permutation(y) for _ in range(3)])
    rates = {}
    for way in (correction, "none"):
        found = gathered(binary_scan(study.blocks(), traits, study.covariates, correction=way))
        p = 10 ** -found["log10_p"]
        rates[way] = [np.nanmean(p < level) / level for level in (0.05, 0.001)]
    assert 0.5 < rates[correction][0] < 1.2
    assert rates[correction][1] < 1.8 < 4 < rates["none"][1]


def test_traits_with_gaps_are_tested_among_their_own_people(study):
    y = cases(study)
    y[::7] = np.nan
    found = gathered(binary_scan(study.blocks(), y[:, None], study.covariates))
    known = np.flatnonzero(~np.isnan(y))
    some = study.blocks(samples=known)
    alone = gathered(binary_scan(some, y[known, None], study.covariates[known]))
    assert set(found["n"][:, 0]) == {len(known)}
    for name in ("beta", "log10_p", "effect_allele_frequency"):
        assert found[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize(
    ("trait", "code"),
    [
        (np.tile([0.0, 1.0, 2.0], 20), "SC-538"),
        (np.zeros(60), "SC-538"),
        (np.arange(60) % 2.0, "SC-539"),
        (np.eye(60)[0], "SC-539"),
    ],
)
def test_traits_without_a_null_model_are_refused(trait, code):
    covariates = np.column_stack([np.arange(60) % 2, np.random.default_rng(0).normal(size=60)])
    with pytest.raises(SpinecastError) as caught:
        fit_binary_null(trait, covariates, name="hip")
    assert caught.value.code == code
    assert "hip" in caught.value.message


def test_plinks_coding_of_cases_gives_the_same_numbers(study):
    y = cases(study)
    one, two = (fit_binary_null(values, study.covariates) for values in (y, y + 1))
    assert np.array_equal(one.cases, two.cases)


@needs_plink2
def test_firth_agrees_with_plink2_where_it_takes_over(study, tmp_path):
    y = cases(study, share=0.12)
    (table,) = plink2_glm(study, tmp_path, traits=y[:, None] + 1, modifiers=["firth"])
    found = gathered(binary_scan(study.blocks(), y[:, None], study.covariates, correction="firth"))
    strong = found["log10_p"][:, 0] > -np.log10(0.05)
    assert strong.sum() >= 5
    theirs = np.log(table["OR"].to_numpy())[strong]
    errors = table["LOG(OR)_SE"].to_numpy()[strong]
    assert found["beta"][strong, 0] == pytest.approx(theirs, abs=1e-3 * errors.min())
    assert found["standard_error"][strong, 0] == pytest.approx(errors, rel=1e-3)
    wald = 2 * stats.norm.sf(np.abs(found["beta"] / found["standard_error"])[strong, 0])
    assert wald == pytest.approx(table["P"].to_numpy()[strong], rel=0.01)
    # Ours is the likelihood ratio's, which does not lose power where effects are large.
    assert (found["log10_p"][strong, 0] > -0.9 * np.log10(wald)).all()
