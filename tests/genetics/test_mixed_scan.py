from __future__ import annotations

import dataclasses
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from spinecast.genetics.mixed_scan import mixed_scan
from spinecast.genetics.scan import linear_scan
from spinecast.genetics.whole_genome import whole_genome_model

from .small_genomes import make_genomes

MEDIAN = stats.chi2.median(1)


@pytest.fixture(scope="module")
def genomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genomes")
    return make_genomes(folder, people=400, chromosomes=6, each=100, seed=3, siblings=0.6)


@pytest.fixture(scope="module")
def none(genomes):
    return np.empty((len(genomes.ancestry), 0))


def gathered(results):
    results = list(results)
    return {
        name: np.concatenate([getattr(block, name) for block in results])
        for name in ("variants", "beta", "standard_error", "log10_p", "n")
    } | {"frequency": np.concatenate([block.effect_allele_frequency for block in results])}


def chi_square(found):
    return (found["beta"] / found["standard_error"]) ** 2


def scan(genomes, traits, covariates, *, on=None, **settings):
    fit = whole_genome_model(genomes.blocks(), traits, covariates, **settings)
    blocks = genomes.blocks()
    if on is not None:
        blocks = dataclasses.replace(blocks, variants=np.flatnonzero(genomes.chromosomes == on))
    return gathered(mixed_scan(blocks, traits, covariates, fit=fit)), fit


def generalised_least_squares(genomes, y, *, out, h2):
    """Chi-square of every variant of a chromosome with its own denominator."""
    z = genomes.standardised(np.flatnonzero(genomes.chromosomes != out))
    v = h2 * z.T @ z / len(z) + (1 - h2) * np.eye(len(y))
    inverse = linalg.inv(v)
    ones = inverse.sum(axis=0)
    p = inverse - np.outer(ones, ones) / ones.sum()
    x = genomes.calls[genomes.chromosomes == out].astype(float)
    scale = y @ p @ y / (len(y) - 1)
    xpx = np.einsum("ij,jk,ik->i", x, p, x)
    return (x @ p @ y) ** 2 / (scale * xpx), x @ p @ y / xpx


def test_the_statistic_is_generalised_least_squares_but_for_one_constant(genomes, none):
    traits = genomes.polygenic(np.random.default_rng(1), 1, h2=0.5)
    found, fit = scan(genomes, traits, none, on="2", way="exact", calibration_variants=600)
    truth, effects = generalised_least_squares(genomes, traits[:, 0], out="2", h2=fit.h2[0])
    own = chi_square(found)[:, 0]
    assert np.corrcoef(own, truth)[0, 1] > 0.99
    assert own.mean() / truth.mean() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(found["beta"][:, 0], effects)[0, 1] > 0.99
    np.testing.assert_allclose(
        found["log10_p"][:, 0], -stats.chi2.logsf(own, 1) / np.log(10), rtol=1e-6
    )
    np.testing.assert_allclose(
        found["frequency"][:, 0], genomes.calls[found["variants"]].mean(axis=1) / 2, atol=1e-6
    )


def test_null_variants_are_calibrated_among_relatives_of_two_ancestries(genomes, none):
    # Genetics and ancestry act through other chromosomes: chromosome 6 has no effect.
    rng = np.random.default_rng(2)
    traits = genomes.polygenic(rng, 60, h2=0.7, on="12345") + 0.5 * genomes.ancestry[:, None]
    for way in ("exact", "cg"):
        found, _ = scan(genomes, traits, none, on="6", way=way)
        assert 0.95 < np.median(chi_square(found)) / MEDIAN < 1.05
        assert chi_square(found).mean() == pytest.approx(1.0, abs=0.06)
    plain = gathered(
        linear_scan(
            dataclasses.replace(
                genomes.blocks(), variants=np.flatnonzero(genomes.chromosomes == "6")
            ),
            traits,
            none,
        )
    )
    assert np.median(chi_square(plain)) / MEDIAN > 1.15


@pytest.mark.parametrize("way", ["exact", "cg"])
def test_planted_effects_lie_in_their_intervals_at_the_nominal_rate(genomes, none, way):
    rng = np.random.default_rng(4)
    places = rng.choice(np.flatnonzero(genomes.chromosomes == "6"), 20, replace=False)
    background = genomes.polygenic(rng, 20, h2=0.5, on="12345")
    traits = 170.0 + 6.0 * (background + 0.3 * genomes.calls[places].T)
    found, _ = scan(genomes, traits, none, on="6", way=way)
    row = np.searchsorted(found["variants"], places)
    z = (found["beta"] - 6.0 * 0.3)[row, np.arange(20)] / found["standard_error"][
        row, np.arange(20)
    ]
    assert (np.abs(z) < 1.96).sum() >= 16  # 19 expected of 20, 16 or more in 99.7 %
    assert abs(z.mean()) < 3 / np.sqrt(20)


def test_power_at_planted_effects_is_higher_than_that_of_regression(genomes, none):
    rng = np.random.default_rng(5)
    sixth = np.flatnonzero(genomes.chromosomes == "6")
    traits = genomes.polygenic(rng, 40, h2=0.7, on="12345") + 0.25 * genomes.calls[sixth[:40]].T
    on = dataclasses.replace(genomes.blocks(), variants=sixth)

    def signal(results):
        """Mean chi-square of planted pairs over that of pairs far from any planted one."""
        found = chi_square(gathered(results))
        return found[np.arange(40), np.arange(40)].mean() / found[70:].mean()

    plain = signal(linear_scan(on, traits, none))
    assert plain > 5
    for way in ("exact", "cg", "ridge"):
        fit = whole_genome_model(genomes.blocks(), traits, none, way=way)
        assert signal(mixed_scan(on, traits, none, fit=fit)) > 1.05 * plain


def test_exact_and_cg_give_one_chi_square(genomes, none):
    traits = genomes.polygenic(np.random.default_rng(6), 4, h2=0.5)
    exact, _ = scan(genomes, traits, none, way="exact")
    cg, _ = scan(genomes, traits, none, way="cg")
    more, _ = scan(genomes, traits, none, way="cg", probes=1000)
    a, b, c = chi_square(exact), chi_square(cg), chi_square(more)
    for t in range(4):
        assert np.corrcoef(a[:, t], b[:, t])[0, 1] > 0.999
    # So few people's h2 is uncertain by a tenth of its standard error: more probes, one mean.
    np.testing.assert_allclose(c.mean(axis=0), a.mean(axis=0), rtol=1e-3)


def test_gaps_in_one_trait_change_no_other_and_use_the_people_that_are_there(genomes, none):
    traits = genomes.polygenic(np.random.default_rng(7), 2, h2=0.5)
    gaps = traits.copy()
    gaps[::4, 0] = np.nan
    whole, _ = scan(genomes, traits, none, way="exact")
    some, fit = scan(genomes, gaps, none, way="exact")
    np.testing.assert_allclose(some["log10_p"][:, 1], whole["log10_p"][:, 1], atol=1e-3)
    assert set(some["n"][:, 0]) == {300}
    present = ~np.isnan(gaps[:, 0])
    z = genomes.standardised(np.flatnonzero(genomes.chromosomes != "1"))[:, present]
    h2, y = fit.h2[0], gaps[present, 0]
    inverse = linalg.inv(h2 * z.T @ z / len(z) + (1 - h2) * np.eye(300))
    p = inverse - np.outer(inverse.sum(0), inverse.sum(0)) / inverse.sum()
    first = genomes.chromosomes == "1"
    x = genomes.calls[first][:, present]
    truth = (x @ p @ y) ** 2 / np.einsum("ij,jk,ik->i", x, p, x) / (y @ p @ y / 299)
    assert np.corrcoef(chi_square(some)[first, 0], truth)[0, 1] > 0.99
    np.testing.assert_allclose(some["frequency"][first, 0], x.mean(axis=1) / 2, atol=1e-5)


def test_offsets_in_the_linear_scan_rank_variants_as_the_mixed_statistic_does(genomes, none):
    traits = genomes.polygenic(np.random.default_rng(8), 2, h2=0.6)
    fit = whole_genome_model(genomes.blocks(), traits, none, way="exact")
    offsets = {name: fit.prediction(name) for name in fit.loco}
    linear = gathered(linear_scan(genomes.blocks(), traits, none, offsets=offsets))
    mixed = gathered(mixed_scan(genomes.blocks(), traits, none, fit=fit))
    assert np.corrcoef(chi_square(linear)[:, 0], chi_square(mixed)[:, 0])[0, 1] > 0.999


def test_a_variant_that_covariates_explain_has_no_statistic(genomes):
    traits = genomes.polygenic(np.random.default_rng(9), 1, h2=0.5)
    found, _ = scan(genomes, traits, genomes.calls[[7]].T.astype(float), way="exact")
    assert np.isnan(found["beta"][7, 0])
    assert np.isnan(found["log10_p"][7, 0])
    assert np.isfinite(found["beta"][8:, 0]).sum() > 550


@pytest.mark.skipif(shutil.which("bolt") is None, reason="BOLT-LMM is not installed")
def test_chi_square_follows_bolt_lmms_infinitesimal_statistic(tmp_path):
    genomes = make_genomes(tmp_path, people=500, chromosomes=8, each=250, seed=9, name="bolt")
    traits = genomes.polygenic(np.random.default_rng(10), 1, h2=0.5)
    table = pd.read_csv(tmp_path / "bolt.fam", sep=r"\s+", header=None)
    table[5] = traits[:, 0]
    table.to_csv(tmp_path / "bolt.fam", sep=" ", header=False, index=False)
    command = ["bolt", "--bfile=bolt", "--phenoUseFam", "--lmmInfOnly", "--statsFile=out.tsv"]
    subprocess.run(
        [*command, "--numThreads=1", "--maxModelSnps=100000"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    peer = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    theirs = stats.norm.isf(peer["P_BOLT_LMM_INF"] / 2) ** 2
    none = np.empty((500, 0))
    for way in ("exact", "cg"):
        found, _ = scan(genomes, traits, none, way=way)
        own = chi_square(found)[:, 0]
        assert np.corrcoef(own, theirs)[0, 1] > 0.99
        assert own.mean() / theirs.mean() == pytest.approx(1.0, abs=0.05)
