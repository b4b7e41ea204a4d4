"""Commands `genotypes qc` and `pca`: who and what is fit for analysis, and ancestry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.files import write_json, write_table, write_text
from spinecast.genetics.ancestry import (
    COMPONENTS_OF_DISTANCE,
    LARGEST_DISTANCE,
    Components,
    ancestry_distance,
    principal_components,
    project_components,
)
from spinecast.genetics.long_range_ld import outside_long_range
from spinecast.genetics.quality import Selection, select_variants, variant_summary
from spinecast.genetics.sample_quality import sample_summary, select_people
from spinecast.genotypes import Genotypes
from spinecast.genotypes.genotypes import Places
from spinecast.seeds import generator
from spinecast.stages.genotype_inputs import (
    GenotypeChoice,
    Teller,
    find_people,
    open_choice,
    read_list,
    write_people,
    write_variants,
)

_BLOCK = 2048
_WIDTH = 20


@dataclass(frozen=True)
class QualityLimits:
    """What people and variants must meet; see :mod:`spinecast.genetics.quality`.

    Parameters
    ----------
    maf, hwe, missing, info
        Of variants.
    sample_missing, deviations
        Of people: share of missing calls, robust standard deviations of heterozygosity.
    """

    maf: float = 0.001
    hwe: float = 1e-5
    missing: float = 0.05
    info: float = 0.9
    sample_missing: float = 0.05
    deviations: float = 5.0


def check_quality(
    choice: GenotypeChoice,
    folder: Path,
    limits: QualityLimits,
    *,
    leave_out: Sequence[Path] = (),
    teller: Teller,
) -> str:
    """Choose people and variants fit for analysis, each exclusion counted.

    People are judged on variants that are not missing too often, variants among the people who
    are left.

    Parameters
    ----------
    choice
        Genotypes.
    folder
        Where ``samples.txt`` and ``variants.txt`` (lists of who and what stays), ``samples.csv``
        and ``variants.parquet`` (what all look like), ``flow.csv`` and ``flow.json`` go.
    limits
        What must be met.
    leave_out
        Lists of people who are left out as a rule of their own each, named after the file.
    teller
        Hears what is done.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-522, SC-525, SC-570, SC-571.
    """
    chosen = open_choice(choice)
    genotypes = chosen.genotypes
    teller.say(chosen.sentence(4 * _BLOCK * len(chosen.people) + 64 * len(chosen.places)))
    with teller.step("variants, 1st", "blocks") as progress:
        before = variant_summary(genotypes, variants=chosen.variants, samples=chosen.samples,
                                 cluster=choice.cluster, progress=progress)  # fmt: skip
    called = select_variants(before, maf=0.0, hwe=0.0, missing=limits.missing, info=0.0)
    with teller.step("people", "blocks") as progress:
        samples = sample_summary(genotypes, variants=called.places, samples=chosen.samples,
                                 cluster=choice.cluster, progress=progress)  # fmt: skip
    people = select_people(
        samples,
        missing=limits.sample_missing,
        deviations=limits.deviations,
        marks={path.stem: _listed(samples, path) for path in leave_out},
    )
    with teller.step("variants, 2nd", "blocks") as progress:
        after = variant_summary(genotypes, variants=chosen.variants, samples=people.places,
                                cluster=choice.cluster, progress=progress)  # fmt: skip
    variants = select_variants(after, maf=limits.maf, hwe=limits.hwe, missing=limits.missing,
                               info=limits.info)  # fmt: skip
    _write_selections(folder, genotypes, (samples, people), variants=(after, variants))
    _write_flow(folder, {"people": (people, len(chosen.people)),
                         "variants": (variants, len(chosen.places))})  # fmt: skip
    stay = f"{len(people.places):,} of {len(chosen.people):,} people"
    stay += f" and {len(variants.places):,} of {len(chosen.places):,} variants stay"
    return f"{stay}; who and what left, and why: {folder / 'flow.csv'}"


def _listed(samples: pd.DataFrame, path: Path) -> np.ndarray:
    """Return who is on a list; an empty list (nobody has many relatives) is fine."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if path.is_file() and all(line.startswith("#") for line in text.splitlines()):
        return np.zeros(len(samples), dtype=np.bool_)
    names = {words[min(len(words), 2) - 1] for words in read_list(path)}
    listed: np.ndarray = samples["sample_id"].isin(names).to_numpy()
    return listed


def _write_selections(
    folder: Path,
    genotypes: Genotypes,
    people: tuple[pd.DataFrame, Selection],
    *,
    variants: tuple[pd.DataFrame, Selection],
) -> None:
    """Write what all people and variants look like, and lists of those who stay."""
    for name, (table, kept) in (("samples.csv", people), ("variants.parquet", variants)):
        write_table(folder / name, table.assign(kept=table.index.isin(kept.places)))
    write_people(folder / "samples.txt", genotypes, people[1].places)
    write_variants(folder / "variants.txt", genotypes, variants[1].places)


def _write_flow(folder: Path, selections: dict[str, tuple[Selection, int]]) -> None:
    frames = [each.flow.assign(of=of) for of, (each, _) in selections.items()]
    write_table(folder / "flow.csv", pd.concat(frames)[["of", "rule", "excluded", "left"]])
    flow = {
        of: {
            "given": given,
            "dropped": dict(zip(each.flow["rule"], each.flow["excluded"], strict=True)),
            "used": len(each.places),
        }
        for of, (each, given) in selections.items()
    }
    write_json(folder / "flow.json", flow)


@dataclass(frozen=True)
class ComponentSettings:
    """How components are computed.

    Parameters
    ----------
    count
        Components wanted.
    project
        List of further people to be placed on the components; None for nobody.
    reference
        List of people of one ancestry, from whom distances are measured; None for none.
    seed
        Of the random start.
    """

    count: int = 10
    project: Path | None = None
    reference: Path | None = None
    seed: int = 1


def compute_components(
    choice: GenotypeChoice, folder: Path, settings: ComponentSettings, *, teller: Teller
) -> str:
    """Compute components of the chosen people, place others on them, measure distances.

    Parameters
    ----------
    choice
        Genotypes: pruned variants, unrelated people, and the build, by which regions of
        long-range linkage are left out.
    folder
        Where ``components.tsv`` (a table of covariates), ``components.csv`` (eigenvalues),
        ``loadings.parquet`` and, with a reference, ``ancestry.csv`` and
        ``other-ancestry.txt`` go.
    settings
        How many, for whom.
    teller
        Hears what is done.

    Raises
    ------
    GeneticsError
        SC-501 to SC-514, SC-522, SC-524 to SC-526, SC-570, SC-571.
    """
    chosen = open_choice(choice)
    genotypes = chosen.genotypes
    variants = outside_long_range(genotypes, chosen.places, build=choice.build)
    n = len(chosen.people)
    teller.say(chosen.sentence(12 * n * _BLOCK + 64 * n * (settings.count + _WIDTH)))
    with teller.step("components", "passes at most") as progress:
        found = principal_components(
            genotypes,
            variants=variants,
            samples=chosen.samples,
            count=settings.count,
            generator=generator(settings.seed, "genetics", "components"),
            progress=progress,
        )
    scores = found.scores
    if settings.project is not None:
        with teller.step("projection"):
            others = np.setdiff1d(find_people(genotypes, settings.project)[0], chosen.people)
            scores = _with_others(genotypes, found, others)
    _write_components(folder, genotypes, found, scores=scores)
    words = [
        f"{settings.count} components of {n:,} people from {len(found.loadings):,} variants",
        f"{len(scores) - n:,} people placed on them",
    ]
    if settings.reference is not None:
        words.append(_judge_ancestry(folder, genotypes, scores, reference=settings.reference))
    return f"{'; '.join(words)}: {folder / 'components.tsv'}"


def _with_others(genotypes: Genotypes, found: Components, others: Places) -> pd.DataFrame:
    if not len(others):
        return found.scores
    placed = project_components(genotypes, found.loadings, samples=others)
    return pd.concat([found.scores, placed])


def _write_components(
    folder: Path, genotypes: Genotypes, found: Components, *, scores: pd.DataFrame
) -> None:
    table = genotypes.samples.set_index("sample_id")["family_id"]
    text = scores.assign(**{"#FID": table.loc[scores.index]}).reset_index(names="IID")
    columns = ["#FID", "IID", *scores.columns]
    write_text(folder / "components.tsv",
               text[columns].to_csv(sep="\t", index=False, float_format="%.10g"))  # fmt: skip
    rows = {"component": list(scores.columns), "eigenvalue": found.eigenvalues,
            "residual": found.residuals}  # fmt: skip
    write_table(folder / "components.csv", pd.DataFrame(rows))
    write_table(folder / "loadings.parquet", found.loadings)


def _judge_ancestry(
    folder: Path, genotypes: Genotypes, scores: pd.DataFrame, *, reference: Path
) -> str:
    named = set(genotypes.samples["sample_id"].iloc[find_people(genotypes, reference)[0]])
    group = scores.index.isin(named)
    count = min(COMPONENTS_OF_DISTANCE, scores.shape[1])
    distance = ancestry_distance(scores, group, count=count)
    far = distance >= LARGEST_DISTANCE
    table = pd.DataFrame({"sample_id": scores.index, "reference": group, "distance": distance,
                          "kept": ~far})  # fmt: skip
    write_table(folder / "ancestry.csv", table)
    write_people(folder / "other-ancestry.txt", genotypes, _places(genotypes, scores.index[far]))
    return f"{int(far.sum()):,} farther than {LARGEST_DISTANCE:g} from the reference"


def _places(genotypes: Genotypes, ids: pd.Index) -> Places:
    return np.flatnonzero(genotypes.samples["sample_id"].isin(ids)).astype(np.int64)
