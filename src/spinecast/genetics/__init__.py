"""Genetics: from genotypes and traits to associations, loci, heritability and relatives.

The functions a study calls, in the order it needs them; each module has more. Names are loaded
when they are first used: the room opens without numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    # who and what is fit
    "quality": ("variant_summary", "select_variants"),
    "sample_quality": ("sample_summary", "select_people", "heterozygosity_outliers"),
    "hardy_weinberg": ("hardy_weinberg_mid_p",),
    "relatedness": (
        "king_kinship",
        "kinship_matrix",
        "people_with_many_relatives",
        "unrelated_people",
    ),
    # linkage and ancestry
    "ld": ("Clumps", "Pruning", "clump", "linkage_with", "prune"),
    "ancestry": ("Components", "ancestry_distance", "principal_components", "project_components"),
    "long_range_ld": ("outside_long_range",),
    # traits
    "trait_files": ("read_traits",),
    "phenotypes": ("rank_inverse_normal", "residualise"),
    "people": ("AnalysedPeople", "align_people"),
    # association
    "whole_genome": ("WholeGenomeFit", "whole_genome_model"),
    "gwas_parts": ("ScanSettings",),
    "gwas": ("GwasResult", "run_gwas"),
    "scan": ("ScanBlock", "linear_scan"),
    # tables of associations
    "associations": ("validate_associations", "z_scores"),
    "summary_statistics": (
        "Provenance",
        "SummaryStatistics",
        "read_summary_statistics",
        "write_gwas_ssf",
    ),
    "export_formats": ("export_associations",),
    "peer_files": ("write_peer_files",),
    # loci
    "loci": (
        "Inflation",
        "correlations_in",
        "find_loci",
        "inflation",
        "lead_variants",
        "overlap_with_known",
        "prune_leads",
        "replication",
    ),
    "comparison": ("ScanComparison", "compare_scans", "effective_sample_size_ratio"),
    # LD score regression
    "ld_scores": ("LDScores", "compute_ld_scores"),
    "ld_score_tables": (
        "ReferenceScores",
        "estimate_genetic_correlation",
        "estimate_heritability",
        "read_ld_scores",
        "reference_scores",
        "write_ld_scores",
    ),
    "munging": ("Munged", "MungingRules", "munge", "read_munged"),
    "ld_score": (
        "GeneticCorrelation",
        "Heritability",
        "genetic_correlation",
        "heritability",
        "liability_scale",
    ),
}
# No module bears the name of a function: once imported it would hide it. So mixed_scan and
# binary_scan are not here; run_gwas reaches them.
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
