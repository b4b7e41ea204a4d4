"""Runs made once a session: a whole tiny run of the real study, and a rich one with fake films."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from spinecast.run import RunFolder, run_study
from spinecast.run.study import RunRequest
from spinecast.stages.settings import RiskSettings
from spinecast.studies.followup_xray import STUDY, TINY


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> RunFolder:
    """The real study on the tiny simulated cohort, trained for a few steps; do not change it."""
    pytest.importorskip("spinecast.scores.attribution")
    pytest.importorskip("spinecast.scores.out_of_distribution")
    from spinecast.models import deepsurv
    from spinecast.stages import risk_models

    steps = replace(deepsurv.DeepSurvSettings().fit, max_steps=5)
    short = partial(deepsurv.DeepSurvSettings, members=1, fit=steps)
    settings = replace(
        TINY,
        autoencoder=replace(TINY.autoencoder, steps=20),
        structure=replace(TINY.structure, steps=8),
        prompt=replace(TINY.prompt, steps=8),
        scorer=replace(TINY.scorer, steps=12),
        risk=RiskSettings(bootstrap=20),
    )
    study = replace(STUDY, presets={"tiny": settings})
    request = RunRequest("tiny", "simulated:tiny", 1, {"networks": "train", "map": None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(risk_models, "DeepSurvSettings", short)
        return run_study(study, request, tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def rich_run(tmp_path_factory) -> RunFolder:
    """600 simulated people with their events, films and networks made up; do not change it."""
    from tests.stages.fake_run import make_fake_run

    with pytest.MonkeyPatch.context() as patch:
        return make_fake_run(tmp_path_factory.mktemp("rich") / "run", patch)


@pytest.fixture(scope="session")
def undated_run(tmp_path_factory) -> RunFolder:
    """60 people of whom films are known and nothing else; do not change it."""
    from tests.stages.fake_run import make_fake_run

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("undated") / "run"
        return make_fake_run(folder, patch, source="simulated:tiny", dated=False)
