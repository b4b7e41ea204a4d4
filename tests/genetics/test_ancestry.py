from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import ancestry
from spinecast.genetics.ancestry import ancestry_distance, principal_components, project_components
from spinecast.genetics.krylov import leading_eigenpairs
from spinecast.genetics.long_range_ld import long_range_regions, outside_long_range
from spinecast.seeds import generator

from .linked_panels import InMemory, opened, read_peer, run_peer, tables

N, V = 120, 1500
GROUP = np.arange(N) % 4  # four groups: three components tell them


def structured_calls() -> np.ndarray:
    rng = np.random.default_rng(6)
    base = rng.uniform(0.1, 0.9, (V, 1))
    spread = np.array([0.0, 0.16, 0.12, 0.09])
    frequency = np.clip(base + rng.normal(0, 1, (V, 4)) * spread, 0.02, 0.98)
    calls = rng.binomial(2, frequency[:, GROUP])
    calls[7] = 1
    return np.where(rng.random((V, N)) < 0.005, -1, calls).astype(np.int8)


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    chromosomes = ["1"] * 800 + ["9"] * 690 + ["X"] * 10
    return opened(tmp_path_factory.mktemp("ancestry"), structured_calls(), chromosomes)


def fitted(genotypes, **settings):
    every = np.arange(genotypes.n_variants)
    return principal_components(
        genotypes, variants=every, generator=generator(1, "components"), **settings
    )


def same_up_to_sign(ours, theirs):
    return [abs(np.corrcoef(a, b)[0, 1]) for a, b in zip(ours.T, theirs.T, strict=True)]


def test_components_are_the_eigenvectors_of_the_relationship_matrix(genotypes):
    calls = structured_calls()[:1490].astype(float)
    calls[calls < 0] = np.nan
    varies = np.nanmax(calls, axis=1) > np.nanmin(calls, axis=1)
    calls = calls[varies]
    mean = np.nanmean(calls, axis=1, keepdims=True)
    z = np.nan_to_num((calls - mean) / np.sqrt(mean * (1 - mean / 2)))
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    found = fitted(genotypes, count=5, tolerance=1e-4)
    np.testing.assert_allclose(found.eigenvalues, values[::-1][:5], rtol=1e-5)
    assert min(same_up_to_sign(found.scores.to_numpy(), vectors[:, ::-1][:, :5])) > 0.99999
    assert found.constant == (~varies).sum() >= 1


def test_components_equal_plinks_up_to_sign(genotypes):
    found = fitted(genotypes, count=3)
    stem = genotypes.paths[0].with_suffix("")
    out = run_peer("plink2", stem, "--autosome", "--pca", "3")
    theirs = read_peer(out.with_suffix(".eigenvec"))
    vectors = theirs[["PC1", "PC2", "PC3"]].to_numpy()
    assert min(same_up_to_sign(found.scores.to_numpy(), vectors)) > 0.999
    assert found.scores.index.tolist() == theirs["IID"].tolist()


def test_samples_come_out_in_the_order_asked_for(genotypes):
    people = np.random.default_rng(0).permutation(N)[:100]
    found = fitted(genotypes, samples=people, count=2)
    ids = genotypes.samples["sample_id"].to_numpy()
    assert found.scores.index.tolist() == ids[people].tolist()
    first = found.scores["PC1"].to_numpy()
    means = [first[GROUP[people] == k].mean() for k in range(4)]
    assert np.ptp(means) > 5 * max(first[GROUP[people] == k].std() for k in range(4)) / 10


def test_projecting_the_same_people_gives_their_scores_back_whatever_the_allele_order(genotypes):
    found = fitted(genotypes, count=3)
    turned = found.loadings.copy()
    swap = np.arange(len(turned)) % 2 == 0
    turned.loc[swap, ["effect_allele", "other_allele"]] = ["C", "A"]
    names = ["PC1", "PC2", "PC3"]
    turned.loc[swap, names] *= -1
    turned.loc[swap, "effect_allele_frequency"] = 1 - turned.loc[swap, "effect_allele_frequency"]
    for loadings in (found.loadings, turned):
        projected = project_components(genotypes, loadings)
        np.testing.assert_allclose(projected, found.scores, atol=2e-3)


def test_people_left_out_of_the_components_land_with_their_group(genotypes):
    inside = np.flatnonzero(np.arange(N) % 3 > 0)
    found = fitted(genotypes, samples=inside, count=3)
    everybody = project_components(genotypes, found.loadings).to_numpy()
    centres = np.stack([everybody[inside][GROUP[inside] == k].mean(axis=0) for k in range(4)])
    outside = np.setdiff1d(np.arange(N), inside)
    away = np.linalg.norm(everybody[outside][:, None] - centres, axis=2)
    assert (away.argmin(axis=1) == GROUP[outside]).mean() > 0.9


def test_loadings_of_other_variants_are_refused(genotypes):
    loadings = fitted(genotypes, count=2).loadings
    with pytest.raises(SpinecastError, match="SC-524"):
        project_components(genotypes, loadings.assign(effect_allele="T"))


def test_too_few_samples_for_so_many_components_are_refused(genotypes):
    with pytest.raises(SpinecastError, match="SC-526"):
        fitted(genotypes, samples=np.arange(12), count=10)


def test_the_distance_is_the_sum_of_squared_standard_scores(genotypes):
    scores = fitted(genotypes, count=6).scores
    reference = GROUP == 0
    values = scores.to_numpy()
    centre, spread = values[reference].mean(axis=0), values[reference].std(axis=0, ddof=1)
    expected = [sum((row - centre) ** 2 / spread**2) for row in values]
    distance = ancestry_distance(scores, reference)
    np.testing.assert_allclose(distance, expected)
    assert (distance[reference] < ancestry.LARGEST_DISTANCE).all()
    assert distance[GROUP == 1].min() > distance[reference].max()


@pytest.mark.parametrize(("reference", "code"), [([0, 1], "SC-526"), ([], "SC-526")])
def test_a_reference_of_nobody_has_no_spread(genotypes, reference, code):
    scores = fitted(genotypes, count=2).scores
    with pytest.raises(SpinecastError, match=code):
        ancestry_distance(scores, np.isin(np.arange(N), reference), count=2)
    with pytest.raises(SpinecastError, match="SC-525"):
        ancestry_distance(scores, GROUP == 0)


def test_close_eigenvalues_settle_in_few_passes_and_what_has_not_settled_is_said():
    rng = np.random.default_rng(2)
    q = np.linalg.qr(rng.standard_normal((300, 300)))[0]
    values = 1.0 + np.linspace(1, 0, 300) ** 3
    matrix = (q * values) @ q.T
    start = rng.standard_normal((300, 14))
    found = leading_eigenpairs(lambda x: matrix @ x, start, 4, tolerance=1e-4)
    np.testing.assert_allclose(found.eigenvalues, values[:4], rtol=1e-7)
    assert found.passes < 20
    early = leading_eigenpairs(lambda x: matrix @ x, start, 4, tolerance=1e-9, most_passes=2)
    assert early.residuals.max() > 1e-3 > 1e-4 >= found.residuals.max()
    away = matrix @ early.vectors - early.vectors * early.eigenvalues
    np.testing.assert_allclose(
        np.linalg.norm(away, axis=0) / early.eigenvalues, early.residuals, rtol=1e-6
    )


def test_a_matrix_of_low_rank_is_exhausted_without_complaint():
    rng = np.random.default_rng(3)
    root = rng.standard_normal((40, 3))
    found = leading_eigenpairs(lambda x: root @ (root.T @ x), rng.standard_normal((40, 12)), 3)
    np.testing.assert_allclose(
        found.eigenvalues, np.linalg.eigvalsh(root.T @ root)[::-1], rtol=1e-9
    )


@pytest.mark.parametrize(
    ("build", "inside", "outside"),
    [("GRCh37", 31_000_000, 36_000_000), ("GRCh38", 35_090_000, 35_200_000)],
)
def test_the_hla_is_left_out_in_both_builds(build, inside, outside):
    samples, variants = tables(3, ["6", "6", "7"])
    variants["base_pair_location"] = [inside, outside, inside]
    found = outside_long_range(InMemory(samples, variants, np.zeros((3, 3))), build=build)
    assert found.tolist() == [1, 2]


def test_regions_are_of_both_builds_and_nothing_is_guessed():
    sizes = {
        build: [end - start for _, start, end in long_range_regions(build)]
        for build in ("GRCh37", "GRCh38")
    }
    assert len(sizes["GRCh37"]) == len(sizes["GRCh38"]) == 24
    assert all(2e6 < size < 15e6 for both in sizes.values() for size in both)
    samples, variants = tables(3, ["1"])
    with pytest.raises(SpinecastError, match="SC-510"):
        outside_long_range(InMemory(samples, variants, np.zeros((1, 3))))
