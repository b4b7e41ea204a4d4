"""Scores of images become scores of people as the paper says, and deterministically."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spinecast.errors import StatisticsError
from spinecast.scores.aggregate import (
    COLUMNS,
    baseline_scores,
    follow_up_pairs,
    generated_scores,
    person_scores,
    score_rows,
    uncertain,
)
from spinecast.tables import validate


def row(person, image, value, *, visit=0, horizon=0.0, draw=-1, score="vertebral_fracture"):
    return (person, visit, image, horizon, draw, score, value, "test")


@pytest.fixture
def scores():
    """A: two baseline films, three draws at 5 and 10 years; B: one film, two draws."""
    rows = [
        row("B", "b0", 0.9),
        row("A", "a0", 0.2),
        row("A", "a1", 0.4),
        row("A", "a0", 0.99, score="osteoporosis"),
        row("A", "a2", 0.7, visit=1),
    ]
    draws = {"a0": [0.5, 0.7, 0.9], "a1": [0.4, 0.5, 0.6], "b0": [0.2, 0.4]}
    for image, values in draws.items():
        for draw, value in enumerate(values):
            person = image[0].upper()
            rows.append(row(person, image, value, horizon=5.0, draw=draw))
            rows.append(row(person, image, value / 2, horizon=10.0, draw=draw))
    return pd.DataFrame(rows, columns=list(COLUMNS)).sample(frac=1, random_state=0)


def cohort(people=30, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for film in range(rng.integers(1, 4)):
            image = f"i{person}-{film}"
            rows.append(row(f"P{person}", image, rng.random()))
            rows += [
                row(f"P{person}", image, rng.random(), horizon=h, draw=d)
                for h in (1.0, 5.0)
                for d in range(4)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_bpvf_is_the_largest_baseline_score_and_names_its_image(scores):
    table = baseline_scores(scores)
    assert table["person_id"].tolist() == ["A", "B"]
    assert table["value"].tolist() == [0.4, 0.9]
    assert table["image_id"].tolist() == ["a1", "b0"]
    assert table["n_images"].tolist() == [2, 1]


def test_bpvf_per_image_keeps_every_baseline_image(scores):
    table = baseline_scores(scores, per="image")
    assert table["image_id"].tolist() == ["a0", "a1", "b0"]
    assert table["value"].tolist() == [0.2, 0.4, 0.9]


def test_gpvf_is_the_mean_of_draws_and_then_the_maximum_of_images(scores):
    table = generated_scores(scores, horizon=5)
    assert table["value"].tolist() == pytest.approx([0.7, 0.3])
    assert table["image_id"].tolist() == ["a0", "b0"]
    assert table["sd"].tolist() == pytest.approx([0.2, np.sqrt(0.02)])
    assert table["n_draws"].tolist() == [3, 2]
    half = generated_scores(scores, horizon=10)
    assert half["value"].tolist() == pytest.approx([0.35, 0.15])


def test_gpvf_equals_a_plain_double_loop():
    table = cohort()
    ours = generated_scores(table, horizon=5).set_index("person_id")["value"]
    made = table[(table["draw"] >= 0) & (table["horizon"] == 5)]
    for person, part in made.groupby("person_id"):
        best = max(group["value"].mean() for _, group in part.groupby("image_id"))
        assert ours[person] == pytest.approx(best)


def test_the_order_of_rows_does_not_matter():
    table = cohort()
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        generated_scores(table, horizon=1), generated_scores(shuffled, horizon=1)
    )
    pd.testing.assert_frame_equal(baseline_scores(table), baseline_scores(shuffled))
    pd.testing.assert_frame_equal(
        person_scores(table, horizons=(1, 5)), person_scores(shuffled, horizons=(1, 5))
    )


def test_equal_scores_name_the_first_image():
    rows = [row("A", image, 0.5) for image in ("z", "c", "k")]
    table = baseline_scores(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert table["image_id"].tolist() == ["c"]


def test_the_maximum_grows_with_the_number_of_films_and_the_image_variant_does_not():
    rng = np.random.default_rng(0)
    rows = [
        row(f"{n}-{person}", f"{n}-{person}-{film}", rng.random())
        for n in (1, 4)
        for person in range(500)
        for film in range(n)
    ]
    table = person_scores(pd.DataFrame(rows, columns=list(COLUMNS)), horizons=())
    means = table.groupby("n_images")[["bpvf", "bpvf_image"]].mean()
    assert means.loc[4, "bpvf"] - means.loc[1, "bpvf"] > 0.25
    assert abs(means.loc[4, "bpvf_image"] - means.loc[1, "bpvf_image"]) < 0.05


def test_a_wild_spread_is_uncertain():
    assert uncertain(pd.Series([0.1] * 20 + [0.9])).tolist() == [False] * 20 + [True]
    assert not uncertain(pd.Series([0.1] * 5)).any()
    assert not uncertain(pd.Series([0.4])).any()
    assert not uncertain(pd.Series([np.nan, np.nan, np.nan])).any()


def test_person_scores_stand_side_by_side(scores):
    table = person_scores(scores, horizons=(5, 10)).set_index("person_id")
    assert table.loc["A", ["bpvf", "bpvf_image"]].tolist() == pytest.approx([0.4, 0.3])
    assert table.loc["A", ["gpvf_5", "gpvf_5_image"]].tolist() == pytest.approx([0.7, 0.6])
    assert table.loc["B", "gpvf_10"] == pytest.approx(0.15)
    assert {"gpvf_5_sd", "gpvf_5_uncertain", "split", "n_images"} <= set(table.columns)


def test_people_without_futures_keep_their_baseline(scores):
    table = person_scores(scores[scores["person_id"].eq("A") | (scores["draw"] < 0)])
    assert table["person_id"].tolist() == ["A", "B"]
    assert table.set_index("person_id")["gpvf_5"].isna().tolist() == [False, True]


def test_follow_ups_are_paired_by_time_beside_persistence(scores):
    visits = pd.DataFrame(
        {
            "person_id": ["A", "A", "B"],
            "visit": [0, 1, 0],
            "years_since_baseline": [0.0, 5.0004, 0.0],
        }
    )
    table = follow_up_pairs(scores, visits)
    assert table["person_id"].tolist() == ["A"]
    assert table.loc[0, ["generated", "acquired", "baseline"]].tolist() == pytest.approx(
        [0.6, 0.7, 0.3]
    )
    later = visits.assign(years_since_baseline=[0.0, 7.0, 0.0])
    assert follow_up_pairs(scores, later).empty


def test_rows_fit_the_schema_of_the_scores_table():
    images = pd.DataFrame(
        {
            "image_id": ["a", "b"],
            "person_id": ["A", "B"],
            "visit": [0, 0],
            "split": ["test", "fold"],
        }
    )
    rows = score_rows(images, np.array([0.1, 0.2]), score="age", horizon=5.0, draw=3)
    checked = validate(rows, "scores")
    assert checked["value"].tolist() == [0.1, 0.2]
    assert checked["draw"].tolist() == [3, 3]
    with pytest.raises(StatisticsError, match="SC-606"):
        score_rows(images, np.ones(3), score="age")


def test_an_unknown_unit_is_refused(scores):
    with pytest.raises(StatisticsError, match="SC-610"):
        baseline_scores(scores, per="film")


def test_a_large_cohort_takes_well_under_a_few_seconds():
    import time

    people, draws = 5000, 10
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "person_id": np.repeat([f"P{i}" for i in range(people)], 2 * draws),
            "visit": 0,
            "image_id": np.repeat([f"I{i}" for i in range(2 * people)], draws),
            "horizon": 10.0,
            "draw": np.tile(np.arange(draws), 2 * people),
            "score": "vertebral_fracture",
            "value": rng.random(2 * people * draws),
            "split": "test",
        }
    )
    started = time.perf_counter()
    assert len(generated_scores(table, horizon=10)) == people
    assert time.perf_counter() - started < 3
