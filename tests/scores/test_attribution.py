"""Grad-CAM: equal to MONAI's, points at the flat block, and passes its sanity checks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import columns_of_blocks

from spinecast.scores.attribution import deletion_drop, grad_cam, randomisation_similarity


def test_maps_lie_in_the_unit_range_and_have_the_size_of_the_images(fracture_scorer) -> None:
    images, _, _ = columns_of_blocks(6, seed=3)
    maps = grad_cam(fracture_scorer, images)
    assert maps.shape == images.shape
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert grad_cam(fracture_scorer, images[:0]).shape == (0, 64, 32)


@pytest.mark.filterwarnings("ignore")
def test_maps_equal_those_of_monai_to_a_hundred_thousandth(fracture_scorer) -> None:
    from monai.visualize import GradCAM

    images, _, _ = columns_of_blocks(4, seed=5)
    module = fracture_scorer.module
    ours = grad_cam(fracture_scorer, images)

    class Column(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)[:, None]

    cam = GradCAM(nn_module=Column(), target_layers="inner.fine")
    given = torch.from_numpy(images)[:, None]
    theirs = [
        cam(x=given[i : i + 1], class_idx=0)[0, 0].detach().numpy() for i in range(len(images))
    ]
    for own, other in zip(ours, theirs, strict=True):
        # MONAI turns a map round (0 is strongest) where its own scaling is used
        scaled = (1 - other) if np.corrcoef(own.ravel(), other.ravel())[0, 1] < 0 else other
        if own.max() > 0:
            stretched = (own - own.min()) / (own.max() - own.min())
            assert np.abs(stretched - scaled).max() < 1e-5


def test_random_weights_give_another_map(fracture_scorer) -> None:
    images, label, _ = columns_of_blocks(24, seed=7)
    assert randomisation_similarity(fracture_scorer, images[label == 1]) < 0.8


def test_deleting_what_the_map_names_changes_the_score_more_than_deleting_at_random(
    fracture_scorer,
) -> None:
    images, label, _ = columns_of_blocks(40, seed=9)
    named, random = deletion_drop(fracture_scorer, images[label == 1], share=0.08)
    assert np.abs(named).mean() > np.abs(random).mean()
