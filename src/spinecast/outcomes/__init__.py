"""Statistics of outcomes: survival, discrimination, calibration, decisions, agreement.

Array in, frozen result out; every result has ``to_frame()``. Durations are
years, event codes 0 censored, 1 event, 2 competing death. Degenerate input
raises an error with a code (SC-601 to SC-610); nothing is guessed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "agreement": ("BlandAltman", "bland_altman", "icc", "lins_concordance", "sign_agreement"),
    "association": ("Associations", "associate"),
    "brier": ("BrierScore", "brier_score"),
    "calibration_curves": ("Calibration", "calibration"),
    "clinical": (
        "PointScore",
        "abone",
        "fracture_index",
        "frax_table",
        "orai",
        "ost",
        "osta",
        "read_frax_table",
        "score_points",
        "write_frax_table",
    ),
    "comparison": ("DeLong", "delong"),
    "competing_risks": ("IncidenceCurve", "cumulative_incidence"),
    "concordance": (
        "Concordance",
        "ConcordanceDifference",
        "compare_concordance",
        "harrell_concordance",
        "uno_concordance",
    ),
    "proportional_hazards": ("CoxFit", "cox"),
    "cutpoints": ("Cutpoint", "cutpoint_log_rank"),
    "decision": ("DecisionCurve", "TreatmentScenario", "decision_curve", "treatment_scenario"),
    "gray": ("GrayTest", "gray_test"),
    "intervals": ("Estimate", "TestResult", "benjamini_hochberg", "holm", "wilson"),
    "reclassification": (
        "Reclassification",
        "integrated_discrimination",
        "net_reclassification",
    ),
    "risk_groups": ("RiskGroups", "assign_risk_groups", "describe_risk_groups"),
    "subdistribution": ("FineGray", "fine_gray"),
    "survival": ("LogRank", "SurvivalCurve", "kaplan_meier", "log_rank"),
    "time_dependent": ("AUCComparison", "TimeDependentAUC", "time_dependent_auc"),
}
# No home bears the name of a function: an imported module would hide it.
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
