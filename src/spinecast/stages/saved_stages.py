"""What any run's finished stages left in their folders, read when asked for. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from spinecast.cohort import Cohort
from spinecast.cohort.visits import pair_images
from spinecast.images.store import ImageStore
from spinecast.report.goods import Estimate
from spinecast.run import RunFolder, settings_from_dict
from spinecast.stages.cohort import read_cohort, read_images
from spinecast.stages.estimates import COLUMNS

_WHITE = 65535


class AbsentError(Exception):
    """The run saved nothing to make a section of; the message is a sentence for the reader."""


@dataclass(frozen=True)
class SavedStages:
    """Saved files that every study's run has, each read once.

    Attributes
    ----------
    folders
        Finished stage folders by stage name.
    settings, source, seed, options
        As the run was told.
    """

    #: Stages that publish an estimates table, in the order of the published one.
    PUBLISHING: ClassVar[tuple[str, ...]] = ()

    folders: Mapping[str, Path]
    settings: Any
    source: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_run(cls, run: RunFolder, needs: Sequence[str], settings: type) -> Self:
        """Open the stages ``needs`` of a run whose settings are of that class.

        Raises
        ------
        RunError
            SC-703 where one of them is not finished.
        """
        record = run.record
        return cls(
            {name: run.stage_path(name) for name in needs},
            settings_from_dict(settings, record["settings"]),
            record["source"],
            record["seed"],
            dict(record.get("options", {})),
        )

    @property
    def top(self) -> Path:
        """The run folder itself."""
        return self.folders["cohort"].parent

    @property
    def simulated(self) -> bool:
        """Whether nothing was measured on a real person."""
        return self.cohort.simulated

    @cached_property
    def cohort(self) -> Cohort:
        """The eligible cohort, with the ledgers of everything left out."""
        return read_cohort(self.folders["images"])

    @cached_property
    def films(self) -> tuple[ImageStore, pd.DataFrame]:
        """The prepared films and their index (see ``stages.cohort.read_images``)."""
        return read_images(self.folders["images"])

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Every published number of the run, in the order of :attr:`PUBLISHING`."""
        parts = [pd.read_csv(self.folders[name] / "estimates.csv") for name in self.PUBLISHING]
        filled = [part for part in parts if len(part)]
        if not filled:
            return pd.DataFrame(columns=list(COLUMNS))
        return pd.concat(filled, ignore_index=True)[list(COLUMNS)]

    def estimate(self, analysis: str, term: str) -> Estimate | None:
        """Return one published number, None where it was not estimated."""
        return Estimate.find(self.estimates, analysis, term)

    @cached_property
    def later_films(self) -> pd.DataFrame:
        """The last later film of the same region, by baseline ``image_id``.

        ``follow_up_image_id`` and ``years`` (NaN where undated).
        """
        pairs = pair_images(self.cohort)
        pairs = pairs[pairs["same_region"]].sort_values("follow_up_visit", kind="stable")
        last = pairs.drop_duplicates("baseline_image_id", keep="last")
        return last.set_index("baseline_image_id")[["follow_up_image_id", "years"]]

    def pixels(self, stage: str, name: str) -> np.ndarray:
        """Open an array of 16-bit images without loading it; see :func:`as_unit`."""
        path = self.folders[stage] / name
        if not path.exists():
            raise AbsentError("The run kept no drawn films.")
        stored: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return stored

    def film(self, image_id: str) -> np.ndarray:
        """Return one prepared film, (rows, columns) in [0, 1]."""
        image: np.ndarray = self.films[0].read([image_id])[0]
        return image


def person_label(row: Mapping[Any, Any]) -> str:
    """Return pseudonym, sex and age, as far as known."""
    parts = [str(row["person_id"])]
    if row.get("sex") in {"F", "M"}:
        parts.append(str(row["sex"]))
    age = row.get("age")
    if age is not None and np.isfinite(age):
        parts.append(f"{age:.0f} years")
    return " · ".join(parts)


def as_unit(stored: np.ndarray) -> np.ndarray:
    """Return stored 16-bit pixels as float32 in [0, 1]."""
    return np.asarray(stored, dtype=np.float32) / _WHITE
