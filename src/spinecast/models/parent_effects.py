"""What parents do to an image without redrawing it: a displacement and a gain, both smooth.

Wider bodies are a deformation, denser bone a multiplication, and either carries a person's
own detail along where a network would draw it anew. Both are linear in the standardised
parents. How they act on this person is read off the image itself: an endplate lies where
it lies, and latents know it less exactly.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

#: Side of the square of pixels that is one position of the maps.
_FOLD = 4
#: Channels by level, each of half the sides of the one before.
_WIDTHS = (16, 24, 48, 64)


class ParentEffects(nn.Module):
    """A smooth displacement and a smooth log gain, linear in the standardised parents.

    Their coefficients are maps that a small U-net reads off an image; they start at zero, so
    that nothing moves before it is learnt. Average parents never move anything.

    Attributes
    ----------
    stray
        (2,) how far off they may be: standard deviations of the displacement (pixels) and of
        the log gain, where the standardised parents change by 1 (root of the sum of squares).
        Measured by ``effect_spread``; 0 until then.
    """

    stray: torch.Tensor

    #: What an output of 1 means: share of the image's side, and log gain.
    REACH, GAIN = 0.02, 0.5

    #: How many times coarser the gain's maps are than the displacement's.
    BLUR = 8

    #: Pixels a side of the windows in which effects stray together: endplates move by themselves.
    WINDOW = 8

    def __init__(self, parents: int, *, image_shape: tuple[int, int]) -> None:
        super().__init__()
        self.image_shape, self.parents = image_shape, parents
        self.enter = _convolution(_FOLD**2, _WIDTHS[0])
        self.down = nn.ModuleList(_convolution(a, b, stride=2) for a, b in pairwise(_WIDTHS))
        self.middle = _convolution(_WIDTHS[-1], _WIDTHS[-1])
        # on its way up each level hears what was seen there on the way down
        self.up = nn.ModuleList(_convolution(a + b, a) for a, b in pairwise(_WIDTHS))
        self.coefficients = nn.Conv2d(_WIDTHS[0], 3 * parents, 1)
        nn.init.zeros_(self.coefficients.weight)
        nn.init.zeros_(self.coefficients.bias)
        self.register_buffer("stray", torch.zeros(2))

    def read(self, deviations: torch.Tensor) -> torch.Tensor:
        """Return the coefficients' maps, (n, parents, 3, rows / 4, columns / 4).

        ``deviations`` are images less the mean image, (n, rows, columns). Each is read in its
        mirror too and the mean of both is returned, which is less noisy than either; while
        training every other image is read in its mirror alone, so that both are learnt.
        """
        if self.training:
            mirrored = (torch.arange(len(deviations), device=deviations.device) % 2).bool()
            maps = self._read(torch.where(mirrored[:, None, None], deviations.flip(2), deviations))
            return torch.where(mirrored[:, None, None, None, None], _mirrored(maps), maps)
        there, back = self._read(torch.cat([deviations, deviations.flip(2)])).chunk(2)
        return (there + _mirrored(back)) / 2

    def _read(self, deviations: torch.Tensor) -> torch.Tensor:
        # grey values are tenths; convolutions start best near one
        h = self.enter(F.pixel_unshuffle(_FOLD * deviations[:, None], _FOLD))
        seen = [h]
        for layer in self.down:
            seen.append(layer(seen[-1]))
        h = self.middle(seen.pop())
        for layer in reversed(self.up):
            beside = seen.pop()
            h = layer(torch.cat([beside, F.interpolate(h, size=beside.shape[2:])], dim=1))
        return self.coefficients(h).unflatten(1, (self.parents, 3))

    def forward(
        self, maps: torch.Tensor, standardised: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the field, (n, 2, rows, columns) in pixels, and log gain, (n, rows, columns)."""
        total = (maps * standardised[:, :, None, None, None]).sum(dim=1)
        # a gain that could follow edges would pass for a displacement
        gain = self._stretched(F.avg_pool2d(total[:, 2:], self.BLUR, ceil_mode=True))
        field = self._stretched(total[:, :2]) * (self.REACH * max(self.image_shape))
        return field, gain[:, 0] * self.GAIN

    def astray(
        self, draws: torch.Tensor, change: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how far field and log gain are off, under standard normal draws.

        ``draws`` (n, 3, *windows), see :attr:`windows`; ``change`` (n, parents), of
        standardised parents. Shapes as of :meth:`forward`; nothing where nothing changes.
        """
        size = change.square().sum(dim=1).sqrt()[:, None, None, None]
        # what is interpolated between windows is smaller than in their middle, by 2/3 on average
        off = 1.5 * size * self._stretched(draws)
        return off[:, :2] * self.stray[0], off[:, 2] * self.stray[1]

    @property
    def windows(self) -> tuple[int, int]:
        """Windows down and right in which effects stray together."""
        rows, columns = (max(1, side // self.WINDOW) for side in self.image_shape)
        return rows, columns

    def _stretched(self, maps: torch.Tensor) -> torch.Tensor:
        return F.interpolate(maps, size=self.image_shape, mode="bilinear", align_corners=False)


def displace(images: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Return images whose every pixel is looked up ``field`` pixels (down, right) away.

    Bilinear, the border repeated. ``images`` (n, rows, columns), ``field`` (n, 2, rows, columns).
    """
    rows, columns = images.shape[1:]
    down = torch.linspace(-1, 1, rows, device=images.device, dtype=images.dtype)
    right = torch.linspace(-1, 1, columns, device=images.device, dtype=images.dtype)
    x = right[None, None, :] + field[:, 1] * (2 / max(1, columns - 1))
    y = down[None, :, None] + field[:, 0] * (2 / max(1, rows - 1))
    grid = torch.stack([x, y], dim=-1)
    found = F.grid_sample(
        images[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found[:, 0]


def displace_exactly(images: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Return :func:`displace` less its rounding: a field of zero returns the images bit for bit."""
    return images + (displace(images, field) - displace(images, torch.zeros_like(field)))


def _mirrored(maps: torch.Tensor) -> torch.Tensor:
    """Return coefficients as they are seen in a mirror: left and right change sides and sign."""
    down, right, gain = maps.flip(4).unbind(dim=2)
    return torch.stack([down, -right, gain], dim=2)


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(before, after, 3, stride, padding=1)
    # keeps the size of what comes through; torch's own start shrinks it at every layer
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layer, nn.SiLU())


__all__ = ["ParentEffects", "displace", "displace_exactly"]
