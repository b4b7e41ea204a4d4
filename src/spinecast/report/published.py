"""The published numbers of the designs these studies follow: for reference.

They were measured on real films of other cohorts; those of follow-up radiographs by
fitting and judging on the same test people, with cut-offs chosen on them. They stand
beside ours so that a reader sees the scale.

Sources: Cho, "Diff-X", doctoral dissertation, Yonsei University, December 2023; Zhang,
Harvey, Fuggle and Attar, University of Southampton, counterfactual spine DXA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from spinecast.report.digits import write_number
from spinecast.report.goods import Estimate
from spinecast.report.parts import Table
from spinecast.report.tables import frame_table, write_estimate

SOURCE = "Cho, Diff-X, doctoral dissertation, Yonsei University, December 2023"
CAVEAT = (
    "Published numbers come from 1,852 real test people of one Korean hospital (9,276 in all); "
    "Cox and DeepSurv models appear to have been fitted and judged on the same test people, and "
    "cut-offs chosen there. They are shown for scale. They are not targets, and agreement with a "
    "simulated cohort would mean nothing."
)
_REAL = "real films; reconstruction, not prediction"
_SAME = "appears fitted and judged on the same people"


@dataclass(frozen=True)
class PublishedNumber:
    """One published number: ``analysis`` and ``term`` as in our estimates table."""

    analysis: str
    term: str
    label: str
    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan
    caveat: str = ""
    null: float | None = None
    decimals: int = 3  # as printed


def _auroc(model: str, label: str, values: tuple[float, float, float]) -> list[PublishedNumber]:
    return [
        PublishedNumber(
            "models",
            f"auroc_{years}y_{model}_deepsurv",
            f"AUROC at {years} y, {label}, DeepSurv",
            value,
            caveat=_SAME,
            decimals=2,
        )
        for years, value in zip((1, 5, 10), values, strict=True)
    ]


def _ratio(term: str, label: str, values: tuple[float, float, float]) -> PublishedNumber:
    return PublishedNumber("risk_groups", term, label, *values, caveat=_SAME, null=1.0)


PUBLISHED: tuple[PublishedNumber, ...] = (
    PublishedNumber("reconstruction", "ms_ssim", "MS-SSIM, pair of models", 0.506, caveat=_REAL),
    PublishedNumber(
        "reconstruction", "ms_ssim_single_ldm", "MS-SSIM, single LDM", 0.219, caveat=_REAL
    ),
    PublishedNumber("reconstruction", "psnr", "PSNR (dB), pair of models", 20.737, caveat=_REAL),
    PublishedNumber(
        "reconstruction", "psnr_single_ldm", "PSNR (dB), single LDM", 15.856, caveat=_REAL
    ),
    PublishedNumber(
        "follow_up",
        "pearson_r",
        "Generated against real follow-up score, r",
        0.656,
        0.547,
        0.741,
        caveat="10 % of the test people; 0.655 in the abstract",
    ),
    PublishedNumber(
        "follow_up",
        "bias",
        "Generated minus real score, bias",
        -0.06,
        caveat="sd 0.20; the direction of the difference is not stated",
        decimals=2,
    ),
    PublishedNumber(
        "generated_age",
        "r_squared",
        "Age read off generated films, R²",
        0.841,
        caveat="real films not given beside",
    ),
    _ratio("hazard_ratio_lh", "Hazard ratio LH against LL", (2.090, 1.396, 3.131)),
    _ratio("hazard_ratio_high", "Hazard ratio HIGH against LL", (4.911, 3.574, 6.750)),
    _ratio("hazard_ratio_lh_clinical", "  LH, + age, sex, BMI", (1.598, 1.044, 2.448)),
    _ratio("hazard_ratio_high_clinical", "  HIGH, + age, sex, BMI", (3.726, 2.622, 5.296)),
    _ratio("hazard_ratio_lh_frax", "  LH, + FRAX", (1.643, 1.090, 2.476)),
    _ratio("hazard_ratio_high_frax", "  HIGH, + FRAX", (3.235, 2.289, 4.572)),
    *_auroc("fracture_scores", "BpVF and GpVF", (0.76, 0.70, 0.62)),
    *_auroc("fracture_scores_clinical", "BpVF and GpVF + age, sex, BMI", (0.79, 0.76, 0.74)),
    *_auroc("frax", "FRAX", (0.70, 0.72, 0.70)),
    PublishedNumber(
        "models", "c_index_clinical_cox", "c-index, age, sex, BMI, Cox", 0.654, caveat=_SAME
    ),
    PublishedNumber("models", "c_index_frax_cox", "c-index, FRAX, Cox", 0.690, caveat=_SAME),
    PublishedNumber(
        "models",
        "c_index_groups_cox",
        "c-index, groups, Cox",
        0.675,
        caveat="0.679 elsewhere in the text",
    ),
    PublishedNumber(
        "models",
        "c_index_fracture_scores_clinical_cox",
        "c-index, groups + clinical, Cox",
        0.700,
        caveat=f"{_SAME}; ours takes the scores themselves",
    ),
    PublishedNumber(
        "models",
        "likelihood_ratio_groups_cox",
        "Likelihood-ratio χ², groups",
        92.7,
        caveat="97.9 elsewhere in the text",
        decimals=1,
    ),
    PublishedNumber(
        "scores",
        "pearson_r_age_gpvf",
        "Age against GpVF, r",
        0.668,
        caveat="age alone explains 45 %",
    ),
    PublishedNumber("scores", "pearson_r_bpvf_gpvf_10y", "BpVF against GpVF(10 y), r", 0.376),
    PublishedNumber(
        "treatment",
        "sensitivity",
        "Sensitivity, FRAX > 20 % plus LH and HIGH",
        0.660,
        caveat="0.110 by FRAX alone; computed from the published counts",
    ),
    PublishedNumber(
        "treatment",
        "specificity",
        "Specificity, FRAX > 20 % plus LH and HIGH",
        0.662,
        caveat="0.981 by FRAX alone; computed from the published counts",
    ),
)

_SCANS = "real scans, 192 x 192"
_LEVEL = "no change, which the paper does not give, may score as high"

#: Counterfactual spine DXA: the main results that the authors' public repository lists.
PUBLISHED_DXA: tuple[PublishedNumber, ...] = (
    PublishedNumber(
        "reconstruction", "mae", "Reconstruction, MAE", 0.0509,
        caveat=f"{_SCANS}; sd over scans 0.0062", decimals=4,
    ),
    PublishedNumber(
        "reconstruction", "rmse", "Reconstruction, RMSE", 0.0891,
        caveat=f"{_SCANS}; sd over scans 0.0139", decimals=4,
    ),
    PublishedNumber(
        "reconstruction", "psnr", "Reconstruction, PSNR (dB)", 21.10,
        caveat=f"{_SCANS}; sd over scans 1.31", decimals=2,
    ),
    PublishedNumber(
        "reconstruction", "ssim", "Reconstruction, SSIM", 0.574,
        caveat=f"{_SCANS}; sd over scans 0.031",
    ),
    PublishedNumber(
        "follow_up", "r_squared_width", "Later lumbar width, R²", 0.918, caveat=_LEVEL
    ),
    PublishedNumber(
        "follow_up", "r_squared_height", "Later lumbar height, R²", 0.854, caveat=_LEVEL
    ),
    PublishedNumber("follow_up", "r_squared_area", "Later lumbar area, R²", 0.931, caveat=_LEVEL),
    PublishedNumber(
        "follow_up", "sign_agreement", "Direction of change, share right", 0.615,
        caveat="0.5 is guessing; how much measurement error allows is not given",
    ),
)  # fmt: skip

SOURCE_DXA = (
    "Zhang, Harvey, Fuggle and Attar, University of Southampton; main results as listed in the "
    "authors' public repository"
)
CAVEAT_DXA = (
    "Published numbers come from 3,743 people of UK Biobank (GE Lunar iDXA), a tenth of them for "
    "testing. Whether age alone was set to that of the later scan, or every variable measured "
    "then, is told differently by the authors' text and code: ours sets age alone unless a row "
    "says otherwise. Agreement of a simulated cohort with them would mean nothing."
)
LIMITS_DXA: tuple[str, ...] = (
    "Fine vertebral edges stay blurred, and the direction of change within a person is hard, as "
    "its authors say.",
    "No alternative stands beside its follow-up numbers: adult vertebrae hardly change, so that "
    "no change is already a strong forecast of the level.",
    "Width, height and area alone shape its images: loss of density and osteophytes cannot appear.",
)

INCONSISTENCIES: tuple[tuple[str, str, str], ...] = (
    ("films after selection", "29,307", "26,299"),
    ("people after selection", "9,726", "9,276"),
    ("people who fractured", "9.9 %", "10.3 %"),
    ("follow-up", "mean 34.8 months", "median 766 days (25.2 months)"),
    ("osteoporosis by T-score", "≤ 2.5", "must be ≤ −2.5"),
    ("columns of Table 1", "n and women", "permuted"),
    ("prevalent vertebral fracture in the test set", "339 (Table 1)", "397 (sum of Table 3)"),
    ("c-index of the groups", "0.675", "0.679"),
    ("c-index of the full model", "0.727", "0.729"),
    ("likelihood-ratio χ² of the groups", "92.7", "97.9"),
    (
        "weight and height of the HIGH group",
        "58.0 kg, 155.6 cm (Table 3)",
        "57.0 kg, 154 cm (text)",
    ),
)

OWN_LIMITS: tuple[str, ...] = (
    "One tertiary hospital, Korean people only, no external validation.",
    "People without a later film, or under 50, were left out (about 40,000): who returns for a "
    "film is not like who does not.",
    "No grading of fracture severity; lateral films only; the effect of drugs is unknown.",
)


def compare_with_published(
    estimates: pd.DataFrame, numbers: Sequence[PublishedNumber] = PUBLISHED
) -> pd.DataFrame:
    """Set our estimates beside the published numbers, row by row.

    Parameters
    ----------
    estimates
        Columns ``analysis``, ``term``, ``estimate``, ``ci_low``, ``ci_high``.
    numbers
        Of which study.

    Returns
    -------
    pandas.DataFrame
        Columns ``label``, ``ours``, ``published``, ``caveat`` (text), published order;
        rows without ours are kept, with a dash.
    """
    rows = []
    for number in numbers:
        ours = Estimate.find(estimates, number.analysis, number.term)
        rows.append(
            {
                "label": number.label,
                "ours": write_estimate(ours, null=number.null),
                "published": _as_printed(number),
                "caveat": number.caveat,
            }
        )
    return pd.DataFrame(rows)


def published_table(
    estimates: pd.DataFrame,
    *,
    numbers: Sequence[PublishedNumber] = PUBLISHED,
    source: str = SOURCE,
) -> Table:
    """Show ours beside the published numbers."""
    frame = compare_with_published(estimates, numbers)
    return frame_table(
        frame,
        marks=["sub" if label.startswith("  ") else "" for label in frame["label"]],
        caption=f"Ours beside the published numbers ({source}).",
        headers={"label": "measure", "caveat": "how not to read the published number"},
    )


def inconsistency_table() -> Table:
    """Show where the published text contradicts itself; nothing was silently picked."""
    frame = pd.DataFrame(INCONSISTENCIES, columns=["what", "one place says", "another says"])
    return frame_table(frame, caption="Where the published text contradicts itself", folded=True)


def _as_printed(number: PublishedNumber) -> str:
    # printed digits are quoted, not rounded: they are the source's, not ours
    value, low, high = (
        write_number(v, number.decimals) for v in (number.value, number.ci_low, number.ci_high)
    )
    return f"{value} ({low} to {high})" if math.isfinite(number.ci_low) else value
