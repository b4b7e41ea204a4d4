"""Scorers learn what is in the pictures, from the rows they are given and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import (
    CONFIG,
    SETTINGS,
    SHAPE,
    CountingStore,
    auroc,
    brightness,
    columns_of_blocks,
)
from torch import nn

from spinecast.errors import ContentError, ModelError, StatisticsError
from spinecast.scores.fitting import ScorerRows, ScorerSettings, fit_scorer
from spinecast.scores.predict import (
    AGE,
    OSTEOPOROSIS,
    VERTEBRAL_FRACTURE,
    image_features,
    load_scorer,
    save_scorer,
    score_images,
)

SHORT = replace(SETTINGS, max_steps=3, validate_every=3)


def fit_short(images, target, **changes):
    given = {"task": VERTEBRAL_FRACTURE, "config": CONFIG, "settings": SHORT, **changes}
    return fit_scorer(images, target, **given)


def test_a_flat_block_is_found_in_new_images(fracture_scorer):
    images, label, _ = columns_of_blocks(200, seed=9)
    scores = score_images(fracture_scorer, images)
    assert scores.shape == (200,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert auroc(label, scores) > 0.95


def test_scores_are_calibrated_probabilities(fracture_scorer):
    images, label, _ = columns_of_blocks(400, seed=10)
    assert score_images(fracture_scorer, images).mean() == pytest.approx(label.mean(), abs=0.1)


def test_the_same_function_fits_ages_in_years():
    images, years = brightness(200)
    scorer = fit_scorer(
        images,
        years,
        task=AGE,
        config=CONFIG,
        settings=SETTINGS,
        rows=ScorerRows(np.arange(160), np.arange(160, 200)),
    )
    new, truth = brightness(100, seed=5)
    said = score_images(scorer, new)
    assert 1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum() > 0.7


def test_only_the_given_rows_of_known_target_are_read():
    images, label, _ = columns_of_blocks(60)
    label[::5] = np.nan
    store = CountingStore(images)
    fit_short(store, label, rows=ScorerRows(np.arange(0, 40), np.arange(40, 50)))
    assert max(store.seen) < 50
    assert not [row for row in store.seen if row % 5 == 0]


def test_extra_copies_take_their_share_and_only_in_training():
    images, label, _ = columns_of_blocks(64)
    store, copies = CountingStore(images), CountingStore(images)
    rows = ScorerRows(np.arange(48), np.arange(48, 64))
    settings = ScorerSettings(replace(SETTINGS, max_steps=12), copy_share=0.5)
    fit_short(store, label, settings=settings, rows=rows, extra_images=[copies])
    assert copies.seen
    assert copies.seen <= set(range(48))
    none = CountingStore(images)
    settings = ScorerSettings(SHORT, copy_share=0.0)
    fit_short(store, label, settings=settings, rows=rows, extra_images=[none])
    assert not none.seen


def test_equal_seeds_give_equal_scores():
    images, label, _ = columns_of_blocks(64)
    first, again = (score_images(fit_short(images, label), images) for _ in range(2))
    other = score_images(fit_short(images, label, settings=replace(SHORT, seed=4)), images)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_scores_do_not_depend_on_the_batch_or_on_company(fracture_scorer):
    images, _, _ = columns_of_blocks(20, seed=3)
    whole = score_images(fracture_scorer, images)
    alone = score_images(fracture_scorer, images, batch_size=1)
    part = score_images(fracture_scorer, images, rows=np.array([7, 3]))
    assert whole == pytest.approx(alone, abs=1e-5)
    assert part == pytest.approx(whole[[7, 3]], abs=1e-5)


def test_an_ensemble_averages_its_members(fracture_scorer):
    images, label, _ = columns_of_blocks(40, seed=3)
    second = fit_short(images, label)
    both = score_images([fracture_scorer, second], images)
    mean = (score_images(fracture_scorer, images) + score_images(second, images)) / 2
    assert both == pytest.approx(mean)


def test_scorers_of_different_tasks_do_not_mix(fracture_scorer):
    with pytest.raises(ModelError, match="SC-407"):
        score_images([fracture_scorer, replace(fracture_scorer, task=AGE)], np.zeros((1, *SHAPE)))
    with pytest.raises(ModelError, match="SC-407"):
        score_images([], np.zeros((1, *SHAPE)))


def test_a_scorer_survives_the_disk(fracture_scorer, tmp_path):
    images, _, _ = columns_of_blocks(10, seed=3)
    save_scorer(tmp_path, fracture_scorer)
    loaded = load_scorer(tmp_path, "vertebral_fracture_scorer")
    assert loaded.task == fracture_scorer.task
    assert loaded.calibration == fracture_scorer.calibration
    assert np.array_equal(score_images(loaded, images), score_images(fracture_scorer, images))


def test_sixteen_bits_on_disk_change_scores_little(fracture_scorer, tmp_path):
    images, _, _ = columns_of_blocks(40, seed=3)
    save_scorer(tmp_path, fracture_scorer, name="half", half=True)
    loaded = load_scorer(tmp_path, "half")
    expected = score_images(fracture_scorer, images)
    assert score_images(loaded, images) == pytest.approx(expected, abs=0.01)


def test_a_start_from_a_fitted_scorer_is_a_head_start(fracture_scorer):
    images, label, _ = columns_of_blocks(64, seed=20)
    gentle = replace(SHORT, learning_rate=1e-5)
    tuned = fit_short(images, label, settings=gentle, start_from=fracture_scorer)
    fresh = fit_short(images, label, settings=gentle)
    new, truth, _ = columns_of_blocks(200, seed=21)
    assert auroc(truth, score_images(tuned, new)) > 0.9
    assert auroc(truth, score_images(tuned, new)) > auroc(truth, score_images(fresh, new))


def test_a_network_of_ones_own_can_be_fitted_and_kept(tmp_path):
    def mine():
        return nn.Sequential(nn.Flatten(), nn.Linear(SHAPE[0] * SHAPE[1], 1))

    images, label, _ = columns_of_blocks(40)
    scorer = fit_short(images, label, model=mine(), task=OSTEOPOROSIS)
    save_scorer(tmp_path, scorer)
    loaded = load_scorer(tmp_path, "osteoporosis_scorer", model=mine())
    assert score_images(loaded, images) == pytest.approx(score_images(scorer, images))
    with pytest.raises(ModelError, match="SC-403"):
        load_scorer(tmp_path, "osteoporosis_scorer")


def test_features_are_rows_of_numbers(fracture_scorer):
    images, _, _ = columns_of_blocks(5)
    features = image_features(fracture_scorer, images)
    assert features.shape == (5, 2 * (12 + 16))
    assert np.isfinite(features).all()


def test_an_interrupted_training_goes_on_in_its_folder(tmp_path):
    images, label, _ = columns_of_blocks(64)
    whole = fit_short(images, label, folder=tmp_path)
    store = CountingStore(images)
    again = fit_short(store, label, folder=tmp_path)
    assert not store.seen
    expected = score_images(whole, images)
    assert np.array_equal(score_images(again, images), expected)


def test_training_leaves_the_global_random_state_alone():
    images, label, _ = columns_of_blocks(32)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    fit_short(images, label)
    assert torch.equal(torch.rand(1), expected)


def test_unusable_input_is_refused(fracture_scorer):
    images, label, _ = columns_of_blocks(20)
    with pytest.raises(StatisticsError, match="SC-606"):
        fit_short(images, label[1:])
    with pytest.raises(StatisticsError, match="SC-606"):
        fit_short(images, label, extra_images=[images[1:]])
    with pytest.raises(StatisticsError, match="SC-603"):
        fit_short(images, label * 0)
    with pytest.raises(StatisticsError, match="SC-603"):
        fit_short(images, label * np.nan)
    with pytest.raises(ModelError, match="SC-404"):
        score_images(fracture_scorer, images[:, :, :16])
    with pytest.raises(ContentError, match="SC-209"):
        score_images(fracture_scorer, images * np.nan)
