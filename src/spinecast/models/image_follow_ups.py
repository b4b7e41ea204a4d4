"""Other images of the same people, for training: what years did to a person is on record.

Among people, what age does hides behind what makes them differ anyway. Within a person
it does not: the later image *is* the counterfactual of the earlier one under the later
age, up to how the person lay, the detector's noise and whatever befell the person. How
the person lay is undone by a shift and a turn; no scale and no contrast, which are what
years change. At last only the middle of the image is matched: where a spine gets shorter
something must stay in place, and an image is centred on what it was taken of. Matched as
a whole, half of a shortening would pass for a pose. The rest is noise that many people
average out.

All of it but one: a second scan lies straighter than a crooked first one, whichever came
first, and a network that redraws the image learns that as if years had done it. Displacement
and gain cannot: they are linear in the change of the parents, and pairs run both ways in
time. So where years are learnt from pairs, counterfactuals take nothing else over
(``ImageModel.redraw`` is 0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from spinecast.errors import error
from spinecast.images.fidelity import middle_columns
from spinecast.models.device import best_device
from spinecast.models.hvae_layers import Inferred, blurred
from spinecast.models.image_model import ImageModel, drawn_under
from spinecast.models.latent_pairs import ReadsImages
from spinecast.models.pair_alignment import estimate_pose, in_pose

_AT_ONCE = 128
#: Differences far below this count squared, far above it plainly: a fracture or a pose that
#: was not found is no reason to move everybody's bone.
_ROUND = 0.01


@dataclass(frozen=True)
class FollowUps:
    """Pairs of images of one person, as rows of an image source.

    Attributes
    ----------
    rows, others
        (k,) int: an image, each at most once, and another of the same person, before or after.
    parents
        (k, parents), in their units: what the causal model makes of the parents of ``rows``
        at the time of ``others``.
    pose
        (k, 4): how the other image is brought into the pose of the first.
    unchanged
        Mean difference of the two as they are, counted as :func:`missed` does.

    Notes
    -----
    Valid as far as what happened between the two follows from time by the graph; a fracture
    or an implant is noise here, and biases what is learnt where it is common.
    """

    rows: np.ndarray
    others: np.ndarray
    parents: np.ndarray
    pose: torch.Tensor
    unchanged: float

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def places(self) -> dict[int, int]:
        """The pair of each row that has one."""
        return {int(row): pair for pair, row in enumerate(self.rows)}

    def later(self, images: ReadsImages, which: np.ndarray) -> torch.Tensor:
        """Return the other images of some pairs in the pose of the first; NaN beyond their edge."""
        moved, inside = in_pose(torch.from_numpy(images.read(self.others[which])), self.pose[which])
        return moved.masked_fill(inside < 0.5, torch.nan)


def find_follow_ups(
    images: ReadsImages,
    rows: np.ndarray,
    others: np.ndarray,
    *,
    parents: np.ndarray,
    columns: slice = slice(None),
    progress: Callable[[float, str], None] | None = None,
) -> FollowUps:
    """Bring pairs of images into one pose (see :class:`FollowUps`).

    ``columns`` are those of the region of interest, inside which they are compared;
    ``progress`` is told the share done and a text.

    Raises
    ------
    ModelError
        SC-407 where a row stands twice, or the three differ in length.
    """
    if not len(rows) == len(others) == len(parents) or len(np.unique(rows)) != len(rows):
        raise error("SC-407", expected="each image once, with one other", got="others",
                    where="follow-ups")  # fmt: skip
    device = best_device()
    poses, gaps = [torch.zeros(0, 4)], [torch.zeros(0)]
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        fixed, moving = (
            torch.from_numpy(images.read(which[part])).to(device) for which in (rows, others)
        )
        middle = middle_columns(fixed.shape[1], 0.5), columns
        pose = estimate_pose(moving, fixed, rigid=True, patience=2, region=middle)
        poses.append(pose.cpu())
        moved, inside = in_pose(moving, pose)
        if progress is not None:
            progress(min(1.0, (start + _AT_ONCE) / len(rows)), "brought into one pose")
        gap = _gap((fixed - moved)[:, :, columns], (inside > 0.5)[:, :, columns])
        gaps.append(gap.cpu())
    unchanged = torch.cat(gaps)
    return FollowUps(
        np.asarray(rows), np.asarray(others), np.asarray(parents, dtype=np.float64),
        torch.cat(poses), float(unchanged.mean()) if len(unchanged) else 0.0,
    )  # fmt: skip


def with_follow_ups(
    batch: np.ndarray,
    images: ReadsImages,
    follow_ups: FollowUps,
    *,
    asked: torch.Tensor,
    most: int,
) -> Iterator[torch.Tensor]:
    """Yield what :func:`missed` needs of a batch of rows.

    Places in the batch (at most ``most``), the other images, and the standardised parents.
    """
    at = follow_ups.places
    places = [place for place, row in enumerate(batch) if int(row) in at][:most]
    pairs = np.array([at[int(batch[place])] for place in places], dtype=int)
    yield torch.tensor(places, dtype=torch.long)
    yield follow_ups.later(images, pairs)
    yield asked[pairs]


def missed(
    module: ImageModel,
    images: torch.Tensor,
    inferred: Inferred,
    *,
    followed: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    columns: slice,
) -> torch.Tensor:
    """Return the mean absolute difference of counterfactuals from the other images.

    Both slightly blurred, which leaves anatomy and takes most of the grain, inside
    ``columns`` and the other image's field; 0 where nobody in the batch has another image.

    Parameters
    ----------
    images, inferred
        One row per particle.
    followed
        From :func:`with_follow_ups`, places counted in rows of ``images``.
    """
    places, later, asked = followed
    if not len(places):
        return images.new_zeros(())
    made = drawn_under(images[places], inferred[places], asked, module=module)
    known = later.isfinite()
    difference = made - later.nan_to_num()
    return _gap(difference[:, :, columns], known[:, :, columns]).mean()


def _gap(difference: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute blurred difference of each image, (n,), round at zero."""
    inside = (blurred(difference * known).square() + _ROUND**2).sqrt() - _ROUND
    counted = known.flatten(1).sum(dim=1).clamp(min=1)
    return (inside * known).flatten(1).sum(dim=1) / counted


__all__ = ["FollowUps", "find_follow_ups", "missed", "with_follow_ups"]
