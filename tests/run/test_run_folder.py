"""Run folders: resume, stale stages, kills at any time, one owner at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from spinecast.errors import RunError
from spinecast.files import read_json, write_json
from spinecast.run import RunFolder, Stage, StageContext, Study, run_study
from spinecast.run.settings import fingerprint, settings_from_dict, settings_to_dict, to_toml
from spinecast.run.study import RunRequest


@dataclass(frozen=True)
class Inner:
    factor: float = 2.0
    limits: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Settings:
    size: int = 3
    label: str | None = None
    inner: Inner = Inner()


CALLS: list[str] = []


def _make_numbers(context: StageContext) -> None:
    CALLS.append("numbers")
    write_json(context.folder / "numbers.json", list(range(context.settings.size)))


def _make_total(context: StageContext) -> None:
    CALLS.append("total")
    numbers = read_json(context.needs["numbers"] / "numbers.json")
    write_json(context.folder / "total.json", sum(numbers) * context.settings.inner.factor)


def _study(**changes: object) -> Study:
    return Study(
        name="toy",
        title="Toy",
        citation="none",
        presets={"demo": Settings(**changes)},
        stages=(
            Stage("numbers", _make_numbers, settings=("size",)),
            Stage("total", _make_total, needs=("numbers",), settings=("inner",)),
        ),
        inputs="none",
    )


REQUEST = RunRequest(preset="demo", source="simulated:tiny", seed=1, options={})


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    CALLS.clear()


def test_a_second_run_keeps_every_finished_stage(tmp_path: Path) -> None:
    run_study(_study(), REQUEST, tmp_path / "run")
    run_study(_study(), REQUEST, tmp_path / "run")
    assert CALLS == ["numbers", "total"]
    assert read_json(tmp_path / "run/02-total/total.json") == 6.0


def test_a_changed_setting_redoes_only_what_depends_on_it(tmp_path: Path) -> None:
    run_study(_study(), REQUEST, tmp_path / "run")
    run_study(_study(inner=Inner(factor=3.0)), REQUEST, tmp_path / "run")
    assert CALLS == ["numbers", "total", "total"]
    run_study(_study(size=4, inner=Inner(factor=3.0)), REQUEST, tmp_path / "run")
    assert CALLS[-2:] == ["numbers", "total"]
    assert read_json(tmp_path / "run/02-total/total.json") == 18.0


def test_settings_are_written_before_anything_runs(tmp_path: Path) -> None:
    def fail(_context: StageContext) -> None:
        raise ValueError("broken stage")

    study = Study("toy", "Toy", "none", {"demo": Settings()}, (Stage("bad", fail),), "none")
    with pytest.raises(ValueError, match="broken stage"):
        run_study(study, REQUEST, tmp_path / "run")
    record = tomllib.loads((tmp_path / "run/study.toml").read_text())
    assert record["settings"]["inner"]["limits"] == [1, 2]
    assert "python" in read_json(tmp_path / "run/environment.json")
    assert not (tmp_path / "run/01-bad").exists()


def test_status_names_kept_stale_partial_and_missing(tmp_path: Path) -> None:
    study = _study()
    run = run_study(study, REQUEST, tmp_path / "run")
    assert [s.state for s in run.status(study.stages)] == ["kept", "kept"]
    reopened = RunFolder.existing(tmp_path / "run")
    assert [s.state for s in reopened.status(study.stages)] == ["kept", "kept"]
    changed = RunFolder(run.path, {**run.record, "seed": 2})
    assert [s.state for s in changed.status(study.stages)] == ["stale", "stale"]
    (run.path / "02-total").rename(run.path / "02-total.partial")
    assert [s.state for s in run.status(study.stages)] == ["kept", "partial"]


def test_a_folder_of_another_source_or_with_foreign_files_is_refused(tmp_path: Path) -> None:
    run_study(_study(), REQUEST, tmp_path / "run")
    other = RunRequest(preset="demo", source="simulated:demo", seed=1, options={})
    with pytest.raises(RunError, match="SC-704"):
        run_study(_study(), other, tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.doc").touch()
    with pytest.raises(RunError, match="SC-704"):
        run_study(_study(), REQUEST, tmp_path / "full")


def test_two_processes_cannot_work_in_one_folder(tmp_path: Path) -> None:
    run = run_study(_study(), REQUEST, tmp_path / "run")
    with run.locked(), pytest.raises(RunError, match="SC-708"):
        run_study(_study(), REQUEST, tmp_path / "run")


def test_a_partial_folder_of_other_settings_is_thrown_away(tmp_path: Path) -> None:
    partial = tmp_path / "run/01-numbers.partial"
    run = RunFolder.open(tmp_path / "run", {"study": "toy", "source": "s"})
    partial.mkdir()
    (partial / "old.txt").touch()
    write_json(partial / "claim.json", {"fingerprint": "another"})
    with run.stage_folder(1, _study().stages[0], "mine") as folder:
        assert not (folder / "old.txt").exists()
    assert (tmp_path / "run/01-numbers/stage.json").is_file()


KILLED = """
import sys, time
from pathlib import Path
from spinecast.files import write_json
from spinecast.run import Stage, Study, run_study
from spinecast.run.study import RunRequest
from tests.run.test_run_folder import Settings

def slow(context):
    for number in range(40):
        target = context.folder / f"{number}.json"
        if not target.exists():
            write_json(target, number)
            time.sleep(0.005)

study = Study("toy", "Toy", "none", {"demo": Settings()}, (Stage("slow", slow),), "none")
run_study(study, RunRequest("demo", "simulated:tiny", 1, {}), Path(sys.argv[1]))
"""


def test_kill_minus_nine_at_any_time_leaves_a_run_that_the_same_command_finishes(
    tmp_path: Path,
) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run")]
    for delay in (0.0, 0.05, 0.1):
        process = subprocess.Popen(command, cwd=root)
        deadline = time.monotonic() + 30
        while not (tmp_path / "run/study.toml").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=root, check=True)
    made = sorted(int(p.stem) for p in (tmp_path / "run/01-slow").glob("[0-9]*.json"))
    assert made == list(range(40))
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_settings_survive_the_round_trip_through_toml() -> None:
    settings = Settings(size=5, label='quo"te\n', inner=Inner(1.5, (4, 5)))
    values = tomllib.loads(to_toml(settings_to_dict(settings)))
    assert settings_from_dict(Settings, values) == settings
    without_label = settings_to_dict(Settings())
    assert fingerprint(tomllib.loads(to_toml(without_label))) == fingerprint(without_label)
    with pytest.raises(RunError, match="SC-706"):
        settings_from_dict(Settings, {"sise": 3})
