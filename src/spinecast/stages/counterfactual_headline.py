"""The headline of the counterfactual study: targets, what was reached, and the naive way."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from spinecast.report.digits import write_interval, write_number
from spinecast.report.goods import Estimate, HeadlineRow, Target
from spinecast.stages.axiom_estimates import LESS_TWO_LEVEL
from spinecast.stages.counterfactual_run import BACKBONES, SavedCounterfactuals, suffix_of
from spinecast.stages.headline_lines import Found, Line, gather_lines, make_line

_TWO_LEVEL = suffix_of("two_level")
#: R² of the later value that the paper reports.
_PAPER = {"width": 0.918, "height": 0.854, "area": 0.931}
_PAPER_SIGNS = 0.615
#: Errors of readings off drawings, as multiples of the judge's error on real scans.
MOST_EFFECTIVENESS = 1.5
_MOST_REVERSAL = 2.0
_EXACT = 1e-5
_COVERED = 0.95


def headline_lines(saved: SavedCounterfactuals, recovery: pd.DataFrame) -> list[Line]:
    """Return the lines of the headline that the run has estimates for.

    Parameters
    ----------
    saved
        The run.
    recovery
        Estimates beside the truth; empty for real cohorts.
    """
    chapters = (_truth, _follow_up, _directions, _reconstruction, _axioms, _weights, _speed)
    return gather_lines(Found(saved, recovery), chapters)


def _recovered_line(found: Found, analysis: str, term: str, **fields: Any) -> Line | None:
    """Return the line of a recovery row, None where the truth is not known."""
    row = found.recovered(analysis, term)
    if row is None or not math.isfinite(row["estimate"]):
        return None
    label = fields.pop("label", row["label"])
    numbers = Estimate(row["estimate"], row["ci_low"], row["ci_high"], n=row["n"])
    return Line(analysis, term, HeadlineRow(label, numbers, **fields))


def _truth(found: Found) -> list[Line | None]:
    other = found.recovered("truth", f"skill_over_no_change{_TWO_LEVEL}")
    words = ""
    if other is not None:
        words = f"Two-level model: {write_number(other['estimate'], 2)}."
    return [
        _recovered_line(
            found, "truth", "skill_over_no_change", naive=Estimate(0.0), naive_label="no change",
            label="Share of the error of no change taken away, against the true scan ten years on",
            target=Target(0.5), key=True, null=0.0, comment=words,
        ),
        _recovered_line(
            found, "truth", "interval_coverage",
            label="True pixels inside the 95 % interval of the draws, share",
        ),
    ]  # fmt: skip


def _follow_up(found: Found) -> list[Line | None]:
    lines = []
    for name, paper in _PAPER.items():
        lines.append(
            make_line(
                found, "follow_up", f"r_squared_{name}", label=f"Later lumbar {name}, R²",
                naive=found.estimate("follow_up", f"r_squared_{name}_persistence"),
                naive_label="no change", key=name == "area",
                target=Target(paper, wording=f"at least {paper:g} (paper)"),
            )
        )  # fmt: skip
    for name, paper in _PAPER.items():
        lines.append(
            make_line(
                found, "follow_up", f"r_squared_change_{name}",
                label=f"Change of lumbar {name}, R²",
                naive=found.estimate("follow_up", f"r_squared_change_{name}_persistence"),
                naive_label="no change", null=0.0, comment=_most_of_change(found, name),
                target=Target(paper, wording=f"at least {paper:g}, as of the level"),
            )
        )  # fmt: skip
    return lines


def _most_of_change(found: Found, name: str) -> str:
    """Say how much of the measured change anybody could foretell."""
    term = f"r_squared_change_{name}"
    best = found.recovered("follow_up", term)
    if best is not None:
        return f"The true causal model reaches {write_number(best['truth'], 2)}."
    known = found.estimate("follow_up", f"measurement_error_{term}")
    if known is None:
        return ""
    return f"Error of the two measurements alone leaves at most {write_number(known.value, 2)}."


def _directions(found: Found) -> list[Line | None]:
    attainable = found.recovered("follow_up", "sign_agreement_attainable")
    words = ""
    if attainable is not None:
        words = f"The true causal model reaches {write_number(attainable['estimate'], 3)}."
    return [
        make_line(
            found, "follow_up", "sign_agreement", label="Direction of change, share right",
            naive=Estimate(0.5), naive_label="guessing", null=0.5, key=True, comment=words,
            target=Target(_PAPER_SIGNS, "above", f"above {_PAPER_SIGNS:g} (paper)"),
        ),
        _recovered_line(
            found, "follow_up", "sign_agreement_fraction_of_attainable",
            label="Direction of change, share of the attainable", target=Target(0.9),
        ),
    ]  # fmt: skip


def _reconstruction(found: Found) -> list[Line | None]:
    lines = []
    for term, name, threshold, unit in (("ssim", "SSIM", 0.80, ""), ("psnr", "PSNR", 26.0, " dB")):
        other = found.estimate("reconstruction", f"{term}{_TWO_LEVEL}")
        least = max(threshold, -math.inf if other is None else other.value)
        lines.append(
            make_line(
                found, "reconstruction", term, label=f"Reconstruction, {name}", naive=other,
                naive_label="two-level model", key=term == "ssim",
                target=Target(least, wording=f"at least {threshold:g}{unit}, above the two-level"),
            )
        )  # fmt: skip
        lines.append(
            make_line(
                found,
                "reconstruction",
                f"{term}{_TWO_LEVEL}",
                label=f"Reconstruction by the two-level model, {name}",
            )
        )
    return lines


def _axioms(found: Found) -> list[Line | None]:
    other = found.estimate("axioms", f"effectiveness_ratio{_TWO_LEVEL}")
    nothing = found.value("axioms", "composition_l1")
    lines = [
        make_line(
            found, "axioms", "composition_l1", label="Changing nothing: error per pixel",
            comment=f"To two digits: {nothing:.1e}." if nothing < _EXACT else "",
            target=Target(_EXACT, "below", "below 0.00001"),
            naive=found.estimate("axioms", "composition_decoder_l1"),
            naive_label="decoder without pixel noise",
        ),
        make_line(
            found, "axioms", "reversibility_ratio",
            label="There and back again: error, multiple of the decoder's own",
            target=Target(_MOST_REVERSAL, "at most"),
        ),
    ]  # fmt: skip
    if other is not None:
        less = found.estimate("axioms", LESS_TWO_LEVEL)
        lines.append(
            make_line(
                found, "axioms", "effectiveness_ratio", naive=other, naive_label="two-level model",
                comment="" if less is None else "Less the two-level model's, of the same people: "
                f"{write_interval(less.value, less.ci_low, less.ci_high)}.",
                label="What was set, read off the drawing: error, multiple of the judge's own",
                target=Target(other.value, "below", "below the two-level"),
            )
        )  # fmt: skip
    lines += [
        make_line(
            found,
            "axioms",
            f"effectiveness_ratio_{parent}",
            label=f"{parent_words(parent)}, set and read off: error, multiple of the judge's own",
            target=Target(MOST_EFFECTIVENESS, "at most"),
        )
        for parent in effectiveness_parents(found.saved.estimates)
    ]
    return lines


def effectiveness_parents(estimates: pd.DataFrame) -> list[str]:
    """Return the parents whose effectiveness was judged, as they are called in estimates."""
    start = "effectiveness_ratio_"
    terms = estimates.loc[estimates["analysis"] == "axioms", "term"]
    names = [term.removeprefix(start) for term in terms if term.startswith(start)]
    ends = tuple(suffix_of(backbone).lstrip("_") for backbone in BACKBONES if suffix_of(backbone))
    return [name for name in names if not name.endswith(ends)]


def parent_words(parent: str) -> str:
    """Return how a parent is called on the page, given its name in estimates."""
    words = parent.replace("_", " ")
    return words.upper() if words in {"bmd", "bmi"} else words


def _weights(found: Found) -> list[Line | None]:
    table = found.recovery
    rows = table[(table["analysis"] == "graph") & table["covered"].notna()]
    if rows.empty:
        return []
    held = rows["covered"].astype(float)
    missed = rows.loc[held == 0, "label"].tolist()
    row = HeadlineRow(
        "Standardised weights whose interval holds the truth, share",
        Estimate(float(held.mean()), n=len(rows)),
        target=Target(_COVERED, wording=f"at least {_COVERED:g}"),
        comment=f"Missed: {', '.join(missed)}." if missed else "",
    )
    return [Line("graph", "weights_covered", row)]


def _speed(found: Found) -> list[Line | None]:
    return [
        make_line(
            found,
            "speed",
            f"seconds_per_counterfactual{suffix_of(backbone)}",
            label=f"Seconds per counterfactual image, {words} model",
        )
        for backbone, words in BACKBONES.items()
    ]


__all__ = ["MOST_EFFECTIVENESS", "effectiveness_parents", "headline_lines", "parent_words"]
