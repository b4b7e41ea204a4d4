"""What a cohort is, and what every source of one promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from spinecast.errors import error
from spinecast.images import Image

SIMULATED_PREFIX = "simulated:"
UKBIOBANK_PREFIX = "ukbiobank:"


def _empty_ledger() -> pd.DataFrame:
    return pd.DataFrame({"source": [], "code": [], "reason": []}, dtype=object)


@dataclass(frozen=True)
class Cohort:
    """The validated tables of one cohort (columns: docs/reference/cohort-folder.md).

    Parameters
    ----------
    name
        Short name for pages and logs.
    simulated
        True where nothing was measured on a real person.
    people, visits, images, events, findings
        Validated tables; bad rows are not in them but in ``quarantine``.
    quarantine, skipped
        ``source``, ``code``, ``reason``: rows refused for a fault, rows left out by a rule.
    notes
        What was read differently from how it was written (columns ignored, units converted).
    """

    name: str
    simulated: bool
    people: pd.DataFrame
    visits: pd.DataFrame
    images: pd.DataFrame
    events: pd.DataFrame
    findings: pd.DataFrame
    quarantine: pd.DataFrame = field(default_factory=_empty_ledger)
    skipped: pd.DataFrame = field(default_factory=_empty_ledger)
    notes: tuple[str, ...] = ()

    def select_people(self, person_ids: Any) -> Cohort:
        """Return the cohort with only ``person_ids``, in every table of people."""
        kept = set(map(str, person_ids))
        return self._filtered(lambda table: table["person_id"].isin(kept))

    def select_images(self, image_ids: Any) -> Cohort:
        """Return the cohort with only ``image_ids``; people and visits stay as they are."""
        kept = self.images["image_id"].isin(set(map(str, image_ids)))
        return replace(self, images=self.images[kept].reset_index(drop=True))

    def _filtered(self, rows: Callable[[pd.DataFrame], pd.Series]) -> Cohort:
        def keep(table: pd.DataFrame) -> pd.DataFrame:
            return table[rows(table)].reset_index(drop=True)

        return replace(
            self,
            people=keep(self.people),
            visits=keep(self.visits),
            images=keep(self.images),
            events=keep(self.events),
            findings=keep(self.findings),
        )


@runtime_checkable
class CohortSource(Protocol):
    """Where people and images come from: simulated, a folder, a biobank."""

    name: str
    simulated: bool

    def load(self) -> Cohort:
        """Return the validated tables; rows with faults are quarantined, never dropped."""
        ...

    def open_image(self, image_id: str) -> Image:
        """Return one image of the index; raises SpinecastError where it cannot be read."""
        ...


@runtime_checkable
class HasTruth(Protocol):
    """A source that knows the truth: a simulation. Only tests and recovery look here."""

    def truth(self) -> Any:
        """Return the simulation's truth."""
        ...


def open_cohort(location: str, *, seed: int = 0, column_map: Path | None = None) -> CohortSource:
    """Open a source of people and images.

    Parameters
    ----------
    location
        ``simulated:PRESET`` (tiny, demo, bench), ``ukbiobank:DIR`` or the path of a cohort
        folder.
    seed
        The world's seed; a folder ignores it.
    column_map
        TOML file that names columns, codes and units; a simulation ignores it.

    Raises
    ------
    RunError
        SC-702 where ``location`` is neither.
    """
    if location.startswith(SIMULATED_PREFIX):
        simulated = import_module("spinecast.cohort.sources.simulated")
        source: CohortSource = simulated.SimulatedSource(
            location.removeprefix(SIMULATED_PREFIX), seed=seed
        )
        return source
    folder = Path(location.removeprefix(UKBIOBANK_PREFIX)).expanduser()
    if not folder.is_dir():
        raise error(
            "SC-702",
            expected="simulated:tiny, simulated:demo, simulated:bench, ukbiobank:DIR or a folder",
            got=f"{location!r}, which is no folder",
        )
    if location.startswith(UKBIOBANK_PREFIX):
        from spinecast.cohort.sources.ukbiobank import UKBiobankSource

        return UKBiobankSource(folder, column_map=column_map)
    from spinecast.cohort.sources.folder import FolderSource

    return FolderSource(folder, column_map=column_map)
