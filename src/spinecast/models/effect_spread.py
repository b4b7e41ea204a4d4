"""How far off the effects of parents may be, measured on second images of held-out people.

What years did to a person differs from what the effects foretell: people age in their own
ways, and the effects are estimates. Where the second image is off the foretold one, the
displacement and the gain that would mend it are solved for window by window. Part of that
is how the person lay and the detector's noise, which do not grow with the years; what grows
is what counterfactuals are uncertain by (see ``ParentEffects.stray``). How a person turned
between two scans moves everything to one side, so far that what years did sideways cannot
be told from it: displacements are taken to be as far off either way as they are along the
way that tells more.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from spinecast.models.hvae_layers import blurred
from spinecast.models.image_follow_ups import FollowUps
from spinecast.models.image_model import ImageModel, drawn_under
from spinecast.models.latent_pairs import ReadsImages

#: Median of the square of a standard normal number.
_MEDIAN_SQUARE = 0.4549
_AT_ONCE = 64
#: Below it halves of the pairs say nothing of each other.
_FEWEST = 20


@torch.no_grad()
def measure_stray(
    model: ImageModel,
    images: ReadsImages,
    follow_ups: FollowUps,
    *,
    parents: np.ndarray,
    columns: slice = slice(None),
) -> None:
    """Set ``model.effects.stray`` from pairs of people whom the model was not fitted to.

    Parameters
    ----------
    model
        Fitted, on the CPU; left as it is where it has no effects or the pairs are fewer than 20.
    images, follow_ups
        The pairs.
    parents
        (images, parents) in their units, of every image.
    columns
        The region of interest; windows whose middle lies outside are not used.

    Notes
    -----
    Robust: by medians, of the pairs whose parents change least and most. A few fractures
    among them do not widen it; where many people change in ways that parents do not tell,
    it understates how far off the worst are.
    """
    if model.effects is None or len(follow_ups) < _FEWEST:
        return
    asked = model.scale(torch.from_numpy(follow_ups.parents))
    own = model.scale(torch.from_numpy(np.asarray(parents, dtype=np.float64)[follow_ups.rows]))
    found = []
    for start in range(0, len(follow_ups), _AT_ONCE):
        pairs = np.arange(start, min(start + _AT_ONCE, len(follow_ups)))
        given = torch.from_numpy(images.read(follow_ups.rows[pairs]))
        inferred = model.infer(model.look(given), own[pairs], rng=None)
        made = drawn_under(given, inferred, asked[pairs], module=model)
        later = follow_ups.later(images, pairs)
        found.append(window_mends(made, later, window=model.effects.WINDOW, columns=columns))
    change = (asked - own).square().sum(dim=1)
    model.effects.stray.copy_(_growing(torch.cat(found), change))


def window_mends(
    made: torch.Tensor, later: torch.Tensor, *, window: int, columns: slice
) -> torch.Tensor:
    """Return what would mend images window by window, (n, windows down, windows right, 3).

    Displacement down and right in pixels, and log gain, by least squares on slightly blurred
    images (n, rows, columns), in windows of ``window`` pixels a side; NaN where ``later`` is
    unknown, outside ``columns``, or where an image is too plain to tell.
    """
    known = later.isfinite().to(made.dtype)
    seen = blurred(made * known)
    rest = blurred((later.nan_to_num() - made) * known)
    down, right = torch.zeros_like(seen), torch.zeros_like(seen)
    down[:, 1:-1] = (seen[:, 2:] - seen[:, :-2]) / 2
    right[:, :, 1:-1] = (seen[:, :, 2:] - seen[:, :, :-2]) / 2

    def over_windows(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(values[:, None], window)[:, 0]

    causes = (down, right, seen)
    products = torch.stack([torch.stack([over_windows(a * b) for b in causes], -1)
                            for a in causes], -1)  # fmt: skip
    sums = torch.stack([over_windows(a * rest) for a in causes], -1)
    sizes = products.diagonal(dim1=-2, dim2=-1)
    usual = sizes.flatten(0, 2).median(dim=0).values
    tells = (sizes > usual / 4).all(dim=-1) & (over_windows(known) > 0.99)
    middle = (torch.arange(tells.shape[2]) + 0.5) * window
    start, stop, _ = columns.indices(made.shape[2])
    tells = tells & ((middle >= start) & (middle < stop))
    ridge = 1e-4 * torch.diag_embed(sizes.clamp(min=1e-12))
    solved = torch.linalg.solve(products + ridge, sums[..., None])[..., 0]
    return solved.masked_fill(~tells[..., None], torch.nan)


def _growing(mends: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Return standard deviations of displacement (pixels) and log gain per unit of change."""
    order = change.argsort()
    least, most = order[: len(order) // 2], order[len(order) // 2 :]
    longer = float(change[most].mean() - change[least].mean())
    if longer <= 0:
        return mends.new_zeros(2)

    def spread(which: torch.Tensor, cause: int) -> float:
        values = mends[which][..., cause].square().flatten()
        values = values[values.isfinite()]
        return float(values.median()) / _MEDIAN_SQUARE if len(values) else 0.0

    at_first = [spread(least, cause) for cause in range(3)]
    grown = [(spread(most, cause) - at_first[cause]) / longer for cause in range(3)]
    tells_more = min((0, 1), key=at_first.__getitem__)
    return mends.new_tensor([grown[tells_more], grown[2]]).clamp(min=0).sqrt()


__all__ = ["measure_stray", "window_mends"]
