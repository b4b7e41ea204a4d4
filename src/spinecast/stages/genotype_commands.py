"""Commands `genotypes prune`, `clump`, `kinship` and `ld-scores`: linkage and relatives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.files import write_json, write_table
from spinecast.genetics.alleles import require_matching_alleles
from spinecast.genetics.ld import clump, prune
from spinecast.genetics.ld_score_tables import reference_scores, write_ld_scores
from spinecast.genetics.ld_scores import UNITS, compute_ld_scores
from spinecast.genetics.quality import variant_summary
from spinecast.genetics.relatedness import (
    DEGREES,
    king_kinship,
    people_with_many_relatives,
    unrelated_people,
)
from spinecast.genetics.summary_statistics import read_summary_statistics
from spinecast.genotypes.genotypes import Places
from spinecast.stages.genotype_inputs import (
    ChosenGenotypes,
    GenotypeChoice,
    Teller,
    open_choice,
    parse_window,
    write_people,
    write_variants,
)

# Variants of linkage held as bits at a time, and rows of LD scores' tiles.
_SLAB, _TILE_ROWS = 8192, 512


@dataclass(frozen=True)
class Limits:
    """Limits of linkage.

    Parameters
    ----------
    window
        Such as ``500`` (variants), ``10000kb`` or, for LD scores, ``1cM``.
    step
        Variants the window moves on; None for 10, or 1 with kb.
    r2
        Largest squared correlation.
    maf
        Variants with a rarer minor allele are left out first.
    """

    window: str
    step: int | None = None
    r2: float = 0.1
    maf: float = 0.0


def prune_variants(choice: GenotypeChoice, folder: Path, limits: Limits, *, teller: Teller) -> str:
    """Write ``prune.in`` and ``prune.out`` as PLINK's ``--indep-pairwise``; say how many.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-520 to SC-525, SC-570, SC-571.
    """
    window, unit = parse_window(limits.window)
    step = limits.step if limits.step is not None else (1 if unit == "kb" else 10)
    chosen = open_choice(choice)
    n = len(chosen.people)
    teller.say(chosen.sentence(_SLAB * n // 2))
    offered = _common(chosen, limits.maf, teller=teller)
    with teller.step("prune", "chromosomes") as progress:
        found = prune(
            chosen.genotypes,
            window=window,
            step=step,
            r2=limits.r2,
            unit=unit,
            variants=offered,
            samples=chosen.samples,
            cluster=choice.cluster,
            progress=progress,
        )
    write_variants(folder / "prune.in", chosen.genotypes, found.kept)
    write_variants(folder / "prune.out", chosen.genotypes, found.removed)
    total = len(chosen.places)
    counts = {"kept": len(found.kept), "in linkage": len(found.removed)}
    counts["not above the least frequency"] = total - len(offered)
    counts["not on autosomes"] = total - sum(counts.values())
    write_json(folder / "flow.json", {"variants": {"given": total, **counts}})
    return f"{len(found.kept):,} of {total:,} variants kept: {folder / 'prune.in'}"


def _common(chosen: ChosenGenotypes, maf: float, *, teller: Teller) -> Places:
    """Return the chosen variants whose minor allele is more frequent than ``maf``."""
    if maf <= 0:
        return chosen.places
    with teller.step("frequencies", "blocks") as progress:
        summary = variant_summary(
            chosen.genotypes, variants=chosen.places, samples=chosen.samples, progress=progress
        )
    return np.asarray(summary.index[summary["maf"] > maf], dtype=np.int64)


def clump_associations(
    sumstats: Path,
    choice: GenotypeChoice,
    folder: Path,
    *,
    p1: float,
    p2: float,
    r2: float,
    kb: float,
    teller: Teller,
) -> str:
    """Write ``clumps.csv`` and ``members.csv`` as PLINK 1.9's ``--clump``; say how many.

    Parameters
    ----------
    sumstats
        GWAS-SSF or a scan's ``.parquet``.
    choice
        People whose linkage is used.
    folder
        Where the tables go.
    p1, p2, r2, kb
        See :func:`~spinecast.genetics.ld.clump`.
    teller
        Hears what is done.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-525, SC-527, SC-550 to SC-554, SC-570, SC-571.
    """
    chosen = open_choice(choice)
    teller.say(chosen.sentence(_SLAB * len(chosen.people) // 2 + 8 * sumstats_bytes(sumstats)))
    with teller.step("read"):
        associations = read_summary_statistics(sumstats, build=choice.build).table
    require_matching_alleles(
        associations, chosen.genotypes.variants, where=f"{sumstats.name} and the genotypes"
    )
    with teller.step("clump", "chromosomes") as progress:
        found = clump(
            associations,
            chosen.genotypes,
            p1=p1,
            p2=p2,
            r2=r2,
            kb=kb,
            samples=chosen.samples,
            progress=progress,
        )
    write_table(folder / "clumps.csv", found.table)
    write_table(folder / "members.csv", found.members)
    absent = f"; {found.absent:,} associations have no genotypes" if found.absent else ""
    return f"{len(found.table):,} clumps{absent}: {folder / 'clumps.csv'}"


def sumstats_bytes(path: Path) -> int:
    """Return the size of a table, 0 where there is none (its reader will say so)."""
    return path.stat().st_size if path.exists() else 0


def estimate_kinship(
    choice: GenotypeChoice,
    folder: Path,
    *,
    above: float,
    most_relatives: int,
    teller: Teller,
) -> str:
    """Write related pairs, and lists of unrelated people and of people with many relatives.

    Parameters
    ----------
    choice
        Genotypes.
    folder
        Where ``pairs.csv``, ``unrelated.txt``, ``many-relatives.txt`` and ``flow.json`` go.
    above
        Kinship from which a pair is listed and two people count as related.
    most_relatives
        People with more relatives of third degree are taken for bad samples.
    teller
        Hears what is done.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-522, SC-570, SC-571.
    """
    chosen = open_choice(choice)
    n, v = len(chosen.people), len(chosen.places)
    teller.say(f"{chosen.sentence(n * v // 4 + 2048 * n)}; {n * (n - 1) // 2:,} pairs")
    with teller.step("kinship", "strips") as progress:
        pairs = king_kinship(
            chosen.genotypes,
            variants=chosen.variants,
            samples=chosen.samples,
            above=above,
            progress=progress,
        )
    many = people_with_many_relatives(pairs, more_than=most_relatives)
    places = np.setdiff1d(chosen.people, many)
    unrelated = unrelated_people(pairs, places, above=above)
    write_table(folder / "pairs.csv", pairs.drop(columns=["place_1", "place_2"]))
    write_people(folder / "unrelated.txt", chosen.genotypes, unrelated)
    write_people(folder / "many-relatives.txt", chosen.genotypes, many)
    dropped = {"more relatives than allowed": len(many), "related": len(places) - len(unrelated)}
    write_json(folder / "flow.json",
               {"people": {"given": n, "dropped": dropped, "used": len(unrelated)}})  # fmt: skip
    return f"{_degrees(pairs)}; {len(unrelated):,} of {n:,} people unrelated"


def _degrees(pairs: pd.DataFrame) -> str:
    counts = pairs["degree"].value_counts()
    words = [f"{int(counts.get(k, 0)):,} {name}" for k, name in enumerate(DEGREES)]
    return f"Related pairs: {', '.join(words)} degree"


def score_linkage(
    choice: GenotypeChoice, folder: Path, *, window: str, name: str, teller: Teller
) -> str:
    """Write LD scores as ``NAME.l2.ldscore.gz`` and ``NAME.l2.M_5_50``; say how many.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-520 to SC-526, SC-570, SC-571.
    """
    size, unit = parse_window(window, units=[u for u in UNITS if u != "variants"])
    chosen = open_choice(choice)
    teller.say(chosen.sentence(8 * _TILE_ROWS * (4 * len(chosen.people) + 8 * _TILE_ROWS)))
    with teller.step("LD scores", "chromosomes") as progress:
        scores = compute_ld_scores(
            chosen.genotypes,
            window=size,
            unit=unit,
            variants=chosen.variants,
            samples=chosen.samples,
            cluster=choice.cluster,
            progress=progress,
        )
    write_ld_scores(folder, reference_scores(scores), name=name)
    return (
        f"{scores.n_variants:,} LD scores ({scores.n_common:,} common variants; "
        f"{scores.constant:,} constant ones left out): {folder}"
    )
