"""Vertebral bodies: size, fracture, density and pose.

A body is a cylinder-like block with a kidney-shaped cross-section, two dished
endplates, a waist, a cortical shell and a trabecular core. Its core density is
what remains of the areal density (the AP integral) once shell, endplates and
posterior elements are taken off, so that DXA of the same anatomy gives the
person's areal density back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.anatomy_dice import AnatomyDice
from spinecast.simulation.posture import Stack, balance, stack_spine, upward
from spinecast.simulation.spine_state import SpineState
from spinecast.simulation.vertebral_sizes import (
    CHAIN,
    KYPHOTIC,
    LUMBAR,
    MEN,
    N_CHAIN,
    SACRAL_DEPTHS,
    SACRAL_HEIGHTS,
    SACRAL_WIDTHS,
    WOMEN_TO_MEN,
)

Floats = NDArray[np.float64]

DISH = 0.034
"""Depth of a whole endplate as a fraction of the body height."""

POSTERIOR_SHARE = 0.40
"""Part of the areal density of an AP scan that lies behind the bodies."""

CORTEX = 1.05
"""Mineral density of the shell as far as a radiograph resolves it, g/cm3."""


@dataclass(frozen=True, eq=False)
class VertebralBodies:
    """Bodies from L5 up to C3, then S1 to S4; all arrays have one row a body.

    Parameters
    ----------
    levels
        Names of the rows.
    centre
        (n, 2) x and y, mm.
    inclination
        Angle of the front-to-back axis below the horizontal, radians.
    anterior, posterior
        Rim heights, mm.
    dish
        (n, 2) depth of the lower and the upper endplate below their rims, mm.
    depth
        (n, 2) front-to-back extent of the lower and the upper endplate, mm.
    width
        Left-to-right extent, mm.
    waist
        Fraction by which the walls are drawn in; negative where a crush bulges.
    core, shell, endplate
        Core density (g/cm3), shell and endplate thickness (mm of cortex).
    texture, roughness, band
        Relative contrast of the trabecular lattice; unevenness of the endplates (mm);
        density of the compacted zone below a broken endplate (g/cm3).
    coronal
        Side tilt, radians.
    """

    levels: tuple[str, ...]
    centre: Floats
    inclination: Floats
    anterior: Floats
    posterior: Floats
    dish: Floats
    depth: Floats
    width: Floats
    waist: Floats
    core: Floats
    shell: Floats
    endplate: Floats
    texture: Floats
    roughness: Floats
    band: Floats
    coronal: Floats

    def six_points(self) -> Floats:
        """Return (n, 6, 2) points in mm: front, middle and back, upper plate then lower."""
        half_top, half_bottom = 0.5 * self.depth[:, 1], 0.5 * self.depth[:, 0]
        rims = 0.5 * np.stack([self.anterior, self.middle_rim, self.posterior], axis=1)
        drop = np.zeros_like(rims)
        upper = rims - np.stack([drop[:, 0], self.dish[:, 1], drop[:, 2]], axis=1)
        lower = -rims + np.stack([drop[:, 0], self.dish[:, 0], drop[:, 2]], axis=1)
        along = np.array([-1.0, 0.0, 1.0])
        u = np.concatenate([half_top[:, None] * along, half_bottom[:, None] * along], axis=1)
        v = np.concatenate([upper, lower], axis=1)
        return self.to_world(u, v)

    @property
    def middle_rim(self) -> Floats:
        """Distance between the planes of the two rims at mid-depth, mm."""
        return 0.5 * (self.anterior + self.posterior)

    @property
    def middle(self) -> Floats:
        """Height between the two endplates at mid-depth, mm."""
        return self.middle_rim - self.dish.sum(axis=1)

    def to_world(self, u: Floats, v: Floats) -> Floats:
        """Turn body coordinates (to the back, upward; (n, k)) into (n, k, 2) mm."""
        back = np.stack([np.cos(self.inclination), np.sin(self.inclination)], axis=1)
        up = upward(self.inclination)
        return (
            self.centre[:, None, :]
            + u[..., None] * back[:, None, :]
            + v[..., None] * up[:, None, :]
        )


@dataclass(frozen=True, eq=False)
class Deformation:
    """What fractures take from each mobile body, as fractions of its own height."""

    loss: Floats
    anterior: Floats
    middle: Floats
    posterior: Floats


MOST_KYPHOSIS = np.radians(95.0)
"""What kyphosis and wedge fractures add up to at most, about; ours."""

_PROFILE = {
    # how much of the loss falls on the front, the middle and the back
    "wedge": (1.0, 0.62, 0.10),
    "biconcave": (0.18, 1.0, 0.06),
    "crush": (1.0, 1.0, 1.0),
}


def deform(state: SpineState) -> Deformation:
    """Return what the fractures of ``state`` take from each mobile body."""
    lost = np.zeros((4, N_CHAIN))
    for fracture in state.fractures:
        row = CHAIN.index(fracture.level)
        profile = np.array(_PROFILE[fracture.shape])
        lost[:, row] = (fracture.loss, *(fracture.loss * profile))
    return Deformation(*lost)


def build_bodies(state: SpineState, dice: AnatomyDice) -> tuple[VertebralBodies, Stack]:
    """Lay down all bodies of one person, posed, in mm."""
    lengths = state.vertebra_size * (WOMEN_TO_MEN if state.sex == "F" else 1.0)
    height = lengths * MEN.height * (1 + 0.022 * dice.size[:N_CHAIN, 0])
    depth = lengths * MEN.depth * (1 + 0.022 * dice.size[:N_CHAIN, 1])
    width = lengths * MEN.width * (1 + 0.02 * dice.size[:N_CHAIN, 2])
    loss = deform(state)
    body_wedge, disc_wedge = _curves(state, dice)
    anterior = (height + 0.5 * depth * np.tan(body_wedge)) * (1 - loss.anterior)
    posterior = (height - 0.5 * depth * np.tan(body_wedge)) * (1 - loss.posterior)
    rim = 0.5 * (anterior + posterior)
    disc = lengths * disc_heights(state, dice)
    wedge = np.arctan((anterior - posterior) / depth)
    relief = _relief(body_wedge - wedge, kyphosis=np.radians(state.kyphosis))
    stack = stack_spine(rim, disc, body_wedge=wedge, disc_wedge=disc_wedge + relief)
    stack = _balanced(stack, state, dice)
    middle = height * (1 - 2 * DISH * (0.7 + 0.6 * dice.endplate[:N_CHAIN, 0]))
    dish = np.maximum(rim - middle * (1 - loss.middle), 0.0)
    mobile = {
        "centre": stack.centre,
        "inclination": stack.inclination,
        "anterior": anterior,
        "posterior": posterior,
        "dish": _share_dish(dish, loss, dice),
        "depth": np.stack([depth, depth * 0.985], axis=1) * (1 + 0.07 * loss.loss)[:, None],
        "width": width,
        "waist": 0.085 - 0.26 * loss.loss,
        "roughness": 0.15 + 0.075 * loss.loss * height * (0.6 + dice.endplate[:N_CHAIN, 2]),
        "band": np.where(loss.loss > 0, 0.06 + 0.22 * loss.loss, 0.0),
        "squeeze": 1.0 / (1.0 - 0.55 * loss.loss),
        "coronal": _side_curve(dice),
    }
    sacrum = _sacrum(stack, dice, lengths=lengths)
    joined = {key: np.concatenate([mobile[key], sacrum[key]]) for key in mobile}
    squeeze = joined.pop("squeeze")
    density = _density(state, depth=joined["depth"].mean(axis=1), height=joined["anterior"])
    density["core"] = density["core"] * squeeze
    bodies = VertebralBodies(levels=(*CHAIN, "S1", "S2", "S3", "S4"), **joined, **density)
    return bodies, stack


def disc_heights(state: SpineState, dice: AnatomyDice) -> Floats:
    """Return disc heights in mm of men of mean size; each disc ages at its own pace."""
    pace = np.clip(1.0 + 0.45 * dice.disc[:, 1], 0.2, 2.0)
    factor = np.clip(1.0 - (1.0 - state.disc_height) * pace, 0.22, 1.3)
    return MEN.disc * (1 + 0.07 * dice.disc[:, 0]) * factor


def _curves(state: SpineState, dice: AnatomyDice) -> tuple[Floats, Floats]:
    """Share lordosis and kyphosis over bodies and discs, radians."""
    kyphosis, lordosis = np.radians(state.kyphosis), np.radians(state.lordosis)
    body = MEN.body_share.copy()
    disc = MEN.disc_share.copy()
    # bodies wedge only so far in health: kyphosis beyond 42 degrees comes from the discs
    in_bodies = min(kyphosis, np.radians(42)) * 0.65
    body[KYPHOTIC] *= in_bodies / 0.65
    shape = disc[KYPHOTIC]
    inner = np.where(np.arange(shape.size) == 0, 0.0, shape)
    disc[KYPHOTIC] = inner * (kyphosis - in_bodies) / -inner.sum()
    scale = np.where(LUMBAR, lordosis, np.where(KYPHOTIC, 1.0, np.radians(35)))
    body, disc = body * np.where(KYPHOTIC, 1.0, scale), disc * np.where(KYPHOTIC, 1.0, scale)
    wobble = np.radians(0.8) * dice.size[:N_CHAIN, 3]
    # a taller front of one body is made up in the disc below, so that the curve stays
    return body + wobble, disc - wobble


def _relief(kyphotic: Floats, *, kyphosis: float) -> Floats:
    """Open the neighbouring discs in front by a part of what a wedge fracture closes.

    The part grows where many fractures add up: nobody's trunk folds on itself, so that
    kyphosis and fractures together stay about within :data:`MOST_KYPHOSIS`.
    """
    from_the_body_below = np.concatenate([[0.0], kyphotic[:-1]])
    usual = 0.16 * (kyphotic + from_the_body_below)
    added = max(float(kyphotic.sum() - usual.sum()), 1e-9)
    room = max(MOST_KYPHOSIS - kyphosis, np.radians(10.0))
    bearable = added / (1.0 + (added / room) ** 6) ** (1.0 / 6.0)
    return usual + (added - bearable) * kyphotic / max(float(kyphotic.sum()), 1e-9)


def _balanced(stack: Stack, state: SpineState, dice: AnatomyDice) -> Stack:
    nominal = -np.radians(8.0 + 0.60 * state.lordosis + 3.5 * dice.frame["sacral_slope"])
    stoop = 0.55 * max(state.kyphosis - 45.0, 0.0)
    target = 16.0 + 11.0 * dice.frame["balance"] - stoop
    return balance(stack, nominal=nominal, target=target, reference=CHAIN.index("T4"))


def _share_dish(dish: Floats, loss: Deformation, dice: AnatomyDice) -> Floats:
    """Split the collapse over the plates: mostly the upper one, as seen on films."""
    upper = np.where(loss.loss > 0, 0.50 + 0.32 * dice.endplate[:N_CHAIN, 1], 0.5)
    return np.stack([dish * (1 - upper), dish * upper], axis=1)


def _side_curve(dice: AnatomyDice) -> Floats:
    amplitude, phase, offset = dice.scoliosis
    along = np.linspace(0.0, 2.0 * np.pi, N_CHAIN)
    return np.radians(1.4 * amplitude * np.sin(along + 2 * phase) + 0.6 * offset)


def _density(state: SpineState, *, depth: Floats, height: Floats) -> dict[str, Floats]:
    """Split the areal density into shell, endplates and core."""
    bmd = state.bmd_spine
    thin = np.clip(bmd, 0.35, 1.6) ** 0.5
    shell, endplate = 0.42 * thin, 0.66 * thin
    plates = 2 * endplate / 10 * CORTEX * depth / height
    inside = (bmd * (1 - POSTERIOR_SHARE) - 2 * shell / 10 * CORTEX - plates) / (depth / 10)
    core = np.maximum(inside, 0.022)
    # sacral bodies are short and thick: the integral above does not hold for them
    core[N_CHAIN:] = 0.75 * np.median(core[:5])
    rough = 0.16 + 0.55 * np.clip(1.0 - state.trabecular, 0.0, 0.8)
    return {
        "core": core,
        "shell": np.full_like(depth, shell),
        "endplate": np.full_like(depth, endplate),
        "texture": np.full_like(depth, rough),
    }


def _sacrum(stack: Stack, dice: AnatomyDice, *, lengths: float) -> dict[str, Floats]:
    """Lay down S1 to S4 below the origin, bending back and then forward."""
    rows = slice(N_CHAIN, N_CHAIN + 4)
    heights = lengths * SACRAL_HEIGHTS * (1 + 0.02 * dice.size[rows, 0])
    depths = lengths * SACRAL_DEPTHS
    bends = np.radians(np.array([5.0, 13.0, 17.0, 17.0]))
    angle = stack.sacral_inclination - 0.5 * bends + np.cumsum(bends) * 0.9
    gaps = np.array([0.0, 3.0, 2.0, 1.5]) * lengths
    steps = (heights + gaps)[:, None] * -upward(angle)
    ends = np.cumsum(steps, axis=0)
    centre = ends + 0.5 * heights[:, None] * upward(angle)
    zeros = np.zeros(4)
    return {
        "centre": centre,
        "inclination": angle,
        "anterior": heights * 1.03,
        "posterior": heights * 0.97,
        "dish": np.stack([0.01 * heights, 0.01 * heights], axis=1),
        "depth": np.stack([depths[1:], depths[:-1] * np.array([1.0, 0.97, 0.97, 0.97])], axis=1),
        "width": lengths * SACRAL_WIDTHS,
        "waist": zeros + 0.06,
        "roughness": zeros + 0.2,
        "band": zeros,
        "squeeze": zeros + 1.0,
        "coronal": zeros,
    }
