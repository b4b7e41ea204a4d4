"""Stage `agreement`: drawn images and their scores against the films that were really taken."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.cohort.visits import pair_images
from spinecast.files import read_json, write_table
from spinecast.outcomes import bland_altman
from spinecast.run import StageContext
from spinecast.scores.aggregate import follow_up_pairs
from spinecast.stages.arrays import read_pixels
from spinecast.stages.cohort import read_cohort, read_images
from spinecast.stages.estimates import Estimates, mean_interval, person_bootstrap

_SAME_TIME = 0.01  # years


def make_agreement(context: StageContext) -> None:
    """Write `estimates.csv` of fidelity, follow-up agreement, age and speed; test people only."""
    made, estimates = context.needs["follow_up"], Estimates()
    _add_fidelity(estimates, pd.read_csv(made / "fidelity.csv"))
    skill = image_errors(context.needs["images"], made)
    write_table(context.folder / "image_errors.csv", skill)
    _add_skill(estimates, skill, context)
    if (context.needs["scores"] / "scores.parquet").exists():
        scores = all_scores(context)
        _add_follow_up(estimates, scores, context)
        _add_age(estimates, scores, context)
    _add_speed(estimates, read_json(made / "speed.json"))
    write_table(context.folder / "estimates.csv", estimates.to_frame())


def all_scores(context: StageContext) -> pd.DataFrame:
    """Return the scores of acquired and of drawn images in one table."""
    parts = [
        pd.read_parquet(context.needs[name] / "scores.parquet") for name in ("scores", "follow_up")
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def image_errors(images: Path, made: Path) -> pd.DataFrame:
    """Compare the mean drawn future and the unchanged baseline with the later film.

    Returns
    -------
    DataFrame
        One row per drawn film with a later film of the same region: ``person_id``,
        ``split``, ``image_id``, ``years``, and mean squared errors against the later film of the
        drawn future (``generated``), the unchanged baseline (``unchanged``), the
        baseline's copy by the pair (``copy``: no change, but as smooth as a drawing).
    """
    if not (made / "images.json").exists():
        return pd.DataFrame(columns=["person_id", "split", "image_id", "years"])
    store, films = read_images(images)
    split = films.set_index("image_id")["split"]
    pairs = pair_images(read_cohort(images))
    pairs = pairs[pairs["same_region"]].sort_values("follow_up_visit")
    last = pairs.drop_duplicates("person_id", keep="last").set_index("baseline_image_id")
    index = read_json(made / "images.json")
    means, copies = read_pixels(made / "means.npy"), read_pixels(made / "reconstructions.npy")
    rows = []
    for place, name in enumerate(index["image_id"]):
        if name not in last.index:
            continue
        pair = last.loc[name]
        horizon = index["horizons"][place][-1]
        if abs(pair["years"] - horizon) > _SAME_TIME:  # never true where undated (NaN)
            continue
        before, after = store.read([name, str(pair["follow_up_image_id"])])
        rows.append(
            {
                "person_id": pair["person_id"],
                "split": split[name],
                "image_id": name,
                "follow_up_image_id": pair["follow_up_image_id"],
                "years": pair["years"],
                "generated": float(((means[place, -1] - after) ** 2).mean()),
                "unchanged": float(((before - after) ** 2).mean()),
                "copy": float(((copies[place] - after) ** 2).mean()),
            }
        )
    return pd.DataFrame(rows)


def skill_of(table: pd.DataFrame, reference: str = "unchanged") -> float:
    """Return 1 - MSE of the drawn future / MSE of ``reference``; above 0 is better than it."""
    return float(1 - table["generated"].mean() / table[reference].mean())


def determination(table: pd.DataFrame) -> float:
    """Return R2 = 1 - residual / total sum of squares of ``predicted`` against ``age``."""
    residual = ((table["predicted"] - table["age"]) ** 2).sum()
    return float(1 - residual / ((table["age"] - table["age"].mean()) ** 2).sum())


def ageing_per_decade(table: pd.DataFrame) -> float:
    """Return by how many years people look older after ten, read off their own films.

    The slope of ``predicted`` on ``age`` within people, times ten. Regressors shrink towards
    the mean, so that real films come out below 10 as well: compare drawings with these.
    """
    within = table[["age", "predicted"]] - table.groupby("person_id")[
        ["age", "predicted"]
    ].transform("mean")
    moved = float((within["age"] ** 2).sum())
    return 10 * float((within["age"] * within["predicted"]).sum()) / moved if moved > 0 else np.nan


def generated_ages(scores: pd.DataFrame, visits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predicted against true age of acquired test films, and of drawn test images.

    Returns
    -------
    acquired, generated : DataFrame
        ``person_id``, ``age`` (true, or asked for in the prompt), ``predicted``; one row per
        film, and per drawn image.
    """
    ages = scores[(scores["score"] == "age") & (scores["split"] == "test")]
    ages = ages.rename(columns={"value": "predicted"})
    own = visits[["person_id", "visit", "age"]]
    table = ages.merge(own, on=["person_id", "visit"]).dropna(subset=["age", "predicted"])
    acquired, generated = table[table["draw"] < 0], table[table["draw"] >= 0]
    generated = generated.assign(age=generated["age"] + generated["horizon"])
    columns = ["person_id", "age", "predicted"]
    return acquired[columns], generated[[*columns, "horizon", "draw"]]


def _add_fidelity(estimates: Estimates, fidelity: pd.DataFrame) -> None:
    suffixes = {
        "pair": "", "autoencoder": "_autoencoder", "single": "_single_ldm",
        "single_inverted": "_single_ldm_inverted",
    }  # fmt: skip
    test = fidelity[fidelity["split"] == "test"]
    for by, suffix in suffixes.items():
        rows = test[test["by"] == by]
        if rows.empty:
            continue
        for measure in ("ms_ssim", "psnr"):
            mean, low, high = mean_interval(rows, measure)
            estimates.add(
                "reconstruction", f"{measure}{suffix}", mean, n=len(rows), interval=(low, high)
            )


def _add_skill(estimates: Estimates, skill: pd.DataFrame, context: StageContext) -> None:
    skill = skill[skill["split"] == "test"].reset_index(drop=True)
    if skill.empty:
        return
    again = partial(
        person_bootstrap, skill, seed=context.seed, resamples=context.settings.risk.bootstrap
    )
    for term, reference in (("image_skill", "unchanged"), ("image_skill_against_copy", "copy")):
        statistic = partial(skill_of, reference=reference)
        estimates.add("follow_up", term, statistic(skill), n=len(skill), interval=again(statistic))


def _add_follow_up(estimates: Estimates, scores: pd.DataFrame, context: StageContext) -> None:
    visits = read_cohort(context.needs["images"]).visits
    paired = follow_up_pairs(scores, visits)
    paired = paired[paired["split"] == "test"].reset_index(drop=True)
    write_table(context.folder / "follow_up_pairs.csv", paired)
    if len(paired) < 3:
        return
    again = partial(
        person_bootstrap, paired, seed=context.seed, resamples=context.settings.risk.bootstrap
    )
    for term, column in (("pearson_r", "generated"), ("pearson_r_persistence", "baseline")):
        statistic = partial(_correlation, column=column)
        estimates.add(
            "follow_up", term, statistic(paired), n=len(paired), interval=again(statistic)
        )
    estimates.add(
        "follow_up", "pearson_r_gain", _gain(paired), n=len(paired), interval=again(_gain)
    )
    for term, column in (("", "generated"), ("_persistence", "baseline")):
        agreed = bland_altman(paired[column], paired["acquired"])
        estimates.add("follow_up", f"bias{term}", agreed.bias, n=len(paired))
        estimates.add("follow_up", f"sd{term}", agreed.sd, n=len(paired))


def _correlation(table: pd.DataFrame, column: str) -> float:
    return float(table[column].corr(table["acquired"]))


def _gain(table: pd.DataFrame) -> float:
    return _correlation(table, "generated") - _correlation(table, "baseline")


def _add_age(estimates: Estimates, scores: pd.DataFrame, context: StageContext) -> None:
    acquired, generated = generated_ages(scores, read_cohort(context.needs["images"]).visits)
    if len(acquired) < 3 or len(generated) < 3:
        return
    both = pd.concat([acquired.assign(kind="acquired"), generated.assign(kind="generated")])
    terms = {
        "r_squared": lambda t: determination(t[t["kind"] == "generated"]),
        "r_squared_acquired": lambda t: determination(t[t["kind"] == "acquired"]),
        "fraction_of_acquired": lambda t: (
            determination(t[t["kind"] == "generated"]) / determination(t[t["kind"] == "acquired"])
        ),
        "ageing_per_decade": lambda t: ageing_per_decade(t[t["kind"] == "generated"]),
        "ageing_per_decade_acquired": lambda t: ageing_per_decade(t[t["kind"] == "acquired"]),
    }
    for term, statistic in terms.items():
        interval = person_bootstrap(
            both, statistic, seed=context.seed, resamples=min(200, context.settings.risk.bootstrap)
        )
        rows = acquired if term.removesuffix("_acquired") in terms.keys() - {term} else generated
        estimates.add("generated_age", term, statistic(both), n=len(rows), interval=interval)


def _add_speed(estimates: Estimates, speed: dict[str, object]) -> None:
    seconds = np.asarray(speed["seconds_per_patient"], dtype=float)
    if not len(seconds):
        return
    limits = (seconds.min(), seconds.max())
    estimates.add(
        "speed", "seconds_per_patient", np.median(seconds), n=len(seconds), interval=limits
    )
    estimates.add("speed", "ratio_unshared", speed["ratio"], n=len(seconds))
