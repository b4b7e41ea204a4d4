"""Commands on genotypes: quality, linkage, ancestry, association, heritability."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Column, Table

from spinecast.cli import genetic_options as options
from spinecast.cli.application import OutOption, SeedOption, app, console

if TYPE_CHECKING:
    import pandas as pd

    from spinecast.stages.genotype_inputs import GenotypeChoice, Teller
    from spinecast.stages.gwas_command import GwasSummary

PANEL = "Genetics"
genotypes_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(
    genotypes_app,
    name="genotypes",
    help="Quality, linkage, relatives and ancestry of genotype files.",
    rich_help_panel=PANEL,
)
_SHOWN = 20
_OF_LOCI = ("trait", "variant_id", "beta", "p_value", "known", "replication_p")


def say(text: str) -> None:
    """Print a sentence as it is."""
    console.print(escape(text), highlight=False, soft_wrap=True)


@contextmanager
def telling() -> Iterator[Teller]:
    """Open what a command tells by: bars on a terminal, lines elsewhere."""
    from spinecast.console import open_listener
    from spinecast.stages.genotype_inputs import Teller

    with open_listener(console) as listener:
        yield Teller(listener, say)


def _choice(
    genotypes: list[Path],
    build: str | None,
    keep: Path | None,
    *,
    extract: Path | None = None,
    cluster: str | None = None,
) -> GenotypeChoice:
    from spinecast.stages.genotype_inputs import GenotypeChoice

    return GenotypeChoice(tuple(genotypes), build, keep, extract, cluster)


@app.command(rich_help_panel=PANEL)
def gwas(
    genotypes: options.Genotypes,
    traits: options.Traits,
    out: OutOption,
    trait: options.Trait = None,
    covariates: options.Covariates = None,
    covariate: options.Covariate = None,
    method: options.MethodOption = options.Method.auto,
    step1_variants: options.ModelVariants = None,
    step1: options.ModelWay = options.Way.auto,
    *,
    missing: options.MissingOption = options.Missing.impute,
    build: options.Build = None,
    keep: options.Keep = None,
    extract: options.Extract = None,
    normalise: options.Normalise = False,
    ld_scores: options.AddedScores = None,
    known: options.Known = None,
    genes: options.Genes = None,
    formats: options.Formats = None,
    files_for: options.Peers = None,
    tables: options.Tables = None,
    pictures: options.Pictures = None,
    cluster: options.Cluster = None,
    seed: SeedOption = 1,
) -> None:
    """Test traits on variants: associations, loci, pictures. Again: goes on where it ended.

    Example: spinecast gwas --genotypes study/genomes.bed --traits study/traits.tsv
    --covariates study/covariates.tsv --build GRCh38 --out results
    """
    from spinecast.stages.gwas_command import scan_genome
    from spinecast.stages.gwas_inputs import GwasRequest

    request = GwasRequest(
        _choice(genotypes, build, keep, extract=extract),
        traits,
        tuple(covariates or ()),
        names=tuple(trait or ()),
        covariate_names=tuple(covariate or ()),
        method=method.value, way=step1.value, missing=missing.value,
        model_variants=step1_variants, normalise=normalise, ld_scores=ld_scores, known=known,
        genes=genes, formats=tuple(formats or ()), peers=tuple(files_for or ()), tables=tables,
        pictures=pictures, cluster=cluster, seed=seed,
    )  # fmt: skip
    with telling() as teller:
        found = scan_genome(request, out, teller=teller)
    _print_scan(found)


@genotypes_app.command()
def qc(
    genotypes: options.Genotypes,
    out: OutOption,
    maf: options.LeastFrequency = 0.001,
    hwe: options.LeastHwe = 1e-5,
    missing: options.MostMissing = 0.05,
    info: options.LeastInfo = 0.9,
    sample_missing: options.MostMissingOfPerson = 0.05,
    heterozygosity: options.Deviations = 5.0,
    leave_out: options.LeaveOut = None,
    *,
    build: options.Build = None,
    keep: options.Keep = None,
    extract: options.Extract = None,
    cluster: options.Cluster = None,
) -> None:
    """Choose people and variants fit for analysis; each exclusion is counted.

    Example: spinecast genotypes qc --genotypes study/genomes.bed --build GRCh38 --out qc
    """
    from spinecast.stages.genotype_people import QualityLimits, check_quality

    limits = QualityLimits(maf, hwe, missing, info, sample_missing, heterozygosity)
    choice = _choice(genotypes, build, keep, extract=extract, cluster=cluster)
    with telling() as teller:
        say(check_quality(choice, out, limits, leave_out=leave_out or (), teller=teller))


@genotypes_app.command()
def prune(
    genotypes: options.Genotypes,
    out: OutOption,
    window: options.PruneWindow = "500",
    step: options.Step = None,
    r2: options.LargestR2 = 0.1,
    maf: options.LeastFrequency = 0.0,
    build: options.Build = None,
    keep: options.Keep = None,
    extract: options.Extract = None,
    cluster: options.Cluster = None,
) -> None:
    """Keep variants not in linkage: prune.in and prune.out as of PLINK's --indep-pairwise.

    Example: spinecast genotypes prune --genotypes study/genomes.bed --window 500 --step 10
    --r2 0.1 --out pruned
    """
    from spinecast.stages.genotype_commands import Limits, prune_variants

    choice = _choice(genotypes, build, keep, extract=extract, cluster=cluster)
    with telling() as teller:
        say(prune_variants(choice, out, Limits(window, step, r2, maf), teller=teller))


@genotypes_app.command()
def clump(
    sumstats: options.Associations,
    genotypes: options.Genotypes,
    out: OutOption,
    p1: options.IndexP = 5e-8,
    p2: options.MemberP = 0.01,
    r2: options.MemberR2 = 0.1,
    kb: options.MemberKb = 500.0,
    build: options.Build = None,
    keep: options.Keep = None,
) -> None:
    """Gather associations around their strongest variants, as PLINK 1.9's --clump.

    Example: spinecast genotypes clump --sumstats results/bmd_spine.tsv.gz
    --genotypes study/genomes.bed --build GRCh38 --out clumped
    """
    from spinecast.stages.genotype_commands import clump_associations

    choice = _choice(genotypes, build, keep)
    with telling() as teller:
        say(clump_associations(sumstats, choice, out, p1=p1, p2=p2, r2=r2, kb=kb, teller=teller))


@genotypes_app.command()
def pca(
    genotypes: options.Genotypes,
    out: OutOption,
    build: options.Build = None,
    count: options.Components = 10,
    keep: options.Keep = None,
    extract: options.Extract = None,
    project: options.Project = None,
    reference: options.Reference = None,
    seed: SeedOption = 1,
) -> None:
    """Compute principal components of unrelated people from pruned variants.

    Example: spinecast genotypes pca --genotypes study/genomes.bed --build GRCh38
    --extract pruned/prune.in --keep kinship/unrelated.txt --out pca
    """
    from spinecast.stages.genotype_people import ComponentSettings, compute_components

    choice = _choice(genotypes, build, keep, extract=extract)
    settings = ComponentSettings(count, project, reference, seed)
    with telling() as teller:
        say(compute_components(choice, out, settings, teller=teller))


@genotypes_app.command()
def kinship(
    genotypes: options.Genotypes,
    out: OutOption,
    above: options.Above = 0.0442,
    most_relatives: options.MostRelatives = 10,
    build: options.Build = None,
    keep: options.Keep = None,
    extract: options.Extract = None,
) -> None:
    """Find relatives by KING-robust, and people of whom no two are related.

    Example: spinecast genotypes kinship --genotypes study/genomes.bed --out kinship
    """
    from spinecast.stages.genotype_commands import estimate_kinship

    choice = _choice(genotypes, build, keep, extract=extract)
    with telling() as teller:
        say(estimate_kinship(choice, out, above=above, most_relatives=most_relatives,
                             teller=teller))  # fmt: skip


@genotypes_app.command("ld-scores")
def linkage_scores(
    genotypes: options.Genotypes,
    out: OutOption,
    window: options.Reach = "1cM",
    name: options.ScoresName = "ld",
    build: options.Build = None,
    keep: options.Keep = None,
    extract: options.Extract = None,
    cluster: options.Cluster = None,
) -> None:
    """Compute LD scores, in the files that LD score regression takes.

    Example: spinecast genotypes ld-scores --genotypes study/genomes.bed
    --keep kinship/unrelated.txt --window 1cM --out ld
    """
    from spinecast.stages.genotype_commands import score_linkage

    choice = _choice(genotypes, build, keep, extract=extract, cluster=cluster)
    with telling() as teller:
        say(score_linkage(choice, out, window=window, name=name, teller=teller))


@app.command("ld-score", rich_help_panel=PANEL)
def ld_score(
    sumstats: options.Sumstats,
    ld_scores: options.LdScores,
    out: OutOption,
    build: options.Build = None,
    n: options.SampleSize = None,
    intercept: options.Intercept = None,
) -> None:
    """Estimate heritability and confounding by LD score regression, or genetic correlation.

    Example: spinecast ld-score --sumstats results/bmd_spine.tsv.gz --ld-scores ld --out h2
    """
    from spinecast.stages.ld_score_command import regress_on_ld_scores

    with telling() as teller:
        found = regress_on_ld_scores(
            tuple(sumstats), ld_scores, out, teller=teller, build=build, n=n, intercept=intercept
        )
    _print_estimates(found)
    say(f"Estimates: {out / 'estimates.csv'}; what was dropped: {out / 'flow.json'}")


@app.command(rich_help_panel=PANEL)
def loci(
    sumstats: options.Scans,
    out: OutOption,
    p: options.LargestP = 5e-8,
    block: options.Block = None,
    most: options.Most = None,
    genotypes: options.Linked = None,
    keep: options.Keep = None,
    r2: options.LeadR2 = 0.9,
    known: options.Known = None,
    replication: options.Replications = None,
    build: options.Build = None,
) -> None:
    """Gather the loci of traits, and tell which are known and which other people replicate.

    Example: spinecast loci --sumstats results/bmd_spine.tsv.gz --known known.tsv
    --replication other.tsv.gz --out loci
    """
    from spinecast.stages.loci_command import LociRequest, gather_loci

    choice = _choice(genotypes, build, keep) if genotypes else None
    request = LociRequest(
        tuple(sumstats), build, p_value=p, block=block, most=most, choice=choice, r2=r2,
        known=known, replications=tuple(replication or ()),
    )  # fmt: skip
    with telling() as teller:
        found = gather_loci(request, out, teller=teller)
    _print_banner(simulated=found.simulated)
    _print_frame(found.table[[c for c in _OF_LOCI if c in found.table]].head(_SHOWN))
    counted = {k: v for k, v in found.flow.items() if isinstance(v, int)}
    say("; ".join(f"{name} {count:,}" for name, count in counted.items()))
    say(f"Loci: {out / 'loci.csv'}")


@app.command("gwas-compare", rich_help_panel=PANEL)
def gwas_compare(
    sumstats: options.Pair,
    out: OutOption,
    known: options.Known = None,
    ld_scores: options.ComparedScores = None,
    build: options.Build = None,
) -> None:
    """Compare two scans of the same people, and tell which trait says more about the genome.

    Example: spinecast gwas-compare --sumstats results/bmd_spine.tsv.gz
    --sumstats results/lumbar_area.tsv.gz --known known.tsv --ld-scores ld --out compared
    """
    from spinecast.stages.comparison_command import compare_tables

    with telling() as teller:
        found = compare_tables(
            tuple(sumstats), out, teller=teller, build=build, known=known, ld_scores=ld_scores
        )
    _print_banner(simulated=found.simulated)
    _print_estimates(found.estimates)
    say(f"First and second as they were given. Report: {found.page}")


def _print_banner(*, simulated: bool) -> None:
    if simulated:
        from spinecast.console import SIMULATED_BANNER

        console.print(SIMULATED_BANNER)


def _print_scan(found: GwasSummary) -> None:
    _print_banner(simulated=found.simulated)
    _print_frame(found.rows().head(_SHOWN))
    hidden = len(found.result.files) - _SHOWN
    more = f"; {hidden} more traits" if hidden > 0 else ""
    say(f"Method {found.method}{more}. Report: {found.page}")


def _print_estimates(estimates: pd.DataFrame) -> None:
    of = estimates["analysis"].str.split("/", n=1).str[1]
    several = len(set(of)) > 1
    table = Table(*["of"] * several, "term", "estimate (95 % ci)", "p")
    for name, row in zip(of, estimates.to_dict("records"), strict=True):
        interval = f" ({row['ci_low']:.3g} to {row['ci_high']:.3g})"
        known = row["ci_low"] == row["ci_low"]
        p_value = f"{row['p_value']:.2g}" if row["p_value"] == row["p_value"] else ""
        words = f"{row['estimate']:.4g}{interval if known else ''}"
        table.add_row(*[escape(name)] * several, row["term"], words, p_value)
    console.print(table)


def _print_frame(frame: pd.DataFrame) -> None:
    table = Table(*(Column(str(name), overflow="fold") for name in frame.columns))
    for row in frame.itertuples(index=False, name=None):
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else escape(str(v)) for v in row))
    console.print(table)
