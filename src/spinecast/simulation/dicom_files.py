"""Simulated films as DICOM objects, as a hospital's archive would hand them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UID_ROOT = "1.2.826.0.1.3680043.8.498."  # pydicom's public root for generated objects
# Densitometers send their pictures as secondary captures.
_CLASSES = {
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "BMD": "1.2.840.10008.5.1.4.1.1.7",
}
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

BODY_PARTS = {
    "TL": "TLSPINE",
    "TLS": "TLSSPINE",
    "LS": "LSSPINE",
    "WHOLE": "WSPINE",
    "CTL": "CTLSPINE",
}
"""BodyPartExamined by field of view."""

_MAGNIFICATION = 1.05
"""Of DX films, whose header gives the spacing at the detector instead of at the patient."""


@dataclass(frozen=True, eq=False)
class FilmRecord:
    """One film with all that its header says.

    Parameters
    ----------
    image_id, person_id, sex
        Names and sex.
    study_date, birth_date
        Dates.
    modality, maker, region
        As in the image index.
    pixels, bits, monochrome1
        Stored values.
    spacing
        Millimetres at the patient; None where the header is silent.
    seed
        Of the world, so that two worlds do not share unique identifiers.
    view
        LATERAL or AP.
    """

    image_id: str
    person_id: str
    sex: str
    study_date: date
    birth_date: date
    modality: str
    maker: str
    region: str
    pixels: NDArray[np.uint16]
    bits: int
    monochrome1: bool
    spacing: tuple[float, float] | None
    seed: int
    view: str = "LATERAL"


def film_dataset(film: FilmRecord) -> Any:
    """Return the film as a pydicom data set with file meta information."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import generate_uid

    def uid(*names: str) -> str:
        return generate_uid(prefix=_UID_ROOT, entropy_srcs=["spinecast", str(film.seed), *names])

    visit = film.image_id.rsplit("-", maxsplit=1)[0]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE_ENDIAN
    dataset.file_meta.MediaStorageSOPClassUID = _CLASSES[film.modality]
    dataset.file_meta.MediaStorageSOPInstanceUID = uid("instance", film.image_id)
    dataset.SOPClassUID = _CLASSES[film.modality]
    dataset.SOPInstanceUID = uid("instance", film.image_id)
    dataset.StudyInstanceUID = uid("study", visit)
    dataset.SeriesInstanceUID = uid("series", film.image_id)
    _describe_person(dataset, film)
    _describe_acquisition(dataset, film)
    _set_pixels(dataset, film)
    return dataset


def encode(dataset: Any) -> bytes:
    """Return the bytes of a DICOM file (explicit little endian, with preamble)."""
    from pydicom import dcmwrite

    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _describe_person(dataset: Any, film: FilmRecord) -> None:
    dataset.PatientID = film.person_id
    dataset.PatientName = f"SIMULATED^{film.person_id}"
    dataset.PatientSex = film.sex
    dataset.PatientBirthDate = film.birth_date.strftime("%Y%m%d")
    dataset.StudyDate = film.study_date.strftime("%Y%m%d")
    years = (film.study_date - film.birth_date).days / 365.25
    dataset.PatientAge = f"{int(years):03d}Y"


def _describe_acquisition(dataset: Any, film: FilmRecord) -> None:
    dataset.Modality = film.modality
    dataset.Manufacturer = film.maker
    dataset.AccessionNumber = film.image_id
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BodyPartExamined = BODY_PARTS[film.region]
    dataset.ViewPosition = "LL" if film.view == "LATERAL" else film.view
    dataset.SeriesDescription = f"{film.region} SPINE {film.view}"
    if film.modality == "BMD":
        dataset.ProtocolName = "AP Spine"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageComments = "SIMULATED"
    if film.spacing is None:
        return
    if film.modality == "DX":
        dataset.ImagerPixelSpacing = [f"{mm * _MAGNIFICATION:.6f}" for mm in film.spacing]
        dataset.EstimatedRadiographicMagnificationFactor = f"{_MAGNIFICATION}"
    else:
        dataset.PixelSpacing = [f"{mm:.4f}" for mm in film.spacing]


def _set_pixels(dataset: Any, film: FilmRecord) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if film.monochrome1 else "MONOCHROME2"
    dataset.Rows, dataset.Columns = film.pixels.shape
    allocated = 8 if film.bits == 8 else 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (
        allocated,
        film.bits,
        film.bits - 1,
    )
    dataset.PixelRepresentation = 0
    dataset.PixelData = film.pixels.astype(f"<u{allocated // 8}").tobytes()
