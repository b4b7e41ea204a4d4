"""Three formats, one answer: .bed, .pgen and .bgen give back what was written."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.cluster import map_blocks
from spinecast.errors import GeneticsError
from spinecast.genotypes import (
    GenotypeBlocks,
    Genotypes,
    open_genotypes,
    write_bed,
    write_bgen,
    write_pgen,
)
from spinecast.genotypes.bgen_blocks import Packing
from spinecast.genotypes.decode import to_packed

WRITERS = {"bed": write_bed, "pgen": write_pgen, "bgen": write_bgen}


def everything(genotypes: Genotypes) -> np.ndarray:
    return genotypes.dosages(np.arange(genotypes.n_variants))


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_hard_calls_come_back_exactly_with_their_tables(panel, tmp_path, kind) -> None:
    tables = {"samples": panel.samples, "variants": panel.variants}
    halves = [panel.calls[:10], panel.calls[10:]]
    path = WRITERS[kind](tmp_path / "chr1.v2", **tables, calls=halves)
    genotypes = open_genotypes(path)
    np.testing.assert_array_equal(everything(genotypes), panel.copies)
    pd.testing.assert_frame_equal(genotypes.samples, panel.samples)
    columns = list(panel.variants.columns[: 5 if kind == "bgen" else 6])
    pd.testing.assert_frame_equal(genotypes.variants[columns], panel.variants[columns])
    assert (genotypes.n_variants, genotypes.n_samples) == panel.calls.shape
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_any_variants_of_any_samples_can_be_read(panel, tmp_path, kind) -> None:
    tables = {"samples": panel.samples, "variants": panel.variants}
    codes = to_packed(panel.calls)
    genotypes = open_genotypes(WRITERS[kind](tmp_path / "x", **tables, calls=[codes]))
    for variants in ([3, 4, 5, 20, 2, 2], [26], []):
        for samples in ([0, 7, 8, 52], [9, 3, 3]):
            np.testing.assert_array_equal(
                genotypes.dosages(np.array(variants, dtype=np.int64), samples=np.array(samples)),
                panel.copies[variants][:, samples],
            )
    with pytest.raises(GeneticsError, match=r"SC-511.*places from 0 to 26"):
        genotypes.dosages(np.array([27]))
    with pytest.raises(GeneticsError, match=r"SC-511.*places from 0 to 52"):
        genotypes.dosages(np.array([1]), samples=np.array([-1]))


def test_files_of_hard_calls_give_two_bit_codes_and_files_of_dosages_say_no(panel, tmp_path):
    tables = {"samples": panel.samples, "variants": panel.variants}
    places = np.array([4, 11, 0])
    for kind in ("bed", "pgen"):
        genotypes = open_genotypes(WRITERS[kind](tmp_path / "hard", **tables, calls=[panel.calls]))
        assert genotypes.packed
        np.testing.assert_array_equal(genotypes.read_packed(places), to_packed(panel.calls[places]))
    for writer in (write_pgen, write_bgen):
        genotypes = open_genotypes(writer(tmp_path / "soft", **tables, calls=[panel.copies * 0.5]))
        assert not genotypes.packed
        with pytest.raises(GeneticsError, match="SC-514"):
            genotypes.read_packed(places)


@pytest.mark.parametrize("packing", list(Packing))
@pytest.mark.parametrize("bits", [8, 16])
def test_bgen_dosages_come_back_within_half_a_step(panel, tmp_path, packing, bits) -> None:
    rng = np.random.default_rng(5)
    dosages = np.where(panel.calls < 0, np.nan, rng.uniform(0, 2, panel.calls.shape))
    path = write_bgen(
        tmp_path / "x",
        samples=panel.samples,
        variants=panel.variants,
        calls=[dosages.astype(np.float32)],
        packing=packing,
        bits=bits,
    )
    step = 1 / (2**bits - 1)
    np.testing.assert_allclose(everything(open_genotypes(path)), dosages, atol=0.5001 * step)


def test_pgen_dosages_come_back_within_a_step_of_its_own(panel, tmp_path) -> None:
    dosages = np.where(panel.calls < 0, np.nan, np.linspace(0, 2, panel.calls.shape[1]))
    path = write_pgen(
        tmp_path / "x",
        samples=panel.samples,
        variants=panel.variants,
        calls=[dosages.astype(np.float32)],
    )
    np.testing.assert_allclose(everything(open_genotypes(path)), dosages, atol=2**-14)


def test_a_bgen_holds_its_own_sample_ids(panel, tmp_path) -> None:
    tables = {"samples": panel.samples, "variants": panel.variants}
    path = write_bgen(tmp_path / "x", **tables, calls=[panel.calls])
    path.with_suffix(".sample").unlink()
    genotypes = open_genotypes(path)
    assert genotypes.samples["sample_id"].equals(panel.samples["sample_id"])
    assert (genotypes.samples["sex"] == 0).all()


def test_files_per_chromosome_are_one_set(panel, tmp_path) -> None:
    first, rest = np.arange(16), np.arange(16, 27)
    paths = [
        writer(
            tmp_path / name,
            samples=panel.samples,
            variants=panel.variants.iloc[places],
            calls=[panel.calls[places]],
        )
        for writer, name, places in ((write_bed, "a", first), (write_pgen, "b", rest))
    ]
    joined = open_genotypes(*paths)
    assert joined.origin == "a.bed and 1 more"
    assert joined.packed
    wanted = np.array([20, 2, 16, 15, 26])
    np.testing.assert_array_equal(joined.dosages(wanted), panel.copies[wanted])
    np.testing.assert_array_equal(joined.read_packed(wanted), to_packed(panel.calls[wanted]))
    assert joined.variants["variant_id"].equals(panel.variants["variant_id"])


def test_genotypes_cross_a_process_border_as_file_names_only(panel, bed) -> None:
    sent = pickle.dumps(open_genotypes(bed))
    assert len(sent) < 1000
    received = pickle.loads(sent)
    np.testing.assert_array_equal(everything(received), panel.copies)
    assert pickle.loads(sent) is received  # opened once


def test_files_that_changed_on_the_way_to_another_process_are_refused(panel, bed) -> None:
    sent = pickle.dumps(open_genotypes(bed))
    fewer = {"samples": panel.samples, "variants": panel.variants.iloc[:9]}
    write_bed(bed.with_suffix(""), **fewer, calls=[panel.calls[:9]])
    with pytest.raises(GeneticsError, match=r"SC-512.*panel\.bed"):
        pickle.loads(sent)


def test_repeated_variant_ids_are_counted_not_refused(panel, tmp_path) -> None:
    variants = panel.variants.assign(variant_id=["."] * 5 + ["rs1"] * 3 + ["rs2"] * 19)
    path = write_bed(tmp_path / "x", samples=panel.samples, variants=variants, calls=[panel.calls])
    assert open_genotypes(path).duplicate_variants == 2 + 18


@pytest.mark.parametrize(
    ("written", "read"),
    [("chr7", "7"), ("23", "X"), ("24", "Y"), ("25", "XY"), ("26", "MT"), ("chrM", "MT"),
     ("PAR2", "XY"), ("chrx", "X"), ("07", "7")],
)  # fmt: skip
def test_chromosomes_go_by_one_name(panel, tmp_path, written, read) -> None:
    variants = panel.variants.assign(chromosome=written)
    path = write_bed(tmp_path / "x", samples=panel.samples, variants=variants, calls=[panel.calls])
    assert set(open_genotypes(path).variants["chromosome"]) == {read}


VCF = """##fileformat=VCFv4.2
##contig=<ID=3>
##FORMAT=<ID=GT,Number=1,Type=String,Description="calls">
{extra}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td
3\t10\trs1\tA\tG\t.\t.\t.\t{f}\t0/0{x}\t0|1{y}\t1/1{z}\t./.{w}
3\t20\t.\tC\tCTT\t.\t.\t.\tGT\t1\t0/1\t./1\t0
"""


def test_a_vcf_gives_calls_of_its_alternative_allele(tmp_path) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(VCF.format(extra="", f="GT", x="", y="", z="", w=""))
    genotypes = open_genotypes(path, build="hg38")
    assert genotypes.packed
    assert genotypes.build == "GRCh38"
    assert list(genotypes.samples["sample_id"]) == ["a", "b", "c", "d"]
    assert list(genotypes.variants.iloc[1, :5]) == ["3", 20, ".", "CTT", "C"]
    expected = [[0, 1, 2, np.nan], [2, 1, np.nan, 0]]
    np.testing.assert_array_equal(everything(genotypes), expected)
    np.testing.assert_array_equal(
        genotypes.dosages(np.array([1]), samples=np.array([3, 0])), [[0, 2]]
    )


def test_a_vcf_with_dosages_gives_those(tmp_path) -> None:
    path = tmp_path / "x.vcf.gz"
    kind = '##FORMAT=<ID=DS,Number=1,Type=Float,Description="dosage">\n'
    text = VCF.format(extra=kind, f="GT:DS", x=":0.25", y=":1", z=":1.75", w=":.")
    path.write_bytes(gzip.compress(text.encode()))
    genotypes = open_genotypes(path)
    assert not genotypes.packed
    expected = [[0.25, 1, 1.75, np.nan], [2, 1, np.nan, 0]]
    np.testing.assert_array_equal(everything(genotypes), expected)


def _tile_sum(part: GenotypeBlocks) -> float:
    return float(np.abs(part.block(0).tile).sum())


@pytest.mark.parametrize(
    "cluster", ["threads", pytest.param("processes:2", marks=pytest.mark.long)]
)
def test_blocks_run_anywhere(panel, bed: Path, cluster: str) -> None:
    blocks = GenotypeBlocks(open_genotypes(bed), size=10)
    parts = [blocks.part(k) for k in range(len(blocks))]
    here = [float(np.abs(block.tile).sum()) for block in blocks]
    assert map_blocks(_tile_sum, parts, cluster=cluster) == here
