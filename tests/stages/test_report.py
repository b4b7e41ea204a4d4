"""The report stage on a rich run with made-up films, and on a real tiny run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.stages.fake_run import SETTINGS

from spinecast.errors import RunError
from spinecast.files import read_json, write_json, write_table
from spinecast.run import RunFolder
from spinecast.stages import report_trust
from spinecast.stages.recovery import RECOVERY_COLUMNS, read_recovery, recover
from spinecast.stages.report import NEEDS, rebuild_report
from spinecast.stages.saved_run import AbsentError, SavedRun
from spinecast.stages.settings import CohortSettings

EVERY_ANCHOR = {
    "headline", "flow", "table-one", "quarantine", "strips", "draws", "fidelity", "age",
    "neighbours", "features", "agreement", "scores", "uncertainty", "attribution", "familiarity",
    "risk-groups", "trajectories", "auroc", "models", "calibration", "decision", "treatment",
    "ceiling", "recovery", "accuracy", "published", "limits", "checklist", "provenance",
}  # fmt: skip


class Page(HTMLParser):
    """Collects section anchors, addresses and pictures without a word for the blind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: set[str] = set()
        self.addresses: list[str] = []
        self.silent = 0
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "section":
            self.anchors.append(given["id"])
        if tag == "a" and given.get("href", "").startswith("#"):
            self.links.add(given["href"][1:])
        self.addresses += [given[k] for k in ("src", "href") if k in given]
        self.silent += tag == "img" and not given.get("alt")
        self.scripts += tag == "script"


def copied(run: RunFolder, target: Path) -> RunFolder:
    shutil.copytree(run.path, target)
    return RunFolder.existing(target)


def saved_of(run: RunFolder, **changes) -> SavedRun:
    saved = SavedRun(
        {name: run.stage_path(name) for name in NEEDS},
        SETTINGS,
        run.record["source"],
        run.record["seed"],
        run.record["options"],
    )
    return replace(saved, **changes)


@pytest.fixture(scope="module")
def page(rich_run) -> Page:
    return Page((rich_run.path / "report" / "index.html").read_text(encoding="utf-8"))


def test_the_page_has_every_section_once_and_says_of_none_that_it_is_missing(page):
    assert set(page.anchors) == EVERY_ANCHOR
    assert len(page.anchors) == len(set(page.anchors))
    assert page.links <= {*page.anchors, "top", "content"}


def test_the_page_asks_nobody_for_anything_and_fits_a_mail(rich_run, page):
    assert all(a.startswith(("data:", "#")) for a in page.addresses)
    assert page.scripts == 0
    assert page.silent == 0
    assert (rich_run.path / "report" / "index.html").stat().st_size < 8e6


def test_the_page_says_that_all_of_it_is_simulated(rich_run):
    text = (rich_run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED" in text
    assert "mean nothing clinically" in text


def test_the_counts_of_the_flow_and_the_quarantine_add_up_on_the_page(rich_run):
    text = (rich_run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert "The counts add up." in text
    assert "DO NOT ADD UP" not in text
    flow = read_json(rich_run.path / "flow.json")
    assert f"given {flow['given_images']:,}" in text


def test_estimates_are_those_of_agreement_and_risk_one_row_a_number(rich_run):
    published = pd.read_csv(rich_run.path / "estimates.csv")
    parts = [pd.read_csv(rich_run.stage_path(n) / "estimates.csv") for n in ("agreement", "risk")]
    pd.testing.assert_frame_equal(published, pd.concat(parts, ignore_index=True))
    assert not published.duplicated(["analysis", "term"]).any()


def test_the_headline_file_holds_the_promised_rows_for_the_command_line(rich_run):
    lines = read_json(rich_run.path / "headline.json")
    assert all(set(line) == {"analysis", "term", "estimate", "target", "met"} for line in lines)
    assert {line["met"] for line in lines} <= {"yes", "no", "-"}
    names = {(line["analysis"], line["term"]) for line in lines}
    assert {
        ("reconstruction", "ms_ssim"), ("reconstruction", "psnr_single_ldm"),
        ("follow_up", "pearson_r"), ("follow_up", "image_skill"),
        ("generated_age", "fraction_of_acquired"), ("risk_groups", "hazard_ratio_high"),
        ("risk_groups_out_of_fold", "log_rank"), ("models", "c_index"), ("models", "auroc_5y"),
        ("speed", "seconds_per_patient"),
    } <= names  # fmt: skip
    assert all((line["met"] == "-") == (line["target"] == "-") for line in lines)


def test_rebuilding_gives_the_same_page_and_loads_no_network_library(rich_run, tmp_path):
    run = copied(rich_run, tmp_path / "run")
    before = (run.path / "report" / "index.html").read_bytes()
    (run.path / "report" / "index.html").unlink()
    script = (
        "import sys; from pathlib import Path\n"
        "from spinecast.run import RunFolder\n"
        "from spinecast.stages.report import rebuild_report\n"
        f"print(rebuild_report(RunFolder.existing(Path({str(run.path)!r}))))\n"
        "heavy = {'torch', 'diffusers', 'monai', 'transformers', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == run.path / "report" / "index.html"
    assert (run.path / "report" / "index.html").read_bytes() == before


def test_rebuilding_an_unfinished_run_names_the_stage(rich_run, tmp_path):
    run = copied(rich_run, tmp_path / "run")
    shutil.rmtree(run.stage_path("risk"))
    with pytest.raises(RunError, match=r"SC-703.*risk"):
        rebuild_report(run)


def without_events(run: RunFolder) -> None:
    folder = run.stage_path("risk")
    for name in ("people.parquet", "thresholds.json", "models.json", "decision_curve.csv"):
        (folder / name).unlink()
    write_json(folder / "available.json", {"risk": False, "why": "the cohort has no events table"})
    empty = pd.DataFrame(
        columns=["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]
    )
    write_table(folder / "estimates.csv", empty)


def test_films_without_events_leave_risk_out_and_say_why(rich_run, tmp_path):
    run = copied(rich_run, tmp_path / "run")
    without_events(run)
    rebuilt = Page(rebuild_report(run).read_text(encoding="utf-8"))
    gone = {"risk-groups", "trajectories", "auroc", "models", "calibration", "decision",
            "treatment"}  # fmt: skip
    assert not gone & set(rebuilt.anchors)
    assert {"absent", "strips", "scores", "agreement"} <= set(rebuilt.anchors)
    text = (run.path / "report" / "index.html").read_text(encoding="utf-8")
    part = text[text.index('id="absent"') : text.index('id="checklist"')]
    reasons = re.findall(r"<td[^>]*>([^<]+)</td>", part)
    assert set(reasons) == {"No risk analysis was possible: the cohort has no events table."}
    assert len(reasons) == len(gone)


def test_films_without_scores_later_films_or_draws_still_make_a_page(rich_run, tmp_path):
    run = copied(rich_run, tmp_path / "run")
    without_events(run)
    made = run.stage_path("follow_up")
    for name in ("draws.npy", "features.npz"):
        (made / name).unlink()
    write_table(made / "fidelity.csv", pd.read_csv(made / "fidelity.csv").head(0))
    (run.stage_path("agreement") / "follow_up_pairs.csv").unlink()
    scores = run.stage_path("scores")
    for name in ("scores.parquet", "attribution.npy", "familiarity.csv"):
        (scores / name).unlink()
    rebuilt = Page(rebuild_report(run).read_text(encoding="utf-8"))
    assert {"headline", "flow", "table-one", "quarantine", "strips", "limits", "absent",
            "provenance"} <= set(rebuilt.anchors)  # fmt: skip
    assert not {"draws", "features", "agreement", "age", "attribution"} & set(rebuilt.anchors)
    text = (run.path / "report" / "index.html").read_text(encoding="utf-8")
    part = text[text.index('id="absent"') : text.index('id="checklist"')]
    reasons = re.findall(r"<td[^>]*>([^<]+)</td>", part)
    assert all(reason.endswith(".") and reason[0].isupper() for reason in reasons)


def test_a_real_cohort_gets_an_empty_recovery_table_and_a_sentence(rich_run):
    saved = saved_of(rich_run, source=str(rich_run.path))
    table = recover(saved)
    assert table.empty
    assert list(table.columns) == list(RECOVERY_COLUMNS)
    with pytest.raises(AbsentError, match="only simulated people have one"):
        report_trust.recovery(table)


def test_absent_scores_are_told_in_words_not_with_a_trace(rich_run, tmp_path):
    run = copied(rich_run, tmp_path / "run")
    (run.stage_path("scores") / "scores.parquet").unlink()
    with pytest.raises(AbsentError, match="No scorer was fitted"):
        _ = saved_of(run).scores


def test_an_endpoint_without_closed_form_leaves_the_ceiling_out(rich_run):
    settings = replace(SETTINGS, cohort=CohortSettings(endpoint="non_vertebral_fracture"))
    table = recover(saved_of(rich_run, settings=settings))
    assert "ceiling" not in set(table["kind"])
    assert "accuracy" in set(table["kind"])


def test_films_of_unknown_age_time_and_outcome_make_an_honest_page(undated_run):
    text = (undated_run.path / "report" / "index.html").read_text(encoding="utf-8")
    shown = set(Page(text).anchors)
    assert {"headline", "flow", "table-one", "strips", "draws", "fidelity", "neighbours", "scores",
            "limits", "absent", "provenance"} <= shown  # fmt: skip
    assert not {"agreement", "age", "risk-groups", "models", "trajectories"} & shown
    without_pictures = re.sub(r"<img [^>]*>", "", text)
    assert "nan" not in without_pictures.lower().split()
    assert "FRAX here is a simulated column" not in text


def test_a_whole_tiny_run_publishes_everything(tiny_run):
    for name in ("estimates.csv", "recovery.csv", "headline.json", "flow.json"):
        assert (tiny_run.path / name).stat().st_size > 0
    rebuilt = Page((tiny_run.path / "report" / "index.html").read_text(encoding="utf-8"))
    always = {"headline", "flow", "table-one", "quarantine", "strips", "draws", "fidelity",
              "neighbours", "agreement", "published", "limits", "checklist",
              "provenance"}  # fmt: skip
    assert always <= set(rebuilt.anchors)


def test_a_tiny_run_states_speed_and_fidelity_of_all_four_copies(tiny_run):
    table = pd.read_csv(tiny_run.path / "estimates.csv").set_index(["analysis", "term"])
    for suffix in ("", "_autoencoder", "_single_ldm", "_single_ldm_inverted"):
        assert np.isfinite(table.loc[("reconstruction", f"ms_ssim{suffix}"), "estimate"])
    assert table.loc[("speed", "seconds_per_patient"), "estimate"] > 0


def test_a_tiny_run_can_be_read_as_json_by_the_command_line(tiny_run):
    lines = json.loads((tiny_run.path / "headline.json").read_text(encoding="utf-8"))
    assert len(lines) >= 10


def test_feature_maps_of_a_tiny_run_become_a_section(tiny_run, tmp_path):
    from spinecast.run import StageContext
    from spinecast.stages.feature_pictures import write_features
    from spinecast.stages.report_pictures import features

    made = tmp_path / "06-follow_up"
    shutil.copytree(tiny_run.stage_path("follow_up"), made)
    (made / "features.npz").unlink(missing_ok=True)
    needs = {name: tiny_run.stage_path(name) for name in NEEDS}
    write_features(StageContext(made, needs, SETTINGS, tiny_run.record["source"], 1))
    saved = saved_of(tiny_run, folders={**needs, "follow_up": made})
    assert features(saved).anchor == "features"
    with np.load(made / "features.npz") as kept:
        assert kept["maps"].dtype == np.uint8
        assert kept["maps"].shape[:2] == (len(kept["blocks"]), len(kept["timesteps"]))


def test_the_saved_recovery_table_is_read_back_as_it_was(rich_run):
    table = read_recovery(rich_run.path / "recovery.csv")
    assert list(table.columns) == list(RECOVERY_COLUMNS)
    assert read_recovery(rich_run.path / "nowhere.csv").empty
