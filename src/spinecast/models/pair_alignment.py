"""Bring a person's later films into the pose of the earlier one before learning from them.

Two films of one person differ by how the person stood and how the tube was set, and
that hides what years do. Learnt from as they are, drawn futures would each take a new
pose, and a difference map would show the pose. Follow-ups are therefore moved by a
similarity (shift, turn, scale: never bent) onto their baseline, and their mean and
contrast are matched to it. What a similarity cannot undo, such as kyphosis or a
flattened vertebra, is left to be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from spinecast.models.latent_diffusion import DiffXPair
from spinecast.models.latent_pairs import ImagePairs, LatentSet, ReadsImages
from spinecast.models.prompts import Attributes

#: Reductions at which the films are matched, coarse to fine, and steps at each.
_LEVELS = ((8, 40), (4, 30), (2, 20))
_PAIRS_AT_ONCE = 128
_BLACK = 0.01


def add_aligned_follow_ups(
    pair: DiffXPair,
    images: ReadsImages,
    rows: np.ndarray,
    *,
    latents: LatentSet,
    attributes: Sequence[Attributes],
    pairs: ImagePairs,
) -> tuple[LatentSet, list[Attributes], ImagePairs]:
    """Return latents, attributes and pairs in which every follow-up lies like its baseline.

    Parameters
    ----------
    pair
        Whose autoencoder encodes the moved films.
    images, rows
        Where row ``i`` of ``latents`` is read: ``images.read(rows[[i]])``.
    latents, attributes, pairs
        Of the films as taken. The moved follow-ups are added as further rows, so that
        the films as taken still teach reconstruction.
    """
    if not len(pairs.years):
        return latents, list(attributes), pairs
    clear, low = [latents.latents], [latents.low_resolution]
    for start in range(0, len(pairs.years), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        before, after = (
            torch.from_numpy(images.read(rows[which[part]])).to(pair.device)
            for which in (pairs.baseline, pairs.follow_up)
        )
        moved = align(after, before)
        clear.append(pair.autoencoder.encode(moved).cpu())
        low.append(pair.encode_low_resolution(moved).cpu())
    known = [*attributes, *(attributes[row] for row in pairs.follow_up)]
    moved_rows = len(latents) + np.arange(len(pairs.years))
    return LatentSet(torch.cat(clear), torch.cat(low)), known, replace(pairs, follow_up=moved_rows)


def align(moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
    """Return ``moving`` films, (n, rows, columns), in the pose and contrast of ``fixed``.

    Where the moved film has nothing to show, ``fixed`` shows through.
    """
    pose = estimate_pose(moving, fixed)
    with torch.no_grad():
        moved, inside = _move(moving[:, None], _shown(moving[:, None]), pose)
        moved, target = moved[:, 0], (inside * _shown(fixed[:, None]))[:, 0]
        weight = target.sum(dim=(1, 2), keepdim=True).clamp(min=1)
        centre, goal = ((x * target).sum(dim=(1, 2), keepdim=True) / weight for x in (moved, fixed))
        spread, wanted = (
            (((x - c) ** 2 * target).sum(dim=(1, 2), keepdim=True) / weight).sqrt()
            for x, c in ((moved, centre), (fixed, goal))
        )
        matched = (moved - centre) * (wanted / spread.clamp(min=1e-6)) + goal
        return torch.where(target > 0.5, matched, fixed).clamp(0, 1)


def estimate_pose(
    moving: torch.Tensor,
    fixed: torch.Tensor,
    *,
    rigid: bool = False,
    patience: int = 1,
    region: tuple[slice, slice] | None = None,
) -> torch.Tensor:
    """Return each pose, (n, 4): shifts down and right by shares of the rows, turn, log scale.

    Maximises the correlation inside the common field, from coarse to fine, with a weak
    pull towards no movement. ``rigid`` keeps the scale; ``patience`` multiplies the steps.
    ``region`` has the rows and columns of ``fixed`` that the finest level matches; the
    coarser ones match all, lest a vertebra be taken for its neighbour.
    """
    free = torch.tensor([1.0, 1.0, 1.0, 0.0 if rigid else 1.0], device=moving.device)
    with torch.enable_grad():
        pose = torch.zeros(len(moving), 4, device=moving.device, requires_grad=True)
        for reduction, steps in _LEVELS:
            small, goal = (F.avg_pool2d(x[:, None], reduction) for x in (moving, fixed))
            seen, wanted = (-F.max_pool2d(-_shown(x[:, None]), reduction) for x in (moving, fixed))
            if region is not None and reduction == _LEVELS[-1][0]:
                wanted = wanted * F.max_pool2d(_inside(region, fixed)[:, None], reduction)
            optimizer = torch.optim.Adam([pose], lr=0.002 * reduction**0.5)
            for _ in range(patience * steps):
                moved, inside = _move(small, seen, pose * free)
                # pairs do not influence each other: the sum's gradient is each one's own
                loss = (
                    1 - _correlation(moved, goal, inside * wanted) + 0.5 * (pose**2).sum(dim=1)
                ).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return (pose * free).detach()


def in_pose(moving: torch.Tensor, pose: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return films, (n, rows, columns), seen in ``pose``, and 1 where they show something."""
    moved, inside = _move(moving[:, None], _shown(moving[:, None]), pose)
    return moved[:, 0], inside[:, 0]


def _inside(region: tuple[slice, slice], films: torch.Tensor) -> torch.Tensor:
    """Return 1 in some rows and columns, 0 elsewhere, as (1, rows, columns) of films."""
    inside = torch.zeros_like(films[:1])
    inside[:, region[0], region[1]] = 1.0
    return inside


def _shown(films: torch.Tensor) -> torch.Tensor:
    """Return 1 where films, (n, 1, rows, columns), show something, 0 in and near black.

    Padding and the collimator's shadow are black; their edges are the strongest of a film,
    and would be matched instead of the person.
    """
    return -F.max_pool2d(-(films > _BLACK).to(films.dtype), 5, stride=1, padding=2)


def _move(
    films: torch.Tensor, shown: torch.Tensor, pose: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return films, (n, 1, rows, columns), seen in ``pose``, and where they show something."""
    down, right, turn, log_scale = pose.unbind(dim=1)
    # sampling coordinates run from -1 to 1 along each axis: turning needs the aspect
    aspect = films.shape[2] / films.shape[3]
    cosine, sine = log_scale.exp() * turn.cos(), log_scale.exp() * turn.sin()
    matrix = torch.stack(
        [
            torch.stack([cosine, -sine * aspect, 2 * right * aspect], dim=1),
            torch.stack([sine / aspect, cosine, 2 * down], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix, list(films.shape), align_corners=False)
    moved = F.grid_sample(films, grid, padding_mode="border", align_corners=False)
    inside = F.grid_sample(shown, grid.detach(), padding_mode="zeros", align_corners=False)
    return moved, (inside > 0.99).to(films.dtype)


def _correlation(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted correlation of each pair of films, (n,)."""
    axes = (1, 2, 3)
    total = weight.sum(dim=axes, keepdim=True).clamp(min=1)
    a = a - (a * weight).sum(dim=axes, keepdim=True) / total
    b = b - (b * weight).sum(dim=axes, keepdim=True) / total
    product = (a * b * weight).sum(dim=axes)
    size = (a * a * weight).sum(dim=axes) * (b * b * weight).sum(dim=axes)
    return product / size.clamp(min=1e-12).sqrt()


__all__ = ["add_aligned_follow_ups", "align", "estimate_pose", "in_pose"]
