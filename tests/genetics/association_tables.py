"""Summary statistics made from known truth, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

PAIRS = (("A", "G"), ("C", "T"), ("G", "A"), ("T", "C"))


def even_normals(size: int, root: int = 7) -> np.ndarray:
    """Normal quantiles of multiples of a square root, modulo one.

    The same on every machine and version; sequences of different (prime) roots
    are as good as independent.
    """
    return special.ndtri((np.sqrt(root) * np.arange(1, size + 1)) % 1.0)


def even_scores(size: int, root: int = 2) -> np.ndarray:
    """LD scores from 1 to about 600, the same on every machine and version."""
    return 1 + 60 * even_normals(size, root) ** 2


def associations(
    size: int = 400, *, seed: int = 1, n: int = 5000, z: np.ndarray | None = None
) -> pd.DataFrame:
    """A right table over two chromosomes, z-scores standard normal unless given."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=size) if z is None else z
    size = z.size
    half = size // 2
    place = np.concatenate([np.arange(half), np.arange(size - half)]) * 20_000 + 10_000
    frequency = rng.uniform(0.1, 0.9, size)
    error = 1 / np.sqrt(2 * frequency * (1 - frequency) * n)
    alleles = [PAIRS[k % 4] for k in range(size)]
    p_value = 2 * stats.norm.sf(np.abs(z))
    return pd.DataFrame(
        {
            "chromosome": ["1"] * half + ["2"] * (size - half),
            "base_pair_location": place,
            "effect_allele": [pair[0] for pair in alleles],
            "other_allele": [pair[1] for pair in alleles],
            "beta": z * error,
            "standard_error": error,
            "effect_allele_frequency": frequency,
            "p_value": p_value,
            "neg_log_10_p_value": -special.log_ndtr(-np.abs(z)) / np.log(10) - np.log10(2),
            "variant_id": [f"rs{k + 1}" for k in range(size)],
            "n": float(n),
        }
    )
