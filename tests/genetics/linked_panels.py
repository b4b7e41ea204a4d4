"""Panels of genotypes with linkage, families, two ancestries and faults; PLINK as an oracle."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.genotypes import Genotypes, open_genotypes, write_bed


class InMemory(Genotypes):
    """Dosages that lie in memory, as imputed files would give them."""

    def __init__(self, samples: pd.DataFrame, variants: pd.DataFrame, table: np.ndarray) -> None:
        super().__init__(samples, variants, paths=())
        self.table = table

    @property
    def origin(self) -> str:
        return "memory"

    @property
    def packed(self) -> bool:
        return False

    def dosages(self, variants, *, samples=None):
        chosen = self.table[variants]
        return (chosen if samples is None else chosen[:, samples]).astype(np.float32)


def linked_haplotypes(rng, shape: tuple[int, int], *, linkage: float = 0.9) -> np.ndarray:
    """Haplotypes (v, h) whose neighbours correlate, frequencies of 3 to 60 %."""
    v, h = shape
    latent = np.empty((v, h))
    latent[0] = rng.standard_normal(h)
    keep = linkage * rng.random(v) ** 0.3
    for k in range(1, v):
        fresh = rng.standard_normal(h)
        latent[k] = keep[k] * latent[k - 1] + np.sqrt(1 - keep[k] ** 2) * fresh
    cut = np.quantile(latent, 1 - rng.uniform(0.03, 0.6, v), axis=1).diagonal()[:, None]
    return (latent > cut).astype(np.int8)


def tables(n: int, chromosomes: list[str], *, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of samples and variants; positions ascend by uneven steps."""
    rng = np.random.default_rng(seed)
    v = len(chromosomes)
    samples = pd.DataFrame(
        {
            "family_id": [f"p{i:04d}" for i in range(n)],
            "sample_id": [f"p{i:04d}" for i in range(n)],
            "sex": 1 + (np.arange(n) % 2).astype(np.int8),
        }
    )
    location = np.cumsum(rng.integers(200, 4000, v)).astype(np.int64)
    variants = pd.DataFrame(
        {
            "chromosome": chromosomes,
            "base_pair_location": location,
            "variant_id": [f"rs{k}" for k in range(v)],
            "effect_allele": "A",
            "other_allele": "C",
            "centimorgans": location / 1e5,
        }
    )
    return samples, variants


def linked_calls(n: int, v: int, *, seed: int, missing: float = 0.02) -> np.ndarray:
    """Hard calls (v, n) with linkage, -1 missing; every third variant is never missing."""
    rng = np.random.default_rng(seed)
    haplotypes = linked_haplotypes(rng, (v, 2 * n))
    calls = haplotypes[:, :n] + haplotypes[:, n:]
    lost = rng.random((v, n)) < missing
    lost[::3] = False
    return np.where(lost, -1, calls).astype(np.int8)


def opened(folder: Path, calls: np.ndarray, chromosomes: list[str], *, seed: int = 0) -> Genotypes:
    """Write the calls as a .bed in ``folder`` and open it."""
    samples, variants = tables(calls.shape[1], chromosomes, seed=seed)
    stem = folder / "panel"
    return open_genotypes(write_bed(stem, samples=samples, variants=variants, calls=[calls]))


def run_peer(program: str, stem: Path, *arguments: str) -> Path:
    """Run PLINK on ``stem.bed``; skip the test where it is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    out = stem.parent / "peer"
    command = [program, "--bfile", str(stem), "--allow-no-sex", *arguments, "--out", str(out)]
    if program == "plink2":
        command.remove("--allow-no-sex")
    subprocess.run([*command, "--threads", "1"], check=True, capture_output=True)
    return out


def read_peer(path: Path) -> pd.DataFrame:
    """Read a table of PLINK's, its first header cell without "#"."""
    frame = pd.read_csv(path, sep=r"\s+", na_values=["nan"])
    return frame.rename(columns=lambda name: name.lstrip("#"))
