"""The films themselves: futures, draws, fidelity, and whether the model recites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from spinecast.report.figures.agreement import draw_paired_scatter
from spinecast.report.figures.distributions import Series, draw_boxes
from spinecast.report.figures.overlays import draw_feature_maps
from spinecast.report.figures.strips import draw_draws, draw_neighbours, draw_strip
from spinecast.report.goods import (
    DrawsData,
    FeatureMaps,
    NeighbourData,
    PairedValues,
    StripData,
)
from spinecast.report.parts import Section
from spinecast.report.tables import estimates_table

_GROUP = "Generated films"


def strips_section(strips: Sequence[StripData], *, simulated: bool) -> Section:
    """Show baseline, copy, futures, the real later film, and what changed."""
    return Section(
        title="Futures beside the real follow-up",
        anchor="strips",
        group=_GROUP,
        markup="Each strip is one person. The copy shows what the model loses before it changes "
        "anything; a change in a future that the copy shows too is not a forecast.",
        figures=tuple(draw_strip(strip, simulated=simulated) for strip in strips),
    )


def draws_section(draws: Sequence[DrawsData], *, simulated: bool) -> Section:
    """Show all draws of one future: how far the model disagrees with itself."""
    return Section(
        title="Ten draws of one future",
        anchor="draws",
        group=_GROUP,
        figures=tuple(draw_draws(d, simulated=simulated) for d in draws),
        note="Draws show the spread the model gives, which may be too narrow: "
        "compare it with the coverage in the recovery section.",
    )


def fidelity_section(
    measures: Mapping[str, Series], estimates: pd.DataFrame, *, simulated: bool
) -> Section:
    """Show MS-SSIM and PSNR of the pair of models, the autoencoder alone and the single LDM.

    Parameters
    ----------
    measures
        Measure with unit -> model -> one value per image.
    estimates
        Rows of the ``reconstruction`` and ``follow_up`` analyses to list.
    simulated
        Stamp the picture.
    """
    return Section(
        title="Fidelity",
        anchor="fidelity",
        group=_GROUP,
        figures=(draw_boxes(measures, simulated=simulated, caption="One value per test film."),),
        tables=(estimates_table(estimates, caption="Means over test people."),),
        note="Fidelity of a copy says nothing about the future. The error against the real later "
        "film stands beside the error of predicting no change.",
    )


def age_section(
    generated: PairedValues, acquired: PairedValues | None, *, simulated: bool
) -> Section:
    """Show the age an independent regressor reads off generated films against the age asked for."""
    pairs = [generated] if acquired is None else [generated, acquired]
    titles = ["Generated films", "Real test films"][: len(pairs)]
    return Section(
        title="Do generated films show the age asked for?",
        anchor="age",
        group=_GROUP,
        figures=(draw_paired_scatter(pairs, titles=titles, unit="years", simulated=simulated),),
        note="The same regressor reads both: the right panel is the best the left one can be.",
    )


def neighbours_section(neighbours: Sequence[NeighbourData], *, simulated: bool) -> Section:
    """Show the nearest training film of generated films: a copy would be a leak of a person."""
    flagged = sum(n.flagged for n in neighbours)
    verdict = (
        f"{flagged} of {len(neighbours)} generated films are suspiciously close to a training film."
        if flagged
        else "No generated film shown here is suspiciously close to a training film."
    )
    return Section(
        title="Nearest training films",
        anchor="neighbours",
        group=_GROUP,
        markup=verdict,
        figures=(draw_neighbours(neighbours, simulated=simulated),),
    )


def features_section(features: Sequence[FeatureMaps], *, simulated: bool) -> Section:
    """Show PCA maps of features per layer and timestep: where shape and edges emerge."""
    return Section(
        title="What the layers hold",
        anchor="features",
        group=_GROUP,
        figures=tuple(draw_feature_maps(f, simulated=simulated) for f in features),
    )
