"""Images that were never taken: follow-ups drawn from a baseline radiograph, and causal models.

A causal graph is plain data that a study file holds. So this door loads the graph at once,
and the rest, with torch, when it is asked for. (A function that is called like its file
cannot be had in this way: ``feature_maps`` is imported from its file.)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spinecast.counterfactuals.graph import CausalGraph, Node

if TYPE_CHECKING:
    from spinecast.counterfactuals.discovery import DiscoverySettings, discover_edges
    from spinecast.counterfactuals.follow_up import (
        FollowUp,
        generate_follow_up,
        generate_unshared,
        reconstruct,
    )
    from spinecast.counterfactuals.linear_summary import (
        residual_independence,
        standardised_weights,
    )
    from spinecast.counterfactuals.sampling import SamplingSettings
    from spinecast.counterfactuals.scm import (
        Noise,
        ScmSettings,
        StructuralCausalModel,
        load_scm,
        save_scm,
    )
    from spinecast.counterfactuals.scm_fitting import fit_scm
    from spinecast.counterfactuals.scm_follow_ups import FollowedPeople

_ROOMS = {
    "discovery": ("DiscoverySettings", "discover_edges"),
    "follow_up": ("FollowUp", "generate_follow_up", "generate_unshared", "reconstruct"),
    "linear_summary": ("residual_independence", "standardised_weights"),
    "sampling": ("SamplingSettings",),
    "scm": ("Noise", "ScmSettings", "StructuralCausalModel", "load_scm", "save_scm"),
    "scm_fitting": ("fit_scm",),
    "scm_follow_ups": ("FollowedPeople",),
}

__all__ = [
    "CausalGraph",
    "DiscoverySettings",
    "FollowUp",
    "FollowedPeople",
    "Node",
    "Noise",
    "SamplingSettings",
    "ScmSettings",
    "StructuralCausalModel",
    "discover_edges",
    "fit_scm",
    "generate_follow_up",
    "generate_unshared",
    "load_scm",
    "reconstruct",
    "residual_independence",
    "save_scm",
    "standardised_weights",
]


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
