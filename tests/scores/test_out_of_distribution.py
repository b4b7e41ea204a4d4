"""Strangers are told from familiar films, and the verdict survives the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import columns_of_blocks

from spinecast.errors import ModelError
from spinecast.scores.out_of_distribution import (
    LIKE,
    UNLIKE,
    Familiarity,
    fit_familiarity,
    judge,
    judge_image,
    load_familiarity,
    pixel_statistics,
    save_familiarity,
)


@pytest.fixture(scope="module")
def familiarity(fracture_scorer) -> Familiarity:
    """Fitted on 200 films; the mark of 95 % is read off 400 others, so that it is sharp."""
    images, _, _ = columns_of_blocks(600, seed=11)
    return fit_familiarity(fracture_scorer, images, np.arange(200), held_out=np.arange(200, 600))


def test_new_films_of_the_same_kind_are_familiar(familiarity, fracture_scorer) -> None:
    images, _, _ = columns_of_blocks(200, seed=12)
    table = judge(familiarity, fracture_scorer, images)
    assert (table["verdict"] == UNLIKE).mean() < 0.02
    assert (table["verdict"] == LIKE).mean() > 0.85


@pytest.mark.parametrize("kind", ["noise", "turned", "negative", "blank"])
def test_other_pictures_are_unlike(familiarity, fracture_scorer, kind: str) -> None:
    images, _, _ = columns_of_blocks(20, seed=13)
    strange = {
        "noise": np.random.default_rng(0).random(images.shape).astype(np.float32),
        "turned": np.ascontiguousarray(images[:, ::-1, ::-1].transpose(0, 1, 2) * 0.3),
        "negative": 1 - images,
        "blank": np.full_like(images, 0.4),
    }[kind]
    table = judge(familiarity, fracture_scorer, strange.astype(np.float32))
    assert (table["verdict"] == UNLIKE).all()
    verdict = judge_image(familiarity, fracture_scorer, strange[0].astype(np.float32))
    assert "SC-401" in verdict.words()


def test_it_survives_the_disk(familiarity, fracture_scorer, tmp_path: Path) -> None:
    images, _, _ = columns_of_blocks(5, seed=14)
    save_familiarity(tmp_path, familiarity)
    again = judge(load_familiarity(tmp_path), fracture_scorer, images)
    assert again.equals(judge(familiarity, fracture_scorer, images))
    with pytest.raises(ModelError, match="SC-406"):
        load_familiarity(tmp_path / "nowhere")


def test_too_few_films_are_refused(fracture_scorer) -> None:
    images, _, _ = columns_of_blocks(8, seed=15)
    with pytest.raises(ModelError, match="SC-407"):
        fit_familiarity(fracture_scorer, images, np.arange(8), held_out=np.arange(0))


def test_statistics_of_a_flat_image_are_its_grey() -> None:
    numbers = pixel_statistics(np.full((1, 64, 32), 0.25, np.float32))
    assert numbers.shape == (1, 14)
    assert np.allclose(numbers[0, :6], 0.25)
    assert numbers[0, 6] == 0


REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "ap_spine_radiographs"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real films are not here")
def test_real_frontal_films_are_unlike_simulated_lateral_ones() -> None:
    from pictures import CONFIG, SETTINGS, SHAPE

    from spinecast.cohort import open_cohort
    from spinecast.images.radiograph import Preparation, prepare_radiograph
    from spinecast.images.reader import read_image
    from spinecast.scores.fitting import fit_scorer
    from spinecast.scores.predict import AGE

    preparation = Preparation(shape=SHAPE)
    source = open_cohort("simulated:tiny", seed=5)
    index = source.load().images.drop_duplicates("person_id")
    films = np.stack([prepare_radiograph(source.open_image(i), preparation)
                      for i in index["image_id"]])  # fmt: skip
    ages = np.linspace(50, 90, len(films))
    scorer = fit_scorer(films, ages, task=AGE, config=CONFIG, settings=SETTINGS)
    half = len(films) // 2
    known = fit_familiarity(scorer, films, np.arange(half), held_out=np.arange(half, len(films)))
    paths = sorted(p for p in (REAL / "images").rglob("*") if p.is_file())[:12]
    real = np.stack([prepare_radiograph(read_image(path), preparation) for path in paths])
    assert (judge(known, scorer, real)["verdict"] == UNLIKE).all()
