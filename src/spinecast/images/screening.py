"""Is this the kind of picture a study may use? Questions the header can answer."""

from __future__ import annotations

from collections.abc import Collection

from spinecast.errors import error
from spinecast.images.image import Image
from spinecast.images.modality import SCREENSHOT_MODALITIES, SPINE_BODY_PARTS

_SCREENSHOT_CONVERSIONS = frozenset({"WSD", "DRW"})  # workstation, drawing
_LOCALIZERS = frozenset({"LOCALIZER", "SCOUT"})


def check_acquisition(image: Image) -> None:
    """Refuse what is no acquisition: localizers and suspected screenshots.

    Text in the pixels of an image whose header is silent about it is not found.

    Raises
    ------
    FileError
        SC-118.
    ContentError
        SC-207.
    """
    known = image.attributes
    if _LOCALIZERS & set(known.get("ImageType", "").split("\\")):
        raise error("SC-207", expected="an acquisition", got="ImageType LOCALIZER")
    if known.get("BurnedInAnnotation") == "YES":
        raise error("SC-118", expected="no text in the picture", got="BurnedInAnnotation YES")
    if image.modality in SCREENSHOT_MODALITIES:
        raise error("SC-118", expected="an acquisition", got=f"modality {image.modality}")
    if known.get("ConversionType") in _SCREENSHOT_CONVERSIONS:
        got = f"conversion type {known['ConversionType']}"
        raise error("SC-118", expected="an acquisition", got=got)


def check_content(
    image: Image, *, modalities: Collection[str] = (), views: Collection[str] = ()
) -> None:
    """Refuse another modality, view or body part than a study uses.

    Parameters
    ----------
    image
        The image.
    modalities, views
        What the study uses; empty means anything. What the header does not say is let pass:
        PNG and JPEG say nothing.

    Raises
    ------
    ContentError
        SC-201, SC-202 or SC-204.
    """
    if modalities and image.modality and image.modality not in modalities:
        raise error("SC-204", expected=" or ".join(sorted(modalities)), got=image.modality)
    if views and image.view and image.view not in views:
        raise error("SC-201", expected=" or ".join(sorted(views)), got=image.view)
    part = image.attributes.get("BodyPartExamined", "").replace(" ", "")
    if part and part not in SPINE_BODY_PARTS:
        raise error("SC-202", expected="spine, chest or abdomen", got=part)
