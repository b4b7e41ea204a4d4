"""From association tables to z-scores fit for LD score regression, every loss counted.

The rules and their thresholds are those that the field's reference
implementation applies, in the same order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genetics.alleles import is_unambiguous_snp, match_alleles
from spinecast.genetics.associations import natural_log_p, z_scores

BoolArray = NDArray[np.bool_]
KEPT = (
    "chromosome", "base_pair_location", "variant_id", "effect_allele", "other_allele", "z", "n",
)  # fmt: skip
_FARTHEST_MEDIAN_Z = 0.1


@dataclass(frozen=True)
class Munged:
    """z-scores of one trait.

    Attributes
    ----------
    table
        ``chromosome``, ``base_pair_location``, ``variant_id``, ``effect_allele``,
        ``other_allele``, ``z`` and ``n``; one row a variant.
    flow
        ``rule``, ``dropped``, ``left``: one row for each rule in the order of work.
    """

    table: pd.DataFrame
    flow: pd.DataFrame


@dataclass(frozen=True)
class MungingRules:
    """Which variants are left out.

    Attributes
    ----------
    info
        Least imputation quality, where the table has ``info``.
    maf
        Minor allele frequency must be above this, where it is known.
    n_quantile, n_share
        Variants measured in fewer than ``n_share`` times this quantile of the
        sample sizes are left out.
    """

    info: float = 0.9
    maf: float = 0.01
    n_quantile: float = 0.9
    n_share: float = 1 / 1.5


DEFAULT_RULES = MungingRules()


def munge(
    associations: pd.DataFrame,
    *,
    rules: MungingRules = DEFAULT_RULES,
    n: float | None = None,
    reference: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Munged:
    """Turn an association table into z-scores, and say what was dropped and why.

    Parameters
    ----------
    associations
        GWAS-SSF column names; ``info`` and ``neg_log_10_p_value`` are used where present.
    rules
        Thresholds.
    n
        Sample size where the table does not know it.
    reference
        ``variant_id``, ``effect_allele``, ``other_allele`` of the variants to keep
        (e.g. HapMap 3); others, and those whose alleles clash, are left out.
    progress
        Called as ``progress(done, total)`` after each rule.

    Raises
    ------
    GeneticsError
        SC-554 a column is missing, SC-559 z-scores are not centred on zero,
        SC-556 no variant is left, SC-553 most alleles clash with the reference.
    """
    _require_columns(associations, needs_n=n is None)
    table = associations.assign(n=n) if n is not None else associations
    steps = _steps(table, rules, reference)
    rows: list[dict[str, object]] = [{"rule": "given", "dropped": 0, "left": len(table)}]
    for done, (rule, keep) in enumerate(steps, start=1):
        kept = table[keep(table)]
        rows.append({"rule": rule, "dropped": len(table) - len(kept), "left": len(kept)})
        table = kept
        if progress is not None:
            progress(done, len(steps))
    flow = pd.DataFrame(rows)
    if reference is not None:
        _require_agreement(flow)
    if table.empty:
        raise error("SC-556", expected="variants after munging", got=_losses(flow))
    munged = table.assign(z=z_scores(table), n=table["n"].astype(np.float64))
    _require_centre(munged["z"].to_numpy())
    return Munged(munged.loc[:, list(KEPT)].reset_index(drop=True), flow)


def _steps(
    table: pd.DataFrame, rules: MungingRules, reference: pd.DataFrame | None
) -> list[tuple[str, Callable[[pd.DataFrame], BoolArray]]]:
    steps: list[tuple[str, Callable[[pd.DataFrame], BoolArray]]] = [("missing value", _known)]
    if reference is not None:
        steps.append(("not in the reference", lambda t: _listed(t, reference)))
    if "info" in table.columns:
        name = f"imputation quality below {rules.info:g}"
        steps.append((name, lambda t: _numbers(t, "info", unknown=np.inf) >= rules.info))
    if "effect_allele_frequency" in table.columns:
        steps.append((f"minor allele frequency at most {rules.maf:g}",
                      lambda t: _common(t, rules.maf)))  # fmt: skip
    steps += [
        ("p-value outside (0, 1]", _possible_p),
        ("not a single base, or ambiguous strand", _clear),
        ("variant named before", lambda t: ~t["variant_id"].duplicated().to_numpy()),
        ("measured in too few samples", lambda t: _measured(t, rules)),
    ]
    if reference is not None:
        steps.append(("alleles clash with the reference", lambda t: _agrees(t, reference)))
    return steps


def _require_columns(associations: pd.DataFrame, *, needs_n: bool) -> None:
    needed = {*KEPT, "beta", "p_value"} - {"z", *(() if needs_n else ("n",))}
    absent = sorted(needed - set(associations.columns))
    if absent:
        raise error("SC-554", expected=f"column {absent[0]!r}",
                    got=", ".join(map(str, associations.columns)))  # fmt: skip


def _known(table: pd.DataFrame) -> BoolArray:
    needed = ["chromosome", "base_pair_location", "variant_id", "effect_allele", "other_allele"]
    known = table[[*needed, "n"]].notna().all(axis=1).to_numpy()
    return known & np.isfinite(_numbers(table, "beta")) & ~np.isnan(natural_log_p(table))


def _possible_p(table: pd.DataFrame) -> BoolArray:
    natural = natural_log_p(table)
    return np.isfinite(natural) & (natural <= 0)


def _numbers(table: pd.DataFrame, name: str, *, unknown: float = np.nan) -> NDArray[np.float64]:
    values = table[name].to_numpy(dtype=np.float64)
    return np.where(np.isnan(values), unknown, values)


def _common(table: pd.DataFrame, maf: float) -> BoolArray:
    frequency = _numbers(table, "effect_allele_frequency", unknown=0.5)
    return np.minimum(frequency, 1 - frequency) > maf


def _clear(table: pd.DataFrame) -> BoolArray:
    return is_unambiguous_snp(table["effect_allele"], table["other_allele"])


def _measured(table: pd.DataFrame, rules: MungingRules) -> BoolArray:
    n = _numbers(table, "n")
    if n.size == 0:
        return np.zeros(0, dtype=np.bool_)
    return n >= np.quantile(n, rules.n_quantile) * rules.n_share


def _listed(table: pd.DataFrame, reference: pd.DataFrame) -> BoolArray:
    return table["variant_id"].isin(reference["variant_id"]).to_numpy()


def _agrees(table: pd.DataFrame, reference: pd.DataFrame) -> BoolArray:
    listed = reference.drop_duplicates("variant_id").set_index("variant_id")
    other = listed.loc[table["variant_id"], ["effect_allele", "other_allele"]]
    return match_alleles(_alleles(table), _alleles(other)) != 0


def _alleles(table: pd.DataFrame) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    names = ("effect_allele", "other_allele")
    first, second = (table[name].to_numpy(dtype=object) for name in names)
    return first, second


def _require_centre(z: NDArray[np.float64]) -> None:
    median = float(np.median(z))
    # odds ratios taken for log odds ratios have all their signs on one side
    if abs(median) > _FARTHEST_MEDIAN_Z + 4 / np.sqrt(z.size):
        got = f"a median z-score of {median:.2f}"
        raise error("SC-559", expected="effects around zero", got=got, where="beta")


def _require_agreement(flow: pd.DataFrame) -> None:
    clash = flow[flow["rule"] == "alleles clash with the reference"].iloc[0]
    if clash["dropped"] > clash["left"]:
        raise error("SC-553", expected="the alleles of the reference", where="reference",
                    got=f"{clash['dropped']} clashes, {clash['left']} matches")  # fmt: skip


def _losses(flow: pd.DataFrame) -> str:
    lost = flow[flow["dropped"] > 0]
    return "; ".join(f"{row.rule}: {row.dropped}" for row in lost.itertuples()) or "an empty table"


def read_munged(path: Path) -> Munged:
    """Read z-scores munged elsewhere: LDSC's ``.sumstats`` with columns SNP, A1, A2, N and Z.

    Rows without a z-score (as left by merging with a list of alleles) are dropped and counted.
    The files do not say where variants lie: chromosome and position are 0.

    Raises
    ------
    GeneticsError
        SC-554 where the file is no such table.
    """
    try:
        table = pd.read_csv(path, sep=r"\s+", dtype=dict.fromkeys(("SNP", "A1", "A2"), str))
        numbers = table[["Z", "N"]].apply(pd.to_numeric)
        names = table[["SNP", "A1", "A2"]]
    except (OSError, EOFError, KeyError, ValueError, zlib.error) as cause:
        raise error("SC-554", expected="columns SNP, A1, A2, N and Z", got=str(cause)[:200],
                    where=path.name) from None  # fmt: skip
    columns = {
        "chromosome": "0", "base_pair_location": 0, "variant_id": names["SNP"],
        "effect_allele": names["A1"], "other_allele": names["A2"],
        "z": numbers["Z"], "n": numbers["N"],
    }  # fmt: skip
    whole = pd.DataFrame(columns)
    kept = whole[whole.notna().all(axis=1) & ~whole["variant_id"].duplicated()]
    flow = [
        {"rule": "given", "dropped": 0, "left": len(whole)},
        {"rule": "no z-score, or named before", "dropped": len(whole) - len(kept),
         "left": len(kept)},
    ]  # fmt: skip
    return Munged(kept.reset_index(drop=True), pd.DataFrame(flow))


def align(first: Munged, second: Munged) -> tuple[Munged, Munged]:
    """Return both tables on their common variants, z-scores for the same effect alleles.

    Strands are matched for unambiguous bases. Variants whose alleles clash are
    left out and counted in the second table's flow.

    Raises
    ------
    GeneticsError
        SC-556 no variant in common, SC-553 most alleles clash.
    """
    both = first.table.merge(second.table, on="variant_id", suffixes=("", "_b"), validate="1:1")
    if both.empty:
        raise error("SC-556", expected="variants in both tables", got="none by that name")
    sign = match_alleles(
        _alleles(both), (both["effect_allele_b"].to_numpy(), both["other_allele_b"].to_numpy())
    )
    clashes = int((sign == 0).sum())
    if clashes > len(both) / 2:
        raise error("SC-553", expected="the same alleles in both tables",
                    got=f"{clashes} clashes among {len(both)} variants")  # fmt: skip
    kept, sign = both[sign != 0].reset_index(drop=True), sign[sign != 0]
    other = kept.loc[:, list(KEPT)].assign(z=kept["z_b"] * sign, n=kept["n_b"])
    rows = [
        {"rule": "not in both tables", "dropped": len(second.table) - len(both), "left": len(both)},
        {"rule": "alleles clash", "dropped": clashes, "left": len(kept)},
    ]
    flow = pd.concat([second.flow, pd.DataFrame(rows)], ignore_index=True)
    return replace(first, table=kept.loc[:, list(KEPT)]), Munged(other, flow)
