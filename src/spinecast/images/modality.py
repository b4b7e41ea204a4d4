"""Modalities and the vocabulary of views, one record each.

A new modality is one record here, a renderer in ``simulation`` and, where the
format is new, a reader.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModalityRecord:
    """What reading and preparing must know about a kind of image.

    Parameters
    ----------
    code
        DICOM code (PS3.3 C.7.3.1.1.1).
    name
        Words for reports.
    projection
        True where a pixel is a line integral (radiographs, DXA), False for slices.
    windowed
        True where the VOI LUT or window of the header belongs to the picture. Slices are
        not windowed: their values (Hounsfield units of CT) are measurements.
    unit
        Unit of the pixels after the modality LUT; "" where arbitrary.
    """

    code: str
    name: str
    projection: bool
    windowed: bool
    unit: str = ""


MODALITIES: dict[str, ModalityRecord] = {
    record.code: record
    for record in (
        ModalityRecord("DX", "digital radiograph", projection=True, windowed=True),
        ModalityRecord("CR", "computed radiograph", projection=True, windowed=True),
        ModalityRecord("BMD", "dual-energy absorptiometry", projection=True, windowed=True),
        ModalityRecord("CT", "computed tomography", projection=False, windowed=False, unit="HU"),
        ModalityRecord("MR", "magnetic resonance", projection=False, windowed=False),
    )
}

ALIASES = {"DR": "DX", "RG": "CR", "DXA": "BMD", "OSTEO": "BMD", "MRI": "MR"}

SCREENSHOT_MODALITIES = frozenset({"OT", "SC"})

VIEWS = {
    "LL": "LATERAL",
    "RL": "LATERAL",
    "LLAT": "LATERAL",
    "RLAT": "LATERAL",
    "LAT": "LATERAL",
    "LATERAL": "LATERAL",
    "AP": "AP",
    "PA": "AP",
}

# SNOMED CT and SNOMED RT codes of ViewCodeSequence, PS3.16 CID 4010.
VIEW_CODES = {
    "399067008": "LATERAL",
    "399173006": "LATERAL",
    "399198007": "LATERAL",
    "399348003": "AP",
    "272479007": "AP",
    "R-10206": "AP",
    "R-10214": "AP",
    "R-10232": "LATERAL",
    "R-10236": "LATERAL",
}

# BodyPartExamined (PS3.16 annex L) to field of view; a plain SPINE does not say which.
REGIONS = {
    "TLSPINE": "TL",
    "TSPINE": "TL",
    "LSPINE": "LS",
    "LSSPINE": "LS",
    "WSPINE": "WHOLE",
    "WHOLESPINE": "WHOLE",
    "CTLSPINE": "CTL",
    "TLSSPINE": "TLS",
}

# ProtocolName is free text. A densitometer's says which part was scanned in these words; a
# name made of nothing else tells nothing about a person.
PROTOCOL_WORDS = frozenset(
    {"AP", "PA", "SPINE", "LUMBAR", "LATERAL", "LVA", "VFA", "LEFT", "RIGHT", "DUAL", "FEMUR"}
    | {"HIP", "ORTHO", "KNEE", "TOTAL", "WHOLE", "BODY", "FOREARM", "HAND"}
)

SPINE_BODY_PARTS = frozenset(REGIONS) | {
    "SPINE",
    "CSPINE",
    "CTSPINE",
    "SSPINE",
    "CHEST",
    "ABDOMEN",
    "CHESTABDOMEN",
    "ABDOMENPELVIS",
    "CHESTABDPELVIS",
    "PELVIS",
    "HIP",
    "TRUNK",
    "WHOLEBODY",
    "PARTIALBODY",
}


def modality_record(code: str) -> ModalityRecord:
    """Return the record of a DICOM modality code.

    Unknown codes (and images without one, such as PNG) are taken for windowed projections.
    """
    standard = standard_modality(code)
    unknown = ModalityRecord(standard, standard or "unknown", projection=True, windowed=True)
    return MODALITIES.get(standard, unknown)


def standard_modality(code: str) -> str:
    """Return the code this package uses for ``code`` (DR and DX are one thing)."""
    upper = code.strip().upper()
    return ALIASES.get(upper, upper)


def standard_view(position: str) -> str:
    """Return LATERAL or AP for a ViewPosition, "" for anything else."""
    return VIEWS.get(position.strip().upper().replace("-", "").replace(" ", ""), "")


def standard_protocol(name: str) -> str:
    """Return a ProtocolName in capitals if it only says which part was scanned, else ""."""
    words = name.strip().upper().split()
    known = 0 < len(words) <= 6 and PROTOCOL_WORDS.issuperset(words)
    return " ".join(words) if known else ""


def standard_region(body_part: str) -> str:
    """Return the field of view for a BodyPartExamined, "" where it does not say."""
    return REGIONS.get(body_part.strip().upper().replace("-", "").replace(" ", ""), "")
