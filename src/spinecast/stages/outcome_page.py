"""The page of an outcomes table: what was used, how scores tell who has the event, and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.outcomes import (
    calibration,
    decision_curve,
    kaplan_meier,
    log_rank,
)
from spinecast.report import Figure, Section
from spinecast.report.digits import write_p
from spinecast.report.figures.agreement import draw_calibration
from spinecast.report.figures.discrimination import draw_auroc_over_time, draw_decision_curve
from spinecast.report.figures.survival import draw_forest, draw_survival
from spinecast.report.goods import CurveData, Estimate, ForestRow
from spinecast.report.tables import estimates_table, frame_table
from spinecast.stages.outcome_estimates import Question, Unanswered
from spinecast.stages.outcome_table import OutcomeTable
from spinecast.stages.risk_curves import incidence_curve, naive_risk_curve, survival_curve

_DEATH = 2
_THIRDS = ("lowest third", "middle third", "highest third")
_WORDS = (
    (r"^one_minus_kaplan_meier_(.+)y$", r"1 − Kaplan-Meier, \1 years"),
    (r"^risk_(.+)y$", r"cumulative incidence, \1 years"),
    (r"^harrell_c$", "Harrell's c"),
    (r"^uno_c_to_(.+)y$", r"Uno's c to \1 years"),
    (r"^auroc_(\d.*)y$", r"AUROC at \1 years"),
    (r"^auroc_mean$", "AUROC, mean over the horizons"),
    (r"^auroc_weighted_mean$", "AUROC, mean weighted by events"),
    (r"^hazard_ratio_per_sd$", "hazard ratio per sd"),
    (r"^brier_(\d.*)y$", r"Brier score at \1 years"),
    (r"^brier_null_(.+)y$", r"Brier score of the average risk, \1 years"),
    (r"^prediction_accuracy_(.+)y$", r"scaled Brier score, \1 years"),
    (r"^calibration_observed_expected$", "observed / expected"),
    (r"^calibration_ici$", "mean calibration error"),
    (r"^calibration_(.+)$", r"calibration \1"),
)
_NOTES = {
    "harrell": "Harrell's c depends on how long people were followed; compare cohorts by Uno's c.",
    "p": "AUROC p-values are Holm-adjusted over the horizons.",
}


def outcome_sections(
    table: OutcomeTable,
    question: Question,
    estimates: pd.DataFrame,
    *,
    missing: Sequence[Unanswered],
) -> list[Section]:
    """Return the sections of the page, in reading order."""
    sections = [_rows(table), _incidence(table, estimates)]
    sections += [_thirds(table, name) for name in table.scores]
    sections.append(_discrimination(table, question, estimates))
    sections.append(_hazards(table, estimates))
    sections.append(_cutpoint(estimates))
    if question.risk_at is not None:
        sections += _accuracy(table, question, estimates)
    if missing:
        frame = pd.DataFrame([vars(each) for each in missing])
        sections.append(
            Section(title="What could not be estimated", anchor="absent",
                    tables=(frame_table(frame),), group="How far to trust it")
        )  # fmt: skip
    return sections


def _in_words(estimates: pd.DataFrame) -> pd.DataFrame:
    """Return estimates with their terms as a reader says them."""
    terms = estimates["term"].replace(dict(_WORDS), regex=True)
    return estimates.assign(term=terms)


def _rows(table: OutcomeTable) -> Section:
    counts = pd.DataFrame(
        {
            "rows": ["given", "set aside", "used", "with the event", "died before", "people"],
            "number": [
                table.given, len(table.excluded), len(table), int((table.event == 1).sum()),
                int((table.event == _DEATH).sum()), len(np.unique(_people(table))),
            ],
        }
    )  # fmt: skip
    tables = [frame_table(counts)]
    if len(table.excluded):
        summary = table.excluded.groupby(["code", "reason"], as_index=False).size()
        tables.append(frame_table(summary.rename(columns={"size": "rows"}), caption="Set aside"))
    return Section(
        title="Rows", anchor="rows", group="Who", tables=tuple(tables),
        markup=f"Median follow-up {_median_follow_up(table)} (reverse Kaplan-Meier).",
    )  # fmt: skip


def _people(table: OutcomeTable) -> np.ndarray:
    return np.arange(len(table)) if table.person is None else table.person.astype(str)


def _median_follow_up(table: OutcomeTable) -> str:
    """Return the median time to censoring in words; undefined where most had the event."""
    censored = table.event == 0
    if not censored.any():
        return "is not defined: nobody was censored"
    median = kaplan_meier(table.duration, censored).quantile(0.5)
    return f"{median:.1f} years" if np.isfinite(median) else "is not reached"


def _incidence(table: OutcomeTable, estimates: pd.DataFrame) -> Section:
    ticks = _ticks(table)
    died = (table.event == _DEATH).any()
    name = "1 − Kaplan-Meier" if died else "risk"
    naive = naive_risk_curve(name, table.duration, table.event, times=ticks)
    curves = [naive]
    if died and (table.event == 1).any():
        real = incidence_curve("cumulative incidence", table.duration, table.event, times=ticks)
        curves = [real, naive]
    return Section(
        title="Risk over time", anchor="risk", group="Who",
        figures=(draw_survival(curves, ylabel="had the event", simulated=False),),
        tables=(estimates_table(_in_words(estimates[estimates["analysis"] == "incidence"])),),
        note="1 − Kaplan-Meier counts the dead as if they could still have the event and so "
        "overstates risk; the cumulative incidence is what happens." if died else "",
    )  # fmt: skip


def _ticks(table: OutcomeTable) -> tuple[float, ...]:
    last = float(table.duration.max())
    step = 10.0 ** np.floor(np.log10(max(last, 1e-6)))
    step = next(step * share for share in (1.0, 0.5, 0.2, 0.1) if last / (step * share) >= 3)
    return tuple(float(t) for t in np.arange(0.0, last + 1e-9, step))


def _thirds(table: OutcomeTable, name: str) -> Section:
    """Show the event over time by thirds of a score."""
    score = table.scores[name]
    group = np.searchsorted(np.quantile(score, [1 / 3, 2 / 3]), score, side="left")
    ticks, curves = _ticks(table), []
    for place, words in enumerate(_THIRDS):
        own = group == place
        if not own.any():
            continue
        curves.append(survival_curve(words, table.duration[own], table.event[own], times=ticks))
    note = ""
    if len(curves) > 1:
        test = log_rank(table.duration, table.event, group)
        note = f"log-rank p {write_p(test.p_value)}"
    return Section(
        title=f"Thirds of {name}", anchor=f"thirds-{list(table.scores).index(name) + 1}",
        group="The scores",
        figures=(draw_survival(curves, ylabel="free of the event", simulated=False, note=note),),
        note="Thirds are of these very people; a cut-off to act on needs other people."
        + (" The log-rank test takes rows as independent." if table.person is not None else ""),
    )  # fmt: skip


def _discrimination(table: OutcomeTable, question: Question, estimates: pd.DataFrame) -> Section:
    curves = []
    for name in table.scores:
        rows = estimates[estimates["analysis"] == f"discrimination/{name}"].set_index("term")
        known = [t for t in question.times if f"auroc_{t:g}y" in rows.index]
        if known:
            found = rows.loc[[f"auroc_{t:g}y" for t in known]]
            curves.append(_curve(name, np.array(known), found))
    tables = [
        estimates_table(_in_words(part), caption=str(analysis).partition("/")[2], null=null)
        for prefix, null in (("discrimination/", None), ("comparison/", 0.0))
        for analysis, part in estimates.groupby("analysis", sort=False)
        if str(analysis).startswith(prefix)
    ]
    return Section(
        title="Who has the event first", anchor="discrimination", group="The scores",
        figures=(draw_auroc_over_time(curves, simulated=False),) if curves else (),
        tables=tuple(tables), note=" ".join(_NOTES.values()),
        markup="Differences are of the same people, paired; intervals and p-values come from "
        "influence functions" + (", summed by person." if table.person is not None else "."),
    )  # fmt: skip


def _curve(label: str, x: np.ndarray, found: pd.DataFrame) -> CurveData:
    y, low, high = (found[c].to_numpy(float) for c in ("estimate", "ci_low", "ci_high"))
    return CurveData(label, x, y, low, high)


def _hazards(table: OutcomeTable, estimates: pd.DataFrame) -> Section:
    forest = []
    headings = {"hazard/": "cause-specific", "subdistribution/": "deaths included"}
    for prefix, heading in headings.items():
        for name in table.scores:
            found = Estimate.find(estimates, f"{prefix}{name}", "hazard_ratio_per_sd")
            if found is not None:
                forest.append(ForestRow(name, found, heading))
                heading = ""  # noqa: PLW2901  one heading a block
    rows = estimates[estimates["analysis"].str.startswith(tuple(headings))]
    whose = rows["analysis"].str.replace("/", ", ")
    shown = rows.assign(term=whose + ": " + _in_words(rows)["term"])
    return Section(
        title="Hazard ratios", anchor="hazards", group="The scores",
        figures=(draw_forest(forest, simulated=False),) if forest else (),
        tables=(estimates_table(shown, null=1.0),),
        markup="Per standard deviation of the score. Cause-specific: Cox, deaths censored. "
        "Deaths included: Fine and Gray.",
        note="A small p of the proportional-hazards test says that one ratio does not hold at "
        "all times.",
    )  # fmt: skip


def _accuracy(table: OutcomeTable, question: Question, estimates: pd.DataFrame) -> list[Section]:
    t = float(question.risk_at or 0)
    curves, risks = [], {}
    for name, score in table.scores.items():
        try:
            found = calibration(1 - score, table.duration, table.event, t=t).curve
        except StatisticsError:
            continue
        curves.append(_curve(name, found["risk"].to_numpy(float), found))
        risks[name] = score
    if not curves:
        return []
    rows = estimates[estimates["analysis"].str.startswith("accuracy/")]
    whose = rows["analysis"].str.replace("accuracy/", "")
    shown = rows.assign(term=whose + ": " + _in_words(rows)["term"])
    first = next(iter(risks.values()))
    return [
        Section(
            title="Predicted and observed risk", anchor="calibration", group="As risks",
            figures=(draw_calibration(curves, horizon=t, simulated=False, predicted=list(first)),),
            tables=(estimates_table(shown),),
        ),
        Section(
            title="Decisions", anchor="decisions", group="As risks",
            figures=(_decisions(table, risks, t),),
        ),
    ]  # fmt: skip


def _decisions(table: OutcomeTable, risks: dict[str, np.ndarray], t: float) -> Figure:
    top = max(float(np.quantile(risk, 0.98)) for risk in risks.values())
    cuts = np.linspace(0.01, max(0.02, min(0.95, top)), 40)
    curve = decision_curve(
        risks, table.duration, table.event, t=t, thresholds=cuts, cluster=table.person
    )
    shown = []
    for name in (*risks, "all"):
        rows = curve.of(name)
        label = "treat all" if name == "all" else name
        shown.append(_curve(label, rows.index.to_numpy(float), rows))
    return draw_decision_curve(shown, horizon=t, simulated=False)


def _cutpoint(estimates: pd.DataFrame) -> Section:
    rows = estimates[estimates["analysis"].str.startswith("cutpoint/")]
    shown = rows.assign(term=rows["analysis"].str.replace("cutpoint/", ""))
    return Section(
        title="The cut-off that parts best", anchor="cutpoint", group="The scores",
        tables=(estimates_table(shown),),
        markup="Largest log-rank statistic among the middle 80 % of the score; its p-value pays "
        "for the search (Lausen and Schumacher 1994).",
        note="Chosen on these people: what it promises must be judged on others.",
    )  # fmt: skip
