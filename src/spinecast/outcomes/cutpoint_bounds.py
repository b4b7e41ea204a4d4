"""What a searched maximum is worth: p-values of the largest of many log-rank statistics."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from spinecast.errors import error
from spinecast.outcomes.inputs import FloatArray, IntArray

# The exact bound counts all subsets by size and sum: n^4 additions.
MOST_FOR_EXACT = 200


def brownian_p_value(largest: float, low: float, high: float) -> float:
    """Return Lausen and Schumacher's (1992) p-value over the shares ``low`` to ``high``.

    The tail of the largest absolute value of a Brownian bridge divided by its
    standard deviation; 1 where ``largest`` is below 1, where the expansion fails.
    """
    if largest < 1:
        return 1.0
    density = float(stats.norm.pdf(largest))
    odds = np.log(high * (1 - low) / ((1 - high) * low))
    tail = 4 * density / largest + density * (largest - 1 / largest) * odds
    return float(np.clip(tail, 0.0, 1.0))


def bonferroni_p_value(largest: float, sizes: IntArray, *, n: int) -> float:
    """Return Lausen, Sauerbrei and Schumacher's (1994) improved Bonferroni p-value.

    Parameters
    ----------
    largest
        Largest absolute standardised statistic.
    sizes
        People in the low group at every candidate, ascending, shape (k,).
    n
        People in all.
    """
    low, high = sizes[:-1].astype(np.float64), sizes[1:].astype(np.float64)
    t = np.sqrt(1 - low * (n - high) / ((n - low) * high))
    steps = np.exp(-(largest**2) / 2) / np.pi * (t - (largest**2 / 4 - 1) * t**3 / 6)
    single = 2 * float(special.ndtr(-largest))
    return float(np.clip(single + np.sum(steps), 0.0, 1.0))


def permutation_bound(scores: IntArray, sizes: IntArray, largest: float) -> float:
    """Return Hothorn and Lausen's (2003) bound from the exact permutation distribution.

    The chance of exceeding at each candidate, less that of having exceeded at
    the one before by so much that no draw of scores could bring it back.

    Parameters
    ----------
    scores
        Whole-number scores, shape (n,).
    sizes
        Candidate sizes of the low group, ascending.
    largest
        Largest absolute standardised statistic of these scores.

    Raises
    ------
    StatisticsError
        SC-610 for more than 200 people; use "lau94" or "permutation" then.

    References
    ----------
    Hothorn T, Lausen B. Comput Stat Data Anal 2003;43:121-137.
    """
    n = scores.size
    if n > MOST_FOR_EXACT:
        raise error(
            "SC-610", expected=f"hl for at most {MOST_FOR_EXACT} people", got=str(n), where="method"
        )
    shifted = np.sort(scores - scores.min())
    chance = _subset_sums(shifted)
    total, square = float(shifted.sum()), float(np.sum(shifted.astype(np.float64) ** 2))
    sums = np.arange(chance.shape[1], dtype=np.float64)
    bound, before = 0.0, None
    for size in sizes:
        share = size / n
        spread = np.sqrt(share * (1 - share) / (n - 1) * (n * square - total**2))
        reach = largest * spread - 1e-9 * max(spread, 1.0)
        low, high = share * total - reach, share * total + reach
        exceeds = (sums <= low) | (sums >= high)
        bound += float(chance[size] @ exceeds)
        if before is not None:
            gap = int(size - before[0])
            stays = (before[1] & (sums + shifted[-gap:].sum() <= low)) | (
                before[2] & (sums + shifted[:gap].sum() >= high)
            )
            bound -= float(chance[before[0]] @ stays)
        before = (int(size), sums <= low, sums >= high)
    return float(np.clip(bound, 0.0, 1.0))


def whole_scores(scores: FloatArray) -> IntArray:
    """Return ``scores`` stretched to 0..n and rounded, for the exact bound."""
    shifted = scores - scores.min()
    return np.rint(shifted * scores.size / shifted.max()).astype(np.int64)


def _subset_sums(scores: IntArray) -> FloatArray:
    """Return P(sum = s) of random subsets of each size (Streitberg and Roehmel), (n+1, total+1)."""
    n, total = scores.size, int(scores.sum())
    count = np.zeros((n + 1, total + 1))
    count[0, 0] = 1.0
    for score in scores:
        count[1:, score:] += count[:-1, : total + 1 - score].copy()
    return count / count.sum(axis=1, keepdims=True)
