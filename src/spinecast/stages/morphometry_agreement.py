"""Stage `agreement` of the counterfactual study: what was foretold against what was measured.

Names of estimates: the deep model's have no suffix, the two-level model's end in
``_two_level``. Persistence ("no change") stands beside every prediction, because adults
change little: a high R2 of the level shows no skill, R2 of the change does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spinecast.files import read_json, write_table
from spinecast.outcomes import bland_altman, icc, lins_concordance, sign_agreement
from spinecast.run import StageContext
from spinecast.stages.axiom_estimates import add_axioms
from spinecast.stages.counterfactual_run import BACKBONES, suffix_of
from spinecast.stages.counterfactual_settings import JudgingSettings
from spinecast.stages.estimates import Estimates, mean_interval, person_bootstrap
from spinecast.stages.scans import short_name

MEASURES = ("mae", "rmse", "psnr", "ssim")
#: Suffixes of the predictions whose agreement is described in full.
IN_FULL = ("", "_image", "_persistence")
#: Fewer people say nothing of agreement.
FEWEST = 5


@dataclass(frozen=True)
class Prediction:
    """One way to foretell, and how its estimates are called.

    Attributes
    ----------
    suffix
        Of the estimates' names.
    mode, source, backbone
        Rows of ``follow_up.parquet``.
    """

    suffix: str
    mode: str
    source: str
    backbone: str = ""

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return this prediction's rows."""
        chosen = (table["mode"] == self.mode) & (table["source"] == self.source)
        chosen &= table["backbone"] == self.backbone
        return table[chosen].reset_index(drop=True)


PREDICTIONS = (
    Prediction("", "age_only", "variables"),
    Prediction("_all_covariates", "all_covariates", "variables"),
    *(Prediction(f"_image{suffix_of(b)}", "age_only", "image", b) for b in BACKBONES),
    Prediction("_acquired", "age_only", "acquired"),
    Prediction("_persistence", "age_only", "persistence"),
)


def make_agreement(context: StageContext) -> None:
    """Write `estimates.csv` of fidelity, follow-up agreement, axioms and speed; test people."""
    made, settings = context.needs["counterfactuals"], context.settings.judging
    estimates = Estimates()
    again = partial(person_bootstrap, seed=context.seed, resamples=settings.bootstrap)
    _add_fidelity(estimates, pd.read_csv(made / "fidelity.csv"))
    table = pd.read_parquet(made / "follow_up.parquet")
    if len(table) and table["person_id"].nunique() >= FEWEST:
        _add_follow_up(estimates, table, settings, again=again)
        _add_images(estimates, pd.read_csv(made / "follow_up_images.csv"), again=again)
    axioms = pd.read_csv(made / "axioms.csv").fillna({"parent": "", "intervened": ""})
    judged = pd.read_csv(context.needs["judges"] / "judge_errors.csv").set_index("parent")
    add_axioms(estimates, axioms, judged, again=again)
    _add_speed(estimates, made / "speed.json")
    write_table(context.folder / "estimates.csv", estimates.to_frame())


def foretold_names(table: pd.DataFrame) -> list[str]:
    """Return the variables of a follow-up table."""
    ends = "_predicted"
    return [name.removesuffix(ends) for name in table.columns if name.endswith(ends)]


def pooled_names(table: pd.DataFrame, settings: JudgingSettings) -> list[str]:
    """Return the variables whose signs of change are counted together."""
    names = foretold_names(table)
    return [name for name in names if name in settings.pooled] or names


def determination(predicted: Any, measured: Any) -> float:
    """Return R2 = 1 - residual / total sum of squares; NaN where nothing varies."""
    known = np.asarray(measured, dtype=float)
    total = ((known - known.mean()) ** 2).sum()
    residual = ((np.asarray(predicted, dtype=float) - known) ** 2).sum()
    return float(1 - residual / total) if total > 0 else float("nan")


def level_r_squared(table: pd.DataFrame, *, name: str) -> float:
    """Return R2 of the predicted follow-up value."""
    return determination(table[f"{name}_predicted"], table[f"{name}_follow_up"])


def change_r_squared(table: pd.DataFrame, *, name: str) -> float:
    """Return R2 of the predicted change from baseline."""
    return determination(*changes(table, name))


def changes(table: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Return predicted and measured change.

    What was read off an image is compared with what was read off the baseline image.
    """
    before = table[f"{name}_baseline"]
    read = table.get(f"{name}_read")
    start = before if read is None else read.fillna(before)
    return table[f"{name}_predicted"] - start, table[f"{name}_follow_up"] - before


def pooled_changes(table: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and measured changes of several variables, one after another."""
    pairs = [changes(table, name) for name in names]
    return tuple(np.concatenate([pair[k].to_numpy() for pair in pairs]) for k in (0, 1))  # type: ignore[return-value]


def signs(table: pd.DataFrame, *, names: list[str]) -> float:
    """Return the share of changes whose sign was foretold; exact zeros are left out."""
    predicted, measured = pooled_changes(table, names)
    kept = (predicted != 0) & (measured != 0)
    return float((np.sign(predicted) == np.sign(measured))[kept].mean()) if kept.any() else np.nan


def _add_fidelity(estimates: Estimates, fidelity: pd.DataFrame) -> None:
    for backbone in BACKBONES:
        rows = fidelity[fidelity["backbone"] == backbone]
        for measure in MEASURES if len(rows) else ():
            mean, low, high = mean_interval(rows, measure)
            estimates.add(
                "reconstruction", f"{measure}{suffix_of(backbone)}", mean, n=len(rows),
                interval=(low, high),
            )  # fmt: skip


def _add_follow_up(
    estimates: Estimates,
    table: pd.DataFrame,
    settings: JudgingSettings,
    *,
    again: Callable[..., tuple[float, float]],
) -> None:
    for prediction in PREDICTIONS if foretold_names(table) else ():
        rows = prediction.rows(table)
        for name in foretold_names(table):
            _add_variable(estimates, rows, name, suffix=prediction.suffix, again=again)
        _add_signs(estimates, rows, pooled_names(table, settings), suffix=prediction.suffix,
                   again=again)  # fmt: skip
    first = PREDICTIONS[0].rows(table)
    for name, variation in settings.precision.items():
        if f"{name}_baseline" in first:
            _add_floor(estimates, first, name, variation=variation)


def _add_variable(
    estimates: Estimates,
    rows: pd.DataFrame,
    name: str,
    *,
    suffix: str,
    again: Callable[..., tuple[float, float]],
) -> None:
    """Add R2 of level and change, error of the change; of some ICC, Lin and Bland-Altman."""
    label, n = f"{short_name(name)}{suffix}", len(rows)
    statistics: Mapping[str, Callable[..., float]] = {
        "r_squared": level_r_squared,
        "r_squared_change": change_r_squared,
        "rmse_change": _change_error,
    }
    for term, statistic in statistics.items():
        of = partial(statistic, name=name)
        estimates.add("follow_up", f"{term}_{label}", of(rows), n=n, interval=again(rows, of))
    if suffix not in IN_FULL:
        return
    predicted, measured = rows[f"{name}_predicted"], rows[f"{name}_follow_up"]
    estimates.add("follow_up", f"icc_{label}", icc(predicted, measured), n=n)
    estimates.add("follow_up", f"lin_{label}", lins_concordance(predicted, measured), n=n)
    agreed = bland_altman(predicted, measured)
    estimates.add("follow_up", f"bias_{label}", agreed.bias, n=n)
    estimates.add("follow_up", f"lower_limit_{label}", agreed.lower_limit, n=n)
    estimates.add("follow_up", f"upper_limit_{label}", agreed.upper_limit, n=n)


def _change_error(table: pd.DataFrame, *, name: str) -> float:
    predicted, measured = changes(table, name)
    return float(np.sqrt(((predicted - measured) ** 2).mean()))


def _add_signs(
    estimates: Estimates,
    rows: pd.DataFrame,
    names: list[str],
    *,
    suffix: str,
    again: Callable[..., tuple[float, float]],
) -> None:
    """Add sign agreement, all variables together and each alone; p-value against one half."""
    chosen = {"": names} | {f"_{short_name(name)}": [name] for name in names}
    for label, some in chosen.items():
        predicted, measured = pooled_changes(rows, some)
        if not ((predicted != 0) & (measured != 0)).any():
            continue  # no change has no sign
        found = sign_agreement(predicted, measured)
        interval = again(rows, partial(signs, names=some))
        estimates.add(
            "follow_up", f"sign_agreement{label}{suffix}", found.estimate, n=len(rows),
            interval=interval, p_value=found.p_value,
        )  # fmt: skip


def _add_floor(estimates: Estimates, rows: pd.DataFrame, name: str, *, variation: float) -> None:
    """Add the error of a change that two measurements alone make, and the R2 it leaves."""
    noise = np.sqrt(2) * variation * rows[f"{name}_baseline"].mean()
    spread = float((rows[f"{name}_follow_up"] - rows[f"{name}_baseline"]).var(ddof=0))
    short = short_name(name)
    estimates.add("follow_up", f"measurement_error_floor_{short}", noise, n=len(rows))
    if spread > 0:
        estimates.add(
            "follow_up", f"measurement_error_r_squared_change_{short}", 1 - noise**2 / spread,
            n=len(rows),
        )  # fmt: skip


def _add_images(
    estimates: Estimates, errors: pd.DataFrame, *, again: Callable[..., tuple[float, float]]
) -> None:
    """Add the error of the drawn later image, and its skill over no change and over a copy."""
    for backbone in BACKBONES:
        chosen = (errors["backbone"] == backbone) & (errors["mode"] == "age_only")
        rows = errors[chosen].reset_index(drop=True)
        if rows.empty:
            continue
        end = suffix_of(backbone)
        mean, low, high = mean_interval(rows, "mae_generated")
        estimates.add("follow_up", f"image_mae{end}", mean, n=len(rows), interval=(low, high))
        for term, reference in (("image_skill", "unchanged"), ("image_skill_against_copy", "copy")):
            of = partial(image_skill, reference=reference)
            estimates.add(
                "follow_up", f"{term}{end}", of(rows), n=len(rows), interval=again(rows, of)
            )


def image_skill(table: pd.DataFrame, *, reference: str = "unchanged") -> float:
    """Return 1 - error of the drawn image / error of ``reference``, mean absolute errors."""
    return float(1 - table["mae_generated"].mean() / table[f"mae_{reference}"].mean())


def _add_speed(estimates: Estimates, path: Path) -> None:
    for backbone, seconds in read_json(path).items():
        estimates.add("speed", f"seconds_per_counterfactual{suffix_of(backbone)}", seconds, n=1)
