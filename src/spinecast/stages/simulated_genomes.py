"""A simulated cohort as files of a genetic study: genotypes, traits, covariates, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress
from spinecast.cohort.sources.simulated import SimulatedSource
from spinecast.errors import error
from spinecast.files import write_table, write_text
from spinecast.genotypes import write_bed, write_bgen, write_pgen
from spinecast.stages.genotype_inputs import Teller, gibibytes

NAME = "genomes"
TRUTH = "simulated-truth"
"""What names of files begin with that no study could have."""

MEASURED = (
    "bmd_spine", "bmd_femoral_neck", "bmd_total_hip", "lumbar_area", "lumbar_width",
    "lumbar_height", "height", "weight",
)  # fmt: skip
"""Traits, as the densitometer and the scales read them at the first visit."""

OF_CASES = ("osteoporosis", "prior_fracture")

_BLOCK = 2048
_WRITERS: Mapping[str, tuple[str, Callable[..., Path]]] = MappingProxyType(
    {"plink": (".bed", write_bed), "pgen": (".pgen", write_pgen), "bgen": (".bgen", write_bgen)}
)
LAYOUTS = tuple(_WRITERS)


class SimulatedGenomes(Protocol):
    """What is asked of genomes here."""

    samples: pd.DataFrame
    variants: pd.DataFrame

    def __len__(self) -> int:
        """Return the number of variants."""

    def blocks(self, size: int) -> Iterator[NDArray[np.int8]]:
        """Yield calls in blocks of variants."""


def write_simulated_genomes(
    preset: str, folder: Path, *, layout: str, seed: int, teller: Teller
) -> str:
    """Write a simulated cohort as a genetic study has it, and say what was written.

    Parameters
    ----------
    preset
        One with genomes: ``gwas-tiny``, ``gwas-demo``.
    folder
        Where ``genomes`` (.bed, .pgen or .bgen with its tables), ``traits.tsv`` (measured at
        the first visit), ``case-control.tsv`` (0 and 1), ``covariates.tsv`` (sex, 1 for men;
        age and its square) and ``simulated-truth-*.csv`` go. Nothing but tests and the
        curious should read the last.
    layout
        One of :data:`LAYOUTS`.
    seed
        The world's.
    teller
        Hears what is done.

    Returns
    -------
    str
        One sentence with the counts.

    Raises
    ------
    RunError
        SC-702 an unknown preset, SC-706 one without genomes, or another layout.
    """
    if layout not in _WRITERS:
        raise error("SC-706", expected=" or ".join(_WRITERS), got=repr(layout), where="--layout")
    source = SimulatedSource(preset, seed)
    with teller.step("plan"):
        genomes = source.genomes()
    n, v = len(genomes.samples), len(genomes)
    largest = int(genomes.variants["chromosome"].value_counts().max())
    teller.say(f"{n:,} people, {v:,} variants; about {gibibytes((400 << 20) + 4 * n * largest)} "
               "of memory")  # fmt: skip
    suffix, write = _WRITERS[layout]
    with teller.step("genomes", "variants") as progress:
        write(
            folder / NAME,
            samples=genomes.samples,
            variants=genomes.variants,
            calls=_counted(genomes, progress),
        )
    with teller.step("tables"):
        visits = source.load()
        traits = _write_tables(folder, visits.people, visits.visits)
        _write_truth(folder, genomes)
    return (
        f"{n:,} people, {v:,} variants ({NAME}{suffix}), {traits} traits; what is true of them "
        f"in {TRUTH}-*.csv"
    )


def _counted(genomes: SimulatedGenomes, progress: Progress) -> Iterator[NDArray[np.int8]]:
    done = 0
    for block in genomes.blocks(_BLOCK):
        yield block
        done += len(block)
        progress(done, len(genomes))


def _write_tables(folder: Path, people: pd.DataFrame, visits: pd.DataFrame) -> int:
    first = visits[visits["visit"] == 0].merge(people[["person_id", "sex"]], on="person_id")
    ids = {"#FID": first["person_id"], "IID": first["person_id"]}
    age = first["age"]
    covariates = {"sex": (first["sex"] == "M").astype(int), "age": age, "age_squared": age**2}
    _write(folder / "traits.tsv", {**ids, **{name: first[name] for name in MEASURED}})
    _write(folder / "case-control.tsv", {**ids, **{name: first[name] for name in OF_CASES}})
    _write(folder / "covariates.tsv", {**ids, **covariates})
    return len(MEASURED) + len(OF_CASES)


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    table = pd.DataFrame(dict(columns))
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="NA", float_format="%.10g"))


def _write_truth(folder: Path, genomes: Any) -> None:
    """Write causal variants, relatives, ancestry with faults of samples, faults of variants."""
    samples = genomes.ancestry().merge(genomes.planted(), on="sample_id", how="left")
    tables = {
        "causal-variants": genomes.causal(),
        "relatives": genomes.relatives(),
        "samples": samples.assign(fault=samples["fault"].fillna("")),
        "ill-typed-variants": genomes.planted_variants(),
    }
    for name, table in tables.items():
        write_table(folder / f"{TRUTH}-{name}.csv", table)
