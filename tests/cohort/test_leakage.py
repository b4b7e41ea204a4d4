"""The same pixels under two people, or twice under one, leave the index with their code."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from spinecast.cohort.leakage import quarantine_images, quarantine_shared_pixels
from spinecast.cohort.ledger import count_by_code


def hashed(folder, **same: str):
    cohort = folder.load()
    hashes = [same.get(name, f"hash of {name}") for name in cohort.images["image_id"]]
    return cohort.images.assign(sha256=hashes), cohort


def test_pixels_under_two_people_are_quarantined_under_both(folder):
    images, cohort = hashed(folder, I000="x", I002="x")
    cleaned = quarantine_shared_pixels(replace(cohort, images=images))
    assert count_by_code(cleaned.quarantine) == {"SC-309": 2}
    assert {"I000", "I002"}.isdisjoint(cleaned.images["image_id"])


def test_pixels_twice_under_one_person_are_kept_once(folder):
    images, cohort = hashed(folder, I000="x", I001="x")
    cleaned = quarantine_shared_pixels(replace(cohort, images=images))
    assert cleaned.quarantine.empty
    assert cleaned.skipped["source"].tolist() == ["images:I001"]
    assert "I000" in set(cleaned.images["image_id"])


def test_images_not_read_yet_stay(folder):
    cohort = folder.load()
    assert len(quarantine_shared_pixels(cohort).images) == len(cohort.images)


def test_unreadable_images_move_from_the_index_to_the_ledger(folder):
    cohort = folder.load()
    refused = pd.DataFrame({"source": ["I003", "I777"], "code": "SC-103", "reason": "cut off"})
    left = quarantine_images(cohort, refused)
    assert len(left.images) == len(cohort.images) - 1
    assert left.quarantine["source"].tolist() == ["images:I003"]
