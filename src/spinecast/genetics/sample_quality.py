"""Quality of samples: missing calls, heterozygosity, sex chromosomes, and who is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.cluster import Progress, map_blocks
from spinecast.errors import error
from spinecast.genetics.chromosomes import AUTOSOMES, chosen, chosen_samples
from spinecast.genetics.hard_calls import packed_calls
from spinecast.genetics.quality import BoolArray, Selection, apply_rules
from spinecast.genotypes.decode import count_calls, select_samples
from spinecast.genotypes.genotypes import Genotypes, PackedCalls, Places

_BLOCK = 2048
# Inbreeding on X below and above which a sample has two X or one (PLINK's --check-sex), and
# the share of Y calls that tells a Y chromosome.
_LOW_F, _HIGH_F, _HAS_Y = 0.2, 0.8, 0.5
# Scales the median absolute deviation to the standard deviation of a normal distribution.
_MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class _Block:
    genotypes: Genotypes
    variants: Places
    samples: Places
    chromosome: str
    sex: NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _count_by_sample(
    packed: PackedCalls, expected: NDArray[np.float64], sums: NDArray[np.float64]
) -> None:
    """Add to ``sums`` (n, 4) what each sample's calls are.

    Homozygous calls, calls and expected homozygous calls where not everybody is expected to
    be homozygous; calls everywhere.
    """
    for v in range(packed.shape[0]):
        share = expected[v]
        varies = 1.0 if share < 1.0 else 0.0
        homozygous = np.array([varies, 0.0, 0.0, varies])
        called = np.array([1.0, 0.0, 1.0, 1.0])
        for s in range(sums.shape[0]):
            code = (packed[v, s >> 2] >> (2 * (s & 3))) & 3
            sums[s, 0] += homozygous[code]
            sums[s, 1] += called[code] * varies
            sums[s, 2] += called[code] * varies * share
            sums[s, 3] += called[code]


def _sums(block: _Block) -> NDArray[np.float64]:
    packed = packed_calls(block.genotypes, block.variants, block.samples)
    counts = count_calls(packed, block.samples.size).astype(np.float64)
    if block.chromosome == "X":
        male = np.flatnonzero(block.sex == 1)
        males = count_calls(select_samples(packed, male), male.size)
        alleles = 2 * counts[:, 0] + counts[:, 1] - males[:, 0] - males[:, 1]
        copies = 2 * counts[:, :3].sum(axis=1) - males[:, 0] - males[:, 2] - 2 * males[:, 1]
    else:
        alleles = 2 * counts[:, 0] + counts[:, 1]
        copies = 2 * counts[:, :3].sum(axis=1)
    frequency = alleles / np.maximum(copies, 1)
    expected = 1.0 - 2.0 * frequency * (1.0 - frequency)
    sums = np.zeros((block.samples.size, 4))
    _count_by_sample(packed, expected, sums)
    return sums


def sample_summary(
    genotypes: Genotypes,
    *,
    variants: Places | None = None,
    samples: Places | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Describe every sample: missing calls and heterozygosity on autosomes, X and Y.

    Parameters
    ----------
    genotypes
        Opened genotypes.
    variants
        Places to look at; None for all. Heterozygosity is best told from common, pruned
        variants; X without its pseudo-autosomal ends (chromosome code XY).
    samples
        Places; None for all. Allele frequencies are theirs.
    cluster, progress
        See :func:`spinecast.cluster.map_blocks`.

    Returns
    -------
    DataFrame
        Indexed by place among the genotypes' samples: ``family_id``, ``sample_id``, ``sex``;
        ``missing`` share of autosomal variants; ``observed_homozygous``,
        ``expected_homozygous``, ``called`` at varying autosomal variants and
        ``heterozygosity_f`` = (O - E) / (called - E), PLINK's ``--het``: low where samples
        are mixed up or people admixed, high after inbreeding; ``x_f``, the same on X;
        ``y_called``, share of Y variants called; ``karyotype`` XX, XY, X0, XXY or unclear,
        as far as calls tell, "" without X variants. NaN where there are no such variants.
    """
    places, people = chosen(genotypes, variants), chosen_samples(genotypes, samples)
    blocks = _blocks(genotypes, places, people)
    parts = map_blocks(_sums, blocks, cluster=cluster, label="sample summary", progress=progress)
    totals = {kind: np.zeros((people.size, 4)) for kind in ("autosome", "X", "Y")}
    sizes = dict.fromkeys(totals, 0)
    for block, part in zip(blocks, parts, strict=True):
        totals[block.chromosome] += part
        sizes[block.chromosome] += block.variants.size
    homozygous, called, expected, every = totals["autosome"].T
    frame = genotypes.samples.iloc[people].set_axis(people)
    f_on_x = _inbreeding(totals["X"])
    y_called = totals["Y"][:, 3] / sizes["Y"] if sizes["Y"] else np.full(people.size, np.nan)
    absent = 1.0 - every / sizes["autosome"] if sizes["autosome"] else np.nan
    return frame.assign(
        missing=absent,
        observed_homozygous=homozygous.astype(np.int64),
        expected_homozygous=expected,
        called=called.astype(np.int64),
        heterozygosity_f=_inbreeding(totals["autosome"]),
        x_f=f_on_x,
        y_called=y_called,
        karyotype=_karyotypes(f_on_x, y_called),
    )


def _blocks(genotypes: Genotypes, places: Places, people: Places) -> list[_Block]:
    chromosomes = genotypes.variants["chromosome"].to_numpy()[places]
    sex = genotypes.samples["sex"].to_numpy(dtype=np.int64)[people]
    kinds = {
        "autosome": np.isin(chromosomes, list(AUTOSOMES)),
        "X": chromosomes == "X",
        "Y": chromosomes == "Y",
    }
    return [
        _Block(genotypes, part, people, kind, sex)
        for kind, here in kinds.items()
        for part in np.array_split(places[here], max(1, -(-int(here.sum()) // _BLOCK)))
        if part.size
    ]


def _inbreeding(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    observed, called, expected, _ = sums.T
    found = np.full(len(sums), np.nan)
    np.divide(observed - expected, called - expected, out=found, where=called > expected)
    return found


def _karyotypes(x_f: NDArray[np.float64], y_called: NDArray[np.float64]) -> NDArray[Any]:
    unknown = np.isnan(y_called)
    has_y = y_called >= _HAS_Y
    two, one = x_f < _LOW_F, x_f > _HIGH_F
    return np.select(
        [np.isnan(x_f), two & (unknown | ~has_y), one & (unknown | has_y), one, two],
        ["", "XX", "XY", "X0", "XXY"],
        default="unclear",
    )


def heterozygosity_outliers(summary: pd.DataFrame, *, deviations: float = 5.0) -> BoolArray:
    """Return who lies more than ``deviations`` robust standard deviations from the median F.

    The spread is 1.4826 times the median absolute deviation, so that the outliers do not
    widen it. People of mixed ancestry are low for no fault of theirs: judge one ancestry.
    Nobody is an outlier where F is unknown.
    """
    f = summary["heterozygosity_f"].to_numpy(dtype=np.float64)
    if np.isnan(f).all():
        return np.zeros(f.size, dtype=np.bool_)
    away = np.abs(f - np.nanmedian(f))
    return away > deviations * _MAD_TO_SD * np.nanmedian(away)


def select_people(
    summary: pd.DataFrame,
    *,
    missing: float = 0.05,
    deviations: float = 5.0,
    marks: Mapping[str, BoolArray] | None = None,
    reported_sex: bool = True,
) -> Selection:
    """Keep samples by the rules of biobank studies, each exclusion counted in order.

    First missing calls, then heterozygosity, then the caller's ``marks`` (left out of
    kinship, more than ten relatives, not in the components, another ancestry ...), then sex
    chromosomes that are neither XX nor XY, then a reported sex that contradicts them.

    Parameters
    ----------
    summary
        From :func:`sample_summary`.
    missing
        Share of missing calls above which a sample is left out.
    deviations
        See :func:`heterozygosity_outliers`.
    marks
        Label of the flow chart and who is left out, (n,) aligned with ``summary``; in order.
    reported_sex
        Whether to compare with ``sex``; unknown sex passes.

    Returns
    -------
    Selection
        Places of samples, and the flow. Rules on sex chromosomes count nobody where there
        are no X variants.

    Raises
    ------
    GeneticsError
        SC-525 for an impossible limit or marks of another length.
    """
    if not 0.0 <= missing <= 1.0 or deviations <= 0.0:
        got = f"missing {missing}, deviations {deviations}"
        raise error("SC-525", expected="a share and a positive number", got=got)
    rules = [
        (f"missing calls above {missing:g}", ~(summary["missing"].to_numpy() > missing)),
        ("heterozygosity", ~heterozygosity_outliers(summary, deviations=deviations)),
    ]
    for label, out in (marks or {}).items():
        if len(out) != len(summary):
            expected = f"{len(summary)} marks"
            raise error("SC-525", expected=expected, got=str(len(out)), where=label)
        rules.append((label, ~np.asarray(out, dtype=np.bool_)))
    karyotype = summary["karyotype"].to_numpy()
    rules.append(("neither XX nor XY", np.isin(karyotype, ["XX", "XY", ""])))
    if reported_sex:
        sex = summary["sex"].to_numpy()
        clash = ((karyotype == "XX") & (sex == 1)) | ((karyotype == "XY") & (sex == 2))
        rules.append(("reported sex is not the genetic one", ~clash))
    return apply_rules(summary.index.to_numpy(dtype=np.int64), rules)
