"""Tables of samples and variants as people write them: headers or none, blanks or tabs."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import GeneticsError, RunError
from spinecast.genotypes import open_genotypes
from spinecast.genotypes.sample_tables import read_fam, read_psam, read_sample_file
from spinecast.genotypes.variant_tables import (
    canonical_build,
    chromosome_length,
    read_bim,
    read_pvar,
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "families", "ids", "sexes"),
    [
        ("#FID IID SEX\nf a 1\nf b 2\n", ["f", "f"], ["a", "b"], [1, 2]),
        ("#IID\tSEX\tage\na\tF\t60\nb\tNA\t61\n", ["0", "0"], ["a", "b"], [2, 0]),
        ("##made=by hand\n#IID\na\nb\n", ["0", "0"], ["a", "b"], [0, 0]),
        ("f a 0 0 1 -9\nf b 0 0 0 -9\n", ["f", "f"], ["a", "b"], [1, 0]),
    ],
)
def test_a_psam_may_have_any_columns_or_no_header(tmp_path, text, families, ids, sexes) -> None:
    samples = read_psam(written(tmp_path / "x.psam", text))
    assert list(samples["family_id"]) == families
    assert list(samples["sample_id"]) == ids
    assert list(samples["sex"]) == sexes


def test_a_fam_may_lack_the_phenotype_and_a_header_without_iid_is_refused(tmp_path) -> None:
    assert list(read_fam(written(tmp_path / "x.fam", "f a 0 0 2\n"))["sex"]) == [2]
    with pytest.raises(GeneticsError, match=r"SC-505.*IID"):
        read_psam(written(tmp_path / "x.psam", "#FID NAME\nf a\n"))


@pytest.mark.parametrize(
    ("text", "families", "ids"),
    [
        ("ID_1 ID_2 missing sex\n0 0 0 D\nf a 0 1\ng b 0 2\n", ["f", "g"], ["a", "b"]),
        ("ID missing\n0 0\na 0\nb 0\n", ["0", "0"], ["a", "b"]),
        ("ID\n0\na\nb\n", ["0", "0"], ["a", "b"]),
    ],
)
def test_a_sample_file_has_two_header_lines(tmp_path, text, families, ids) -> None:
    samples = read_sample_file(written(tmp_path / "x.sample", text))
    assert list(samples["family_id"]) == families
    assert list(samples["sample_id"]) == ids


def test_a_sample_file_without_its_header_is_refused_not_shifted(tmp_path) -> None:
    for text in ("a 0\nb 0\n", "ID_1 ID_2\na a\nb b\n", "ID_1 ID_2\n"):
        with pytest.raises(GeneticsError, match=r"SC-505.*a line of names"):
            read_sample_file(written(tmp_path / "x.sample", text))
    with pytest.raises(GeneticsError, match=r"SC-506.*x\.sample, line 4.*"):
        read_sample_file(written(tmp_path / "x.sample", "ID\n0\na\na\n"))


def test_a_pvar_is_read_by_the_names_of_its_columns(tmp_path) -> None:
    text = "##fileformat=x\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tCM\n3\t70\trs1\tC\tT\t.\t0.5\n"
    row = read_pvar(written(tmp_path / "x.pvar", text)).iloc[0]
    assert list(row) == ["3", 70, "rs1", "T", "C", 0.5]
    short = read_pvar(written(tmp_path / "y.pvar", "3 rs1 70 T C\n")).iloc[0]
    assert list(short[:5]) == ["3", 70, "rs1", "T", "C"]
    assert np.isnan(short["centimorgans"])


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_tabs_and_blanks_of_any_kind_between_cells_are_the_same_table(tmp_path, ends) -> None:
    rows = [f"{k % 22 + 1}\trs{k}\t{k / 7!r}\t{k + 1}\tA\tC" for k in range(3000)]
    text = ends.join(rows) + ends
    tables = [
        read_bim(written(tmp_path / f"{place}.bim", t), build="GRCh38")
        for place, t in enumerate((text, text.replace("\t", "  "), text.replace("\tA", "\t\tA")))
    ]
    assert tables[0]["variant_id"].tolist() == [f"rs{k}" for k in range(3000)]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)


def test_damaged_compression_is_refused(tmp_path) -> None:
    path = tmp_path / "x.pvar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + b"\x07" * 40)
    with pytest.raises(GeneticsError, match=r"SC-505.*zstd data"):
        read_pvar(path)


@pytest.mark.parametrize("name", ["GRCh37", "grch37", "hg19", "b37", "37"])
def test_builds_go_by_many_names(name) -> None:
    assert canonical_build(name) == "GRCh37"
    assert canonical_build(None) is None


def test_lengths_of_chromosomes_shrink_along_the_autosomes_in_both_builds() -> None:
    for build in ("GRCh37", "GRCh38"):
        lengths = [chromosome_length(str(number), build) for number in range(1, 23)]
        # 19 and 20, 21 and 22, 8 to 11 and X break the order they were numbered in
        assert np.corrcoef(lengths, np.arange(22))[0, 1] < -0.95
        assert 2.8e9 < sum(lengths) < 2.9e9
        assert chromosome_length("XY", build) == chromosome_length("X", build)
        assert chromosome_length("MT", build) is None


VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID={c}>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=x>\n"
)
HEAD = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("3\t10\trs1\tA\tG,T\t.\t.\t.\tGT\t0/1\t1/2\n", "SC-509"),
        ("3\t10\trs1\tA\t.\t.\t.\t.\tGT\t0/0\t0/0\n", "SC-509"),
        ("3\t10\trs1\tA\tG\t.\t.\t.\tGT\t0/1/1\t0/0/0\n", "SC-509"),
        ("chrUn_1\t10\trs1\tA\tG\t.\t.\t.\tGT\t0/1\t0/0\n", "SC-507"),
    ],
)
def test_a_vcf_line_that_is_no_diploid_variant_is_refused(tmp_path, line, code) -> None:
    contig = line.split("\t")[0]
    path = written(tmp_path / "x.vcf", VCF.format(c=contig) + HEAD + line)
    with pytest.raises(GeneticsError, match=rf"{code}.*x\.vcf"):
        open_genotypes(path)


def test_what_is_no_vcf_is_refused(tmp_path) -> None:
    with pytest.raises(GeneticsError, match=r"SC-501.*x\.vcf"):
        open_genotypes(written(tmp_path / "x.vcf", "chrom,pos\n1,2\n"))
    repeated = VCF.format(c="3") + HEAD.replace("\tb\n", "\ta\n")
    with pytest.raises(GeneticsError, match=r"SC-501.*x\.vcf"):
        open_genotypes(written(tmp_path / "x.vcf", repeated))
    with pytest.raises(GeneticsError, match=r"SC-503.*none\.vcf"):
        open_genotypes(tmp_path / "none.vcf")


def test_a_vcf_cut_off_is_refused_with_the_last_line_that_was_whole(tmp_path) -> None:
    lines = [f"3\t{10 + i}\t.\tA\tG\t.\t.\t.\tGT\t0/1\t1/1\n" for i in range(400)]
    text = VCF.format(c="3") + HEAD + "".join(lines)
    with pytest.raises(GeneticsError, match=r"SC-513.*x\.vcf, at or after 3:40[89]"):
        open_genotypes(written(tmp_path / "x.vcf", text[:-6]))
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(gzip.compress(text.encode())[:-300])
    with pytest.raises(GeneticsError, match=r"SC-5[01][13].*x\.vcf\.gz"):
        open_genotypes(path)


def test_blocked_gzip_without_its_last_block_is_refused(tmp_path) -> None:
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = (VCF.format(c="3") + HEAD + "3\t10\t.\tA\tG\t.\t.\t.\tGT\t0/1\t1/1\n").encode()
    packed = body.compress(text) + body.flush()
    head = bytes.fromhex("1f8b08040000000000ff060042430200") + struct.pack("<H", len(packed) + 25)
    block = head + packed + struct.pack("<II", zlib.crc32(text), len(text))
    end = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(block + end)
    assert open_genotypes(path).n_variants == 1
    path.write_bytes(block)
    with pytest.raises(GeneticsError, match=r"SC-502.*x\.vcf\.gz"):
        open_genotypes(path)


def test_without_cyvcf2_the_command_that_installs_it_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cyvcf2", None)
    with pytest.raises(RunError, match=r"SC-710.*spinecast\[vcf\]"):
        open_genotypes(written(tmp_path / "x.vcf", VCF.format(c="3") + HEAD))


def test_compiled_code_starts_without_scipys_linear_algebra() -> None:
    code = (
        "import sys, numpy as np\n"
        "from spinecast.genotypes.decode import count_calls\n"
        "assert count_calls(np.zeros((1, 1), np.uint8), 4).tolist() == [[4, 0, 0, 0]]\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "import scipy.linalg.cython_blas"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_room_loads_neither_numba_nor_torch_nor_a_reader_of_files() -> None:
    code = (
        "import sys, spinecast.genotypes\n"
        "assert not {'numba', 'torch', 'pgenlib', 'cyvcf2', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
