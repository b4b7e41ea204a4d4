"""PLINK 2 .pgen files, read by Pgenlib."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.decode import bytes_per_variant, to_packed
from spinecast.genotypes.genotypes import Dosages, Genotypes, PackedCalls, Places, checked_places
from spinecast.genotypes.sample_tables import read_psam
from spinecast.genotypes.variant_tables import read_pvar

_MAGIC = b"\x6c\x1b"
# How variants are stored (third byte): fixed width without, or records of many kinds.
_FIXED_HARD_CALLS, _RECORDS = 0x02, 0x10
_DOSAGE_BITS = 0x60
_PER_TABLE = 1 << 16


def open_pgen(path: Path, *, build: str | None = None) -> PgenGenotypes:
    """Open a .pgen with the .pvar (or .pvar.zst) and .psam beside it.

    Raises
    ------
    GeneticsError
        SC-501 another kind of file, SC-502 cut off, SC-503 a file of the set is missing,
        SC-504 numbers that differ from the tables', SC-509 several alternative alleles.
    """
    if not path.is_file():
        raise error("SC-503", expected="a file", got="none of that name", where=path.name)
    n_variants, n_samples, hard = _header(path)
    samples = read_psam(path.with_suffix(".psam"))
    plain = path.with_suffix(".pvar")
    compressed = path.with_suffix(".pvar.zst")
    variants = read_pvar(plain if plain.is_file() else compressed, build=build)
    if (len(variants), len(samples)) != (n_variants, n_samples):
        raise error(
            "SC-504",
            expected=f"{n_variants} variants and {n_samples} samples, as the .pgen says",
            got=f"{len(variants)} in the .pvar and {len(samples)} in the .psam",
            where=path.name,
        )
    return PgenGenotypes(samples, variants, paths=(path,), build=build, hard=hard)


class PgenGenotypes(Genotypes):
    """A .pgen file; made by :func:`open_pgen`."""

    def __init__(
        self,
        samples: pd.DataFrame,
        variants: pd.DataFrame,
        *,
        paths: tuple[Path, ...],
        build: str | None = None,
        hard: bool = False,
    ) -> None:
        super().__init__(samples, variants, paths=paths, build=build)
        self._hard = hard
        self._local = threading.local()

    @property
    def packed(self) -> bool:
        """True where no variant of the file has dosages."""
        return self._hard

    def read_packed(self, variants: Places) -> PackedCalls:
        """Read 2-bit codes, see :class:`Genotypes`."""
        if not self._hard:
            return super().read_packed(variants)
        places = checked_places(variants, self.n_variants, what=self.origin)
        calls = np.empty((places.size, self.n_samples), dtype=np.int8)
        if not calls.size:
            return np.empty((places.size, bytes_per_variant(self.n_samples)), dtype=np.uint8)
        with self._reader(None) as reader:
            reader.read_list(places.astype(np.uint32), calls)
        return to_packed(calls)

    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Read copies of the effect allele, see :class:`Genotypes`."""
        places = checked_places(variants, self.n_variants, what=self.origin)
        wanted = samples
        if samples is not None:
            wanted = checked_places(samples, self.n_samples, what=self.origin)
        subset, back = _ascending(wanted)
        out = np.empty((places.size, self.n_samples if subset is None else subset.size), np.float32)
        if out.size:
            with self._reader(subset) as reader:
                reader.read_dosages_list(places.astype(np.uint32), out)
        out[out < 0] = np.nan
        return out if back is None else out[:, back]

    @contextmanager
    def _reader(self, subset: NDArray[np.uint32] | None) -> Iterator[Any]:
        """Lend this thread's reader: Pgenlib's readers keep a state, so threads share none."""
        import pgenlib

        try:
            if not hasattr(self._local, "reader"):
                self._local.reader = pgenlib.PgenReader(
                    str(self.paths[0]).encode(),
                    raw_sample_ct=self.n_samples,
                    variant_ct=self.n_variants,
                )
            self._local.reader.change_sample_subset(subset)
            yield self._local.reader
        except RuntimeError as cause:
            self._local = threading.local()
            raise error(
                "SC-513", expected="a whole .pgen", got=str(cause)[:120], where=self.origin
            ) from None


def _ascending(
    samples: Places | None,
) -> tuple[NDArray[np.uint32] | None, NDArray[np.intp] | None]:
    """Return the samples once each in file order, and how to put them back as asked."""
    if samples is None:
        return None, None
    once, back = np.unique(samples, return_inverse=True)
    subset = once.astype(np.uint32)
    return subset, None if np.array_equal(once, samples) else back


def _header(path: Path) -> tuple[int, int, bool]:
    """Return numbers of variants and samples, and whether all variants are hard calls."""
    with path.open("rb") as handle:
        start = handle.read(12)
        if start[:2] != _MAGIC or len(start) < 3 or start[2] == 1:
            got = f"a file that starts with {start[:3].hex(' ') or 'nothing'}"
            raise error("SC-501", expected="a .pgen", got=got, where=path.name)
        if len(start) < 12:
            raise error("SC-502", expected="a header", got=f"{len(start)} bytes", where=path.name)
        n_variants, n_samples = (int(x) for x in np.frombuffer(start[3:11], dtype="<u4"))
        if start[2] == _FIXED_HARD_CALLS:
            return n_variants, n_samples, True
        if start[2] != _RECORDS:
            return n_variants, n_samples, False
        kinds = _record_kinds(handle.read, n_variants, control=start[11])
    return n_variants, n_samples, not np.any(kinds & _DOSAGE_BITS)


def _record_kinds(read: Any, n_variants: int, *, control: int) -> NDArray[np.uint8]:
    """Return the kind of every variant's record: tables of 65,536 kinds and their lengths.

    The lowest four bits of the control byte say how wide kinds (4 or 8 bits) and lengths are,
    the next two how wide allele counts are, the last two whether reference flags follow.
    """
    if control & 15 < 4:
        return np.zeros(0, dtype=np.uint8)  # 4-bit kinds have no room for dosages
    length_bytes = (control & 3) + 1
    allele_bytes = (control >> 4) & 3
    flags = control >> 6 == 3
    read(8 * -(-n_variants // _PER_TABLE))
    kinds = []
    for first in range(0, n_variants, _PER_TABLE):
        count = min(_PER_TABLE, n_variants - first)
        kinds.append(np.frombuffer(read(count), dtype=np.uint8))
        read(count * (length_bytes + allele_bytes) + (bytes_per_variant(count * 2) if flags else 0))
    return np.concatenate(kinds) if kinds else np.zeros(0, dtype=np.uint8)
