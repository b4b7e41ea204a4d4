"""Small parts of the page's sections, each against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.stages.test_report import saved_of

from spinecast.stages.report_cohort import table_one
from spinecast.stages.report_models import model_people
from spinecast.stages.report_pictures import _standardised, nearest, neighbours, strips
from spinecast.stages.report_risk import forest_rows, group_table, risk_groups
from spinecast.stages.report_scores import enlarged
from spinecast.stages.report_trust import weight_hashes
from spinecast.stages.saved_run import AbsentError, person_label


def test_the_nearest_film_of_a_brightened_copy_is_its_original():
    rng = np.random.default_rng(1)
    library = rng.uniform(size=(30, 64, 32))
    which, similarity = nearest(_standardised(0.3 + 0.5 * library[[7]]), _standardised(library))
    assert which.tolist() == [7]
    assert similarity[0] == pytest.approx(1.0)


def test_a_constant_film_is_near_to_nothing():
    rng = np.random.default_rng(2)
    flat = _standardised(np.full((1, 16, 8), 0.4))
    _, similarity = nearest(flat, _standardised(rng.uniform(size=(5, 16, 8))))
    assert similarity[0] == pytest.approx(0.0)


def test_a_generated_film_that_repeats_a_training_film_is_flagged(rich_run, tmp_path):
    import shutil

    from spinecast.stages.arrays import write_pixels

    saved = saved_of(rich_run)
    made = tmp_path / "06-follow_up"
    shutil.copytree(saved.folders["follow_up"], made)
    store, index = saved.films
    train = int(index.loc[index["split"] == "train", "row"].iloc[0])
    kept = saved.pixels("follow_up", "draws.npy").astype(np.float32) / 65535
    kept[0, :, :] = store.read([train])[0]
    write_pixels(made / "draws.npy", kept)
    section = neighbours(saved_of(rich_run, folders={**saved.folders, "follow_up": made}))
    assert "suspiciously close" in str(section.markup)
    assert str(section.markup).startswith("1 of ")


def test_strips_show_people_with_a_later_film_first(rich_run):
    section = strips(saved_of(rich_run))
    assert len(section.figures) == 4
    assert all("really taken" in figure.alt for figure in section.figures)


def test_table_one_shows_every_group_and_counts_the_unknown(rich_run):
    text = str(table_one(saved_of(rich_run)).tables[0].markup)
    for words in ("train", "validation", "test", "Age (years)", "women", "g/cm²", "unknown"):
        assert words in text


def test_the_group_table_counts_people_fractures_and_deaths():
    people = pd.DataFrame(
        {
            "group": ["LL", "LL", "HIGH"],
            "event": [0, 2, 1],
            "duration": [4.0, 2.0, 1.0],
            "age": [60.0, 62.0, 80.0],
            "female": [1.0, 0.0, 1.0],
        }
    )
    table = group_table(people).set_index("group")
    assert table.loc["LL", "people"] == "2"
    assert table.loc["LL", "deaths before"] == "1"
    assert table.loc["HIGH", "fractures"] == "1 (100.0 %)"
    assert "LH" not in table.index


def test_one_risk_group_is_told_instead_of_drawn(rich_run):
    saved = saved_of(rich_run)
    people = saved.people.assign(group="LL")
    saved.__dict__["people"] = people
    with pytest.raises(AbsentError, match="fall into one risk group"):
        risk_groups(saved)


def test_the_forest_opens_each_block_once(rich_run):
    rows = forest_rows(saved_of(rich_run))
    headings = [row.heading for row in rows if row.heading]
    assert len(headings) == len(set(headings))
    assert headings[0] == "against LL"


def test_models_are_judged_on_test_people_and_fitted_on_others(rich_run):
    fitting, test = model_people(saved_of(rich_run).people)
    assert set(test["split"]) == {"test"}
    assert not set(fitting["person_id"]) & set(test["person_id"])
    assert set(fitting["split"]) == {"validation"}


def test_coarse_heat_maps_are_repeated_to_the_films_shape():
    heat = enlarged(np.array([[0.0, 1.0], [0.5, 0.25]]), (6, 4))
    assert heat.shape == (6, 4)
    assert heat[0, -1] == 1
    assert heat[-1, 0] == 0.5


def test_hashes_name_every_network(rich_run):
    assert weight_hashes(saved_of(rich_run)) == {
        "pair/structure": "ab" * 32,
        "scorers/vertebral_fracture-0": "cd" * 32,
    }


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"person_id": "P1", "sex": "F", "age": 70.4}, "P1 · F · 70 years"),
        ({"person_id": "P1", "sex": "", "age": float("nan")}, "P1"),
        ({"person_id": "P1"}, "P1"),
    ],
)
def test_labels_say_only_what_is_known(row, label):
    assert person_label(row) == label
