"""What the stages of a follow-up run left in their folders, read when asked for. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from spinecast.files import read_json
from spinecast.stages.saved_stages import AbsentError, SavedStages, as_unit, person_label
from spinecast.stages.settings import FollowUpSettings

VERTEBRAL_FRACTURE = "vertebral_fracture"


@dataclass(frozen=True)
class SavedRun(SavedStages):
    """Saved files of one run of the follow-up study, each read once."""

    PUBLISHING = ("agreement", "risk")

    settings: FollowUpSettings

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of acquired and drawn films; absent where no scorer was fitted."""
        if not (self.folders["scores"] / "scores.parquet").exists():
            raise AbsentError("No scorer was fitted: too few films carry the labels it needs.")
        parts = [
            pd.read_parquet(self.folders[name] / "scores.parquet")
            for name in ("scores", "follow_up")
        ]
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    @cached_property
    def people(self) -> pd.DataFrame:
        """One row per person with outcome, scores, groups and predictions of the risk models."""
        path = self.folders["risk"] / "people.parquet"
        if not path.exists():
            why = read_json(self.folders["risk"] / "available.json")["why"]
            raise AbsentError(f"No risk analysis was possible: {why}.")
        return pd.read_parquet(path)

    @cached_property
    def test_people(self) -> pd.DataFrame:
        """Rows of ``people`` of the test split whose futures were drawn."""
        people = self.people
        rows = people[(people["split"] == "test") & people["gpvf"].notna()]
        if rows.empty:
            raise AbsentError("No test person has both a baseline and a generated score.")
        return rows.reset_index(drop=True)

    @cached_property
    def drawn(self) -> pd.DataFrame:
        """Films whose futures were drawn in full.

        ``image_id``, ``place`` (row of the arrays), ``horizons`` (years, the last one the last
        follow-up), ``gallery`` (row of the kept draws, NaN where none), ``label``.
        """
        path = self.folders["follow_up"] / "images.json"
        if not path.exists():
            raise AbsentError("No future was drawn: no test person has a baseline film.")
        index = read_json(path)
        table = pd.DataFrame({"image_id": index["image_id"], "horizons": index["horizons"]})
        table["place"] = np.arange(len(table))
        names = {name: place for place, name in enumerate(index["draws"])}
        table["gallery"] = table["image_id"].map(names)
        columns = ["image_id", "person_id", "split", "sex", "age"]
        known = self.films[1].reindex(columns=columns)
        table = table.merge(known, on="image_id", how="left")
        table["label"] = [person_label(row) for row in table.to_dict("records")]
        return table


__all__ = ["VERTEBRAL_FRACTURE", "AbsentError", "SavedRun", "as_unit", "person_label"]
