from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import linalg

from spinecast.errors import SpinecastError
from spinecast.genetics.relationship import WHOLE, open_relationship
from spinecast.genetics.reml import Spectrum, fit_h2
from spinecast.genetics.ridge import STRENGTHS, deal_folds
from spinecast.genetics.whole_genome import whole_genome_memory, whole_genome_model
from spinecast.seeds import generator

from .small_genomes import make_genomes

NONE = np.empty((300, 0))


@pytest.fixture(scope="module")
def genomes(tmp_path_factory):
    return make_genomes(tmp_path_factory.mktemp("genomes"), people=300, chromosomes=4, each=100)


@pytest.fixture(scope="module")
def covariates(genomes):
    return np.column_stack([genomes.ancestry, np.random.default_rng(1).standard_normal(300)])


@pytest.fixture(scope="module")
def traits(genomes, covariates):
    rng = np.random.default_rng(2)
    return 10.0 + 3.0 * genomes.polygenic(rng, 3, h2=0.6) + covariates[:, [1]]


def written_out(genomes, design, y, *, out, h2):
    """The mixed model's prediction without chromosome ``out``, by dense matrices."""
    kept = np.flatnonzero(genomes.chromosomes != out)
    z = genomes.standardised(kept)
    q = linalg.orth(design)
    rest = np.eye(len(y)) - q @ q.T
    k = rest @ (z.T @ z / len(z)) @ rest
    own = rest @ y
    return own - (1 - h2) * linalg.solve(h2 * k + (1 - h2) * np.eye(len(y)), own)


@pytest.mark.parametrize("way", ["exact", "cg"])
def test_the_prediction_is_the_mixed_models_without_the_chromosome(
    genomes, covariates, traits, way
):
    fit = whole_genome_model(genomes.blocks(), traits, covariates, way=way, tolerance=1e-6)
    design = np.column_stack([np.ones(300), covariates])
    assert fit.variants == 400
    assert list(fit.loco) == ["1", "2", "3", "4"]
    for out in ("1", "3", "none"):
        for t in range(3):
            truth = written_out(genomes, design, traits[:, t], out=out, h2=fit.h2[t])
            np.testing.assert_allclose(fit.prediction(out)[:, t], truth, atol=2e-4)


def test_many_traits_take_the_eigendecomposition_and_get_the_same(genomes, covariates):
    many = genomes.polygenic(np.random.default_rng(3), 14, h2=0.5)
    fit = whole_genome_model(genomes.blocks(), many, covariates, way="exact")
    few = whole_genome_model(genomes.blocks(), many[:, 4:6], covariates, way="exact")
    np.testing.assert_allclose(fit.loco["2"][:, 4:6], few.loco["2"], atol=1e-5)
    np.testing.assert_allclose(fit.calibration[4:6], few.calibration, rtol=1e-6)


def test_the_two_ways_agree_but_for_the_sampled_determinant(genomes, covariates, traits):
    exact = whole_genome_model(genomes.blocks(), traits, covariates, way="exact")
    for probes, share in ((None, 0.25), (1000, 0.1)):
        cg = whole_genome_model(genomes.blocks(), traits, covariates, way="cg", probes=probes)
        assert np.all(np.abs(cg.h2 - exact.h2) < share * exact.h2_error)
        np.testing.assert_allclose(cg.h2_error, exact.h2_error, rtol=0.1)
        np.testing.assert_allclose(cg.calibration, exact.calibration, rtol=0.2 * share)
    for t in range(3):
        assert np.corrcoef(cg.loco["1"][:, t], exact.loco["1"][:, t])[0, 1] > 0.999


def test_h2_is_recovered_over_many_traits(genomes):
    # In founders and siblings of one panel the standard error of one trait is about 0.12.
    many = genomes.polygenic(np.random.default_rng(4), 60, h2=0.5)
    fit = whole_genome_model(genomes.blocks(), many, NONE, way="exact")
    error = fit.h2.std() / np.sqrt(60)
    assert error < 0.025
    assert abs(fit.h2.mean() - 0.5) < 3 * error + 0.01
    assert np.median(fit.h2_error) == pytest.approx(fit.h2.std(), rel=0.35)


@pytest.mark.parametrize("way", ["exact", "cg", "ridge"])
def test_a_trait_does_not_feel_the_others_or_their_gaps(genomes, covariates, traits, way):
    gaps = traits.copy()
    gaps[::7, 1] = np.nan
    gaps[3::5, 2] = np.nan
    together = whole_genome_model(genomes.blocks(), gaps, covariates, way=way)
    for t in range(3):
        alone = whole_genome_model(genomes.blocks(), gaps[:, [t]], covariates, way=way)
        np.testing.assert_allclose(alone.loco["2"][:, 0], together.loco["2"][:, t], atol=2e-3)
        if way != "ridge":
            assert alone.h2[0] == pytest.approx(together.h2[t], abs=1e-4)
        assert not together.loco["2"][np.isnan(gaps[:, t]), t].any()


@pytest.mark.parametrize("way", ["exact", "cg"])
def test_people_without_the_trait_might_as_well_not_be_there(genomes, covariates, traits, way):
    present = np.arange(300) % 6 != 0
    gaps = np.where(present[:, None], traits, np.nan)[:, :1]
    fit = whole_genome_model(genomes.blocks(), gaps, covariates, way=way, tolerance=1e-6)
    z = genomes.standardised(np.flatnonzero(genomes.chromosomes != "4"))[:, present]
    q = linalg.orth(np.column_stack([np.ones(300), covariates])[present])
    rest = np.eye(present.sum()) - q @ q.T
    own, k = rest @ traits[present, 0], rest @ (z.T @ z / len(z)) @ rest
    h2 = fit.h2[0]
    solved = linalg.solve(h2 * k + (1 - h2) * np.eye(len(k)), own)
    np.testing.assert_allclose(fit.loco["4"][present, 0], own - (1 - h2) * solved, atol=2e-4)


def test_h2_of_the_exact_way_comes_from_all_the_models_variants(genomes, covariates, traits):
    fit = whole_genome_model(genomes.blocks(), traits[:, :1], covariates, way="exact")
    z = genomes.standardised()
    complement = linalg.null_space(np.column_stack([np.ones(300), covariates]).T)
    values, vectors = linalg.eigh(complement.T @ (z.T @ z / len(z)) @ complement)
    shares = (vectors.T @ complement.T @ traits[:, 0]) ** 2
    logs = Spectrum(values[None], np.full((1, values.size), 1 / values.size))
    own = fit_h2(
        Spectrum(values[None], shares[None] / shares.sum()), logs.mean_log, degrees=values.size
    )
    assert fit.h2[0] == pytest.approx(own.h2, abs=1e-3)


def test_what_does_not_fit_in_memory_is_read_again_with_the_same_result(genomes, traits):
    kept = whole_genome_model(genomes.blocks(), traits, NONE, way="cg")
    again = whole_genome_model(genomes.blocks(), traits, NONE, way="cg", memory=100_000)
    relationship = open_relationship(genomes.blocks(), memory=100_000)
    assert 0 < len(relationship.tiles) < len(relationship.blocks)
    np.testing.assert_array_equal(kept.loco["1"], again.loco["1"])


def test_variants_that_cannot_serve_are_left_out_and_counted(tmp_path, traits):
    genomes = make_genomes(tmp_path, people=300, chromosomes=4, each=100)
    calls = genomes.calls.copy()
    calls[5], calls[150], calls[151] = 0, 2, 0
    calls[151, :4] = 1  # four copies of the rarer allele
    variants = genomes.genotypes.variants.copy()
    variants.loc[300:, "chromosome"] = "X"
    from spinecast.genotypes import GenotypeBlocks, open_genotypes, write_bed

    path = write_bed(
        tmp_path / "other", samples=genomes.genotypes.samples, variants=variants, calls=[calls]
    )
    blocks = GenotypeBlocks(open_genotypes(path), size=64)
    for way in ("exact", "cg", "ridge"):
        fit = whole_genome_model(blocks, traits, NONE, way=way)
        assert fit.variants == 297
        assert fit.left_out == {"constant or rarer than asked": 3, "not autosomal": 100}
        assert list(fit.loco) == ["1", "2", "3"]
        assert fit.prediction("X") is fit.whole
        assert np.isfinite(fit.whole).all()
    everything = whole_genome_model(blocks, traits, NONE, way="exact", least_copies=4)
    assert everything.variants == 298


def test_a_model_of_one_chromosome_predicts_nothing_for_it(genomes, traits):
    blocks = dataclasses.replace(genomes.blocks(), variants=np.arange(100))
    for way in ("exact", "cg", "ridge"):
        fit = whole_genome_model(blocks, traits, NONE, way=way)
        np.testing.assert_allclose(fit.loco["1"], 0.0, atol=1e-5)
        assert np.abs(fit.whole).max() > 0.1


def ridge_written_out(genomes, y, *, folds, size):
    """Both levels in plain loops; the prediction without chromosome 2 and the share."""
    y = (y - y.mean()) / y.std(ddof=1)
    z = genomes.standardised()
    parts, of_block = [], []
    for chromosome in np.unique(genomes.chromosomes):
        places = np.flatnonzero(genomes.chromosomes == chromosome)
        for start in range(0, len(places), size):
            x = z[places[start : start + size]].T
            for share in STRENGTHS:
                column, penalty = np.zeros(len(y)), len(z) * (1 - share) / share
                for fold in range(5):
                    train, test = folds != fold, folds == fold
                    gram = x[train].T @ x[train] + penalty * np.eye(x.shape[1])
                    column[test] = x[test] @ linalg.solve(gram, x[train].T @ y[train])
                parts.append(column / np.sqrt((column**2).mean()))
                of_block.append(chromosome)
    w, best = np.column_stack(parts), (np.inf, None)
    for share in STRENGTHS:
        penalty, whole, without = w.shape[1] * (1 - share) / share, np.zeros(300), np.zeros(300)
        for fold in range(5):
            train, test = folds != fold, folds == fold
            gram = w[train].T @ w[train] + penalty * np.eye(w.shape[1])
            effects = linalg.solve(gram, w[train].T @ y[train])
            whole[test] = w[test] @ effects
            without[test] = (w[test] * (np.array(of_block) != "2")) @ effects
        loss = ((y - whole) ** 2).sum()
        if loss < best[0]:
            best = (loss, without)
    return best[1] - best[1].mean(), 1 - best[0] / (y @ y)


def test_ridge_is_its_two_levels_written_out(genomes, traits):
    fit = whole_genome_model(genomes.blocks(size=50), traits, NONE, way="ridge", seed=5)
    folds = deal_folds(300, 5, rng=generator(5, "genetics", "ridge folds"))
    assert np.bincount(folds).tolist() == [60] * 5
    for t in range(3):
        truth, share = ridge_written_out(genomes, traits[:, t], folds=folds, size=50)
        assert share > 0.05
        assert fit.predicted[t] == pytest.approx(share, abs=1e-4)
        scale = traits[:, t].std(ddof=1)
        np.testing.assert_allclose(fit.loco["2"][:, t], truth * scale, atol=2e-3)


def test_ridge_predicts_little_of_noise_and_much_of_genetics(genomes):
    rng = np.random.default_rng(6)
    noise, genetic = rng.standard_normal((300, 15)), genomes.polygenic(rng, 15, h2=0.6)
    fit = whole_genome_model(
        genomes.blocks(size=50), np.hstack([noise, genetic]), NONE, way="ridge"
    )
    assert np.mean(fit.predicted[:15]) < 0.05
    assert np.mean(fit.predicted[15:]) > 0.15
    silent = ~fit.whole.any(axis=0)
    assert (silent == (fit.predicted <= 0)).all()


@pytest.mark.long
def test_ridge_on_two_processes_gives_the_same_bytes(genomes, traits):
    here = whole_genome_model(genomes.blocks(), traits, NONE, way="ridge")
    there = whole_genome_model(genomes.blocks(), traits, NONE, way="ridge", cluster="processes:2")
    np.testing.assert_array_equal(here.loco["3"], there.loco["3"])


def test_ridge_by_tasks_gives_the_same_bytes(genomes, traits):
    here = whole_genome_model(genomes.blocks(), traits, NONE, way="ridge")
    there = whole_genome_model(genomes.blocks(), traits, NONE, way="ridge", cluster="threads")
    np.testing.assert_array_equal(here.loco["3"], there.loco["3"])


def test_products_with_the_relationship_are_those_of_the_matrix(genomes):
    relationship = open_relationship(genomes.blocks(), memory=0)
    rng = np.random.default_rng(7)
    columns, left_out = rng.standard_normal((300, 4)), np.array([WHOLE, 0, 2, WHOLE])
    found = relationship.times(columns, left_out)
    for column, place in enumerate(left_out):
        kept = genomes.chromosomes != (str(place + 1) if place != WHOLE else "none")
        z = genomes.standardised(np.flatnonzero(kept))
        np.testing.assert_allclose(
            found[:, column], z.T @ (z @ columns[:, column]) / len(z), atol=1e-5
        )
    z = genomes.standardised()
    np.testing.assert_allclose(relationship.diagonal(), (z**2).mean(axis=0), rtol=1e-5)


def test_input_that_cannot_be_modelled_is_refused_with_a_code(genomes, covariates, traits):
    def refused(code, *arguments, **settings):
        with pytest.raises(SpinecastError) as caught:
            whole_genome_model(*arguments, **settings)
        assert caught.value.code == code

    blocks = genomes.blocks()
    refused("SC-542", blocks, traits, covariates, way="bayes")
    lonely = np.where(np.arange(300)[:, None] < 12, traits, np.nan)
    refused("SC-540", blocks, lonely, covariates)
    refused("SC-534", blocks, covariates[:, :1], covariates)
    refused("SC-541", blocks, traits, covariates, least_copies=301.0)


@pytest.mark.parametrize("way", ["exact", "cg", "ridge"])
def test_progress_only_goes_forward_and_ends_at_the_whole(genomes, traits, way):
    heard = []
    whole_genome_model(
        genomes.blocks(), traits, NONE, way=way, progress=lambda done, of: heard.append((done, of))
    )
    done = [at for at, _ in heard]
    assert len(heard) > 2
    assert done == sorted(done)
    assert heard[-1][0] == heard[-1][1]
    assert len({of for _, of in heard}) == 1


def test_the_memory_said_beforehand_grows_with_people_and_traits_and_names_the_way():
    small = whole_genome_memory(1_000, 20_000, 1)
    assert small > 5 * 8 * 1_000**2  # exact: a handful of matrices of people by people
    assert whole_genome_memory(5_000, 20_000, 1) < 1.2 * 2**30
    assert whole_genome_memory(5_000, 20_000, 1, way="exact") > 5 * 8 * 5_000**2
    assert whole_genome_memory(400_000, 500_000, 100) > whole_genome_memory(400_000, 500_000, 1)
    with pytest.raises(SpinecastError, match="SC-542"):
        whole_genome_memory(10, 10, 1, way="bayes")
