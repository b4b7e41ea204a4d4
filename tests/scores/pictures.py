"""Tiny pictures with a known message, for tests of scorers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinecast.models.backbones import TINY, TINY_FIT

SHAPE = TINY.shape
CONFIG = TINY
SETTINGS = replace(TINY_FIT, threads=1, max_steps=80, learning_rate=1e-2)


def columns_of_blocks(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of a column of bright blocks; in some, one block is flat.

    Returns images (n, 64, 32), a 0/1 label (one block flat), and the row of the flat block.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    where = rng.integers(1, 5, n)
    images = 0.2 + 0.03 * rng.normal(size=(n, *SHAPE))
    for i in range(n):
        for block in range(6):
            top = 3 + 10 * block
            flat = label[i] and block == where[i]
            images[i, top + (4 if flat else 0) : top + 8, 10:22] += 0.5
    return images.clip(0, 1).astype(np.float32), label.astype(float), 3 + 10 * where


def brightness(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images whose mean grey is linear in a number (50 to 90)."""
    rng = np.random.default_rng(seed)
    years = rng.uniform(50, 90, n)
    grey = (years - 40)[:, None, None] / 60
    noise = 0.1 * rng.normal(size=(n, *SHAPE))
    return (grey + noise).clip(0, 1).astype(np.float32), years


class CountingStore:
    """An ImageStore-like source that remembers which rows were read."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.seen = images, set()

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices):
        self.seen |= set(np.asarray(indices).tolist())
        return self.images[indices]


def auroc(target: np.ndarray, value: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(target, value))
