"""The published designs; each module holds one ``STUDY``."""

from __future__ import annotations

from importlib import import_module

from spinecast.errors import error
from spinecast.run import Study

_MODULES = {"followup-xray": "followup_xray", "counterfactual-dxa": "counterfactual_dxa"}


def study_names() -> list[str]:
    """Return the names of all studies."""
    return list(_MODULES)


def open_study(name: str) -> Study:
    """Return the study called ``name``; SC-701 where there is none."""
    if name not in _MODULES:
        raise error("SC-701", expected=" or ".join(_MODULES), got=repr(name))
    study: Study = import_module(f"spinecast.studies.{_MODULES[name]}").STUDY
    return study
