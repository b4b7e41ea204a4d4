"""Leak checks: nobody, and no picture, on both sides of a split."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from spinecast.cohort.cohort import Cohort
from spinecast.cohort.ledger import ledger_frame
from spinecast.errors import error


def check_leakage(splits: pd.DataFrame, images: pd.DataFrame | None = None) -> None:
    """Raise SC-310 where a person, or the same pixels, are in more than one split.

    Parameters
    ----------
    splits
        ``person_id`` and ``split`` in any number of rows (a split file, a score table).
    images
        Image index with ``person_id`` and ``sha256``; an empty hash is not known and passes.

    Notes
    -----
    Equal pixels are seen, similar ones are not: a film exported twice with another window
    has another hash.
    """
    _refuse_shared(splits[["person_id", "split"]], "person_id", what="person")
    if images is None:
        return
    hashed = images.loc[images["sha256"].fillna("") != "", ["person_id", "sha256"]]
    placed = hashed.merge(splits[["person_id", "split"]].drop_duplicates(), on="person_id")
    _refuse_shared(placed, "sha256", what="picture")


def _refuse_shared(table: pd.DataFrame, key: str, *, what: str) -> None:
    places = table.drop_duplicates([key, "split"])
    shared = places[places.duplicated(key, keep=False)]
    if shared.empty:
        return
    first = shared[key].iloc[0]
    homes = sorted(shared.loc[shared[key] == first, "split"].astype(str))
    raise error(
        "SC-310",
        expected=f"each {what} in one split",
        got=f"{shared[key].nunique()} in several, first {first!r} in {' and '.join(homes)}",
        where="splits",
    )


def quarantine_shared_pixels(cohort: Cohort) -> Cohort:
    """Take images with the same pixels out of the index.

    Pixels under two people are quarantined under both (SC-309), because nobody can tell
    whose they are; the same pixels twice under one person are kept once and the repeats
    skipped (SC-205). Needs ``sha256``; images not read yet stay.
    """
    images = cohort.images
    hashed = images[images["sha256"] != ""]
    owners = hashed.groupby("sha256")["person_id"].transform("nunique")
    foreign = hashed[owners > 1]
    own = hashed[owners == 1]
    repeats = own[own.duplicated(["person_id", "sha256"])]
    refused = _rows(foreign, "SC-309", "the same pixels are filed under another person too")
    skipped = _rows(repeats, "SC-205", "the same pixels as an earlier image of this person")
    gone = {*foreign["image_id"], *repeats["image_id"]}
    return replace(
        cohort.select_images(images.loc[~images["image_id"].isin(gone), "image_id"]),
        quarantine=pd.concat([cohort.quarantine, refused], ignore_index=True),
        skipped=pd.concat([cohort.skipped, skipped], ignore_index=True),
    )


def quarantine_images(cohort: Cohort, refused: pd.DataFrame) -> Cohort:
    """Take images that could not be read out of the index.

    Parameters
    ----------
    cohort
        The cohort as loaded.
    refused
        Quarantine table whose ``source`` is the image_id.
    """
    known = refused[refused["source"].isin(set(cohort.images["image_id"]))]
    kept = ~cohort.images["image_id"].isin(set(known["source"]))
    entries = known.assign(source="images:" + known["source"].astype(str))
    return replace(
        cohort.select_images(cohort.images.loc[kept, "image_id"]),
        quarantine=pd.concat(
            [cohort.quarantine, entries[["source", "code", "reason"]]], ignore_index=True
        ),
    )


def _rows(images: pd.DataFrame, code: str, reason: str) -> pd.DataFrame:
    return ledger_frame((f"images:{name}", code, reason) for name in images["image_id"])
