"""Targets met and missed, as the page and the command line state them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from spinecast.report.recovery import COLUMNS
from spinecast.stages.headline import headline_json, headline_lines, page_rows
from spinecast.stages.saved_run import SavedRun
from spinecast.studies.followup_xray import TINY

NO_RECOVERY = pd.DataFrame(columns=[*COLUMNS, "kind", "n"])
GOOD = {
    ("reconstruction", "ms_ssim"): (0.90, 0.89, 0.91),
    ("reconstruction", "ms_ssim_single_ldm"): (0.50, 0.48, 0.52),
    ("reconstruction", "ms_ssim_autoencoder"): (0.93, 0.92, 0.94),
    ("follow_up", "pearson_r"): (0.80, 0.70, 0.86),
    ("follow_up", "pearson_r_persistence"): (0.70, 0.60, 0.80),
    ("follow_up", "image_skill"): (0.05, 0.01, 0.09),
    ("generated_age", "r_squared_acquired"): (0.80, 0.75, 0.85),
    ("generated_age", "fraction_of_acquired"): (0.95, 0.92, 0.97),
    ("risk_groups", "hazard_ratio_lh"): (1.9, 1.2, 3.0),
    ("risk_groups", "hazard_ratio_high"): (4.0, 3.1, 5.6),
    ("models", "c_index"): (0.74, 0.70, 0.78),
    ("models", "c_index_gain_scores_clinical_over_age"): (0.06, 0.01, 0.11),
    ("speed", "seconds_per_patient"): (41.0, 39.0, 43.0),
    ("speed", "ratio_unshared"): (2.3, float("nan"), float("nan")),
}  # fmt: skip


class Pretended(SavedRun):
    """A run of which only the estimates are known."""

    @property
    def simulated(self) -> bool:
        return self.source.startswith("simulated:")

    @property
    def estimates(self) -> pd.DataFrame:
        return self.options["table"]


def pretend(changes: dict, p_value: float | None = None) -> SavedRun:
    rows = [(*key, *value, float("nan"), 100) for key, value in (GOOD | changes).items() if value]
    if p_value is not None:
        rows.append(("risk_groups_out_of_fold", "log_rank", 9.3, None, None, p_value, 240))
    names = ["analysis", "term", "estimate", "ci_low", "ci_high", "p_value", "n"]
    table = pd.DataFrame(rows, columns=names)
    return Pretended({}, TINY, "simulated:tiny", 1, {"table": table})


def met(changes: dict | None = None, *, recovery=NO_RECOVERY, p_value=None) -> dict[str, str]:
    lines = headline_json(headline_lines(pretend(changes or {}, p_value), recovery))
    return {f"{line['analysis']}/{line['term']}": line["met"] for line in lines}


def test_a_good_run_meets_its_targets():
    found = met()
    assert found["reconstruction/ms_ssim"] == "yes"
    assert found["follow_up/pearson_r"] == "yes"
    assert found["generated_age/fraction_of_acquired"] == "yes"
    assert found["speed/seconds_per_patient"] == "yes"


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (("reconstruction", "ms_ssim"), (0.84, 0.83, 0.85)),
        (("follow_up", "pearson_r"), (0.74, 0.7, 0.8)),
        (("follow_up", "image_skill"), (-0.1, -0.2, 0.0)),
        (("generated_age", "fraction_of_acquired"), (0.6, 0.5, 0.7)),
        (("speed", "seconds_per_patient"), (61.0, 60.0, 62.0)),
        (("risk_groups", "hazard_ratio_high"), (1.8, 1.1, 2.5)),
        (("models", "c_index_gain_scores_clinical_over_age"), (-0.01, -0.05, 0.03)),
    ],
)
def test_each_target_can_be_missed(row, value):
    assert met({row: value})["/".join(row)] == "no"


def test_reaching_the_number_is_not_enough_below_the_naive_alternative():
    changes = {("follow_up", "pearson_r_persistence"): (0.85, 0.8, 0.9)}
    assert met(changes)["follow_up/pearson_r"] == "no"
    changes = {("reconstruction", "ms_ssim_single_ldm"): (0.95, 0.9, 0.97)}
    assert met(changes)["reconstruction/ms_ssim"] == "no"


def test_rows_without_a_target_carry_a_dash():
    assert met()["reconstruction/ms_ssim_autoencoder"] == "-"
    assert met()["models/c_index"] == "-"  # the best possible is not known here


@pytest.mark.parametrize(("best", "verdict"), [(0.77, "yes"), (0.80, "no")])
def test_the_c_index_is_held_against_the_best_that_a_film_age_and_sex_allow(best, verdict):
    row = dict.fromkeys(NO_RECOVERY.columns, float("nan")) | {
        "analysis": "models", "term": "c_index_visible", "estimate": 0.74, "truth": best,
    }  # fmt: skip
    recovery = pd.DataFrame([row])
    assert met(recovery=recovery)["models/c_index"] == verdict


@pytest.mark.parametrize(("p_value", "verdict"), [(0.0004, "yes"), (0.03, "no")])
def test_the_log_rank_test_is_judged_by_its_p_value(p_value, verdict):
    found = met(p_value=p_value)
    assert found["risk_groups_out_of_fold/log_rank"] == verdict


def test_a_target_met_by_the_estimate_alone_says_so():
    saved = pretend({("reconstruction", "ms_ssim"): (0.86, 0.84, 0.88)})
    row = headline_lines(saved, NO_RECOVERY)[0].row
    assert row.met
    assert "reaches below the target" in row.comment


def test_a_fraction_of_nothing_never_counts_as_reached():
    changes = {
        ("generated_age", "r_squared_acquired"): (-0.2, -0.4, 0.0),
        ("generated_age", "fraction_of_acquired"): (1.4, 0.2, 9.0),
    }
    assert met(changes)["generated_age/fraction_of_acquired"] == "no"


def test_the_page_shows_only_rows_with_a_target_or_an_alternative():
    lines = headline_lines(pretend({}), NO_RECOVERY)
    rows = page_rows(lines)
    assert len(rows) < len(lines)
    assert all(row.target is not None or row.naive is not None for row in rows)


def test_real_people_are_described_without_targets_or_verdicts():
    saved = replace(pretend({}), source="hospital")
    lines = headline_json(headline_lines(saved, NO_RECOVERY))
    assert lines
    assert {(line["target"], line["met"]) for line in lines} == {("-", "-")}


def test_an_empty_run_has_an_empty_headline():
    empty = pretend({}).options["table"].head(0)
    saved = replace(pretend({}), options={"table": empty})
    assert headline_lines(saved, NO_RECOVERY) == []
