"""What the stages hand to the report: plain arrays with their names, read from saved files.

Nothing here knows a model, a run folder or a cohort source. Images are float
arrays of one shape (rows, columns) in [0, 1]; times are in years.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Pixels = NDArray[np.floating]
Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval (NaN where there is none)."""

    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan
    p_value: float = math.nan
    n: float = math.nan

    @classmethod
    def find(cls, estimates: pd.DataFrame, analysis: str, term: str) -> Estimate | None:
        """Read one row of an estimates table, None where it is not there."""
        rows = estimates[(estimates["analysis"] == analysis) & (estimates["term"] == term)]
        if rows.empty:
            return None
        row = rows.iloc[0]
        words = ("estimate", "ci_low", "ci_high", "p_value", "n")
        return cls(*(float(row[w]) if w in rows.columns else math.nan for w in words))


@dataclass(frozen=True)
class Target:
    """What an estimate was asked to reach.

    ``sense`` is ``"at least"``, ``"above"``, ``"at most"`` or ``"below"``.
    """

    threshold: float
    sense: str = "at least"
    wording: str = ""

    def is_met(self, value: float) -> bool:
        """Say whether ``value`` reaches the threshold; NaN never does."""
        return {
            "at least": value >= self.threshold,
            "above": value > self.threshold,
            "at most": value <= self.threshold,
            "below": value < self.threshold,
        }[self.sense]

    def is_met_throughout(self, estimate: Estimate) -> bool:
        """Say whether the worse end of the interval reaches it too."""
        worse = estimate.ci_low if self.sense in {"at least", "above"} else estimate.ci_high
        return self.is_met(worse)


@dataclass(frozen=True)
class HeadlineRow:
    """One line of the headline table.

    Parameters
    ----------
    label
        What was measured, with its unit.
    estimate
        Ours, on test people only.
    naive, naive_label
        The same measure of the cheapest alternative (no change, age alone, ...).
    target
        What was to be reached; None where nothing was promised.
    met
        Overrides the verdict for targets that one threshold cannot state.
    comment
        Why a target was missed, or how not to misread the number.
    key
        Shown as a large tile above the table.
    null
        Value of no effect, for the digits (see :mod:`spinecast.report.digits`).
    """

    label: str
    estimate: Estimate
    naive: Estimate | None = None
    naive_label: str = ""
    target: Target | None = None
    met: bool | None = None
    comment: str = ""
    key: bool = False
    null: float | None = None


@dataclass(frozen=True)
class FlowStep:
    """People and images left after a step of the flow chart; ``thing`` is what an image is."""

    label: str
    n_people: int
    n_images: int
    thing: str = "film"


@dataclass(frozen=True)
class StripData:
    """Everything that is drawn of one person: images (rows, columns) in [0, 1].

    Parameters
    ----------
    label
        Pseudonym and what is known (``P0042, F, 67 years``).
    baseline, reconstruction
        The film and the model's copy of it; the copy may be missing.
    horizons, generated
        Years ahead and the generated image at each.
    follow_up, follow_up_years
        The film that was really taken later, and when, where there is one.
    generated_at_follow_up
        The generated image at the time of the real film.
    """

    label: str
    baseline: Pixels
    horizons: tuple[float, ...]
    generated: tuple[Pixels, ...]
    reconstruction: Pixels | None = None
    follow_up: Pixels | None = None
    follow_up_years: float = math.nan
    generated_at_follow_up: Pixels | None = None


@dataclass(frozen=True)
class DrawsData:
    """Several draws of one person's future: ``draws`` (n, rows, columns) in [0, 1]."""

    label: str
    horizon: float
    draws: Pixels


@dataclass(frozen=True)
class OverlayData:
    """A film and the heat map (same shape, 0 to 1) of what a score looked at."""

    label: str
    image: Pixels
    heat: Pixels
    score: float = math.nan


@dataclass(frozen=True)
class NeighbourData:
    """A generated image beside its nearest training image; ``similarity`` in [-1, 1]."""

    label: str
    generated: Pixels
    nearest: Pixels
    similarity: float
    flagged: bool = False


@dataclass(frozen=True)
class FeatureMaps:
    """PCA maps of features: ``maps`` (layers, timesteps, rows, columns, 3) in [0, 1]."""

    layers: tuple[str, ...]
    timesteps: tuple[int, ...]
    maps: Pixels


@dataclass(frozen=True)
class CurveData:
    """One curve with its band, and the numbers at risk beneath where it is a survival curve.

    ``x`` (years, thresholds or predicted risk), ``y``, ``ci_low``, ``ci_high`` have one length;
    ``risk_times`` and ``at_risk`` another.
    """

    label: str
    x: Numbers
    y: Numbers
    ci_low: Numbers | None = None
    ci_high: Numbers | None = None
    risk_times: tuple[float, ...] = ()
    at_risk: tuple[int, ...] = ()


@dataclass(frozen=True)
class ForestRow:
    """A hazard ratio of the forest plot; ``heading`` opens a block of rows."""

    label: str
    estimate: Estimate
    heading: str = ""


@dataclass(frozen=True)
class PairedValues:
    """Two measurements of the same things: ``reference`` and ``compared`` (n,)."""

    reference: Numbers
    compared: Numbers
    reference_label: str
    compared_label: str
    summary: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class BlandAltmanData:
    """Bias and limits of agreement, computed elsewhere, with the bias's interval."""

    bias: Estimate
    lower: float
    upper: float


@dataclass(frozen=True)
class GraphArrow:
    """One edge of a causal graph; ``weight`` in standard deviations, None where there is none."""

    cause: str
    effect: str
    weight: Estimate | None = None


@dataclass(frozen=True)
class GraphData:
    """A causal graph to be drawn.

    Parameters
    ----------
    names
        Variables (and the image, last), causes before effects.
    labels
        How they are called, with units.
    arrows
        Edges between them.
    """

    names: tuple[str, ...]
    labels: Mapping[str, str]
    arrows: tuple[GraphArrow, ...]


@dataclass(frozen=True)
class AgeSweep:
    """One scan with age set by intervention: images (rows, columns) in [0, 1].

    Parameters
    ----------
    label
        Pseudonym and what is known.
    scan
        As it was taken.
    ages
        Years, as set.
    generated, spread
        The image at each age (mean over draws of the latents) and its standard deviation.
    """

    label: str
    scan: Pixels
    ages: tuple[float, ...]
    generated: tuple[Pixels, ...]
    spread: tuple[Pixels, ...]


@dataclass(frozen=True)
class ForetoldValues:
    """One variable of people measured twice: ``baseline``, ``follow_up``, ``predicted`` (n,).

    ``start`` is what predicted changes are taken from where that is not the baseline (a
    reading off the baseline image, say).
    """

    label: str
    unit: str
    baseline: Numbers
    follow_up: Numbers
    predicted: Numbers
    level_words: str = ""
    change_words: str = ""
    start: Numbers | None = None
    bland_altman: BlandAltmanData | None = None
