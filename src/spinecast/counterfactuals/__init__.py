"""Images that were never taken: follow-ups drawn from a baseline radiograph."""

from spinecast.counterfactuals.feature_maps import FeatureMap, feature_maps
from spinecast.counterfactuals.follow_up import (
    FollowUp,
    generate_follow_up,
    generate_unshared,
    reconstruct,
)
from spinecast.counterfactuals.sampling import SamplingSettings

__all__ = [
    "FeatureMap",
    "FollowUp",
    "SamplingSettings",
    "feature_maps",
    "generate_follow_up",
    "generate_unshared",
    "reconstruct",
]
