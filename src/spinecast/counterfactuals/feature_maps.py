"""What the structure model holds at each block and timestep, seen by principal components.

In the paper body shape emerges at the fifth block and sharp edges at the eighth;
these maps show where that happens in a network at hand, and so which blocks to hand
over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spinecast.counterfactuals.sampling import SamplingRun, SamplingSettings
from spinecast.errors import error
from spinecast.models.feature_injection import up_path
from spinecast.models.latent_diffusion import DiffXPair
from spinecast.models.prompts import Attributes

#: The paper's timesteps (figure of PCA maps).
PAPER_TIMESTEPS = (900, 600, 300, 1)


@dataclass(frozen=True)
class FeatureMap:
    """Principal components of one block at one timestep.

    Attributes
    ----------
    block, timestep
        Where.
    maps
        (n, components, rows, columns), each component scaled to [0, 1] over all images,
        so that equal tones mean equal features.
    explained
        Share of the variance that each component holds.
    """

    block: int
    timestep: int
    maps: np.ndarray
    explained: np.ndarray


@torch.no_grad()
def feature_maps(
    pair: DiffXPair,
    images: np.ndarray,
    *,
    blocks: Sequence[int] | None = None,
    timesteps: Sequence[int] = PAPER_TIMESTEPS,
    components: int = 3,
    seed: int = 0,
) -> list[FeatureMap]:
    """Return principal-component maps of the structure model's up-path features.

    Components are fitted over all given images together: give several people, else
    they describe one person's positions only.

    Parameters
    ----------
    pair
        Fitted networks.
    images
        (n, rows, columns) float32 in [0, 1].
    blocks
        Up-path blocks; None takes all.
    timesteps
        Of the noise schedule.
    components
        How many; three make a colour picture.
    seed
        Of the noise that the images are given.

    Raises
    ------
    ModelError
        SC-404 for images of another shape, SC-407 for blocks or timesteps that do not exist.
    """
    wanted = _existing_blocks(pair, blocks, timesteps)
    run = SamplingRun.prepare(
        pair,
        torch.as_tensor(images, dtype=torch.float32).to(pair.device),
        [Attributes()] * len(images),
        years=np.zeros((len(images), 1)),
        draws=1,
        seed=seed,
        settings=SamplingSettings(),
    )
    found = []
    for timestep in timesteps:
        features = run.structure_at(timestep, blocks=(frozenset(wanted), frozenset()))
        for block in wanted:
            held = features.blocks[block].cpu().numpy()
            maps, explained = principal_maps(held, components=components)
            found.append(FeatureMap(block, timestep, maps, explained))
    return found


def _existing_blocks(
    pair: DiffXPair, blocks: Sequence[int] | None, timesteps: Sequence[int]
) -> tuple[int, ...]:
    existing, length = len(up_path(pair.structure.unet)), pair.config.noise.timesteps
    wanted = tuple(range(existing)) if blocks is None else tuple(blocks)
    if not set(wanted) <= set(range(existing)) or not set(timesteps) <= set(range(length)):
        raise error(
            "SC-407",
            expected=f"blocks 0 to {existing - 1}, timesteps 0 to {length - 1}",
            got=f"{wanted} and {tuple(timesteps)}",
            where="feature maps",
        )
    return wanted


def principal_maps(features: np.ndarray, *, components: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return component maps, (n, components, rows, columns) in [0, 1], and explained shares.

    Parameters
    ----------
    features
        (n, channels, rows, columns); every position of every image is one observation.
    components
        At most as many as channels.

    Notes
    -----
    The sign of a component is arbitrary; it is fixed so that its largest loading is
    positive, which makes repeated runs comparable.
    """
    n, channels, rows, columns = features.shape
    flat = features.transpose(0, 2, 3, 1).reshape(-1, channels).astype(float)
    centred = flat - flat.mean(axis=0)
    _, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    kept = loadings[: min(components, channels)]
    largest = np.abs(kept).argmax(axis=1)
    kept = kept * np.sign(kept[np.arange(len(kept)), largest])[:, None]
    projected = centred @ kept.T
    low, high = projected.min(axis=0), projected.max(axis=0)
    scaled = (projected - low) / np.maximum(high - low, 1e-12)
    maps = scaled.reshape(n, rows, columns, -1).transpose(0, 3, 1, 2)
    shares = singular**2 / max(float((singular**2).sum()), 1e-12)
    return maps.astype(np.float32), shares[: len(kept)]


__all__ = ["PAPER_TIMESTEPS", "FeatureMap", "feature_maps", "principal_maps"]
