"""DXA images of a UK Biobank extract: bulk archives of field 20158, or files by participant.

An archive holds every scan of one visit. Only the header tells them apart, so each member is
decoded once, in the isolated reader, and all but the AP spine are left out by rule.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from spinecast.cohort.sources.ukbiobank_fields import DXA_FIELD, IMAGING_VISITS
from spinecast.errors import SpinecastError, error
from spinecast.images import Image, check_acquisition, read_image
from spinecast.images.archives import Archive, open_archive
from spinecast.images.dicom import looks_like_dicom

_PERSON = r"(?P<eid>[A-Za-z0-9-]{1,64})"
_BULK = re.compile(_PERSON + r"_(?P<field>\d{1,6})_(?P<instance>\d{1,2})_(?P<array>\d{1,3})\.zip")
_SINGLE = re.compile(_PERSON + r"_instance_(?P<instance>\d{1,2})\.dcm")
_MEMBER_ID = re.compile(r"(?P<stem>.+)_m(?P<member>\d{1,4})")
_LATERAL = frozenset({"LATERAL", "LVA", "VFA"})
_SPINE_PARTS = frozenset({"SPINE", "LSPINE", "LSSPINE", "LUMBAR SPINE"})

Fate = Literal["image", "skipped", "quarantined"]


@dataclass(frozen=True)
class ImageFile:
    """One file whose name says whose it is and of which visit.

    Parameters
    ----------
    path
        The file.
    eid, instance
        Participant and instance of the assessment.
    archive
        True for a zip of one visit's scans, False for a single DICOM file.
    """

    path: Path
    eid: str
    instance: int
    archive: bool

    @property
    def stem(self) -> str:
        """Name without suffix, from which image ids are made."""
        return self.path.stem


@dataclass(frozen=True)
class Found:
    """What became of one image, or of a file that could not be opened.

    Parameters
    ----------
    place
        File, and number of the member, for the ledger.
    fate
        Whether it is an AP spine image, left out by rule, or at fault.
    code, reason
        Why it is not used.
    image_id, spacing, manufacturer
        Of an AP spine image.
    file
        The file it came from.
    """

    place: str
    fate: Fate
    code: str = ""
    reason: str = ""
    image_id: str = ""
    spacing: tuple[float, float] = (float("nan"), float("nan"))
    manufacturer: str = ""
    file: ImageFile | None = None


def find_images(folder: Path) -> tuple[list[ImageFile], list[Found]]:
    """Return the image files under ``folder``, and those that cannot be assigned.

    Only ``<eid>_20158_<instance>_<array>.zip`` and ``<eid>/<eid>_instance_<n>.dcm`` are
    assigned. A name given twice in different subfolders is refused for every copy.
    """
    files: list[ImageFile] = []
    odd: list[Found] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in {".zip", ".dcm"} or path.is_dir():
            continue
        named = _named(path, folder)
        if isinstance(named, ImageFile):
            files.append(named)
        else:
            odd.append(named)
    copies = Counter(file.stem for file in files)
    odd += [_fault(_place(f.path, folder), "SC-308", "the same file name in two folders")
            for f in files if copies[f.stem] > 1]  # fmt: skip
    return [file for file in files if copies[file.stem] == 1], odd


def _named(path: Path, folder: Path) -> ImageFile | Found:
    place = _place(path, folder)
    if not path.resolve().is_relative_to(folder) or not path.is_file():
        return _fault(place, "SC-110", "a link that leads out of the extract, or to nothing")
    bulk, single = _BULK.fullmatch(path.name), _SINGLE.fullmatch(path.name)
    named = bulk or single
    if named is None:
        return _fault(place, "SC-311", "the file name does not say whose image this is")
    if bulk and int(bulk["field"]) != DXA_FIELD:
        return _skip(place, "SC-321", f"a file of another field than {DXA_FIELD}")
    if single and path.parent.name != single["eid"]:
        return _fault(place, "SC-314", "folder and file name different participants")
    if int(named["instance"]) not in IMAGING_VISITS:
        return _skip(place, "SC-321", "a file of another instance than 2 and 3")
    return ImageFile(path, named["eid"], int(named["instance"]), archive=bool(bulk))


def _place(path: Path, folder: Path) -> str:
    return "".join(c for c in path.relative_to(folder).as_posix() if c.isprintable())[:200]


def scan_file(file: ImageFile) -> list[Found]:
    """Open every image of one file and say what each is; never raises on a bad file."""
    name = file.path.name
    if not file.archive:
        return [_classified(lambda: read_image(file.path, screen=False), file, place=name)]
    try:
        with open_archive(file.path) as archive:
            found = [_scan_member(archive, number, file=file) for number in range(len(archive))]
    except SpinecastError as refused:
        return [_refused(name, refused)]
    if not found:
        return [_fault(name, "SC-111", "an archive without members")]
    return list(_only_first(found))


def read_spine(file: ImageFile, image_id: str) -> Image:
    """Read the AP spine image ``image_id`` of ``file``.

    Raises
    ------
    FileError, ContentError
        Whatever reading raises; SC-201 or SC-202 where it shows another part of the body.
    """
    if not file.archive:
        image = read_image(file.path, screen=False)
    else:
        with open_archive(file.path) as archive:
            image = _decoded(archive.read(split_id(image_id)[1]))
    fate = _part_of(image, single=not file.archive)
    if fate is not None:
        raise error(fate[1], expected="an AP spine scan", got=fate[2], where=image_id)
    return as_spine(image)


def split_id(image_id: str) -> tuple[str, int]:
    """Return the file's stem and the number of the member (0 for single files)."""
    named = _MEMBER_ID.fullmatch(image_id)
    return (named["stem"], int(named["member"])) if named else (image_id, 0)


def as_spine(image: Image) -> Image:
    """Return the image as what field 20158 says it is: an AP spine scan of a densitometer.

    The files call themselves CR or secondary captures; spacing is not in its usual element,
    but follows from the exposed area, which this maker gives in mm.

    Raises
    ------
    FileError, ContentError
        SC-118, SC-207 for what is no acquisition.
    """
    known = {k: v for k, v in image.attributes.items() if k != "ConversionType"}
    seen = replace(
        image,
        modality="BMD",
        view="AP",
        region="LS",
        spacing=image.spacing or _spacing_of_area(image),
        attributes=known,
    )
    check_acquisition(seen)
    return seen


def _spacing_of_area(image: Image) -> tuple[float, float] | None:
    area = image.attributes.get("ExposedArea", "").split("\\")
    if len(area) != 2 or image.pixels.ndim != 2:
        return None
    width, height = (float(side) for side in area)
    spacing = (height / image.shape[0], width / image.shape[1])
    plausible = all(0.05 <= side <= 5 for side in spacing)
    return spacing if plausible else None


def _scan_member(archive: Archive, number: int, *, file: ImageFile) -> Found:
    place = f"{file.path.name}[{number}]"
    try:
        data = archive.read(number)
    except SpinecastError as refused:
        return _refused(place, refused)
    if not looks_like_dicom(data):
        return _skip(place, "SC-321", "not a DICOM file (archives hold a list of their contents)")
    image_id = f"{file.stem}_m{number:02d}"
    return _classified(lambda: _decoded(data), file, place=place, image_id=image_id)


def _decoded(data: bytes) -> Image:
    with tempfile.TemporaryDirectory(prefix="spinecast-") as folder:
        path = Path(folder) / "member"
        path.write_bytes(data)
        return read_image(path, screen=False)


def _classified(
    opening: Callable[[], Image], file: ImageFile, *, place: str, image_id: str = ""
) -> Found:
    try:
        image = opening()
        fate = _part_of(image, single=not file.archive)
        if fate is not None:
            return Found(place, *fate, file=file)
        spine = as_spine(image)
    except SpinecastError as refused:
        return _refused(place, refused)
    plane = spine.spacing if spine.spacing and spine.pixels.ndim == 2 else None
    return Found(
        place,
        "image",
        image_id=image_id or file.stem,
        spacing=(plane[0], plane[1]) if plane else Found.spacing,
        manufacturer=spine.manufacturer,
        file=file,
    )


def _part_of(image: Image, *, single: bool) -> tuple[Fate, str, str] | None:
    """Return None for an AP spine scan, else what becomes of the image and why.

    The protocol decides; this maker leaves body part and view empty, and gives one patient
    orientation for every scan. A single file without either is what its layout says.
    """
    protocol = image.attributes.get("ProtocolName", "")
    part = image.attributes.get("BodyPartExamined", "")
    words = set(protocol.split())
    if words & _LATERAL or (not words and part in _SPINE_PARTS and image.view == "LATERAL"):
        return "skipped", "SC-201", "a lateral scan of the spine"
    if "SPINE" in words or (not words and part in _SPINE_PARTS) or (single and not protocol + part):
        return None
    if words or part:
        return "skipped", "SC-202", f"a scan of another part: {(protocol or part).lower()}"
    return "quarantined", "SC-202", "the header does not say which part of the body it shows"


def _only_first(found: list[Found]) -> Iterator[Found]:
    """Keep the first AP spine of an archive; a repeated scan of the same visit is left out."""
    seen = False
    for each in found:
        repeat = each.fate == "image" and seen
        seen = seen or each.fate == "image"
        yield (
            _skip(each.place, "SC-321", "a further AP spine scan of this visit") if repeat else each
        )


def _refused(place: str, refused: SpinecastError) -> Found:
    reason = f"expected {refused.expected}, got {refused.got}"
    if refused.code == "SC-207":
        return _skip(place, refused.code, reason)
    return _fault(place, refused.code, reason)


def _fault(place: str, code: str, reason: str) -> Found:
    return Found(place, "quarantined", code, reason)


def _skip(place: str, code: str, reason: str) -> Found:
    return Found(place, "skipped", code, reason)
