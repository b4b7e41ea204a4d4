"""The page of any study's run, built again from its saved files; no model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from spinecast.errors import error
from spinecast.run import RunFolder

#: Study to the module that makes its page.
_PAGES = {"followup-xray": "report", "counterfactual-dxa": "counterfactual_report"}


def rebuild_page(run: RunFolder) -> Path:
    """Build the page of a run again.

    Returns
    -------
    Path
        The page, at its published place.

    Raises
    ------
    RunError
        SC-701 for a run of a study that this version does not know, SC-703 where a stage
        that the page needs is not finished.
    """
    study = str(run.record["study"])
    if study not in _PAGES:
        raise error("SC-701", expected=" or ".join(_PAGES), got=repr(study), where=str(run.path))
    rebuild: Callable[[RunFolder], Path] = import_module(
        f"spinecast.stages.{_PAGES[study]}"
    ).rebuild_report
    return rebuild(run)
