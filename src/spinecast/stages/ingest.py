"""Read every image of a folder once and say what is usable, skipped or quarantined."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.cluster import map_blocks
from spinecast.cohort import Cohort, CohortSource, open_cohort
from spinecast.cohort.ledger import check_identity, count_of
from spinecast.error_codes import CODES
from spinecast.errors import SpinecastError
from spinecast.files import write_json, write_table
from spinecast.images.identity import pixel_hash
from spinecast.images.image import Image
from spinecast.images.screening import check_acquisition
from spinecast.images.store_building import quarantine_doubles

_BLOCK = 16
_PROBED = 3
_SKIPPED_BY_RULE = frozenset({"SC-207"})
_MANY_SLICES = 3


@dataclass(frozen=True)
class IngestSummary:
    """What a folder holds.

    Attributes
    ----------
    people, given, usable, skipped, quarantined
        Counts; ``usable + skipped + quarantined`` is ``given``.
    rows
        ``count``, ``what``, ``code``, ``reason`` of each kind found.
    plan
        What it would take: seconds, free disk; empty after a real ingest.
    """

    people: int
    given: int
    usable: int
    skipped: int
    quarantined: int
    rows: list[dict[str, Any]]
    plan: str = ""

    def sentence(self) -> str:
        """Return the counts in one sentence."""
        if self.plan:
            return self.plan
        return (
            f"{self.given} image records of {self.people} people: {self.usable} usable, "
            f"{self.skipped} skipped by rule, {self.quarantined} quarantined "
            f"({self.usable} + {self.skipped} + {self.quarantined} = {self.given})."
        )


def ingest_folder(
    folder: Path,
    out: Path,
    *,
    column_map: Path | None = None,
    plan: bool = False,
    cluster: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IngestSummary:
    """Read a cohort folder or any folder of images.

    Parameters
    ----------
    folder
        With tables (docs/reference/cohort-folder.md) or without.
    out
        Where ``images.csv``, ``quarantine.csv``, ``skipped.csv`` and ``summary.json`` go.
    column_map
        TOML file naming columns, codes and units.
    plan
        Read three images only, to say what the whole would take; nothing is written.

    Returns
    -------
    IngestSummary
        Names of patients are never stored: people are told by tables, folders or file names.
    """
    source = open_cohort(str(folder), column_map=column_map)
    cohort = source.load()
    names = [str(name) for name in cohort.images["image_id"]]
    if plan:
        return _planned(source, cohort, names)
    blocks = [names[start : start + _BLOCK] for start in range(0, len(names), _BLOCK)]
    parts = map_blocks(
        _ReadBlock(source), blocks, cluster=cluster, label="ingest", progress=progress
    )
    found = pd.DataFrame([row for part in parts for row in part], columns=list(_COLUMNS))
    index = cohort.images.drop(columns=["sha256"]).merge(found, on="image_id")
    index = _without_doubles(index)
    summary = _summary(cohort, index)
    refused = index[index["code"] != ""]
    ledger = pd.DataFrame({"source": "images:" + refused["image_id"], "code": refused["code"],
                           "reason": refused["reason"]})  # fmt: skip
    by_rule = ledger["code"].isin(_SKIPPED_BY_RULE)
    write_table(out / "images.csv", index)
    write_table(out / "quarantine.csv", pd.concat([cohort.quarantine, ledger[~by_rule]]))
    write_table(out / "skipped.csv", pd.concat([cohort.skipped, ledger[by_rule]]))
    write_json(out / "summary.json", {**vars(summary), "notes": list(cohort.notes)})
    return summary


_COLUMNS = ("image_id", "what", "size", "spacing_read", "sha256", "code", "reason")


@dataclass(frozen=True)
class _ReadBlock:
    """Opens the images of a block and describes each, or says why it cannot be used."""

    source: CohortSource

    def __call__(self, names: list[str]) -> list[tuple[str, ...]]:
        return [self._one(name) for name in names]

    def _one(self, name: str) -> tuple[str, ...]:
        try:
            image = self.source.open_image(name)
            check_acquisition(image)
        except SpinecastError as refused:
            reason = f"{CODES[refused.code].title}: expected {refused.expected}, got {refused.got}"
            return (name, "", "", "", "", refused.code, reason)
        size = " x ".join(str(side) for side in image.shape)
        spacing = "" if image.spacing is None else " x ".join(f"{s:.3g}" for s in image.spacing)
        return (name, describe_kind(image), size, spacing, pixel_hash(image.pixels), "", "")


def describe_kind(image: Image) -> str:
    """Return what kind of picture an image is, in the words of the field."""
    if image.pixels.ndim == _MANY_SLICES:
        return f"{image.modality or 'unknown modality'} volume"
    if image.modality in {"CT", "MR"}:
        return f"{image.modality} slice, {image.view or 'orientation unknown'}"
    return f"{image.modality or 'radiograph'}, {image.view or 'view unknown'}"


def _without_doubles(index: pd.DataFrame) -> pd.DataFrame:
    refused = dict.fromkeys(index.loc[index["code"] != "", "image_id"], ("", ""))
    doubles = quarantine_doubles(index, refused)
    for name, (code, reason) in doubles.items():
        at = index.index[index["image_id"] == name]
        index.loc[at, ["code", "reason"]] = code, reason
    return index


def _summary(cohort: Cohort, index: pd.DataFrame) -> IngestSummary:
    before = {name: count_of(getattr(cohort, name), "images") for name in ("quarantine", "skipped")}
    by_rule = int(index["code"].isin(_SKIPPED_BY_RULE).sum())
    refused = int((index["code"] != "").sum()) - by_rule
    usable = int((index["code"] == "").sum())
    given = len(cohort.images) + before["quarantine"] + before["skipped"]
    skipped, quarantined = before["skipped"] + by_rule, before["quarantine"] + refused
    check_identity(
        given=given, used=usable, skipped=skipped, quarantined=quarantined, where="ingest"
    )
    return IngestSummary(
        people=len(cohort.people),
        given=given,
        usable=usable,
        skipped=skipped,
        quarantined=quarantined,
        rows=_rows(cohort, index),
    )


def _rows(cohort: Cohort, index: pd.DataFrame) -> list[dict[str, Any]]:
    """Count what was found, kinds first, then each code with its first reason."""
    usable = index[index["code"] == ""]
    rows = [
        {"count": len(part), "what": what, "code": "", "reason": _sizes(part["size"])}
        for what, part in usable.groupby("what", sort=True)
    ]
    late = index.loc[index["code"] != "", ["code", "reason"]]
    by_rule = late["code"].isin(_SKIPPED_BY_RULE)
    skipped = pd.concat([cohort.skipped, late[by_rule]]).assign(what="skipped")
    faults = pd.concat([cohort.quarantine, late[~by_rule]]).assign(what="quarantined")
    for (code, what), part in pd.concat([faults, skipped]).groupby(["code", "what"], sort=True):
        rows.append(
            {
                "count": len(part),
                "what": str(what),
                "code": str(code),
                "reason": str(part["reason"].iloc[0]),
            }
        )
    return rows


def _sizes(sizes: pd.Series) -> str:
    """Return the one size of a kind, or its smallest and largest."""
    ordered = sorted(set(sizes), key=lambda size: prod(int(side) for side in size.split(" x ")))
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def _planned(source: CohortSource, cohort: Cohort, names: list[str]) -> IngestSummary:
    """Read a few images and say what the whole would take."""
    started = time.perf_counter()
    probe = _ReadBlock(source)(names[:_PROBED])
    each = (time.perf_counter() - started) / max(1, len(probe))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    kinds = "; ".join(f"{row[1] or row[5]} {row[2]}".strip() for row in probe)
    plan = (
        f"Plan: {len(names)} images of {len(cohort.people)} people, about "
        f"{max(1, round(each * len(names)))} s to read; {free:.0f} GB of disk free here. "
        f"Probe: {kinds}. Nothing was written."
    )
    return IngestSummary(len(cohort.people), len(names), 0, 0, 0, [], plan)
