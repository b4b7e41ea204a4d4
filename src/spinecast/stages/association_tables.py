"""What commands on tables of associations share: their names, their size, whose people they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spinecast.stages.genotype_inputs import SIMULATED_IDS

_INTERPRETER = 320 << 20
# A byte of a file becomes so many while its table is read; text files are packed.
_BYTES_A_BYTE = {".gz": 25, ".parquet": 6}
_PLAIN = 6
_SUFFIXES = (".gz", ".tsv", ".parquet", ".sumstats")


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return the traits that tables are named after; with their folders where names repeat."""
    stems = [_stem(path) for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [(path.parent / stem).as_posix() for path, stem in zip(paths, stems, strict=True)]


def _stem(path: Path) -> str:
    name = path.name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def tables_in_memory(paths: Sequence[Path]) -> int:
    """Return about how many bytes the tables take while they are read; absent ones take none."""
    sizes = [
        path.stat().st_size * _BYTES_A_BYTE.get(path.suffix, _PLAIN)
        for path in paths
        if path.exists()
    ]
    return _INTERPRETER + sum(sizes)


def are_simulated(associations: pd.DataFrame) -> bool:
    """Tell whether variants bear the ids of simulated genomes."""
    ids = associations["variant_id"].head(100)
    return bool(len(ids)) and bool(ids.str.startswith(SIMULATED_IDS).all())
