"""Risk models fitted on people outside the test set, and judged once on the test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.errors import StatisticsError
from spinecast.files import write_json, write_table
from spinecast.models.deepsurv import DeepSurvSettings, fit_deepsurv
from spinecast.outcomes import (
    compare_concordance,
    cox,
    decision_curve,
    harrell_concordance,
    time_dependent_auc,
)
from spinecast.seeds import integer
from spinecast.stages.estimates import Estimates
from spinecast.stages.settings import RiskSettings

MODELS: dict[str, tuple[str, ...]] = {
    "scores_clinical": ("bpvf", "gpvf", "osteoporosis_logit", "age", "female", "bmi"),
    "scores": ("bpvf", "gpvf", "osteoporosis_logit"),
    "fracture_scores_clinical": ("bpvf", "gpvf", "age", "female", "bmi"),
    "fracture_scores": ("bpvf", "gpvf"),
    "baseline_score": ("bpvf",),
    "generated_score": ("gpvf",),
    "clinical": ("age", "female", "bmi"),
    "age": ("age",),
    "frax": ("frax_mof",),
    "scores_frax": ("bpvf", "gpvf", "osteoporosis_logit", "frax_mof"),
    "scores_clinical_frax": (
        "bpvf", "gpvf", "osteoporosis_logit", "age", "female", "bmi", "frax_mof",
    ),
}  # fmt: skip
#: Left out of a model where the cohort lets no osteoporosis scorer be fitted.
OPTIONAL = frozenset({"osteoporosis_logit"})
HEADLINE = "scores_clinical"
METHODS = ("cox", "deepsurv")
#: Networks for the models the comparison is about; Cox serves the others.
DEEPSURV_MODELS = (
    "scores_clinical", "scores", "fracture_scores_clinical", "fracture_scores", "frax", "age",
)  # fmt: skip
_THRESHOLDS = tuple(np.round(np.arange(0.05, 0.61, 0.05), 2))

Predict = Callable[[pd.DataFrame], tuple[np.ndarray, np.ndarray]]


def add_models(
    estimates: Estimates,
    table: pd.DataFrame,
    *,
    settings: RiskSettings,
    folder: Path,
    seed: int,
) -> pd.DataFrame:
    """Fit every model by Cox and DeepSurv, add their rows, return the table with their risks.

    Parameters
    ----------
    table
        One row per person; models are fitted on people outside the test set whose scores
        are out of sample, and judged on test people. Both need every covariate of
        every model that the cohort knows, so that all models are judged on the same people.

    Returns
    -------
    DataFrame
        With ``risk_<model>_<method>`` (log relative hazard) and, at the last time,
        ``absolute_<model>_<method>`` (1 - survival) of the people used, else NaN.
    """
    usable = {name: columns for name, columns in models_of(table) if _known(table, columns)}
    columns = sorted({c for names in usable.values() for c in names})
    complete = table.dropna(subset=[*columns, "duration", "event"])
    fitting = complete[complete["out_of_sample"] & (complete["split"] != "test")]
    test = complete[complete["split"] == "test"]
    drawn = int(table["gpvf"].notna().sum())
    used = {
        "fitted_on": len(fitting),
        "judged_on": len(test),
        "left_out_incomplete": drawn - len(fitting) - len(test),
        "models": {name: list(covariates) for name, covariates in usable.items()},
    }
    write_json(folder / "models.json", used)
    table = table.copy()
    for name, covariates in usable.items():
        for method in METHODS if name in DEEPSURV_MODELS else METHODS[:1]:
            try:
                predict = _fitted(method, fitting, covariates, settings=settings, seed=seed)
            except StatisticsError as problem:
                estimates.add("models", f"undefined_{name}_{method}_{problem.code}", np.nan,
                              n=len(fitting))  # fmt: skip
                continue
            risk, absolute = predict(complete[list(covariates)])
            table.loc[complete.index, f"risk_{name}_{method}"] = risk
            table.loc[complete.index, f"absolute_{name}_{method}"] = absolute
            _add_performance(
                estimates, table.loc[fitting.index], table.loc[test.index],
                model=f"{name}_{method}", settings=settings,
            )  # fmt: skip
    _add_comparisons(estimates, table.loc[test.index])
    _add_net_benefit(estimates, table.loc[test.index], settings=settings, folder=folder)
    return table


def models_of(table: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the models by name, without the optional covariates that ``table`` lacks."""
    for name, columns in MODELS.items():
        yield name, tuple(c for c in columns if c in table or c not in OPTIONAL)


def _known(table: pd.DataFrame, columns: tuple[str, ...]) -> bool:
    """Say whether most people have every column, so that the model is worth fitting."""
    if not set(columns) <= set(table.columns):
        return False
    drawn = table[table["gpvf"].notna()]
    return bool(drawn[list(columns)].notna().all(axis=1).mean() > 0.5)


def _fitted(
    method: str,
    people: pd.DataFrame,
    covariates: tuple[str, ...],
    *,
    settings: RiskSettings,
    seed: int,
) -> Predict:
    """Fit one model; return a function to log relative hazard and absolute risk."""
    last = max(settings.times)
    names = list(covariates)
    if method == "cox":
        fit = cox(people["duration"], people["event"] == 1, people[names])
        return lambda X: (fit.risk(X), 1 - fit.survival(X, last)[:, 0])
    network = fit_deepsurv(
        people[names].to_numpy(float),
        people["duration"].to_numpy(float),
        people["event"].to_numpy(np.int64),
        settings=DeepSurvSettings(seed=integer(seed, "deepsurv", *names) % 2**31),
    )
    return lambda X: (
        network.risk(X.to_numpy(float)),
        1 - network.survival(X.to_numpy(float), np.array([last]))[:, 0],
    )


def _add_performance(
    estimates: Estimates,
    fitting: pd.DataFrame,
    test: pd.DataFrame,
    *,
    model: str,
    settings: RiskSettings,
) -> None:
    """C-index, AUROC(t) and likelihood ratio of one model's risk on test people."""
    risk = test[f"risk_{model}"]
    duration, event, n = test["duration"], test["event"], len(test)
    rows: list[tuple[str, object, float]] = []
    try:
        rows.append(("c_index", harrell_concordance(duration, event, risk), np.nan))
        # one degree of freedom: the risk as it was fitted elsewhere, not its parts
        ratio = cox(duration, event == 1, pd.DataFrame({"risk": risk})).likelihood_ratio
        rows.append(("likelihood_ratio", ratio.statistic, ratio.p_value))
        judged = time_dependent_auc(
            fitting["duration"], fitting["event"], duration,
            event=event, risk=risk, times=_reachable(fitting, test, settings.times),
        )  # fmt: skip
    except StatisticsError as problem:
        estimates.add("models", f"undefined_{model}_{problem.code}", np.nan, n=n)
        return
    terms = [model] if model != f"{HEADLINE}_cox" else [model, ""]
    for row in judged.to_frame().to_dict("records"):
        name = row["term"] if str(row["term"]).startswith("auroc") else f"auroc_{row['term']}"
        for term in terms:
            limits = (row["ci_low"], row["ci_high"])
            estimates.add("models", _joined(name, term), row["estimate"], n=n, interval=limits)
    for name, value, p_value in rows:
        for term in terms:
            estimates.add("models", _joined(name, term), value, n=n, p_value=p_value)


def _reachable(fitting: pd.DataFrame, test: pd.DataFrame, times: tuple[float, ...]) -> list[float]:
    """Return the times at which both cases and people still followed exist."""
    end = min(fitting["duration"].max(), test["duration"].max())
    first = test.loc[test["event"] == 1, "duration"].min()
    return [t for t in times if first <= t < end]


def _joined(name: str, term: str) -> str:
    return f"{name}_{term}" if term else name


def _add_comparisons(estimates: Estimates, test: pd.DataFrame) -> None:
    """Paired differences of c-indices: what the drawn futures add."""
    pairs = (
        ("scores_clinical", "age"),
        ("scores_clinical", "clinical"),
        ("scores_clinical", "baseline_score"),
        ("scores", "baseline_score"),
        ("fracture_scores", "baseline_score"),
        ("scores_clinical", "frax"),
    )
    for first, second in pairs:
        columns = [f"risk_{name}_cox" for name in (first, second)]
        if not set(columns) <= set(test.columns):
            continue
        gap = compare_concordance(
            test["duration"], test["event"], test[columns[0]], risk_b=test[columns[1]]
        )
        estimates.add("models", f"c_index_gain_{first}_over_{second}", gap, n=len(test))


def _add_net_benefit(
    estimates: Estimates, test: pd.DataFrame, *, settings: RiskSettings, folder: Path
) -> None:
    """Net benefit of treating by each model's risk at the last time within follow-up."""
    columns = [c for c in test.columns if c.startswith("absolute_") and c.endswith("_cox")]
    last = max(settings.times)
    if not columns or last > test["duration"].max():
        return
    risks = {c.removeprefix("absolute_").removesuffix("_cox"): test[c].clip(0, 1) for c in columns}
    curve = decision_curve(
        risks, test["duration"], test["event"], t=last, thresholds=_THRESHOLDS
    ).to_frame()
    write_table(folder / "decision_curve.csv", curve)
    middle = curve[np.isclose(curve["threshold"], settings.frax_threshold / 100)]
    for row in middle.to_dict("records"):
        estimates.add(
            "net_benefit", f"{row['model']}_at_{settings.frax_threshold:g}_percent",
            row["estimate"], n=len(test), interval=(row["ci_low"], row["ci_high"]),
        )  # fmt: skip
