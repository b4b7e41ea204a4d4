"""Sections of the page on counterfactual scans: drawn, foretold, and held against axioms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from spinecast.report.digits import MISSING, write_interval, write_number
from spinecast.report.goods import AgeSweep, BlandAltmanData, Estimate, ForestRow, ForetoldValues
from spinecast.report.parts import Section, Table
from spinecast.report.sections import (
    axioms_section,
    follow_up_images_section,
    foretold_section,
    reconstruction_section,
    sweeps_section,
)
from spinecast.report.tables import estimates_table, frame_table, write_estimate
from spinecast.stages.counterfactual_headline import (
    MOST_EFFECTIVENESS,
    effectiveness_parents,
    parent_words,
)
from spinecast.stages.counterfactual_run import (
    BACKBONES,
    AbsentError,
    SavedCounterfactuals,
    suffix_of,
)
from spinecast.stages.report_causal import label_of, unit_of
from spinecast.stages.saved_stages import as_unit
from spinecast.stages.scans import short_name

_MEASURES = {"ssim": "SSIM", "psnr": "PSNR (dB)", "mae": "MAE", "rmse": "RMSE"}
_AXIOMS = {
    "composition_l1": "changing nothing, error per pixel",
    "composition_decoder_l1": "the same without pixel noise",
    "reversibility_l1": "there and back again, error per pixel",
    "reversibility_ratio": "the same, multiple of the decoder's own error",
    "minimality": "change outside the middle columns per unit of change inside",
    "effectiveness_ratio": "what was set, multiple of the judge's error",
    "effectiveness_marginal_ratio": "the same, set to values that may contradict their causes",
    "untouched_ratio": "what was not touched, multiple of the judge's error",
}
_TINY = 1e-5
#: Ways to foretell in the order of the page: ending of the estimates' names, words.
_WAYS = {
    "": "causal model",
    "_all_covariates": "… given all later covariates",
    "_image": "read off the image, deep",
    "_image_two_level": "read off the image, two-level",
    "_acquired": "read off the real later scan",
    "_persistence": "no change",
}
_CHANGE = {
    "r_squared": "R² of the level",
    "r_squared_change": "R² of the change",
    "rmse_change": "error of the change (RMS)",
    "sign_agreement": "direction, share right",
}
_AGREEMENT = {
    "icc": "ICC(2,1)",
    "lin": "Lin's concordance",
    "bias": "bias (Bland–Altman)",
    "lower_limit": "lower limit",
    "upper_limit": "upper limit",
}


def ageing(saved: SavedCounterfactuals) -> Section:
    """Show the gallery's scans at a row of ages."""
    found = saved.ageing
    sweeps = [
        AgeSweep(
            label=label,
            scan=saved.film(image_id),
            ages=found.ages,
            generated=tuple(as_unit(found.mean[place])),
            spread=tuple(as_unit(found.spread[place])),
        )
        for place, (image_id, label) in enumerate(zip(found.image_ids, found.labels, strict=True))
    ]
    words = BACKBONES.get(found.backbone, found.backbone)
    return sweeps_section(sweeps, backbone=words, simulated=saved.simulated)


def reconstruction(saved: SavedCounterfactuals) -> Section:
    """Show fidelity of the models' own drawings, by backbone."""
    table = saved.fidelity
    measures = {
        title: {BACKBONES[name]: rows[column].to_numpy() for name, rows in _by_backbone(table)}
        for column, title in _MEASURES.items()
        if column in ("ssim", "psnr")
    }
    rows = saved.estimates[saved.estimates["analysis"] == "reconstruction"]
    labels = {
        f"{term}{suffix_of(backbone)}": f"{title}, {words}"
        for term, title in _MEASURES.items()
        for backbone, words in BACKBONES.items()
    }
    listed = estimates_table(
        rows.drop(columns="p_value"), caption="Means over test scans, clustered by person.",
        labels=labels,
    )  # fmt: skip
    return reconstruction_section(measures, listed, simulated=saved.simulated)


def _by_backbone(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    parts = [(name, table[table["backbone"] == name]) for name in BACKBONES]
    return [(name, part) for name, part in parts if len(part)]


def axioms(saved: SavedCounterfactuals) -> Section:
    """Show whether the drawings behave as counterfactuals must."""
    names = [name for name, _ in _by_backbone(saved.axioms)]
    parents = effectiveness_parents(saved.estimates)
    rows = [
        {"axiom": words, **{BACKBONES[name]: _written(saved, term, name)
                            for name in names}}
        for term, words in (_AXIOMS | _reading_terms(parents)).items()
    ]  # fmt: skip
    known = [row for row in rows if any(row[BACKBONES[name]] != MISSING for name in names)]
    table = frame_table(pd.DataFrame(known), caption="Test people; 95 % intervals in brackets.")
    panels = {
        BACKBONES[name]: [
            ForestRow(parent_words(parent), found)
            for parent in parents
            if (found := _estimate(saved, f"effectiveness_ratio_{parent}", name)) is not None
        ]
        for name in names
    }
    drawable = bool(parents) and all(len(panel) == len(parents) for panel in panels.values())
    return axioms_section(
        table, panels if drawable else {}, simulated=saved.simulated, most=MOST_EFFECTIVENESS
    )


def _reading_terms(parents: Sequence[str]) -> dict[str, str]:
    return {
        f"{axiom}_ratio_{parent}": f"{words} {parent_words(parent)}"
        for axiom, words in (("effectiveness", "set:"), ("untouched", "untouched:"))
        for parent in parents
    }


def _estimate(saved: SavedCounterfactuals, term: str, backbone: str) -> Estimate | None:
    return saved.estimate("axioms", f"{term}{suffix_of(backbone)}")


def _written(saved: SavedCounterfactuals, term: str, backbone: str) -> str:
    found = _estimate(saved, term, backbone)
    if found is not None and 0 < abs(found.value) < _TINY:
        return f"{found.value:.1e}"  # seven zeros would say nothing
    return write_estimate(found)


def foretold(saved: SavedCounterfactuals) -> Section:
    """Show predicted against measured level and change, beside no change."""
    table = saved.follow_up
    names = [c.removesuffix("_predicted") for c in table.columns if c.endswith("_predicted")]
    if not names:
        raise AbsentError("Nothing that the image shows follows from age in the graph.")
    sources = {}
    for words, source, backbone, ending in (
        ("Foretold by the causal model", "variables", "", ""),
        ("Read off the drawn scan (deep model)", "image", "deep", "_image"),
    ):
        rows = table[(table["mode"] == "age_only") & (table["source"] == source)]
        rows = rows[rows["backbone"].fillna("") == backbone]
        if len(rows):
            sources[words] = [_values(saved, rows, name, ending=ending) for name in names]
    if not sources:
        raise AbsentError("No test person has a later scan.")
    tables = [_signs_table(saved), *(t for n in names for t in _agreement_tables(saved, n))]
    return foretold_section(sources, tables, simulated=saved.simulated)


def _values(
    saved: SavedCounterfactuals, rows: pd.DataFrame, name: str, *, ending: str
) -> ForetoldValues:
    before, after, predicted = (
        rows[f"{name}_{what}"].to_numpy(dtype=float)
        for what in ("baseline", "follow_up", "predicted")
    )
    short = f"{short_name(name)}{ending}"
    read = rows.get(f"{name}_read")
    return ForetoldValues(
        label=label_of(saved, name, unit=False),
        unit=unit_of(saved, name),
        baseline=before,
        follow_up=after,
        predicted=predicted,
        level_words=_r_squared(saved, f"r_squared_{short}"),
        change_words=_r_squared(saved, f"r_squared_change_{short}"),
        start=None if read is None or read.isna().all() else read.to_numpy(dtype=float),
        bland_altman=_limits(saved, short),
    )


def _limits(saved: SavedCounterfactuals, short: str) -> BlandAltmanData | None:
    found = [
        saved.estimate("follow_up", f"{term}_{short}")
        for term in ("bias", "lower_limit", "upper_limit")
    ]
    bias, lower, upper = found
    if bias is None or lower is None or upper is None:
        return None
    return BlandAltmanData(bias, lower.value, upper.value)


def _r_squared(saved: SavedCounterfactuals, term: str) -> str:
    found = saved.estimate("follow_up", term)
    if found is None or not np.isfinite(found.value):
        return ""
    return f"R² {write_interval(found.value, found.ci_low, found.ci_high, null=0.0)}"


def _agreement_tables(saved: SavedCounterfactuals, name: str) -> list[Table]:
    short, label = short_name(name), label_of(saved, name)
    floor = saved.estimate("follow_up", f"measurement_error_floor_{short}")
    words = ""
    if floor is not None:
        words = (
            "; the error of two measurements alone makes changes of "
            f"{write_number(floor.value)} (standard deviation)"
        )
    return [
        frame_table(
            _ways_frame(saved, {f"{term}_{short}": title for term, title in terms.items()}),
            caption=f"{label}: {what}",
            folded=folded,
        )
        for what, terms, folded in (
            (f"foretold and measured{words}", _CHANGE, False),
            ("agreement of the level with the later visit", _AGREEMENT, True),
        )
    ]


def _signs_table(saved: SavedCounterfactuals) -> Table:
    frame = _ways_frame(saved, {"sign_agreement": "share of directions foretold"})
    return frame_table(frame, caption="Direction of change, all sizes together; 0.5 is guessing")


def _ways_frame(saved: SavedCounterfactuals, terms: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a way to foretell and one column a measure; empty rows are left out."""
    rows = [
        {
            "foretold by": way,
            **{
                title: write_estimate(saved.estimate("follow_up", f"{term}{end}"))
                for term, title in terms.items()
            },
        }
        for end, way in _WAYS.items()
    ]
    kept = [row for row in rows if set(list(row.values())[1:]) != {MISSING}]
    frame = pd.DataFrame(kept, columns=["foretold by", *terms.values()])
    return frame.loc[:, [len(frame) == 0 or set(frame[c]) != {MISSING} for c in frame.columns]]


def follow_up_images(saved: SavedCounterfactuals) -> Section:
    """Show errors against the real later scan: generated, unchanged, copied."""
    table = saved.follow_up_images
    table = table[table["mode"] == "age_only"]
    panel: dict[str, np.ndarray] = {}
    for name, rows in _by_backbone(table):
        panel[f"generated, {BACKBONES[name]}"] = rows["mae_generated"].to_numpy()
        panel[f"copy, {BACKBONES[name]}"] = rows["mae_copy"].to_numpy()
        panel["unchanged"] = rows["mae_unchanged"].to_numpy()
    if not panel:
        raise AbsentError("No later scan was drawn.")
    labels = {
        f"{term}{suffix_of(backbone)}": f"{words}, {model}"
        for term, words in (
            ("image_mae", "MAE of the generated image"),
            ("image_skill", "share of the unchanged scan's error taken away"),
            ("image_skill_against_copy", "share of the copy's error taken away"),
        )
        for backbone, model in BACKBONES.items()
    }
    rows = saved.estimates
    rows = rows[(rows["analysis"] == "follow_up") & rows["term"].isin(list(labels))]
    listed = estimates_table(rows.drop(columns="p_value"), labels=labels, null=0.0)
    return follow_up_images_section({"MAE in the ROI": panel}, listed, simulated=saved.simulated)
