"""Baseline and follow-up images of one person are paired, like with like."""

from __future__ import annotations

import numpy as np
import pytest

from spinecast.cohort.visits import pair_images


def test_every_follow_up_image_is_paired_with_its_baseline(folder):
    pairs = pair_images(folder.load())
    assert len(pairs) == 24
    assert pairs["years"].to_numpy() == pytest.approx(2.5)
    assert (pairs["baseline_visit"] == 0).all()
    assert pairs["same_region"].all()
    assert pairs.loc[0, ["baseline_image_id", "follow_up_image_id"]].tolist() == ["I000", "I001"]


def test_of_several_baseline_images_the_one_of_the_same_region_is_taken(folder):
    first = folder["images"].loc[0].to_dict()
    folder.append("images", **(first | {"image_id": "A_other", "region": "LS"}))
    pairs = pair_images(folder.load())
    assert pairs.loc[0, "baseline_image_id"] == "I000"
    folder.set("images", 1, region="LS")
    assert pair_images(folder.load()).loc[0, "baseline_image_id"] == "A_other"


def test_a_pair_of_two_regions_is_kept_and_marked(folder):
    folder.set("images", 1, region="WHOLE")
    assert pair_images(folder.load())["same_region"].tolist()[:2] == [False, True]


def test_images_nearer_than_the_least_interval_are_no_follow_ups(folder):
    folder.set("visits", 1, years_since_baseline=10 / 365.25, age=45.03)
    assert len(pair_images(folder.load())) == 23
    assert len(pair_images(folder.load(), min_days=5)) == 24


def test_pairs_of_unknown_time_are_kept_with_unknown_years(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    pairs = pair_images(folder.load())
    assert len(pairs) == 24
    assert np.isnan(pairs["years"]).all()


def test_people_without_a_baseline_image_have_no_pairs(folder):
    folder["images"] = folder["images"].drop(index=0)
    assert "P000" not in set(pair_images(folder.load())["person_id"])
