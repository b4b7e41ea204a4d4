"""VCF files, read whole by cyvcf2 (an extra): hard calls, or dosages (DS) where there are any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import SpinecastError, error
from spinecast.genotypes.decode import decode_dosages, select_samples, to_packed
from spinecast.genotypes.genotypes import Dosages, Genotypes, PackedCalls, Places, checked_places
from spinecast.genotypes.sample_tables import plain_samples
from spinecast.genotypes.variant_tables import plain_variants

# Blocked gzip: how it starts, and the empty block that ends it (SAM format specification, 4.1).
_BLOCKED = b"\x1f\x8b\x08\x04"
_LAST_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_COLUMNS = ["chromosome", "base_pair_location", "variant_id", "effect_allele", "other_allele"]


def open_vcf(path: Path, *, build: str | None = None) -> VcfGenotypes:
    """Read a VCF (.vcf, .vcf.gz, .bcf) into memory; the effect allele is ALT.

    DS is used where the header announces it, else GT. Text has no index by variant: for more
    than some ten thousand variants write a .pgen first.

    Raises
    ------
    GeneticsError
        SC-501 not a VCF, SC-502 cut off, SC-503 missing, SC-509 several alternative alleles or
        other ploidy, SC-513 a line that cannot be read.
    RunError
        SC-710 where cyvcf2 is not installed.
    """
    if not path.is_file():
        raise error("SC-503", expected="a file", got="none of that name", where=path.name)
    _refuse_cut_off(path)
    reader = _reader(path)
    samples = plain_samples([str(name) for name in reader.samples], file=path.name)
    with_dosages = any(h.type == "FORMAT" and h["ID"] == "DS" for h in reader.header_iter())
    rows, genotypes = [], []
    for row, values in _lines(reader, path, with_dosages=with_dosages):
        rows.append(row)
        genotypes.append(values)
    cells = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
    variants = plain_variants(cells, file=path.name, build=build)
    held = np.stack(genotypes) if genotypes else np.empty((0, len(samples)), dtype=np.int8)
    return VcfGenotypes(
        samples,
        variants,
        paths=(path,),
        build=build,
        held=held if with_dosages else to_packed(held),
    )


class VcfGenotypes(Genotypes):
    """A VCF held in memory, as 2-bit codes or as dosages; made by :func:`open_vcf`."""

    def __init__(
        self,
        samples: pd.DataFrame,
        variants: pd.DataFrame,
        *,
        paths: tuple[Path, ...],
        build: str | None,
        held: NDArray[Any],
    ) -> None:
        super().__init__(samples, variants, paths=paths, build=build)
        self._held = held

    @property
    def packed(self) -> bool:
        """True where the file has no dosages."""
        return self._held.dtype == np.uint8

    def read_packed(self, variants: Places) -> PackedCalls:
        """Return 2-bit codes, see :class:`Genotypes`."""
        if not self.packed:
            return super().read_packed(variants)
        return self._held[checked_places(variants, self.n_variants, what=self.origin)]

    def dosages(self, variants: Places, *, samples: Places | None = None) -> Dosages:
        """Return copies of the effect allele, see :class:`Genotypes`."""
        held = self._held[checked_places(variants, self.n_variants, what=self.origin)]
        places = None
        if samples is not None:
            places = checked_places(samples, self.n_samples, what=self.origin)
        if not self.packed:
            return held if places is None else held[:, places]
        if places is None:
            return decode_dosages(held, self.n_samples)
        return decode_dosages(select_samples(held, places), places.size)


def _reader(path: Path) -> Any:
    try:
        from cyvcf2 import VCF
    except ImportError as cause:
        raise error(
            "SC-710",
            expected="cyvcf2, which reads VCF: pip install 'spinecast[vcf]'",
            got="not installed",
            where=path.name,
        ) from cause
    try:
        return VCF(str(path), lazy=True, threads=1)
    except Exception as cause:  # noqa: BLE001  cyvcf2 raises Exception itself
        raise error("SC-501", expected="a VCF", got=str(cause)[:80], where=path.name) from None


def _lines(
    reader: Any, path: Path, *, with_dosages: bool
) -> Iterator[tuple[tuple[str, ...], NDArray[Any]]]:
    """Yield the table's cells and the genotypes of every line."""
    records = iter(reader)
    last = "its header"
    while True:
        try:
            record = next(records, None)
            if record is None:
                return
            last = f"{record.CHROM}:{record.POS}"
            if len(record.ALT) != 1:
                got = str(len(record.ALT))
                where = f"{path.name}, {last}"
                raise error("SC-509", expected="one alternative allele", got=got, where=where)
            values = _dosages(record, path) if with_dosages else _calls(record, path)
        except SpinecastError:
            raise
        except Exception as cause:  # noqa: BLE001  cyvcf2 raises Exception itself
            where = f"{path.name}, at or after {last}"
            raise error(
                "SC-513", expected="a whole line", got=str(cause)[:80], where=where
            ) from None
        yield (record.CHROM, str(record.POS), record.ID or ".", record.ALT[0], record.REF), values


def _refuse_cut_off(path: Path) -> None:
    """Refuse blocked gzip without its last, empty block: htslib would only warn."""
    with path.open("rb") as handle:
        start = handle.read(18)
        size = handle.seek(0, 2)
        handle.seek(max(0, size - len(_LAST_BLOCK)))
        end = handle.read()
    if start[:4] == _BLOCKED and start[12:14] == b"BC" and end != _LAST_BLOCK:
        raise error("SC-502", expected="the end of the file", got="a part of it", where=path.name)


def _calls(record: Any, path: Path) -> NDArray[np.int8]:
    """Count ALT; -1 where any allele is missing, and 2 for the one ALT of a haploid person."""
    alleles = record.genotype.array()[:, :-1]  # the last column says whether phased
    if alleles.shape[1] > 2:
        where = f"{path.name}, {record.CHROM}:{record.POS}"
        raise error("SC-509", expected="ploidy 1 or 2", got=str(alleles.shape[1]), where=where)
    first = alleles[:, 0]
    second = alleles[:, -1]
    second = np.where(second == -2, first, second)
    return np.where((first < 0) | (second < 0), -1, first + second).astype(np.int8)


def _dosages(record: Any, path: Path) -> NDArray[np.float32]:
    values = record.format("DS")
    if values is None:
        calls = _calls(record, path).astype(np.float32)
        return np.where(calls < 0, np.float32(np.nan), calls)
    dosages = np.asarray(values, dtype=np.float32)[:, 0]
    if np.any((dosages < 0) | (dosages > 2)):
        where = f"{path.name}, {record.CHROM}:{record.POS}"
        raise error("SC-515", expected="DS from 0 to 2", got=str(np.nanmax(dosages)), where=where)
    return dosages
