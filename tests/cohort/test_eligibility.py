"""Rules leave people out in order, and every one of them is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinecast.cohort import Cohort
from spinecast.cohort.eligibility import (
    Rule,
    age_at_least,
    age_known,
    followup_xray_rules,
    has_baseline_image,
    has_follow_up_image,
    has_outcome,
    modality_in,
    select_eligible,
    view_is,
    without,
)
from spinecast.errors import CohortError
from spinecast.tables import empty_table


def step_of(flow, label: str):
    return next(step for step in flow.steps if step.label.startswith(label))


def test_without_rules_everybody_with_an_image_stays(folder):
    cohort = folder.load()
    chosen, flow = select_eligible(cohort, ())
    assert len(chosen.images) == flow.used_images == flow.given_images == 48
    assert flow.steps == ()


def test_people_below_the_age_at_baseline_leave_with_all_their_images(folder):
    chosen, flow = select_eligible(folder.load(), [age_at_least(50)])
    assert (step_of(flow, "younger").n_people, step_of(flow, "younger").n_images) == (5, 10)
    assert chosen.visits.query("visit == 0")["age"].min() == 50


def test_an_unknown_age_is_left_out_as_sc312_or_kept_by_choice(folder):
    folder["visits"].loc[20:21, "age"] = np.nan
    cohort = folder.load()
    _, strict = select_eligible(cohort, [age_known(), age_at_least(50)])
    assert (step_of(strict, "age not").code, step_of(strict, "age not").n_people) == ("SC-312", 1)
    kept, _ = select_eligible(cohort, [age_at_least(50)])
    assert "P010" in set(kept.people["person_id"])


def test_a_wrong_view_costs_the_image_and_only_the_last_one_costs_the_person(folder):
    folder.set("images", 0, view="AP")
    folder.set("images", 2, view="AP")
    folder.set("images", 3, view="PA")
    chosen, flow = select_eligible(folder.load(), [view_is("LATERAL")])
    step = step_of(flow, "view")
    assert (step.code, step.n_people, step.n_images) == ("SC-201", 1, 3)
    assert "P000" in set(chosen.people["person_id"])
    assert {"images:I000", "images:I002", "people:P001"} <= set(chosen.skipped["source"])


def test_unknown_views_stay_only_where_asked(folder):
    folder["images"] = folder["images"].drop(columns="view")
    cohort = folder.load()
    chosen, _ = select_eligible(cohort, [view_is("LATERAL", keep_unknown=True)])
    assert len(chosen.images) == 48
    with pytest.raises(CohortError) as caught:
        select_eligible(cohort, [view_is("LATERAL")])
    assert caught.value.code == "SC-316"
    assert "view is not LATERAL: 24" in caught.value.message


def test_other_modalities_leave_as_sc204(folder):
    folder.set("images", 4, modality="CT")
    _, flow = select_eligible(folder.load(), [modality_in("DX", "CR")])
    assert (step_of(flow, "modality").code, step_of(flow, "modality").n_images) == ("SC-204", 1)


def test_people_without_a_baseline_image_leave(folder):
    folder["images"] = folder["images"].drop(index=6)
    _, flow = select_eligible(folder.load(), [has_baseline_image()])
    assert step_of(flow, "no baseline").n_people == 1


def test_demanding_a_follow_up_film_is_flagged_as_immortal_time(folder):
    folder["images"] = folder["images"].drop(index=7)
    folder.set("visits", 9, years_since_baseline=20 / 365.25, age=49.05)
    _, flow = select_eligible(folder.load(), [has_follow_up_image(28)])
    step = step_of(flow, "no image 28 days")
    assert step.n_people == 2
    assert "immortal-time" in step.bias


def test_a_recorded_exclusion_counts_and_an_absent_column_excludes_nobody(folder):
    rule = without("cancer_within_1_year", "cancer")
    _, flow = select_eligible(folder.load(), [rule])
    assert step_of(flow, "cancer").n_people == 0
    folder["visits"]["cancer_within_1_year"] = 0
    folder.set("visits", 2, cancer_within_1_year=1)
    _, flow = select_eligible(folder.load(), [rule])
    assert step_of(flow, "cancer").n_people == 1


def test_people_without_outcome_leave_where_asked(folder):
    folder["events"] = folder["events"].drop(index=[3, 4])
    _, flow = select_eligible(folder.load(), [has_outcome("any_fracture")])
    assert step_of(flow, "no follow-up for any fracture").n_people == 2


def test_the_flow_counts_quarantined_and_repeated_rows_too(folder):
    folder.set("visits", 8, age="sixty")
    folder.set("images", 0, file="gone.png")
    folder.append("images", **folder["images"].loc[5].to_dict())
    folder.set("people", 20, sex="Q")
    _, flow = select_eligible(folder.load(), followup_xray_rules(follow_up=True))
    assert flow.given_images == 49
    assert flow.quarantined_images == 1 + 1 + 2
    assert flow.repeated_images == 1
    assert (flow.given_people, flow.quarantined_people) == (24, 1)
    flow.check()


def test_the_studys_rules_come_in_the_papers_order(folder):
    _, flow = select_eligible(folder.load(), followup_xray_rules())
    labels = [step.label for step in flow.steps]
    assert labels.index("view is not LATERAL") < labels.index("younger than 50 years at baseline")
    assert not any(step.bias for step in flow.steps)
    assert flow.to_dict()["steps"][0]["label"] == labels[0]


def test_films_without_age_or_view_have_a_route(folder):
    for table in ("people", "visits", "events"):
        del folder.tables[table]
    folder["images"] = folder["images"].drop(columns=["view", "modality"])
    chosen, _ = select_eligible(folder.load(), followup_xray_rules(keep_unknown=True))
    assert len(chosen.people) == 24


def test_a_flow_that_loses_somebody_unseen_is_sc318(folder):
    _, flow = select_eligible(folder.load(), [age_at_least(50)])
    with pytest.raises(CohortError) as caught:
        replace(flow, used_people=flow.used_people - 1).check()
    assert caught.value.code == "SC-318"
    with pytest.raises(CohortError):
        replace(flow, given_images=flow.given_images + 1).check()


def random_cohort(seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    people = pd.DataFrame({"person_id": [f"P{i}" for i in range(n)], "sex": "F"})
    owner = rng.integers(0, n, int(rng.integers(n, 4 * n)))
    images = empty_table("images").reindex(range(len(owner)))
    images = images.assign(
        image_id=[f"I{i}" for i in range(len(owner))],
        person_id=[f"P{i}" for i in owner],
        visit=rng.integers(0, 3, len(owner)),
        view="LATERAL",
    )
    visits = images[["person_id", "visit"]].drop_duplicates()
    visits = visits.assign(age=60.0, years_since_baseline=visits["visit"].astype(float))
    return Cohort("random", True, people, visits, images, *map(empty_table, ("events", "findings")))


@given(seed=st.integers(0, 100_000), shares=st.lists(st.floats(0.5, 1), max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_the_rules_the_counts_add_up(seed, shares):
    cohort = random_cohort(seed)
    rng = np.random.default_rng(seed)
    dice = dict(zip(cohort.images["image_id"], rng.random(len(cohort.images)), strict=True))
    rules = [
        Rule(f"rule {i}", lambda c, share=share: c.images["image_id"].map(dice) < share)
        for i, share in enumerate(shares)
    ]
    everybody_left = cohort.images["image_id"].map(dice) >= min(shares, default=1)
    if everybody_left.all():
        with pytest.raises(CohortError, match="SC-316"):
            select_eligible(cohort, rules)
        return
    chosen, flow = select_eligible(cohort, rules)
    assert len(chosen.people) == flow.used_people
    assert flow.given_images == len(cohort.images)
    assert len(chosen.skipped) == (flow.given_people - flow.used_people) + (
        flow.given_images - flow.used_images
    )
    assert set(chosen.images["person_id"]) == set(chosen.people["person_id"])
