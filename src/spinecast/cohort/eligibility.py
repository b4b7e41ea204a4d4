"""Who takes part: rules applied in order, each counted for the flow chart.

A rule judges images; a person stays while one image stays. Rules never look at
outcomes, except those that say so in their ``bias``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from spinecast.cohort.cohort import Cohort
from spinecast.cohort.ledger import check_identity, count_of, ledger_frame
from spinecast.cohort.visits import DAYS_PER_YEAR
from spinecast.errors import error

IMMORTAL_TIME = (
    "needs a later image, so people must have lived and come back: immortal-time and selection bias"
)


@dataclass(frozen=True)
class Rule:
    """One eligibility rule.

    Parameters
    ----------
    label
        Why somebody is left out, as the flow chart says it.
    keep
        Function of a cohort: boolean Series aligned with ``cohort.images``, True = stays.
    code
        Code of what it leaves out.
    bias
        What the rule does to the results, where it selects on the future; else empty.
    """

    label: str
    keep: Callable[[Cohort], pd.Series]
    code: str = "SC-321"
    bias: str = ""


@dataclass(frozen=True)
class FlowStep:
    """One box of the flow chart: how many a rule left out, and how many were left."""

    label: str
    n_people: int
    n_images: int
    code: str
    people_left: int
    images_left: int
    bias: str = ""


@dataclass(frozen=True)
class Flow:
    """The CONSORT-like flow: given = used + skipped + quarantined, for people and images.

    Parameters
    ----------
    given_people, given_images
        Everything that came, faulty rows included.
    quarantined_people, quarantined_images
        Refused for a fault while reading.
    repeated_people, repeated_images
        Skipped while reading (exact repeats).
    steps
        What each rule left out, in order.
    used_people, used_images
        What is left.
    """

    given_people: int
    given_images: int
    quarantined_people: int
    quarantined_images: int
    repeated_people: int
    repeated_images: int
    steps: tuple[FlowStep, ...]
    used_people: int
    used_images: int

    def check(self) -> None:
        """Raise SC-318 unless the counts of people and of images add up."""
        check_identity(
            given=self.given_people,
            used=self.used_people,
            skipped=self.repeated_people + sum(step.n_people for step in self.steps),
            quarantined=self.quarantined_people,
            where="flow, people",
        )
        check_identity(
            given=self.given_images,
            used=self.used_images,
            skipped=self.repeated_images + sum(step.n_images for step in self.steps),
            quarantined=self.quarantined_images,
            where="flow, images",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for flow.json."""
        return asdict(self)


def select_eligible(cohort: Cohort, rules: Sequence[Rule]) -> tuple[Cohort, Flow]:
    """Apply ``rules`` in order.

    Parameters
    ----------
    cohort
        As loaded.
    rules
        See the functions of this module.

    Returns
    -------
    Cohort
        Only eligible images, and people with one; what was left out is in ``skipped``.
    Flow
        Counts of every step, checked to add up.

    Raises
    ------
    CohortError
        SC-316 where nobody is left; SC-318 where counts do not add up (our defect).
    """
    chosen, steps, skipped = cohort, [], []
    for rule in (_HAS_IMAGE, *rules):
        before = chosen
        kept = rule.keep(before).astype(bool)
        images = before.images[kept.to_numpy()]
        chosen = before.select_images(images["image_id"]).select_people(images["person_id"])
        steps.append(_step(rule, before, chosen))
        skipped += _left_out(rule, before, chosen)
    flow = _flow(cohort, chosen, tuple(step for step in steps if _matters(step, rules)))
    flow.check()
    if not flow.used_people:
        raise error("SC-316", expected="at least one eligible person",
                    got="; ".join(f"{s.label}: {s.n_people}" for s in steps))  # fmt: skip
    ledger = pd.concat([cohort.skipped, ledger_frame(skipped)], ignore_index=True)
    return replace(chosen, skipped=ledger), flow


def _matters(step: FlowStep, rules: Sequence[Rule]) -> bool:
    return step.n_people > 0 or step.label in {rule.label for rule in rules}


def _step(rule: Rule, before: Cohort, after: Cohort) -> FlowStep:
    return FlowStep(
        label=rule.label,
        n_people=len(before.people) - len(after.people),
        n_images=len(before.images) - len(after.images),
        code=rule.code,
        people_left=len(after.people),
        images_left=len(after.images),
        bias=rule.bias,
    )


def _left_out(rule: Rule, before: Cohort, after: Cohort) -> list[tuple[str, str, str]]:
    rows = []
    for table, key in (("people", "person_id"), ("images", "image_id")):
        old, new = getattr(before, table)[key], getattr(after, table)[key]
        gone = old[~old.isin(set(new))]
        rows += [(f"{table}:{name}", rule.code, rule.label) for name in gone]
    return rows


def _flow(given: Cohort, used: Cohort, steps: tuple[FlowStep, ...]) -> Flow:
    refused = {table: count_of(given.quarantine, table) for table in ("people", "images")}
    repeated = {table: count_of(given.skipped, table) for table in ("people", "images")}
    return Flow(
        given_people=len(given.people) + refused["people"] + repeated["people"],
        given_images=len(given.images) + refused["images"] + repeated["images"],
        quarantined_people=refused["people"],
        quarantined_images=refused["images"],
        repeated_people=repeated["people"],
        repeated_images=repeated["images"],
        steps=steps,
        used_people=len(used.people),
        used_images=len(used.images),
    )


def age_known() -> Rule:
    """Leave out people whose age is not known at any visit (SC-312)."""
    return Rule("age not known", lambda c: _first_age(c).notna(), "SC-312")


def age_at_least(years: float) -> Rule:
    """Leave out people younger than ``years`` at baseline; an unknown age stays.

    Put :func:`age_known` before it where an unknown age must not stay.
    """
    return Rule(f"younger than {years:g} years at baseline", lambda c: ~(_first_age(c) < years))


def view_is(view: str, *, keep_unknown: bool = False) -> Rule:
    """Leave out images of another view (SC-201), or of unknown view unless it is kept."""
    allowed = {view, ""} if keep_unknown else {view}
    return Rule(f"view is not {view}", lambda c: c.images["view"].isin(allowed), "SC-201")


def modality_in(*modalities: str) -> Rule:
    """Leave out images of another modality (SC-204); an unknown modality stays."""
    allowed = {*modalities, ""}
    label = f"modality is not {' or '.join(modalities)}"
    return Rule(label, lambda c: c.images["modality"].isin(allowed), "SC-204")


def acquired_only() -> Rule:
    """Leave out images that were generated."""
    return Rule("image is generated", lambda c: c.images["origin"] == "acquired")


def has_baseline_image() -> Rule:
    """Leave out people without an image at visit 0."""

    def keep(cohort: Cohort) -> pd.Series:
        at_baseline = cohort.images.loc[cohort.images["visit"] == 0, "person_id"]
        return cohort.images["person_id"].isin(set(at_baseline))

    return Rule("no baseline image", keep)


def has_follow_up_image(min_days: float = 28.0) -> Rule:
    """Leave out people without an image ``min_days`` or more after baseline.

    A later visit of unknown date counts. As an inclusion rule for outcomes this is the
    published design's immortal-time bias; the flow says so.
    """

    def keep(cohort: Cohort) -> pd.Series:
        years = _of_visit(cohort, "years_since_baseline")
        later = (cohort.images["visit"] > 0) & ~(years * DAYS_PER_YEAR < min_days)
        return cohort.images["person_id"].isin(set(cohort.images.loc[later, "person_id"]))

    return Rule(f"no image {min_days:g} days or more after baseline", keep, bias=IMMORTAL_TIME)


def without(flag: str, label: str) -> Rule:
    """Leave out people with ``flag`` = 1 at baseline; unknown, or no such column, stays."""

    def keep(cohort: Cohort) -> pd.Series:
        if flag not in cohort.visits:
            return pd.Series(True, index=cohort.images.index)
        hit = cohort.visits[(cohort.visits["visit"] == 0) & (cohort.visits[flag] == 1)]
        return ~cohort.images["person_id"].isin(set(hit["person_id"]))

    return Rule(label, keep)


def has_outcome(endpoint: str) -> Rule:
    """Leave out people without a record of ``endpoint``, event or censored."""

    def keep(cohort: Cohort) -> pd.Series:
        recorded = cohort.events.loc[cohort.events["endpoint"] == endpoint, "person_id"]
        return cohort.images["person_id"].isin(set(recorded))

    return Rule(f"no follow-up for {endpoint.replace('_', ' ')}", keep)


def followup_xray_rules(
    *,
    minimum_age: float = 50.0,
    view: str = "LATERAL",
    keep_unknown: bool = False,
    follow_up: bool = False,
) -> tuple[Rule, ...]:
    """Return the rules of study S2 (dissertation of Cho 2023, flow chart), in its order.

    Parameters
    ----------
    minimum_age
        Years at baseline.
    view
        The view studied.
    keep_unknown
        Keep people of unknown age and images of unknown view: the route for films that come
        without them. Nothing is filled in.
    follow_up
        Demand a follow-up image, as the paper did (immortal-time bias).
    """
    rules = [
        acquired_only(),
        modality_in("DX", "CR"),
        view_is(view, keep_unknown=keep_unknown),
        *([] if keep_unknown else [age_known()]),
        age_at_least(minimum_age),
        without("cancer_within_1_year", "bone metastasis or blood cancer within a year"),
        without("severe_deformity", "severe scoliosis or kyphosis"),
        has_baseline_image(),
        *([has_follow_up_image()] if follow_up else []),
    ]
    return tuple(rules)


def _has_image(cohort: Cohort) -> pd.Series:
    return pd.Series(True, index=cohort.images.index)


_HAS_IMAGE = Rule("no usable image", _has_image)


def _first_age(cohort: Cohort) -> pd.Series:
    """Return, per image, the age of its person at the first visit with a known age."""
    known = cohort.visits.dropna(subset=["age"]).sort_values("visit")
    first = known.drop_duplicates("person_id").set_index("person_id")["age"]
    return cohort.images["person_id"].map(first).astype(float)


def _of_visit(cohort: Cohort, column: str) -> pd.Series:
    """Return, per image, the value of ``column`` at its visit."""
    values = cohort.visits.set_index(["person_id", "visit"])[column]
    keys = pd.MultiIndex.from_frame(cohort.images[["person_id", "visit"]])
    return pd.Series(values.reindex(keys).to_numpy(), index=cohort.images.index)
