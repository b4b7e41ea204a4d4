"""Where a scorer looked: Grad-CAM, and two checks that the map means anything.

References
----------
Selvaraju RR et al. Grad-CAM. ICCV 2017. Adebayo J et al. Sanity checks for saliency
maps. NeurIPS 2018.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from spinecast.scores.predict import BATCH, FittedScorer, Floats, as_tensor, score_images

Maps = NDArray[np.float32]


def grad_cam(scorer: FittedScorer, images: NDArray[np.float32]) -> Maps:
    """Return Grad-CAM maps of a scorer.

    Parameters
    ----------
    scorer
        The scorer; its last feature maps that still tell places apart are looked at.
    images
        (n, rows, columns) in [0, 1].

    Returns
    -------
    ndarray
        (n, rows, columns) in [0, 1], each map over its own maximum; all 0 where nothing
        speaks for the score. A map is coarse, shows what raises the logit and not whether
        the score is right, and a plausible one proves nothing: see
        :func:`randomisation_similarity` and :func:`deletion_drop`.
    """
    parts = [
        _grad_cam_batch(scorer, images[start : start + BATCH])
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, *scorer.config.shape), np.float32)


def randomisation_similarity(
    scorer: FittedScorer, images: NDArray[np.float32], *, seed: int = 0
) -> float:
    """Return the mean correlation of maps before and after the weights are made random.

    Near 1, the map shows edges of the image and nothing of what was learnt.
    """
    stranger = copy.deepcopy(scorer.module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for parameter in stranger.parameters():
            torch.nn.init.normal_(parameter, std=float(parameter.detach().std(correction=0)) + 1e-3)
    random = FittedScorer(stranger.eval(), scorer.task, scorer.config)
    pairs = zip(grad_cam(scorer, images), grad_cam(random, images), strict=True)
    known = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs if a.std() > 0 and b.std() > 0
    ]
    return float(np.mean(known)) if known else 0.0


def deletion_drop(
    scorer: FittedScorer, images: NDArray[np.float32], *, share: float = 0.1, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return how much the score falls when the places named by the map are blurred out.

    Parameters
    ----------
    share
        Share of the pixels that is replaced by the image's mean.

    Returns
    -------
    named, random : ndarray
        (n,) falls for the pixels the map names, and for as many random ones: a map that
        says something has the larger fall.
    """
    maps = grad_cam(scorer, images)
    lots = np.random.default_rng(seed).random(maps.shape)
    before = score_images(scorer, images)
    falls = [
        before - score_images(scorer, _without(images, ranks, share)) for ranks in (maps, lots)
    ]
    return falls[0], falls[1]


def _without(images: NDArray[np.float32], ranks: NDArray[np.floating], share: float) -> Maps:
    cut = np.quantile(ranks, 1 - share, axis=(1, 2), keepdims=True)
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.where(ranks >= cut, mean, images).astype(np.float32)


def _grad_cam_batch(scorer: FittedScorer, images: NDArray[np.float32]) -> Maps:
    module = scorer.module.eval()
    given = as_tensor(images, scorer.config.shape).to(next(module.parameters()).device)
    with torch.enable_grad():
        maps = module.maps(given).detach().requires_grad_(True)
        total = module.logits(module.pooled(maps)).sum()
        (slope,) = torch.autograd.grad(total, maps)
    weighted = (slope.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True)
    shown = functional.interpolate(
        functional.relu(weighted), size=given.shape[2:], mode="bilinear", align_corners=False
    )[:, 0]
    peak = shown.amax(dim=(1, 2), keepdim=True)
    return (shown / peak.clamp_min(1e-12)).cpu().numpy().astype(np.float32)
