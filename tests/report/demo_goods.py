"""Synthetic goods for the whole page, drawn from one seed: no model, no run folder."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from spinecast.report.goods import (
    BlandAltmanData,
    CurveData,
    DrawsData,
    Estimate,
    FeatureMaps,
    FlowStep,
    ForestRow,
    HeadlineRow,
    NeighbourData,
    OverlayData,
    PairedValues,
    StripData,
    Target,
)
from spinecast.report.parts import Section
from spinecast.report.recovery import compare_with_truth
from spinecast.report.sections import (
    age_section,
    agreement_section,
    attribution_section,
    auroc_section,
    calibration_section,
    checklist_section,
    decision_section,
    distributions_section,
    draws_section,
    features_section,
    fidelity_section,
    flow_section,
    headline_section,
    limits_section,
    models_section,
    neighbours_section,
    provenance_section,
    published_section,
    quarantine_section,
    recovery_section,
    risk_groups_section,
    strips_section,
    table_one_section,
    trajectories_section,
    treatment_section,
    uncertainty_section,
)

ROWS, COLUMNS = 192, 96
GROUPS = ("LL", "LH", "HIGH")


def film(rng: np.random.Generator, *, age: float = 60, shape=(ROWS, COLUMNS)) -> np.ndarray:
    """A crude film: stacked blocks that sink with age, soft tissue, noise."""
    rows, columns = shape
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    tissue = 0.55 - 0.5 * np.abs(x - 0.45) ** 1.3
    centre = 0.5 + 0.08 * np.sin(3.2 * y + 0.02 * (age - 60))
    column = np.clip(1 - np.abs(x - centre) / 0.13, 0, 1) ** 0.5
    period = 0.115 - 0.0004 * (age - 60)
    bone = (np.sin(2 * np.pi * y / period) > -0.62) * column
    image = tissue * 0.6 + 0.42 * bone * (1 - 0.006 * (age - 60))
    return np.clip(image + rng.normal(0, 0.025, shape), 0, 1).astype(np.float32)


def strip(seed: int, *, follow_up: bool = True) -> StripData:
    def at(age):
        return film(np.random.default_rng(seed), age=age)

    age = 58.0 + 4 * seed
    noise = np.random.default_rng(seed + 100).normal(0, 0.02, (ROWS, COLUMNS))
    return StripData(
        label=f"P{seed:04d} · F · {age:.0f} years",
        baseline=at(age),
        reconstruction=np.clip(at(age) + noise, 0, 1),
        horizons=(1.0, 5.0, 10.0),
        generated=tuple(np.clip(at(age + h) + noise, 0, 1) for h in (1, 5, 10)),
        follow_up=at(age + 3.4) if follow_up else None,
        follow_up_years=3.4 if follow_up else math.nan,
        generated_at_follow_up=np.clip(at(age + 3.4) + noise, 0, 1) if follow_up else None,
    )


def survival_curve(label: str, hazard: float, *, n: int, incidence: bool = False) -> CurveData:
    x = np.linspace(0, 10, 80)
    y = np.exp(-hazard * x)
    half = 1.96 * np.sqrt(y * (1 - y) / n)
    value = 1 - y if incidence else y
    times = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    at_risk = tuple(int(n * math.exp(-(hazard + 0.15) * t)) for t in times)
    return CurveData(
        label, x, value, np.clip(value - half, 0, 1), np.clip(value + half, 0, 1), times, at_risk
    )


def model_curves() -> list[CurveData]:
    x = np.array([1.0, 5.0, 10.0])
    models = {
        "scores": (0.77, 0.73, 0.70),
        "scores + clinical": (0.81, 0.78, 0.76),
        "FRAX (simulated)": (0.72, 0.71, 0.70),
        "age alone": (0.68, 0.67, 0.67),
        "baseline score": (0.75, 0.70, 0.66),
    }
    return [
        CurveData(name, x, np.array(y), np.array(y) - 0.04, np.array(y) + 0.04)
        for name, y in models.items()
    ]


def estimates() -> pd.DataFrame:
    rows = [
        ("reconstruction", "ms_ssim", 0.912, 0.907, 0.917, math.nan, 240),
        ("reconstruction", "psnr", 28.31, 28.02, 28.6, math.nan, 240),
        ("reconstruction", "ms_ssim_autoencoder", 0.931, 0.927, 0.935, math.nan, 240),
        ("reconstruction", "ms_ssim_single_ldm", 0.513, 0.49, 0.536, math.nan, 240),
        ("reconstruction", "psnr_single_ldm", 17.92, 17.4, 18.44, math.nan, 240),
        ("follow_up", "pearson_r", 0.782, 0.731, 0.825, 1e-12, 214),
        ("follow_up", "pearson_r_persistence", 0.701, 0.635, 0.757, 1e-12, 214),
        ("follow_up", "bias", -0.021, -0.038, -0.004, 0.016, 214),
        ("follow_up", "sd", 0.131, 0.12, 0.145, math.nan, 214),
        ("follow_up", "image_skill", 0.034, -0.012, 0.079, 0.14, 214),
        ("generated_age", "r_squared", 0.71, 0.66, 0.75, math.nan, 240),
        ("generated_age", "fraction_of_acquired", 0.86, 0.81, 0.91, math.nan, 240),
        ("risk_groups", "hazard_ratio_lh", 1.92, 1.31, 2.81, 0.0008, 1200),
        ("risk_groups", "hazard_ratio_high", 4.13, 3.05, 5.59, 1e-15, 1200),
        ("models", "c_index_scores_clinical_cox", 0.741, 0.712, 0.77, math.nan, 1200),
        ("speed", "seconds_per_patient", 41.0, 39.1, 43.2, math.nan, 12),
    ]
    columns = ["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]
    return pd.DataFrame(rows, columns=columns)


def headline_rows() -> list[HeadlineRow]:
    table = estimates()

    def get(analysis, term):
        return Estimate.find(table, analysis, term)

    return [
        HeadlineRow(
            "MS-SSIM of the copy", get("reconstruction", "ms_ssim"),
            get("reconstruction", "ms_ssim_single_ldm"), "single LDM", Target(0.85), key=True,
        ),
        HeadlineRow(
            "PSNR of the copy (dB)", get("reconstruction", "psnr"),
            get("reconstruction", "psnr_single_ldm"), "single LDM", Target(26),
        ),
        HeadlineRow(
            "Generated against real follow-up score, r", get("follow_up", "pearson_r"),
            get("follow_up", "pearson_r_persistence"), "persistence", Target(0.75), key=True,
        ),
        HeadlineRow(
            "Image skill over no change", get("follow_up", "image_skill"), Estimate(0.0),
            "no change", Target(0, "above"), null=0.0,
        ),
        HeadlineRow(
            "Age on generated films, share of real R²",
            get("generated_age", "fraction_of_acquired"),
            target=Target(0.9), comment="The regressor reads 0.06 less on copies too.",
        ),
        HeadlineRow(
            "Hazard ratio, HIGH against LL", get("risk_groups", "hazard_ratio_high"),
            Estimate(2.6, 1.95, 3.46), "oldest fifth against the rest", key=True, null=1.0,
            met=True, target=Target(1, "above", "LL < LH < HIGH"),
        ),
        HeadlineRow(
            "c-index, scores + clinical", get("models", "c_index_scores_clinical_cox"),
            Estimate(0.672, 0.64, 0.704), "age alone", Target(0.672, "above", "above age alone"),
            key=True,
        ),
        HeadlineRow(
            "Seconds per patient (40 futures)", get("speed", "seconds_per_patient"),
            Estimate(96.0), "both branches for every draw", Target(60, "at most"),
        ),
    ]  # fmt: skip


def table_one() -> pd.DataFrame:
    rows = [
        ("People", "1,200", "720", "240", "240", "–"),
        ("Age (years), mean (sd)", "65.9 (8.4)", "65.8 (8.5)", "66.1 (8.3)", "65.9 (8.4)", "0.88"),
        ("Sex", "", "", "", "", ""),
        ("  women", "790 (65.8 %)", "474 (65.8 %)", "158 (65.8 %)", "158 (65.8 %)", "1.00"),
        ("  men", "410 (34.2 %)", "246 (34.2 %)", "82 (34.2 %)", "82 (34.2 %)", ""),
        ("BMI (kg/m²), mean (sd)", "24.1 (3.2)", "24.1 (3.2)", "24.0 (3.1)", "24.2 (3.3)", "0.74"),
        ("Prevalent vertebral fracture", "221 (18.4 %)", "133 (18.5 %)", "44 (18.3 %)",
         "44 (18.3 %)", "1.00"),
        ("Follow-up (years), median", "5.2", "5.2", "5.1", "5.3", "0.91"),
        ("Incident fracture", "143 (11.9 %)", "86 (11.9 %)", "29 (12.1 %)", "28 (11.7 %)", "0.99"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["variable", "all", "train", "validation", "test", "p"])


def quarantine() -> pd.DataFrame:
    rows = [(f"film-{i:05d}.dcm", "SC-104", "truncated file") for i in range(9)]
    rows += [(f"film-{i:05d}.dcm", "SC-206", "constant image") for i in range(9, 13)]
    rows += [("P0817", "SC-302", "height 1.64: centimetres expected, metres suspected")]
    return pd.DataFrame(rows, columns=["source", "code", "reason"])


def recovery() -> pd.DataFrame:
    rows = [
        ("models", "c_index_scores_clinical_cox", 0.756, "c-index, of the best possible"),
        ("risk_groups", "hazard_ratio_high", 4.6, "hazard ratio HIGH against LL"),
        ("risk_groups", "hazard_ratio_lh", 2.0, "hazard ratio LH against LL"),
        ("follow_up", "pearson_r", 0.861, "follow-up score, r"),
        ("follow_up", "bias", 0.0, "follow-up score, bias"),
    ]
    truth = pd.DataFrame(rows, columns=["analysis", "term", "truth", "label"])
    return compare_with_truth(estimates(), truth)


def _pair(rng, n, *, noise, low, high, labels, summary) -> PairedValues:
    x = rng.uniform(low, high, n)
    y = np.clip(x + rng.normal(0, noise, n), low - noise, high + noise)
    return PairedValues(x, y, *labels, summary)


def cohort_sections(*, simulated: bool) -> list[Section]:
    steps = [
        FlowStep("Given", 1400, 4210),
        FlowStep("Set aside: damaged or contradictory", 1391, 4174),
        FlowStep("Under 50 years at baseline", 1262, 3790),
        FlowStep("No later film at least 28 days after baseline", 1200, 3655),
    ]
    splits = [
        FlowStep("Train", 720, 2190), FlowStep("Validation", 240, 733), FlowStep("Test", 240, 732)
    ]  # fmt: skip
    counts = {"given": 4210, "used": 4174, "skipped": 22, "quarantined": 14}
    skipped = pd.DataFrame({"source": ["scout.dcm"] * 22, "code": ["SC-207"] * 22,
                            "reason": ["localizer"] * 22})  # fmt: skip
    return [
        headline_section(headline_rows(), text="What the demo run measured, on test people only."),
        flow_section(steps, simulated=simulated, splits=splits),
        table_one_section(table_one()),
        quarantine_section(quarantine(), counts, skipped=skipped),
    ]


def picture_sections(rng: np.random.Generator, *, simulated: bool) -> list[Section]:
    measures = {
        "MS-SSIM": {"pair of models": rng.normal(0.91, 0.02, 240),
                    "autoencoder alone": rng.normal(0.93, 0.015, 240),
                    "single LDM": rng.normal(0.51, 0.08, 240)},
        "PSNR (dB)": {"pair of models": rng.normal(28.3, 1.1, 240),
                      "autoencoder alone": rng.normal(29.6, 1.0, 240),
                      "single LDM": rng.normal(17.9, 1.8, 240)},
    }  # fmt: skip
    rows = estimates()
    shown = rows[rows["analysis"].isin(["reconstruction", "follow_up"])]
    draws = np.stack([film(np.random.default_rng(i), age=70 + i / 3) for i in range(10)])
    ages = {"R²": Estimate(0.71, 0.66, 0.75)}
    labels = ("age asked for", "age read")
    neighbours = [
        NeighbourData(f"P{i:04d} +10 y", film(np.random.default_rng(i), age=75),
                      film(np.random.default_rng(i + 50), age=73), 0.71 + 0.05 * i, flagged=i == 5)
        for i in range(6)
    ]  # fmt: skip
    maps = rng.uniform(size=(6, 4, 24, 12, 3))
    features = FeatureMaps(tuple(f"block {i}" for i in range(6)), (900, 600, 300, 1), maps)
    return [
        strips_section([strip(1), strip(2), strip(3, follow_up=False)], simulated=simulated),
        draws_section([DrawsData("P0002 · F · 66 years", 10, draws)], simulated=simulated),
        fidelity_section(measures, shown, simulated=simulated),
        age_section(
            _pair(rng, 600, noise=5, low=50, high=92, labels=labels, summary=ages),
            _pair(
                rng, 600, noise=4, low=50, high=92, labels=("true age", "age read"), summary=ages
            ),
            simulated=simulated,
        ),
        neighbours_section(neighbours, simulated=simulated),
        features_section([features], simulated=simulated),
    ]


def score_sections(rng: np.random.Generator, *, simulated: bool) -> list[Section]:
    labels = ("score of the real later film", "score of the generated film")
    pair = _pair(rng, 214, noise=0.12, low=0, high=1, labels=labels,
                 summary={"r": Estimate(0.782, 0.731, 0.825)})  # fmt: skip
    rows = estimates()
    base = rng.beta(2, 3, 800)
    event = (rng.uniform(size=800) < 0.25 * base + 0.02).astype(float)
    wide = pd.DataFrame({"BpVF": base})
    for years in (1, 5, 10):
        wide[f"GpVF {years} y"] = np.clip(base + 0.01 * years + rng.normal(0, 0.1, 800), 0, 1)
    scores = {
        name: {"no fracture": wide.loc[event == 0, name], "fracture": wide.loc[event == 1, name]}
        for name in ("BpVF", "GpVF 10 y")
    }
    overlays = []
    for i in range(5):
        y, x = np.mgrid[0 : 1 : ROWS * 1j, 0 : 1 : COLUMNS * 1j]
        heat = np.exp(-((y - 0.3 - 0.1 * i) ** 2 + (x - 0.5) ** 2) / 0.01)
        overlays.append(
            OverlayData(f"P{i:04d}", film(np.random.default_rng(i)), heat, 0.3 + 0.1 * i)
        )
    return [
        agreement_section(
            pair, BlandAltmanData(Estimate(-0.02, -0.04, 0.0), -0.28, 0.24),
            estimates=rows[rows["analysis"] == "follow_up"], simulated=simulated,
        ),
        distributions_section(scores, wide, simulated=simulated, event=event,
                              thresholds={"BpVF": 0.5, "GpVF 10 y": 0.6}),
        uncertainty_section(rng.gamma(3, 0.02, 800), threshold=0.13, simulated=simulated),
        attribution_section(overlays, simulated=simulated),
    ]  # fmt: skip


def risk_sections(rng: np.random.Generator, *, simulated: bool) -> list[Section]:
    sizes = dict(zip(GROUPS, (766, 208, 226), strict=True))
    hazards = dict(zip(GROUPS, (0.011, 0.022, 0.047), strict=True))
    curves = [survival_curve(g, hazards[g], n=sizes[g]) for g in GROUPS]
    incidence = [survival_curve(g, hazards[g] * 0.9, n=sizes[g], incidence=True) for g in GROUPS]
    forest = [
        ForestRow("LH", Estimate(1.92, 1.31, 2.81), "against LL"),
        ForestRow("HIGH", Estimate(4.13, 3.05, 5.59)),
        ForestRow("LH", Estimate(1.52, 1.02, 2.26), "+ age, sex, BMI"),
        ForestRow("HIGH", Estimate(3.01, 2.15, 4.21)),
        ForestRow("LH", Estimate(1.49, 0.99, 2.24), "+ FRAX (simulated)"),
        ForestRow("HIGH", Estimate(2.84, 2.01, 4.01)),
    ]
    groups = pd.DataFrame(
        {
            "group": GROUPS, "people": [766, 208, 226],
            "fractures": ["47 (6.1 %)", "24 (11.5 %)", "54 (23.9 %)"],
            "age, mean (sd)": ["63.1 (7.6)", "69.9 (7.5)", "71.8 (7.9)"],
        }
    )  # fmt: skip
    models = pd.DataFrame(
        {
            "model": ["age alone", "baseline score", "FRAX (simulated)", "scores",
                      "scores + clinical"],
            "c-index (Cox)": ["0.672 (0.640 to 0.704)", "0.690 (0.658 to 0.722)",
                              "0.701 (0.670 to 0.732)", "0.722 (0.692 to 0.752)",
                              "0.741 (0.712 to 0.770)"],
            "LR χ²": [48.1, 61.0, 66.2, 88.4, 112.9],
            "AUROC 1 / 5 / 10 y (Cox)": ["0.68 / 0.67 / 0.67"] * 5,
            "AUROC 1 / 5 / 10 y (DeepSurv)": ["0.69 / 0.68 / 0.66"] * 5,
        }
    )  # fmt: skip
    panels = {
        "c-index": [
            ForestRow(n, Estimate(v, v - 0.03, v + 0.03))
            for n, v in zip(models["model"], (0.672, 0.69, 0.701, 0.722, 0.741), strict=True)
        ],
        "AUROC at 5 y": [
            ForestRow(n, Estimate(v, v - 0.04, v + 0.04))
            for n, v in zip(models["model"], (0.67, 0.7, 0.71, 0.73, 0.78), strict=True)
        ],
    }
    grid = np.linspace(0.02, 0.5, 12)
    calibrated = CurveData("scores + clinical", grid, grid * 0.9 + 0.01, grid * 0.8, grid + 0.05)
    thresholds = np.linspace(0.01, 0.4, 60)
    decision = [
        CurveData("treat everybody", thresholds, 0.12 - thresholds * 0.88 / (1 - thresholds)),
        CurveData("scores + clinical", thresholds, np.maximum(0.1 - 0.35 * thresholds, 0)),
        CurveData("FRAX (simulated)", thresholds, np.maximum(0.09 - 0.4 * thresholds, 0)),
    ]
    specificity = np.linspace(0, 1, 50)
    roc = {
        f"{years} y": [CurveData("scores + clinical", specificity, specificity**0.35),
                           CurveData("age alone", specificity, specificity**0.6)]
        for years in (1, 5, 10)
    }  # fmt: skip
    years = np.array([0.0, 1, 5, 10])
    paths = [
        CurveData(g, years, start + 0.012 * years, start + 0.012 * years - 0.02,
                  start + 0.012 * years + 0.02)
        for g, start in zip(GROUPS, (0.3, 0.4, 0.62), strict=True)
    ]  # fmt: skip
    scenario = pd.DataFrame(
        {
            "rule": ["FRAX > 20 %", "FRAX > 20 % or LH or HIGH"], "treated": [41, 447],
            "fractures": [14, 79], "sensitivity": [0.098, 0.552], "specificity": [0.975, 0.652],
            "precision": [0.341, 0.177], "F1": [0.152, 0.268],
        }
    )  # fmt: skip
    bmd = {"BMD femoral neck (g/cm²)": {g: rng.normal(m, 0.1, 200) for g, m in
                                        zip(GROUPS, (0.72, 0.68, 0.61), strict=True)}}  # fmt: skip
    return [
        risk_groups_section(curves, forest, groups, simulated=simulated, incidence=incidence,
                            text="Cut-offs were chosen on validation people by the corrected "
                            "log-rank (BpVF 0.47, GpVF 0.58); test people were judged once.",
                            log_rank="log-rank p < 0.001"),
        trajectories_section(paths, simulated=simulated, bmd=bmd),
        auroc_section(model_curves(), simulated=simulated, roc=roc),
        models_section(models, panels, simulated=simulated),
        calibration_section([calibrated], horizon=5, simulated=simulated,
                            predicted=rng.beta(1.5, 9, 1200).tolist()),
        decision_section(decision, horizon=5, simulated=simulated),
        treatment_section(scenario, text="FRAX is a simulated column here."),
    ]  # fmt: skip


def all_sections(*, simulated: bool = True, seed: int = 1) -> list[Section]:
    rng = np.random.default_rng(seed)
    found = [
        *cohort_sections(simulated=simulated),
        *picture_sections(rng, simulated=simulated),
        *score_sections(rng, simulated=simulated),
        *risk_sections(rng, simulated=simulated),
    ]
    if simulated:
        found.append(recovery_section(recovery(), text="The best possible c-index is 0.756."))
    found += [published_section(estimates()), limits_section([], simulated=simulated)]
    anchors = [*(s.anchor for s in found), "provenance"]
    found.append(checklist_section(anchors, simulated=simulated))
    found.append(
        provenance_section(
            {"study": "followup-xray", "preset": "demo", "seed": 1, "version": "0.1.0"},
            versions={"python": "3.11.2", "numpy": np.__version__},
            hashes={"estimates.csv": "9f" * 32},
        )
    )
    return found
