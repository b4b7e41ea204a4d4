"""Calibration of a scorer's logits on people it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from spinecast.errors import error

Floats = NDArray[np.float64]

#: With fewer people of either kind, a calibration would be noise: the logits are left alone.
FEWEST = 10


@dataclass(frozen=True)
class Calibration:
    """Probability = expit(slope * logit + offset); the default changes nothing."""

    slope: float = 1.0
    offset: float = 0.0

    def probabilities(self, logits: Floats) -> Floats:
        """Return probabilities in [0, 1] for (n,) logits."""
        return expit(self.slope * np.asarray(logits, dtype=float) + self.offset)


def fit_calibration(
    logits: Floats, target: Floats, *, method: Literal["temperature", "platt", "none"] = "platt"
) -> Calibration:
    """Fit a calibration by maximum likelihood.

    Parameters
    ----------
    logits
        (n,) of people the network was not fitted to; on its own training people any
        calibration would look perfect.
    target
        (n,) 0 or 1.
    method
        ``temperature`` fits the slope alone, ``platt`` slope and offset (with Platt's
        smoothed targets, so that separated groups give finite values).

    Returns
    -------
    Calibration
        The identity where either group has fewer than ten people. The slope is kept
        above 0.01: calibration must not turn a ranking over.

    Raises
    ------
    StatisticsError
        SC-606 lengths differ; SC-610 unknown method.

    References
    ----------
    Platt J. Adv Large Margin Classifiers 1999; Guo C et al. ICML 2017.
    """
    logits, target = np.asarray(logits, dtype=float), np.asarray(target, dtype=float)
    if logits.shape != target.shape:
        raise error("SC-606", expected=str(logits.shape), got=str(target.shape))
    if method not in {"temperature", "platt", "none"}:
        raise error("SC-610", expected="temperature, platt or none", got=method)
    positives, negatives = int((target == 1).sum()), int((target == 0).sum())
    if method == "none" or min(positives, negatives) < FEWEST:
        return Calibration()
    smooth = np.where(target == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * logits + parameters[1]
        residual = expit(z) - smooth
        value = float(np.mean(np.logaddexp(0, z) - smooth * z))
        return value, np.array([np.mean(residual * logits), np.mean(residual)])

    free = (None, None) if method == "platt" else (0.0, 0.0)
    fitted = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.01, None), free]
    )
    return Calibration(slope=float(fitted.x[0]), offset=float(fitted.x[1]))
