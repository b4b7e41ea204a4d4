"""A stage: one step of a study, from the folders it needs to the folder it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinecast.run.settings import fingerprint

Report = Callable[[float, str], None]


def _silent(_done: float, _text: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class StageContext:
    """What a stage is given.

    Attributes
    ----------
    folder
        The stage's own folder; all it makes goes here. After a kill the folder of the
        same fingerprint is handed over again with what was finished.
    needs
        Finished folders of earlier stages by name.
    settings
        The study's frozen settings.
    source, seed
        Location of the cohort and the run's one seed.
    options
        Choices of the command that belong to the run (``train``, ``weights``, ``map``).
    cluster
        Where per-item jobs run (see :mod:`spinecast.cluster`).
    progress
        Called with the share done (0 to 1) and a few words.
    """

    folder: Path
    needs: Mapping[str, Path]
    settings: Any
    source: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    progress: Report = _silent


@dataclass(frozen=True)
class Stage:
    """One step of a study.

    Attributes
    ----------
    name
        What the stage makes, a noun (``cohort``, ``images``, ``scores``).
    make
        Fills the folder of its context; knows the run, while the rooms it calls do not.
    needs
        Names of earlier stages whose folders it reads.
    settings
        Names of the settings it depends on; a change in others leaves it valid.
    options
        Names of the command's options it depends on.
    version
        Raised when the code changes what the stage makes.
    """

    name: str
    make: Callable[[StageContext], None]
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    version: int = 1

    def fingerprint(self, record: Mapping[str, Any], needs: Mapping[str, str]) -> str:
        """Return the hash of all that decides what this stage makes.

        Parameters
        ----------
        record
            The run's resolved record: ``source``, ``seed``, ``settings``, ``options``.
        needs
            Fingerprints of the needed stages by name.
        """
        content = {
            "stage": self.name,
            "version": self.version,
            "source": record["source"],
            "seed": record["seed"],
            "settings": {name: record["settings"].get(name) for name in self.settings},
            "options": {name: record["options"].get(name) for name in self.options},
            "needs": {name: needs[name] for name in self.needs},
        }
        return fingerprint(content)
