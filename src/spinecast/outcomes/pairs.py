"""Counting comparable pairs in O(n log n), person by person.

A Fenwick tree over the ranks answers "how much weight among the first k values lies below
v" while the values are put in one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinecast.outcomes.inputs import BoolArray, FloatArray, IntArray, dense_rank


def weight_below(
    ranks: IntArray, weights: FloatArray, *, prefix: IntArray, threshold: IntArray
) -> FloatArray:
    """Return, per query, the weight among ``ranks[:prefix]`` that is below ``threshold``.

    Parameters
    ----------
    ranks, weights
        Non-negative integers and their weights, shape (n,).
    prefix, threshold
        One query each, shape (q,), not negative.

    Returns
    -------
    ndarray
        Shape (q,).
    """
    # imported here: the room itself loads without numba, which takes half a second
    from spinecast.outcomes.fenwick import sums_below

    found: FloatArray = sums_below(
        ranks,
        weights.astype(np.float64),
        np.argsort(prefix, kind="stable"),
        prefix,
        threshold,
        int(ranks.max(initial=0)) + 1,
    )
    return found


@dataclass(frozen=True)
class PairSums:
    """Weighted pair sums per person, by role.

    ``case_*`` belong to the one with the earlier event, ``control_*`` to the
    one who outlived it. A pair weighs what its case weighs.

    Attributes
    ----------
    case_agree, case_tied, case_pairs
        Concordant pairs, pairs tied on risk, all comparable pairs, shape (n,).
    control_agree, control_tied, control_pairs
        The same from the other side, shape (n,).
    tied_time
        Pairs of events at one time (not comparable).
    """

    case_agree: FloatArray
    case_tied: FloatArray
    case_pairs: FloatArray
    control_agree: FloatArray
    control_tied: FloatArray
    control_pairs: FloatArray
    tied_time: float

    @property
    def score(self) -> float:
        """Concordant pairs plus half of those tied on risk."""
        return float(np.sum(self.case_agree) + 0.5 * np.sum(self.case_tied))

    @property
    def pairs(self) -> float:
        """All comparable pairs."""
        return float(np.sum(self.case_pairs))

    @property
    def case_score(self) -> FloatArray:
        """Score of each person as a case."""
        return self.case_agree + 0.5 * self.case_tied

    @property
    def control_score(self) -> FloatArray:
        """Score of each person as a control."""
        return self.control_agree + 0.5 * self.control_tied


def pair_sums(
    duration: FloatArray,
    happened: BoolArray,
    risk: FloatArray,
    *,
    case_weight: FloatArray | None = None,
) -> PairSums:
    """Compare everybody who had an event with everybody who outlived it.

    i is a case for j where i's event precedes j's exit, or j was censored at
    that very time. Two events at one time are not compared.

    Parameters
    ----------
    duration, happened, risk
        Exit, whether by the event, and the score (higher = earlier), shape (n,).
    case_weight
        Weight of a person's pairs as a case, shape (n,); 1 if None.
    """
    n = duration.size
    weight = happened * (np.ones(n) if case_weight is None else case_weight)
    # Events first among equals: their controls are then exactly those behind the tie.
    order = np.lexsort((~happened, duration))
    rank = dense_rank(risk)[order]
    time, event, pair_weight = duration[order], happened[order], weight[order]
    tie_end = _end_of_event_ties(time, event)
    cases = np.flatnonzero(event)
    behind = n - tie_end[cases]
    below, level = _split_by_rank(rank, np.ones(n), prefix=tie_end[cases], threshold=rank[cases])
    everyone = np.bincount(rank, minlength=int(rank.max()) + 1).astype(np.float64)
    all_below = np.concatenate([[0.0], np.cumsum(everyone)])[rank[cases]]
    case_agree = (all_below - below) * pair_weight[cases]
    case_tied = (everyone[rank[cases]] - level) * pair_weight[cases]

    events_before: IntArray = np.cumsum(event) - np.where(event, _rank_in_tie(time, event), 0)
    case_rank, case_w = rank[cases], pair_weight[cases]
    under, equal = _split_by_rank(case_rank, case_w, prefix=events_before, threshold=rank)
    running = np.concatenate([[0.0], np.cumsum(case_w)])[events_before]

    def spread(values: FloatArray, slots: IntArray) -> FloatArray:
        whole = np.zeros(n)
        whole[order[slots]] = values
        return whole

    everybody = np.arange(n)
    return PairSums(
        case_agree=spread(case_agree, cases),
        case_tied=spread(case_tied, cases),
        case_pairs=spread(behind * case_w, cases),
        control_agree=spread(running - under - equal, everybody),
        control_tied=spread(equal, everybody),
        control_pairs=spread(running, everybody),
        tied_time=float(np.sum(tie_end[cases] - cases - 1)),
    )


def _split_by_rank(
    rank: IntArray, weights: FloatArray, *, prefix: IntArray, threshold: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the weight below, and at, the threshold among the first ``prefix`` values."""
    twice = weight_below(
        rank,
        weights,
        prefix=np.concatenate([prefix, prefix]),
        threshold=np.concatenate([threshold, threshold + 1]),
    )
    below, up_to = np.split(twice, 2)
    return below, up_to - below


def _end_of_event_ties(time: FloatArray, event: BoolArray) -> IntArray:
    """Return for every position the end of its run of equal (time, event)."""
    n = time.size
    last = np.append((time[1:] != time[:-1]) | (event[1:] != event[:-1]), True)
    ends = np.flatnonzero(last) + 1
    return ends[np.searchsorted(ends, np.arange(n), side="right")]


def _rank_in_tie(time: FloatArray, event: BoolArray) -> IntArray:
    """Return 1, 2, ... within runs of equal (time, event)."""
    first = np.append(True, (time[1:] != time[:-1]) | (event[1:] != event[:-1]))
    starts = np.flatnonzero(first)
    return np.arange(time.size) - starts[np.cumsum(first) - 1] + 1
