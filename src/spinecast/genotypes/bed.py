"""PLINK 1 .bed files: 2-bit hard calls, one variant after another, samples never split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genotypes.decode import bytes_per_variant, decode_dosages, select_samples
from spinecast.genotypes.genotypes import Dosages, Genotypes, PackedCalls, Places, checked_places
from spinecast.genotypes.sample_tables import read_fam
from spinecast.genotypes.variant_tables import read_bim

MAGIC = b"\x6c\x1b\x01"


def open_bed(path: Path, *, build: str | None = None) -> BedGenotypes:
    """Open a .bed with the .bim and .fam beside it; no genotype is read yet.

    Raises
    ------
    GeneticsError
        SC-501 another kind of file, SC-502 a length that does not fit the tables, SC-503 no
        .bed, .bim or .fam; else as the readers of the tables.
    """
    if not path.is_file():
        raise error("SC-503", expected="a file", got="none of that name", where=path.name)
    _check_magic(path)
    samples = read_fam(path.with_suffix(".fam"))
    variants = read_bim(path.with_suffix(".bim"), build=build)
    expected = len(MAGIC) + len(variants) * bytes_per_variant(len(samples))
    found = path.stat().st_size
    if found != expected:
        raise error(
            "SC-502",
            expected=f"{expected} bytes for {len(samples)} samples of the .fam and "
            f"{len(variants)} variants of the .bim",
            got=f"{found} bytes",
            where=path.name,
        )
    return BedGenotypes(samples, variants, paths=(path,), build=build)


class BedGenotypes(Genotypes):
    """A .bed file; made by :func:`open_bed`."""

    def __init__(
        self,
        samples: pd.DataFrame,
        variants: pd.DataFrame,
        *,
        paths: tuple[Path, ...],
        build: str | None = None,
    ) -> None:
        super().__init__(samples, variants, paths=paths, build=build)
        self._width = bytes_per_variant(len(samples))

    @property
    def packed(self) -> bool:
        """True: a .bed holds hard calls."""
        return True

    def read_packed(self, variants: Places) -> PackedCalls:
        """Read 2-bit codes: one reading for every run of neighbours, see :class:`Genotypes`."""
        places = checked_places(variants, self.n_variants, what=self.origin)
        out = np.empty((places.size, self._width), dtype=np.uint8)
        starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        ends = np.append(starts[1:], places.size)[: starts.size]
        with self.paths[0].open("rb", buffering=0) as handle:
            for start, end in zip(starts, ends, strict=True):
                handle.seek(len(MAGIC) + int(places[start]) * self._width)
                wanted = out[start:end].reshape(-1).data
                while wanted and (count := handle.readinto(wanted)):
                    wanted = wanted[count:]
                if wanted:
                    raise error(
                        "SC-502",
                        expected=f"variant {int(places[end - 1])}",
                        got="the end of the file",
                        where=self.origin,
                    )
        return out

    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Read copies of the effect allele, see :class:`Genotypes`."""
        packed = self.read_packed(variants)
        if samples is None:
            return decode_dosages(packed, self.n_samples)
        places = checked_places(samples, self.n_samples, what=self.origin)
        return decode_dosages(select_samples(packed, places), places.size)


def _check_magic(path: Path) -> None:
    with path.open("rb") as handle:
        start = handle.read(3)
    if start == b"\x6c\x1b\x00":
        got = "a .bed of one sample after another"
    elif start != MAGIC:
        got = f"a file that starts with {start.hex(' ') or 'nothing'}"
    else:
        return
    raise error("SC-501", expected="a .bed of one variant after another", got=got, where=path.name)
