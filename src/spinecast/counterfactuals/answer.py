"""One answer for variables and image together: abduct, act, predict.

The causal model says what an intervention makes of the image's parents; the image's
mechanism then draws the image of them, with the noise of the image that was taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from spinecast.counterfactuals.graph import CausalGraph
from spinecast.counterfactuals.image_mechanism import CounterfactualImages, ImageMechanism
from spinecast.counterfactuals.row_codes import Floats, Setting, encode_rows
from spinecast.counterfactuals.scm import StructuralCausalModel
from spinecast.errors import error


@dataclass(frozen=True)
class CausalAnswer:
    """What n people and their images would have been under m interventions.

    Attributes
    ----------
    variables
        One table per intervention, rows as those asked about.
    images
        See :class:`~spinecast.counterfactuals.image_mechanism.CounterfactualImages`.
    """

    variables: tuple[pd.DataFrame, ...]
    images: CounterfactualImages


def image_counterfactual(
    scm: StructuralCausalModel,
    mechanism: ImageMechanism,
    rows: pd.DataFrame,
    *,
    images: np.ndarray,
    do: Sequence[Mapping[str, Setting]],
    particles: int = 1,
    generator: torch.Generator | None = None,
    keep_particles: bool = False,
    seed: int = 0,
) -> CausalAnswer:
    """Answer what ``rows`` and ``images`` would have been under each of several interventions.

    Parameters
    ----------
    scm, mechanism
        Fitted to the same graph.
    rows
        (n) people as they were when their images were taken, in the graph's units.
    images
        (n, rows, columns) in [0, 1].
    do
        Interventions, each as of ``StructuralCausalModel.counterfactual``; an empty one
        returns rows and images as they are.
    particles, generator, keep_particles
        See ``ImageMechanism.generate``: noise is abducted once for all interventions.
    seed
        Of the noise of levels.

    Raises
    ------
    ModelError
        SC-403 where the two have other image parents, SC-404 for images of another shape,
        SC-410, SC-413 or SC-414 for variables that do not fit.

    Notes
    -----
    The answer extrapolates where an intervention leaves ``scm.support``.
    """
    if tuple(mechanism.parents) != scm.graph.image_parents:
        raise error(
            "SC-403",
            expected=f"an image with parents {', '.join(scm.graph.image_parents)}",
            got=", ".join(mechanism.parents),
            where="image mechanism",
        )
    noise = scm.abduct(rows, seed=seed)
    variables = tuple(scm.counterfactual(rows, one, noise=noise) for one in do)
    parents = parent_values(scm.graph, rows)
    drawn = mechanism.generate(
        images,
        parents,
        np.stack([parent_values(scm.graph, table) for table in variables]),
        particles=particles,
        generator=generator,
        keep_particles=keep_particles,
    )
    return CausalAnswer(variables, drawn)


def parent_values(graph: CausalGraph, rows: pd.DataFrame) -> Floats:
    """Return the image's parents of ``rows`` as numbers, (n, parents); a binary is 0 or 1.

    Raises
    ------
    ModelError
        SC-407 for a category of three levels or more, which is no number; SC-413 for
        missing or impossible values.
    """
    several = [n for n in graph.image_parents if graph[n].kind == "category"]
    if several:
        raise error("SC-407", expected="image parents that are numbers or binaries",
                    got=f"category {several[0]}", where="image parents")  # fmt: skip
    return np.stack([encode_rows(graph, rows)[name] for name in graph.image_parents], axis=1)
