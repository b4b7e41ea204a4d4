"""A small association study whose every number is at hand, and what plink2 makes of it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.genotypes import GenotypeBlocks, Genotypes, open_genotypes, write_bed

needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 not installed")


@dataclass(frozen=True)
class SmallStudy:
    genotypes: Genotypes
    copies: np.ndarray  # (v, n), NaN missing
    traits: np.ndarray  # (n, t), NaN missing
    covariates: np.ndarray  # (n, c)
    bed: Path

    @property
    def ids(self):
        return self.genotypes.samples["sample_id"].astype(str)

    def trait_table(self, traits=None):
        values = self.traits if traits is None else traits
        names = [f"T{k}" for k in range(values.shape[1])]
        return pd.DataFrame(values, index=pd.Index(self.ids, name="sample_id"), columns=names)

    def covariate_table(self):
        names = [f"C{k}" for k in range(self.covariates.shape[1])]
        return pd.DataFrame(self.covariates.copy(), index=pd.Index(self.ids), columns=names)

    def blocks(self, size=64, **settings):
        return GenotypeBlocks(self.genotypes, size=size, **settings)


def make_study(folder, *, n=240, v=200, traits=3, missing=0.04, seed=0, between=(0.02, 0.98)):
    """Three kinds of variants: common, rare, constant; traits with gaps; a causal variant."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(*between, (v, 1))
    copies = rng.binomial(2, frequency, (v, n)).astype(np.float64)
    copies[rng.random((v, n)) < missing] = np.nan
    copies[7] = np.where(np.isnan(copies[7]), np.nan, 2.0)
    samples = pd.DataFrame(
        {
            "family_id": [f"F{i}" for i in range(n)],
            "sample_id": [f"P{i}" for i in range(n)],
            "sex": 1 + np.arange(n) % 2,
        }
    )
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2"], -(-v // 2))[:v],
            "base_pair_location": np.arange(v) * 100 + 1,
            "variant_id": [f"v{i}" for i in range(v)],
            "effect_allele": "A",
            "other_allele": "G",
        }
    )
    bed = write_bed(folder / "study", samples=samples, variants=variants, calls=[copies])
    covariates = np.column_stack([np.arange(n) % 2, rng.normal(50, 8, n), rng.normal(size=n)])
    values = rng.normal(size=(n, traits)) + 0.02 * covariates[:, [1]]
    values[:, 0] += 0.5 * np.nan_to_num(copies[3], nan=1.0)
    values[rng.random((n, traits)) < 0.1] = np.nan
    if traits > 1:
        values[:, 1] = np.where(np.isnan(values[:, 0]), np.nan, rng.normal(100, 15, n))
    return SmallStudy(open_genotypes(bed), copies, values, covariates, bed)


def gathered(results):
    """Blocks of a scan side by side, one array (v, t) per number."""
    results = list(results)
    names = ("beta", "standard_error", "log10_p", "n", "effect_allele_frequency")
    return {name: np.concatenate([getattr(block, name) for block in results]) for name in names}


def plink2_glm(study, folder, *, traits, modifiers=(), options=()):
    """Run plink2 --glm and return its tables, one per trait, in the order of the variants."""
    for name, values, letter in (("pheno", traits, "T"), ("covar", study.covariates, "C")):
        lines = ["#FID\tIID\t" + "\t".join(f"{letter}{k}" for k in range(values.shape[1]))]
        samples = study.genotypes.samples
        for family, sample, row in zip(
            samples["family_id"], samples["sample_id"], values, strict=True
        ):
            cells = ["NA" if np.isnan(x) else repr(float(x)) for x in row]
            lines.append("\t".join([family, sample, *cells]))
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    command = [
        "plink2", "--bfile", study.bed.with_suffix(""), "--pheno", folder / "pheno.tsv",
        "--covar", folder / "covar.tsv", "--glm", "hide-covar", "omit-ref",
        "cols=+a1freq,+a1count", *modifiers, *options, "--threads", "1", "--memory", "800",
        "--out", folder / "plink",
    ]  # fmt: skip
    words = [str(word) for word in command]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    tables = []
    for k in range(traits.shape[1]):
        (path,) = folder.glob(f"plink.T{k}.glm.*")
        tables.append(pd.read_csv(path, sep="\t", na_values=["NA"], float_precision="round_trip"))
    return tables
