"""Sizes and trainings of the counterfactual study's networks, by the names in its settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spinecast.counterfactuals import CausalGraph
from spinecast.counterfactuals.answer import parent_values
from spinecast.counterfactuals.image_mechanism import ImageMechanism, build_image_model
from spinecast.errors import error
from spinecast.models import deep_hvae, hvae, hvae_training
from spinecast.models.deep_hvae import DeepConfig, Level
from spinecast.models.hvae import TwoLevelConfig
from spinecast.models.hvae_training import HVAETraining
from spinecast.models.image_model import ImageModel
from spinecast.models.parent_reader import ReaderConfig
from spinecast.run import StageContext
from spinecast.seeds import integer
from spinecast.stages.counterfactual_run import BACKBONES
from spinecast.stages.counterfactual_settings import CounterfactualSettings
from spinecast.stages.scans import ChosenScans, read_scans, study_graph
from spinecast.stages.settings import TrainingSettings
from spinecast.stages.training import fitting
from spinecast.tables import SPLITS

_TINY_TWO_LEVEL = replace(
    hvae.DEMO,
    encoder=(16, 24),
    decoder=(24, 16),
    outer_latents=8,
    inner_latents=16,
    hidden=32,
)
_TINY_DEEP = replace(
    deep_hvae.DEMO,
    levels=(Level(1, 16, 1, 1, 0), Level(2, 24, 1, 1, 4), Level(2, 24, 1, 1, 4)),
    embedding=16,
    noise_width=8,
)
_SIZES: dict[str, dict[str, TwoLevelConfig | DeepConfig]] = {
    "paper": {"two_level": hvae.PAPER, "deep": deep_hvae.PAPER},
    "demo": {"two_level": hvae.DEMO, "deep": deep_hvae.DEMO},
    "tiny": {"two_level": _TINY_TWO_LEVEL, "deep": _TINY_DEEP},
}
_TERMS: dict[str, dict[str, HVAETraining]] = {
    "paper": {"two_level": hvae_training.PAPER, "deep": hvae_training.PAPER_DEEP},
    "demo": dict.fromkeys(BACKBONES, hvae_training.DEMO),
    "tiny": dict.fromkeys(BACKBONES, hvae_training.DEMO),
}
#: Other widths for judges than for readers: a judge that resembles the reader shares its errors.
_READER_WIDTHS = {"paper": (24, 32, 48, 64), "demo": (24, 32, 48, 64), "tiny": (16, 24, 32)}
_JUDGE_WIDTHS = {"paper": (32, 48, 64, 64), "demo": (32, 48, 64, 64), "tiny": (24, 32, 32)}


@dataclass(frozen=True)
class Lesson:
    """What networks are fitted to.

    Attributes
    ----------
    graph
        Gives the image's parents.
    scans, index
        All eligible scans and what is known of them, in one order.
    parents
        (scans, parents) in their units.
    settings, seed, folder
        Of the run; where broken trainings are continued.
    """

    graph: CausalGraph
    scans: ChosenScans
    index: pd.DataFrame
    parents: np.ndarray
    settings: CounterfactualSettings
    seed: int
    folder: Path

    @classmethod
    def of(cls, context: StageContext) -> Lesson:
        """Read the lesson of a stage; SC-609 where a split has nobody."""
        graph = study_graph(context)
        scans, index = read_scans(context.needs["images"])
        empty = sorted(set(SPLITS) - set(index["split"]))
        if empty:
            raise error("SC-609", expected="people in every split", got=f"none in {empty[0]}",
                        where=f"{index['person_id'].nunique()} people")  # fmt: skip
        return cls(
            graph,
            scans,
            index,
            parent_values(graph, index),
            context.settings,
            context.seed,
            context.folder / "training",
        )

    def places(self, split: str) -> np.ndarray:
        """Return the places of the scans of a split's people."""
        return np.flatnonzero((self.index["split"] == split).to_numpy())


def reader_config(settings: CounterfactualSettings, graph: CausalGraph) -> ReaderConfig:
    """Return the shape of the network that the image models are trained against."""
    return ReaderConfig(
        image_shape=settings.preparation.shape,
        logged=logged(graph),
        widths=_READER_WIDTHS[settings.networks],
    )


def judge_config(settings: CounterfactualSettings, graph: CausalGraph) -> ReaderConfig:
    """Return the shape of the network that judges them."""
    return replace(reader_config(settings, graph), widths=_JUDGE_WIDTHS[settings.networks])


def new_image_model(
    backbone: str, settings: CounterfactualSettings, graph: CausalGraph, *, seed: int
) -> ImageModel:
    """Return an image model before its first step."""
    config = _SIZES[settings.networks][backbone]
    config = replace(config, image_shape=settings.preparation.shape, logged=logged(graph))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "image model", backbone))
        return build_image_model(config)


def image_training(backbone: str, settings: CounterfactualSettings, *, seed: int) -> HVAETraining:
    """Return how an image model is fitted: terms by the networks' name, lengths by the settings."""
    terms = _TERMS[settings.networks][backbone]
    lengths: TrainingSettings = getattr(settings, backbone)
    return replace(terms, fit=fitting(lengths, integer(seed, "fit", backbone), start=terms.fit))


def logged(graph: CausalGraph) -> tuple[bool, ...]:
    """Say of each image parent whether its logarithm is used."""
    return tuple(graph[name].kind == "positive" for name in graph.image_parents)


def load_backbones(folder: Path) -> dict[str, ImageMechanism]:
    """Return the image mechanisms of an `image_models` stage or weights folder, by name."""
    return {name: ImageMechanism.load(folder, name) for name in BACKBONES}


def require_fit(
    mechanism: ImageMechanism, settings: CounterfactualSettings, graph: CausalGraph
) -> None:
    """Refuse weights for other images or other parents than the run's; SC-403."""
    shape, parents = settings.preparation.shape, graph.image_parents
    got = tuple(mechanism.model.image_shape), tuple(mechanism.parents)
    if got != (tuple(shape), tuple(parents)):
        raise error(
            "SC-403",
            expected=f"weights for images of {shape[0]} x {shape[1]} by {', '.join(parents)}",
            got=f"{got[0][0]} x {got[0][1]} by {', '.join(got[1])}",
            where="weights",
        )
