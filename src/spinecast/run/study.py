"""A study: a citation, settings and the order of its stages; and how one is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spinecast.errors import error
from spinecast.files import write_bytes
from spinecast.run.directory import RunFolder
from spinecast.run.settings import settings_to_dict
from spinecast.run.stage import Stage, StageContext


@dataclass(frozen=True)
class Study:
    """A published design as a list of shared stages.

    Attributes
    ----------
    name, title, citation
        How the study is called on the command line, in reports, in literature.
    presets
        Settings by preset name (``paper``, ``demo``, ``tiny``).
    stages
        The stages in order.
    inputs
        Which images it takes (modality and view), for ``spinecast studies``.
    publishes
        Files at the top of the run folder: name to (stage, file of that stage).
    """

    name: str
    title: str
    citation: str
    presets: Mapping[str, Any]
    stages: tuple[Stage, ...]
    inputs: str
    publishes: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def settings(self, preset: str) -> Any:
        """Return the settings of a preset; SC-706 where there is none of that name."""
        if preset not in self.presets:
            raise error(
                "SC-706", expected=" or ".join(self.presets), got=repr(preset), where="--preset"
            )
        return self.presets[preset]


class Listener(Protocol):
    """Hears what happens in a run; the command line draws it."""

    def stage_started(self, name: str) -> None:
        """Hear that a stage begins."""

    def stage_progress(self, done: float, text: str) -> None:
        """Hear that a stage is ``done`` (0 to 1) of its way."""

    def stage_finished(self, name: str, *, seconds: float, kept: bool) -> None:
        """Hear that a stage ended; ``kept`` says it was valid from an earlier run."""


@dataclass(frozen=True)
class RunRequest:
    """All that decides a run besides the code."""

    preset: str
    source: str
    seed: int
    options: Mapping[str, Any]
    cluster: str | None = None


def run_study(
    study: Study, request: RunRequest, folder: Path, *, listener: Listener | None = None
) -> RunFolder:
    """Run every stage of ``study`` that ``folder`` does not hold yet.

    Running the same request again resumes; finished stages are kept.

    Raises
    ------
    RunError
        SC-704 when the folder belongs to another run, SC-708 when it is in use.
    """
    record = {
        "study": study.name,
        "preset": request.preset,
        "source": request.source,
        "seed": request.seed,
        "options": dict(request.options),
        "settings": settings_to_dict(study.settings(request.preset)),
    }
    run = RunFolder.open(folder, record)
    with run.locked():
        fingerprints: dict[str, str] = {}
        for number, stage in enumerate(study.stages, start=1):
            fingerprints[stage.name] = stage.fingerprint(record, fingerprints)
            _run_stage(
                run,
                stage,
                number=number,
                fingerprint=fingerprints[stage.name],
                context=_context(study, request, listener),
                listener=listener,
            )
        publish(run, study)
    return run


def refuse_strange_options(study: Study, options: Mapping[str, Any]) -> None:
    """Refuse options that no stage of the study reads (SC-706): they would change nothing."""
    known = {name for stage in study.stages for name in stage.options}
    for name, value in options.items():
        if value is not None and name not in known:
            raise error(
                "SC-706", expected=f"options of {study.name}: {', '.join(sorted(known))}",
                got=f"--{name}", where=study.name,
            )  # fmt: skip


def publish(run: RunFolder, study: Study) -> None:
    """Copy the study's results from its stages to the top of the run folder."""
    for name, (stage, file) in study.publishes.items():
        source = run.stage_path(stage) / file
        if source.exists():
            write_bytes(run.path / name, source.read_bytes())


def _context(
    study: Study, request: RunRequest, listener: Listener | None
) -> Callable[[Path, Mapping[str, Path]], StageContext]:
    def make(folder: Path, needs: Mapping[str, Path]) -> StageContext:
        extra = {} if listener is None else {"progress": listener.stage_progress}
        return StageContext(
            folder=folder,
            needs=needs,
            settings=study.settings(request.preset),
            source=request.source,
            seed=request.seed,
            options=request.options,
            cluster=request.cluster,
            **extra,
        )

    return make


def _run_stage(
    run: RunFolder,
    stage: Stage,
    *,
    number: int,
    fingerprint: str,
    context: Callable[[Path, Mapping[str, Path]], StageContext],
    listener: Listener | None,
) -> None:
    started = time.monotonic()
    kept = run.is_finished(number, stage.name, fingerprint)
    if listener is not None:
        listener.stage_started(stage.name)
    if not kept:
        with run.stage_folder(number, stage, fingerprint) as folder:
            stage.make(context(folder, {name: run.stage_path(name) for name in stage.needs}))
    if listener is not None:
        listener.stage_finished(stage.name, seconds=time.monotonic() - started, kept=kept)
