"""Counterfactuals beside the truth: the graph, the effect of age, and the true images.

Called by the report after every estimate was written; no other stage asks for the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.files import read_json
from spinecast.images.fidelity import middle_columns
from spinecast.stages.counterfactual_run import BACKBONES, SavedCounterfactuals, suffix_of
from spinecast.stages.estimates import mean_interval, person_bootstrap
from spinecast.stages.morphometry_agreement import (
    PREDICTIONS,
    change_r_squared,
    foretold_names,
    pooled_names,
    signs,
)
from spinecast.stages.recovery_films import true_film
from spinecast.stages.recovery_oracle import (
    errors_given_true_parents,
    readings_of_true_images,
    true_difference,
)
from spinecast.stages.recovery_rows import Recovered
from spinecast.stages.saved_stages import AbsentError, as_unit
from spinecast.stages.scans import short_name

RESAMPLES = 200
#: Coverage that an interval of 95 % promises.
PROMISED = 0.95


def against_true_graph(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add the standardised weight of each edge beside the true one."""
    people = int((saved.films[1].drop_duplicates("person_id")["split"] != "test").sum())
    both = saved.weights.merge(truth.graph(), on=["from", "to"], suffixes=("", "_true"))
    for edge in both.to_dict("records"):
        rows.add(
            "graph", f"weight_{edge['from']}_to_{edge['to']}",
            f"standardised weight of {edge['from']} on {edge['to']}",
            kind="parameter", estimate=edge["weight"], truth=edge["weight_true"],
            interval=(edge["ci_low"], edge["ci_high"]), n=people,
        )  # fmt: skip


def against_true_effects(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add what do(age + years) does to each variable, beside what it truly does."""
    table = true_changes(saved, truth)
    years = f"{saved.settings.judging.years:g}"
    for name in table["variable"].unique():
        part = table[table["variable"] == name].reset_index(drop=True)
        mean, low, high = mean_interval(part, "predicted_change")
        rows.add(
            "mechanisms", f"effect_of_age_on_{short_name(name)}",
            f"mean change of {name} under do(age + {years})", kind="accuracy", estimate=mean,
            truth=float(part["true_change"].mean()), interval=(low, high), n=len(part),
        )  # fmt: skip
        rows.add(
            "mechanisms", f"skill_over_no_change_{short_name(name)}",
            f"share of the true change of {name} under do(age + {years}) that is foretold",
            kind="accuracy", estimate=_change_skill(part), truth=1.0,
            interval=_again(part, _change_skill, saved), n=len(part),
        )  # fmt: skip


def against_true_images(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add errors of drawn older images against the true ones, in the region of interest."""
    table = true_image_errors(saved, truth)
    years = f"do(age + {saved.settings.judging.years:g})"
    for name, words in {**BACKBONES, "true_parents": "true parents only"}.items():
        of = partial(_skill, name=name)
        ceiling = name == "true_parents"
        term = "skill_true_parents_only" if ceiling else f"skill_over_no_change{suffix_of(name)}"
        rows.add(
            "truth", term,
            f"error of the unchanged image taken away, {years}: {words}",
            kind="ceiling" if ceiling else "accuracy", estimate=of(table), truth=1.0,
            interval=_again(table, of, saved), n=len(table),
        )  # fmt: skip
    for name, words in (*BACKBONES.items(), ("unchanged", "unchanged image")):
        term = f"image_mae{suffix_of(name)}" if name in BACKBONES else f"image_mae_{name}"
        mean, low, high = mean_interval(table, f"mae_{name}")
        rows.add(
            "truth", term, f"absolute error against the true image, {years}: {words}",
            kind="accuracy", estimate=mean, truth=0.0, interval=(low, high), n=len(table),
        )  # fmt: skip
    for name, words in BACKBONES.items():
        mean, low, high = mean_interval(table, f"covered_{name}")
        rows.add(
            "truth", f"interval_coverage{suffix_of(name)}",
            f"pixels of the true image within the particles' 95 %, {years}: {words}",
            kind="accuracy", estimate=mean, truth=PROMISED, interval=(low, high), n=len(table),
        )  # fmt: skip


def against_attainable(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add what the true causal model attains against measured follow-ups, and our share of it."""
    ours = PREDICTIONS[0].rows(saved.follow_up)
    if not foretold_names(ours):
        raise AbsentError("No image parent follows from age.")
    best = with_true_changes(ours, truth)
    names = pooled_names(ours, saved.settings.judging)
    share_of = partial(signs, names=names)
    for term, table, label, kind, ceiling in (
        ("sign_agreement", ours, "signs of measured change foretold; truth: attainable",
         "ceiling", share_of(best)),
        ("sign_agreement_attainable", best, "signs that the true causal model foretells",
         "accuracy", np.nan),
    ):  # fmt: skip
        rows.add(
            "follow_up", term, label, kind=kind, estimate=share_of(table), truth=ceiling,
            interval=_again(table, share_of, saved), n=len(table),
        )  # fmt: skip
    both = ours.join(best[[f"{name}_predicted" for name in names]].add_suffix("_truly"))
    share = partial(_share_of_signs, names=names)
    rows.add(
        "follow_up", "sign_agreement_fraction_of_attainable",
        "sign agreement as a share of what is attainable", kind="accuracy",
        estimate=share(both), truth=1.0, interval=_again(both, share, saved), n=len(both),
    )  # fmt: skip
    for name in foretold_names(ours):
        of = partial(change_r_squared, name=name)
        rows.add(
            "follow_up", f"r_squared_change_{short_name(name)}",
            f"measured change of {name}, R2; truth: of the true causal model", kind="ceiling",
            estimate=of(ours), truth=of(best), interval=_again(ours, of, saved), n=len(ours),
        )  # fmt: skip


def against_true_parents(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add the skill over no change of each image mechanism told the true later parents."""
    table = errors_given_true_parents(saved, truth)
    for name, words in BACKBONES.items():
        of = partial(_skill, name=name)
        rows.add(
            "truth", f"skill_given_true_parents{suffix_of(name)}",
            f"error of the unchanged image taken away by the {words} model, given true parents",
            kind="accuracy", estimate=of(table), truth=1.0,
            interval=_again(table, of, saved), n=len(table),
        )  # fmt: skip


def against_true_readings(rows: Recovered, saved: SavedCounterfactuals, truth: Any) -> None:
    """Add the judge's error on true images of the interventions that tested effectiveness.

    As a multiple of its error on real scans: what a perfect image mechanism would get.
    """
    judged = saved.judge_errors.set_index("parent")["mae"]
    table = readings_of_true_images(saved, truth)
    for parent in table["parent"].unique():
        part = table[table["parent"] == parent]
        values = mean_interval(part, "value")
        mean, low, high = (value / judged[parent] for value in values)
        rows.add(
            "axioms", f"effectiveness_ratio_{short_name(parent)}_of_true_images",
            f"error of {parent} read off true images, multiple of the judge's own",
            kind="accuracy", estimate=mean, truth=1.0, interval=(low, high), n=len(part),
        )  # fmt: skip


#: What the recovery section asks, in its order.
CHAPTERS: tuple[Callable[[Recovered, SavedCounterfactuals, Any], None], ...] = (
    against_attainable,
    against_true_graph,
    against_true_effects,
    against_true_images,
    against_true_parents,
    against_true_readings,
)


def true_changes(saved: SavedCounterfactuals, truth: Any) -> pd.DataFrame:
    """Return predicted and true change under do(age + years), one row a person and variable.

    ``person_id``, ``variable``, ``predicted_change`` (from the measured baseline),
    ``true_change``. Variables of which the truth knows nothing are left out.
    """
    path = saved.folders["counterfactuals"] / "plus_ten_variables.csv"
    table = pd.read_csv(path)
    if table.empty:
        raise AbsentError("Nobody was made older.")
    years = saved.settings.judging.years
    true = {person: true_difference(truth, person, years) for person in table["person_id"].unique()}
    changes = [
        true[row["person_id"]].get(row["variable"], np.nan) for row in table.to_dict("records")
    ]
    table = table.assign(
        predicted_change=table["predicted"] - table["baseline"], true_change=changes
    )
    return table.dropna(subset=["true_change"])


def with_true_changes(table: pd.DataFrame, truth: Any) -> pd.DataFrame:
    """Return rows of ``follow_up.parquet`` as the true causal model would have foretold them.

    It adds the true change to the measured baseline, as any causal model that abducts does.
    """
    true = [
        true_difference(truth, row["person_id"], row["years"]) for row in table.to_dict("records")
    ]
    found = {
        f"{name}_predicted": table[f"{name}_baseline"] + [change[name] for change in true]
        for name in foretold_names(table)
        if true and name in true[0]
    }
    return table.assign(**found)


def true_image_errors(saved: SavedCounterfactuals, truth: Any) -> pd.DataFrame:
    """Return absolute errors and coverage per person, in the region of interest.

    ``mae_<backbone>``, ``mae_unchanged``, ``mae_true_parents`` (the true image had only the
    image's measured parents but age changed, to their true values: what a perfect image
    mechanism by these parents could reach), ``covered_<backbone>``.
    """
    path = saved.folders["counterfactuals"] / "plus_ten.json"
    names = read_json(path)["image_id"] if path.exists() else []
    if not names:
        raise AbsentError("Nobody was made older.")
    drawn = {
        (kind, backbone): saved.pixels("counterfactuals", f"plus_ten_{kind}{backbone}.npy")
        for backbone in BACKBONES
        for kind in ("", "low_", "high_")
    }
    people = saved.scans(names)["person_id"]
    found = []
    for place, (name, person) in enumerate(zip(names, people, strict=True)):
        images = {key: as_unit(stored[place]) for key, stored in drawn.items()}
        errors = _errors_of(saved, truth, images, image_id=name, person=str(person))
        found.append({"person_id": person, "image_id": name, **errors})
    return pd.DataFrame(found)


def _errors_of(
    saved: SavedCounterfactuals,
    truth: Any,
    images: Mapping[tuple[str, str], np.ndarray],
    *,
    image_id: str,
    person: str,
) -> dict[str, float]:
    settings, years = saved.settings, saved.settings.judging.years
    asked = partial(true_film, truth, image_id, preparation=settings.preparation,
                    new_fractures=False)  # fmt: skip
    columns = middle_columns(settings.preparation.shape[1], settings.judging.roi_columns)
    later = asked(years=years)[:, columns]
    sizes = truth.morphometry(person, years=years)
    known = {name: value for name, value in sizes.items() if name in saved.graph.image_parents}
    others = {"unchanged": saved.film(image_id), "true_parents": asked(do=known)}
    errors = {f"mae_{name}": _distance(image[:, columns], later) for name, image in others.items()}
    for backbone in BACKBONES:
        low, high = (images[kind, backbone][:, columns] for kind in ("low_", "high_"))
        errors[f"mae_{backbone}"] = _distance(images["", backbone][:, columns], later)
        errors[f"covered_{backbone}"] = float(((low <= later) & (later <= high)).mean())
    return errors


def _change_skill(table: pd.DataFrame) -> float:
    """Return 1 - error of the predicted change / error of none; also where all change alike."""
    error = (table["predicted_change"] - table["true_change"]).abs().mean()
    return float(1 - error / table["true_change"].abs().mean())


def _share_of_signs(table: pd.DataFrame, *, names: list[str]) -> float:
    truly = {f"{name}_predicted": table[f"{name}_predicted_truly"] for name in names}
    return signs(table, names=names) / signs(table.assign(**truly), names=names)


def _skill(table: pd.DataFrame, *, name: str) -> float:
    """Return 1 - error of a drawing / error of the unchanged image."""
    return float(1 - table[f"mae_{name}"].mean() / table["mae_unchanged"].mean())


def _distance(image: np.ndarray, later: np.ndarray) -> float:
    return float(np.abs(image.astype(np.float64) - later).mean())


def _again(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], saved: SavedCounterfactuals
) -> tuple[float, float]:
    """Return a 95 % interval of a statistic by resampling people."""
    return person_bootstrap(table, statistic, seed=saved.seed, resamples=RESAMPLES)


__all__ = [
    "CHAPTERS",
    "against_attainable",
    "against_true_effects",
    "against_true_graph",
    "against_true_images",
    "against_true_parents",
    "against_true_readings",
    "true_changes",
    "true_image_errors",
    "with_true_changes",
]
