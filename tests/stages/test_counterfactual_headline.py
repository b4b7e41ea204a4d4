"""Targets of the counterfactual study, met and missed, as page and command line state them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from spinecast.report.recovery import COLUMNS
from spinecast.stages.counterfactual_headline import effectiveness_parents, headline_lines
from spinecast.stages.counterfactual_run import SavedCounterfactuals
from spinecast.stages.headline_lines import headline_json, page_rows

NAN = math.nan
GOOD = {
    ("reconstruction", "ssim"): (0.86, 0.85, 0.87),
    ("reconstruction", "ssim_two_level"): (0.81, 0.80, 0.82),
    ("reconstruction", "psnr"): (28.0, 27.8, 28.2),
    ("reconstruction", "psnr_two_level"): (26.0, 25.8, 26.2),
    ("follow_up", "r_squared_width"): (0.97, 0.96, 0.98),
    ("follow_up", "r_squared_width_persistence"): (0.95, 0.94, 0.96),
    ("follow_up", "r_squared_height"): (0.95, 0.94, 0.96),
    ("follow_up", "r_squared_area"): (0.96, 0.95, 0.97),
    ("follow_up", "r_squared_change_width"): (0.95, 0.93, 0.97),
    ("follow_up", "sign_agreement"): (0.70, 0.66, 0.74),
    ("axioms", "composition_l1"): (3e-8, 2e-8, 4e-8),
    ("axioms", "composition_decoder_l1"): (0.02, 0.01, 0.03),
    ("axioms", "reversibility_ratio"): (0.4, 0.3, 0.5),
    ("axioms", "effectiveness_ratio"): (1.2, 1.1, 1.3),
    ("axioms", "effectiveness_ratio_two_level"): (1.6, 1.5, 1.7),
    ("axioms", "effectiveness_ratio_bmd"): (1.1, 1.0, 1.2),
    ("axioms", "effectiveness_ratio_bmd_two_level"): (1.9, 1.8, 2.0),
    ("speed", "seconds_per_counterfactual"): (0.2, NAN, NAN),
}
TRUE = {
    ("truth", "skill_over_no_change"): (0.55, 0.51, 0.59, 1.0, NAN),
    ("truth", "skill_over_no_change_two_level"): (0.41, 0.36, 0.46, 1.0, NAN),
    ("follow_up", "sign_agreement_fraction_of_attainable"): (0.96, 0.92, 1.0, 1.0, NAN),
    ("graph", "weight_sex_to_height"): (1.4, 1.3, 1.5, 1.44, 1.0),
    ("graph", "weight_age_to_width"): (0.2, 0.1, 0.3, 0.21, 1.0),
}


class Pretended(SavedCounterfactuals):
    """A run of which only the estimates are known."""

    @property
    def simulated(self) -> bool:
        return self.source.startswith("simulated:")

    @property
    def estimates(self) -> pd.DataFrame:
        return self.options["table"]


def lines_of(changes: dict | None = None, *, truth: dict | None = None, source="simulated:x"):
    known = {key: value for key, value in (GOOD | (changes or {})).items() if value}
    names = ["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]
    table = pd.DataFrame([(*k, *v, NAN, 100) for k, v in known.items()], columns=names)
    rows = [
        dict(zip(COLUMNS[:2], key, strict=True))
        | {"label": " ".join(key), "kind": "accuracy", "n": 50}
        | dict(zip(("estimate", "ci_low", "ci_high", "truth", "covered"), value, strict=True))
        for key, value in (TRUE | (truth or {})).items()
        if value
    ]
    recovery = pd.DataFrame(rows, columns=[*COLUMNS, "kind", "n"])
    return headline_lines(Pretended({}, None, source, 1, {"table": table}), recovery)


def met(changes: dict | None = None, **fields) -> dict[str, str]:
    found = headline_json(lines_of(changes, **fields))
    return {f"{line['analysis']}/{line['term']}": line["met"] for line in found}


def test_a_good_run_meets_every_target_it_has():
    assert set(met().values()) == {"yes", "-"}
    assert met()["reconstruction/ssim_two_level"] == "-"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("reconstruction", "ssim"), (0.79, 0.78, 0.80)),
        (("reconstruction", "ssim_two_level"), (0.87, 0.86, 0.88)),
        (("reconstruction", "psnr"), (25.9, 25.8, 26.0)),
        (("follow_up", "r_squared_width"), (0.917, 0.9, 0.93)),
        (("follow_up", "r_squared_height"), (0.85, 0.84, 0.86)),
        (("follow_up", "r_squared_area"), (0.93, 0.92, 0.94)),
        (("follow_up", "r_squared_change_width"), (0.5, 0.4, 0.6)),
        (("follow_up", "sign_agreement"), (0.615, 0.6, 0.63)),
        (("axioms", "composition_l1"), (2e-5, 1e-5, 3e-5)),
        (("axioms", "reversibility_ratio"), (2.1, 2.0, 2.2)),
        (("axioms", "effectiveness_ratio"), (1.6, 1.5, 1.7)),
        (("axioms", "effectiveness_ratio_bmd"), (1.51, 1.4, 1.6)),
    ],
)
def test_each_target_can_be_missed(key, value):
    name = "/".join(key)
    looked_at = name.replace("ssim_two_level", "ssim")
    assert met()[looked_at] == "yes"
    assert met({key: value})[looked_at] == "no"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("truth", "skill_over_no_change"), (0.49, 0.45, 0.53, 1.0, NAN)),
        (("follow_up", "sign_agreement_fraction_of_attainable"), (0.89, 0.8, 0.95, 1.0, NAN)),
    ],
)
def test_targets_against_the_truth_can_be_missed(key, value):
    assert met()["/".join(key)] == "yes"
    assert met(truth={key: value})["/".join(key)] == "no"


def test_one_weight_outside_its_interval_of_two_misses_the_target_and_is_named():
    outside = {("graph", "weight_age_to_width"): (0.5, 0.4, 0.6, 0.21, 0.0)}
    found = {line.term: line.row for line in lines_of(truth=outside)}
    assert met(truth=outside)["graph/weights_covered"] == "no"
    assert found["weights_covered"].estimate.value == 0.5
    assert "graph weight_age_to_width" in found["weights_covered"].comment


def test_real_people_are_described_and_not_judged():
    real = lines_of(source="hospital", truth=dict.fromkeys(TRUE))
    assert {line.row.target for line in real} == {None}
    assert set(met(source="hospital").values()) == {"-"}


def test_no_change_stands_beside_every_level_and_guessing_beside_directions():
    found = {line.term: line.row for line in lines_of()}
    assert found["r_squared_width"].naive.value == 0.95
    assert found["sign_agreement"].naive.value == 0.5
    assert found["skill_over_no_change"].naive.value == 0.0
    assert "Two-level model: 0.41" in found["skill_over_no_change"].comment


def test_a_change_says_what_the_true_model_reaches_else_what_error_leaves():
    floor = {("follow_up", "measurement_error_r_squared_change_width"): (0.62, NAN, NAN)}
    best = {("follow_up", "r_squared_change_width"): (0.3, 0.2, 0.4, 0.35, NAN)}
    with_floor = {line.term: line.row.comment for line in lines_of(floor)}
    with_best = {line.term: line.row.comment for line in lines_of(floor, truth=best)}
    assert "at most 0.62" in with_floor["r_squared_change_width"]
    assert "true causal model reaches 0.35" in with_best["r_squared_change_width"]


def test_an_error_of_nearly_nothing_is_not_written_as_seven_zeros():
    written = {f"{line['term']}": line["estimate"] for line in headline_json(lines_of())}
    assert written["composition_l1"] == "3.0e-08"


def test_parents_are_told_from_the_names_of_estimates():
    table = pd.DataFrame([(*key, 1.0) for key in GOOD], columns=["analysis", "term", "estimate"])
    assert effectiveness_parents(table) == ["bmd"]


def test_an_empty_run_has_an_empty_headline():
    nothing = lines_of(dict.fromkeys(GOOD), truth=dict.fromkeys(TRUE))
    assert nothing == []
    assert page_rows(nothing) == []
