"""The headline: what the study was asked to show, what it shows, and the naive alternative."""

from __future__ import annotations

import math

import pandas as pd

from spinecast.report.digits import write_interval, write_number, write_p
from spinecast.report.goods import Estimate, HeadlineRow, Target
from spinecast.report.tables import write_estimate
from spinecast.stages.headline_lines import (
    Found,
    Line,
    gather_lines,
    headline_json,
    make_line,
    page_rows,
)
from spinecast.stages.saved_run import SavedRun

_SHARE_OF_BEST = 0.95
_ALPHA = 0.01


def headline_lines(saved: SavedRun, recovery: pd.DataFrame) -> list[Line]:
    """Return the lines of the headline that the run has estimates for.

    Targets are stated for simulated cohorts only, for which they were set.

    Parameters
    ----------
    saved
        The run.
    recovery
        As ``recovery.recover`` returns it; empty for real cohorts.
    """
    found = Found(saved, recovery)
    chapters = (
        _reconstruction, _follow_up, _age, _groups, _models, _speed,
    )  # fmt: skip
    return gather_lines(found, chapters)


def _reconstruction(found: Found) -> list[Line | None]:
    lines = []
    measures = (("ms_ssim", "MS-SSIM", 0.85, ""), ("psnr", "PSNR", 26.0, " dB"))
    for term, name, threshold, unit in measures:
        single = found.estimate("reconstruction", f"{term}_single_ldm")
        alone = found.estimate("reconstruction", f"{term}_autoencoder")
        target = Target(
            max(threshold, -math.inf if single is None else single.value),
            wording=f"at least {threshold:g}{unit}, above the single LDM",
        )
        words = ""
        if alone is not None:
            words = f"The autoencoder alone keeps {write_estimate(alone)}."
        lines.append(
            make_line(
                found,
                "reconstruction",
                term,
                label=f"Copy of a film by the pair, {name}{_in(unit)}",
                naive=single,
                naive_label="single LDM",
                target=target,
                comment=words,
                key=term == "ms_ssim",
            )
        )
        lines += [
            make_line(
                found,
                "reconstruction",
                f"{term}{suffix}",
                label=f"Copy of a film by {words}, {name}{_in(unit)}",
            )
            for suffix, words in (("_autoencoder", "the autoencoder"), ("_single_ldm", "one LDM"))
        ]
    return lines


def _in(unit: str) -> str:
    return f" ({unit.strip()})" if unit else ""


def _follow_up(found: Found) -> list[Line | None]:
    persistence = found.estimate("follow_up", "pearson_r_persistence")
    threshold = max(0.75, -math.inf if persistence is None else persistence.value)
    gain = found.estimate("follow_up", "pearson_r_gain")
    words = "" if gain is None else f"Gain over persistence {write_estimate(gain, null=0.0)}."
    against_copy = found.estimate("follow_up", "image_skill_against_copy")
    copy_words = ""
    if against_copy is not None:
        against = write_estimate(against_copy, null=0.0)
        copy_words = f"Against the model's own copy, as smooth as a drawing: {against}."
    return [
        make_line(
            found, "follow_up", "pearson_r", label="Generated against real follow-up score, r",
            naive=persistence, naive_label="persistence", key=True, comment=words,
            target=Target(threshold, wording="at least 0.75, above persistence"),
        ),
        make_line(
            found, "follow_up", "pearson_r_persistence", label="Baseline against follow-up score, r"
        ),
        make_line(
            found, "follow_up", "bias", label="Generated minus real score, mean", null=0.0,
            comment=f"sd of differences {write_number(found.value('follow_up', 'sd'), 2)}",
        ),
        make_line(
            found, "follow_up", "image_skill", label="Image skill over no change",
            naive=Estimate(0.0), naive_label="no change", target=Target(0.0, "above"), null=0.0,
            comment=copy_words,
        ),
    ]  # fmt: skip


def _age(found: Found) -> list[Line | None]:
    real = found.estimate("generated_age", "r_squared_acquired")
    no_age = real is not None and real.value <= 0
    words = (
        "The regressor reads no age off real films either, so the fraction means nothing."
        if no_age
        else ""
    )
    return [
        make_line(
            found, "generated_age", "r_squared", label="Age read off generated films, R²",
            naive=real, naive_label="real test films",
        ),
        make_line(
            found, "generated_age", "r_squared_acquired", label="Age read off real test films, R²"
        ),
        make_line(
            found, "generated_age", "fraction_of_acquired", target=Target(0.9), comment=words,
            label="Age on generated films, share of the R² on real ones",
            met=False if no_age else None,
        ),
    ]  # fmt: skip


def _groups(found: Found) -> list[Line | None]:
    lower = found.estimate("risk_groups", "hazard_ratio_lh")
    lines = [
        make_line(
            found, "risk_groups", "hazard_ratio_lh", label="Hazard ratio, LH against LL", null=1.0,
            target=Target(1.0, "above", "above LL (1)"),
        ),
        make_line(
            found, "risk_groups", "hazard_ratio_high", label="Hazard ratio, HIGH against LL",
            null=1.0, key=True,
            target=Target(
                max(1.0, math.nan if lower is None else lower.value), "above",
                "LL < LH < HIGH",
            ),
            naive=lower, naive_label="LH against LL",
        ),
    ]  # fmt: skip
    test = found.estimate("risk_groups_out_of_fold", "log_rank")
    if test is not None:
        row = HeadlineRow(
            "Log-rank χ², people scored out of fold", test, met=test.p_value < _ALPHA,
            target=Target(_ALPHA, "below", f"p < {_ALPHA:g}"), comment=f"p {write_p(test.p_value)}",
        )  # fmt: skip
        lines.append(Line("risk_groups_out_of_fold", "log_rank", row))
    return lines


def _models(found: Found) -> list[Line | None]:
    # the ceiling of the design: what the image-visible state tells; drugs, say, it does not
    best = found.recovered("models", "c_index_visible")
    target, met, words = None, None, ""
    if best is not None and math.isfinite(best["truth"]):
        ceiling = float(best["truth"])
        target = Target(
            _SHARE_OF_BEST * ceiling,
            wording=f"at least {_SHARE_OF_BEST:g} of the best possible ({ceiling:.3f})",
        )
        met = target.is_met(found.value("models", "c_index"))
        share = found.recovered("models", "c_index_share_of_best_visible")
        if share is not None:
            interval = write_interval(share["estimate"], share["ci_low"], share["ci_high"])
            words = f"{interval} of what all that a film shows, age and sex reach on these people."
        luckless = found.recovered("models", "c_index_expected_share_visible")
        if luckless is not None:
            words += f" Without the luck of one follow-up: {write_number(luckless['estimate'], 3)}."
    age = found.estimate("models", "c_index_age_cox")
    lines = [
        make_line(
            found, "models", "c_index", label="c-index, scores + clinical", naive=age,
            naive_label="age alone", target=target, met=met, key=True, comment=words, null=0.5,
        )
    ]  # fmt: skip
    for other, name in (("age", "age alone"), ("baseline_score", "the baseline score alone")):
        lines.append(
            make_line(
                found,
                "models",
                f"c_index_gain_scores_clinical_over_{other}",
                null=0.0,
                label=f"Gain in c-index over {name}, paired",
                target=Target(0.0, "above"),
            )
        )
    lines.append(make_line(found, "models", "likelihood_ratio", label="Likelihood-ratio χ²"))
    for years in found.saved.settings.risk.times:
        term = f"auroc_{years:g}y"
        lines.append(
            make_line(
                found,
                "models",
                term,
                label=f"AUROC at {years:g} y, scores + clinical",
                null=0.5,
                naive=found.estimate("models", f"{term}_age_cox"),
                naive_label="age alone",
            )
        )
    return lines


def _speed(found: Found) -> list[Line | None]:
    generation = found.saved.settings.generation
    futures = (len(generation.horizons) + 1) * generation.draws
    ratio = found.estimate("speed", "ratio_unshared")
    words = "Interval: fastest and slowest patient timed."
    if ratio is not None:
        words += f" Running both branches for every draw takes {ratio.value:.1f} times as long."
    return [
        make_line(
            found, "speed", "seconds_per_patient", target=Target(60.0, "at most"),
            label=f"Seconds per patient ({futures} futures)", comment=words,
        ),
        make_line(
            found, "speed", "ratio_unshared", null=1.0,
            label="Time of running both branches for every draw, against ours",
        ),
    ]  # fmt: skip


__all__ = ["Line", "headline_json", "headline_lines", "page_rows"]
