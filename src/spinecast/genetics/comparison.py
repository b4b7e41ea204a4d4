"""Is one phenotype better than another? Two scans of the same people, compared in numbers.

Manhattan plots compared by eye show mostly noise: both scans share their people,
so differences must be taken variant by variant, and their errors from blocks of
neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.alleles import match_alleles, refuse_clashes
from spinecast.genetics.associations import MEDIAN_CHI_SQUARE, chi_squares, genome_order
from spinecast.genetics.block_jackknife import (
    Estimate,
    FloatArray,
    Jackknifed,
    jackknife_mean,
)
from spinecast.genetics.ld_score_tables import ReferenceScores, estimate_genetic_correlation
from spinecast.genetics.loci import GENOME_WIDE, find_loci
from spinecast.genetics.munging import DEFAULT_RULES, MungingRules, munge
from spinecast.genetics.summary_statistics import SummaryStatistics, require_same_build

_FEWEST_KNOWN = 3


@dataclass(frozen=True)
class ScanComparison:
    """What two scans have in common and where they differ.

    Attributes
    ----------
    estimates
        ``term``, ``estimate``, ``standard_error``, ``ci_low``, ``ci_high``,
        ``p_value`` and ``n`` (variants or loci behind the number).
    loci
        Loci of both scans with ``scan`` (first, second) and ``shared``.
    known
        Known variants found in both, with the chi-square of each scan.
    """

    estimates: pd.DataFrame
    loci: pd.DataFrame
    known: pd.DataFrame


def compare_scans(
    first: SummaryStatistics,
    second: SummaryStatistics,
    *,
    known: pd.DataFrame | None = None,
    ld_scores: ReferenceScores | None = None,
    rules: MungingRules = DEFAULT_RULES,
    threshold: float = GENOME_WIDE,
    distance: int = 500_000,
    blocks: int = 200,
) -> ScanComparison:
    """Compare two scans, e.g. of a measured density and of a score read from images.

    Parameters
    ----------
    first, second
        Associations of two traits; the people may be the same.
    known
        ``variant_id`` of variants known from *other* people. Variants chosen
        because one of these scans found them favour that scan.
    ld_scores
        For the genetic correlation; None leaves it out.
    rules
        How tables are munged for the genetic correlation.
    threshold, distance
        What a locus is; see :func:`spinecast.genetics.loci.find_loci`.
    blocks
        Blocks of the jackknife.

    Returns
    -------
    ScanComparison
        Terms: ``loci_first``, ``loci_second``, ``loci_shared``; ``lambda_gc_*``;
        ``mean_chi_square_*`` and ``mean_chi_square_difference`` (second minus
        first); at known variants ``known_chi_square_difference`` and
        ``effective_sample_size_ratio`` (second over first: by how much larger a
        sample the first trait would have needed); ``rg``.

    Raises
    ------
    GeneticsError
        SC-552 builds differ, SC-553 most alleles clash, SC-556 nothing in common.
    """
    require_same_build(first.build, second.build, where="the two scans")
    pair = _paired(first.table, second.table)
    rows = _genome_rows(pair, blocks)
    loci = _loci(first.table, second.table, threshold=threshold, distance=distance)
    rows += _count_rows(loci)
    at_known = _at_known(pair, known)
    rows += _known_rows(at_known)
    if ld_scores is not None:
        one, two = (munge(scan.table, rules=rules) for scan in (first, second))
        correlation = estimate_genetic_correlation(one, two, ld_scores, blocks=blocks)
        rows.append(_row("rg", correlation.rg, correlation.first.n_variants, null=0.0))
    return ScanComparison(pd.DataFrame(rows), loci, at_known)


def effective_sample_size_ratio(first: FloatArray, second: FloatArray) -> Estimate:
    """Return by how much more a second scan says about the same loci, with delete-one jackknife.

    A truly associated variant's chi-square exceeds 1 in proportion to sample size,
    so that the ratio of the summed excesses is a ratio of sample sizes.

    Parameters
    ----------
    first, second
        Chi-squares at the same independent loci, shape (k,) each.

    Returns
    -------
    Estimate
        NaN with fewer than three loci, or where the first scan shows no excess.
    """
    a, b = first - 1, second - 1
    if a.size < _FEWEST_KNOWN or a.sum() <= 0:
        return Estimate(float("nan"), float("nan"))
    deleted = (b.sum() - b) / (a.sum() - a)
    return Jackknifed(np.array([b.sum() / a.sum()]), deleted[:, None]).of(0)


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    names = ["variant_id", "effect_allele", "other_allele"]
    left = first.assign(first=chi_squares(first))
    right = second.assign(second=chi_squares(second))[[*names, "second"]]
    both = left.drop_duplicates("variant_id").merge(
        right.drop_duplicates("variant_id"), on="variant_id", suffixes=("", "_b")
    )
    both = both[np.isfinite(both["first"]) & np.isfinite(both["second"])]
    if both.empty:
        raise error("SC-556", expected="variants tested in both scans", got="none by that name")
    match = match_alleles(
        (both["effect_allele"], both["other_allele"]),
        (both["effect_allele_b"], both["other_allele_b"]),
    )
    refuse_clashes(match, where="the two scans")
    kept = both[match != 0]
    return kept.iloc[genome_order(kept)].reset_index(drop=True)


def _genome_rows(pair: pd.DataFrame, blocks: int) -> list[dict[str, object]]:
    rows = []
    for scan in ("first", "second"):
        mean = jackknife_mean(pair[scan].to_numpy(), blocks=blocks)
        rows.append(_row(f"mean_chi_square_{scan}", mean, len(pair), null=1.0))
    difference = (pair["second"] - pair["first"]).to_numpy()
    mean = jackknife_mean(difference, blocks=blocks)
    rows.append(_row("mean_chi_square_difference", mean, len(pair), null=0.0))
    return rows + [
        _row(
            f"lambda_gc_{scan}", _without_error(pair[scan].median() / MEDIAN_CHI_SQUARE), len(pair)
        )
        for scan in ("first", "second")
    ]


def _loci(
    first: pd.DataFrame, second: pd.DataFrame, *, threshold: float, distance: int
) -> pd.DataFrame:
    one, two = (find_loci(t, threshold=threshold, distance=distance) for t in (first, second))
    tables = [
        mine.assign(scan=scan, shared=_are_near(mine, other, distance))
        for scan, mine, other in (("first", one, two), ("second", two, one))
    ]
    return pd.concat(tables, ignore_index=True)


def _are_near(loci: pd.DataFrame, others: pd.DataFrame, distance: int) -> NDArray[np.bool_]:
    """Tell which loci overlap one of ``others`` or lie at most ``distance`` from it."""
    start, end = (loci[edge].to_numpy()[:, None] for edge in ("start", "end"))
    gap = np.maximum(others["start"].to_numpy() - end, start - others["end"].to_numpy())
    same = loci["chromosome"].to_numpy()[:, None] == others["chromosome"].to_numpy()
    near: NDArray[np.bool_] = (same & (gap <= distance)).any(axis=1)
    return near


def _count_rows(loci: pd.DataFrame) -> list[dict[str, object]]:
    counts = {f"loci_{scan}": int((loci["scan"] == scan).sum()) for scan in ("first", "second")}
    counts["loci_shared"] = int((loci["shared"] & (loci["scan"] == "first")).sum())
    return [_row(name, _without_error(count), count) for name, count in counts.items()]


def _without_error(value: float) -> Estimate:
    return Estimate(float(value), float("nan"))


def _at_known(pair: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    wanted: list[str] = [] if known is None else known["variant_id"].tolist()
    columns = ["chromosome", "base_pair_location", "variant_id", "first", "second"]
    return pair.loc[pair["variant_id"].isin(wanted), columns].reset_index(drop=True)


def _known_rows(at_known: pd.DataFrame) -> list[dict[str, object]]:
    count = len(at_known)
    if count < _FEWEST_KNOWN:
        return []
    first, second = at_known["first"].to_numpy(), at_known["second"].to_numpy()
    difference = jackknife_mean(second - first, blocks=count)
    ratio = effective_sample_size_ratio(first, second)
    return [
        _row("known_chi_square_difference", difference, count, null=0.0),
        _row("effective_sample_size_ratio", ratio, count, null=1.0),
    ]


def _row(term: str, value: Estimate, n: int, *, null: float | None = None) -> dict[str, object]:
    low, high = value.ci
    return {
        "term": term,
        "estimate": value.estimate,
        "standard_error": value.standard_error,
        "ci_low": low,
        "ci_high": high,
        "p_value": float("nan") if null is None else value.p_value(null),
        "n": n,
    }
