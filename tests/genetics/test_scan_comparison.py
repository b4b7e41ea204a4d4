"""Two scans of the same people, compared in numbers instead of by eye."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.comparison import compare_scans, effective_sample_size_ratio
from spinecast.genetics.ld_score_tables import ReferenceScores
from spinecast.genetics.summary_statistics import SummaryStatistics

from .association_tables import associations, even_scores

SIZE = 2000


def scans(power: float, *, seed: int = 3) -> tuple[SummaryStatistics, SummaryStatistics]:
    """Two scans sharing their noise by half; the second sees 100 causal variants better."""
    rng = np.random.default_rng(seed)
    effect = np.zeros(SIZE)
    effect[::20] = rng.choice([-1, 1], SIZE // 20) * 5.0
    shared, own = rng.normal(size=(2, SIZE))
    first = effect + shared
    second = effect * np.sqrt(power) + (shared + own) / np.sqrt(2)
    return tuple(SummaryStatistics(associations(SIZE, z=z), "GRCh38") for z in (first, second))  # type: ignore[return-value]


def term(comparison, name):
    return comparison.estimates.set_index("term").loc[name]


def known() -> pd.DataFrame:
    return pd.DataFrame({"variant_id": [f"rs{k + 1}" for k in range(0, SIZE, 20)]})


def test_the_better_phenotype_needs_a_smaller_sample():
    found = compare_scans(*scans(1.5), known=known())
    ratio = term(found, "effective_sample_size_ratio")
    assert ratio["ci_low"] < 1.5 < ratio["ci_high"]
    assert ratio["ci_low"] > 1.0
    assert ratio["n"] == 100
    difference = term(found, "known_chi_square_difference")
    assert difference["estimate"] == pytest.approx(12.5, abs=4)
    assert difference["p_value"] < 0.001


def test_equal_phenotypes_differ_by_chance_only():
    rates = []
    for seed in range(20):
        found = compare_scans(*scans(1.0, seed=seed), known=known(), blocks=50)
        rates.append([term(found, name)["p_value"] < 0.05 for name in
                      ("effective_sample_size_ratio", "mean_chi_square_difference")])  # fmt: skip
    assert (np.sum(rates, axis=0) <= 4).all()


def test_loci_are_counted_and_matched():
    first, second = scans(1.5)
    found = compare_scans(first, second)
    counts = {name: term(found, f"loci_{name}")["estimate"] for name in ("first", "second")}
    assert counts["second"] > 0
    assert term(found, "loci_shared")["estimate"] <= min(counts.values())
    assert set(found.loci["scan"]) <= {"first", "second"}


def test_a_locus_inside_a_wide_one_of_the_other_scan_is_shared():
    z = np.full(SIZE, 0.1)
    z[10:60] = 8.0
    narrow = np.full(SIZE, 0.1)
    narrow[35] = 8.0
    pair = [SummaryStatistics(associations(SIZE, z=v), "GRCh38") for v in (z, narrow)]
    found = compare_scans(*pair, distance=30_000)
    assert found.loci["shared"].tolist() == [True, True]


def test_genetic_correlation_is_given_with_ld_scores():
    ld = even_scores(SIZE)
    rng = np.random.default_rng(5)
    shared = rng.normal(size=SIZE) * np.sqrt(0.5 * 5000 * ld / 5000)
    pair = [
        SummaryStatistics(associations(SIZE, z=shared + rng.normal(size=SIZE)), "GRCh38")
        for _ in range(2)
    ]
    places = pair[0].table[["chromosome", "base_pair_location", "variant_id"]]
    panel = ReferenceScores(places.assign(ld_score=ld), 5000.0)
    rg = term(compare_scans(*pair, ld_scores=panel, blocks=50), "rg")
    assert rg["estimate"] == pytest.approx(1.0, abs=0.1)
    assert "rg" not in set(compare_scans(*pair).estimates["term"])


def test_two_builds_are_never_compared():
    first, second = scans(1.0)
    with pytest.raises(SpinecastError) as caught:
        compare_scans(first, SummaryStatistics(second.table, "GRCh37"))
    assert caught.value.code == "SC-552"


def test_other_variants_under_the_same_names_are_refused():
    first, second = scans(1.0)
    other = second.table.assign(effect_allele="A", other_allele="AT")
    with pytest.raises(SpinecastError) as caught:
        compare_scans(first, SummaryStatistics(other, "GRCh38"))
    assert caught.value.code == "SC-553"


def test_too_few_known_loci_give_no_ratio():
    assert np.isnan(
        effective_sample_size_ratio(np.array([9.0, 9.0]), np.array([9.0, 9.0])).estimate
    )
    found = compare_scans(*scans(1.0), known=known().iloc[:2])
    assert "effective_sample_size_ratio" not in set(found.estimates["term"])
    assert len(found.known) == 2


def test_the_ratio_of_a_scan_to_itself_is_one_without_error():
    chi = np.array([30.0, 50.0, 12.0, 80.0])
    ratio = effective_sample_size_ratio(chi, chi)
    assert ratio.estimate == 1.0
    assert ratio.standard_error == pytest.approx(0.0, abs=1e-12)
