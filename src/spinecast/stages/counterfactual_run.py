"""What the stages of a counterfactual run left in their folders, read when asked for. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from spinecast.counterfactuals import CausalGraph
from spinecast.files import read_json
from spinecast.stages.saved_stages import AbsentError, SavedStages, person_label

#: Image models by their name in files, the better one first: its estimates have no suffix.
BACKBONES = {"deep": "deep", "two_level": "two-level"}


def suffix_of(backbone: str) -> str:
    """Return what the names of a backbone's estimates end in."""
    return "" if backbone == next(iter(BACKBONES)) else f"_{backbone}"


@dataclass(frozen=True)
class Ageing:
    """Gallery scans at a row of ages, all set by intervention.

    Attributes
    ----------
    image_ids, labels
        Scans, and whose they are in words.
    ages
        Years.
    backbone
        Which image model drew them.
    mean, spread
        (scans, ages, rows, columns) of 16 bits: mean and standard deviation over particles.
    """

    image_ids: tuple[str, ...]
    labels: tuple[str, ...]
    ages: tuple[float, ...]
    backbone: str
    mean: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class SavedCounterfactuals(SavedStages):
    """Saved files of one run of a counterfactual study, each read once."""

    PUBLISHING = ("agreement",)

    @cached_property
    def graph(self) -> CausalGraph:
        """The causal graph the run was fitted to."""
        return CausalGraph.from_toml(self.folders["mechanisms"] / "graph.toml")

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Standardised weights: ``from``, ``to``, ``weight``, ``ci_low``, ``ci_high``."""
        return self._table("mechanisms", "weights.csv", "The graph has no edges.")

    @cached_property
    def residuals(self) -> pd.DataFrame:
        """Pairs that the graph says are independent, and what the data say."""
        return self._table("mechanisms", "residuals.csv", "The graph forbids no dependence.")

    @cached_property
    def discovery(self) -> pd.DataFrame:
        """How often each edge is found again; absent where it was not asked for."""
        why = "Edges were not looked for: the run was made without --discover."
        return self._table("mechanisms", "discovery.csv", why)

    @cached_property
    def follow_up(self) -> pd.DataFrame:
        """Measured and predicted variables of test people with a later scan, one row each way."""
        path = self.folders["counterfactuals"] / "follow_up.parquet"
        table = pd.read_parquet(path) if path.exists() else pd.DataFrame()
        if table.empty:
            raise AbsentError("No test person has a later scan.")
        return table

    @cached_property
    def fidelity(self) -> pd.DataFrame:
        """MAE, RMSE, PSNR and SSIM of reconstructed test scans, by backbone."""
        return self._table("counterfactuals", "fidelity.csv", "No test scan was reconstructed.")

    @cached_property
    def follow_up_images(self) -> pd.DataFrame:
        """Errors of generated, unchanged and copied images against the real later scan."""
        why = "No test person has a later scan."
        return self._table("counterfactuals", "follow_up_images.csv", why)

    @cached_property
    def axioms(self) -> pd.DataFrame:
        """Composition, reversibility, effectiveness and minimality, by image and backbone."""
        return self._table("counterfactuals", "axioms.csv", "The axioms were not measured.")

    @cached_property
    def judge_errors(self) -> pd.DataFrame:
        """Errors of the independent predictors on real test scans, by ``parent``."""
        return self._table("judges", "judge_errors.csv", "No independent predictor was fitted.")

    @cached_property
    def histories(self) -> dict[str, pd.DataFrame]:
        """How each backbone's training went; absent where weights came from elsewhere."""
        folder = self.folders["image_models"]
        found = {
            name: pd.read_csv(folder / f"history_{name}.csv")
            for name in BACKBONES
            if (folder / f"history_{name}.csv").exists()
        }
        found = {name: table for name, table in found.items() if len(table)}
        if not found:
            raise AbsentError("The image models were not trained in this run.")
        return found

    @cached_property
    def ageing(self) -> Ageing:
        """The gallery at a row of ages."""
        path = self.folders["counterfactuals"] / "ageing_images.json"
        index = read_json(path) if path.exists() else {"image_id": []}
        if not index["image_id"]:
            raise AbsentError("No scan was aged: there is no test person.")
        labels = [person_label(row) for row in self.scans(index["image_id"]).to_dict("records")]
        return Ageing(
            image_ids=tuple(index["image_id"]),
            labels=tuple(labels),
            ages=tuple(float(age) for age in index["ages"]),
            backbone=str(index["backbone"]),
            mean=self.pixels("counterfactuals", "ageing_mean.npy"),
            spread=self.pixels("counterfactuals", "ageing_spread.npy"),
        )

    @property
    def speed(self) -> dict[str, Any]:
        """Seconds per counterfactual image by backbone; empty where not timed."""
        path = self.folders["counterfactuals"] / "speed.json"
        return dict(read_json(path)) if path.exists() else {}

    def scans(self, image_ids: list[str]) -> pd.DataFrame:
        """Return rows of the image index in the order asked for."""
        return self.films[1].set_index("image_id").loc[image_ids].reset_index()

    def _table(self, stage: str, name: str, why: str) -> pd.DataFrame:
        path = self.folders[stage] / name
        table = pd.read_csv(path) if path.exists() else pd.DataFrame()
        if table.empty:
            raise AbsentError(why)
        return table


__all__ = ["BACKBONES", "AbsentError", "Ageing", "SavedCounterfactuals", "suffix_of"]
