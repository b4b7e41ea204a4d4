"""A finished run becomes weights; weights and one film become a patient's page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from spinecast.errors import FileError, ModelError, RunError
from spinecast.run import RunFolder, StageContext
from spinecast.stages.cohort import read_images
from spinecast.stages.networks import make_generator
from spinecast.stages.predict import HORIZONS, predict_patient
from spinecast.stages.seen import write_seen
from spinecast.stages.weights import export_weights, weights_folder
from spinecast.studies.followup_xray import TINY


@pytest.fixture(scope="module")
def weights(tiny_run: RunFolder, tmp_path_factory) -> Path:
    return export_weights(tiny_run, tmp_path_factory.mktemp("weights") / "w")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    rng = np.random.default_rng(3)
    target = tmp_path_factory.mktemp("film") / "film.png"
    pixels = np.cumsum(rng.normal(size=(300, 150)), axis=0)
    scaled = (255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8)
    Picture.fromarray(scaled).save(target)
    return target


def test_weights_hold_networks_settings_and_a_card(weights: Path) -> None:
    assert weights_folder(str(weights)) == weights
    about = json.loads((weights / "about.json").read_text())
    assert about["simulated"] is True
    assert about["preparation"]["shape"] == [64, 32]
    card = (weights / "CARD.md").read_text()
    assert "SIMULATED" in card
    assert "reconstruction / psnr" in card
    assert not [f for f in weights.rglob("*") if f.suffix in {".pt", ".pkl", ".pth"}]


def test_a_patient_gets_futures_intervals_verdict_and_a_page(
    weights: Path, film: Path, tmp_path: Path
) -> None:
    known = {"age": 71.0, "sex": "F", "bmi": 24.0}
    prediction = predict_patient(film, tmp_path / "p", known=known, weights=weights, draws=3)
    assert set(prediction.generated) == set(HORIZONS)
    for score in (prediction.baseline, *prediction.generated.values()):
        assert 0 <= score.low <= score.high <= 1
    lines = prediction.sentences()
    assert "SIMULATED" in lines[0]
    assert any(line.startswith("Out of distribution") for line in lines)
    page = (tmp_path / "p/index.html").read_text()
    assert "SIMULATED" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    stored = json.loads((tmp_path / "p/prediction.json").read_text())
    assert stored["known"]["age"] == 71.0
    assert np.load(tmp_path / "p/futures.npy").shape == (3, 3, 64, 32)


def test_unknown_age_and_sex_are_not_filled_in(weights: Path, film: Path, tmp_path: Path) -> None:
    known = {"age": None, "sex": None, "bmi": None}
    prediction = predict_patient(film, tmp_path / "p", known=known, weights=weights, draws=2)
    used = () if prediction.survival is None else prediction.survival.covariates
    assert "age" not in used
    assert json.loads((tmp_path / "p/prediction.json").read_text())["known"] == known


def test_equal_seeds_draw_equal_futures(weights: Path, film: Path, tmp_path: Path) -> None:
    known = {"age": 60.0, "sex": "M", "bmi": None}
    for name in ("a", "b"):
        predict_patient(film, tmp_path / name, known=known, weights=weights, draws=2, seed=5)
    first, second = (np.load(tmp_path / name / "futures.npy") for name in ("a", "b"))
    assert np.array_equal(first, second)


def test_missing_weights_and_broken_films_have_their_codes(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="SC-406"):
        weights_folder(str(tmp_path))
    (tmp_path / "film.dcm").write_bytes(b"")
    with pytest.raises(FileError, match="SC-101"):
        predict_patient(tmp_path / "film.dcm", tmp_path / "p", known={}, weights=weights)


def test_a_run_that_trained_nothing_cannot_be_exported(tiny_run: RunFolder, tmp_path: Path) -> None:
    options = {**tiny_run.record["options"], "networks": "weights"}
    untrained = RunFolder(tiny_run.path, {**tiny_run.record, "options": options})
    with pytest.raises(RunError, match="SC-706"):
        export_weights(untrained, tmp_path / "w")


def generator_from(weights: Path, run: RunFolder, folder: Path, networks: str) -> StageContext:
    """Return the context of a run of ``run``'s films that takes its networks from ``weights``."""
    folder.mkdir()
    return StageContext(
        folder=folder,
        needs={"images": run.stage_path("images")},
        settings=TINY,
        source="simulated:tiny",
        seed=1,
        options={"networks": networks, "weights": str(weights)},
    )


def test_weights_do_not_judge_the_films_they_were_fitted_to(
    weights: Path, tiny_run: RunFolder, tmp_path: Path
) -> None:
    _, index = read_images(tiny_run.stage_path("images"))
    fitted = int(index["split"].isin(["train", "validation"]).sum())
    with pytest.raises(ModelError, match=f"SC-408.*{fitted} of {len(index)}"):
        make_generator(generator_from(weights, tiny_run, tmp_path / "a", "weights"))
    # fine-tuning fits to training films again; validation films would still be judged
    judged, held = index[index["split"] != "train"], int((index["split"] == "validation").sum())
    with pytest.raises(ModelError, match=f"SC-408.*{held} of {len(judged)}"):
        make_generator(generator_from(weights, tiny_run, tmp_path / "b", "fine-tune"))


def test_weights_judge_strangers_and_pass_without_a_list(
    weights: Path, tiny_run: RunFolder, tmp_path: Path
) -> None:
    copied = tmp_path / "w"
    shutil.copytree(weights, copied)
    write_seen(copied, pd.DataFrame({"split": ["train"], "sha256": ["f" * 64]}))
    make_generator(generator_from(copied, tiny_run, tmp_path / "a", "weights"))
    assert (tmp_path / "a/pair/prompt.json").exists()
    (copied / "seen.npy").unlink()
    make_generator(generator_from(copied, tiny_run, tmp_path / "b", "weights"))
    assert (tmp_path / "b/pair/prompt.json").exists()
