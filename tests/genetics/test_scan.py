from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spinecast.errors import SpinecastError
from spinecast.genetics.phenotypes import PLINK, rank_inverse_normal
from spinecast.genetics.scan import linear_scan

from .small_study import gathered, make_study, needs_plink2, plink2_glm


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


def regression(g, y, covariates):
    """Effect, error, p, people and frequency of one variant by textbook least squares."""
    known = ~np.isnan(g) & ~np.isnan(y)
    design = np.column_stack([g, np.ones(len(g)), covariates])[known]
    beta, *_ = np.linalg.lstsq(design, y[known], rcond=None)
    residual = y[known] - design @ beta
    df = known.sum() - design.shape[1]
    error = np.sqrt(residual @ residual / df * np.linalg.inv(design.T @ design)[0, 0])
    p = 2 * stats.t.sf(abs(beta[0] / error), df)
    return beta[0], error, -np.log10(p), known.sum(), g[known].mean() / 2


def varying(study):
    return [v for v in range(len(study.copies)) if v != 7]


def test_exact_results_are_those_of_one_regression_per_variant_and_trait(study):
    found = gathered(linear_scan(study.blocks(), study.traits, study.covariates, missing="exact"))
    for trait in range(study.traits.shape[1]):
        for v in varying(study)[::3]:
            expected = regression(study.copies[v], study.traits[:, trait], study.covariates)
            got = [found[name][v, trait] for name in found]
            assert got == pytest.approx(expected, rel=1e-7, abs=1e-10)


def test_imputed_results_are_those_of_regression_on_the_mean_of_everybody(study):
    found = gathered(linear_scan(study.blocks(), study.traits, study.covariates))
    mean = np.nanmean(study.copies, axis=1, keepdims=True)
    filled = np.where(np.isnan(study.copies), mean, study.copies)
    for v in varying(study)[::5]:
        expected = regression(filled[v], study.traits[:, 2], study.covariates)
        got = [found[name][v, 2] for name in found]
        assert got == pytest.approx(expected, rel=2e-4, abs=1e-5)


@pytest.mark.parametrize("missing", ["impute", "exact"])
def test_variants_that_do_not_vary_or_that_covariates_explain_have_no_statistic(study, missing):
    explained = np.nan_to_num(study.copies[11], nan=1.0)
    covariates = np.column_stack([study.covariates, 3 * explained])
    traits = study.traits[:, [2]].copy()
    traits[np.nan_to_num(study.copies[12], nan=0) != 1] = np.nan  # 12 is constant where known
    blocks = list(linear_scan(study.blocks(size=50), traits, covariates, missing=missing))
    nothing = set(np.flatnonzero(np.isnan(gathered(blocks)["beta"][:, 0])))
    seen = study.copies[:, ~np.isnan(traits[:, 0])]
    constant = set(np.flatnonzero(np.nanmax(seen, axis=1) == np.nanmin(seen, axis=1)))
    assert {7, 12} <= nothing
    assert nothing == constant | {11} if missing == "exact" else nothing <= constant
    assert sum(block.dropped for block in blocks) == len(nothing)


@pytest.mark.parametrize("missing", ["impute", "exact"])
def test_a_traits_numbers_are_the_same_bits_whichever_traits_stand_beside_it(study, missing):
    rng = np.random.default_rng(5)
    many = rng.normal(size=(len(study.traits), 70))
    many[rng.random(many.shape) < 0.02] = np.nan
    many[:, 41] = study.traits[:, 2]
    crowd = gathered(linear_scan(study.blocks(), many, study.covariates, missing=missing))
    alone = gathered(
        linear_scan(study.blocks(), study.traits[:, [2]], study.covariates, missing=missing)
    )
    for name in alone:
        assert np.array_equal(crowd[name][:, [41]], alone[name], equal_nan=True), name


def test_offsets_are_taken_from_the_trait_chromosome_by_chromosome(study):
    rng = np.random.default_rng(6)
    offsets = {c: rng.normal(size=study.traits.shape) for c in ("1", "2")}
    found = gathered(linear_scan(study.blocks(), study.traits, study.covariates, offsets=offsets))
    half = len(study.copies) // 2
    for chromosome, part in (("1", slice(0, half)), ("2", slice(half, None))):
        own = study.traits - offsets[chromosome]
        plain = gathered(linear_scan(study.blocks(), own, study.covariates))
        assert found["beta"][part] == pytest.approx(plain["beta"][part], rel=1e-4, nan_ok=True)
    with pytest.raises(SpinecastError, match=r"SC-536.*chromosome 2"):
        list(linear_scan(study.blocks(), study.traits, study.covariates, offsets={"1": own}))


def test_only_some_samples_and_variants_can_be_tested(study):
    samples, variants = np.arange(10, 200), np.arange(20, 90, 3)
    some = study.blocks(samples=samples, variants=variants, size=11)
    found = gathered(
        linear_scan(some, study.traits[samples], study.covariates[samples], missing="exact")
    )
    v = variants[8]
    expected = regression(
        study.copies[v][samples], study.traits[samples, 0], study.covariates[samples]
    )
    assert [found[name][8, 0] for name in found] == pytest.approx(expected, rel=1e-7)


def test_a_statistic_far_beyond_the_smallest_float_is_finite(tmp_path):
    study = make_study(tmp_path, n=4000, v=20, traits=1, missing=0.0)
    trait = study.copies[3] + 0.05 * np.random.default_rng(0).normal(size=4000)
    found = gathered(linear_scan(study.blocks(), trait[:, None], study.covariates))
    assert 1000 < found["log10_p"][3, 0] < 1e5


def test_null_statistics_follow_their_distribution(tmp_path):
    study = make_study(tmp_path, n=600, v=1500, traits=1, missing=0.02, seed=3)
    null = np.random.default_rng(7).normal(size=(600, 4))
    found = gathered(linear_scan(study.blocks(), null, study.covariates))
    p = 10 ** -found["log10_p"][~np.isnan(found["log10_p"])]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_an_unknown_way_with_missing_genotypes_is_refused(study):
    with pytest.raises(SpinecastError, match="SC-536"):
        list(linear_scan(study.blocks(), study.traits, study.covariates, missing="drop"))


@needs_plink2
@pytest.mark.parametrize("normal", [False, True])
def test_exact_results_equal_plink2_to_its_printed_digits(study, tmp_path, normal):
    options = ["--pheno-quantile-normalize"] if normal else []
    rounded = np.round(study.traits, 1) if normal else study.traits  # ties
    traits = rank_inverse_normal(rounded, offset=PLINK) if normal else rounded
    tables = plink2_glm(study, tmp_path, traits=rounded, options=options)
    found = gathered(linear_scan(study.blocks(), traits, study.covariates, missing="exact"))
    columns = {"BETA": "beta", "SE": "standard_error", "OBS_CT": "n"}
    for trait, table in enumerate(tables):
        known = table["BETA"].notna().to_numpy()
        ours = ~np.isnan(found["beta"][:, trait])
        assert list(np.flatnonzero(~ours)) == [7]
        assert np.array_equal(known, ours)
        for theirs, name in columns.items():
            values = found[name][known, trait]
            assert values == pytest.approx(table[theirs][known].to_numpy(), rel=6e-6)
        p = 10 ** -found["log10_p"][known, trait]
        assert p == pytest.approx(table["P"][known].to_numpy(), rel=6e-6)
        frequency = found["effect_allele_frequency"][known, trait]
        assert frequency == pytest.approx(table["A1_FREQ"][known].to_numpy(), rel=6e-6)
