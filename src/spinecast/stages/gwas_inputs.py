"""What a genome-wide scan is asked, and its people, traits and covariates brought together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.genetics.gwas_parts import METHODS, ScanSettings
from spinecast.genetics.people import AnalysedPeople, align_people
from spinecast.genetics.phenotypes import rank_inverse_normal, read_traits, residualise
from spinecast.genetics.summary_statistics import known_build
from spinecast.stages.genotype_inputs import ChosenGenotypes, GenotypeChoice, open_choice

AUTOMATIC = "auto"
OF_CASES = frozenset({"spa", "firth", "score"})
"""Methods for cases and controls."""

_CODINGS = ({0.0, 1.0}, {1.0, 2.0})


@dataclass(frozen=True)
class GwasRequest:
    """What a scan is asked.

    Parameters
    ----------
    choice
        Genotypes, and lists of people and variants.
    traits, covariates
        Tables as :func:`~spinecast.genetics.phenotypes.read_traits` reads them; several tables
        of covariates are put side by side.
    names
        Traits wanted; all where empty.
    covariate_names
        Covariates wanted; all where empty.
    method
        ``auto`` (``spa`` for case-control traits, else ``linear``) or one of a scan's.
    way, model_variants, seed
        Of the whole-genome model of method ``mixed``: see
        :func:`~spinecast.genetics.whole_genome.whole_genome_model`; a list of variants.
    missing
        ``impute`` or ``exact``.
    normalise
        Put residuals of the traits on a normal scale by their ranks first.
    ld_scores, known, genes
        Folder of LD scores; tables of known loci and of genes. None for none.
    formats, peers
        Further layouts of other tools to write the associations in; tools whose files of
        traits and covariates are written, too.
    tables, pictures
        Text tables and pictures of every trait; None for up to ten traits.
    cluster
        See :mod:`spinecast.cluster`.
    """

    choice: GenotypeChoice
    traits: Path
    covariates: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    covariate_names: tuple[str, ...] = ()
    method: str = AUTOMATIC
    way: str = "auto"
    model_variants: Path | None = None
    seed: int = 1
    missing: str = "impute"
    normalise: bool = False
    ld_scores: Path | None = None
    known: Path | None = None
    genes: Path | None = None
    formats: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    tables: bool | None = None
    pictures: bool | None = None
    cluster: str | None = None


@dataclass(frozen=True)
class GwasInputs:
    """What a scan takes.

    Parameters
    ----------
    chosen
        Opened genotypes.
    build
        GRCh37 or GRCh38.
    traits, covariates
        Indexed by sample id, as they are tested.
    people
        Who is analysed.
    settings
        The statistic.
    cases
        Trait to cases and controls, for case-control traits.
    """

    chosen: ChosenGenotypes
    build: str
    traits: pd.DataFrame
    covariates: pd.DataFrame | None
    people: AnalysedPeople
    settings: ScanSettings
    cases: dict[str, tuple[int, int]]

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Names of the covariates."""
        return () if self.covariates is None else tuple(map(str, self.covariates.columns))

    def flow(self) -> dict[str, Any]:
        """Return who was given, left out by which rule, and used; the counts add up.

        Raises
        ------
        CohortError
            SC-318 where they do not.
        """
        counts = dict(self.people.flow)
        without = counts.pop("in the table of traits without genotypes")
        given, used = counts.pop("genotyped"), counts.pop("analysed")
        if given != used + sum(counts.values()):
            raise error("SC-318", expected=str(given), got=f"{used} and {counts}", where="people")
        genotypes = self.chosen.genotypes
        tested = len(self.chosen.places)
        return {
            "people": {
                "given": given,
                "dropped": counts,
                "used": used,
                "in the table of traits without genotypes": without,
                "listed without genotypes": self.chosen.strangers[0],
            },
            "variants": {
                "given": genotypes.n_variants,
                "dropped": {"not in the list of variants": genotypes.n_variants - tested},
                "used": tested,
                "listed without genotypes": self.chosen.strangers[1],
                "repeated ids": genotypes.duplicate_variants,
            },
        }


def read_inputs(request: GwasRequest) -> GwasInputs:
    """Open the files of a scan and bring their people together.

    Raises
    ------
    GeneticsError
        SC-510 no build; SC-501 to SC-514 genotypes, SC-530 to SC-537 tables, SC-570 to SC-572
        lists and methods.
    """
    build = known_build(request.choice.build, where="--build")
    chosen = open_choice(request.choice)
    traits = read_traits(request.traits, names=request.names)
    covariates = _read_covariates(request.covariates, request.covariate_names)
    people = align_people(chosen.genotypes, traits, covariates, samples=chosen.samples)
    method = choose_method(request.method, people)
    if request.normalise:
        traits = _on_normal_scale(chosen, people, method=method)
        people = align_people(chosen.genotypes, traits, covariates, samples=chosen.samples)
    settings = ScanSettings(method=method, missing=request.missing)
    return GwasInputs(chosen, build, traits, covariates, people, settings,
                      _count_cases(people, method))  # fmt: skip


def choose_method(method: str, people: AnalysedPeople) -> str:
    """Return the method; ``auto`` tells case-control traits from measurements.

    Raises
    ------
    GeneticsError
        SC-536 an unknown method, SC-572 traits of both kinds.
    """
    if method != AUTOMATIC:
        if method not in METHODS:
            raise error("SC-536", expected=" or ".join(METHODS), got=repr(method), where="--method")
        return method
    both = _case_control(people)
    if all(both):
        return "spa"
    if any(both):
        of_cases = [name for name, is_one in zip(people.names, both, strict=True) if is_one]
        listed = ", ".join(of_cases[:4]) + (" ..." if len(of_cases) > 4 else "")
        got = f"{len(of_cases)} of {len(both)} case-control: {listed}"
        raise error("SC-572", expected="traits of one kind", got=got, where="--method auto")
    return "linear"


def _case_control(people: AnalysedPeople) -> list[bool]:
    found = [set(np.unique(column[~np.isnan(column)]).tolist()) for column in people.traits.T]
    return [values in _CODINGS for values in found]


def _count_cases(people: AnalysedPeople, method: str) -> dict[str, tuple[int, int]]:
    if method not in OF_CASES:
        return {}
    counts = {}
    for name, column in zip(people.names, people.traits.T, strict=True):
        known = column[~np.isnan(column)]
        cases = int((known == known.max(initial=1.0)).sum())
        counts[name] = (cases, int(known.size) - cases)
    return counts


def _read_covariates(paths: Sequence[Path], names: tuple[str, ...]) -> pd.DataFrame | None:
    tables = [read_traits(path) for path in paths]
    if not tables:
        if names:
            raise error("SC-537", expected="a table of covariates", got=", ".join(names))
        return None
    whole = pd.concat(tables, axis=1)
    twice = sorted({str(name) for name in whole.columns[whole.columns.duplicated()]})
    if twice:
        raise error("SC-530", expected="covariates, each named once", got=f"{twice[0]} twice",
                    where="--covariates")  # fmt: skip
    absent = [name for name in names if name not in whole.columns]
    if absent:
        raise error("SC-537", expected=f"one of {', '.join(map(str, whole.columns))}",
                    got=", ".join(absent), where="--covariate")  # fmt: skip
    return whole[list(names)] if names else whole


def _on_normal_scale(
    chosen: ChosenGenotypes, people: AnalysedPeople, *, method: str
) -> pd.DataFrame:
    """Return the analysed people's residuals on a normal scale; covariates stay in the model."""
    if method in OF_CASES:
        raise error("SC-536", expected="measurements", got=f"method {method}", where="--normalise")
    values = rank_inverse_normal(residualise(people.traits, people.covariates))
    ids = chosen.genotypes.samples["sample_id"].iloc[people.samples]
    return pd.DataFrame(values, index=pd.Index(ids, name="sample_id"), columns=list(people.names))
