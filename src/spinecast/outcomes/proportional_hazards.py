"""Cox's proportional hazards model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from spinecast.errors import error
from spinecast.outcomes.concordance import stratified_concordance
from spinecast.outcomes.cox_likelihood import (
    Likelihood,
    RiskSets,
    build_risk_sets,
    evaluate,
    weighted_information,
)
from spinecast.outcomes.cox_residuals import (
    scaled_time,
    schoenfeld_residuals,
    score_blocks,
    score_residuals,
)
from spinecast.outcomes.inputs import (
    FloatArray,
    IntArray,
    SurvivalColumns,
    cluster_codes,
    entry_column,
    label_codes,
    number_table,
    require_events,
    require_option,
    require_variation,
    survival_columns,
    weight_column,
)
from spinecast.outcomes.intervals import (
    Estimate,
    TestResult,
    chi_square,
    covariance,
    normal_quantile,
    two_sided_p,
)
from spinecast.outcomes.newton import inverse_information, maximise
from spinecast.outcomes.risk_table import risk_table, step_value, step_value_before


@dataclass(frozen=True)
class CoxFit:
    """A fitted Cox model.

    Attributes
    ----------
    coefficients
        Indexed by covariate: coef, hazard_ratio, standard_error (model), robust_se
        (sandwich, within clusters if given), z, p_value, coef_low, coef_high, and
        ci_low, ci_high (95 % limits of the hazard ratio). With ``cluster`` the tests and
        limits use robust_se, else standard_error.
    log_likelihood, null_log_likelihood
        Log partial likelihood at the estimate and at zero.
    likelihood_ratio, wald, score_test
        Chi-square tests of all coefficients.
    concordance
        Harrell's c of the linear predictor on the data it was fitted to (optimistic),
        counted within strata, with its infinitesimal-jackknife error.
    baseline_hazard
        Frame of stratum, time, hazard, cumulative_hazard, survival for a person with mean
        covariates.
    covariance
        Covariance of the coefficients used for tests, shape (p, p).
    """

    coefficients: pd.DataFrame
    log_likelihood: float
    null_log_likelihood: float
    likelihood_ratio: TestResult
    wald: TestResult
    score_test: TestResult
    baseline_hazard: pd.DataFrame
    covariance: FloatArray
    n: int
    events: int
    strata: tuple[Any, ...]
    _data: _Data = field(repr=False, compare=False)

    @cached_property
    def concordance(self) -> Estimate:
        """Concordance of the linear predictor with the data it was fitted to."""
        setting = self._data.setting
        return stratified_concordance(
            setting.columns,
            self.risk(setting.x),
            entry=setting.entry,
            stratum=setting.strata[0],
            cluster=setting.cluster,
        )

    @property
    def aic(self) -> float:
        """Akaike's information criterion on the partial likelihood."""
        return -2 * self.log_likelihood + 2 * len(self.coefficients)

    def risk(self, covariates: Any) -> FloatArray:
        """Return the log relative hazard against a person with mean covariates, shape (m,)."""
        columns = covariates
        if isinstance(covariates, pd.DataFrame):
            columns = covariates[list(self.coefficients.index)]
        rows = np.asarray(columns).shape[0]
        x, _ = number_table(columns, "covariates", length=rows)
        if x.shape[1] != len(self.coefficients):
            raise error("SC-606", expected=f"{len(self.coefficients)} columns", got=str(x.shape[1]))
        return (x - self._data.sets.mean) @ self.coefficients["coef"].to_numpy()

    def survival(self, covariates: Any, times: Any, *, stratum: Any = None) -> FloatArray:
        """Return predicted survival, shape (m, times); constant beyond the last event.

        Parameters
        ----------
        covariates
            Columns as fitted, shape (m, p).
        times
            Years, scalar or shape (t,).
        stratum
            Which stratum's baseline; needed only where the model has strata.
        """
        label = self.strata[0] if stratum is None and len(self.strata) == 1 else stratum
        if label not in self.strata:
            raise error("SC-610", expected=f"one of {self.strata}", got=str(label), where="stratum")
        base = self.baseline_hazard[self.baseline_hazard["stratum"] == label]
        hazard = step_value(
            base["time"].to_numpy(), base["cumulative_hazard"].to_numpy(),
            np.atleast_1d(np.asarray(times, dtype=np.float64)), before_first=0.0,
        )  # fmt: skip
        with np.errstate(over="ignore", invalid="ignore"):
            cumulative = np.exp(self.risk(covariates))[:, None] * hazard[None, :]
        # an infinite relative hazard before the first event is 0 times infinity: nothing happened
        return np.exp(-np.where(hazard[None, :] > 0, cumulative, 0.0))

    def proportional_hazards_test(self, transform: str = "km") -> pd.DataFrame:
        """Test each coefficient for a trend over time.

        The score test of a coefficient ``beta + theta g(t)`` against ``theta = 0``, with the
        information of each event time (as R's ``cox.zph`` since 2019; the older form took it
        for constant and can be far off where covariates are correlated).

        Parameters
        ----------
        transform
            Time scale g: "km" (1 - Kaplan-Meier), "rank" (among event times; R ranks all
            exits), "identity" or "log".

        Returns
        -------
        DataFrame
            One row per covariate and ``global``: statistic, degrees_of_freedom, p_value.

        References
        ----------
        Grambsch PM, Therneau TM. Biometrika 1994;81:515-526.
        """
        require_option(transform, ("km", "rank", "identity", "log"), name="transform")
        sets, fitted = self._data.sets, self._data.fitted
        times = sets.group_time[sets.group]
        curve = step_value_before(*_pooled_curve(self._data.setting), times, before_first=1)
        scale = scaled_time(times, transform, curve)
        scale = (scale - scale.mean()) / (np.ptp(scale) or 1.0)
        per_group = np.zeros(sets.groups)
        per_group[sets.group] = scale
        pull = (scale * sets.weight[sets.event]) @ schoenfeld_residuals(sets, fitted)
        crossed = weighted_information(sets, fitted, per_group)
        own = weighted_information(sets, fitted, per_group**2)
        spread = own - crossed @ np.linalg.solve(fitted.information, crossed)
        tests = [chi_square(s, 1) for s in pull**2 / np.diag(spread)]
        tests.append(chi_square(float(pull @ np.linalg.pinv(spread) @ pull), len(pull)))
        rows = [*map(str, self.coefficients.index), "global"]
        frame = pd.DataFrame([vars(test) for test in tests])
        return frame.assign(term=rows).set_index("term")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per covariate; ``estimate`` and limits are hazard ratios.

        ``standard_error`` belongs to the logarithm of the hazard ratio.
        """
        table = self.coefficients
        used = "robust_se" if self._data.clustered else "standard_error"
        return pd.DataFrame(
            {
                "term": table.index.to_numpy(),
                "estimate": table["hazard_ratio"].to_numpy(),
                "standard_error": table[used].to_numpy(),
                "ci_low": table["ci_low"].to_numpy(),
                "ci_high": table["ci_high"].to_numpy(),
                "p_value": table["p_value"].to_numpy(),
            }
        )


@dataclass(frozen=True)
class _Data:
    """What later questions to a fit need: data as given and sorted, derivatives."""

    setting: _Setting
    sets: RiskSets
    fitted: Likelihood
    clustered: bool


def cox(
    duration: Any,
    event: Any,
    covariates: Any,
    *,
    ties: str = "efron",
    entry: Any = None,
    strata: Any = None,
    weights: Any = None,
    cluster: Any = None,
) -> CoxFit:
    """Fit Cox's model; competing deaths (code 2) count as censoring (cause-specific hazard).

    Parameters
    ----------
    duration, event
        Years and codes, shape (n,).
    covariates
        Frame, column or array, shape (n, p); numbers only (code categories first).
    ties
        "efron" or "breslow".
    entry
        Start of observation (left truncation), shape (n,).
    strata
        Labels with baseline hazards of their own.
    weights
        Case weights, shape (n,).
    cluster
        Labels of rows that belong together; makes tests and limits robust.

    Raises
    ------
    StatisticsError
        SC-601 no events; SC-603 constant covariate; SC-604..606 bad columns; SC-607 perfect
        separation, collinear columns or no convergence; SC-610 unknown ties.

    References
    ----------
    Cox DR. J R Stat Soc B 1972;34:187-220. Efron B. JASA 1977;72:557-565.
    Lin DY, Wei LJ. JASA 1989;84:1074-1078.
    """
    require_option(ties, ("efron", "breslow"), name="ties")
    columns = survival_columns(duration, event)
    n = len(columns)
    x, names = number_table(covariates, "covariates", length=n)
    weight = weight_column(weights, n)
    require_events(float(weight @ columns.happened))
    for name, column in zip(names, x.T, strict=True):
        require_variation(column, name=name)
    setting = _Setting(
        columns, x, names,
        entry=entry_column(entry, columns.duration),
        weight=weight,
        strata=_strata(strata, n),
        cluster=cluster_codes(cluster, n),
        ties=ties,
    )  # fmt: skip
    return _fit(setting)


@dataclass(frozen=True)
class _Setting:
    columns: SurvivalColumns
    x: FloatArray
    names: tuple[str, ...]
    entry: FloatArray | None
    weight: FloatArray
    strata: tuple[IntArray, tuple[Any, ...]]
    cluster: IntArray | None
    ties: str


def _strata(strata: Any, length: int) -> tuple[IntArray, tuple[Any, ...]]:
    if strata is None:
        return np.zeros(length, dtype=np.int64), ("all",)
    return label_codes(strata, "strata", length=length)


def _fit(setting: _Setting) -> CoxFit:
    columns, cluster = setting.columns, setting.cluster
    sets = build_risk_sets(
        columns.duration, columns.happened, setting.x,
        entry=setting.entry, stratum=setting.strata[0], weights=setting.weight, ties=setting.ties,
    )  # fmt: skip
    scale = sets.scale
    top = maximise(partial(evaluate, sets), np.zeros(scale.size), setting.names)
    beta, model, null, fitted = top.coefficients, top.inverse, top.start, top.here
    robust = model @ _spread_of_scores(sets, fitted, cluster) @ model
    used = model if cluster is None else robust
    pull = null.gradient
    score_statistic = float(pull @ inverse_information(null.information, setting.names) @ pull)
    data = _Data(setting, sets=sets, fitted=fitted, clustered=cluster is not None)
    return CoxFit(
        coefficients=coefficient_table(
            setting.names,
            beta / scale,
            model=np.sqrt(np.diag(model)) / scale,
            robust=np.sqrt(np.diag(robust)) / scale,
            use_robust=cluster is not None,
        ),
        log_likelihood=fitted.value,
        null_log_likelihood=null.value,
        likelihood_ratio=chi_square(2 * (fitted.value - null.value), beta.size),
        wald=chi_square(float(beta @ np.linalg.pinv(used) @ beta), beta.size),
        score_test=chi_square(score_statistic, beta.size),
        baseline_hazard=baseline_table(sets, fitted, setting.strata[1]),
        covariance=used / np.outer(scale, scale),
        n=len(columns),
        events=int(columns.happened.sum()),
        strata=setting.strata[1],
        _data=data,
    )


def _spread_of_scores(sets: RiskSets, fitted: Likelihood, cluster: IntArray | None) -> FloatArray:
    """Return the summed squares (p, p) of weighted score residuals, within clusters if given."""
    if cluster is not None:
        weighted = score_residuals(sets, fitted) * sets.weight[:, None]
        return covariance(weighted, cluster[sets.order])
    total = np.zeros((sets.scale.size, sets.scale.size))
    for people, rows in score_blocks(sets, fitted):
        weighted = rows * sets.weight[people, None]
        total += weighted.T @ weighted
    return total


def _pooled_curve(setting: _Setting) -> tuple[FloatArray, FloatArray]:
    columns = setting.columns
    table = risk_table(
        columns.duration, columns.happened, entry=setting.entry, weights=setting.weight
    )
    return table.times, np.cumprod(table.escape)


def coefficient_table(
    names: tuple[str, ...],
    coef: FloatArray,
    *,
    model: FloatArray,
    robust: FloatArray,
    use_robust: bool,
) -> pd.DataFrame:
    """Return the table of :class:`CoxFit` from coefficients and both standard errors."""
    used = robust if use_robust else model
    z = coef / used
    reach = normal_quantile() * used
    # per unit of a covariate of minute spread a ratio may exceed any float: infinity is right
    with np.errstate(over="ignore"):
        ratios = [np.exp(value) for value in (coef, coef - reach, coef + reach)]
    table = {
        "coef": coef,
        "hazard_ratio": ratios[0],
        "standard_error": model,
        "robust_se": robust,
        "z": z,
        "p_value": two_sided_p(z),
        "coef_low": coef - reach,
        "coef_high": coef + reach,
        "ci_low": ratios[1],
        "ci_high": ratios[2],
    }
    return pd.DataFrame(table, index=pd.Index(names, name="covariate"))


def baseline_table(sets: RiskSets, fitted: Likelihood, labels: tuple[Any, ...]) -> pd.DataFrame:
    """Return the baseline hazard at mean covariates, by stratum and event time."""
    hazard = sets.term_sums(fitted.term_hazard) * np.exp(-fitted.shift)
    frame = pd.DataFrame(
        {
            "stratum": np.array(labels, dtype=object)[sets.group_stratum],
            "time": sets.group_time,
            "hazard": hazard,
        }
    )
    frame["cumulative_hazard"] = frame.groupby("stratum", sort=False)["hazard"].cumsum()
    frame["survival"] = np.exp(-frame["cumulative_hazard"])
    return frame
