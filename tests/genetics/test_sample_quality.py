from __future__ import annotations

import numpy as np
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics import sample_quality
from spinecast.genetics.sample_quality import (
    heterozygosity_outliers,
    sample_summary,
    select_people,
)

from .linked_panels import linked_calls, opened, read_peer, run_peer

CHROMOSOMES = ["1"] * 150 + ["2"] * 150 + ["X"] * 400 + ["Y"] * 8
N = 80


@pytest.fixture(scope="module")
def genotypes(tmp_path_factory):
    calls = linked_calls(N, len(CHROMOSOMES), seed=2, missing=0.03).astype(np.int16)
    rng = np.random.default_rng(1)
    calls[300:700] = rng.binomial(2, rng.uniform(0.2, 0.5, (400, 1)), (400, N))  # X
    calls[10] = np.where(calls[10] < 0, -1, 2)  # tells nothing of heterozygosity
    male = np.arange(N) % 2 == 0
    x, y = np.array(CHROMOSOMES) == "X", np.array(CHROMOSOMES) == "Y"
    once = (x | y)[:, None] & male
    calls = np.where(once & (calls == 1), 2, calls)
    calls[np.ix_(y, ~male)] = -1
    calls[x, 0] = calls[x, 5]  # XXY
    calls[x, 1] = np.where(calls[x, 1] == 1, 0, calls[x, 1])  # one X and no Y
    calls[:, 2] = np.where(np.arange(len(CHROMOSOMES)) % 3 == 0, -1, calls[:, 2])
    calls[:300, 3] = np.where(np.arange(300) % 2 == 0, 1, calls[:300, 3])  # a mixed sample
    folder = tmp_path_factory.mktemp("samples")
    return opened(folder, calls.astype(np.int8), CHROMOSOMES)


def test_missingness_and_heterozygosity_equal_plinks(genotypes):
    found = sample_summary(genotypes)
    out = run_peer("plink2", genotypes.paths[0].with_suffix(""), "--autosome", "--missing", "--het")
    theirs = read_peer(out.with_suffix(".smiss"))
    np.testing.assert_allclose(found["missing"], theirs["F_MISS"], rtol=2e-5, atol=1e-9)
    het = read_peer(out.with_suffix(".het"))
    assert found["observed_homozygous"].tolist() == het["O(HOM)"].tolist()
    assert found["called"].tolist() == het["OBS_CT"].tolist()
    np.testing.assert_allclose(found["expected_homozygous"], het["E(HOM)"], rtol=2e-5)
    np.testing.assert_allclose(found["heterozygosity_f"], het["F"], rtol=1e-3, atol=2e-5)


def test_inbreeding_on_x_tells_the_sexes_as_plink_does(genotypes):
    found = sample_summary(genotypes)
    out = run_peer("plink1.9", genotypes.paths[0].with_suffix(""), "--check-sex")
    theirs = read_peer(out.with_suffix(".sexcheck"))
    told = found["karyotype"].map({"XX": 2, "XXY": 2, "XY": 1, "X0": 1, "unclear": 0})
    np.testing.assert_allclose(found["x_f"], theirs["F"], atol=0.02)
    assert (told.to_numpy() == theirs["SNPSEX"].to_numpy()).mean() > 0.97


def test_karyotypes_that_are_neither_xx_nor_xy_are_told(genotypes):
    karyotype = sample_summary(genotypes)["karyotype"]
    assert karyotype[0] == "XXY"
    assert karyotype[1] == "X0"
    assert set(karyotype[4:]) == {"XX", "XY"}


def test_blocks_do_not_change_the_sums(genotypes, monkeypatch):
    whole = sample_summary(genotypes)
    monkeypatch.setattr(sample_quality, "_BLOCK", 11)
    parts = sample_summary(genotypes)
    np.testing.assert_allclose(
        whole["expected_homozygous"], parts["expected_homozygous"], rtol=1e-12
    )
    assert whole["called"].tolist() == parts["called"].tolist()


def test_without_sex_chromosomes_nobody_is_judged_by_them(genotypes):
    summary = sample_summary(genotypes, variants=np.arange(300))
    assert summary["x_f"].isna().all()
    flow = select_people(summary, deviations=100).flow.set_index("rule")["excluded"]
    assert flow["neither XX nor XY"] == 0


def test_without_autosomes_nobody_is_a_heterozygosity_outlier(genotypes):
    summary = sample_summary(genotypes, variants=np.arange(300, 700))
    assert summary["heterozygosity_f"].isna().all()
    assert not heterozygosity_outliers(summary).any()


def test_a_mixed_sample_is_a_heterozygosity_outlier(genotypes):
    outliers = heterozygosity_outliers(sample_summary(genotypes))
    assert outliers[3]
    assert outliers.sum() <= 3


def test_people_leave_under_the_first_rule_that_they_break(genotypes):
    summary = sample_summary(genotypes)
    summary.loc[10, "sex"] = 2  # reported as female, XY
    many = np.arange(N) == 20
    selection = select_people(summary, missing=0.1, marks={"more than ten relatives": many})
    flow = selection.flow
    assert flow["rule"].tolist()[0] == "missing calls above 0.1"
    excluded = flow.set_index("rule")["excluded"]
    assert excluded["missing calls above 0.1"] == 1
    assert excluded["more than ten relatives"] == 1
    assert excluded["neither XX nor XY"] == 2
    assert excluded["reported sex is not the genetic one"] == 1
    assert flow["excluded"].sum() + selection.places.size == N
    assert not {0, 1, 2, 3, 10, 20} & set(selection.places)


def test_marks_of_another_length_are_refused(genotypes):
    summary = sample_summary(genotypes, variants=np.arange(50))
    with pytest.raises(SpinecastError, match="SC-525"):
        select_people(summary, marks={"withdrawn": np.zeros(3, dtype=bool)})
