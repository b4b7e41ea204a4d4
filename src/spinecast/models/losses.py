"""Losses of survival networks: exact partial likelihoods and discrete-time hazards."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

from spinecast.errors import error


def cox_loss(
    log_hazard: torch.Tensor,
    duration: torch.Tensor,
    event: torch.Tensor,
    *,
    ties: Literal["efron", "breslow"] = "efron",
) -> torch.Tensor:
    r"""Negative log partial likelihood of Cox's model, averaged per event.

    .. math:: -\frac{1}{D} \sum_t \Big[ \sum_{i \in D_t} \eta_i - \sum_{l=0}^{d_t - 1}
              \log \Big( \sum_{j \in R_t} e^{\eta_j}
              - \tfrac{l}{d_t} \sum_{j \in D_t} e^{\eta_j} \Big) \Big]

    with 0 for :math:`l/d_t` in Breslow's; in the input's dtype, safe from overflow.

    Parameters
    ----------
    log_hazard
        (n,) log relative hazards.
    duration
        (n,) years, not negative.
    event
        (n,) 1 = event; 0, or 2 = competing death, leaves the risk set (cause-specific).
    ties
        How people with equal event times share a risk set.

    Returns
    -------
    torch.Tensor
        Scalar; zero, with zero gradient, where nobody has an event. Losses of batches
        of different size are not comparable, because the risk sets differ.

    Raises
    ------
    StatisticsError
        SC-606 lengths differ; SC-610 unknown ``ties``.

    References
    ----------
    Efron B. J Am Stat Assoc 1977;72:557. Breslow N. Biometrics 1974;30:89.
    """
    if ties not in {"efron", "breslow"}:
        raise error("SC-610", expected="efron or breslow", got=str(ties))
    if not log_hazard.shape == duration.shape == event.shape or log_hazard.ndim != 1:
        raise error(
            "SC-606",
            expected="three vectors of one length",
            got=f"{tuple(log_hazard.shape)}, {tuple(duration.shape)}, {tuple(event.shape)}",
        )
    order = torch.argsort(duration, descending=True, stable=True)
    eta, failed = log_hazard[order], event[order] == 1
    if not bool(failed.any()):
        return (log_hazard * 0).sum()
    group, size = _tie_groups(duration[order])
    at_risk = torch.logcumsumexp(eta, dim=0)[torch.cumsum(size, 0) - 1][group]
    log_sum = at_risk[failed]
    if ties == "efron":
        log_sum = log_sum + _efron_correction(eta[failed], group[failed], log_sum)
    return (log_sum - eta[failed]).mean()


def _tie_groups(duration: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each one's run of equal durations, (n,), and the sizes of the runs, (groups,)."""
    _, group, size = torch.unique_consecutive(duration, return_inverse=True, return_counts=True)
    return group, size


def _efron_correction(
    eta: torch.Tensor, group: torch.Tensor, log_sum: torch.Tensor
) -> torch.Tensor:
    """Return log(1 - l/d exp(D - R)) of each event, where l counts events of its tie before it."""
    # groups are renumbered, because those without an event have left
    group, count = _tie_groups(group)
    start = torch.cumsum(count, 0) - count
    rank = (torch.arange(len(eta), device=eta.device) - start[group]).to(eta.dtype)
    # shares of the risk set: each at most 1, so the exponential cannot overflow
    share = torch.zeros(len(count), dtype=eta.dtype, device=eta.device)
    share = share.index_add(0, group, torch.exp(eta - log_sum))
    return torch.log1p(-rank / count[group] * share[group])


def hazard_targets(
    duration: torch.Tensor, event: torch.Tensor, edges: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn durations into yes/no targets per interval, with a mask for what was not seen.

    Parameters
    ----------
    duration, event
        (n,) years and 1 = event.
    edges
        (k + 1,) increasing interval borders, the first 0.

    Returns
    -------
    tuple
        ``target`` and ``mask``, both (n, k). A person counts in every interval entered
        until the event. A censored person counts only in the intervals survived to the
        end: part of an interval says little about the whole of it. Events after the
        last border are survival of all intervals.
    """
    start, end = edges[:-1], edges[1:]
    time, happened = duration[:, None], (event == 1)[:, None]
    target = happened & (time > start) & (time <= end)
    # an event at time 0 belongs to the first interval, which has no open left border
    target[:, 0] |= (happened & (time <= start[0]))[:, 0]
    mask = (time >= end) | target
    return target.to(edges.dtype), mask.to(edges.dtype)


def discrete_hazard_loss(
    logits: torch.Tensor, target: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Negative log likelihood of discrete-time hazards, averaged over the intervals seen.

    Parameters
    ----------
    logits
        (n, k) logits of the hazard in each interval, given survival to its start.
    target, mask
        From :func:`hazard_targets`. Zero where the mask is all zero.

    References
    ----------
    Gensheimer MF, Narasimhan B. PeerJ 2019;7:e6257.
    """
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each * mask).sum() / mask.sum().clamp(min=1)


def survival_from_hazards(logits: torch.Tensor) -> torch.Tensor:
    """Return (n, k) probabilities of surviving to each interval's end."""
    return functional.logsigmoid(-logits).cumsum(dim=1).exp()
