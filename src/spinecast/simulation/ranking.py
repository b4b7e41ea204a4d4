"""How well a score ranks people whose true survival is known, expected over every pair."""

from __future__ import annotations

import numpy as np

from spinecast.simulation.population import Floats


def expected_auroc(risk: Floats, survival: Floats) -> float:
    """Return the expected cumulative/dynamic AUROC at one time.

    Parameters
    ----------
    risk
        Score, (n,), high for early events.
    survival
        True chance of no event by then, (n,).

    Returns
    -------
    float
        Chance that, of one who has the event by then and one who has not, the first has the
        higher score; ties count half.
    """
    cases = 1.0 - survival
    return _ranked(risk, cases, survival) / _pairs(cases, survival)


def expected_concordance(risk: Floats, survival: Floats) -> float:
    """Return the expected concordance index without censoring up to the last time.

    Parameters
    ----------
    risk
        Score, (n,), high for early events.
    survival
        True survival at increasing times from 0, (n, times).

    Returns
    -------
    float
        Chance that of two people the one with the earlier event (before the last time)
        has the higher score; ties of scores count half.
    """
    won, pairs = 0.0, 0.0
    for step in range(1, survival.shape[1]):
        cases = survival[:, step - 1] - survival[:, step]
        controls = 0.5 * (survival[:, step - 1] + survival[:, step])
        won += _ranked(risk, cases, controls)
        pairs += _pairs(cases, controls)
    return won / pairs


def _pairs(cases: Floats, controls: Floats) -> float:
    """Weight of all ordered pairs of two different people."""
    return float(cases.sum() * controls.sum() - np.sum(cases * controls))


def _ranked(risk: Floats, cases: Floats, controls: Floats) -> float:
    """Weight of the pairs whose case has the higher score, ties counting half."""
    order = np.argsort(risk, kind="stable")
    _, first, inverse = np.unique(risk[order], return_index=True, return_inverse=True)
    below = np.concatenate([[0.0], np.cumsum(controls[order])])
    last = np.append(first[1:], len(risk))
    lower = below[first[inverse]]
    tied = below[last[inverse]] - lower
    ordered = cases[order]
    # A person is no pair with himself: half his own weight would count as a tie.
    own = 0.5 * float(np.sum(cases * controls))
    return float(np.sum(ordered * (lower + 0.5 * tied))) - own
