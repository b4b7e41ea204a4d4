"""Drawn futures against the film that person's spine would truly have given at that time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.images import Image, Preparation, prepare_radiograph
from spinecast.stages.agreement import skill_of
from spinecast.stages.estimates import mean_interval, person_bootstrap
from spinecast.stages.recovery_rows import Recovered
from spinecast.stages.saved_run import AbsentError, SavedRun, as_unit

MOST_FILMS = 24
_RESAMPLES = 200
_LABELS = {
    "generated": "mean of the drawn futures",
    "unchanged": "unchanged baseline",
    "copy": "the model's copy of the baseline",
}


def against_true_futures(rows: Recovered, saved: SavedRun, truth: Any) -> None:
    """Add mean squared errors against true futures, under the acquisition of the baseline."""
    table = true_future_errors(saved, truth)
    years = f"{table['years'].iloc[0]:g} y"
    for column, words in _LABELS.items():
        mean, low, high = mean_interval(table, column)
        rows.add(
            "true_future", f"mse_{column}",
            f"squared error against the true film at {years}: {words}",
            kind="accuracy", estimate=mean, truth=0.0, interval=(low, high), n=len(table),
        )  # fmt: skip
    for term, reference in (("skill", "unchanged"), ("skill_against_copy", "copy")):
        statistic = partial(skill_of, reference=reference)
        limits = person_bootstrap(table, statistic, seed=saved.seed, resamples=_RESAMPLES)
        rows.add(
            "true_future", term, f"share of the error of {_LABELS[reference]} taken away, {years}",
            kind="accuracy", estimate=statistic(table), truth=1.0, interval=limits, n=len(table),
        )  # fmt: skip


def true_future_errors(saved: SavedRun, truth: Any) -> pd.DataFrame:
    """Return squared errors per film: drawn mean, unchanged baseline and copy against the truth.

    Of people who truly live that long, one film each.
    The true future repeats the baseline's device, pose and noise, so the unchanged baseline
    shares the noise of the truth, which no drawing can: this test favours no change.
    """
    horizons = saved.settings.generation.horizons
    if not horizons:
        raise AbsentError("No standard horizon was drawn.")
    at, rows = len(horizons) - 1, []
    alive = truth.people().set_index("person_id")["death"] > horizons[at]
    films = saved.drawn.drop_duplicates("person_id")
    films = films[alive.loc[films["person_id"]].to_numpy()].head(MOST_FILMS)
    means, copies = (saved.pixels("follow_up", f"{n}.npy") for n in ("means", "reconstructions"))
    for film in films.to_dict("records"):
        name, place = str(film["image_id"]), int(film["place"])
        later = true_film(truth, name, years=horizons[at], preparation=saved.settings.preparation)
        rows.append(
            {
                "person_id": film["person_id"],
                "years": horizons[at],
                "generated": _error(as_unit(means[place, at]), later),
                "unchanged": _error(saved.film(name), later),
                "copy": _error(as_unit(copies[place]), later),
            }
        )
    if not rows:
        raise AbsentError("No test person whose futures were drawn lives that long.")
    return pd.DataFrame(rows)


def true_film(
    truth: Any, image_id: str, *, preparation: Preparation, **question: Any
) -> np.ndarray:
    """Return the counterfactual film of a world, prepared as the run prepared its films.

    ``question`` is what the truth is asked: ``years``, ``do`` ...
    """
    from spinecast.cohort.sources.simulated import bright_bone

    rendered = truth.counterfactual(image_id, **question)
    image = Image(
        pixels=bright_bone(rendered),
        spacing=truth.world.spacing(truth.world.film(image_id)),
        view=truth.world.preset.view,
        region=rendered.region,
        manufacturer=rendered.maker,
    )
    return np.asarray(prepare_radiograph(image, preparation), dtype=np.float32)


def _error(image: np.ndarray, later: np.ndarray) -> float:
    return float(((image - later) ** 2).mean())
