"""A UK Biobank extract (docs/reference/ukbiobank.md): field-numbered table, bulk DXA images."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd

from spinecast.cluster import map_blocks
from spinecast.cohort.assembly import assemble
from spinecast.cohort.cohort import Cohort
from spinecast.cohort.ledger import check_identity, ledger_frame
from spinecast.cohort.sheet import Sheet
from spinecast.cohort.sources.ukbiobank_fields import IMAGING_VISITS, FieldMap, read_field_map
from spinecast.cohort.sources.ukbiobank_images import (
    Found,
    ImageFile,
    find_images,
    read_spine,
    scan_file,
    split_id,
)
from spinecast.cohort.sources.ukbiobank_tables import (
    Participants,
    find_table,
    read_participants,
    read_withdrawn,
)
from spinecast.errors import error
from spinecast.images import Image

MAP_FILE = "ukbiobank.toml"
_IMAGES = "images"
_COLUMNS = (
    "image_id", "person_id", "visit", "path", "modality", "view", "region", "spacing_row",
    "spacing_column", "manufacturer", "origin",
)  # fmt: skip


class UKBiobankSource:
    """People, imaging visits and AP spine DXA of a UK Biobank extract.

    Instances 2 and 3 of the assessment become visits 0 and 1. Only the AP spine of each visit
    is an image of the cohort; the other scans of an archive are skipped by rule.

    Parameters
    ----------
    folder
        Holds one table with field-numbered columns, archives of field 20158 or one folder of
        DICOM files per participant, and lists of those who withdrew.
    column_map
        TOML file that overrides fields, units and names; ``ukbiobank.toml`` in the folder
        otherwise.

    Raises
    ------
    CohortError
        SC-317 for a bad map file.
    """

    simulated = False

    def __init__(self, folder: Path, *, column_map: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.name = f"ukbiobank:{self.folder.name}"
        own = self.folder / MAP_FILE
        chosen = column_map or (own if own.is_file() else None)
        self._fields = FieldMap() if chosen is None else read_field_map(chosen)
        self._files: dict[str, ImageFile] = {}
        self._withdrawn: frozenset[str] | None = None

    def load(self) -> Cohort:
        """Read the table, then open every image once to find the AP spines.

        Returns
        -------
        Cohort
            Validated tables; ages in years, dates dropped. Events and findings are empty.

        Raises
        ------
        SpinecastError
            SC-315 no table; SC-110 a list of withdrawn people missing; SC-301 to SC-304,
            SC-317, SC-320 for faults of the whole table.
        """
        table = find_table(self.folder, self._fields)
        self._withdrawn = read_withdrawn(self.folder, self._fields)
        files, odd = find_images(self.folder)
        self._files = {file.stem: file for file in files}
        pictured = {file.eid for file in files if IMAGING_VISITS[file.instance] == 0}
        people = read_participants(
            table, self._fields, withdrawn=self._withdrawn, pictured=pictured
        )
        self._withdrawn |= people.withdrawn
        wanted, left_out = _by_participant(files, people)
        scanned = map_blocks(scan_file, wanted, label="DXA archives")
        found = [*odd, *left_out, *(each for part in scanned for each in part)]
        return _assembled(people, found, name=self.name, folder=self.folder)

    def open_image(self, image_id: str) -> Image:
        """Read one image of the index; the tables need not have been loaded.

        Raises
        ------
        SpinecastError
            SC-110 where the extract has no such image, SC-322 where the participant withdrew;
            whatever reading it raises.
        """
        if self._withdrawn is None:
            self._withdrawn = read_withdrawn(self.folder, self._fields)
        if not self._files:
            self._files = {file.stem: file for file in find_images(self.folder)[0]}
        file = self._files.get(split_id(image_id)[0])
        if file is None:
            raise error("SC-110", expected="an image of the extract", got=repr(image_id[:100]),
                        where=self.name)  # fmt: skip
        if file.eid in self._withdrawn:
            raise error("SC-322", expected="a participant who consents", got="one who withdrew",
                        where=self.name)  # fmt: skip
        return read_spine(file, image_id)


def _by_participant(
    files: list[ImageFile], people: Participants
) -> tuple[list[ImageFile], list[Found]]:
    """Return the files to open, and what becomes of those of people not in the cohort."""
    known = set(people.people.rows["person_id"])
    wanted, left_out, gone = [], [], 0
    for file in files:
        place = file.path.name
        if file.eid in people.withdrawn:
            # A ledger is kept with the results, so it must not name those who withdrew.
            gone += 1
            left_out.append(_skipped(f"withdrawn {gone}", "SC-322", "its participant withdrew"))
        elif file.eid in people.without_visit:
            left_out.append(_skipped(place, "SC-321", "its participant has no visit of instance 2"))
        elif file.eid not in known:
            reason = "this participant is not in the table"
            left_out.append(Found(place, "quarantined", "SC-311", reason))
        else:
            wanted.append(file)
    return wanted, left_out


def _skipped(place: str, code: str, reason: str) -> Found:
    return Found(place, "skipped", code, reason)


def _assembled(people: Participants, found: list[Found], *, name: str, folder: Path) -> Cohort:
    index = _index([each for each in found if each.fate == "image"], folder)
    sheets = {"people": people.people, "visits": people.visits, "images": index}
    cohort = assemble(sheets, name=name)
    rows = {
        fate: [(f"{_IMAGES}:{f.place}", f.code, f.reason) for f in found if f.fate == fate]
        for fate in ("skipped", "quarantined")
    }
    fates = Counter(each.fate for each in found)
    check_identity(
        given=len(found),
        used=fates["image"],
        skipped=len(rows["skipped"]),
        quarantined=len(rows["quarantined"]),
        where=_IMAGES,
    )
    skipped = ledger_frame([*people.skipped, *rows["skipped"]])
    return replace(
        cohort,
        quarantine=pd.concat([cohort.quarantine, ledger_frame(rows["quarantined"])],
                             ignore_index=True),
        skipped=pd.concat([cohort.skipped, skipped], ignore_index=True),
    )  # fmt: skip


def _index(images: list[Found], folder: Path) -> Sheet:
    rows = [
        (
            each.image_id, each.file.eid, float(IMAGING_VISITS[each.file.instance]),
            each.file.path.relative_to(folder).as_posix(), "BMD", "AP", "LS", *each.spacing,
            each.manufacturer, "acquired",
        )
        for each in images
        if each.file is not None
    ]  # fmt: skip
    places = pd.Index([each.place for each in images], dtype=object)
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), index=places).astype(
        {"visit": float, "spacing_row": float, "spacing_column": float}
    )
    return Sheet("images", _IMAGES, frame)
