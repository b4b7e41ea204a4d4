"""DICOM objects to :class:`Image`; runs inside the decode worker only."""

from __future__ import annotations

import functools
import io
import re
import struct
from typing import Any

import numpy as np

from spinecast.errors import error
from spinecast.images.dicom_pixels import read_stored, to_values
from spinecast.images.image import Image
from spinecast.images.limits import Limits, inflate
from spinecast.images.modality import (
    VIEW_CODES,
    modality_record,
    standard_modality,
    standard_protocol,
    standard_region,
    standard_view,
)
from spinecast.images.nesting import Outline, outline

_DEFLATED = "1.2.840.10008.1.2.1.99"
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_CODE_STRING = re.compile(r"[A-Z0-9 _]{1,16}")

# Coded or numeric tags only: a code string cannot hold a name.
_KEPT_CODES = (
    "BodyPartExamined",
    "BurnedInAnnotation",
    "ConversionType",
    "DetectorType",
    "ImageLaterality",
    "Laterality",
    "PhotometricInterpretation",
    "ViewPosition",
)
_KEPT_NUMBERS = (
    "BitsStored",
    "EstimatedRadiographicMagnificationFactor",
    "KVP",
    "NumberOfFrames",
    "SliceThickness",
)
_READ = (
    *_KEPT_CODES,
    *_KEPT_NUMBERS,
    "ProtocolName",
    "ExposedArea",
    "Manufacturer",
    "Modality",
    "ImageType",
    "PatientOrientation",
    "ImageOrientationPatient",
    "ViewCodeSequence",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SpacingBetweenSlices",
    "SharedFunctionalGroupsSequence",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PixelPaddingValue",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "BitsAllocated",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


_OVERLAY_BIT_POSITION = 0x60000102


def looks_like_dicom(data: bytes) -> bool:
    """Tell DICOM by its magic word, or by a first element of group 2 or 8 where it has none."""
    if data[128:132] == b"DICM":
        return True
    return data[:2] in {b"\x02\x00", b"\x08\x00"} and data[3:4] == b"\x00" and len(data) > 132


def read_dicom(data: bytes, limits: Limits) -> Image:
    """Decode one DICOM object.

    Parameters
    ----------
    data
        The whole file.
    limits
        Bounds, see :class:`~spinecast.images.limits.Limits`.

    Returns
    -------
    Image
        Radiographs windowed as the header asks, CT in Hounsfield units.

    Raises
    ------
    FileError
        SC-102 to SC-105, SC-109, SC-111 to SC-113.
    """
    dataset = _parse(data, limits)
    pixels = to_values(read_stored(dataset, limits), dataset)
    return Image(
        pixels=pixels,
        spacing=_spacing(dataset, frames=pixels.ndim == 3),
        modality=standard_modality(_code(dataset, "Modality")),
        view=_view(dataset),
        region=standard_region(_code(dataset, "BodyPartExamined")),
        manufacturer=_printable(dataset.get("Manufacturer")),
        attributes=_attributes(dataset),
    )


def _parse(data: bytes, limits: Limits) -> Any:
    import pydicom

    syntax, start = _file_meta(data)
    if syntax == _DEFLATED:
        body = inflate(memoryview(data)[start:], limits=limits, gzip=False)
        meta = struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + _EXPLICIT.encode() + b"\x00"
        data = bytes(128) + b"DICM" + meta + body
        syntax, start = _EXPLICIT, 132 + len(meta)
    seen = outline(
        data,
        start,
        implicit=syntax == _IMPLICIT,
        little=syntax != _BIG_ENDIAN,
        deepest=limits.nesting,
    )
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=_tags())
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = _encoding_found(dataset)
    except (MemoryError, RecursionError):
        raise
    except Exception as cause:
        raise error("SC-102", expected="a DICOM header", got=type(cause).__name__) from cause
    if "Rows" not in dataset or "PixelData" not in dataset:
        _check_has_pixels(dataset, seen)
    return dataset


def _encoding_found(dataset: Any) -> Any:
    """Return the syntax of a file that does not name it; such files are never compressed."""
    from pydicom.uid import UID

    implicit, little = dataset.original_encoding
    if not little:
        return UID(_BIG_ENDIAN)
    return UID(_IMPLICIT if implicit else _EXPLICIT)


@functools.cache
def _tags() -> list[Any]:
    from pydicom.tag import Tag

    return [*(Tag(keyword) for keyword in _READ), Tag(_OVERLAY_BIT_POSITION)]


def _check_has_pixels(dataset: Any, seen: Outline) -> None:
    if any(word in dataset for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return
    if seen.has_pixels or seen.overrun:
        raise error("SC-103", expected="the announced pixel data", got="the end of the file")
    if not any(word in dataset for word in ("Modality", "Rows", "ImageType", "BitsAllocated")):
        raise error("SC-102", expected="a DICOM header", got="no known element")
    raise error("SC-111", expected="pixel data", got="an object without any")


def _file_meta(data: bytes) -> tuple[str, int]:
    """Return transfer syntax and start of the data set; group 2 is always explicit little."""
    at = 132 if data[128:132] == b"DICM" else 0
    syntax = "" if at else _guess_syntax(data)
    while at + 8 <= len(data):
        group, element, kind, length = struct.unpack_from("<HH2sH", data, at)
        if group != 2:
            break
        start = at + 8
        if kind in {b"OB", b"UN"}:
            if start + 4 > len(data):
                break
            (length,) = struct.unpack_from("<I", data, start)
            start += 4
        if element == 0x10:
            syntax = data[start : start + length].decode("ascii", "replace").strip("\x00 ")
        at = start + length
    return syntax or _guess_syntax(data[at : at + 8]), at


def _guess_syntax(head: bytes) -> str:
    return _EXPLICIT if head[4:6].isalpha() and head[4:6].isupper() else _IMPLICIT


def _spacing(dataset: Any, *, frames: bool) -> tuple[float, ...] | None:
    plane = _plane_spacing(dataset)
    if plane is None or not frames:
        return plane
    between = _numbers(dataset, "SpacingBetweenSlices") or _numbers(dataset, "SliceThickness")
    return (between[0] if between else float("nan"), *plane)


def _plane_spacing(dataset: Any) -> tuple[float, ...] | None:
    """PixelSpacing where given, else detector spacing divided by the magnification."""
    plain = _numbers(dataset, "PixelSpacing")
    if len(plain) == 2:
        return plain
    groups = dataset.get("SharedFunctionalGroupsSequence")
    measures = groups[0].get("PixelMeasuresSequence") if groups else None
    if measures and len(_numbers(measures[0], "PixelSpacing")) == 2:
        return _numbers(measures[0], "PixelSpacing")
    detector = _numbers(dataset, "ImagerPixelSpacing")
    if len(detector) != 2:
        return None
    factor = _numbers(dataset, "EstimatedRadiographicMagnificationFactor")
    magnification = factor[0] if factor and 1.0 <= factor[0] < 10.0 else 1.0
    return tuple(distance / magnification for distance in detector)


def _view(dataset: Any) -> str:
    """ViewPosition, else the view code, else how rows and columns lie in the patient."""
    view = standard_view(_code(dataset, "ViewPosition"))
    codes = dataset.get("ViewCodeSequence")
    if not view and codes:
        view = VIEW_CODES.get(str(codes[0].get("CodeValue") or ""), "")
    if view:
        return view
    directions = _numbers(dataset, "ImageOrientationPatient")
    if len(directions) == 6 and not modality_record(_code(dataset, "Modality")).projection:
        normal = np.abs(np.cross(directions[:3], directions[3:]))
        return ("SAGITTAL", "CORONAL", "AXIAL")[int(np.argmax(normal))]
    along_rows = str(_first(dataset.get("PatientOrientation")) or "")[:1].upper()
    return {"A": "LATERAL", "P": "LATERAL", "L": "AP", "R": "AP"}.get(along_rows, "")


def _attributes(dataset: Any) -> dict[str, str]:
    kept = {word: _code(dataset, word) for word in _KEPT_CODES}
    kept["ImageType"] = "\\".join(_codes(dataset.get("ImageType")))
    for word in _KEPT_NUMBERS:
        numbers = _numbers(dataset, word)
        kept[word] = f"{numbers[0]:g}" if numbers else ""
    kept["ProtocolName"] = standard_protocol(str(_first(dataset.get("ProtocolName")) or ""))
    kept["ExposedArea"] = "\\".join(f"{size:g}" for size in _numbers(dataset, "ExposedArea")[:2])
    kept["TransferSyntax"] = str(dataset.file_meta.TransferSyntaxUID.name)[:64]
    return {word: text for word, text in kept.items() if text}


def _first(value: Any) -> Any:
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    return value[0] if len(value) else None


def _codes(value: Any) -> list[str]:
    many = value if value is not None and not isinstance(value, str) else [value or ""]
    return [code for code in (str(each).strip().upper() for each in many) if _is_code(code)]


def _is_code(text: str) -> bool:
    return _CODE_STRING.fullmatch(text) is not None


def _code(dataset: Any, keyword: str) -> str:
    codes = _codes(_first(dataset.get(keyword)))
    return codes[0] if codes else ""


def _numbers(dataset: Any, keyword: str) -> tuple[float, ...]:
    value = dataset.get(keyword)
    if value is None:
        return ()
    many = value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else [value]
    try:
        return tuple(float(each) for each in many)
    except (TypeError, ValueError):
        return ()


def _printable(value: Any) -> str:
    """Keep what makers are called by: printable, short, no DICOM name component marks."""
    text = "".join(letter for letter in str(value or "") if letter.isprintable())
    return "" if "^" in text else text.strip()[:64]
