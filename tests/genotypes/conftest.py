"""A small panel of genotypes whose every call is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spinecast.genotypes import Genotypes, open_genotypes, write_bed


@dataclass(frozen=True)
class Panel:
    """Tables, hard calls (-1 missing) and the same as dosages (NaN missing)."""

    samples: pd.DataFrame
    variants: pd.DataFrame
    calls: np.ndarray
    copies: np.ndarray

    def written(self, stem: Path) -> Path:
        return write_bed(stem, samples=self.samples, variants=self.variants, calls=[self.calls])

    def opened(self, stem: Path) -> Genotypes:
        return open_genotypes(self.written(stem))


def make_panel(n: int = 53, *, missing: float = 0.1, seed: int = 3) -> Panel:
    rng = np.random.default_rng(seed)
    chromosomes = ["1"] * 9 + ["2"] * 7 + ["22"] * 3 + ["X"] * 4 + ["Y", "XY", "MT", "0"]
    v = len(chromosomes)
    calls = rng.binomial(2, rng.uniform(0.05, 0.9, (v, 1)), (v, n)).astype(np.int8)
    calls[rng.random((v, n)) < missing] = -1
    calls[5] = np.where(calls[5] < 0, -1, 1)  # does not vary
    calls[7] = -1  # nobody has a genotype
    samples = pd.DataFrame(
        {
            "family_id": [f"f{i // 2}" for i in range(n)],
            "sample_id": [f"p{i:03d}" for i in range(n)],
            "sex": (np.arange(n) % 3).astype(np.int8),
        }
    )
    variants = pd.DataFrame(
        {
            "chromosome": chromosomes,
            "base_pair_location": np.arange(v, dtype=np.int64) * 1000 + 17,
            "variant_id": [f"rs{i}" for i in range(v)],
            "effect_allele": ["A", "CTT", "G"] * 9,
            "other_allele": ["G", "C", "T"] * 9,
            "centimorgans": np.arange(1, v + 1) / 8,
        }
    )
    return Panel(samples, variants, calls, np.where(calls < 0, np.nan, calls).astype(np.float32))


@pytest.fixture(scope="session")
def panel() -> Panel:
    return make_panel()


@pytest.fixture
def bed(panel: Panel, tmp_path: Path) -> Path:
    return panel.written(tmp_path / "panel")
