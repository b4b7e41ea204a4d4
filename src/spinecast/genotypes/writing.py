"""Write genotypes as PLINK 1 files: .bed, .bim and .fam, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.files import atomic_path, write_text
from spinecast.genotypes.bed import MAGIC
from spinecast.genotypes.decode import bytes_per_variant, to_packed

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
        NaN missing; or uint8 blocks that are already 2-bit codes, (v, ceil(n / 4)).

    Returns
    -------
    Path
        The .bed, which is written last.

    Raises
    ------
    GeneticsError
        SC-504 where blocks do not fit the tables, SC-515 for other numbers.
    """
    bed = _with_suffix(stem, ".bed")
    write_text(_with_suffix(stem, ".fam"), fam_text(samples))
    write_text(_with_suffix(stem, ".bim"), bim_text(variants))
    width = bytes_per_variant(len(samples))
    written = 0
    with atomic_path(bed) as temporary:
        temporary.touch()
        with temporary.open("rb+") as handle:
            handle.write(MAGIC)
            for block in calls:
                codes = block if block.dtype == np.uint8 else _packed(block, len(samples))
                if codes.shape[1] != width:
                    _refuse(f"{width} bytes a variant", str(codes.shape[1]), bed)
                handle.write(np.ascontiguousarray(codes).data)
                written += len(codes)
        if written != len(variants):
            _refuse(f"{len(variants)} variants", str(written), bed)
    return bed


def fam_text(samples: pd.DataFrame) -> str:
    """Return the lines of a .fam file; parents and phenotype unknown."""
    lines = [
        f"{family}\t{sample}\t0\t0\t{sex}\t-9\n"
        for family, sample, sex in zip(
            samples["family_id"], samples["sample_id"], samples["sex"], strict=True
        )
    ]
    return "".join(lines)


def bim_text(variants: pd.DataFrame) -> str:
    """Return the lines of a .bim file; unknown genetic positions as 0."""
    table = variants.assign(centimorgans=centimorgans(variants))
    order = ["chromosome", "variant_id", "centimorgans", "base_pair_location"]
    columns = [*order, "effect_allele", "other_allele"]
    text = table[columns].to_csv(sep="\t", header=False, index=False, lineterminator="\n")
    return str(text)


def centimorgans(variants: pd.DataFrame) -> Any:
    """Return genetic positions with 0 for unknown, as PLINK writes them."""
    if "centimorgans" not in variants:
        return 0
    return variants["centimorgans"].fillna(0).map("{:.9g}".format)


def _packed(block: Calls, n: int) -> NDArray[np.uint8]:
    if block.ndim != 2 or block.shape[1] != n:
        _refuse(f"genotypes of {n} samples", str(block.shape), None)
    return to_packed(block)


def _refuse(expected: str, got: str, path: Path | None) -> None:
    where = path.name if path else "genotypes"
    raise error("SC-504", expected=expected, got=got, where=where)


def _with_suffix(stem: Path, suffix: str) -> Path:
    """Append a suffix; a stem such as ``chr1.v2`` keeps its dot."""
    return stem.with_name(stem.name + suffix)
