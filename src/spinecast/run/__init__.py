"""Run folders: resolved settings first, then numbered stages that survive a kill."""

from spinecast.run.directory import RunFolder, StageStatus
from spinecast.run.settings import settings_from_dict, settings_to_dict
from spinecast.run.stage import Stage, StageContext
from spinecast.run.study import Study, run_study

__all__ = [
    "RunFolder",
    "Stage",
    "StageContext",
    "StageStatus",
    "Study",
    "run_study",
    "settings_from_dict",
    "settings_to_dict",
]
