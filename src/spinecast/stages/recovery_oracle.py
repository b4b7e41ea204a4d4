"""Oracles of the counterfactual study: how far its parts get when the others are the truth.

The image mechanism is given true parents instead of the causal model's, and the judge is
shown true counterfactual images instead of drawn ones. Neither can be made of a real cohort.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.files import read_json
from spinecast.images.fidelity import middle_columns
from spinecast.stages.counterfactual_run import BACKBONES, SavedCounterfactuals
from spinecast.stages.recovery_films import true_film
from spinecast.stages.saved_stages import AbsentError
from spinecast.stages.scans import TIME

#: Fewer images say it; drawing is dear.
MOST_IMAGES = 60


def true_difference(truth: Any, person: str, years: float) -> dict[str, float]:
    """Return by how much each variable that the truth knows changes in so many years."""
    before, after = truth.morphometry(person), truth.morphometry(person, years=years)
    return {name: after[name] - before[name] for name in after}


def errors_given_true_parents(saved: SavedCounterfactuals, truth: Any) -> pd.DataFrame:
    """Return ``mae_<backbone>`` and ``mae_unchanged`` per person, in the region of interest.

    The parents told are the measured ones plus the true change, so that a measurement's
    error is not taken for a change.
    """
    path = saved.folders["counterfactuals"] / "plus_ten.json"
    names = read_json(path)["image_id"][:MOST_IMAGES] if path.exists() else []
    if not names:
        raise AbsentError("Nobody was made older.")
    _require(saved, "image_models", next(iter(BACKBONES)))
    from spinecast.counterfactuals.answer import parent_values
    from spinecast.stages.image_networks import load_backbones

    settings = saved.settings
    people, years = saved.scans(names), settings.judging.years
    later = people.assign(**{TIME: people[TIME] + years})
    change = [true_difference(truth, person, years) for person in people["person_id"]]
    for name in set(change[0]) & set(saved.graph.image_parents):
        later[name] = people[name] + [each[name] for each in change]
    before, after = (parent_values(saved.graph, table) for table in (people, later))
    images = np.stack([saved.film(name) for name in names])
    columns = middle_columns(images.shape[2], settings.judging.roi_columns)
    asked = partial(true_film, truth, preparation=settings.preparation, years=years,
                    new_fractures=False)  # fmt: skip
    true = np.stack([asked(image_id=name) for name in names])[:, :, columns]
    drawn = {"unchanged": images}
    for name, mechanism in load_backbones(saved.folders["image_models"]).items():
        drawn[name] = mechanism.generate(images, before, after[None]).mean[0]
    found = {f"mae_{k}": np.abs(v[:, :, columns] - true).mean((1, 2)) for k, v in drawn.items()}
    return people[["person_id"]].assign(**found)


def readings_of_true_images(saved: SavedCounterfactuals, truth: Any) -> pd.DataFrame:
    """Return ``person_id``, ``parent``, ``value``: error of what the judge reads off true images.

    Of the interventions of the axiom *effectiveness*; each true value moves as far from the
    true one as the target from the measured one.
    """
    _require(saved, "judges", "judge")
    from spinecast.counterfactuals.judge import ParentJudge

    asked = saved.axioms
    own = (asked["axiom"] == "effectiveness") & (asked["parent"] == asked["intervened"])
    asked = asked[own & (asked["backbone"] == next(iter(BACKBONES)))].reset_index(drop=True)
    asked = asked[asked.groupby("parent").cumcount() < MOST_IMAGES].reset_index(drop=True)
    measured, films = saved.scans(asked["image_id"].tolist()), []
    for place, row in enumerate(asked.to_dict("records")):
        true = {TIME: measured[TIME][place], **truth.morphometry(row["person_id"])}
        parent = row["parent"]
        moved = true.get(parent, np.nan) + row["target"] - measured[parent][place]
        if not np.isfinite(moved):
            raise AbsentError(f"The truth knows nothing of {parent}.")
        films.append(
            true_film(truth, row["image_id"], preparation=saved.settings.preparation,
                      do={parent: float(moved)}, new_fractures=False)
        )  # fmt: skip
    judge = ParentJudge.load(saved.folders["judges"])
    read = judge.read(np.stack(films))
    at = [judge.parents.index(parent) for parent in asked["parent"]]
    value = np.abs(read[np.arange(len(asked)), at] - asked["target"])
    return asked[["person_id", "parent"]].assign(value=value)


def _require(saved: SavedCounterfactuals, stage: str, name: str) -> None:
    if not (saved.folders[stage] / f"{name}.json").exists():
        raise AbsentError("The run no longer holds its networks.")


__all__ = [
    "errors_given_true_parents",
    "readings_of_true_images",
    "true_difference",
]
