"""An archive is read member by member within its limits; a hostile one costs nothing."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
from pathlib import Path

import pytest

from spinecast.errors import SpinecastError
from spinecast.images.archives import ArchiveLimits, open_archive

CONTENT = bytes(range(256)) * 8


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path, number: int = 0, **limits: int) -> SpinecastError:
    with (
        pytest.raises(SpinecastError) as caught,
        open_archive(path, limits=ArchiveLimits(**limits)) as archive,
    ):
        archive.read(number)
    return caught.value


def patched(path: Path, *, entry_at: int, value: bytes, also_local: int | None = None) -> Path:
    """Overwrite bytes of the first entry of the table of contents (and of the local header)."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + entry_at : entry + entry_at + len(value)] = value
    if also_local is not None:
        data[also_local : also_local + len(value)] = value
    path.write_bytes(data)
    return path


def test_members_are_read_by_number_and_folders_are_not_members(tmp_path):
    path = zipped(tmp_path / "a.zip", {"folder/": b"", "folder/a.dcm": CONTENT, "b.txt": b"b"})
    with open_archive(path) as archive:
        assert [archive.read(number) for number in range(len(archive))] == [CONTENT, b"b"]
    assert refusal(path, 2).code == "SC-110"


def test_names_that_lead_out_of_the_archive_write_nothing_anywhere(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    names = ["../escape.dcm", "/etc/escape.dcm", "..\\escape.dcm", "a/../../escape.dcm"]
    path = zipped(inside / "a.zip", dict.fromkeys(names, CONTENT))
    with open_archive(path) as archive:
        assert {archive.read(number) for number in range(len(archive))} == {CONTENT}
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["a.zip"]


@pytest.mark.parametrize("cut", [1, 10, 22, 60, 200])
def test_a_truncated_archive_is_sc114(tmp_path, cut):
    path = zipped(tmp_path / "a.zip", {"a.dcm": CONTENT})
    path.write_bytes(path.read_bytes()[:-cut])
    assert refusal(path).code == "SC-114"


@pytest.mark.parametrize(
    "content", [b"PK", b"not a zip file at all", bytes(5000), b"\x1f\x8b" * 50]
)
def test_what_is_no_archive_is_sc114_and_names_the_file(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    refused = refusal(path)
    assert (refused.code, refused.where) == ("SC-114", "a.zip")


def test_an_empty_or_missing_file_keeps_its_own_code(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"")
    assert refusal(tmp_path / "a.zip").code == "SC-101"
    assert refusal(tmp_path / "b.zip").code == "SC-110"


def test_an_encrypted_member_is_sc114(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.dcm": CONTENT})
    patched(path, entry_at=8, value=b"\x01\x00", also_local=6)
    refused = refusal(path)
    assert refused.code == "SC-114"
    assert "encrypted" in refused.message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_whose_inflation_cannot_be_bounded_is_sc114(tmp_path, method):
    assert refusal(zipped(tmp_path / "a.zip", {"a": CONTENT}, method)).code == "SC-114"


def test_a_link_is_sc114_and_is_not_followed(tmp_path):
    member = zipfile.ZipInfo("link.dcm")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc/hostname")
    assert refusal(tmp_path / "a.zip").code == "SC-114"


def test_a_changed_byte_is_seen_by_the_checksum(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": CONTENT}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[300] ^= 0xFF
    path.write_bytes(data)
    refused = refusal(path)
    assert refused.code == "SC-114"
    assert "checksum" in refused.message


def test_a_declared_bomb_is_sc104_before_anything_is_inflated(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": CONTENT})
    patched(path, entry_at=24, value=struct.pack("<I", 3 << 30))
    started = time.perf_counter()
    assert refusal(path).code == "SC-104"
    assert time.perf_counter() - started < 0.5


def test_a_real_bomb_is_sc104_by_its_ratio(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": bytes(100 << 20)})
    assert path.stat().st_size < 200_000
    refused = refusal(path)
    assert refused.code == "SC-104"
    assert "200 to 1" in refused.message


def test_a_member_that_inflates_beyond_its_claim_delivers_no_more_than_claimed(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": bytes(8 << 20)})
    patched(path, entry_at=24, value=struct.pack("<I", 1000))
    assert refusal(path).code == "SC-114"


def test_limits_on_members_sizes_and_the_table_of_contents_hold(tmp_path):
    path = zipped(tmp_path / "a.zip", {f"{i}": CONTENT for i in range(20)})
    assert refusal(path, members=19).code == "SC-114"
    assert refusal(path, directory_bytes=100).code == "SC-114"
    assert refusal(path, member_bytes=1000).code == "SC-104"
    assert refusal(path, total_bytes=30_000).code == "SC-104"
    assert refusal(path, file_bytes=100).code == "SC-113"


def test_the_marks_of_a_larger_archive_are_refused_because_they_evade_the_limits(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": CONTENT})
    data = path.read_bytes()
    end = data.index(b"PK\x05\x06")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    path.write_bytes(data[:end] + locator + data[end:])
    refused = refusal(path)
    assert refused.code == "SC-114"
    assert "4 GiB" in refused.message


def test_no_damaged_archive_raises_anything_but_a_coded_error(tmp_path):
    whole = zipped(tmp_path / "a.zip", {"a": CONTENT, "b": bytes(300)}).read_bytes()
    path = tmp_path / "b.zip"
    codes = []
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xA5]) + whole[at + 1 :])
        codes.append(outcome(path))
    assert set(codes) <= {"", "SC-104", "SC-113", "SC-114"}
    assert codes.count("") < len(whole) / 2


def outcome(path: Path) -> str:
    try:
        with open_archive(path) as archive:
            for number in range(len(archive)):
                archive.read(number)
    except SpinecastError as caught:
        return caught.code
    return ""


def test_an_archive_with_a_comment_is_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", CONTENT)
        archive.comment = b"x" * 3000
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with open_archive(tmp_path / "a.zip") as archive:
        assert archive.read(0) == CONTENT
