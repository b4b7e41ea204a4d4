"""BGEN files of layout 2 (versions 1.2 and 1.3): probabilities, compressed variant by variant."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import SpinecastError, error
from spinecast.genotypes.bgen_blocks import Packing, block_dosages
from spinecast.genotypes.genotypes import Dosages, Genotypes, Places, checked_places
from spinecast.genotypes.sample_tables import plain_samples, read_sample_file
from spinecast.genotypes.variant_tables import plain_variants

_LAYOUT_2 = 2
_PACKINGS = {0: Packing.NONE, 1: Packing.ZLIB, 2: Packing.ZSTD}
Spans = NDArray[np.int64]


def open_bgen(path: Path, *, build: str | None = None) -> BgenGenotypes:
    """Open a .bgen; sample ids come from the .sample beside it, else from the file itself.

    Only headers of variants are read. The effect allele is the second.

    Raises
    ------
    GeneticsError
        SC-501 another kind of file or layout 1, SC-502 cut off, SC-503 no sample ids, SC-504
        another number of samples, SC-509 more than two alleles.
    """
    if not path.is_file():
        raise error("SC-503", expected="a file", got="none of that name", where=path.name)
    if path.stat().st_size == 0:
        raise error("SC-501", expected="a .bgen", got="an empty file", where=path.name)
    with (
        path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        cursor = _Cursor(content, path.name)
        try:
            head = _header(cursor)
            samples = _samples(path, cursor, head)
            variants, spans = _scan(cursor, head, build=build)
        except struct.error:
            raise error(
                "SC-502",
                expected="headers of all variants",
                got=f"the end of the file at byte {cursor.place}",
                where=path.name,
            ) from None
    return BgenGenotypes(
        samples, variants, paths=(path,), build=build, spans=spans, packing=head.packing
    )


class BgenGenotypes(Genotypes):
    """A .bgen file; made by :func:`open_bgen`."""

    def __init__(
        self,
        samples: pd.DataFrame,
        variants: pd.DataFrame,
        *,
        paths: tuple[Path, ...],
        build: str | None,
        spans: Spans,
        packing: Packing,
    ) -> None:
        super().__init__(samples, variants, paths=paths, build=build)
        self._spans = spans
        self._packing = packing

    @property
    def packed(self) -> bool:
        """False: a .bgen holds probabilities."""
        return False

    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Read copies of the effect allele, see :class:`Genotypes`."""
        places = checked_places(variants, self.n_variants, what=self.origin)
        wanted = None
        if samples is not None:
            wanted = checked_places(samples, self.n_samples, what=self.origin)
        width = self.n_samples if wanted is None else wanted.size
        out = np.empty((places.size, width), dtype=np.float32)
        with self.paths[0].open("rb", buffering=0) as handle:
            for row, place in enumerate(places):
                start, length = self._spans[place]
                handle.seek(int(start))
                values = self._row(handle.read(int(length)), int(place))
                out[row] = values if wanted is None else values[wanted]
        return out

    def _row(self, block: bytes, place: int) -> Dosages:
        try:
            return block_dosages(block, self._packing, n=self.n_samples)
        except SpinecastError as cause:
            variant = str(self.variants["variant_id"].iloc[place])[:60]
            where = f"{self.origin}, variant {place + 1} ({variant})"
            raise error(cause.code, expected=cause.expected, got=cause.got, where=where) from None


@dataclass(frozen=True)
class _Head:
    first_variant: int
    n_variants: int
    n_samples: int
    packing: Packing
    ids_at: int | None


class _Cursor:
    """Reads little-endian fields one after another; running off the end is struct.error."""

    def __init__(self, content: Any, file: str) -> None:
        self.content = content
        self.file = file
        self.place = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.content, self.place)
        self.place += struct.calcsize(form)
        return int(value)

    def text(self, form: str) -> str:
        length = self.number(form)
        raw = self.content[self.place : self.place + length]
        if len(raw) < length:
            raise struct.error
        self.place += length
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = "\x00"
        if not text.isprintable():
            where = f"{self.file}, byte {self.place - length}"
            raise error("SC-505", expected="printable text", got=repr(raw[:40]), where=where)
        return text


def _header(cursor: _Cursor) -> _Head:
    offset = cursor.number("<I")
    length = cursor.number("<I")
    n_variants, n_samples = cursor.number("<I"), cursor.number("<I")
    magic = bytes(cursor.content[16:20])
    if magic not in {b"bgen", b"\0\0\0\0"} or length < 20 or length > offset:
        got = f"{magic!r} where 'bgen' should stand"
        raise error("SC-501", expected="a .bgen", got=got, where=cursor.file)
    cursor.place = length  # the flags are the last four bytes of the header block
    flags = cursor.number("<I")
    layout, packing = (flags >> 2) & 15, flags & 3
    if layout != _LAYOUT_2 or packing not in _PACKINGS:
        raise error(
            "SC-501",
            expected="layout 2 (BGEN 1.2 or 1.3), plain, zlib or zstd",
            got=f"layout {layout}, compression {packing}",
            where=cursor.file,
        )
    ids_at = length + 4 if flags >> 31 else None
    return _Head(offset + 4, n_variants, n_samples, _PACKINGS[packing], ids_at)


def _samples(path: Path, cursor: _Cursor, head: _Head) -> pd.DataFrame:
    beside = path.with_suffix(".sample")
    if beside.is_file():
        samples = read_sample_file(beside)
    elif head.ids_at is not None:
        cursor.place = head.ids_at + 4
        count = min(cursor.number("<I"), head.n_samples + 1)
        samples = plain_samples([cursor.text("<H") for _ in range(count)], file=path.name)
    else:
        raise error("SC-503", expected=f"{beside.name}", got="no sample ids", where=path.name)
    if len(samples) != head.n_samples:
        raise error(
            "SC-504",
            expected=f"{head.n_samples} samples, as the .bgen says",
            got=str(len(samples)),
            where=path.name,
        )
    return samples


def _scan(cursor: _Cursor, head: _Head, *, build: str | None) -> tuple[pd.DataFrame, Spans]:
    """Walk over the variants' headers; return their table and where their blocks lie."""
    cursor.place = head.first_variant
    rows: list[tuple[str, str, str, str, str]] = []
    spans: list[tuple[int, int]] = []
    end = len(cursor.content)
    for number in range(1, head.n_variants + 1):
        name, rsid = cursor.text("<H"), cursor.text("<H")
        chromosome, position = cursor.text("<H"), cursor.number("<I")
        alleles = cursor.number("<H")
        if alleles != 2:
            where = f"{cursor.file}, variant {number}"
            raise error("SC-509", expected="two alleles", got=str(alleles), where=where)
        first, second = cursor.text("<I"), cursor.text("<I")
        length = cursor.number("<I")
        rows.append((chromosome, str(position), rsid or name, second, first))
        spans.append((cursor.place, length))
        cursor.place += length
        if cursor.place > end:
            raise struct.error
    columns = ["chromosome", "base_pair_location", "variant_id", "effect_allele", "other_allele"]
    cells = pd.DataFrame(rows, columns=columns, dtype=object)
    variants = plain_variants(cells, file=cursor.file, build=build)
    return variants, np.array(spans, dtype=np.int64).reshape(-1, 2)
