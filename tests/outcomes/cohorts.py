"""Small survival data sets made on the spot, with and without ties and deaths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    duration: np.ndarray
    event: np.ndarray
    risk: np.ndarray
    other: np.ndarray


def simulate(n: int, seed: int, *, tied: bool = False, deaths: bool = False) -> Sample:
    """Exponential events whose hazard follows ``risk``, uniform censoring, optional deaths."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    other = 0.6 * risk + 0.8 * rng.normal(size=n)
    time = rng.exponential(8 * np.exp(-0.8 * risk))
    death = rng.exponential(15, n) if deaths else np.full(n, np.inf)
    censored = rng.uniform(0.5, 14, n)
    duration = np.minimum(np.minimum(time, death), censored)
    event = np.where(duration == time, 1, np.where(duration == death, 2, 0))
    if tied:
        duration, risk, other = np.ceil(duration * 2) / 2, np.round(risk, 1), np.round(other, 1)
    return Sample(duration, event, risk, other)
