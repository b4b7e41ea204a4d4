"""Parts of a scan joined to one file per trait, in the column names of GWAS-SSF.

Numbers stay arrays from the part to the file. A few traits are written at a time and variants
in stretches, so that memory grows neither with traits nor with variants.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spinecast.files import atomic_path
from spinecast.genetics.gwas_parts import NUMBERS, TRAITS_AT_A_TIME, ScanTask
from spinecast.genetics.tails import p_of_log10
from spinecast.genotypes.genotypes import Genotypes

ROWS = 1 << 16
_SHARED = ("chromosome", "base_pair_location", "effect_allele", "other_allele", "variant_id")
COLUMNS = (
    "chromosome", "base_pair_location", "effect_allele", "other_allele", "beta",
    "standard_error", "effect_allele_frequency", "p_value", "neg_log_10_p_value",
    "variant_id", "n",
)  # fmt: skip
_REPETITIVE = ["chromosome", "effect_allele", "other_allele", "n"]


@dataclass(frozen=True)
class JoinTask:
    """Traits whose files are to be written from the parts.

    Parameters
    ----------
    genotypes
        Whose variants were tested.
    parts
        The parts and the places of their variants, in order.
    first
        Number of the first of the traits.
    targets
        The traits' files.
    """

    genotypes: Genotypes = field(repr=False)
    parts: tuple[tuple[Path, NDArray[np.int64]], ...] = field(repr=False)
    first: int
    targets: tuple[Path, ...]


def join_tasks(genotypes: Genotypes, tasks: list[ScanTask], targets: list[Path]) -> list[JoinTask]:
    """Return the tasks that write all traits' files, some traits each."""
    parts = tuple((task.part, task.variants) for task in tasks)
    starts = range(0, len(targets), TRAITS_AT_A_TIME)
    return [
        JoinTask(genotypes, parts, start, tuple(targets[start : start + TRAITS_AT_A_TIME]))
        for start in starts
    ]


def run_join_task(task: JoinTask) -> list[tuple[int, int]]:
    """Write the files of some traits, each whole or not at all.

    Variants without a statistic (constant among the trait's people, or explained by the
    covariates) are left out.

    Returns
    -------
    list of (int, int)
        Per trait, variants written and variants left out.
    """
    schema = _schema()
    counts = [(0, 0) for _ in task.targets]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_writer(stack.enter_context(atomic_path(target)), schema))
            for target in task.targets
        ]
        for stretch in _stretches(task.parts):
            places = np.concatenate([v for _, v in stretch]).tobytes()
            shared = _shared_columns(task.genotypes, places)
            numbers = [_numbers(path, task.first, len(writers)) for path, _ in stretch]
            for place, writer in enumerate(writers):
                table = _table(shared, pa.concat_tables([part[place] for part in numbers]))
                kept = table.filter(pc.is_finite(table["beta"])) if _has_gaps(table) else table
                writer.write_table(kept, row_group_size=len(table) or None)
                written, left = counts[place]
                counts[place] = written + len(kept), left + len(table) - len(kept)
    return counts


def release_columns() -> None:
    """Let go of what the files have in common."""
    _shared_columns.cache_clear()


def _stretches(
    parts: tuple[tuple[Path, NDArray[np.int64]], ...],
) -> Iterator[list[tuple[Path, NDArray[np.int64]]]]:
    """Yield neighbouring parts that make a row group together."""
    stretch: list[tuple[Path, NDArray[np.int64]]] = []
    rows = 0
    for path, variants in parts:
        stretch.append((path, variants))
        rows += len(variants)
        if rows >= ROWS:
            yield stretch
            stretch, rows = [], 0
    if stretch:
        yield stretch


def _numbers(part: Path, first: int, count: int) -> list[pa.Table]:
    """Return one table per trait, cut from a part."""
    with pq.ParquetFile(part) as opened:
        table = opened.read_row_group(first // TRAITS_AT_A_TIME, use_threads=False)
    rows = len(table) // count
    return [table.slice(place * rows, rows) for place in range(count)]


@lru_cache(maxsize=4)
def _shared_columns(genotypes: Genotypes, places: bytes) -> dict[str, pa.Array]:
    """Return what every trait's file says of the variants; kept for the next traits' files."""
    table = genotypes.variants[list(_SHARED)].iloc[np.frombuffer(places, dtype=np.int64)]
    return {
        name: pa.array(table[name].to_numpy()).cast(_schema().field(name).type) for name in _SHARED
    }


def _table(shared: dict[str, pa.Array], numbers: pa.Table) -> pa.Table:
    log10_p = numbers["log10_p"].to_numpy()
    columns = {**shared, **{name: numbers[name] for name in NUMBERS if name != "log10_p"}}
    columns["neg_log_10_p_value"] = pa.array(log10_p)
    columns["p_value"] = pa.array(p_of_log10(log10_p))
    return pa.table([columns[name] for name in COLUMNS], schema=_schema())


def _has_gaps(table: pa.Table) -> bool:
    return bool(np.isnan(table["beta"].to_numpy()).any())


def _schema() -> pa.Schema:
    few = pa.dictionary(pa.int32(), pa.string())
    kinds = {
        "chromosome": few, "base_pair_location": pa.int64(), "effect_allele": few,
        "other_allele": few, "variant_id": pa.string(), "n": pa.int32(),
    }  # fmt: skip
    return pa.schema(
        [pa.field(name, kinds.get(name, pa.float64()), nullable=False) for name in COLUMNS]
    )


def _writer(target: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a file: text and counts packed, floats plain, since their digits do not repeat.

    Texts of few kinds go in as dictionaries, which spares hashing them anew for every trait;
    readers that are not told so (no stored schema) give plain text.
    """
    compression = {name: "snappy" if name in (*_SHARED, "n") else "none" for name in COLUMNS}
    return pq.ParquetWriter(
        target,
        schema,
        compression=compression,
        use_dictionary=_REPETITIVE,
        column_encoding={"base_pair_location": "DELTA_BINARY_PACKED"},
        write_statistics=["chromosome", "base_pair_location"],
        store_schema=False,
        write_batch_size=ROWS,
    )
