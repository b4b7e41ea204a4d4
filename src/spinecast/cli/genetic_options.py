"""Options of the commands on genotypes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """The statistic of a scan."""

    auto = "auto"
    linear = "linear"
    mixed = "mixed"
    spa = "spa"
    firth = "firth"
    score = "score"


class Missing(StrEnum):
    """What a missing genotype is."""

    impute = "impute"
    exact = "exact"


class Way(StrEnum):
    """How the whole-genome model is fitted."""

    auto = "auto"
    exact = "exact"
    cg = "cg"
    ridge = "ridge"


Genotypes = Annotated[
    list[Path],
    typer.Option(
        help=".bed, .pgen, .bgen or VCF, its tables beside it; repeat for a file a chromosome."
    ),
]
Build = Annotated[str | None, typer.Option(help="GRCh37 or GRCh38.")]
Keep = Annotated[
    Path | None, typer.Option(help="List of people, IID or FID IID; others are left out.")
]
Extract = Annotated[Path | None, typer.Option(help="List of variant ids; others are left out.")]
Cluster = Annotated[str | None, typer.Option(help="threads, processes:N, tcp://...")]

# -- gwas ------------------------------------------------------------------------------------
Traits = Annotated[
    Path, typer.Option(help="Table: FID IID or IID first, then traits; NA is missing.")
]
Trait = Annotated[list[str] | None, typer.Option(help="Name of a trait; repeat; without it all.")]
Covariates = Annotated[
    list[Path] | None, typer.Option(help="Table like that of traits; repeat for several.")
]
Covariate = Annotated[
    list[str] | None, typer.Option(help="Name of a covariate; repeat; without it all.")
]
MethodOption = Annotated[
    Method,
    typer.Option(
        help="auto: spa for case-control traits (0/1 or 1/2), else linear. mixed: relatives and "
        "ancestry in a whole-genome model."
    ),
]
ModelVariants = Annotated[
    Path | None, typer.Option(help="mixed: list of the model's variants (pruned); without it all.")
]
ModelWay = Annotated[
    Way, typer.Option(help="mixed: exact, by conjugate gradients, or two-level ridge.")
]
MissingOption = Annotated[
    Missing, typer.Option(help="Missing genotypes: their mean, or the person left out.")
]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Put residuals on a normal scale by their ranks.")
]
AddedScores = Annotated[
    Path | None, typer.Option(help="Folder of LD scores: adds heritability by regression.")
]
Known = Annotated[
    Path | None, typer.Option(help="Known loci: chromosome, base_pair_location, variant_id.")
]
Genes = Annotated[
    Path | None, typer.Option(help="Genes to draw beneath a locus: chromosome, start, end, name.")
]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", help="Also write pheweb, ldsc, regenie, saige or bolt; repeat."),
]
Peers = Annotated[
    list[str] | None,
    typer.Option("--files-for", help="Also write traits for regenie, bolt or saige; repeat."),
]
Tables = Annotated[bool | None, typer.Option(help="Text tables; without it for up to ten traits.")]
Pictures = Annotated[bool | None, typer.Option(help="Pictures; without it for up to ten traits.")]

# -- genotypes qc ----------------------------------------------------------------------------
LeastFrequency = Annotated[float, typer.Option(help="Minor allele frequency must be above.")]
LeastHwe = Annotated[float, typer.Option(help="Hardy-Weinberg p must be above.")]
MostMissing = Annotated[float, typer.Option(help="Most missing calls of a variant.")]
LeastInfo = Annotated[float, typer.Option(help="Imputation quality must be above.")]
MostMissingOfPerson = Annotated[float, typer.Option(help="Most missing calls of a person.")]
Deviations = Annotated[
    float, typer.Option(help="Most robust standard deviations of heterozygosity.")
]
LeaveOut = Annotated[list[Path] | None, typer.Option(help="List of people to leave out; repeat.")]

# -- genotypes prune, clump, pca, kinship, ld-scores ------------------------------------------
PruneWindow = Annotated[str, typer.Option(help="500 (variants) or 10000kb.")]
Step = Annotated[
    int | None, typer.Option(help="Variants the window moves; without it 10, or 1 with kb.")
]
LargestR2 = Annotated[float, typer.Option(help="Largest squared correlation.")]
Associations = Annotated[Path, typer.Option(help="Associations: GWAS-SSF, or a scan's .parquet.")]
IndexP = Annotated[float, typer.Option(help="Largest p of an index variant.")]
MemberP = Annotated[float, typer.Option(help="Members below this p are listed.")]
MemberR2 = Annotated[float, typer.Option(help="Least squared correlation of a member.")]
MemberKb = Annotated[float, typer.Option(help="Farthest a member may lie.")]
Components = Annotated[int, typer.Option(help="Components.", min=1)]
Project = Annotated[
    Path | None, typer.Option(help="List of further people to place on the components.")
]
Reference = Annotated[
    Path | None, typer.Option(help="List of people of one ancestry: adds distances from them.")
]
Above = Annotated[float, typer.Option(help="Least kinship of a pair listed.")]
MostRelatives = Annotated[
    int, typer.Option(help="Most relatives of third degree; who has more is left out.")
]
Reach = Annotated[str, typer.Option(help="Reach to either side: 1cM, 1000kb or 500.")]
ScoresName = Annotated[str, typer.Option(help="Beginning of the files' names.")]

# -- ld-score --------------------------------------------------------------------------------
Sumstats = Annotated[
    list[Path],
    typer.Option(help="GWAS-SSF, .parquet or .sumstats; twice for a genetic correlation."),
]
LdScores = Annotated[Path, typer.Option(help="Folder of .l2.ldscore files.")]
SampleSize = Annotated[float | None, typer.Option(help="Sample size where a table lacks it.")]
Intercept = Annotated[float | None, typer.Option(help="Fix the intercept, e.g. at 1.")]

# -- loci, gwas-compare ----------------------------------------------------------------------
Scans = Annotated[
    list[Path], typer.Option("--sumstats", help="GWAS-SSF or a scan's .parquet; one a trait.")
]
Pair = Annotated[
    list[Path], typer.Option("--sumstats", help="GWAS-SSF or a scan's .parquet; give it twice.")
]
LargestP = Annotated[float, typer.Option("--p", help="Largest p of a locus.", min=0.0, max=1.0)]
Block = Annotated[
    str | None,
    typer.Option(
        help="1000kb: the lowest p of each such block; without it variants 500 kb apart are one."
    ),
]
Most = Annotated[int | None, typer.Option(help="The strongest so many of each trait.", min=1)]
Linked = Annotated[
    list[Path] | None,
    typer.Option("--genotypes", help="Leaves out leads in linkage with a stronger one, 10 Mb."),
]
LeadR2 = Annotated[float, typer.Option("--r2", help="Largest squared correlation of two leads.")]
ComparedScores = Annotated[
    Path | None, typer.Option(help="Folder of LD scores: adds the genetic correlation.")
]
Replications = Annotated[
    list[Path] | None,
    typer.Option("--replication", help="Associations of other people, one table, or one a trait."),
]
