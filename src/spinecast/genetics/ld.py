"""Linkage disequilibrium: variants pruned, associations clumped, neighbours of a lead variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.genetics.chromosomes import (
    ChromosomeRun,
    autosomal,
    chosen,
    chosen_samples,
    chromosome_runs,
)
from spinecast.genetics.hard_calls import bit_planes, packed_calls, split_planes
from spinecast.genetics.linkage import SMALL, genotype_r2, haplotype_r2_with, prune_windows
from spinecast.genotypes.decode import count_calls
from spinecast.genotypes.genotypes import Genotypes, Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Variants whose bits are held at a time, at least.
_SLAB = 4096
_BASE_PAIRS_PER_KB = 1000.0


@dataclass(frozen=True)
class Pruning:
    """Places kept and removed, both ascending: PLINK's ``prune.in`` and ``prune.out``."""

    kept: Places
    removed: Places


@dataclass(frozen=True)
class _Window:
    size: int
    step: int
    in_kb: bool
    limit: float


@dataclass(frozen=True)
class _Task:
    genotypes: Genotypes
    run: ChromosomeRun
    people: Places
    window: _Window


def prune(
    genotypes: Genotypes,
    *,
    window: float = 500,
    step: int = 10,
    r2: float = 0.1,
    unit: str = "variants",
    variants: Places | None = None,
    samples: Places | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Pruning:
    """Remove variants until no window holds a pair in linkage.

    The rule is that of ``--indep-pairwise`` in PLINK 1.9 and in PLINK 2 up to its 2023 alphas
    (later ones: ``--indep-order 1``), and the lists are identical on autosomes. Of a pair with
    r-square of allele counts above ``r2`` the variant with the rarer minor allele goes, of
    equals the later one; the order in which pairs are looked at is theirs, too. Variants that
    do not vary go, unless nothing lies in their window. Chromosomes are walked side by side;
    at most window x variants pairs are compared, two counts of bits for 64 samples each.

    Parameters
    ----------
    genotypes
        Opened genotypes; positions ascend within chromosomes.
    window
        Size in ``unit``; "500 10 0.1" on PLINK's command line means 500 variants, not kb.
        PLINK 1.9 drops parts of a kb.
    step
        Variants the window moves on; 1 with kb, as PLINK 2 demands.
    r2
        Limit, 0 up to but not 1.
    unit
        "variants" or "kb".
    variants
        Places to prune; None for all. Others than autosomal ones are in neither list.
    samples
        Places of unrelated people; None for all.
    cluster, progress
        See :func:`spinecast.cluster.map_blocks`.

    Raises
    ------
    GeneticsError
        SC-520 positions not ascending, SC-522 no autosomal variants, SC-525 window, step or
        limit impossible.
    """
    rule = _checked_window(window, step, r2=r2, unit=unit)
    people = chosen_samples(genotypes, samples)
    places = autosomal(genotypes, variants)
    tasks = [_Task(genotypes, run, people, rule) for run in chromosome_runs(genotypes, places)]
    removed = map_blocks(_prune_run, tasks, cluster=cluster, label="prune", progress=progress)
    gone = np.zeros(genotypes.n_variants, dtype=np.bool_)
    for task, out in zip(tasks, removed, strict=True):
        gone[task.run.places[out]] = True
    return Pruning(places[~gone[places]], places[gone[places]])


def _checked_window(window: float, step: int, *, r2: float, unit: str) -> _Window:
    in_kb = unit == "kb"
    size = int(window * _BASE_PAIRS_PER_KB * (1.0 + SMALL)) if in_kb else int(window)
    right = unit in {"kb", "variants"} and size >= (1 if in_kb else 2)
    if not right or not 0.0 <= r2 < 1.0 or step < 1 or (in_kb and step != 1):
        got = f"window {window:g} {unit}, step {step}, r2 {r2:g}"
        expected = "a window of variants or of kb (step 1), and r2 from 0 and below 1"
        raise error("SC-525", expected=expected, got=got, where="prune")
    return _Window(size, step, in_kb, r2 * (1.0 + SMALL))


def _prune_run(task: _Task) -> BoolArray:
    """Return which variants of a chromosome go."""
    run, n = task.run, task.people.size
    counts = np.concatenate(
        [
            count_calls(packed_calls(task.genotypes, run.places[at : at + _SLAB], task.people), n)
            for at in range(0, run.places.size, _SLAB)
        ]
    )
    two, one, none, _ = counts.T
    called = two + one + none
    sums = np.column_stack([called, two - none, two + none])
    major = np.maximum(2 * two + one, 2 * none + one) / np.maximum(2 * called, 1)
    constant = (one == called) | (two == called) | (none == called)
    removed = constant & ~_alone(run.locations, task.window)
    unchecked = np.zeros(called.size, dtype=np.int64)
    for windows in _slabs(_windows(run.locations, task.window)):
        start, stop = int(windows[0, 0]), int(windows[-1, 1])
        planes = bit_planes(task.genotypes, run.places[start:stop], task.people)
        here, ahead = removed[start:stop], unchecked[start:stop] - start
        prune_windows(
            planes.homozygous,
            planes.carries,
            n,
            sums[start:stop],
            major[start:stop],
            windows - start,
            task.window.limit,
            here,
            ahead,
        )
        unchecked[start:stop] = ahead + start
    return removed


def _alone(locations: Ints, window: _Window) -> BoolArray:
    """Return which variants have no neighbour, so that PLINK never looks at them."""
    if not window.in_kb:
        return np.full(locations.size, locations.size == 1)
    far = np.diff(locations) > window.size
    return np.append(far, True) & np.insert(far, 0, True)


def _windows(locations: Ints, window: _Window) -> Ints:
    """Return first and behind-the-last variant of every window, (w, 2)."""
    total = locations.size
    if not window.in_kb:
        last = max(0, -(-(total - window.size) // window.step))
        every = np.arange(last + 1, dtype=np.int64) * window.step
        return np.column_stack([every, np.minimum(every + window.size, total)])
    starts = [0]
    ends = [int(np.searchsorted(locations, locations[0] + window.size, side="right"))]
    while ends[-1] < total:
        least = locations[ends[-1]] - window.size
        start = max(starts[-1] + 1, int(np.searchsorted(locations, least, side="left")))
        starts.append(start)
        ends.append(int(np.searchsorted(locations, locations[start] + window.size, side="right")))
    return np.column_stack([starts, ends]).astype(np.int64)


def _slabs(windows: Ints) -> list[Ints]:
    """Group windows so that each group spans few variants, yet at least a window."""
    span = max(_SLAB, 2 * int((windows[:, 1] - windows[:, 0]).max()))
    groups, first = [], 0
    while first < len(windows):
        behind = int(np.searchsorted(windows[:, 1], windows[first, 0] + span, side="right"))
        groups.append(windows[first : max(behind, first + 1)])
        first = max(behind, first + 1)
    return groups


def linkage_with(
    genotypes: Genotypes,
    lead: int,
    variants: Places,
    *,
    samples: Places | None = None,
    measure: str = "genotypes",
) -> Floats:
    """Return r-square of one variant with others.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    lead
        Place of the one.
    variants
        Places of the others, (v,).
    samples
        Places; None for all.
    measure
        "genotypes": squared correlation of allele counts over people called at both;
        "haplotypes": r-square of the most likely haplotypes.

    Returns
    -------
    float64 array
        (v,); NaN where one of the two does not vary.

    Raises
    ------
    GeneticsError
        SC-525 for another measure.
    """
    if measure not in {"genotypes", "haplotypes"}:
        raise error("SC-525", expected="genotypes or haplotypes", got=repr(measure))
    people = chosen_samples(genotypes, samples)
    places = chosen(genotypes, np.append(variants, lead).astype(np.int64))
    planes = split_planes(packed_calls(genotypes, places, people), people.size)
    others = np.arange(variants.size)
    counted = genotype_r2 if measure == "genotypes" else haplotype_r2_with
    return np.asarray(counted(planes.homozygous, planes.carries, variants.size, others))


@dataclass(frozen=True)
class Clumps:
    """Associations gathered around their strongest variants.

    Parameters
    ----------
    table
        A row a clump, strongest first: ``variant_id``, ``chromosome``,
        ``base_pair_location``, ``p_value``; ``start``, ``end`` of its members; ``members``
        with p below ``p2``, ``others`` with larger p, both without the index variant.
    members
        ``index_id``, ``variant_id``, ``p_value``, ``r2``: those with p below ``p2``.
    absent
        Associations whose variant is not among the genotypes.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    absent: int


@dataclass(frozen=True)
class _Clumping:
    p1: float
    p2: float
    r2: float
    reach: float
    measure: str


def clump(
    associations: pd.DataFrame,
    genotypes: Genotypes,
    *,
    p1: float = 1e-4,
    p2: float = 0.01,
    r2: float = 0.5,
    kb: float = 250.0,
    measure: str = "haplotypes",
    samples: Places | None = None,
    progress: Progress | None = None,
) -> Clumps:
    """Gather associations into clumps, as PLINK 1.9's ``--clump`` does.

    From the smallest p on, every variant that is in no clump yet begins one; variants within
    ``kb`` and with r-square above ``r2`` join it, whatever their p.

    Parameters
    ----------
    associations
        ``variant_id`` and ``p_value``; ``neg_log_10_p_value``, where there, orders p values
        too small for a float.
    genotypes
        People whose linkage is used, of the ancestry of the associations.
    p1, p2
        Largest p of an index variant; p below which a member is listed.
    r2, kb
        Limits of linkage and distance.
    measure
        See :func:`linkage_with`; PLINK 1.9 uses haplotypes.
    samples, progress
        Places of unrelated people, None for all; called after each chromosome.

    Raises
    ------
    GeneticsError
        SC-525 for impossible limits, SC-527 where no association is among the genotypes.
    """
    if not (0.0 < p1 <= 1.0 and 0.0 < p2 <= 1.0 and 0.0 <= r2 < 1.0 and kb >= 0.0):
        got = f"p1 {p1:g}, p2 {p2:g}, r2 {r2:g}, kb {kb:g}"
        raise error("SC-525", expected="shares and a distance", got=got, where="clump")
    rule = _Clumping(p1, p2, r2, kb * _BASE_PAIRS_PER_KB, measure)
    people = chosen_samples(genotypes, samples)
    found, absent = _located(associations, genotypes)
    clumps: list[dict[str, Any]] = []
    members: list[pd.DataFrame] = []
    chromosomes = found.groupby("chromosome", sort=False)
    for done, (_, rows) in enumerate(chromosomes, start=1):
        _clump_chromosome(rows, (genotypes, people, rule), into=(clumps, members))
        if progress is not None:
            progress(done, len(chromosomes))
    columns = ["variant_id", "chromosome", "base_pair_location", "p_value", "strength"]
    columns += ["start", "end", "members", "others"]
    table = pd.DataFrame(clumps, columns=columns)
    table = table.sort_values("strength", ascending=False, kind="stable", ignore_index=True)
    names = ["index_id", "variant_id", "p_value", "r2"]
    listed = pd.concat(members, ignore_index=True) if members else pd.DataFrame(columns=names)
    return Clumps(table.drop(columns="strength"), listed[names], absent)


def _located(associations: pd.DataFrame, genotypes: Genotypes) -> tuple[pd.DataFrame, int]:
    table = genotypes.variants[["variant_id", "chromosome", "base_pair_location"]]
    table = table.assign(place=np.arange(len(table))).drop_duplicates("variant_id")
    p = associations["p_value"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore"):
        strength = -np.log10(p)
    if "neg_log_10_p_value" in associations:
        strength = associations["neg_log_10_p_value"].to_numpy(dtype=np.float64)
    given = pd.DataFrame({"variant_id": associations["variant_id"].to_numpy(), "p_value": p})
    given = given.assign(strength=strength).dropna()
    found = given.merge(table, on="variant_id", sort=False)
    if found.empty:
        got = f"none of {len(associations)} in {genotypes.origin}"
        raise error("SC-527", expected="associations of these variants", got=got, where="clump")
    return found.sort_values("place", kind="stable"), len(given) - len(found)


def _clump_chromosome(
    rows: pd.DataFrame,
    source: tuple[Genotypes, Places, _Clumping],
    *,
    into: tuple[list[dict[str, Any]], list[pd.DataFrame]],
) -> None:
    genotypes, people, rule = source
    rows = rows.sort_values(["base_pair_location", "place"], kind="stable", ignore_index=True)
    locations = rows["base_pair_location"].to_numpy(dtype=np.float64)
    p, places = rows["p_value"].to_numpy(), rows["place"].to_numpy(dtype=np.int64)
    taken = np.zeros(len(rows), dtype=np.bool_)
    for index in np.argsort(-rows["strength"].to_numpy(), kind="stable"):
        if p[index] > rule.p1:
            break
        if taken[index]:
            continue
        near = np.abs(locations - locations[index]) <= rule.reach
        near[index] = False
        around = np.flatnonzero(near & ~taken)
        linkage = linkage_with(
            genotypes, int(places[index]), places[around], samples=people, measure=rule.measure
        )
        joined = around[linkage > rule.r2]
        taken[joined] = True
        taken[index] = True
        listed = p[joined] < rule.p2
        strong = joined[listed]
        reach = locations[np.append(strong, index)]
        row = rows.iloc[index].drop("place").to_dict()
        row |= {"start": int(reach.min()), "end": int(reach.max())}
        into[0].append(row | {"members": int(listed.sum()), "others": int((~listed).sum())})
        part = rows.iloc[strong][["variant_id", "p_value"]]
        r2 = linkage[linkage > rule.r2][listed]
        into[1].append(part.assign(index_id=row["variant_id"], r2=r2))
