"""The page of the counterfactual study, from a run whose networks are made up."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.stages.fake_counterfactuals import SETTINGS, make_fake_run
from tests.stages.test_report import Page

from spinecast.errors import SpinecastError
from spinecast.files import read_json, write_table, write_text
from spinecast.run import RunFolder
from spinecast.stages.counterfactual_report import NEEDS
from spinecast.stages.counterfactual_run import AbsentError, SavedCounterfactuals, suffix_of
from spinecast.stages.page_again import rebuild_page
from spinecast.stages.recovery import RECOVERY_COLUMNS, beside_truth
from spinecast.stages.recovery_counterfactuals import CHAPTERS
from spinecast.stages.report_causal import recovery

EVERY_ANCHOR = {
    "headline", "flow", "table-one", "quarantine", "graph", "discovery", "ageing",
    "reconstruction", "axioms", "foretold", "follow-up-images", "recovery", "truth", "training",
    "published", "limits", "checklist", "provenance",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return make_fake_run(tmp_path_factory.mktemp("fake") / "run", discover=True)


@pytest.fixture
def copied(run, tmp_path) -> RunFolder:
    shutil.copytree(run.path, tmp_path / "run")
    return RunFolder.existing(tmp_path / "run")


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(text_of(run))


def text_of(run: RunFolder) -> str:
    return (run.path / "report" / "index.html").read_text(encoding="utf-8")


def words_of(run: RunFolder, anchor: str) -> str:
    text = re.sub(r"<img [^>]*>", "", text_of(run))
    part = text[text.index(f'id="{anchor}"') :]
    return part[: part.index("</section>")]


def saved_of(run: RunFolder) -> SavedCounterfactuals:
    folders = {name: run.stage_path(name) for name in NEEDS}
    return SavedCounterfactuals(folders, SETTINGS, run.record["source"], 3, {})


def test_the_page_has_every_section_once_and_misses_none(page):
    assert set(page.anchors) == EVERY_ANCHOR
    assert len(page.anchors) == len(set(page.anchors))
    assert page.links <= {*page.anchors, "top", "content"}


def test_the_page_asks_nobody_for_anything_and_every_picture_has_words(run, page):
    assert all(a.startswith(("data:", "#")) for a in page.addresses)
    assert (page.scripts, page.silent) == (0, 0)
    assert "SIMULATED" in text_of(run)
    assert (run.path / "report" / "index.html").stat().st_size < 4e6


def test_counts_add_up_on_the_page(run):
    assert "The counts add up." in words_of(run, "quarantine")
    flow = read_json(run.path / "flow.json")
    assert f"Scans: given {flow['given_images']:,}" in words_of(run, "quarantine")
    assert "Flow of people and scans" in words_of(run, "flow")
    assert "film" not in words_of(run, "flow").lower()


def test_the_graph_stands_beside_the_published_weights(run):
    words = words_of(run, "graph")
    assert "Sex → Height" in words
    assert "1.439" in words
    assert "Pairs the graph calls independent" in words


def test_every_way_to_foretell_stands_beside_no_change(run):
    words = words_of(run, "foretold")
    for way in ("causal model", "given all later covariates", "read off the image, deep",
                "read off the image, two-level", "no change"):  # fmt: skip
        assert way in words


def test_estimates_on_the_page_are_those_of_the_agreement_stage(run):
    published = pd.read_csv(run.path / "estimates.csv")
    made = pd.read_csv(run.stage_path("agreement") / "estimates.csv")
    pd.testing.assert_frame_equal(published, made)
    assert not published.duplicated(["analysis", "term"]).any()


def test_the_headline_holds_the_rows_that_the_study_promises(run):
    lines = {f"{r['analysis']}/{r['term']}": r for r in read_json(run.path / "headline.json")}
    assert {
        "axioms/composition_l1", "reconstruction/ssim", "reconstruction/psnr",
        "follow_up/r_squared_width", "follow_up/r_squared_change_area", "follow_up/sign_agreement",
        "follow_up/sign_agreement_fraction_of_attainable", "truth/skill_over_no_change",
        "axioms/reversibility_ratio", "axioms/effectiveness_ratio_width", "graph/weights_covered",
    } <= set(lines)  # fmt: skip
    assert lines["reconstruction/ssim"]["met"] == "yes"
    assert lines["axioms/composition_l1"]["estimate"] == "1.0e-08"


def test_the_truth_is_asked_once_and_set_beside_every_true_edge(run):
    table = pd.read_csv(run.path / "recovery.csv")
    assert list(table.columns) == list(RECOVERY_COLUMNS)
    edges = table[(table["analysis"] == "graph") & (table["kind"] == "parameter")]
    assert len(edges) == len(saved_of(run).graph.edges)
    assert np.isfinite(edges["truth"]).all()


def test_rebuilding_gives_the_same_page_and_loads_no_network_library(run, copied):
    before = text_of(run)
    (copied.path / "report" / "index.html").unlink()
    script = (
        "import sys; from pathlib import Path\n"
        "from spinecast.run import RunFolder\n"
        "from spinecast.stages.page_again import rebuild_page\n"
        f"print(rebuild_page(RunFolder.existing(Path({str(copied.path)!r}))))\n"
        "heavy = {'torch', 'diffusers', 'monai', 'zuko', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == copied.path / "report" / "index.html"
    assert text_of(copied) == before


def test_what_is_not_there_is_told_with_a_reason(copied):
    drawn, models = copied.stage_path("counterfactuals"), copied.stage_path("image_models")
    (copied.stage_path("mechanisms") / "discovery.csv").unlink()
    (drawn / "ageing_images.json").unlink()
    for name in ("deep", "two_level"):
        (models / f"history_{name}.csv").unlink()
    for name, read in (("follow_up.parquet", pd.read_parquet), ("axioms.csv", pd.read_csv)):
        write_table(drawn / name, read(drawn / name).head(0))
    rebuild_page(copied)
    gone = {"discovery", "ageing", "training", "foretold", "axioms"}
    assert set(Page(text_of(copied)).anchors) == EVERY_ANCHOR - gone | {"absent"}
    reasons = re.findall(r"<td[^>]*>([^<]+)</td>", words_of(copied, "absent"))
    assert len(reasons) == len(gone)
    assert all(reason.endswith(".") and reason[0].isupper() for reason in reasons)
    assert "without --discover" in words_of(copied, "absent")


def test_an_unfinished_run_names_the_stage_and_another_study_is_refused(copied):
    shutil.rmtree(copied.stage_path("judges"))
    with pytest.raises(SpinecastError, match=r"SC-703.*judges"):
        rebuild_page(copied)
    text = (copied.path / "study.toml").read_text(encoding="utf-8")
    write_text(copied.path / "study.toml", text.replace("counterfactual-dxa", "chest-age", 1))
    with pytest.raises(SpinecastError, match="SC-701"):
        rebuild_page(RunFolder.existing(copied.path))


def test_a_cohort_without_truth_gets_an_empty_table_and_a_sentence(run):
    saved = saved_of(run)
    table = beside_truth(SavedCounterfactuals(saved.folders, SETTINGS, "hospital", 3), CHAPTERS)
    assert table.empty
    with pytest.raises(AbsentError, match="only simulated people have one"):
        recovery(saved, table)


def test_a_users_own_graph_without_density_or_sex_makes_a_page(tmp_path):
    graph = (
        '[variables.age]\nkind = "positive"\n\n[variables.lumbar_width]\nkind = "positive"\n'
        'unit = "mm"\nparents = ["age"]\n\n[image]\nparents = ["lumbar_width"]\n'
    )
    own = make_fake_run(tmp_path / "own", graph=graph)
    assert set(Page(text_of(own)).anchors) == EVERY_ANCHOR - {"discovery"} | {"absent"}
    assert "Age → Lumbar width" in words_of(own, "graph")
    assert "Lumbar height" not in words_of(own, "foretold")


def test_the_better_backbone_has_no_suffix():
    assert (suffix_of("deep"), suffix_of("two_level")) == ("", "_two_level")
