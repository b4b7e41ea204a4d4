"""LD scores as files, and LD score regression from tables to estimates."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import SpinecastError
from spinecast.genetics.ld_score import heritability
from spinecast.genetics.ld_score_tables import (
    ReferenceScores,
    estimate_genetic_correlation,
    estimate_heritability,
    read_ld_scores,
    reference_scores,
    write_ld_scores,
)
from spinecast.genetics.ld_scores import LDScores
from spinecast.genetics.munging import munge

from .association_tables import associations, even_scores


def scores(size: int = 400) -> ReferenceScores:
    table = associations(size)[["chromosome", "base_pair_location", "variant_id"]]
    return ReferenceScores(table.assign(ld_score=even_scores(size)), 5000.0)


def polygenic(seed: int, h2: float = 0.5, size: int = 400) -> pd.DataFrame:
    z = np.random.default_rng(seed).normal(size=size)
    return associations(size, z=z * np.sqrt(1 + h2 * 5000 * even_scores(size) / 5000), seed=seed)


def test_what_was_written_is_read_again(tmp_path):
    write_ld_scores(tmp_path, scores())
    again = read_ld_scores(tmp_path)
    assert again.m == 5000
    np.testing.assert_allclose(again.table["ld_score"], scores().table["ld_score"], rtol=1e-5)
    columns = ["chromosome", "base_pair_location", "variant_id"]
    pd.testing.assert_frame_equal(again.table[columns], scores().table[columns])


def test_a_file_for_each_chromosome_is_one_set_in_genome_order(tmp_path):
    lines = "CHR\tSNP\tBP\tCM\tMAF\tL2\n"
    (tmp_path / "10.l2.ldscore").write_text(lines + "10\trs3\t5\t0\t0.1\t2.5\n")
    with gzip.open(tmp_path / "2.l2.ldscore.gz", "wt") as handle:
        handle.write(lines + "2\trs2\t9\t0\t0.1\t1.5\n2\trs1\t4\t0\t0.2\t1.25\n")
    for name, m in (("10", "7"), ("2", "5.5")):
        (tmp_path / f"{name}.l2.M_5_50").write_text(f"{m}\n")
    read = read_ld_scores(tmp_path)
    assert read.table["variant_id"].tolist() == ["rs1", "rs2", "rs3"]
    assert read.m == 12.5


@pytest.mark.parametrize(
    ("text", "m"),
    [
        (None, None),
        ("CHR SNP BP L2\n1 rs1 5 2.0\n", None),
        ("CHR SNP BP L2\n1 rs1 5 2.0\n", "many"),
        ("CHR SNP BP L2\n1 rs1 5 two\n", "10"),
        ("CHR SNP BP L2 L3\n1 rs1 5 2.0 3.0\n", "10"),
        ("SNP BP L2\nrs1 5 2.0\n", "10"),
        ("", "10"),
        ("CHR SNP BP L2\n1 rs1 5\n", "10"),
    ],
)
def test_unreadable_scores_are_refused_with_a_code(tmp_path, text, m):
    if text is not None:
        (tmp_path / "ld.l2.ldscore").write_text(text)
    if m is not None:
        (tmp_path / "ld.l2.M_5_50").write_text(m)
    with pytest.raises(SpinecastError) as caught:
        read_ld_scores(tmp_path)
    assert caught.value.code == "SC-557"


def test_a_cut_off_archive_is_refused_with_a_code(tmp_path):
    write_ld_scores(tmp_path, scores())
    whole = (tmp_path / "ld.l2.ldscore.gz").read_bytes()
    (tmp_path / "ld.l2.ldscore.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SpinecastError) as caught:
        read_ld_scores(tmp_path)
    assert caught.value.code == "SC-557"


def test_computed_scores_count_common_variants():
    table = scores().table.assign(maf=np.where(np.arange(400) < 300, 0.2, 0.02))
    assert reference_scores(LDScores(table, constant=3)).m == 300


def test_a_table_is_joined_to_its_scores_whatever_its_order():
    table = polygenic(1)
    shuffled = table.sample(frac=1, random_state=2)
    direct = heritability(
        munge(table).table["z"], np.full(400, 5000.0), even_scores(400), m=5000, blocks=20
    )
    joined = estimate_heritability(munge(shuffled), scores(), blocks=20)
    assert joined.h2.estimate == pytest.approx(direct.h2.estimate, rel=1e-9)
    assert joined.h2.standard_error == pytest.approx(direct.h2.standard_error, rel=1e-9)


def test_swapped_alleles_in_one_table_do_not_change_the_correlation():
    first, second = polygenic(1), polygenic(1)
    second["beta"] += polygenic(2)["beta"]
    turned = second.rename(
        columns={"effect_allele": "other_allele", "other_allele": "effect_allele"}
    ).assign(beta=-second["beta"])
    straight, other = (
        estimate_genetic_correlation(munge(first), munge(table), scores(), blocks=20)
        for table in (second, turned)
    )
    assert other.rg.estimate == pytest.approx(straight.rg.estimate, rel=1e-12)


def test_names_that_no_score_knows_are_said():
    with pytest.raises(SpinecastError) as caught:
        estimate_heritability(
            munge(polygenic(1).assign(variant_id=[f"v{k}" for k in range(400)])), scores()
        )
    assert caught.value.code == "SC-556"
    assert "0 of 400" in caught.value.message
