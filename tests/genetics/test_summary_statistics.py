"""GWAS-SSF files: what is written is read again, and what is wrong has a code."""

from __future__ import annotations

import gzip
import shutil
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from spinecast.errors import SpinecastError
from spinecast.genetics.summary_statistics import (
    MANDATORY,
    Provenance,
    known_build,
    read_summary_statistics,
    write_gwas_ssf,
)

from .association_tables import associations

PROVENANCE = Provenance(
    build="hg38", trait="Spine bone density", samples=5000, covariates=("age", "sex")
)


def written(tmp_path, table, name="bmd.tsv.gz", **changes):
    path = tmp_path / name
    write_gwas_ssf(path, table, Provenance(**(vars(PROVENANCE) | changes)))
    return path


@pytest.mark.parametrize("name", ["bmd.tsv", "bmd.tsv.gz"])
def test_a_table_survives_being_written_and_read(tmp_path, name):
    table = associations(50)
    again = read_summary_statistics(written(tmp_path, table, name))
    assert again.build == "GRCh38"
    columns = ["chromosome", "base_pair_location", "effect_allele", "other_allele", "variant_id"]
    pd.testing.assert_frame_equal(again.table[columns], table[columns])
    for column in ("beta", "standard_error", "effect_allele_frequency", "p_value", "n"):
        np.testing.assert_allclose(again.table[column], table[column], rtol=6e-6)


def test_large_tables_are_members_of_one_archive_that_every_reader_joins(tmp_path):
    table = associations(40_000)
    path = written(tmp_path, table)
    text = gzip.decompress(path.read_bytes()).decode()
    assert path.read_bytes().count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") >= 3
    assert text.count("\n") == len(table) + 1
    assert text == written(tmp_path, table, "bmd.tsv").read_text()
    read = pd.read_csv(path, sep="\t")
    assert read["study_variant_id"].tolist() == table["variant_id"].tolist()
    np.testing.assert_allclose(read["beta"], table["beta"], rtol=6e-6)
    if shutil.which("zcat"):
        assert subprocess.check_output(["zcat", path]).decode() == text


def test_texts_may_be_categories_or_arrows_and_give_the_same_bytes(tmp_path):
    table = associations(50)
    few = dict.fromkeys(("chromosome", "effect_allele", "other_allele"), "category")
    other = table.astype(few | {"variant_id": pd.ArrowDtype(pa.string()), "n": "int32"})
    first = written(tmp_path, table).read_bytes()
    assert written(tmp_path, other, "again.tsv.gz").read_bytes() == first


def test_mandatory_columns_come_first_and_chromosomes_are_numbers(tmp_path):
    table = associations(30).assign(chromosome=["X"] * 10 + ["MT"] * 10 + ["1"] * 10)
    path = written(tmp_path, table, "x.tsv")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert tuple(lines[0][:8]) == MANDATORY
    assert [line[0] for line in lines[1:]] == ["1"] * 10 + ["23"] * 10 + ["25"] * 10
    assert set(read_summary_statistics(path).table["chromosome"]) == {"1", "X", "MT"}


def test_no_p_value_is_zero_however_small(tmp_path):
    table = associations(z=np.array([80.0, -38.0, 36.9, 1.0]))
    path = written(tmp_path, table, "tiny.tsv")
    texts = [line.split("\t")[7] for line in path.read_text().splitlines()[1:]]
    assert texts[0].endswith("e-1392")
    assert "0" not in texts
    again = read_summary_statistics(path).table
    np.testing.assert_allclose(again["neg_log_10_p_value"], table["neg_log_10_p_value"], rtol=1e-5)


def test_variants_without_a_result_are_left_out(tmp_path):
    table = associations(10)
    table.loc[3, ["beta", "standard_error", "p_value", "neg_log_10_p_value"]] = np.nan
    assert len(read_summary_statistics(written(tmp_path, table)).table) == 9


def test_names_that_are_no_rs_numbers_are_kept(tmp_path):
    table = associations(4).assign(variant_id=["sim:1:10", "rs5", "1:5:A:G", "x_y"])
    path = written(tmp_path, table, reference_allele="OA")
    with gzip.open(path, "rt") as handle:
        columns = pd.read_csv(handle, sep="\t", dtype=str, keep_default_na=False)
    assert columns["rsid"].tolist() == ["#NA", "rs5", "#NA", "#NA"]
    assert columns["variant_id"].iloc[0] == "1_10000_G_A"
    assert (columns["ref_allele"] == "OA").all()
    assert read_summary_statistics(path).table["variant_id"].tolist() == [
        "sim:1:10", "rs5", "1:5:A:G", "x_y",
    ]  # fmt: skip


def test_the_same_table_gives_the_same_bytes(tmp_path):
    first = written(tmp_path, associations(40), "a.tsv.gz").read_bytes()
    second = written(tmp_path, associations(40), "b.tsv.gz").read_bytes()
    assert first == second


def test_metadata_say_build_samples_and_check_sum(tmp_path):
    import hashlib

    path = written(tmp_path, associations(10), cases=1342, controls=9142)
    content = yaml.safe_load((tmp_path / "bmd.yaml").read_text())
    assert content["genome_assembly"] == "GRCh38"
    assert content["trait_description"] == ["Spine bone density"]
    assert content["samples"][0]["case_count"] == 1342
    assert content["adjusted_covariates"] == ["age", "sex"]
    assert content["data_file_md5sum"] == hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["GRCh37", "hg19", "GRCh37.p13", "b37", "37"])
def test_a_build_is_known_by_all_its_names(name):
    assert known_build(name) == "GRCh37"


@pytest.mark.parametrize("name", [None, "", "hg17", "my genome"])
def test_an_unknown_build_is_refused(tmp_path, name):
    with pytest.raises(SpinecastError) as caught:
        written(tmp_path, associations(5), build=name)
    assert caught.value.code == "SC-510"
    assert not list(tmp_path.iterdir())


def test_a_table_without_metadata_needs_its_build_named(tmp_path):
    path = written(tmp_path, associations(5))
    (tmp_path / "bmd.yaml").unlink()
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(path)
    assert caught.value.code == "SC-510"
    assert read_summary_statistics(path, build="hg19").build == "GRCh37"


def test_metadata_that_contradict_the_named_build_are_refused(tmp_path):
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(written(tmp_path, associations(5)), build="GRCh37")
    assert caught.value.code == "SC-552"


def test_the_catalogs_own_layout_is_read(tmp_path):
    (tmp_path / "GCST1.tsv").write_text(
        "chromosome\tbase_pair_location\teffect_allele\tother_allele\todds_ratio\tstandard_error"
        "\teffect_allele_frequency\tp_value\trsid\n"
        "23\t24173186\tA\tC\t1.5\t0.08\t0.6\t2.3E-08\trs5949233\n"
        "1\t869388\tA\tG\t0.9\t0.01\t0.9\t1e-450\t#NA\n"
    )
    (tmp_path / "GCST1.tsv-meta.yaml").write_text("genome_assembly: GRCh37\n")
    read = read_summary_statistics(tmp_path / "GCST1.tsv")
    assert read.build == "GRCh37"
    assert read.table["variant_id"].tolist() == ["rs5949233", "1_869388_G_A"]
    assert read.table["beta"].to_numpy() == pytest.approx(np.log([1.5, 0.9]))
    assert read.table["neg_log_10_p_value"].to_numpy() == pytest.approx([7.638, 450.0], abs=1e-3)


def test_a_scans_parquet_is_read(tmp_path):
    associations(20).to_parquet(tmp_path / "bmd.parquet")
    read = read_summary_statistics(tmp_path / "bmd.parquet", build="38")
    assert len(read.table) == 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02\xff\xfe",
        b"chromosome\tbeta\n1\t0.1\n",
        b"chromosome\tbase_pair_location\n1\tfive\n",
        b"a\tb\n1\t2\t3\n",
    ],
)
def test_files_that_are_no_such_table_have_a_code(tmp_path, content):
    (tmp_path / "bad.tsv").write_bytes(content)
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(tmp_path / "bad.tsv", build="38")
    assert caught.value.code == "SC-554"
    assert "bad.tsv" in caught.value.message


def test_a_cut_off_archive_has_a_code(tmp_path):
    path = written(tmp_path, associations(400))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(path)
    assert caught.value.code == "SC-554"


def test_hostile_metadata_are_data_never_code(tmp_path):
    path = written(tmp_path, associations(5))
    (tmp_path / "bmd.yaml").write_text("!!python/object/apply:os.system ['touch /tmp/owned']\n")
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(path)
    assert caught.value.code == "SC-554"


def test_unreadable_p_values_are_named(tmp_path):
    path = written(tmp_path, associations(5), "p.tsv")
    path.write_text(path.read_text().replace(path.read_text().splitlines()[1].split("\t")[7], "x"))
    with pytest.raises(SpinecastError) as caught:
        read_summary_statistics(path)
    assert caught.value.code == "SC-554"
    assert "p_value" in caught.value.message
