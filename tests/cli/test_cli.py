"""The command line as users meet it: help that teaches, one clear sentence for errors."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from spinecast.cli import app
from spinecast.error_codes import CODES
from spinecast.studies import open_study

RUNNER = CliRunner()
COMMANDS = [
    "studies", "doctor", "simulate", "ingest", "run", "status", "predict", "report", "export",
    "explain", "outcomes", "counterfactual",
]  # fmt: skip


def _spinecast(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spinecast", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_an_example(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: spinecast {command}" in " ".join(result.output.split())


def test_studies_are_listed_as_json() -> None:
    listed = json.loads(RUNNER.invoke(app, ["studies", "--json"]).output)
    assert listed[0]["name"] == "followup-xray"
    assert {"demo", "tiny", "paper", "films"} <= set(listed[0]["presets"])
    assert listed[0]["stages"] == [s.name for s in open_study("followup-xray").stages]


def test_both_studies_are_listed_with_what_they_take() -> None:
    listed = {s["name"]: s for s in json.loads(RUNNER.invoke(app, ["studies", "--json"]).output)}
    assert set(listed) >= {"followup-xray", "counterfactual-dxa"}
    assert "DXA" in listed["counterfactual-dxa"]["inputs"]


def test_a_graph_is_read_before_anything_is_run_and_only_where_a_study_takes_one(
    tmp_path: Path,
) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[variables.age]\nkind = "positive"\n\n[image]\nparents = ["age"]\n')
    bad.write_text('[variables.a]\nkind = "real"\nparents = ["a"]\n')
    out = ["--source", "nowhere", "--out", str(tmp_path / "r")]
    for study, options, code in (
        ("counterfactual-dxa", ["--graph", str(bad)], "SC-409"),
        ("counterfactual-dxa", ["--graph", str(tmp_path / "none.toml")], "SC-412"),
        ("counterfactual-dxa", ["--graph", str(good), "--discover"], "SC-702"),  # the source
        ("followup-xray", ["--graph", str(good)], "SC-706"),
        ("followup-xray", ["--discover"], "SC-706"),
    ):
        result = RUNNER.invoke(app, ["run", study, *options, *out])
        assert code in str(result.exception), (study, options)


def test_the_text_of_a_graph_is_kept_in_the_record_of_the_run(tmp_path: Path) -> None:
    text = '# "mine"\n[variables.age]\nkind = "positive"\n\n[image]\nparents = ["age"]\n'
    (tmp_path / "g.toml").write_text(text)
    words = ["run", "counterfactual-dxa", "--graph", str(tmp_path / "g.toml"), "--source"]
    RUNNER.invoke(app, [*words, "nowhere", "--out", str(tmp_path / "r")])
    record = tomllib.loads((tmp_path / "r" / "study.toml").read_text())
    assert record["options"]["graph"] == text
    assert "discover" not in record["options"]


def test_a_biobank_layout_is_for_scans_and_says_what_to_run_next(tmp_path: Path) -> None:
    words = ["simulate", "--layout", "ukbiobank", "--write", str(tmp_path / "u"), "--preset"]
    assert "SC-706" in str(RUNNER.invoke(app, [*words, "tiny"]).exception)
    assert not (tmp_path / "u").exists()


def test_a_counterfactual_needs_a_run(tmp_path: Path) -> None:
    words = ["counterfactual", str(tmp_path), "--do", "age=75", "--person", "P", "--out", "o"]
    assert "SC-703" in str(RUNNER.invoke(app, words).exception)


@pytest.mark.parametrize("code", ["SC-112", "sc-301"])
def test_explain_says_what_a_code_means_and_what_to_do(code: str) -> None:
    output = " ".join(RUNNER.invoke(app, ["explain", code]).output.split())
    explanation = CODES[code.upper()]
    assert explanation.title in output
    assert "What to do:" in output


def test_an_error_is_one_sentence_with_its_code_and_no_traceback(tmp_path: Path) -> None:
    result = _spinecast("run", "followup-xray", "--source", "nowhere", "--out", str(tmp_path / "r"))
    assert result.returncode == 2
    assert result.stderr.startswith("SC-702")
    assert "Traceback" not in result.stderr
    assert "spinecast explain SC-702" in result.stderr


def test_unknown_study_preset_and_run_folder_each_have_a_code(tmp_path: Path) -> None:
    out = str(tmp_path / "r")
    assert "SC-701" in _spinecast("run", "chest-age", "--out", out).stderr
    assert "SC-706" in _spinecast("run", "followup-xray", "--preset", "huge", "--out", out).stderr
    assert "SC-703" in _spinecast("status", str(tmp_path)).stderr
    both = _spinecast("run", "followup-xray", "--train", "--fine-tune", "--out", out)
    assert "SC-706" in both.stderr


def test_ingest_counts_what_is_usable_and_what_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (300, 160), dtype=np.uint8)
        Picture.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "empty.dcm").touch()
    plan = RUNNER.invoke(app, ["ingest", str(folder), "--out", str(tmp_path / "o"), "--plan"])
    assert "Nothing was written" in " ".join(plan.output.split())
    assert not (tmp_path / "o").exists()
    result = RUNNER.invoke(app, ["ingest", str(folder), "--out", str(tmp_path / "o")])
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "o/summary.json").read_text())
    assert (summary["given"], summary["usable"], summary["quarantined"]) == (4, 2, 2)
    assert "2 + 0 + 2 = 4" in " ".join(result.output.split())


def test_the_same_film_under_two_people_is_quarantined_under_both(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (300, 160), dtype=np.uint8)
    for name in ("a", "b"):
        Picture.fromarray(pixels).save(folder / f"{name}.png")
    RUNNER.invoke(app, ["ingest", str(folder), "--out", str(tmp_path / "o")])
    summary = json.loads((tmp_path / "o/summary.json").read_text())
    assert summary["quarantined"] == 2
    assert {row["code"] for row in summary["rows"]} == {"SC-309"}


def test_doctor_reports_decoders_memory_and_that_no_network_is_used() -> None:
    output = " ".join(RUNNER.invoke(app, ["doctor"]).output.split())
    for words in ("Python", "torch", "JPEG 2000", "memory", "none used"):
        assert words in output


def test_outcomes_prints_its_comparison_and_where_the_page_is(tmp_path):
    rng = np.random.default_rng(1)
    new, years = rng.normal(size=200), rng.exponential(5, 200)
    table = pd.DataFrame({"years": years, "status": 1, "new": new - years, "old": new})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["outcomes", "--table", str(tmp_path / "t.csv"), "--duration", "years", "--event",
             "status", "--score", "new", "--score", "old", "--times", "2,5",
             "--out", str(tmp_path / "out")]  # fmt: skip
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "200 of 200 used" in result.output
    assert (tmp_path / "out/index.html").is_file()
    shown = pd.read_csv(tmp_path / "out/estimates.csv")
    assert (shown["analysis"] == "comparison/new - old").any()
    wrong = RUNNER.invoke(app, [*words, "--times", "two"])
    assert "SC-706" in str(wrong.exception)
