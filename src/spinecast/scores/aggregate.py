"""From scores of images to scores of people: BpVF, GpVF and their uncertainty.

All functions read the ``scores`` table (one row per image, horizon and draw) and are
deterministic. Baseline rows have ``visit`` 0, ``horizon`` 0 and ``draw`` -1; generated
rows have ``draw`` 0, 1, ... and ``horizon`` > 0 (years after the baseline image).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from spinecast.errors import error

COLUMNS = ("person_id", "visit", "image_id", "horizon", "draw", "score", "value", "split")

Per = Literal["person", "image"]

#: A person is uncertain when the spread of draws lies this many SD above the cohort's mean.
UNCERTAIN_SD = 2.0

#: Two times in years are the same visit when closer than this (half a day).
SAME_TIME = 0.0014


def score_rows(
    images: pd.DataFrame,
    values: NDArray[np.float64],
    *,
    score: str,
    horizon: float | NDArray[np.float64] = 0.0,
    draw: int | NDArray[np.int64] = -1,
) -> pd.DataFrame:
    """Make rows of the ``scores`` table.

    Parameters
    ----------
    images
        Frame with ``image_id``, ``person_id``, ``visit`` and ``split``, one row per value.
    values
        (n,) scores, in the order of ``images``.
    score
        Name of the score.
    horizon, draw
        One for all, or (n,).

    Raises
    ------
    StatisticsError
        SC-606 lengths differ.
    """
    if len(images) != len(values):
        raise error("SC-606", expected=f"{len(images)} values", got=str(len(values)))
    rows = images[["person_id", "visit", "image_id", "split"]].reset_index(drop=True)
    rows = rows.assign(horizon=horizon, draw=draw, score=score, value=np.asarray(values, float))
    return rows[list(COLUMNS)]


def baseline_scores(
    scores: pd.DataFrame, *, score: str = "vertebral_fracture", per: Per = "person"
) -> pd.DataFrame:
    """BpVF: the score of the baseline image, the largest over a person's baseline images.

    Parameters
    ----------
    scores
        The ``scores`` table.
    score
        Which score.
    per
        ``image`` leaves out the maximum.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``image_id`` (which gave the value), ``value``, ``n_images``, ``split``;
        sorted by person. The maximum grows with the number of films: somebody with four
        films has a higher BpVF than their twin with one, so compare with ``per="image"``
        or adjust for ``n_images``.
    """
    baseline = scores[
        (scores["score"] == score)
        & (scores["visit"] == 0)
        & (scores["horizon"] == 0)
        & (scores["draw"] < 0)
    ]
    return _per_person(baseline[["person_id", "image_id", "value", "split"]], per)


def generated_scores(
    scores: pd.DataFrame,
    *,
    horizon: float,
    score: str = "vertebral_fracture",
    per: Per = "person",
) -> pd.DataFrame:
    """GpVF: the mean over draws of one baseline image, then the largest over a person's images.

    Parameters
    ----------
    scores
        The ``scores`` table.
    horizon
        Years after baseline, as generated.
    score, per
        As for :func:`baseline_scores`.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``image_id``, ``value``, ``sd`` (of the draws of that image; NaN for
        one draw), ``n_draws``, ``n_images``, ``split``, ``uncertain``; sorted by person. The
        maximum grows with the number of films, as for BpVF; and ``sd`` is the spread of
        the generator's draws, not the error against the future film.
    """
    made = scores[
        (scores["score"] == score) & (scores["draw"] >= 0) & _near(scores["horizon"], horizon)
    ]
    keys = ["person_id", "image_id", "split"]
    draws = made.groupby(keys, sort=True, observed=True)["value"]
    table = draws.agg(value="mean", sd="std", n_draws="count").reset_index()
    people = _per_person(table, per)
    return people.assign(uncertain=uncertain(people["sd"]))


def uncertain(sd: pd.Series) -> pd.Series:
    """Flag spreads more than two standard deviations above the cohort's mean spread."""
    if len(sd) < 2:
        return pd.Series(False, index=sd.index)
    return sd > sd.mean() + UNCERTAIN_SD * sd.std()


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log odds of (n,) probabilities, cut to those of 0.001 and 0.999."""
    odds: NDArray[np.float64] = logit(np.clip(probability, 0.001, 0.999))
    return odds


def person_scores(
    scores: pd.DataFrame,
    *,
    horizons: Sequence[float] = (1, 5, 10),
    score: str = "vertebral_fracture",
) -> pd.DataFrame:
    """Put BpVF and GpVF of every horizon side by side, one row per person.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``split``, ``n_images``, ``bpvf``, ``bpvf_image`` (mean over the person's
        images, which does not grow with their number), and for each horizon ``h``
        ``gpvf_h``, ``gpvf_h_image`` (likewise), ``gpvf_h_sd``, ``gpvf_h_uncertain``.
        People without generated images have NaN there.
    """
    base = baseline_scores(scores, score=score).rename(columns={"value": "bpvf"})
    images = baseline_scores(scores, score=score, per="image")
    table = base.drop(columns="image_id").merge(_person_means(images, "bpvf_image"), how="left")
    for horizon in horizons:
        name = f"gpvf_{horizon:g}"
        best = generated_scores(scores, horizon=horizon, score=score)
        renamed = best.rename(
            columns={"value": name, "sd": f"{name}_sd", "uncertain": f"{name}_uncertain"}
        )
        each = generated_scores(scores, horizon=horizon, score=score, per="image")
        wanted = ["person_id", name, f"{name}_sd", f"{name}_uncertain"]
        table = table.merge(renamed[wanted], on="person_id", how="left")
        table = table.merge(_person_means(each, f"{name}_image"), on="person_id", how="left")
    return table


def follow_up_pairs(
    scores: pd.DataFrame, visits: pd.DataFrame, *, score: str = "vertebral_fracture"
) -> pd.DataFrame:
    """Pair the generated score with the acquired one at the same time, and with baseline.

    Parameters
    ----------
    scores
        The ``scores`` table with acquired follow-up images (``visit`` > 0) and generated
        ones whose ``horizon`` is the time of a follow-up visit.
    visits
        ``person_id``, ``visit``, ``years_since_baseline``.

    Returns
    -------
    pandas.DataFrame
        ``person_id``, ``visit``, ``years``, ``generated``, ``acquired``, ``baseline`` (the
        persistence forecast), ``split``; means over a person's images at each time, so
        that a different number of films at the two visits does not shift the comparison.
    """
    chosen = scores[scores["score"] == score]
    acquired = chosen[(chosen["draw"] < 0) & (chosen["horizon"] == 0)]
    by_visit = acquired.groupby(["person_id", "visit", "split"], observed=True)["value"].mean()
    table = by_visit.rename("acquired").reset_index()
    times = visits[["person_id", "visit", "years_since_baseline"]]
    table = table.merge(times.rename(columns={"years_since_baseline": "years"}))
    first = table.loc[table["visit"] == 0, ["person_id", "acquired"]]
    later = table[table["visit"] > 0].merge(first.rename(columns={"acquired": "baseline"}))
    generated = _generated_by_time(chosen[chosen["draw"] >= 0])
    paired = later.merge(generated, on="person_id")
    paired = paired[(paired["horizon"] - paired["years"]).abs() < SAME_TIME]
    columns = ["person_id", "visit", "years", "generated", "acquired", "baseline", "split"]
    return paired.sort_values(["person_id", "visit"])[columns].reset_index(drop=True)


def _generated_by_time(made: pd.DataFrame) -> pd.DataFrame:
    """Mean over draws, then over images, of each person and horizon."""
    keys = ["person_id", "horizon"]
    per_image = made.groupby([*keys, "image_id"], observed=True)["value"].mean()
    return per_image.groupby(keys, observed=True).mean().rename("generated").reset_index()


def _per_person(table: pd.DataFrame, per: Per) -> pd.DataFrame:
    if per not in {"person", "image"}:
        raise error("SC-610", expected="person or image", got=str(per))
    ordered = table.sort_values(["person_id", "image_id"])
    counts = ordered.groupby("person_id", observed=True)["image_id"].transform("nunique")
    ordered = ordered.assign(n_images=counts)
    if per == "person":
        # a stable sort, so that of equal values the first image id is named
        best = ordered.sort_values("value", ascending=False, kind="stable")
        ordered = best.drop_duplicates("person_id").sort_values("person_id")
    return ordered.reset_index(drop=True)


def _person_means(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.groupby("person_id", observed=True)["value"].mean().rename(name).reset_index()


def _near(times: pd.Series, horizon: float) -> pd.Series:
    return (times - horizon).abs() < SAME_TIME
