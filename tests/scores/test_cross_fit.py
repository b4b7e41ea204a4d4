"""Out-of-fold scores: nobody is scored by a network that has seen them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pictures import CONFIG, SETTINGS, SHAPE, auroc, columns_of_blocks

from spinecast.errors import CohortError, ModelError, StatisticsError
from spinecast.scores.cross_fit import cross_fit_scores, person_folds, score_out_of_fold
from spinecast.scores.predict import VERTEBRAL_FRACTURE, score_images

SHORT = replace(SETTINGS, max_steps=40, validate_every=20)
GIVEN = {"task": VERTEBRAL_FRACTURE, "config": CONFIG, "settings": SHORT}


@pytest.fixture(scope="module")
def cohort():
    images, label, _ = columns_of_blocks(240, seed=2)
    return images, label, [f"P{i // 2:03d}" for i in range(240)]


@pytest.fixture(scope="module")
def crossed(cohort):
    return cross_fit_scores(*cohort, **GIVEN, folds=2)


def test_all_rows_of_a_person_share_a_fold_and_folds_are_even():
    people = [f"P{i // 3}" for i in range(300)]
    fold = person_folds(people, folds=5, seed=1)
    by_person = fold.reshape(100, 3)
    assert (by_person == by_person[:, :1]).all()
    assert np.bincount(by_person[:, 0]).tolist() == [20] * 5
    assert not np.array_equal(fold, person_folds(people, folds=5, seed=2))


def test_folds_are_stratified_by_the_worst_row_of_a_person():
    people = [f"P{i // 2:03d}" for i in range(200)]
    label = np.zeros(200)
    label[:20:2] = 1
    label[1::2] = np.nan
    fold = person_folds(people, folds=5, stratify=label)
    assert np.bincount(fold[:20:2], minlength=5).tolist() == [2] * 5


def test_out_of_fold_scores_rank_new_people(cohort, crossed):
    _, label, _ = cohort
    assert auroc(label, crossed.values) > 0.85
    assert len(crossed.scorers) == 2


def test_each_value_is_of_the_network_of_its_fold(cohort, crossed):
    images, _, _ = cohort
    for number, scorer in enumerate(crossed.scorers):
        rows = np.flatnonzero(crossed.fold == number)
        expected = score_images(scorer, images, rows=rows)
        assert crossed.values[rows] == pytest.approx(expected)


def test_what_a_fold_holds_does_not_reach_its_network(cohort, crossed):
    """Change fold 0 completely: network 0 must not notice."""
    images, label, people = cohort
    changed, flipped = images.copy(), label.copy()
    changed[crossed.fold == 0] = 0.5
    flipped[crossed.fold == 0] = 1 - flipped[crossed.fold == 0]
    again = cross_fit_scores(changed, flipped, people, **GIVEN, folds=crossed.fold)
    probe, _, _ = columns_of_blocks(30, seed=50)
    same = [
        np.array_equal(score_images(a, probe), score_images(b, probe))
        for a, b in zip(crossed.scorers, again.scorers, strict=True)
    ]
    assert same == [True, False]


def test_pure_noise_scores_at_chance_out_of_fold():
    rng = np.random.default_rng(0)
    images = rng.random((120, *SHAPE)).astype(np.float32)
    label = rng.integers(0, 2, 120).astype(float)
    crossed = cross_fit_scores(images, label, [str(i) for i in range(120)], **GIVEN, folds=2)
    assert 0.3 < auroc(label, crossed.values) < 0.7


def test_rows_outside_all_folds_are_scored_by_the_ensemble(cohort):
    images, label, people = cohort
    fold = person_folds(people, folds=2)
    fold[200:] = -1
    label = label.copy()
    label[200:] = np.nan
    crossed = cross_fit_scores(images, label, people, **GIVEN, folds=fold)
    expected = score_images(crossed.scorers, images[200:])
    assert crossed.values[200:] == pytest.approx(expected)
    assert np.isfinite(crossed.values).all()


def test_generated_images_are_scored_by_their_owners_fold(crossed):
    images, _, _ = columns_of_blocks(6, seed=8)
    fold = np.array([0, 1, -1, 0, 1, 1])
    values = score_out_of_fold(crossed.scorers, images, fold)
    assert values[fold == 1] == pytest.approx(score_images(crossed.scorers[1], images[fold == 1]))
    assert values[2] == pytest.approx(score_images(crossed.scorers, images[2:3])[0])


def test_progress_runs_over_all_folds_and_trainings_are_kept(cohort, tmp_path):
    said = []
    settings = replace(SHORT, max_steps=2)
    cross_fit_scores(
        *cohort,
        **{**GIVEN, "settings": settings},
        folds=2,
        folder=tmp_path,
        progress=lambda done, text: said.append((done, text)),
    )
    assert said[-1][0] == 1
    assert "fold 2" in said[-1][1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fold-0", "fold-1"]


def test_a_person_in_two_folds_is_leakage(cohort):
    images, label, people = cohort
    with pytest.raises(CohortError, match="SC-310"):
        cross_fit_scores(images, label, people, **GIVEN, folds=np.arange(240) % 2)


def test_impossible_folds_are_refused(crossed):
    with pytest.raises(ModelError, match="SC-407"):
        person_folds(["a", "b"], folds=1)
    with pytest.raises(ModelError, match="SC-407"):
        person_folds(["a", "b"], folds=3)
    with pytest.raises(StatisticsError, match="SC-606"):
        score_out_of_fold(crossed.scorers, np.zeros((2, *SHAPE)), np.array([0, 2]))
