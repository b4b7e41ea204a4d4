"""Figures: plain arrays in, :class:`~spinecast.report.parts.Figure` out."""

from spinecast.report.figures.agreement import (
    draw_agreement,
    draw_calibration,
    draw_paired_scatter,
)
from spinecast.report.figures.causal_graph import draw_causal_graph
from spinecast.report.figures.counterfactuals import (
    draw_age_sweep,
    draw_foretold,
    draw_histories,
)
from spinecast.report.figures.discrimination import (
    draw_auroc_over_time,
    draw_decision_curve,
    draw_intervals,
    draw_recovery,
    draw_roc,
)
from spinecast.report.figures.distributions import (
    draw_boxes,
    draw_pairs,
    draw_score_distributions,
    draw_trajectories,
    draw_uncertainty,
)
from spinecast.report.figures.flow import draw_flow
from spinecast.report.figures.genome import (
    Region,
    draw_manhattan,
    draw_miami,
    draw_quantiles,
    draw_region,
    draw_scans,
)
from spinecast.report.figures.genome_thinning import ThinnedScan, thin_quantiles, thin_scan
from spinecast.report.figures.overlays import draw_attribution, draw_feature_maps
from spinecast.report.figures.strips import draw_draws, draw_neighbours, draw_strip
from spinecast.report.figures.survival import draw_forest, draw_survival

__all__ = [
    "Region",
    "ThinnedScan",
    "draw_age_sweep",
    "draw_agreement",
    "draw_attribution",
    "draw_auroc_over_time",
    "draw_boxes",
    "draw_calibration",
    "draw_causal_graph",
    "draw_decision_curve",
    "draw_draws",
    "draw_feature_maps",
    "draw_flow",
    "draw_forest",
    "draw_foretold",
    "draw_histories",
    "draw_intervals",
    "draw_manhattan",
    "draw_miami",
    "draw_neighbours",
    "draw_paired_scatter",
    "draw_pairs",
    "draw_quantiles",
    "draw_recovery",
    "draw_region",
    "draw_roc",
    "draw_scans",
    "draw_score_distributions",
    "draw_strip",
    "draw_survival",
    "draw_trajectories",
    "draw_uncertainty",
    "thin_quantiles",
    "thin_scan",
]
