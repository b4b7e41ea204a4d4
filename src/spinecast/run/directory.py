"""The run folder: settings first, then numbered stage folders renamed into place.

``NN-name.partial/`` is filled, ``stage.json`` is written into it, and one rename
makes it ``NN-name/``. A folder without the suffix is whole, always.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from spinecast import __version__
from spinecast.errors import error
from spinecast.files import read_json, write_json, write_text
from spinecast.run.settings import to_toml
from spinecast.run.stage import Stage

_RECORD = "study.toml"
_LIBRARIES = ("numpy", "scipy", "pandas", "torch", "diffusers", "transformers", "monai", "pydicom")


@dataclass(frozen=True)
class StageStatus:
    """Where one stage stands: ``kept``, ``stale``, ``partial`` or ``missing``."""

    number: int
    name: str
    state: str


class RunFolder:
    """One run on disk.

    Parameters
    ----------
    path
        The folder given to ``--out``.
    record
        The resolved record (study, preset, source, seed, options, settings).
    """

    def __init__(self, path: Path, record: Mapping[str, Any]) -> None:
        self.path = path
        self.record = record

    @classmethod
    def open(cls, path: Path, record: Mapping[str, Any]) -> RunFolder:
        """Create the folder, or take up the run it holds.

        Settings may differ between calls (stages that depend on them become stale);
        study and source may not, or one folder would mix two studies.

        Raises
        ------
        RunError
            SC-704 when the folder holds a run of another study or source, or foreign files.
        """
        if (path / _RECORD).exists():
            earlier = tomllib.loads((path / _RECORD).read_text(encoding="utf-8"))
            for key in ("study", "source"):
                if earlier.get(key) != record[key]:
                    raise error(
                        "SC-704",
                        expected=f"{key} {earlier.get(key)!r}",
                        got=repr(record[key]),
                        where=str(path),
                    )
        elif path.exists() and any(path.iterdir()):
            raise error(
                "SC-704",
                expected="an empty folder or a run folder",
                got="other files",
                where=str(path),
            )
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / _RECORD, to_toml(record))
        write_json(path / "environment.json", environment())
        return cls(path, record)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """Open a run that is already there; SC-703 where there is none."""
        if not (path / _RECORD).is_file():
            raise error("SC-703", expected=f"a folder with {_RECORD}", got="none", where=str(path))
        return cls(path, tomllib.loads((path / _RECORD).read_text(encoding="utf-8")))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock goes with the process, however it ends."""
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as cause:
                raise error(
                    "SC-708",
                    expected="a free run folder",
                    got="a locked one",
                    where=str(self.path),
                ) from cause
            yield
        finally:
            os.close(descriptor)

    def stage_path(self, name: str) -> Path:
        """Return the finished folder of stage ``name``; SC-703 where it is not finished."""
        found = sorted(self.path.glob(f"[0-9][0-9]-{name}"))
        if not found:
            raise error(
                "SC-703", expected=f"a finished stage {name!r}", got="none", where=str(self.path)
            )
        return found[0]

    def is_finished(self, number: int, name: str, fingerprint: str) -> bool:
        """Say whether the stage is there, made under exactly this fingerprint."""
        note = self.path / _folder_name(number, name) / "stage.json"
        return note.is_file() and read_json(note)["fingerprint"] == fingerprint

    @contextmanager
    def stage_folder(self, number: int, stage: Stage, fingerprint: str) -> Iterator[Path]:
        """Yield the partial folder; on success it becomes the finished one in one rename.

        A partial folder of the same fingerprint is handed over as it is, so that a stage
        can go on where it was killed; one of another fingerprint is thrown away.
        """
        final = self.path / _folder_name(number, stage.name)
        partial = final.with_name(final.name + ".partial")
        claim = partial / "claim.json"
        if partial.exists() and not (
            claim.is_file() and read_json(claim)["fingerprint"] == fingerprint
        ):
            shutil.rmtree(partial)
        partial.mkdir(exist_ok=True)
        write_json(claim, {"fingerprint": fingerprint})
        yield partial
        for leftover in partial.rglob(".*.partial"):
            leftover.unlink()
        claim.unlink()
        write_json(
            partial / "stage.json",
            {
                "stage": stage.name,
                "version": stage.version,
                "fingerprint": fingerprint,
                "needs": list(stage.needs),
                "spinecast": __version__,
            },
        )
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)

    def status(self, stages: Sequence[Stage]) -> list[StageStatus]:
        """Say of every stage whether it is kept, stale, partial or missing."""
        fingerprints: dict[str, str] = {}
        states = []
        for number, stage in enumerate(stages, start=1):
            fingerprints[stage.name] = stage.fingerprint(self.record, fingerprints)
            states.append(
                StageStatus(
                    number, stage.name, self._state(number, stage, fingerprints[stage.name])
                )
            )
        return states

    def _state(self, number: int, stage: Stage, fingerprint: str) -> str:
        final = self.path / _folder_name(number, stage.name)
        if self.is_finished(number, stage.name, fingerprint):
            return "kept"
        if final.with_name(final.name + ".partial").exists():
            return "partial"
        return "stale" if final.exists() else "missing"


def environment() -> dict[str, Any]:
    """Describe what this run runs on; nothing that names a person or a machine."""
    return {
        "spinecast": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES if _installed(name)},
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _folder_name(number: int, name: str) -> str:
    return f"{number:02d}-{name}"
