"""Sections of the page on fracture risk: groups, their curves and hazard ratios, scores in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from spinecast.files import read_json
from spinecast.report.digits import write_count, write_interval, write_number, write_p, write_share
from spinecast.report.goods import CurveData, ForestRow
from spinecast.report.parts import Section
from spinecast.report.sections import risk_groups_section, trajectories_section
from spinecast.report.tables import frame_table
from spinecast.stages.risk_curves import incidence_curve, survival_curve
from spinecast.stages.saved_run import AbsentError, SavedRun

GROUPS = ("LL", "LH", "HIGH")
_DEATH = 2
_FEWEST = 3
_HEADINGS = (
    ("risk_groups", "", "against LL"),
    ("risk_groups", "_adjusted", "+ age, sex, BMI"),
    ("risk_groups", "_adjusted_frax", "+ FRAX column"),
    ("risk_groups_published_thresholds", "", "published cut-offs"),
    ("risk_groups_out_of_fold", "", "all scored out of sample"),
)


def risk_groups(saved: SavedRun) -> Section:
    """Show Kaplan-Meier and incidence curves, numbers at risk, hazard ratios, cut-offs."""
    people = _grouped_people(saved)
    times = _times(people)
    groups = {g: people[people["group"] == g] for g in _present(people)}
    curves = [
        survival_curve(g, own["duration"], own["event"], times=times) for g, own in groups.items()
    ]
    incidence = []
    if (people["event"] == _DEATH).any():
        incidence = [
            incidence_curve(g, own["duration"], own["event"], times=times)
            for g, own in groups.items()
        ]
    section = risk_groups_section(
        curves,
        forest_rows(saved),
        group_table(people),
        simulated=saved.simulated,
        incidence=incidence,
        text=f"{threshold_words(saved)} {_endpoint_words(saved, people)}",
        log_rank=_log_rank_words(saved),
    )
    tables = [frame_table(group_table(people), caption="The groups among test people")]
    if (published := people["group_published"]).notna().any():
        crossed = pd.crosstab(people["group"], published).reindex(
            index=list(GROUPS), columns=list(GROUPS), fill_value=0
        )
        crossed = crossed.reset_index().rename(columns={"group": "chosen cut-offs"})
        tables.append(
            frame_table(
                crossed, caption="Groups by chosen (rows) and published cut-offs", folded=True
            )
        )
    figures = section.figures if forest_rows(saved) else section.figures[:-1]
    return replace(section, tables=tuple(tables), figures=figures)


def _grouped_people(saved: SavedRun) -> pd.DataFrame:
    """Return the test people; absent where they all fall into one group."""
    people = saved.test_people
    if people["group"].nunique() < len(GROUPS) - 1:
        found = ", ".join(sorted(people["group"].unique()))
        raise AbsentError(
            f"All {len(people)} test people fall into one risk group ({found}), so groups cannot "
            f"be compared. {threshold_words(saved)}"
        )
    return people


def _present(people: pd.DataFrame) -> list[str]:
    return [g for g in GROUPS if (people["group"] == g).any()]


def _times(people: pd.DataFrame) -> tuple[float, ...]:
    """Return round years for the numbers at risk, up to the end of follow-up."""
    last = float(people["duration"].max())
    step = 1.0 if last <= 6 else 2.0 if last <= 16 else 5.0
    return tuple(float(t) for t in np.arange(0.0, last + 1e-9, step))


def forest_rows(saved: SavedRun) -> list[ForestRow]:
    """Return the hazard ratios of LH and HIGH against LL that were estimated."""
    rows = []
    for analysis, suffix, heading in _HEADINGS:
        opened = heading
        for group in GROUPS[1:]:
            found = saved.estimate(analysis, f"hazard_ratio_{group.lower()}{suffix}")
            if found is None or not np.isfinite(found.value):
                continue
            rows.append(ForestRow(group, found, opened))
            opened = ""
    return rows


def group_table(people: pd.DataFrame) -> pd.DataFrame:
    """Describe the groups: people, fractures, deaths, follow-up, age, sex, bone density."""
    rows = []
    for group in _present(people):
        part = people[people["group"] == group]
        row = {
            "group": group,
            "people": write_count(len(part)),
            "fractures": write_share((part["event"] == 1).sum(), len(part)),
            "deaths before": write_count((part["event"] == _DEATH).sum()),
            "follow-up, median (years)": write_number(part["duration"].median(), 1),
        }
        columns = {
            "age": "age (years)",
            "bmi": "BMI (kg/m²)",
            "bmd_femoral_neck": "BMD neck (g/cm²)",
        }
        for column, label in columns.items():
            if column in part and part[column].notna().sum() > 1:
                row[f"{label}, mean (sd)"] = (
                    f"{write_number(part[column].mean(), 2 if 'BMD' in label else 1)} "
                    f"({write_number(part[column].std(), 2 if 'BMD' in label else 1)})"
                )
        if part["female"].notna().any():
            row["women"] = write_share(part["female"].sum(), part["female"].notna().sum())
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def threshold_words(saved: SavedRun) -> str:
    """Say where the cut-offs come from."""
    chosen = read_json(saved.folders["risk"] / "thresholds.json")
    numbers = f"BpVF {chosen['baseline']:.2f}, GpVF {chosen['generated']:.2f}"
    if chosen["source"] == "published":
        return (
            f"The published cut-offs ({numbers}) stand in: too few events among people outside "
            "the test set to choose any."
        )
    p_values = ", ".join(write_p(chosen[name]) for name in ("p_baseline", "p_generated"))
    return (
        f"Cut-offs ({numbers}) were chosen on people outside the test set, scored out of sample, "
        "by the maximally selected log-rank statistic, corrected for the search "
        f"(p {p_values}); test people were judged once."
    )


def _endpoint_words(saved: SavedRun, people: pd.DataFrame) -> str:
    endpoint = saved.settings.cohort.endpoint.replace("_", " ")
    events, deaths = ((people["event"] == code).sum() for code in (1, _DEATH))
    return (
        f"Endpoint: {endpoint}, of {len(people):,} test people {events:,} had one and {deaths:,} "
        "died before. LL: both scores low; LH: low now, high in the generated future; HIGH: high "
        "now."
    )


def _log_rank_words(saved: SavedRun) -> str:
    test = saved.estimate("risk_groups", "log_rank")
    everybody = saved.estimate("risk_groups_out_of_fold", "log_rank")
    words = [] if test is None else [f"log-rank p {_p(test.p_value)}, test people"]
    if everybody is not None:
        words.append(f"p {_p(everybody.p_value)}, all {everybody.n:,.0f} scored out of sample")
    return "; ".join(words)


def _p(value: float) -> str:
    text = write_p(value)
    return text if text.startswith("<") else f"= {text}"


def trajectories(saved: SavedRun) -> Section:
    """Show how the mean score of each group moves with the years drawn, and its bone density."""
    people = _grouped_people(saved)
    horizons = saved.settings.generation.horizons
    columns = {0.0: "bpvf"} | {float(h): f"gpvf_{h:g}" for h in horizons}
    columns = {time: name for time, name in columns.items() if name in people}
    curves = [
        curve
        for group in _present(people)
        if (curve := _trajectory(people[people["group"] == group], group, columns)) is not None
    ]
    if not curves:
        raise AbsentError("Every risk group has fewer than three test people.")
    density = {
        g: values.to_numpy(float)
        for g in _present(people)
        if "bmd_femoral_neck" in people
        and len(values := people.loc[people["group"] == g, "bmd_femoral_neck"].dropna()) >= _FEWEST
    }
    section = trajectories_section(
        curves,
        simulated=saved.simulated,
        ylabel="mean fracture score",
        bmd={"BMD, femoral neck (g/cm²)": density} if density else None,
    )
    return replace(
        section,
        note="Groups are made from these scores, so they must differ at 0 and at the risk "
        "horizon; what the figure shows is the way between. Bone density was not used for them.",
    )


def _trajectory(people: pd.DataFrame, label: str, columns: dict[float, str]) -> CurveData | None:
    values = people[list(columns.values())].dropna().to_numpy(float)
    if len(values) < _FEWEST:
        return None
    mean = values.mean(axis=0)
    reach = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return CurveData(label, np.array(list(columns)), mean, mean - reach, mean + reach)


def interval_words(saved: SavedRun, terms: Sequence[str]) -> list[str]:
    """Return estimates of analysis ``models`` as text, a dash where there is none."""
    found = [saved.estimate("models", term) for term in terms]
    return ["–" if e is None else write_interval(e.value, e.ci_low, e.ci_high) for e in found]
