"""Later films are brought into the pose of the earlier one, and nothing else is changed."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from spinecast.models.diffx_config import TINY
from spinecast.models.latent_diffusion import build_pair
from spinecast.models.latent_pairs import ImagePairs
from spinecast.models.latent_training import encode_images
from spinecast.models.pair_alignment import add_aligned_follow_ups, align, estimate_pose
from spinecast.models.prompts import Attributes

SHAPE = (192, 96)


def film(seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 5) * 25
    column = np.exp(-(((np.arange(shape[1]) - shape[1] * 0.5) / 12) ** 2))
    rungs = 0.5 + 0.5 * np.sin(np.arange(shape[0]) / 4.0)
    picture = 0.4 + 0.1 * field + 0.3 * column[None, :] * rungs[:, None]
    return np.clip(picture, 0, 1).astype(np.float32)


def posed(picture, *, down=0.0, right=0.0, degrees=0.0, scale=1.0):
    """Move by an independent implementation (SciPy), pixels and degrees."""
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    centre = (np.array(picture.shape) - 1) / 2
    offset = centre - matrix @ (centre + np.array([down, right]))
    return ndimage.affine_transform(picture, matrix, offset, order=1, mode="nearest")


def error(a, b, margin=16):
    inner = (slice(margin, -margin), slice(margin // 2, -margin // 2))
    return float(((np.asarray(a)[inner] - np.asarray(b)[inner]) ** 2).mean())


@pytest.mark.parametrize(
    "pose",
    [
        {"down": 4.0, "right": -3.0},
        {"degrees": 2.5},
        {"scale": 1.05},
        {"down": -3.0, "right": 2.0, "degrees": -1.5, "scale": 0.96},
    ],
)
def test_a_moved_film_is_moved_back(pose):
    fixed = film()
    moving = posed(fixed, **pose)
    aligned = align(torch.from_numpy(moving)[None], torch.from_numpy(fixed)[None])[0]
    assert error(aligned, fixed) < 0.15 * error(moving, fixed)


def test_the_estimated_turn_is_in_the_frame_of_equal_pixels():
    fixed = film(3)
    pose = estimate_pose(
        torch.from_numpy(posed(fixed, degrees=3.0))[None], torch.from_numpy(fixed)[None]
    )[0]
    assert abs(abs(float(pose[2])) - np.radians(3.0)) < np.radians(0.5)
    assert pose[[0, 1, 3]].abs().max() < 0.02


def test_a_film_already_in_place_stays():
    fixed = torch.from_numpy(film())[None]
    assert error(align(fixed, fixed)[0], fixed[0]) < 1e-4


def test_brightness_and_contrast_are_matched():
    fixed = film()
    washed = 0.3 + 0.4 * fixed
    aligned = align(torch.from_numpy(washed)[None], torch.from_numpy(fixed)[None])[0]
    assert error(aligned, fixed) < 1e-4


def test_a_local_change_survives():
    fixed = film()
    changed = fixed.copy()
    changed[90:100, 40:56] = 0.9
    moving = posed(changed, down=3, right=-2)
    aligned = align(torch.from_numpy(moving)[None], torch.from_numpy(fixed)[None])[0].numpy()
    assert aligned[93:97, 44:52].mean() > fixed[93:97, 44:52].mean() + 0.15


@pytest.mark.parametrize("edge", [3, 6])
def test_black_borders_are_not_matched_but_what_they_frame(edge):
    """Shutters and padding stand still while the person moves; their edges are the strongest."""

    def framed(picture):
        black = np.zeros_like(picture)
        black[edge:-edge, edge:-edge] = picture[edge:-edge, edge:-edge]
        return black

    fixed, moving = framed(film()), framed(posed(film(), down=4.0, right=-3.0, degrees=1.5))
    aligned = align(torch.from_numpy(moving)[None], torch.from_numpy(fixed)[None])[0]
    assert error(aligned, fixed) < 0.15 * error(moving, fixed)
    np.testing.assert_array_equal(aligned.numpy()[: edge - 1], 0.0)


def test_where_nothing_was_seen_the_baseline_shows_through():
    fixed = film()
    moving = posed(fixed, down=-12)
    aligned = align(torch.from_numpy(moving)[None], torch.from_numpy(fixed)[None])[0].numpy()
    np.testing.assert_allclose(aligned[-4:], fixed[-4:], atol=0.1)


def test_pairs_do_not_influence_each_other():
    fixed = torch.from_numpy(np.stack([film(1), film(2)]))
    moving = torch.from_numpy(
        np.stack([posed(film(1), down=4), posed(film(2), degrees=2)]).astype(np.float32)
    )
    both = align(moving, fixed)
    torch.testing.assert_close(both[1:], align(moving[1:], fixed[1:]), atol=2e-3, rtol=0)


def test_moved_follow_ups_become_further_rows():
    class Store:
        images = np.stack([film(seed, (64, 32)) for seed in range(6)])

        def read(self, which):
            return self.images[which]

    pair = build_pair(TINY)
    rows = np.array([5, 3, 1, 0])
    known = [Attributes(age=50.0 + i) for i in range(4)]
    pairs = ImagePairs(np.array([0, 0]), np.array([1, 3]), np.array([2.0, 5.0]))
    latents = encode_images(pair, Store(), rows)
    added, attributes, moved = add_aligned_follow_ups(
        pair, Store(), rows, latents=latents, attributes=known, pairs=pairs
    )
    assert len(added) == len(attributes) == 6
    assert moved.follow_up.tolist() == [4, 5]
    assert moved.baseline.tolist() == [0, 0]
    assert [a.age for a in attributes[4:]] == [51.0, 53.0]
    torch.testing.assert_close(added.latents[:4], latents.latents)


def test_without_pairs_nothing_is_added():
    pair = build_pair(TINY)
    none = ImagePairs(np.array([], int), np.array([], int), np.array([]))
    latents = encode_images(
        pair,
        type("S", (), {"read": lambda _, w: np.zeros((len(w), 64, 32), np.float32)})(),
        np.arange(2),
    )
    added, attributes, pairs = add_aligned_follow_ups(
        pair, None, np.arange(2), latents=latents, attributes=[Attributes()] * 2, pairs=none
    )
    assert added is latents
    assert len(attributes) == 2
    assert pairs is none
