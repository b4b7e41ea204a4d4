"""Command `loci`: lead variants of several traits, which are known, which others replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spinecast.errors import error
from spinecast.files import write_json, write_table
from spinecast.genetics.alleles import require_matching_alleles
from spinecast.genetics.loci import (
    correlations_in,
    find_loci,
    lead_variants,
    overlap_with_known,
    prune_leads,
    replication,
)
from spinecast.genetics.summary_statistics import (
    SummaryStatistics,
    read_summary_statistics,
    require_same_build,
)
from spinecast.stages.association_tables import are_simulated, names_of, tables_in_memory
from spinecast.stages.genotype_inputs import (
    ChosenGenotypes,
    GenotypeChoice,
    Teller,
    gibibytes,
    open_choice,
    parse_window,
)
from spinecast.stages.references import read_known_loci

_RENAMED = {name: f"replication_{name}" for name in ("same_sign", "nominal", "bonferroni")}


@dataclass(frozen=True)
class LociRequest:
    """What the loci of several traits are made of.

    Parameters
    ----------
    sumstats
        Associations of each trait.
    build
        Genome build where a table does not name it.
    p_value
        Variants below it count.
    block
        ``1000kb`` for the lowest p of each such block of the genome; None to join
        variants at most 500 kb apart.
    most
        So many loci a trait, the strongest; None for all.
    choice
        Genotypes for the linkage between leads; None leaves all of them.
    r2
        Leads with a squared correlation above it to a stronger one are left out.
    known
        Table of known loci, or None.
    replications
        None, or associations of other people: one table for all traits or one a trait.
    """

    sumstats: tuple[Path, ...]
    build: str | None = None
    p_value: float = 5e-8
    block: str | None = None
    most: int | None = None
    choice: GenotypeChoice | None = None
    r2: float = 0.9
    known: Path | None = None
    replications: tuple[Path, ...] = ()


@dataclass(frozen=True)
class GatheredLoci:
    """The loci, as written to ``loci.csv``, and what ``flow.json`` says of them."""

    table: pd.DataFrame
    flow: dict[str, Any]
    simulated: bool


def gather_loci(request: LociRequest, folder: Path, *, teller: Teller) -> GatheredLoci:
    """Find the loci of every trait; tell which are known, and what others find there.

    Parameters
    ----------
    request
        What is asked.
    folder
        Where ``loci.csv`` and ``flow.json`` go.
    teller
        Hears what is done.

    Raises
    ------
    RunError
        SC-706 for a block that is none, or replications that do not match the traits.
    GeneticsError
        SC-501 to SC-514, SC-570 and SC-571 of genotypes; SC-510, SC-550 and SC-554 of tables;
        SC-552 builds differ, SC-553 alleles clash, SC-573 known loci.
    """
    block = None if request.block is None else _base_pairs(request.block)
    others = _paired(request)
    chosen = None if request.choice is None else open_choice(request.choice)
    size = tables_in_memory((*request.sumstats, *request.replications))
    words = f"Loci of {len(request.sumstats)} tables; about {gibibytes(size)} of memory"
    teller.say(words if chosen is None else chosen.sentence(size))
    loci, elsewhere = _search(request, chosen, others, block=block, teller=teller)
    flow: dict[str, Any] = {"given": len(loci), "dropped": {}}
    if chosen is not None:
        with teller.step("linkage"):
            correlations = correlations_in(chosen.genotypes, samples=chosen.samples)
            loci = prune_leads(loci, correlations, r2=request.r2)
        flow["dropped"] = {"in linkage with a stronger lead": flow["given"] - len(loci)}
    flow["used"] = len(loci)
    if request.known is not None:
        loci = overlap_with_known(loci, read_known_loci(request.known))
        flow["known"] = int(loci["known"].sum())
    if elsewhere:
        loci = _replicated(loci, elsewhere)
        flow |= _count_replicated(loci)
    write_table(folder / "loci.csv", loci)
    write_json(folder / "flow.json", {"loci": flow})
    return GatheredLoci(loci, flow, are_simulated(loci))


def _search(
    request: LociRequest,
    chosen: ChosenGenotypes | None,
    others: Sequence[Path | None],
    *,
    block: int | None,
    teller: Teller,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return all traits' loci, and by trait the rows that another study has for them."""
    found, elsewhere, build = [], {}, request.build
    names = names_of(request.sumstats)
    for name, path, other in zip(names, request.sumstats, others, strict=True):
        with teller.step(name):
            scan = _read(path, request, build=build)
            build = scan.build
            if chosen is not None:
                where = f"{path.name} and the genotypes"
                require_matching_alleles(scan.table, chosen.genotypes.variants, where=where)
            leads = _leads(scan.table, request, block=block)
            if other is not None:
                second = _read(other, request, build=build).table
                where = f"{path.name} and {other.name}"
                require_matching_alleles(scan.table, second, where=where)
                elsewhere[name] = second[second["variant_id"].isin(leads["variant_id"])]
            leads.insert(0, "trait", name)
            found.append(leads)
    return pd.concat(found, ignore_index=True), elsewhere


def _paired(request: LociRequest) -> list[Path | None]:
    """Return the replication of each trait, None where there is none."""
    traits, given = len(request.sumstats), request.replications
    if len(given) not in {0, 1, traits}:
        raise error("SC-706", expected=f"one table, or one for each of {traits} traits",
                    got=str(len(given)), where="--replication")  # fmt: skip
    return list(given) if len(given) == traits else [*(given or (None,))] * traits


def _base_pairs(text: str) -> int:
    size, unit = parse_window(text)
    if unit != "kb" or size <= 0:
        raise error("SC-706", expected="a length such as 1000kb", got=repr(text), where="--block")
    return round(size * 1000)


def _read(path: Path, request: LociRequest, *, build: str | None) -> SummaryStatistics:
    """Read a table that must be of this build; nothing is taken to be of it without saying so."""
    scan = read_summary_statistics(path, build=request.build)
    require_same_build(build or scan.build, scan.build, where=path.name)
    return scan


def _leads(table: pd.DataFrame, request: LociRequest, *, block: int | None) -> pd.DataFrame:
    if block is None:
        loci = find_loci(table, threshold=request.p_value)
    else:
        loci = lead_variants(table, threshold=request.p_value, block=block, most=None)
    strongest = loci.nlargest(request.most or len(loci), "neg_log_10_p_value")
    return strongest.sort_index().reset_index(drop=True)


def _replicated(loci: pd.DataFrame, others: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Add what others find; each trait's loci are corrected for their number."""
    parts = [
        replication(of_trait, others[str(trait)]).set_index(of_trait.index)
        for trait, of_trait in loci.groupby("trait", sort=False)
    ]
    if not parts:
        return loci
    found = pd.concat(parts).drop(columns=["variant_id", "beta"])
    return loci.join(found.rename(columns=_RENAMED))


def _count_replicated(loci: pd.DataFrame) -> dict[str, int]:
    if "replication_p" not in loci.columns:
        return {}
    return {
        "found by others too": int(loci["replication_p"].notna().sum()),
        "same direction": int(loci["replication_same_sign"].sum()),
        "replicated at p < 0.05": int(loci["replication_nominal"].sum()),
        "replicated after Bonferroni": int(loci["replication_bonferroni"].sum()),
    }
