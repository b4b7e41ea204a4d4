"""What the counterfactual study's drawings are made with: opened once a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spinecast.counterfactuals import StructuralCausalModel, load_scm
from spinecast.counterfactuals.answer import CausalAnswer, image_counterfactual
from spinecast.counterfactuals.image_mechanism import ImageMechanism
from spinecast.counterfactuals.judge import ParentJudge
from spinecast.counterfactuals.row_codes import Setting
from spinecast.files import read_json
from spinecast.models.device import best_device
from spinecast.seeds import integer
from spinecast.stages.image_networks import load_backbones
from spinecast.stages.scans import TIME, ChosenScans, follow_up_scans, foretold, read_scans

MODES = ("age_only", "all_covariates")


@dataclass(frozen=True)
class Folders:
    """Finished stages that drawings are made of.

    Attributes
    ----------
    images, mechanisms, image_models, judges
        Their folders.
    made
        Their fingerprints: a stage made anew has the same folder and other goods.
    """

    images: Path
    mechanisms: Path
    image_models: Path
    judges: Path
    made: tuple[str, ...] = ()

    @classmethod
    def of(cls, needs: Mapping[str, Path]) -> Folders:
        """Take them from the folders that a stage is given."""
        paths = {name: needs[name] for name in ("images", "mechanisms", "image_models", "judges")}
        made = [str(read_json(path / "stage.json")["fingerprint"]) for path in paths.values()]
        return cls(made=tuple(made), **paths)


@dataclass(frozen=True)
class Goods:
    """Everything opened.

    Attributes
    ----------
    scans, index
        Eligible scans in one order.
    test
        Rows of ``index``: baseline scans of test people, one a person.
    pairs
        See :func:`follow_up_scans`.
    scm, backbones, judge
        What was fitted.
    """

    scans: ChosenScans
    index: pd.DataFrame
    test: pd.DataFrame
    pairs: pd.DataFrame
    scm: StructuralCausalModel
    backbones: Mapping[str, ImageMechanism]
    judge: ParentJudge

    @property
    def timed(self) -> bool:
        """Whether the graph knows of time."""
        return TIME in self.scm.graph.names

    @property
    def predicted(self) -> list[str]:
        """Image parents that are foretold."""
        return foretold(self.scm.graph)

    def images(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the prepared scans of rows of :attr:`index`."""
        return self.scans.store.read(rows["row"].to_numpy())

    def followed(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return those of ``rows`` with a later scan, and the rows of those later scans."""
        before = rows[rows["image_id"].isin(self.pairs.index)].reset_index(drop=True)
        later = self.pairs.loc[before["image_id"], "follow_up_image_id"]
        after = self.index.set_index("image_id", drop=False).loc[later].reset_index(drop=True)
        return before, after

    def modes(self, after: pd.DataFrame) -> dict[str, dict[str, Setting]]:
        """Return what each evaluation mode sets, one value a row of the later scans.

        ``age_only`` sets the age; ``all_covariates`` every number that is not foretold
        from the image's own parents.
        """
        graph = self.scm.graph
        known = [n for n in graph.names if n not in self.predicted and not graph[n].discrete]
        return {
            "age_only": {TIME: after[TIME].to_numpy(float)},
            "all_covariates": {name: after[name].to_numpy(float) for name in known},
        }

    def answer(
        self,
        backbone: str,
        rows: pd.DataFrame,
        do: list[dict[str, Setting]],
        *,
        particles: int,
        seed: int,
        keep_particles: bool = False,
    ) -> CausalAnswer:
        """Draw rows of :attr:`index` under interventions."""
        mechanism = self.backbones[backbone]
        device = mechanism.model.mean_image.device
        dice = torch.Generator(device).manual_seed(integer(seed, "particles", backbone) % 2**31)
        return image_counterfactual(
            self.scm,
            mechanism,
            rows,
            images=self.images(rows),
            do=do,
            particles=particles,
            generator=dice if particles > 1 else None,
            keep_particles=keep_particles,
            seed=integer(seed, "levels") % 2**31,
        )


@lru_cache(maxsize=2)
def open_goods(folders: Folders) -> Goods:
    """Open everything, networks where they run fastest."""
    scans, index = read_scans(folders.images)
    baseline = index[(index["visit"] == 0) & (index["split"] == "test")]
    backbones = load_backbones(folders.image_models)
    judge = ParentJudge.load(folders.judges)
    for module in (judge.reader, *(one.model for one in backbones.values())):
        module.to(best_device())
    return Goods(
        scans=scans,
        index=index,
        test=baseline.drop_duplicates("person_id").reset_index(drop=True),
        pairs=follow_up_scans(folders.images, index),
        scm=load_scm(folders.mechanisms),
        backbones=backbones,
        judge=judge,
    )
