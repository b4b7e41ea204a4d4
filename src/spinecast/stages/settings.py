"""Settings of the follow-up study, as plain values: no torch is loaded to read them."""

from __future__ import annotations

from dataclasses import dataclass, field

from spinecast.images.radiograph import Preparation


@dataclass(frozen=True)
class CohortSettings:
    """Who takes part and how people are split.

    Attributes
    ----------
    minimum_age
        Years at baseline.
    view
        The view studied; ``""`` takes every view (films that do not say).
    keep_unknown
        Keep people of unknown age and images of unknown view. Nothing is filled in.
    require_follow_up
        Demand a later film, as the paper did: immortal-time bias, so off by default.
    fractions, folds
        Train, validation, test by person; folds for out-of-fold scores. One fold fits one
        network on all training people, who are then not scored out of sample.
    endpoint
        The outcome of the risk analyses.
    """

    minimum_age: float = 50.0
    view: str = "LATERAL"
    keep_unknown: bool = False
    require_follow_up: bool = False
    fractions: tuple[float, ...] = (0.6, 0.2, 0.2)
    folds: int = 5
    endpoint: str = "any_fracture"


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast one network is fitted.

    Attributes
    ----------
    steps
        Optimiser steps.
    batch_size, learning_rate
        As usual; the rate is the peak of a cosine.
    warmup
        Steps of linear warm-up.
    ema
        Decay of the averaged weights; 0 keeps none.
    """

    steps: int
    batch_size: int = 16
    learning_rate: float = 1e-4
    warmup: int = 100
    ema: float = 0.999
    weight_decay: float = 0.01


@dataclass(frozen=True)
class GenerationSettings:
    """What is drawn of whom.

    Attributes
    ----------
    horizons
        Years after the baseline film; the time of the last follow-up is added.
    draws
        Images per horizon.
    steps, guidance_scale, structure, detail
        See :class:`spinecast.counterfactuals.SamplingSettings`.
    say_years
        Whether the prompt says how many years later.
    splits
        Whose futures are drawn in full; people of ``risk_splits`` get the last horizon of
        ``horizons`` only, for thresholds and risk models. Training people are left out
        where the networks were fitted to them.
    risk_splits
        See above.
    gallery
        Test people whose draws are kept as images for the report.
    """

    horizons: tuple[float, ...] = (1.0, 5.0, 10.0)
    draws: int = 10
    steps: int = 10
    guidance_scale: float = 1.0
    structure: str = "noised"
    detail: str = "drawn"
    say_years: bool = True
    splits: tuple[str, ...] = ("test",)
    risk_splits: tuple[str, ...] = ("train", "validation")
    gallery: int = 8


@dataclass(frozen=True)
class RiskSettings:
    """Thresholds and times of the risk analyses.

    Attributes
    ----------
    threshold_baseline, threshold_generated
        As published; beside them thresholds are chosen on people outside the test set.
    cutpoint_method
        Correction of the maximally selected log-rank statistic.
    times
        Years at which AUROC, calibration and net benefit are judged.
    generated_horizon
        The horizon whose score makes the groups.
    frax_threshold
        Percent, of the treatment scenario.
    bootstrap
        Resamples of people for intervals that have no formula.
    """

    threshold_baseline: float = 0.5
    threshold_generated: float = 0.6
    cutpoint_method: str = "lau94"
    times: tuple[float, ...] = (1.0, 5.0, 10.0)
    generated_horizon: float = 10.0
    frax_threshold: float = 20.0
    bootstrap: int = 500


@dataclass(frozen=True)
class FollowUpSettings:
    """Everything the follow-up study can be told.

    Attributes
    ----------
    networks
        Sizes of the networks: ``paper``, ``demo`` or ``tiny`` (spinecast.models).
    autoencoder, structure, prompt, scorer
        Lengths of training.
    training_mode
        ``paired`` (ours) or ``separate`` (as published), see docs/decisions.
    training_people
        Most training people whose films the networks are fitted to; 0 takes all.
    """

    preparation: Preparation
    networks: str
    autoencoder: TrainingSettings
    structure: TrainingSettings
    prompt: TrainingSettings
    scorer: TrainingSettings
    cohort: CohortSettings = field(default_factory=CohortSettings)
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    risk: RiskSettings = field(default_factory=RiskSettings)
    training_mode: str = "paired"
    training_people: int = 0
