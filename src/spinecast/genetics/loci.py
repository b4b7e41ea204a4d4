"""From associations to loci: inflation, lead variants, known loci, replication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.alleles import match_alleles
from spinecast.genetics.associations import (
    CHROMOSOME_RANK,
    MEDIAN_CHI_SQUARE,
    chi_squares,
    genome_order,
    natural_log_p,
)
from spinecast.genotypes.genotypes import Genotypes, Places

GENOME_WIDE = 5e-8
SUGGESTIVE = 1e-5
Correlations = Callable[[list[str]], NDArray[np.float64]]


@dataclass(frozen=True)
class Inflation:
    """How far test statistics exceed their null distribution.

    Attributes
    ----------
    lambda_gc
        Median chi-square over its null median, 0.4549.
    mean_chi_square
        Mean chi-square; 1 under the null.
    n_variants
        Variants with a result.
    """

    lambda_gc: float
    mean_chi_square: float
    n_variants: int


def inflation(associations: pd.DataFrame) -> Inflation:
    """Describe the inflation of a table of associations; variants without a result do not count.

    Large samples of a polygenic trait are inflated without any confounding: see
    the intercept of :func:`spinecast.genetics.ld_score.heritability`.

    Raises
    ------
    GeneticsError
        SC-556 where no variant has a result.
    """
    statistics = chi_squares(associations)
    statistics = statistics[np.isfinite(statistics)]
    if statistics.size == 0:
        raise error("SC-556", expected="variants with a p-value", got="none")
    return Inflation(
        float(np.median(statistics) / MEDIAN_CHI_SQUARE), float(statistics.mean()), statistics.size
    )


def find_loci(
    associations: pd.DataFrame,
    *,
    threshold: float = GENOME_WIDE,
    distance: int = 500_000,
    within: str | None = None,
) -> pd.DataFrame:
    """Join significant variants of one neighbourhood into loci.

    Parameters
    ----------
    associations
        The table of one trait, or of several.
    threshold
        Variants with p below it are significant.
    distance
        Significant variants at most this many base pairs apart belong to one locus.
    within
        Column that names the trait, where there are several: each has loci of its own, in the
        order in which the table names them.

    Returns
    -------
    pandas.DataFrame
        One row a locus in genome order: ``chromosome``, ``start``, ``end``,
        ``significant`` (how many variants), then the row of its lead variant,
        the one with the lowest p.
    """
    hits = _hits(associations, threshold)
    if within is not None:
        place = {name: k for k, name in enumerate(associations[within].unique())}
        traits = hits[within].map(place).to_numpy(dtype=np.int64)
        hits = hits.iloc[np.argsort(traits, kind="stable")].reset_index(drop=True)
    apart = np.diff(hits["base_pair_location"].to_numpy()) > distance
    for name in ("chromosome", *((within,) if within is not None else ())):
        column = hits[name].to_numpy(dtype=object)
        apart |= column[1:] != column[:-1]
    return _leads(hits, np.cumsum(np.append(True, apart)))


def lead_variants(
    associations: pd.DataFrame,
    *,
    threshold: float = SUGGESTIVE,
    block: int = 1_000_000,
    most: int | None = 12,
) -> pd.DataFrame:
    """Pick the lowest p-value of each fixed block of the genome, and the ``most`` lowest of these.

    Parameters
    ----------
    associations
        The table of one trait.
    threshold
        Blocks without p below it have no lead.
    block
        Width in base pairs; blocks start at position 0 of each chromosome.
    most
        How many blocks are kept; None keeps all.

    Returns
    -------
    pandas.DataFrame
        As :func:`find_loci`, from the lowest p-value up.

    Notes
    -----
    The rule of Eriksson and Nakamori 2025 (medRxiv 2025.09.25.25336686). A signal
    across a block's edge counts twice, which :func:`prune_leads` mends.
    """
    hits = _hits(associations, threshold)
    chromosome = hits["chromosome"].map(CHROMOSOME_RANK).to_numpy(dtype=np.float64)
    index = hits["base_pair_location"].to_numpy() // block
    changes = (np.diff(chromosome, prepend=-1) != 0) | (np.diff(index, prepend=-1) != 0)
    leads = _leads(hits, np.cumsum(changes))
    lowest_first = np.argsort(natural_log_p(leads), kind="stable")
    return leads.iloc[lowest_first[:most]].reset_index(drop=True)


def _hits(associations: pd.DataFrame, threshold: float) -> pd.DataFrame:
    natural = natural_log_p(associations)
    hits = associations[natural < np.log(threshold)]
    return hits.iloc[genome_order(hits)].reset_index(drop=True)


def _leads(hits: pd.DataFrame, group: NDArray[np.int64]) -> pd.DataFrame:
    if hits.empty:
        empty = hits.assign(start=0, end=0, significant=0)
        return empty[
            ["chromosome", "start", "end", "significant", *hits.columns.drop("chromosome")]
        ]
    order = np.lexsort([natural_log_p(hits), group])
    first = order[np.diff(group[order], prepend=-1) != 0]
    # hits are in genome order: a group is one run of rows, from its first place to its last
    bounds = np.flatnonzero(np.diff(group, prepend=-1, append=group[-1] + 1))
    location = hits["base_pair_location"].to_numpy()
    leads = hits.iloc[first].reset_index(drop=True)
    rest = leads.columns.drop("chromosome")
    spanned = leads.assign(
        start=location[bounds[:-1]], end=location[bounds[1:] - 1], significant=np.diff(bounds)
    )
    return spanned[["chromosome", "start", "end", "significant", *rest]]


def prune_leads(
    leads: pd.DataFrame,
    correlations: Correlations,
    *,
    window: int = 10_000_000,
    r2: float = 0.9,
) -> pd.DataFrame:
    """Keep one of each set of leads in strong linkage disequilibrium, that with the lowest p.

    Parameters
    ----------
    leads
        Leads of one or several traits; the same variant may stand in several rows,
        which are kept or left together.
    correlations
        Gives r between the named variants, shape (k, k).
    window
        Variants farther apart, in base pairs, are never compared.
    r2
        Leads with squared correlation above it to a kept one are left out.

    Returns
    -------
    pandas.DataFrame
        The rows kept, in their order.
    """
    ordered = leads.iloc[np.argsort(natural_log_p(leads), kind="stable")]
    variants = ordered.drop_duplicates("variant_id")
    kept: list[str] = []
    for _, group in variants.groupby("chromosome", sort=False):
        squared = np.asarray(correlations(group["variant_id"].tolist())) ** 2
        location = group["base_pair_location"].to_numpy()
        near = np.abs(location[:, None] - location[None, :]) <= window
        chosen: list[int] = []
        for row in range(len(group)):
            if not (near[row, chosen] & (squared[row, chosen] > r2)).any():
                chosen.append(row)
        kept += group["variant_id"].iloc[np.array(chosen)].tolist()
    return leads[leads["variant_id"].isin(kept)].reset_index(drop=True)


def correlations_in(genotypes: Genotypes, *, samples: Places | None = None) -> Correlations:
    """Give :func:`prune_leads` its correlations from genotypes; missing ones count as the mean.

    Parameters
    ----------
    genotypes
        Of the people scanned, or of a reference of the same ancestry.
    samples
        Places of the people; None for all.

    Raises
    ------
    GeneticsError
        SC-511, when used, for a variant that the genotypes do not hold.
    """
    ids = genotypes.variants["variant_id"]
    places = pd.Series(np.arange(len(ids), dtype=np.int64), index=ids)
    places = places[~places.index.duplicated()]

    def correlations(names: list[str]) -> NDArray[np.float64]:
        absent = [name for name in names if name not in places.index]
        if absent:
            raise error("SC-511", expected="the lead variants", got=f"no {absent[0]!r}",
                        where=genotypes.origin)  # fmt: skip
        dosages = genotypes.dosages(places.loc[names].to_numpy(), samples=samples)
        centred = dosages.astype(np.float64)
        centred -= np.nanmean(centred, axis=1, keepdims=True)
        centred = np.nan_to_num(centred)
        length = np.sqrt((centred**2).sum(axis=1))
        scaled = centred / np.where(length > 0, length, np.inf)[:, None]
        return np.asarray(scaled @ scaled.T, dtype=np.float64)

    return correlations


def overlap_with_known(
    loci: pd.DataFrame, known: pd.DataFrame, *, distance: int = 500_000
) -> pd.DataFrame:
    """Tell which loci are known: a known variant lies inside or at most ``distance`` away.

    Parameters
    ----------
    loci
        Of :func:`find_loci` or :func:`lead_variants`.
    known
        ``chromosome``, ``base_pair_location`` and ``variant_id`` of known loci, of
        the same genome build.

    Returns
    -------
    pandas.DataFrame
        The loci with ``known`` (True, False), ``nearest_known`` (its id, or None)
        and ``known_distance`` (base pairs from the locus's edge; NaN where the
        chromosome has none).
    """
    nearest = np.full(len(loci), None, dtype=object)
    gaps = np.full(len(loci), np.nan)
    starts, ends = (loci[edge].to_numpy(dtype=np.float64) for edge in ("start", "end"))
    for chromosome, there in known.groupby("chromosome"):
        position = there["base_pair_location"].to_numpy(dtype=np.float64)
        names = there["variant_id"].to_numpy(dtype=object)
        for row in np.flatnonzero((loci["chromosome"] == chromosome).to_numpy()):
            gap = np.maximum(np.maximum(starts[row] - position, position - ends[row]), 0)
            nearest[row], gaps[row] = names[gap.argmin()], gap.min()
    is_known = np.nan_to_num(gaps, nan=np.inf) <= distance
    return loci.assign(known=is_known, nearest_known=nearest, known_distance=gaps)


def replication(leads: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Look the leads of one study up in another.

    Parameters
    ----------
    leads
        Of the first study.
    second
        Associations of the second, other people.

    Returns
    -------
    pandas.DataFrame
        One row a lead: ``variant_id``, ``beta`` of the first study,
        ``replication_beta`` for the same effect allele, ``replication_p`` (one-sided
        in the first study's direction), ``same_sign``, ``nominal`` (p < 0.05) and
        ``bonferroni`` (p < 0.05 / leads found). NaN and False where the
        variant is absent or its alleles clash.
    """
    found = leads.merge(
        second.drop_duplicates("variant_id"), on="variant_id", how="left", suffixes=("", "_second")
    )
    sign = match_alleles(
        (found["effect_allele"], found["other_allele"]),
        (found["effect_allele_second"], found["other_allele_second"]),
    ).astype(np.float64)
    sign[(sign == 0) | found["beta_second"].isna().to_numpy()] = np.nan
    beta = found["beta"].to_numpy(dtype=np.float64)
    other = found["beta_second"].to_numpy(dtype=np.float64) * sign
    same = np.sign(beta) == np.sign(other)
    two_sided = found["p_value_second"].to_numpy(dtype=np.float64)
    one_sided = np.where(np.isnan(sign), np.nan, np.where(same, two_sided / 2, 1 - two_sided / 2))
    tests = max(int(np.isfinite(one_sided).sum()), 1)
    return pd.DataFrame(
        {
            "variant_id": found["variant_id"],
            "beta": beta,
            "replication_beta": other,
            "replication_p": one_sided,
            "same_sign": same,
            "nominal": one_sided < 0.05,
            "bonferroni": one_sided < 0.05 / tests,
        }
    )
