"""Stores: whole or not at all, nothing lost or counted twice, equal wherever they are made."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.images.films import film, header, phantom, save

from spinecast import files
from spinecast.errors import CohortError, FileError, RunError, SpinecastError, error
from spinecast.images import (
    Image,
    ImageStore,
    Preparation,
    prepare_radiograph,
    prepare_store,
    read_image,
    store_building,
)

SMALL = Preparation(shape=(64, 32), equalisation="none")


@dataclass(frozen=True)
class Shelf:
    """Opens images by id; picklable, so that it also serves other processes."""

    images: dict[str, Image | SpinecastError] = field(default_factory=dict)

    def __call__(self, image_id: str) -> Image:
        found = self.images[image_id]
        if isinstance(found, SpinecastError):
            raise found
        return found


def _index(names: list[str], people: list[str] | None = None, **more: object) -> pd.DataFrame:
    people = people or [f"p{at}" for at in range(len(names))]
    return pd.DataFrame({"image_id": names, "person_id": people, "visit": 0, **more})


def _good(count: int) -> tuple[pd.DataFrame, Shelf]:
    names = [f"i{at}" for at in range(count)]
    return _index(names), Shelf({name: film(seed=at) for at, name in enumerate(names)})


def _damaged() -> tuple[pd.DataFrame, Shelf]:
    """Return 13 rows of which the names say what is wrong."""
    broken = phantom().astype(np.float32)
    broken[0, 0] = np.nan
    twin, shared = film(seed=50), film(seed=51)
    images: dict[str, Image | SpinecastError] = {
        "good-1": film(seed=1),
        "constant": Image(pixels=np.ones((60, 40), np.float32)),
        "twin-late": twin,
        "twin-early": twin,
        "thumbnail": film(shape=(8, 8)),
        "spacing": film(seed=2, spacing=(0.0, 0.1)),
        "nan": Image(pixels=broken),
        "shared-a": shared,
        "shared-b": shared,
        "truncated": error("SC-103", expected="100 bytes", got="50"),
        "unknown": error("SC-311", expected="a person", got="nobody"),
        "volume": Image(pixels=np.zeros((3, 40, 40), np.float32)),
        "good-2": film(seed=3),
    }
    people = [name.split("-")[0] if "shared" not in name else name for name in images]
    index = _index(list(images), people)
    index.loc[index["image_id"] == "twin-late", "visit"] = 3
    return index, Shelf(images)


CODES = {
    "constant": "SC-203", "twin-late": "SC-205", "thumbnail": "SC-206", "spacing": "SC-208",
    "nan": "SC-209", "shared-a": "SC-309", "shared-b": "SC-309", "truncated": "SC-103",
    "unknown": "SC-311", "volume": "SC-204",
}  # fmt: skip


def test_stored_images_are_the_prepared_ones_to_one_step_of_16_bits(tmp_path: Path) -> None:
    index, shelf = _good(5)
    store, quarantine, full = prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    assert len(store) == 5
    assert quarantine.empty
    assert store.ids == list(index["image_id"])
    assert store.shape == (64, 32)
    wanted = np.stack([prepare_radiograph(shelf(name), SMALL) for name in store.ids])
    np.testing.assert_allclose(store.read(store.ids), wanted, atol=0.51 / 65535)
    assert full["sha256"].str.len().eq(64).all()
    assert full["sha256"].is_unique


def test_images_are_read_by_place_or_by_name_in_any_order(tmp_path: Path) -> None:
    index, shelf = _good(4)
    store, _, _ = prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    everything = store.read(range(4))
    assert everything.dtype == np.float32
    np.testing.assert_array_equal(store.read(["i3", "i0", "i3"]), everything[[3, 0, 3]])
    np.testing.assert_array_equal(store.read(np.array([2])), everything[[2]])
    assert store.read([]).shape == (0, 64, 32)
    assert store.position("i2") == 2
    assert "i2" in store
    assert "i9" not in store
    with pytest.raises(KeyError):
        store.position("i9")


def test_every_damage_has_its_code_and_used_and_quarantined_are_what_was_given(
    tmp_path: Path,
) -> None:
    index, shelf = _damaged()
    store, quarantine, full = prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    assert dict(zip(quarantine["source"], quarantine["code"], strict=True)) == CODES
    assert store.ids == ["good-1", "twin-early", "good-2"]
    assert sorted([*store.ids, *quarantine["source"]]) == sorted(index["image_id"])
    assert len(full) == len(index)
    assert list(full["image_id"]) == list(index["image_id"])
    assert quarantine["reason"].str.len().gt(20).all()
    hashes = full.set_index("image_id")["sha256"]
    assert hashes["truncated"] == hashes["unknown"] == ""
    assert hashes["shared-a"] == hashes["shared-b"] != ""
    wanted = np.stack([prepare_radiograph(shelf(name), SMALL) for name in store.ids])
    np.testing.assert_allclose(store.read(store.ids), wanted, atol=0.51 / 65535)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_changes_neither_pixels_nor_verdicts(tmp_path: Path, seed: int) -> None:
    index, shelf = _damaged()
    first, refused, _ = prepare_store(index, shelf, tmp_path / "a", preparation=SMALL)
    shuffled = index.sample(frac=1, random_state=seed)
    second, other, _ = prepare_store(shuffled, shelf, tmp_path / "b", preparation=SMALL)
    assert sorted(first.ids) == sorted(second.ids)
    np.testing.assert_array_equal(first.read(first.ids), second.read(first.ids))
    key = ["source", "code"]
    assert set(map(tuple, refused[key].to_numpy())) == set(map(tuple, other[key].to_numpy()))


@pytest.mark.parametrize("block", [1, 2, 5, 100])
def test_the_size_of_blocks_changes_nothing(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, shelf = _damaged()
    prepare_store(index, shelf, tmp_path / "a", preparation=SMALL)
    monkeypatch.setattr(store_building, "_BLOCK", block)
    monkeypatch.setattr(store_building, "_COPY", block)
    prepare_store(index, shelf, tmp_path / "b", preparation=SMALL)
    for name in ("pixels.npy", "store.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.long
def test_other_processes_make_the_same_store(tmp_path: Path) -> None:
    index, shelf = _damaged()
    prepare_store(index, shelf, tmp_path / "a", preparation=SMALL)
    prepare_store(index, shelf, tmp_path / "b", preparation=SMALL, cluster="processes:2")
    for name in ("pixels.npy", "store.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_headers_fill_in_only_what_the_index_does_not_say(tmp_path: Path) -> None:
    images = {
        "a": film(seed=1, spacing=(0.2, 0.3), manufacturer="Maker", region="TL"),
        "b": film(seed=2, spacing=(0.2, 0.3), manufacturer="Maker"),
        "c": film(seed=3),
    }
    index = _index(list(images), manufacturer=["", "Mine", None], spacing_row=[np.nan, 0.5, np.nan])
    _, _, full = prepare_store(index, Shelf(dict(images)), tmp_path / "s", preparation=SMALL)
    assert list(full["manufacturer"]) == ["Maker", "Mine", ""]
    np.testing.assert_array_equal(full["spacing_row"], [0.2, 0.5, np.nan])
    np.testing.assert_array_equal(full["spacing_column"], [0.3, 0.3, np.nan])
    assert list(full["region"]) == ["TL", "", ""]
    assert set(full["view"]) == {"LATERAL"}


def test_a_store_is_the_same_after_it_is_opened_again(tmp_path: Path) -> None:
    index, shelf = _good(3)
    made, _, _ = prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    opened = ImageStore.open(tmp_path / "s", verify=True)
    assert opened.preparation == made.preparation == SMALL
    assert opened.ids == made.ids
    np.testing.assert_array_equal(opened.read([0, 1, 2]), made.read([0, 1, 2]))


def test_nothing_given_gives_an_empty_store(tmp_path: Path) -> None:
    store, quarantine, full = prepare_store(_index([]), Shelf(), tmp_path / "s", preparation=SMALL)
    assert len(store) == len(quarantine) == len(full) == 0
    assert ImageStore.open(tmp_path / "s", verify=True).read([]).shape == (0, 64, 32)


def test_nothing_usable_gives_an_empty_store_and_full_quarantine(tmp_path: Path) -> None:
    shelf = Shelf({"a": Image(pixels=np.zeros((40, 40), np.float32))})
    store, quarantine, _ = prepare_store(_index(["a"]), shelf, tmp_path / "s", preparation=SMALL)
    assert len(store) == 0
    assert list(quarantine["code"]) == ["SC-203"]


def test_a_repeated_id_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="SC-308"):
        prepare_store(_index(["a", "a"]), Shelf(), tmp_path / "s", preparation=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_store_whole_and_the_next_attempt_succeeds(
    tmp_path: Path,
) -> None:
    index, shelf = _good(3)
    prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    before = {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()}

    def power_cut(image_id: str) -> Image:
        if image_id == "i2":
            raise RuntimeError("power cut")
        return shelf(image_id)

    with pytest.raises(RuntimeError, match="power cut"):
        prepare_store(index, power_cut, tmp_path / "s", preparation=SMALL)
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()} == before
    larger, larger_shelf = _good(4)
    store, _, _ = prepare_store(larger, larger_shelf, tmp_path / "s", preparation=SMALL)
    assert len(store) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "index.parquet", "pixels.npy", "store.json",
    ]  # fmt: skip


def test_a_full_disk_is_told_before_pixels_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    index, shelf = _good(2)
    with pytest.raises(RunError, match="SC-705"):
        prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    assert not (tmp_path / "s").exists()


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def test_one_changed_byte_is_found_when_asked_for(tmp_path: Path) -> None:
    index, shelf = _good(3)
    prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    _flip(tmp_path / "s" / "pixels.npy", -7)
    assert len(ImageStore.open(tmp_path / "s")) == 3
    with pytest.raises(FileError, match="SC-103"):
        ImageStore.open(tmp_path / "s", verify=True)


def test_a_store_cut_short_or_without_its_parts_is_refused(tmp_path: Path) -> None:
    index, shelf = _good(3)
    folder = tmp_path / "s"
    for name in ("pixels.npy", "index.parquet", "store.json"):
        prepare_store(index, shelf, folder, preparation=SMALL)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(FileError, match="SC-103"):
            ImageStore.open(folder)
        (folder / name).unlink()
        with pytest.raises(SpinecastError, match=r"SC-(103|703)"):
            ImageStore.open(folder)


def test_a_description_of_something_else_is_refused(tmp_path: Path) -> None:
    index, shelf = _good(3)
    prepare_store(index, shelf, tmp_path / "s", preparation=SMALL)
    files.write_json(tmp_path / "s" / "store.json", {"shape": [64, 32]})
    with pytest.raises(FileError, match="SC-103"):
        ImageStore.open(tmp_path / "s")
    with pytest.raises(RunError, match="SC-703"):
        ImageStore.open(tmp_path)


def test_progress_is_told_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_building, "_BLOCK", 2)
    heard: list[tuple[int, int]] = []
    index, shelf = _good(5)
    prepare_store(index, shelf, tmp_path / "s", preparation=SMALL,
                  progress=lambda done, total: heard.append((done, total)))  # fmt: skip
    assert heard[-1] == (3, 3)


def test_files_on_disk_are_read_isolated_and_stored(tmp_path: Path) -> None:
    save(tmp_path / "a", header(phantom((80, 40)), PixelSpacing=[0.2, 0.2]))
    save(tmp_path / "b", header(phantom((80, 40)), Rows=4000))
    store, quarantine, full = prepare_store(
        _index(["a", "b"]), lambda name: read_image(tmp_path / name), tmp_path / "s",
        preparation=SMALL,
    )  # fmt: skip
    assert store.ids == ["a"]
    assert list(quarantine["code"]) == ["SC-103"]
    assert full.loc[0, "spacing_row"] == 0.2
