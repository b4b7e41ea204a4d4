"""Settings of the counterfactual study, as plain values: no torch is loaded to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spinecast.images.radiograph import Preparation
from spinecast.stages.settings import CohortSettings, TrainingSettings


@dataclass(frozen=True)
class CausalSettings:
    """What causes what, and how that is fitted to the tables.

    Attributes
    ----------
    graph
        ``with_density`` or ``published`` (counterfactuals.spine_graph); the run's option
        ``graph``, the text of a graph file, is taken before it.
    steps
        Optimiser steps of the mechanisms.
    resamples
        Resampled people behind the intervals of the standardised weights.
    discovery_resamples
        Of the search for edges, where the run asks for one.
    """

    graph: str = "with_density"
    steps: int = 400
    resamples: int = 200
    discovery_resamples: int = 50


@dataclass(frozen=True)
class JudgingSettings:
    """What is drawn of whom, and how it is judged. All of it of test people.

    Attributes
    ----------
    particles
        Draws of the latents behind do(age + years) and the ages of the gallery.
    follow_up_particles
        Draws whose mean is compared with a real follow-up image.
    years
        How much older the intervention on age makes people.
    plus_years_people, axiom_people, gallery
        Most people whose images are drawn under it; whose images face the axioms; whose
        images are drawn at ``ages``.
    ages
        Years.
    roi_columns
        Share of the columns, in the middle, that is the region of interest; as published.
    pooled
        Variables whose signs of change are counted together; none counts all.
    precision
        Coefficient of variation of one measurement, by variable: the noise below which no
        change can be predicted.
    bootstrap
        Resamples of people for intervals that have no formula.
    """

    particles: int = 32
    follow_up_particles: int = 8
    years: float = 10.0
    plus_years_people: int = 120
    axiom_people: int = 80
    gallery: int = 6
    ages: tuple[float, ...] = (50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0)
    roi_columns: float = 0.4
    pooled: tuple[str, ...] = ()
    precision: Mapping[str, float] = field(default_factory=dict)
    bootstrap: int = 500


@dataclass(frozen=True)
class CounterfactualSettings:
    """Everything the counterfactual study can be told.

    Attributes
    ----------
    networks
        Sizes of the networks: ``paper``, ``demo`` or ``tiny`` (stages.image_networks).
    two_level, deep, reader, judge
        Lengths of training.
    modalities
        DICOM codes of the images studied; none takes all.
    """

    preparation: Preparation
    networks: str
    two_level: TrainingSettings
    deep: TrainingSettings
    reader: TrainingSettings
    judge: TrainingSettings
    cohort: CohortSettings = field(default_factory=CohortSettings)
    modalities: tuple[str, ...] = ("BMD",)
    causal: CausalSettings = field(default_factory=CausalSettings)
    judging: JudgingSettings = field(default_factory=JudgingSettings)
