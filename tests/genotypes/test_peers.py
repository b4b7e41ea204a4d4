"""plink2 reads what we write and we read what it writes, dosage for dosage."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.genotypes import GenotypeBlocks, open_genotypes, write_bgen, write_pgen
from spinecast.genotypes.decode import count_calls

PLINK2 = shutil.which("plink2")
pytestmark = pytest.mark.skipif(PLINK2 is None, reason="plink2 is not installed")


def plink2(folder: Path, *arguments: str) -> Path:
    command = [PLINK2, "--threads", "1", "--memory", "640", "--out", "out", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "out"


def everything(path: Path) -> np.ndarray:
    genotypes = open_genotypes(path)
    return genotypes.dosages(np.arange(genotypes.n_variants))


@pytest.fixture
def autosomes(panel):
    """Chromosomes on which every program counts two copies in everybody."""
    keep = panel.variants["chromosome"].isin(["1", "2", "22"]).to_numpy()
    return panel.variants[keep].reset_index(drop=True), panel.calls[keep], panel.copies[keep]


@pytest.mark.parametrize(
    ("arguments", "suffix"),
    [
        (["--make-bed"], ".bed"),
        (["--make-pgen"], ".pgen"),
        (["--make-pgen", "vzs"], ".pgen"),
        (["--export", "bgen-1.2", "bits=8", "ref-first"], ".bgen"),
        (["--export", "bgen-1.3", "bits=16", "ref-first"], ".bgen"),
        (["--export", "vcf", "bgz"], ".vcf.gz"),
        (["--export", "vcf", "vcf-dosage=DS"], ".vcf"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value[1:],
)
def test_what_plink2_writes_from_our_bed_is_the_same_to_us(panel, bed, arguments, suffix) -> None:
    out = plink2(bed.parent, "--bfile", "panel", "--chr", "1-22", *arguments)
    path = out.with_name("out" + suffix)
    keep = panel.variants["chromosome"].isin(["1", "2", "22"]).to_numpy()
    np.testing.assert_array_equal(everything(path), panel.copies[keep])
    ours = open_genotypes(path)
    columns = ["base_pair_location", "variant_id", "effect_allele", "other_allele"]
    expected = panel.variants.loc[keep, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours.variants[columns], expected)


def test_plink2_reads_our_pgen_and_bgen_dosage_for_dosage(panel, autosomes, tmp_path) -> None:
    variants, calls, _ = autosomes
    rng = np.random.default_rng(2)
    dosages = np.where(calls < 0, np.nan, rng.integers(0, 511, calls.shape) / 255)
    tables = {"samples": panel.samples, "variants": variants}
    for writer, flags in (
        (write_pgen, ["--pfile", "soft"]),
        (write_bgen, ["--bgen", "soft.bgen", "ref-first", "--sample", "soft.sample"]),
    ):
        path = writer(tmp_path / "soft", **tables, calls=[dosages.astype(np.float32)])
        plink2(tmp_path, *flags, "--export", "A")
        raw = pd.read_csv(tmp_path / "out.raw", sep="\t").iloc[:, 6:].to_numpy().T
        # --export A counts the other allele
        np.testing.assert_allclose(2 - raw, everything(path), atol=2e-4)


def test_counts_and_frequencies_are_those_of_plink2(panel, bed) -> None:
    out = plink2(bed.parent, "--bfile", "panel", "--chr", "1-22", "--freq", "--geno-counts")
    counts = pd.read_csv(f"{out}.gcount", sep="\t")
    genotypes = open_genotypes(bed)
    places = np.arange(len(counts))
    ours = count_calls(genotypes.read_packed(places), genotypes.n_samples)
    theirs = counts[["TWO_ALT_GENO_CTS", "HET_REF_ALT_CTS", "HOM_REF_CT", "MISSING_CT"]]
    np.testing.assert_array_equal(ours, theirs.to_numpy())
    frequency = pd.read_csv(f"{out}.afreq", sep="\t")["ALT_FREQS"].to_numpy()
    mean = np.concatenate([b.mean for b in GenotypeBlocks(genotypes, variants=places)])
    np.testing.assert_allclose(mean / 2, frequency, rtol=1e-5)


def test_the_same_pvar_compressed_and_without_a_header_is_the_same(panel, bed) -> None:
    for kind in ("--make-pgen", "--make-just-pvar"):
        plink2(bed.parent, "--bfile", "panel", "--chr", "1-22", kind)
    pvar = bed.parent / "out.pvar"
    plain = open_genotypes(bed.parent / "out.pgen").variants
    lines = pvar.read_text().splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    bim_order = ["\t".join([c[0], c[2], c[5], c[1], c[4], c[3]]) + "\n" for c in cells]
    pvar.write_text("".join(bim_order))
    pd.testing.assert_frame_equal(open_genotypes(bed.parent / "out.pgen").variants, plain)
