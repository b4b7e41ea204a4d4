"""Which acquisitions a study may use, and pseudonyms that give nothing away."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from tests.images.films import film

import spinecast.images
from spinecast.errors import SpinecastError
from spinecast.images import Image, check_acquisition, check_content, pseudonym
from spinecast.images.identity import new_key, pixel_hash


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"attributes": {"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}}, "SC-207"),
        ({"attributes": {"ImageType": "DERIVED\\SECONDARY\\SCOUT"}}, "SC-207"),
        ({"attributes": {"BurnedInAnnotation": "YES"}}, "SC-118"),
        ({"attributes": {"ConversionType": "WSD"}}, "SC-118"),
        ({"attributes": {"ConversionType": "DRW"}}, "SC-118"),
        ({"modality": "OT"}, "SC-118"),
        ({"modality": "SC"}, "SC-118"),
    ],
)
def test_localizers_and_screenshots_are_refused(known: dict, code: str) -> None:
    with pytest.raises(SpinecastError, match=code):
        check_acquisition(film(**known))


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"modality": ""},
        {"attributes": {"ImageType": "DERIVED\\PRIMARY"}},
        {"attributes": {"BurnedInAnnotation": "NO", "ConversionType": "DF"}},
    ],
)
def test_honest_films_pass(known: dict) -> None:
    check_acquisition(film(**known))


def test_content_is_checked_only_where_the_header_speaks() -> None:
    wanted = {"modalities": ("DX", "CR"), "views": ("LATERAL",)}
    check_content(film(), **wanted)
    check_content(film(modality="", view=""), **wanted)
    check_content(film(modality="CT", view="AP"))
    for known, code in (
        ({"modality": "CT"}, "SC-204"),
        ({"view": "AP"}, "SC-201"),
        ({"attributes": {"BodyPartExamined": "HAND"}}, "SC-202"),
    ):
        with pytest.raises(SpinecastError, match=code):
            check_content(film(**known), **wanted)
    for part in ("SPINE", "L SPINE", "TLSPINE", "CHEST"):
        check_content(film(attributes={"BodyPartExamined": part}), **wanted)


def test_a_pseudonym_is_stable_keyed_and_blind_to_blanks() -> None:
    key = bytes(range(32))
    word = pseudonym("12345", key)
    assert word == pseudonym(" 12345 ", key)
    assert word != pseudonym("12345", bytes(32))
    assert word != pseudonym("12346", key)
    assert len(word) == 17
    assert word[0] == "P"
    assert word[1:] == hmac.new(key, b"12345", hashlib.sha256).hexdigest()[:16]
    assert "12345" not in word


def test_pseudonyms_of_many_people_differ() -> None:
    key = new_key()
    assert len({pseudonym(str(number), key) for number in range(20_000)}) == 20_000


def test_a_short_key_is_refused_and_keys_differ() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        pseudonym("1", b"short")
    assert len(new_key()) == 32
    assert new_key() != new_key()


def test_a_pixel_hash_names_values_and_shape_and_not_the_memory_layout() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert pixel_hash(pixels) == pixel_hash(np.asfortranarray(pixels))
    assert pixel_hash(pixels) == pixel_hash(np.repeat(pixels, 2, axis=0)[::2])
    assert pixel_hash(pixels) != pixel_hash(pixels.reshape(4, 3))
    changed = pixels.copy()
    changed[2, 3] += 1
    assert pixel_hash(pixels) != pixel_hash(changed)
    assert len(pixel_hash(pixels)) == 64


def test_an_image_refuses_shapes_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="2 or 3 axes"):
        Image(pixels=np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="2 spacings"):
        Image(pixels=np.zeros((3, 4, 5), np.float32), spacing=(1.0, 1.0))
    assert Image(pixels=np.zeros((3, 4), np.uint16)).pixels.dtype == np.float32


def test_every_public_name_can_be_had_and_others_cannot() -> None:
    for name in spinecast.images.__all__:
        assert getattr(spinecast.images, name) is not None
    with pytest.raises(AttributeError):
        _ = spinecast.images.nothing_of_the_kind
