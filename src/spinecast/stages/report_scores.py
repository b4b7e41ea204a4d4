"""Sections of the page on scores: agreement, ages, spread, where the score looked, strangeness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from spinecast.files import read_json
from spinecast.outcomes import bland_altman
from spinecast.report.digits import write_interval, write_number, write_share
from spinecast.report.goods import BlandAltmanData, Estimate, OverlayData, PairedValues
from spinecast.report.parts import Section
from spinecast.report.sections import (
    age_section,
    agreement_section,
    attribution_section,
    distributions_section,
    uncertainty_section,
)
from spinecast.report.tables import estimates_table, frame_table
from spinecast.scores.aggregate import UNCERTAIN_SD, baseline_scores
from spinecast.stages.agreement import generated_ages
from spinecast.stages.saved_run import VERTEBRAL_FRACTURE, AbsentError, SavedRun

_GROUP = "Scores"
_FEWEST = 3
_LABELS = {
    "pearson_r": "correlation r, generated against real",
    "pearson_r_persistence": "correlation r, persistence (baseline against real)",
    "pearson_r_gain": "gain in r over persistence",
    "bias": "bias, generated minus real",
    "sd": "standard deviation of differences, generated",
    "bias_persistence": "bias, persistence",
    "sd_persistence": "standard deviation of differences, persistence",
}


def agreement(saved: SavedRun) -> Section:
    """Show scores of drawn against real later films, with persistence in the table."""
    path = saved.folders["agreement"] / "follow_up_pairs.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    if len(table) < _FEWEST:
        raise AbsentError("Fewer than three test people have a dated later film and a score.")
    judged = bland_altman(table["generated"], table["acquired"])
    pair = PairedValues(
        reference=table["acquired"].to_numpy(float),
        compared=table["generated"].to_numpy(float),
        reference_label="score of the real later film",
        compared_label="score of the generated film",
        summary=_known({"r": saved.estimate("follow_up", "pearson_r")}),
    )
    bias = judged.bias
    limits = BlandAltmanData(
        bias=Estimate(bias.estimate, bias.ci_low, bias.ci_high, bias.p_value),
        lower=judged.lower_limit.estimate,
        upper=judged.upper_limit.estimate,
    )
    rows = saved.estimates[saved.estimates["analysis"] == "follow_up"]
    rows = rows[~rows["term"].str.startswith("image_skill")]
    section = agreement_section(pair, limits, estimates=rows, simulated=saved.simulated)
    table_of_rows = estimates_table(
        rows, caption="Test people with a dated later film", labels=_LABELS
    )
    return replace(section, tables=(table_of_rows,))


def ages(saved: SavedRun) -> Section:
    """Show the age read off drawn films against the age asked for, real films beside."""
    acquired, generated = generated_ages(saved.scores, saved.cohort.visits)
    if len(acquired) < _FEWEST or len(generated) < _FEWEST:
        raise AbsentError("Ages are not known, or no age regressor was fitted.")
    first = generated[generated["draw"] == generated["draw"].min()]
    terms = {"generated": "r_squared", "acquired": "r_squared_acquired"}
    found = {name: saved.estimate("generated_age", term) for name, term in terms.items()}
    made, real = (
        PairedValues(
            reference=table["age"].to_numpy(float),
            compared=table["predicted"].to_numpy(float),
            reference_label=label,
            compared_label="age read off the film",
            summary=_known({"R²": found[name]}),
        )
        for name, table, label in (
            ("generated", first, "age asked for"),
            ("acquired", acquired, "true age"),
        )
    )
    section = age_section(made, real, simulated=saved.simulated)
    share, real_fit = saved.estimate("generated_age", "fraction_of_acquired"), found["acquired"]
    words = "The regressor reads no age off real films, so it cannot judge drawn ones."
    if share is not None and real_fit is not None and real_fit.value > 0:
        words = f"{write_number(share.value, 2)} of the R² on real films remains."
    drawn, acquired_pace = (
        saved.estimate("generated_age", f"ageing_per_decade{end}") for end in ("", "_acquired")
    )
    if drawn is not None and acquired_pace is not None:
        words += (
            f" Ten years more make drawings look {_interval(drawn)} years older, and real spines "
            f"{_interval(acquired_pace)}, by the same regressor."
        )
    return replace(
        section,
        markup=f"An age regressor fitted on training people reads test films; points are the "
        f"first draw of each film and horizon, R² counts every draw. {words}".strip(),
    )


def _interval(estimate: Estimate) -> str:
    return write_interval(estimate.value, estimate.ci_low, estimate.ci_high)


def _known(found: dict[str, Estimate | None]) -> dict[str, Estimate]:
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def distributions(saved: SavedRun) -> Section:
    """Show BpVF and GpVF by outcome, and how they go together, on test people."""
    horizons = saved.settings.generation.horizons
    try:
        people = saved.test_people
    except AbsentError:
        return _baseline_only(saved)
    names = {"bpvf": "BpVF"} | {f"gpvf_{h:g}": f"GpVF {h:g} y" for h in horizons}
    wide = people[[c for c in names if c in people]].rename(columns=names).dropna()
    event = (people.loc[wide.index, "event"] == 1).to_numpy(float)
    shown = ["BpVF", f"GpVF {saved.settings.risk.generated_horizon:g} y"]
    scores = {
        name: {"no fracture": wide.loc[event == 0, name], "fracture": wide.loc[event == 1, name]}
        for name in shown
        if name in wide
    }
    scores = {n: {k: v for k, v in s.items() if len(v)} for n, s in scores.items()}
    chosen = read_json(saved.folders["risk"] / "thresholds.json")
    section = distributions_section(
        scores,  # type: ignore[arg-type]
        wide,
        simulated=saved.simulated,
        event=event,
        thresholds=dict(zip(shown, (chosen["baseline"], chosen["generated"]), strict=True)),
    )
    return replace(
        section,
        markup=f"BpVF: vertebral fracture score of the baseline film. GpVF: mean score of the "
        f"drawn futures. {len(wide):,} test people, of whom {int(event.sum()):,} fractured; the "
        "largest value over a person's films.",
    )


def _baseline_only(saved: SavedRun) -> Section:
    """Show baseline scores of test people where there is no outcome to tell them apart."""
    table = baseline_scores(saved.scores, score=VERTEBRAL_FRACTURE)
    table = table[table["split"] == "test"]
    if len(table) < _FEWEST:
        raise AbsentError("Fewer than three test people have a fracture score.")
    wide = pd.DataFrame({"BpVF": table["value"].to_numpy()})
    section = distributions_section(
        {"BpVF": {"test people": wide["BpVF"]}},  # type: ignore[dict-item]
        wide,
        simulated=saved.simulated,
    )
    return replace(section, figures=section.figures[:1], note="No outcomes are known.")


def uncertainty(saved: SavedRun) -> Section:
    """Show how far draws of one person disagree at the risk horizon."""
    made = saved.scores
    horizon = saved.settings.risk.generated_horizon
    drawn = made[
        (made["score"] == VERTEBRAL_FRACTURE)
        & (made["draw"] >= 0)
        & np.isclose(made["horizon"], horizon)
        & (made["split"] == "test")
    ]
    spread = drawn.groupby("person_id")["value"].std().dropna().to_numpy()
    if len(spread) < _FEWEST:
        raise AbsentError("Too few people have several draws at the risk horizon.")
    threshold = float(spread.mean() + UNCERTAIN_SD * spread.std(ddof=1))
    return uncertainty_section(spread, threshold=threshold, simulated=saved.simulated)


def attribution(saved: SavedRun) -> Section:
    """Show Grad-CAM maps of the test films with the highest and lowest scores."""
    folder = saved.folders["scores"]
    if not (folder / "attribution.npy").exists():
        raise AbsentError("No fracture scorer was there to be asked where it looked.")
    maps = np.load(folder / "attribution.npy", allow_pickle=False)
    listed = read_json(folder / "attribution.json")
    owner = saved.films[1].set_index("image_id")["person_id"]
    overlays = [
        OverlayData(
            label=str(owner.get(name, name)),
            image=saved.film(name),
            heat=enlarged(np.clip(heat, 0, 1), saved.films[0].shape),
            score=float(value),
        )
        for name, value, heat in zip(listed["image_id"], listed["value"], maps, strict=True)
    ]
    section = attribution_section(overlays, simulated=saved.simulated)
    return replace(section, markup="Test films with the highest scores, then the two lowest.")


def enlarged(heat: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Repeat the cells of a coarse map until it has the film's shape."""
    rows = np.arange(shape[0]) * heat.shape[0] // shape[0]
    columns = np.arange(shape[1]) * heat.shape[1] // shape[1]
    return np.asarray(heat[rows][:, columns], dtype=np.float32)


def familiarity(saved: SavedRun) -> Section:
    """Say how many films of each split lie unlike the training films."""
    path = saved.folders["scores"] / "familiarity.csv"
    if not path.exists():
        raise AbsentError("Familiarity with the films was not judged: no scorer was fitted.")
    table = pd.read_csv(path)
    if "verdict" not in table or table.empty:
        raise AbsentError("Familiarity was judged without a verdict.")
    verdicts = list(dict.fromkeys(table["verdict"].astype(str)))
    rows = []
    for split in ("train", "validation", "test"):
        part = table[table["split"] == split]
        counts = {v: write_share((part["verdict"] == v).sum(), len(part)) for v in verdicts}
        rows.append({"split": split, "films": f"{len(part):,}", **counts})
    return Section(
        title="Films unlike the training films",
        anchor="familiarity",
        group=_GROUP,
        markup="The first fracture network's features of each film are compared with those of the "
        "training films. A film far outside them gets a score like any other, and nobody should "
        "believe it; `predict` refuses to interpret it.",
        tables=(frame_table(pd.DataFrame(rows), caption="Verdicts by split"),),
        note="All films of one source are alike, so this table says nothing of films from "
        "elsewhere.",
    )
