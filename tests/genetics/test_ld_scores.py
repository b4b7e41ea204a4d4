from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import ld_scores as module
from spinecast.genetics.ld_scores import compute_ld_scores

from .linked_panels import InMemory, linked_calls, opened, tables

V, N = 400, 90
CHROMOSOMES = ["1"] * 250 + ["2"] * 140 + ["X"] * 10


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    calls = linked_calls(N, V, seed=21, missing=0.02)
    calls[50] = 1
    return opened(tmp_path_factory.mktemp("scores"), calls, CHROMOSOMES)


def dense(genotypes, coordinates, reach):
    """Every pair of a chromosome at once, missing as the mean."""
    dosages = genotypes.dosages(np.arange(390)).astype(float)
    mean = np.nanmean(dosages, axis=1, keepdims=True)
    z = np.nan_to_num(dosages - mean)
    length = np.linalg.norm(z, axis=1, keepdims=True)
    z = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    r2 = (z @ z.T) ** 2
    adjusted = r2 - (1 - r2) / (N - 2)
    same = np.array(CHROMOSOMES[:390])[:, None] == np.array(CHROMOSOMES[:390])
    near = np.abs(coordinates[:, None] - coordinates) <= reach
    varies = (length > 0).ravel()
    return (adjusted * (same & near & varies)).sum(axis=1)[varies]


@pytest.mark.parametrize(("unit", "window"), [("variants", 30), ("kb", 77.5), ("cM", 0.8)])
@pytest.mark.parametrize("block", [512, 7])
def test_scores_are_the_sums_over_the_dense_matrix(genotypes, monkeypatch, unit, window, block):
    monkeypatch.setattr(module, "_SMALLEST_BLOCK", block)
    variants = genotypes.variants.iloc[:390]
    coordinates = {
        "variants": np.concatenate([np.arange(250.0), np.arange(140.0)]),
        "kb": variants["base_pair_location"].to_numpy() / 1000,
        "cM": variants["centimorgans"].to_numpy(),
    }[unit]
    found = compute_ld_scores(genotypes, window=window, unit=unit)
    expected = dense(genotypes, coordinates, window)
    np.testing.assert_allclose(found.table["ld_score"], expected, rtol=1e-4, atol=1e-4)
    assert found.constant == 1
    assert found.n_variants == 389
    assert "rs50" not in set(found.table["variant_id"])


def test_common_variants_are_counted_apart(genotypes):
    found = compute_ld_scores(genotypes, window=5, unit="variants")
    assert found.n_common == (found.table["maf"] >= 0.05).sum()
    assert 0 < found.n_common < found.n_variants


def test_without_linkage_a_variant_tags_itself_alone():
    rng = np.random.default_rng(5)
    samples, variants = tables(200, ["1"] * 500)
    calls = rng.binomial(2, 0.3, (500, 200))
    found = compute_ld_scores(InMemory(samples, variants, calls), window=500, unit="variants")
    assert found.table["ld_score"].mean() == pytest.approx(1.0, abs=0.05)


def test_people_left_out_do_not_count(genotypes, tmp_path):
    people = np.arange(0, N, 2)
    calls = linked_calls(N, V, seed=21, missing=0.02)
    calls[50] = 1
    alone = opened(tmp_path, np.ascontiguousarray(calls[:, people]), CHROMOSOMES)
    found = compute_ld_scores(genotypes, window=9, unit="variants", samples=people).table
    np.testing.assert_allclose(
        found["ld_score"],
        compute_ld_scores(alone, window=9, unit="variants").table["ld_score"],
        rtol=1e-6,
    )


def test_a_missing_map_and_an_impossible_reach_are_refused(genotypes):
    samples, variants = tables(9, ["1"] * 4)
    calls = np.random.default_rng(1).integers(0, 3, (4, 9))
    with pytest.raises(SpinecastError, match="SC-523"):
        compute_ld_scores(InMemory(samples, variants.assign(centimorgans=np.nan), calls))
    with pytest.raises(SpinecastError, match="SC-525"):
        compute_ld_scores(genotypes, window=0)
    with pytest.raises(SpinecastError, match="SC-526"):
        compute_ld_scores(genotypes, samples=np.arange(2))
