"""One variant of a BGEN file of layout 2: bytes to dosages, and dosages to bytes.

The block, once unpacked: samples (4 bytes), alleles (2), least and greatest ploidy (1 each), a
byte a sample (ploidy, highest bit missing), phased (1), bits a probability (1), probabilities.
Unphased and diploid, two probabilities are stored: twice the first allele, and one of each.
"""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from typing import Any, NoReturn

import numba
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.genotypes import Dosages

_HEAD = struct.Struct("<IHBB")
_MISSING = 0x80


class Packing(Enum):
    """How blocks are compressed; the value is the number in a file's flags."""

    NONE = 0
    ZLIB = 1
    ZSTD = 2


def block_dosages(block: bytes, packing: Packing, *, n: int) -> Dosages:
    """Return copies of the second allele.

    Parameters
    ----------
    block
        The variant's bytes after its header, still compressed.
    packing
        How.
    n
        Samples of the file.

    Returns
    -------
    float32 array
        (n,), NaN missing; somebody with one copy of the chromosome counts as 0 or 2, as in
        the other formats.

    Raises
    ------
    GeneticsError
        SC-513 a damaged block, SC-509 other than two alleles or ploidy above two.
    """
    content = _unpacked(block, packing, n=n)
    if len(content) < n + 10:
        _refuse(f"at least {n + 10} bytes", f"{len(content)}")
    samples, alleles, least, greatest = _HEAD.unpack_from(content)
    if samples != n:
        _refuse(f"{n} samples", str(samples))
    if alleles != 2 or least < 1 or greatest > 2:
        got = f"{alleles} alleles, ploidy {least} to {greatest}"
        raise error("SC-509", expected="two alleles, ploidy 1 or 2", got=got)
    ploidy = np.frombuffer(content, dtype=np.uint8, count=n, offset=8)
    phased, bits = content[8 + n], content[9 + n]
    if not 1 <= bits <= 32 or phased > 1:
        _refuse("1 to 32 bits, phased 0 or 1", f"{bits} bits, phased {phased}")
    copies = ploidy & 0x3F
    wanted = int(copies.sum(dtype=np.int64))
    if n and (copies.min() < 1 or copies.max() > 2):
        _refuse("ploidy 1 or 2 of every sample", f"{copies.min()} to {copies.max()}")
    stored = np.frombuffer(content, dtype=np.uint8, offset=10 + n)
    if stored.size != (wanted * bits + 7) // 8:
        _refuse(f"{(wanted * bits + 7) // 8} bytes of probabilities", str(stored.size))
    values = _probabilities(stored, bits, count=wanted)
    out = np.empty(n, dtype=np.float32)
    top = (1 << bits) - 1
    if _second_alleles(values, ploidy, phased == 1, top, out):
        _refuse("probabilities that sum to at most 1", "more")
    return out


def dosages_block(dosages: Dosages, packing: Packing, *, bits: int) -> bytes:
    """Return the bytes of a variant after its header, its length first.

    A dosage between whole numbers becomes the two nearest genotypes, so that reading gives
    the dosage back to 1 / (2^bits - 1); whole numbers come back exactly.

    Parameters
    ----------
    dosages
        Copies of the second allele, (n,), NaN missing.
    packing
        How to compress.
    bits
        8 or 16 bits a probability.
    """
    n = len(dosages)
    top = (1 << bits) - 1
    missing = np.isnan(dosages)
    scaled = np.rint(np.where(missing, 0.0, dosages).astype(np.float64) * top).astype(np.int64)
    values = np.zeros((n, 2), dtype=f"<u{bits // 8}")
    values[:, 0] = np.where(missing, 0, np.maximum(top - scaled, 0))
    values[:, 1] = np.where(missing, 0, np.minimum(scaled, 2 * top - scaled))
    ploidy = np.where(missing, _MISSING | 2, 2).astype(np.uint8)
    content = _HEAD.pack(n, 2, 2, 2) + ploidy.tobytes() + bytes([0, bits]) + values.tobytes()
    if packing is Packing.NONE:
        return struct.pack("<I", len(content)) + content
    packed = zlib.compress(content, 6) if packing is Packing.ZLIB else _zstd().compress(content)
    return struct.pack("<II", len(packed) + 4, len(content)) + bytes(packed)


def _unpacked(block: bytes, packing: Packing, *, n: int) -> bytes:
    if packing is Packing.NONE:
        return block
    if len(block) < 4:
        _refuse("a compressed block", f"{len(block)} bytes")
    (length,) = struct.unpack_from("<I", block)
    # nothing a block may hold is longer than 32 bits for two probabilities of everybody
    if not n + 10 <= length <= 9 * n + 10:
        _refuse(f"{n + 10} to {9 * n + 10} bytes once unpacked", str(length))
    try:
        if packing is Packing.ZLIB:
            content = isal_zlib.decompressobj().decompress(block[4:], length + 1)
        else:
            content = bytes(_zstd().decompress(block[4:], length))
    # its stub has the class as an instance
    except (isal_zlib.error, OSError) as cause:  # type: ignore[misc]
        _refuse(f"{packing.name.lower()} data", str(cause)[:80])
    if len(content) != length:
        _refuse(f"{length} bytes once unpacked", str(len(content)))
    return content


def _probabilities(stored: NDArray[np.uint8], bits: int, *, count: int) -> NDArray[np.uint32]:
    if bits in {8, 16, 32}:
        return stored.view(f"<u{bits // 8}").astype(np.uint32)
    out = np.empty(count, dtype=np.uint32)
    _take_bits(stored, bits, out)
    return out


@numba.njit(cache=True, nogil=True)
def _take_bits(stored: NDArray[np.uint8], bits: int, out: NDArray[np.uint32]) -> None:
    held = np.int64(0)
    have, place = 0, 0
    mask = (1 << bits) - 1
    for k in range(out.size):
        while have < bits:
            held |= np.int64(stored[place]) << have
            have += 8
            place += 1
        out[k] = held & mask
        held >>= bits
        have -= bits


@numba.njit(cache=True, nogil=True)
def _second_alleles(
    values: NDArray[np.uint32], ploidy: NDArray[np.uint8], phased: bool, top: int, out: Dosages
) -> int:
    """Fill copies of the second allele; return how many samples' probabilities exceed 1."""
    wrong = 0
    k = 0
    for s in range(ploidy.size):
        copies = ploidy[s] & 0x3F
        first = np.int64(values[k])
        second = np.int64(values[k + 1]) if copies == 2 else first
        k += copies
        if ploidy[s] & _MISSING:
            out[s] = np.nan
            continue
        if copies == 1 or phased:
            wrong += int(first > top or second > top)
            out[s] = (2 * top - first - second) / top
        else:
            wrong += int(first + second > top)
            out[s] = (2 * top - 2 * first - second) / top
    return wrong


def _zstd() -> Any:
    import pyarrow as pa

    return pa.Codec("zstd")


def _refuse(expected: str, got: str) -> NoReturn:
    raise error("SC-513", expected=expected, got=got)
