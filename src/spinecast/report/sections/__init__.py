"""Sections of the page: each a small function of goods."""

from spinecast.report.sections.causal import (
    axioms_section,
    discovery_section,
    follow_up_images_section,
    foretold_section,
    graph_section,
    published_dxa_section,
    reconstruction_section,
    sweeps_section,
    training_section,
)
from spinecast.report.sections.cohort import (
    flow_section,
    quarantine_section,
    table_one_section,
)
from spinecast.report.sections.pictures import (
    age_section,
    draws_section,
    features_section,
    fidelity_section,
    neighbours_section,
    strips_section,
)
from spinecast.report.sections.risk import (
    auroc_section,
    calibration_section,
    decision_section,
    models_section,
    risk_groups_section,
    trajectories_section,
    treatment_section,
)
from spinecast.report.sections.scores import (
    agreement_section,
    attribution_section,
    distributions_section,
    uncertainty_section,
)
from spinecast.report.sections.summary import headline_section
from spinecast.report.sections.trust import (
    checklist_section,
    limits_section,
    provenance_section,
    published_section,
    recovery_section,
)

__all__ = [
    "age_section",
    "agreement_section",
    "attribution_section",
    "auroc_section",
    "axioms_section",
    "calibration_section",
    "checklist_section",
    "decision_section",
    "discovery_section",
    "distributions_section",
    "draws_section",
    "features_section",
    "fidelity_section",
    "flow_section",
    "follow_up_images_section",
    "foretold_section",
    "graph_section",
    "headline_section",
    "limits_section",
    "models_section",
    "neighbours_section",
    "provenance_section",
    "published_dxa_section",
    "published_section",
    "quarantine_section",
    "reconstruction_section",
    "recovery_section",
    "risk_groups_section",
    "strips_section",
    "sweeps_section",
    "table_one_section",
    "training_section",
    "trajectories_section",
    "treatment_section",
    "uncertainty_section",
]
