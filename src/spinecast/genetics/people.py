"""Genotyped people brought together with their traits and covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spinecast.errors import error
from spinecast.genotypes.genotypes import Genotypes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AnalysedPeople:
    """The people of an association study, in the order of the genotype file.

    Parameters
    ----------
    samples
        Their places in the genotypes, ascending, (n,).
    traits
        (n, t), NaN where missing.
    names
        Of the traits.
    covariates
        (n, c), complete.
    flow
        Why everybody else is not there: label to number of people, in the order of the rules.
    """

    samples: NDArray[np.int64]
    traits: Floats
    names: tuple[str, ...]
    covariates: Floats
    flow: dict[str, int]


def align_people(
    genotypes: Genotypes,
    traits: pd.DataFrame,
    covariates: pd.DataFrame | None = None,
    *,
    samples: NDArray[np.int64] | None = None,
) -> AnalysedPeople:
    """Keep the genotyped people who are in the table of traits and whose covariates are known.

    Who is kept does not depend on which traits are chosen: a person without any value stays,
    so that means of genotypes, and with them every trait's numbers, stay the same.

    Parameters
    ----------
    genotypes
        Whose ``sample_id`` joins.
    traits, covariates
        Indexed by sample id, as :func:`~spinecast.genetics.read_traits` gives them.
    samples
        Places of the people to consider, as quality control leaves them; None for all.

    Raises
    ------
    GeneticsError
        SC-535 where nobody is left.
    """
    ids = genotypes.samples["sample_id"].astype(str)
    considered = np.zeros(len(ids), dtype=bool)
    considered[slice(None) if samples is None else samples] = True
    with_trait = considered & ids.isin(traits.index).to_numpy()
    kept = with_trait.copy()
    listed = with_trait
    if covariates is not None:
        complete = covariates.index[np.isfinite(covariates.to_numpy(dtype=float)).all(axis=1)]
        listed = with_trait & ids.isin(covariates.index).to_numpy()
        kept = listed & ids.isin(complete).to_numpy()
    flow = {
        "genotyped": len(ids),
        "not in the list of people": int((~considered).sum()),
        "not in the table of traits": int((considered & ~with_trait).sum()),
        "not in the table of covariates": int((with_trait & ~listed).sum()),
        "a covariate missing": int((listed & ~kept).sum()),
        "analysed": int(kept.sum()),
        "in the table of traits without genotypes": int((~traits.index.isin(ids)).sum()),
    }
    if not kept.any():
        got = "; ".join(f"{label} {count}" for label, count in flow.items())
        raise error("SC-535", expected="people with genotype, traits and covariates", got=got)
    people = pd.Index(ids[kept])
    known = np.empty((len(people), 0))
    if covariates is not None:
        known = covariates.loc[people].to_numpy(dtype=np.float64)
    return AnalysedPeople(
        samples=np.flatnonzero(kept).astype(np.int64),
        traits=traits.loc[people].to_numpy(dtype=np.float64),
        names=tuple(str(name) for name in traits.columns),
        covariates=known,
        flow=flow,
    )
