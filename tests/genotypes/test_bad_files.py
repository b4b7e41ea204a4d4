"""Broken and hostile genotype files: a code and a sentence each, never a wrong genotype."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from spinecast.errors import GeneticsError
from spinecast.genotypes import open_genotypes, write_bed, write_bgen, write_pgen
from spinecast.genotypes.bgen_blocks import Packing, block_dosages, dosages_block


def read_all(path: Path, **options) -> np.ndarray:
    genotypes = open_genotypes(path, **options)
    return genotypes.dosages(np.arange(genotypes.n_variants))


def refused(path: Path, code: str, *words: str, **options) -> None:
    with pytest.raises(GeneticsError, match=code) as caught:
        read_all(path, **options)
    for word in words:
        assert word in str(caught.value)


def spoil_line(path: Path, line: int, text: str) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = text.encode("latin-1")
    path.write_bytes(b"\n".join(lines))


def test_a_missing_file_of_the_set_is_named(bed) -> None:
    refused(bed.with_name("none.bed"), "SC-503", "none.bed")
    bed.with_suffix(".bim").unlink()
    refused(bed, "SC-503", "panel.bim")
    with pytest.raises(GeneticsError, match="SC-503"):
        open_genotypes()


def test_other_kinds_of_file_are_not_read_as_genotypes(bed) -> None:
    refused(bed.with_suffix(".fam"), "SC-501", ".bed, .pgen, .bgen")
    content = bed.read_bytes()
    bed.write_bytes(b"\x89PN" + content[3:])
    refused(bed, "SC-501", "89 50 4e", "panel.bed")
    bed.write_bytes(b"")
    refused(bed, "SC-501", "nothing")
    bed.write_bytes(b"\x6c\x1b\x00" + content[3:])
    refused(bed, "SC-501", "one sample after another", "--make-bed")


@pytest.mark.parametrize("change", [-1, -200, 1])
def test_a_bed_of_another_length_is_refused_with_both_lengths(bed, change) -> None:
    content = bed.read_bytes()
    bed.write_bytes(content[:change] if change < 0 else content + b"\0")
    refused(bed, "SC-502", f"{len(content)} bytes", f"{len(content) + change} bytes", "27 variants")


def test_tables_that_do_not_match_the_bed_are_refused(bed) -> None:
    fam = bed.with_suffix(".fam")
    fam.write_text("".join(fam.read_text().splitlines(keepends=True)[:40]))
    refused(bed, "SC-502", "40 samples of the .fam")


def test_a_file_cut_off_after_it_was_opened_is_noticed(bed) -> None:
    genotypes = open_genotypes(bed)
    bed.write_bytes(bed.read_bytes()[:100])
    with pytest.raises(GeneticsError, match=r"SC-502.*the end of the file"):
        genotypes.dosages(np.arange(27))


def test_a_sample_id_twice_is_refused_whatever_its_family(bed) -> None:
    spoil_line(bed.with_suffix(".fam"), 12, "other p003 0 0 1 -9")
    refused(bed, "SC-506", "p003", "panel.fam, line 12")


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        ("1 rs3 0 3017 A", "SC-505", "6 cells"),
        ("1 rs3 0 3017 A G extra", "SC-505", "got 7"),
        ("", "SC-505", "6 cells"),
        ("1 rs\x003 0 3017 A G", "SC-505", "0x00"),
        ("1 rs\x1b[31m 0 3017 A G", "SC-505", "0x1b"),
        ("1 rs\xff 0 3017 A G", "SC-505", "UTF-8"),
        ("31 rs3 0 3017 A G", "SC-507", "'31'"),
        ("HLA*01 rs3 0 3017 A G", "SC-507", "HLA*01"),
        ("1 rs3 0 3017.5 A G", "SC-508", "3017.5"),
        ("1 rs3 0 -3 A G", "SC-508", "'-3'"),
        ("1 rs3 0 1e6 A G", "SC-508", "1e6"),
        ("1 rs3 0 NA A G", "SC-508", "NA"),
        ("1 rs3 0 99999999999999999999 A G", "SC-508", "whole number"),
        ("1 rs3 far 3017 A G", "SC-508", "far"),
        ("1 rs3 0 3017 A,T G", "SC-509", "A,T"),
    ],
)
def test_a_spoilt_line_is_refused_with_its_number(bed, line, code, word) -> None:
    spoil_line(bed.with_suffix(".bim"), 4, line)
    place = "panel.bim" if "\xff" in line else "panel.bim, line 4"
    refused(bed, code, word, place)


def test_blank_lines_at_the_end_windows_line_ends_and_a_mark_at_the_start_are_read(panel, bed):
    bim = bed.with_suffix(".bim")
    text = bim.read_bytes().replace(b"\n", b"\r\n").replace(b"\t", b"  ")
    bim.write_bytes(b"\xef\xbb\xbf" + text + b"\r\n\r\n")
    genotypes = open_genotypes(bed)
    assert genotypes.variants["variant_id"].equals(panel.variants["variant_id"])
    assert genotypes.variants["chromosome"].equals(panel.variants["chromosome"])


def test_cells_that_look_like_numbers_or_missing_stay_text(panel, tmp_path) -> None:
    samples = panel.samples.copy()
    samples.loc[:3, "sample_id"] = ["007", "NA", "=1+1", "1e5"]
    path = write_bed(tmp_path / "x", samples=samples, variants=panel.variants, calls=[panel.calls])
    assert list(open_genotypes(path).samples["sample_id"][:4]) == ["007", "NA", "=1+1", "1e5"]


def test_a_position_beyond_the_end_of_its_chromosome_in_the_build_is_refused(bed) -> None:
    spoil_line(bed.with_suffix(".bim"), 4, "1 rs3 0 249000000 A G")
    assert open_genotypes(bed, build="hg19").build == "GRCh37"
    refused(bed, "SC-508", "GRCh38", "249000000", "line 4", build="GRCh38")
    refused(bed, "SC-510", "'hg17'", build="hg17")


def test_files_of_other_samples_are_not_one_set(panel, bed, tmp_path) -> None:
    tables = {"variants": panel.variants, "calls": [panel.calls]}
    turned = panel.samples.iloc[::-1]
    other = write_bed(tmp_path / "other", samples=turned, **tables)
    with pytest.raises(GeneticsError, match=r"SC-504.*other\.bed.*'p052' as sample 1, not 'p000'"):
        open_genotypes(bed, other)
    fewer = write_bed(
        tmp_path / "fewer",
        samples=panel.samples.iloc[:9],
        variants=panel.variants,
        calls=[panel.calls[:, :9]],
    )
    with pytest.raises(GeneticsError, match=r"SC-504.*fewer\.bed.*53 samples.*got 9"):
        open_genotypes(bed, fewer)


def test_writing_refuses_what_no_file_could_give_back(panel, tmp_path) -> None:
    tables = {"samples": panel.samples, "variants": panel.variants}
    for writer in (write_bed, write_pgen, write_bgen):
        for calls, code in (
            ([panel.calls[:5]], "SC-504"),
            ([panel.calls, panel.calls], "SC-504"),
            ([panel.calls[:, :9]], "SC-504"),
            ([panel.calls + np.int8(2)], "SC-515"),
        ):
            with pytest.raises(GeneticsError, match=code):
                writer(tmp_path / "x", **tables, calls=calls)
    blank = panel.samples.assign(family_id="a b")
    with pytest.raises(GeneticsError, match=r"SC-505.*'a b'"):
        write_bed(tmp_path / "x", samples=blank, variants=panel.variants, calls=[panel.calls])
    assert not [p for p in tmp_path.iterdir() if p.suffix in {".bed", ".pgen", ".bgen", ".partial"}]


@pytest.fixture
def pgen(panel, tmp_path) -> Path:
    tables = {"samples": panel.samples, "variants": panel.variants}
    return write_pgen(tmp_path / "panel", **tables, calls=[panel.calls])


def test_a_pgen_that_does_not_fit_its_tables_is_refused(pgen) -> None:
    spoilt = pgen.with_suffix(".pvar")
    spoil_line(spoilt, 1, "#CHROM\tPOS\tID\tREF\tINFO\tCM")
    refused(pgen, "SC-505", "ALT", "panel.pvar")
    spoil_line(spoilt, 1, "#CHROM\tPOS\tID\tREF\tALT\tCM")
    spoil_line(spoilt, 5, "1\t3017\trs3\tG\tA,T\t0.5")
    refused(pgen, "SC-509", "A,T", "panel.pvar, line 5")
    spoil_line(spoilt, 5, "1\t3017\trs3\tG\tA\t0.5")
    spoilt.write_text("".join(spoilt.read_text().splitlines(keepends=True)[:9]))
    refused(pgen, "SC-504", "27 variants", "8 in the .pvar")
    spoilt.unlink()
    refused(pgen, "SC-503", "panel.pvar.zst")


@pytest.mark.parametrize("kept", [0, 2, 8, 11, 40, 300])
def test_a_pgen_cut_off_anywhere_is_refused(pgen, kept) -> None:
    pgen.write_bytes(pgen.read_bytes()[:kept])
    refused(pgen, r"SC-501|SC-502|SC-513", "panel.pgen")


@pytest.fixture(params=list(Packing))
def bgen(request, panel, tmp_path) -> Path:
    tables = {"samples": panel.samples, "variants": panel.variants}
    return write_bgen(tmp_path / "panel", **tables, calls=[panel.calls], packing=request.param)


def test_a_bgen_cut_off_anywhere_is_refused(bgen) -> None:
    content = bgen.read_bytes()
    for kept in (*range(0, 60, 7), *range(61, len(content), len(content) // 20)):
        bgen.write_bytes(content[:kept])
        refused(bgen, r"SC-501|SC-502", "panel.bgen")


def test_a_bgen_of_other_samples_or_layout_is_refused(bgen) -> None:
    content = bytearray(bgen.read_bytes())
    sample = bgen.with_suffix(".sample")
    sample.write_text("".join(sample.read_text().splitlines(keepends=True)[:22]))
    refused(bgen, "SC-504", "53 samples", "got 20")
    content[20] = content[20] & 3 | 1 << 2
    bgen.write_bytes(content)
    refused(bgen, "SC-501", "layout 1")
    bgen.write_bytes(b"\0" * 64)
    refused(bgen, "SC-501", "panel.bgen")


def test_flipped_bytes_in_a_compressed_bgen_are_never_a_crash(panel, bgen) -> None:
    content = bgen.read_bytes()
    outcomes = set()
    for place in np.random.default_rng(1).integers(0, len(content), 60):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << int(place) % 8
        bgen.write_bytes(spoilt)
        try:
            dosages = read_all(bgen)
            assert np.nanmin(dosages) >= 0
            assert np.nanmax(dosages) <= 2
            outcomes.add("read")
        except GeneticsError as refusal:
            outcomes.add(refusal.code)
    assert outcomes & {"SC-502", "SC-513"}


def block(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + zlib.compress(content)


def diploid(n: int, *, ploidy: int = 2, bits: int = 8, phased: int = 0, data: bytes = b"") -> bytes:
    head = struct.pack("<IHBB", n, 2, ploidy, ploidy)
    return head + bytes([ploidy]) * n + bytes([phased, bits]) + data


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "SC-513"),
        (b"\0\0", "SC-513"),
        (struct.pack("<I", 1 << 31) + zlib.compress(b"\0" * 99), "SC-513"),
        (struct.pack("<I", 20) + zlib.compress(b"\0" * 9999), "SC-513"),
        (block(diploid(3, data=b"\0" * 4)), "SC-513"),
        (block(diploid(2, data=b"\0" * 3)), "SC-513"),
        (block(diploid(2, data=b"\0" * 5)), "SC-513"),
        (block(diploid(2, bits=0)), "SC-513"),
        (block(diploid(2, bits=33, data=b"\0" * 17)), "SC-513"),
        (block(diploid(2, phased=2, data=b"\0" * 4)), "SC-513"),
        (block(diploid(2, data=b"\xff" * 4)), "SC-513"),
        (block(diploid(2, ploidy=3, data=b"\0" * 6)), "SC-509"),
        (block(diploid(2, ploidy=0)), "SC-509"),
    ],
)
def test_a_damaged_bgen_block_is_refused_before_it_is_unpacked_or_used(content, code) -> None:
    with pytest.raises(GeneticsError, match=code):
        block_dosages(content, Packing.ZLIB, n=2)


@pytest.mark.parametrize("bits", [1, 3, 8, 11, 16, 24, 32])
def test_probabilities_of_any_number_of_bits_are_read(bits) -> None:
    top = (1 << bits) - 1
    pairs = [(top, 0), (0, top), (0, 0), (top // 2, top - top // 2), (0, top // 3)]
    number = sum(value << (bits * k) for k, value in enumerate(v for pair in pairs for v in pair))
    data = number.to_bytes((10 * bits + 7) // 8, "little")
    got = block_dosages(block(diploid(5, bits=bits, data=data)), Packing.ZLIB, n=5)
    np.testing.assert_allclose(got, [2 - (2 * a + b) / top for a, b in pairs], rtol=1e-6)


def test_phased_and_haploid_samples_count_copies_as_the_other_formats_do() -> None:
    phased = diploid(3, phased=1, data=bytes([255, 255, 255, 0, 0, 0]))
    np.testing.assert_array_equal(block_dosages(block(phased), Packing.ZLIB, n=3), [0, 1, 2])
    head = struct.pack("<IHBB", 3, 2, 1, 2) + bytes([1, 2, 1 | 0x80]) + bytes([0, 8])
    mixed = head + bytes([0, 0, 255, 0])
    np.testing.assert_array_equal(block_dosages(block(mixed), Packing.ZLIB, n=3), [2, 1, np.nan])


def test_a_written_block_announces_its_lengths() -> None:
    written = dosages_block(np.array([0, 1, 2, np.nan], np.float32), Packing.ZLIB, bits=8)
    whole, unpacked = struct.unpack_from("<II", written)
    assert whole == len(written) - 4
    assert len(zlib.decompress(written[8:])) == unpacked == 10 + 4 + 8


@pytest.mark.parametrize("factor", [1.0, 0.9], ids=["hard", "soft"])
def test_flipped_bytes_in_a_pgen_are_never_a_crash(panel, tmp_path, factor) -> None:
    tables = {"samples": panel.samples, "variants": panel.variants}
    calls = panel.calls if factor == 1.0 else panel.copies * np.float32(factor)
    path = write_pgen(tmp_path / "x", **tables, calls=[calls])
    content = path.read_bytes()
    outcomes = set()
    for place in np.random.default_rng(2).integers(0, len(content), 40):
        spoilt = bytearray(content)
        spoilt[place] ^= 0xFF
        path.write_bytes(spoilt)
        try:
            dosages = read_all(path)
            assert np.nanmin(dosages) >= 0
            assert np.nanmax(dosages) <= 2
        except GeneticsError as refusal:
            outcomes.add(refusal.code)
    assert outcomes <= {"SC-501", "SC-502", "SC-504", "SC-513"}
    assert "SC-513" in outcomes
