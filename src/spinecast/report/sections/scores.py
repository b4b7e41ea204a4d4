"""The numbers read off films: agreement, spread, uncertainty, where the score looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from spinecast.report.figures.agreement import draw_agreement
from spinecast.report.figures.distributions import (
    Series,
    draw_pairs,
    draw_score_distributions,
    draw_uncertainty,
)
from spinecast.report.figures.overlays import draw_attribution
from spinecast.report.goods import BlandAltmanData, Numbers, OverlayData, PairedValues
from spinecast.report.parts import Section
from spinecast.report.tables import estimates_table

_GROUP = "Scores"


def agreement_section(
    pair: PairedValues,
    bland_altman: BlandAltmanData,
    *,
    estimates: pd.DataFrame,
    simulated: bool,
) -> Section:
    """Show scores of generated against real later films, with persistence in the table."""
    return Section(
        title="Generated against real follow-up scores",
        anchor="agreement",
        group=_GROUP,
        figures=(draw_agreement(pair, bland_altman, simulated=simulated),),
        tables=(estimates_table(estimates, caption="Test people with a later film."),),
        note="Persistence is the score of the baseline film taken as the forecast: the forecast "
        "adds something only where it agrees better than that.",
    )


def distributions_section(
    scores: Mapping[str, Series],
    wide: pd.DataFrame,
    *,
    simulated: bool,
    event: Numbers | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Section:
    """Show how scores are spread by outcome, and how they go together.

    Parameters
    ----------
    scores
        Score name -> outcome label -> values (0 to 1).
    wide
        One column per score (BpVF, GpVF at 1, 5, 10 years), one row per person.
    simulated
        Stamp the pictures.
    event
        1 for people of ``wide`` who fractured.
    thresholds
        Cut-off of each score.
    """
    figures = (
        draw_score_distributions(scores, simulated=simulated, thresholds=thresholds),
        draw_pairs(wide, simulated=simulated, event=event),
    )
    return Section(title="Score distributions", anchor="scores", group=_GROUP, figures=figures)


def uncertainty_section(spread: Numbers, *, threshold: float, simulated: bool) -> Section:
    """Show how far draws of one person disagree, and how many people count as uncertain."""
    share = float(np.mean(np.asarray(spread) > threshold)) if len(spread) else 0.0
    return Section(
        title="Uncertain people",
        anchor="uncertainty",
        group=_GROUP,
        markup=f"{100 * share:.1f} % of people vary over draws by more than two standard "
        "deviations above the mean.",
        figures=(draw_uncertainty(spread, threshold=threshold, simulated=simulated),),
    )


def attribution_section(overlays: Sequence[OverlayData], *, simulated: bool) -> Section:
    """Show where the fracture score looked."""
    return Section(
        title="Where the score looked",
        anchor="attribution",
        group=_GROUP,
        figures=(draw_attribution(overlays, simulated=simulated),),
        note="A plausible heat map does not make a score right.",
    )
