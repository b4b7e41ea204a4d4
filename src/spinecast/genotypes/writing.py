"""Write genotypes as .bed, .pgen or .bgen with their tables, each file whole or not at all.

Hard calls come back equal from all three; dosages are kept to 1/16384 (.pgen) or to 1/255 or
1/65535 (.bgen of 8 or 16 bits).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.files import atomic_path, write_text
from spinecast.genotypes.bed import MAGIC
from spinecast.genotypes.bgen_blocks import Packing, dosages_block
from spinecast.genotypes.companion_tables import (
    bim_text,
    fam_text,
    psam_text,
    pvar_text,
    sample_text,
)
from spinecast.genotypes.decode import bytes_per_variant, decode_calls, to_packed

Calls = NDArray[Any]


def write_bed(
    stem: Path, *, samples: pd.DataFrame, variants: pd.DataFrame, calls: Iterable[Calls]
) -> Path:
    """Write ``stem.bed``, ``stem.bim`` and ``stem.fam``.

    Parameters
    ----------
    stem
        Path without suffix.
    samples, variants
        Tables as those of :class:`~spinecast.genotypes.Genotypes`; ``centimorgans`` may lack.
    calls
        Blocks of variants in their order: copies of the effect allele, (v, n), negative or
        NaN missing; blocks of uint8 are taken as 2-bit codes, (v, ceil(n / 4)).

    Returns
    -------
    Path
        The .bed, which is written last.

    Raises
    ------
    GeneticsError
        SC-504 where blocks do not fit the tables, SC-505 ids with blanks, SC-515 other numbers.
    """
    bed = _with_suffix(stem, ".bed")
    write_text(_with_suffix(stem, ".fam"), fam_text(samples))
    write_text(_with_suffix(stem, ".bim"), bim_text(variants))
    with atomic_path(bed) as temporary:
        temporary.write_bytes(MAGIC)
        with temporary.open("rb+") as handle:
            handle.seek(len(MAGIC))
            for block in _fitting(calls, n=len(samples), v=len(variants)):
                codes = block if block.dtype == np.uint8 else to_packed(block)
                handle.write(np.ascontiguousarray(codes).data)
    return bed


def write_pgen(
    stem: Path, *, samples: pd.DataFrame, variants: pd.DataFrame, calls: Iterable[Calls]
) -> Path:
    """Write ``stem.pgen``, ``stem.pvar`` and ``stem.psam``.

    A first block of floats makes a file of dosages; else every block must be hard calls.
    Parameters, result and errors are those of :func:`write_bed`.
    """
    import pgenlib

    pgen = _with_suffix(stem, ".pgen")
    write_text(_with_suffix(stem, ".psam"), psam_text(samples))
    write_text(_with_suffix(stem, ".pvar"), pvar_text(variants))
    blocks = iter(calls)
    first = next(blocks, None)
    real = first is not None and np.issubdtype(first.dtype, np.floating)
    whole = chain([] if first is None else [first], blocks)
    with atomic_path(pgen) as temporary:
        writer = pgenlib.PgenWriter(
            str(temporary).encode(),
            len(samples),
            variant_ct=len(variants),
            nonref_flags=False,
            dosage_present=real,
        )
        for block in _fitting(whole, n=len(samples), v=len(variants)):
            if real:
                dosages = _as_dosages(block, n=len(samples))
                writer.append_dosages_batch(np.where(np.isnan(dosages), np.float32(-9), dosages))
            else:
                hard = decode_calls(_as_packed(block), len(samples))
                writer.append_biallelic_batch(np.where(hard < 0, np.int8(-9), hard))
        writer.close()
    return pgen


def write_bgen(
    stem: Path,
    *,
    samples: pd.DataFrame,
    variants: pd.DataFrame,
    calls: Iterable[Calls],
    packing: Packing = Packing.ZLIB,
    bits: int = 8,
) -> Path:
    """Write ``stem.bgen`` (layout 2, the effect allele second) and ``stem.sample``.

    Parameters
    ----------
    stem, samples, variants, calls
        As of :func:`write_bed`.
    packing
        How variants are compressed; zstd makes a file of version 1.3.
    bits
        8 or 16 bits a probability.

    Returns
    -------
    Path
        The .bgen, which is written last.

    Raises
    ------
    GeneticsError
        As :func:`write_bed`.
    """
    if bits not in {8, 16}:
        raise error("SC-706", expected="8 or 16 bits a probability", got=str(bits), where="bits")
    bgen = _with_suffix(stem, ".bgen")
    write_text(_with_suffix(stem, ".sample"), sample_text(samples))
    n = len(samples)
    heads = _variant_heads(variants)
    with atomic_path(bgen) as temporary:
        temporary.write_bytes(_bgen_header(samples, len(variants), packing=packing))
        with temporary.open("rb+") as handle:
            handle.seek(0, 2)
            for block in _fitting(calls, n=n, v=len(variants)):
                for dosages in _as_dosages(block, n=n):
                    handle.write(next(heads) + dosages_block(dosages, packing, bits=bits))
    return bgen


def _fitting(calls: Iterable[Calls], *, n: int, v: int) -> Iterator[Calls]:
    """Yield blocks after checking their shape; at the end, that they are all variants."""
    seen = 0
    for block in calls:
        width = bytes_per_variant(n) if block.dtype == np.uint8 else n
        if block.ndim != 2 or block.shape[1] != width:
            _refuse(f"blocks of (variants, {width})", str(block.shape))
        seen += len(block)
        if seen > v:
            _refuse(f"{v} variants", "more")
        yield block
    if seen != v:
        _refuse(f"{v} variants", str(seen))


def _as_packed(block: Calls) -> NDArray[np.uint8]:
    return block if block.dtype == np.uint8 else to_packed(block)


def _as_dosages(block: Calls, *, n: int) -> NDArray[np.float32]:
    """Return copies of the effect allele, NaN missing."""
    copies = decode_calls(block, n) if block.dtype == np.uint8 else block
    if np.any(copies > 2):
        raise error("SC-515", expected="0 to 2, or missing", got=f"{np.nanmax(copies):g}")
    return np.where(copies >= 0, copies, np.nan).astype(np.float32)


def _bgen_header(samples: pd.DataFrame, n_variants: int, *, packing: Packing) -> bytes:
    ids = [str(sample).encode() for sample in samples["sample_id"]]
    listed = b"".join(struct.pack("<H", len(name)) + name for name in ids)
    sample_block = struct.pack("<II", len(listed) + 8, len(ids)) + listed
    flags = packing.value | 2 << 2 | 1 << 31
    header = struct.pack("<III4sI", 20, n_variants, len(ids), b"bgen", flags)
    return struct.pack("<I", len(header) + len(sample_block)) + header + sample_block


def _variant_heads(variants: pd.DataFrame) -> Iterator[bytes]:
    def text(value: object, form: str) -> bytes:
        raw = str(value).encode()
        return struct.pack(form, len(raw)) + raw

    columns = ["variant_id", "chromosome", "base_pair_location", "other_allele", "effect_allele"]
    for name, chromosome, position, other, effect in variants[columns].itertuples(index=False):
        yield (
            text(name, "<H")
            + text(name, "<H")
            + text(chromosome, "<H")
            + struct.pack("<IH", position, 2)
            + text(other, "<I")
            + text(effect, "<I")
        )


def _refuse(expected: str, got: str) -> NoReturn:
    raise error("SC-504", expected=expected, got=got, where="genotypes to be written")


def _with_suffix(stem: Path, suffix: str) -> Path:
    """Append a suffix; a stem such as ``chr1.v2`` keeps its dot."""
    return stem.with_name(stem.name + suffix)
