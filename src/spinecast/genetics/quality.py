"""Quality of variants: what each looks like among the chosen people, and which are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.genetics.chromosomes import AUTOSOMES, chosen, chosen_samples
from spinecast.genetics.hard_calls import hard_calls, packed_calls
from spinecast.genetics.hardy_weinberg import hardy_weinberg_mid_p
from spinecast.genotypes.decode import count_calls, select_samples, to_packed
from spinecast.genotypes.genotypes import Genotypes, PackedCalls, Places

Counts = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BLOCK = 2048
# Both copies of these are called in both sexes.
_DIPLOID = AUTOSOMES | {"XY", "0"}


@dataclass(frozen=True)
class Selection:
    """What is kept, and how many each rule left out.

    Parameters
    ----------
    places
        Places kept, ascending.
    flow
        One row a rule, in the order applied: ``rule``, ``excluded``, ``left``.
    """

    places: Places
    flow: pd.DataFrame


def apply_rules(places: Places, rules: Sequence[tuple[str, BoolArray]]) -> Selection:
    """Apply rules in order; each is counted among those still there.

    Parameters
    ----------
    places
        What the rules' entries stand for, (m,).
    rules
        Label of the flow chart and what passes, (m,).
    """
    passing = np.ones(places.size, dtype=np.bool_)
    steps = []
    for label, keep in rules:
        left = passing & keep
        steps.append((label, int(passing.sum() - left.sum()), int(left.sum())))
        passing = left
    flow = pd.DataFrame(steps, columns=["rule", "excluded", "left"])
    return Selection(np.sort(places[passing]), flow)


@dataclass(frozen=True)
class _Block:
    genotypes: Genotypes
    variants: Places
    samples: Places
    sex: NDArray[np.int64]


def variant_summary(
    genotypes: Genotypes,
    *,
    variants: Places | None = None,
    samples: Places | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Describe every variant among the chosen people.

    Males count one allele on X and Y, and a heterozygous call of theirs there is missing;
    females are left out on Y. Frequencies are of calls or, where files hold dosages, of
    dosages; hard calls are then the nearest number of alleles.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    variants, samples
        Places to look at; None for all. Hardy-Weinberg equilibrium expects unrelated people
        of one ancestry.
    cluster, progress
        See :func:`spinecast.cluster.map_blocks`.

    Returns
    -------
    DataFrame
        Indexed by place among the genotypes' variants: the columns of ``genotypes.variants``;
        ``n`` people with a call, ``missing`` share without; ``effect_allele_frequency``,
        ``maf``; ``hwe_p`` (exact mid-p; females on X, NaN on Y and MT); ``info``, variance of
        the dosage over 2 p (1 - p) as MaCH's r-square, NaN where files hold hard calls.
    """
    places, people = chosen(genotypes, variants), chosen_samples(genotypes, samples)
    sex = genotypes.samples["sex"].to_numpy(dtype=np.int64)[people]
    blocks = [
        _Block(genotypes, places[start : start + _BLOCK], people, sex)
        for start in range(0, places.size, _BLOCK)
    ]
    parts = map_blocks(
        _summarise, blocks, cluster=cluster, label="variant summary", progress=progress
    )
    names = ("n", "missing", "effect_allele_frequency", "maf", "hwe_p", "info")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in names if parts}
    return genotypes.variants.iloc[places].set_axis(places).assign(**columns)


def _summarise(block: _Block) -> dict[str, NDArray[Any]]:
    if block.genotypes.packed:
        packed = packed_calls(block.genotypes, block.variants, block.samples)
        dosages = None
    else:
        dosages = block.genotypes.dosages(block.variants, samples=block.samples)
        packed = to_packed(hard_calls(dosages))
    counts = count_calls(packed, block.samples.size)
    chromosomes = block.genotypes.variants["chromosome"].to_numpy()[block.variants]
    males = _count_males(packed, block.sex, np.isin(chromosomes, ["X", "Y"]))
    alleles, copies, called, expected = _alleles(counts, males, chromosomes)
    if dosages is not None:
        diploid = np.isin(chromosomes, list(_DIPLOID | {"MT"}))
        alleles, copies, called = _of_dosages(dosages, (alleles, copies, called), diploid)
    frequency = np.full(len(counts), np.nan)
    np.divide(alleles, copies, out=frequency, where=copies > 0)
    tested = np.where((chromosomes == "X")[:, None], counts - males, counts)
    hwe = np.where(np.isin(chromosomes, ["Y", "MT"]), np.nan, hardy_weinberg_mid_p(tested))
    return {
        "n": called.astype(np.int64),
        "missing": 1.0 - called / np.maximum(expected, 1),
        "effect_allele_frequency": frequency,
        "maf": np.minimum(frequency, 1.0 - frequency),
        "hwe_p": hwe,
        "info": _mach_r2(dosages, frequency),
    }


def _count_males(packed: PackedCalls, sex: NDArray[np.int64], where: BoolArray) -> Counts:
    """Count the calls of males on X and Y; 0 elsewhere, where nothing depends on them."""
    counts = np.zeros((len(packed), 4), dtype=np.int64)
    male = np.flatnonzero(sex == 1)
    if where.any():
        counts[where] = count_calls(select_samples(packed[where], male), male.size)
    return counts


def _alleles(
    counts: Counts, males: Counts, chromosomes: NDArray[Any]
) -> tuple[Counts, Counts, Counts, Counts]:
    """Return per variant effect alleles, alleles, people called, people who could be."""
    two, one, none, _ = counts.T
    alleles, copies, called = 2 * two + one, 2 * (two + one + none), two + one + none
    expected = counts.sum(axis=1)
    x, y = chromosomes == "X", chromosomes == "Y"
    male_two, male_one, male_none, _ = males.T
    male_called = male_two + male_none
    on_x = (alleles - male_two - male_one, copies - male_called - 2 * male_one, called - male_one)
    on_y = (male_two, male_called, male_called)
    found = (alleles, copies, called)
    alleles, copies, called = (
        np.select([x, y], [left, right], default=diploid)
        for left, right, diploid in zip(on_x, on_y, found, strict=True)
    )
    return alleles, copies, called, np.where(y, males.sum(axis=1), expected)


def _of_dosages(
    dosages: NDArray[np.float32], of_calls: tuple[Counts, Counts, Counts], diploid: BoolArray
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return effect alleles, alleles and people of the dosages where everybody is diploid."""
    known = (~np.isnan(dosages)).sum(axis=1)
    total = np.nansum(dosages, axis=1, dtype=np.float64)
    of_dosages = (total, 2 * known, known)
    alleles, copies, called = (
        np.where(diploid, here, there) for here, there in zip(of_dosages, of_calls, strict=True)
    )
    return alleles, copies, called


def _mach_r2(
    dosages: NDArray[np.float32] | None, frequency: NDArray[np.float64]
) -> NDArray[np.float64]:
    info = np.full(frequency.size, np.nan)
    if dosages is None:
        return info
    known = ~np.isnan(dosages)
    n = np.maximum(known.sum(axis=1), 1)
    clean = np.where(known, dosages, 0.0).astype(np.float64)
    mean = clean.sum(axis=1) / n
    variance = (clean**2).sum(axis=1) / n - mean**2
    expected = 2.0 * frequency * (1.0 - frequency)
    np.divide(variance, expected, out=info, where=expected > 0)
    return info


def select_variants(
    summary: pd.DataFrame,
    *,
    maf: float = 0.001,
    hwe: float = 1e-5,
    missing: float = 0.05,
    info: float = 0.9,
) -> Selection:
    """Keep variants by the rules of an imputed-variant GWAS, each exclusion counted in order.

    Parameters
    ----------
    summary
        From :func:`variant_summary`.
    maf
        Minor allele frequency must be above it.
    hwe
        Hardy-Weinberg p must be above it, where there is one.
    missing
        Share without a call must not be above it.
    info
        Imputation quality must be above it, where files hold dosages.

    Returns
    -------
    Selection
        Places and flow. Variants that nobody carries are left out first, whatever ``maf``.

    Raises
    ------
    GeneticsError
        SC-525 for a limit that is no share.
    """
    limits = {"maf": maf, "hwe": hwe, "missing": missing, "info": info}
    for name, limit in limits.items():
        if not 0.0 <= limit <= 1.0:
            raise error("SC-525", expected="a number from 0 to 1", got=str(limit), where=name)
    columns = ("maf", "missing", "hwe_p", "info")
    column = {name: summary[name].to_numpy(dtype=np.float64) for name in columns}
    rules = [
        ("constant or never called", column["maf"] > 0.0),
        (f"missing above {missing:g}", column["missing"] <= missing),
        (f"minor allele frequency not above {maf:g}", column["maf"] > maf),
        (f"Hardy-Weinberg p not above {hwe:g}", ~(column["hwe_p"] <= hwe)),
        (f"information not above {info:g}", ~(column["info"] <= info)),
    ]
    return apply_rules(summary.index.to_numpy(dtype=np.int64), rules)
