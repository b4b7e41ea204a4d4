"""Stage `risk`: thresholds from people outside the test set, all else judged on test people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import SpinecastError, StatisticsError
from spinecast.files import write_json, write_table
from spinecast.outcomes import (
    assign_risk_groups,
    cutpoint_log_rank,
    describe_risk_groups,
    log_rank,
    treatment_scenario,
)
from spinecast.run import StageContext
from spinecast.scores.aggregate import baseline_scores, log_odds, person_scores
from spinecast.stages.agreement import all_scores
from spinecast.stages.cohort import read_cohort
from spinecast.stages.estimates import Estimates
from spinecast.stages.risk_models import add_models
from spinecast.stages.risk_reference import reference_models
from spinecast.stages.settings import RiskSettings

CLINICAL = ("age", "female", "bmi")
OSTEOPOROSIS = "osteoporosis"


@dataclass(frozen=True)
class Thresholds:
    """Where a score counts as high, and the corrected p-values of the choice."""

    baseline: float
    generated: float
    source: str
    p_baseline: float = float("nan")
    p_generated: float = float("nan")


def make_risk(context: StageContext) -> None:
    """Write `people.parquet`, `thresholds.json`, `estimates.csv` and the models' predictions."""
    estimates = Estimates()
    why = _why_not(context)
    write_json(context.folder / "available.json", {"risk": not why, "why": why})
    if not why:
        _analyse(context, estimates)
    write_table(context.folder / "estimates.csv", estimates.to_frame())


def people_table(context: StageContext) -> pd.DataFrame:
    """Return one row per person: outcome, scores, covariates at baseline, split.

    ``out_of_sample`` says that neither scorer nor generator has seen the person;
    ``gpvf`` is the score of the generated films at the risk horizon; ``osteoporosis_logit``,
    where that scorer exists, the log odds of the osteoporosis score of the baseline films.
    """
    settings: RiskSettings = context.settings.risk
    cohort = read_cohort(context.needs["images"])
    scores = all_scores(context)
    horizons = context.settings.generation.horizons
    table = person_scores(scores, horizons=horizons)
    events = cohort.events[cohort.events["endpoint"] == context.settings.cohort.endpoint]
    table = table.merge(events[["person_id", "event", "duration"]], on="person_id")
    baseline = cohort.visits[cohort.visits["visit"] == 0]
    table = table.merge(baseline, on="person_id", how="left")
    table = table.merge(cohort.people[["person_id", "sex"]], on="person_id")
    table["female"] = (table["sex"] == "F").astype(float).where(table["sex"].isin(["F", "M"]))
    table["gpvf"] = table[f"gpvf_{settings.generated_horizon:g}"]
    if (scores["score"] == OSTEOPOROSIS).any():
        table = table.merge(osteoporosis_log_odds(scores), on="person_id", how="left")
    seen = (table["split"] == "train") & (context.options["networks"] != "weights")
    table["out_of_sample"] = ~seen
    return table


def osteoporosis_log_odds(scores: pd.DataFrame) -> pd.DataFrame:
    """Return ``person_id`` and ``osteoporosis_logit``, a mean over the person's baseline films.

    Log odds, not the score: bone density acts on the log hazard about linearly, and on
    the log odds of osteoporosis too.
    """
    films = baseline_scores(scores, score=OSTEOPOROSIS, per="image")
    odds = films.assign(osteoporosis_logit=log_odds(films["value"].to_numpy()))
    return odds.groupby("person_id")[["osteoporosis_logit"]].mean().reset_index()


def choose_thresholds(table: pd.DataFrame, settings: RiskSettings, *, seed: int) -> Thresholds:
    """Choose both thresholds by the corrected log-rank statistic, never on test people.

    They are chosen on everybody else whose scores are out of sample: validation people,
    and where the networks came from elsewhere, the training people too. The generated
    score's threshold is chosen among those below the baseline threshold, because the others
    are HIGH whatever it is. Where the search has no answer (no events, too few people) the
    published thresholds stand.
    """
    held = table[(table["split"] != "test") & table["out_of_sample"] & table["gpvf"].notna()]
    try:
        first = cutpoint_log_rank(
            held["duration"], held["event"], held["bpvf"],
            method=settings.cutpoint_method, seed=seed,
        )  # fmt: skip
        low = held[held["bpvf"] <= first.cutpoint]
        second = cutpoint_log_rank(
            low["duration"], low["event"], low["gpvf"],
            method=settings.cutpoint_method, seed=seed,
        )  # fmt: skip
    except StatisticsError:
        return Thresholds(settings.threshold_baseline, settings.threshold_generated, "published")
    return Thresholds(first.cutpoint, second.cutpoint, "validation", first.p_value, second.p_value)


def _why_not(context: StageContext) -> str:
    """Say why there can be no risk analysis; empty where there can."""
    cohort = read_cohort(context.needs["images"])
    if cohort.events.empty:
        return "the cohort has no events table"
    if not (context.needs["scores"] / "scores.parquet").exists():
        return "no scorer was fitted"
    if not (cohort.events["endpoint"] == context.settings.cohort.endpoint).any():
        return f"no record of {context.settings.cohort.endpoint}"
    return ""


def _analyse(context: StageContext, estimates: Estimates) -> None:
    settings: RiskSettings = context.settings.risk
    table = people_table(context)
    thresholds = choose_thresholds(table, settings, seed=context.seed)
    published = Thresholds(settings.threshold_baseline, settings.threshold_generated, "published")
    drawn = table["gpvf"].notna()
    for name, chosen in (("group", thresholds), ("group_published", published)):
        table.loc[drawn, name] = assign_risk_groups(
            table.loc[drawn, "bpvf"],
            table.loc[drawn, "gpvf"],
            threshold_baseline=chosen.baseline,
            threshold_generated=chosen.generated,
        )
    write_json(context.folder / "thresholds.json", vars(thresholds))
    _add_groups(estimates, table, settings)
    _add_scenario(estimates, table, settings)
    context.progress(0.3, "risk models")
    table = add_models(
        estimates, table, settings=settings, folder=context.folder, seed=context.seed
    )
    write_table(context.folder / "people.parquet", table)
    outside = table[table["out_of_sample"] & (table["split"] != "test") & drawn]
    models = reference_models(outside, last=max(settings.times))
    write_json(context.folder / "risk.json", {"thresholds": vars(thresholds), "models": models})


def _add_groups(estimates: Estimates, table: pd.DataFrame, settings: RiskSettings) -> None:
    """Hazard ratios on test people; log-rank also on everybody scored out of sample."""
    test = table[(table["split"] == "test") & table["group"].notna()]
    unseen = table[table["out_of_sample"] & table["group"].notna()]
    for suffix, column in (("", "group"), ("_published_thresholds", "group_published")):
        for people, where in ((test, ""), (unseen, "_out_of_fold")):
            try:
                _add_comparison(
                    estimates, people, column, analysis=f"risk_groups{suffix}{where}",
                    settings=settings,
                )  # fmt: skip
            except SpinecastError as problem:
                estimates.add(f"risk_groups{suffix}{where}", f"undefined_{problem.code}", np.nan,
                              n=len(people))  # fmt: skip


def _add_comparison(
    estimates: Estimates,
    people: pd.DataFrame,
    column: str,
    *,
    analysis: str,
    settings: RiskSettings,
) -> None:
    described = describe_risk_groups(
        people["duration"], people["event"], people[column], times=settings.times
    )
    _add_ratios(estimates, described.hazard_ratios, analysis=analysis, suffix="")
    for row in described.table.to_dict("records"):
        label = str(row["group"]).lower()
        share = (row["ci_low"], row["ci_high"])
        estimates.add(
            analysis, f"event_share_{label}", row["event_share"], n=row["n"], interval=share
        )
    test = log_rank(people["duration"], people["event"], people[column])
    estimates.add(analysis, "log_rank", test.statistic, n=len(people), p_value=test.p_value)
    for names, suffix in ((CLINICAL, "_adjusted"), (("frax_mof",), "_adjusted_frax")):
        known = people.dropna(subset=[name for name in names if name in people])
        if len(known) < len(people) / 2 or not set(names) <= set(people.columns):
            continue
        adjusted = describe_risk_groups(
            known["duration"], known["event"], known[column],
            times=settings.times, adjust=known[list(names)],
        )  # fmt: skip
        ratios = adjusted.hazard_ratios[adjusted.hazard_ratios["model"] == "adjusted"]
        _add_ratios(estimates, ratios, analysis=analysis, suffix=suffix)


def _add_ratios(estimates: Estimates, ratios: pd.DataFrame, *, analysis: str, suffix: str) -> None:
    for row in ratios.to_dict("records"):
        name = {"LH": "lh", "HIGH": "high"}[row["group"]]
        estimates.add(
            analysis,
            f"hazard_ratio_{name}{suffix}",
            row["estimate"],
            n=row["n"],
            interval=(row["ci_low"], row["ci_high"]),
            p_value=row["p_value"],
        )


def _add_scenario(estimates: Estimates, table: pd.DataFrame, settings: RiskSettings) -> None:
    """Treat by the FRAX column alone, and by it or a group LH or HIGH."""
    if "frax_mof" not in table:
        return
    test = table[(table["split"] == "test") & table["group"].notna() & table["frax_mof"].notna()]
    flagged = test["frax_mof"] >= settings.frax_threshold
    rules: Mapping[str, Any] = {
        "frax": flagged,
        "frax_or_groups": flagged | test["group"].isin(["LH", "HIGH"]),
    }
    for name, rule in rules.items():
        scenario = treatment_scenario(rule.astype(float), (test["event"] == 1).astype(float))
        frame = scenario.to_frame()
        for row in frame.to_dict("records"):
            low, high = row.get("ci_low", np.nan), row.get("ci_high", np.nan)
            estimates.add(
                "treatment_scenario", f"{row['term']}_{name}", row["estimate"], n=len(test),
                interval=(low, high),
            )  # fmt: skip
