"""PCA maps of the structure model's features, kept while the networks are at hand."""

from __future__ import annotations

import numpy as np

from spinecast.counterfactuals.feature_maps import PAPER_TIMESTEPS, FeatureMap, feature_maps
from spinecast.files import read_json
from spinecast.models.device import best_device
from spinecast.models.latent_diffusion import DiffXPair, load_pair
from spinecast.run import StageContext
from spinecast.seeds import integer
from spinecast.stages.arrays import write_arrays
from spinecast.stages.cohort import read_images

_PEOPLE = 6
_LARGEST = 48
_LEVELS = 255


def write_features(context: StageContext) -> None:
    """Write `features.npz` of the first gallery film: ``maps``, ``blocks``, ``timesteps``.

    Call it in stage `follow_up` after `images.json` is written; where nobody's futures were
    drawn nothing is written. ``maps`` is (blocks, timesteps, rows, columns, 3) in 8 bits,
    components fitted over up to six people so that they describe more than one spine.
    """
    index = context.folder / "images.json"
    if not index.exists():
        return
    listed = read_json(index)
    names = list(dict.fromkeys([*listed["draws"], *listed["image_id"]]))[:_PEOPLE]
    store, _ = read_images(context.needs["images"])
    pair = load_pair(context.needs["generator"] / "pair").to(best_device())
    times = existing_timesteps(pair)
    found = feature_maps(
        pair, store.read(names), timesteps=times, seed=integer(context.seed, "features") % 2**31
    )
    blocks = sorted({item.block for item in found})
    write_arrays(
        context.folder / "features.npz",
        maps=stacked(found, blocks, times),
        blocks=np.array(blocks),
        timesteps=np.array(times),
    )


def existing_timesteps(pair: DiffXPair) -> tuple[int, ...]:
    """Return the paper's timesteps, scaled where the noise schedule is shorter."""
    length = pair.config.noise.timesteps
    scaled = [min(max(1, round(t * length / 1000)), length - 1) for t in PAPER_TIMESTEPS]
    return tuple(dict.fromkeys(scaled))


def stacked(found: list[FeatureMap], blocks: list[int], times: tuple[int, ...]) -> np.ndarray:
    """Return the first film's maps in one array, every block enlarged to the finest one's size."""
    rows, columns = (max(item.maps.shape[axis] for item in found) for axis in (2, 3))
    shrunk = max(1, -(-rows // _LARGEST))
    rows, columns = rows // shrunk, columns // shrunk
    array = np.zeros((len(blocks), len(times), rows, columns, 3), np.uint8)
    for item in found:
        colours = np.zeros((3, *item.maps.shape[2:]), np.float32)
        colours[: min(3, item.maps.shape[1])] = item.maps[0][:3]
        at_row = np.arange(rows) * colours.shape[1] // rows
        at_column = np.arange(columns) * colours.shape[2] // columns
        picture = colours[:, at_row][:, :, at_column].transpose(1, 2, 0)
        place = blocks.index(item.block), times.index(item.timestep)
        array[place] = np.rint(picture * _LEVELS).astype(np.uint8)
    return array
