"""Sections of the page on risk models: discrimination, calibration, whether acting helps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.files import read_json
from spinecast.outcomes import calibration, time_dependent_auc
from spinecast.report.digits import write_interval, write_number, write_p
from spinecast.report.goods import CurveData, Estimate, ForestRow
from spinecast.report.parts import Section, Table
from spinecast.report.sections import (
    auroc_section,
    calibration_section,
    decision_section,
    models_section,
    treatment_section,
)
from spinecast.report.tables import estimates_table, frame_table
from spinecast.stages.report_risk import interval_words
from spinecast.stages.saved_run import AbsentError, SavedRun

LABELS = {
    "scores_clinical": "scores + clinical",
    "scores": "scores (BpVF, GpVF, osteoporosis)",
    "fracture_scores_clinical": "BpVF, GpVF + clinical",
    "fracture_scores": "BpVF, GpVF",
    "baseline_score": "baseline score alone",
    "generated_score": "generated score alone",
    "clinical": "clinical (age, sex, BMI)",
    "age": "age alone",
    "frax": "FRAX column",
    "scores_frax": "scores + FRAX",
    "scores_clinical_frax": "scores + clinical + FRAX",
}
_SHOWN = ("scores_clinical", "scores", "baseline_score", "age", "frax")
_BANDED = ("scores_clinical", "age")
_RULES = {"frax": "FRAX column alone", "frax_or_groups": "FRAX column, or LH, or HIGH"}


def models(saved: SavedRun) -> Section:
    """Show every model by Cox and DeepSurv, and the paired gains."""
    used = _models_used(saved)
    names = [name for name in LABELS if name in used["models"]]
    times = saved.settings.risk.times
    rows = [_model_row(saved, name, times) for name in names]
    panels = {
        title: [
            ForestRow(LABELS[name], found)
            for name in names
            if (found := saved.estimate("models", f"{measure}_{name}_cox")) is not None
        ]
        for title, measure in (("c-index (Cox)", "c_index"), ("AUROC at 5 y (Cox)", "auroc_5y"))
    }
    drawable = all(panels.values()) and len({len(rows) for rows in panels.values()}) == 1
    section = models_section(
        pd.DataFrame(rows),
        panels if drawable else {},
        simulated=saved.simulated,
        text=f"Fitted on {used['fitted_on']:,} people outside the test set whose scores are out of "
        f"sample, judged once on {used['judged_on']:,} test people; "
        f"{used['left_out_incomplete']:,} people with an unknown covariate are in "
        "neither. LR χ²: likelihood ratio of the risk as fitted elsewhere, one degree of freedom. "
        "A dash: not fitted, or not defined on these people.",
    )
    return replace(section, tables=(*section.tables, *_gains(saved), *_undefined(saved)))


def _models_used(saved: SavedRun) -> dict[str, Any]:
    """Return what the risk stage says about its models."""
    path = saved.folders["risk"] / "models.json"
    if len(saved.people) and not path.exists():
        raise AbsentError("No risk model was fitted.")
    used: dict[str, Any] = read_json(path)
    return used


def _model_row(saved: SavedRun, name: str, times: tuple[float, ...]) -> dict[str, str]:
    row = {"model": LABELS[name]}
    for method, title in (("cox", "Cox"), ("deepsurv", "DeepSurv")):
        row[f"c-index, {title}"] = interval_words(saved, [f"c_index_{name}_{method}"])[0]
        ratio = saved.estimate("models", f"likelihood_ratio_{name}_{method}")
        row[f"LR χ² (p), {title}"] = (
            "–" if ratio is None else f"{write_number(ratio.value, 1)} ({write_p(ratio.p_value)})"
        )
        found = [saved.estimate("models", f"auroc_{t:g}y_{name}_{method}") for t in times]
        row[f"AUROC {' / '.join(f'{t:g}' for t in times)} y, {title}"] = "\u00a0/\u00a0".join(
            "–" if e is None else write_number(e.value, 2) for e in found
        )
    return row


def _gains(saved: SavedRun) -> list[Table]:
    rows = saved.estimates
    rows = rows[(rows["analysis"] == "models") & rows["term"].str.startswith("c_index_gain")]
    if rows.empty:
        return []
    labels = {term: _gain_words(term) for term in rows["term"]}
    return [
        estimates_table(
            rows, caption="Gains in c-index (Cox), paired on the same test people", labels=labels
        )
    ]


def _gain_words(term: str) -> str:
    first, _, second = term.removeprefix("c_index_gain_").partition("_over_")
    return f"{LABELS.get(first, first)} over {LABELS.get(second, second)}"


def _undefined(saved: SavedRun) -> list[Table]:
    rows = saved.estimates
    rows = rows[(rows["analysis"] == "models") & rows["term"].str.startswith("undefined_")]
    if rows.empty:
        return []
    frame = pd.DataFrame(
        [
            {"model": term.removeprefix("undefined_").rpartition("_")[0], "why": _code_title(term)}
            for term in rows["term"]
        ]
    )
    return [frame_table(frame, caption="Models that could not be fitted or judged", folded=True)]


def _code_title(term: str) -> str:
    from spinecast.error_codes import CODES

    code = term.rpartition("_")[2]
    return f"{code}: {CODES[code].title}" if code in CODES else code


def auroc(saved: SavedRun) -> Section:
    """Show time-dependent AUROC of the main models over every year within follow-up."""
    people = saved.people
    fitting, test = model_people(people)
    times = _yearly(fitting, test, last=max(saved.settings.risk.times))
    curves = []
    for name in _SHOWN:
        column = f"risk_{name}_cox"
        if column not in people or not len(times):
            continue
        try:
            judged = time_dependent_auc(
                fitting["duration"], fitting["event"], test["duration"],
                event=test["event"], risk=test[column], times=times,
            )  # fmt: skip
        except StatisticsError:
            continue
        bands = (judged.ci_low, judged.ci_high) if name in _BANDED else (None, None)
        curves.append(CurveData(LABELS[name], np.asarray(times), judged.estimate, *bands))
    if not curves:
        raise AbsentError("Too few test people fractured for an AUROC at any whole year.")
    section = auroc_section(curves, simulated=saved.simulated)
    words = " and ".join(LABELS[name] for name in _BANDED)
    return replace(
        section,
        markup=f"Cox models, risks as fitted outside the test set. Bands, drawn for {words} only, "
        "are 95 % intervals.",
    )


def model_people(people: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the people the models were fitted on, and the test people they were judged on."""
    columns = [c for c in people.columns if c.startswith("risk_")]
    known = people[people[columns].notna().any(axis=1)] if columns else people.iloc[:0]
    outside = known["out_of_sample"] & (known["split"] != "test")
    return known[outside], known[known["split"] == "test"]


def _yearly(fitting: pd.DataFrame, test: pd.DataFrame, *, last: float) -> list[float]:
    """Return whole years with at least two cases behind them and people still followed."""
    cases = np.sort(test.loc[test["event"] == 1, "duration"].to_numpy())
    if len(cases) < 2 or fitting.empty:
        return []
    end = min(last, float(fitting["duration"].max()), float(test["duration"].max()))
    return [t for t in np.arange(1.0, last + 0.5) if cases[1] <= t < end + 1e-9]


def calibrated(saved: SavedRun) -> Section:
    """Show observed against predicted risk at the last time, Cox and DeepSurv."""
    people = saved.people
    _, test = model_people(people)
    horizon = max(saved.settings.risk.times)
    curves, rows, problem, predicted = [], [], "no model gave absolute risks", np.zeros(0)
    for name, method in (
        ("scores_clinical", "cox"),
        ("scores_clinical", "deepsurv"),
        ("age", "cox"),
    ):
        column = f"absolute_{name}_{method}"
        if column not in test or test[column].isna().all():
            continue
        try:
            judged = calibration(1 - test[column], test["duration"], test["event"] == 1, t=horizon)
        except StatisticsError as found:
            problem = found.message
            continue
        label = f"{LABELS[name]}, {'Cox' if method == 'cox' else 'DeepSurv'}"
        curve = judged.curve
        curves.append(
            CurveData(
                label, *(curve[c].to_numpy() for c in ("risk", "estimate", "ci_low", "ci_high"))
            )
        )
        rows.append({"model": label, **_calibration_words(judged)})
        predicted = predicted if len(predicted) else test[column].to_numpy(float)
    if not curves:
        raise AbsentError(f"Calibration at {horizon:g} years could not be judged: {problem}.")
    section = calibration_section(
        curves, horizon=horizon, simulated=saved.simulated,
        predicted=predicted.tolist(), table=pd.DataFrame(rows),
    )  # fmt: skip
    return replace(
        section,
        markup="Predicted risk is that of a world without death, so deaths count as censored here.",
        note="Slope below 1: predictions are too extreme. ICI: mean distance of the curve from the "
        "diagonal. The histogram is of the first model.",
    )


def _calibration_words(judged: object) -> dict[str, str]:
    terms = {"slope": "slope", "intercept": "intercept", "observed_expected": "observed / expected"}
    found = {title: getattr(judged, term) for term, title in terms.items()}
    words = {t: write_interval(e.estimate, e.ci_low, e.ci_high) for t, e in found.items()}
    return words | {"ICI": write_number(getattr(judged, "ici", math.nan), 3)}


def decision(saved: SavedRun) -> Section:
    """Show net benefit of the main models over thresholds."""
    path = saved.folders["risk"] / "decision_curve.csv"
    if len(saved.people) and not path.exists():
        raise AbsentError("Follow-up of the test people ends before the last time of the analysis.")
    table = pd.read_csv(path)
    names = {"all": "treat everybody"} | {name: LABELS[name] for name in _SHOWN}
    curves = []
    for name, label in names.items():
        rows = table[table["model"] == name].sort_values("threshold")
        if len(rows):
            curves.append(
                CurveData(label, rows["threshold"].to_numpy(), rows["estimate"].to_numpy())
            )
    if not curves:
        raise AbsentError("No model gave absolute risks.")
    return decision_section(
        curves, horizon=max(saved.settings.risk.times), simulated=saved.simulated
    )


def treatment(saved: SavedRun) -> Section:
    """Show who would be treated by the FRAX column, and by it or the groups."""
    rows = [row for rule in _RULES if (row := _scenario_row(saved, rule))]
    if len(saved.people) and not rows:
        raise AbsentError("There is no FRAX column, or no risk groups, to treat by.")
    threshold = saved.settings.risk.frax_threshold
    origin = "FRAX is a simulated column here. " if saved.simulated else ""
    return treatment_section(
        pd.DataFrame(rows),
        text=f"Treat whoever's FRAX column is at least {threshold:g} %, or also whoever is LH or "
        f"HIGH. {origin}People censored early count as free of fracture.",
    )


def _scenario_row(saved: SavedRun, rule: str) -> dict[str, str | float]:
    def find(term: str) -> Estimate | None:
        return saved.estimate("treatment_scenario", f"{term}_{rule}")

    treated, hits = find("treated"), find("true_positive")
    if treated is None or hits is None:
        return {}
    rates = {
        title: "–" if (e := find(term)) is None else write_interval(e.value, e.ci_low, e.ci_high)
        for term, title in (
            ("sensitivity", "sensitivity"),
            ("specificity", "specificity"),
            ("precision", "precision"),
            ("f1", "F1"),
        )
    }
    return {"rule": _RULES[rule], "treated": treated.value, "fractures": hits.value, **rates}
