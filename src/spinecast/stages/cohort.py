"""Stages `cohort` and `images`: who takes part, and their films prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spinecast.cohort import Cohort, CohortSource, open_cohort
from spinecast.cohort.eligibility import Flow, Rule, followup_xray_rules, select_eligible
from spinecast.cohort.leakage import check_leakage, quarantine_images
from spinecast.cohort.splits import read_splits, split_people, strata_of, write_splits
from spinecast.cohort.table_one import table_one
from spinecast.files import read_json, write_json, write_table
from spinecast.images.store import ImageStore, prepare_store
from spinecast.run import StageContext
from spinecast.stages.settings import CohortSettings

_TABLES = ("people", "visits", "images", "events", "findings", "quarantine", "skipped")
_CONTINUOUS = ("age", "height", "weight", "bmi", "bmd_spine", "bmd_femoral_neck", "frax_mof")
_CATEGORICAL = (
    "sex", "prevalent_vf", "prior_fracture", "glucocorticoids", "rheumatoid_arthritis",
    "secondary_osteoporosis", "osteoporosis",
)  # fmt: skip


def make_cohort(context: StageContext) -> None:
    """Load the source's tables and keep them, bad rows quarantined."""
    cohort = open_source(context).load()
    save_cohort(context.folder, cohort)


def make_images(context: StageContext) -> None:
    """Prepare every eligible film; write the final cohort, flow, splits and Table 1."""
    prepare_eligible(context, eligibility_rules(context.settings.cohort))


def prepare_eligible(
    context: StageContext, rules: Sequence[Rule], *, described: Sequence[str] = ()
) -> None:
    """Prepare every image that ``rules`` keep; write the final cohort, flow, splits and Table 1.

    Parameters
    ----------
    context
        Of a study whose settings have ``cohort`` and ``preparation``.
    rules
        In order; they are asked again after reading, when headers are known.
    described
        Further columns of Table 1.
    """
    settings: CohortSettings = context.settings.cohort
    loaded = read_cohort(context.needs["cohort"])
    wanted, _ = select_eligible(loaded, rules)
    _, refused, index = prepare_store(
        wanted.images,
        open_source(context).open_image,
        context.folder / "store",
        preparation=context.settings.preparation,
        cluster=context.cluster,
        progress=lambda done, total: context.progress(done / total, "films prepared"),
    )
    read = quarantine_images(_with_index(loaded, index), refused)
    eligible, flow = select_eligible(read, rules)
    save_cohort(context.folder, eligible)
    write_json(context.folder / "flow.json", flow.to_dict())
    splits = split_people(
        strata_of(eligible, endpoint=settings.endpoint),
        seed=context.seed,
        fractions=settings.fractions,
        folds=settings.folds,
    )
    check_leakage(splits, eligible.images)
    write_splits(context.folder / "splits.csv", splits)
    write_table(context.folder / "table_one.csv", describe_people(eligible, splits, described))


def open_source(context: StageContext) -> CohortSource:
    """Open the run's source of people and images."""
    column_map = context.options.get("map")
    return open_cohort(
        context.source,
        seed=context.seed,
        column_map=None if column_map is None else Path(column_map),
    )


def eligibility_rules(settings: CohortSettings) -> Sequence[Rule]:
    """Return the study's rules; without a view, the view rule and unknown ages are let pass."""
    rules = followup_xray_rules(
        minimum_age=settings.minimum_age,
        view=settings.view,
        keep_unknown=settings.keep_unknown,
        follow_up=settings.require_follow_up,
    )
    return [rule for rule in rules if settings.view or not rule.label.startswith("view")]


def describe_people(
    cohort: Cohort, splits: pd.DataFrame, described: Sequence[str] = ()
) -> pd.DataFrame:
    """Return Table 1 of the baseline visit by split; columns unknown for everybody are left out.

    ``described`` names numbers besides the usual ones.
    """
    baseline = cohort.visits[cohort.visits["visit"] == 0]
    frame = cohort.people.merge(baseline, on="person_id").merge(splits, on="person_id")
    known = [c for c in frame.columns if frame[c].notna().any()]
    return table_one(
        frame,
        continuous=[c for c in dict.fromkeys((*_CONTINUOUS, *described)) if c in known],
        categorical=[c for c in _CATEGORICAL if c in known],
        group="split",
    )


def save_cohort(folder: Path, cohort: Cohort) -> None:
    """Write the cohort's tables as Parquet; the ledgers get a CSV twin."""
    for name in _TABLES:
        write_table(folder / f"{name}.parquet", getattr(cohort, name))
    for name in ("quarantine", "skipped"):
        write_table(folder / f"{name}.csv", getattr(cohort, name))
    about = {"name": cohort.name, "simulated": cohort.simulated, "notes": list(cohort.notes)}
    write_json(folder / "cohort.json", about)


def read_cohort(folder: Path) -> Cohort:
    """Read what :func:`save_cohort` wrote."""
    about = read_json(folder / "cohort.json")
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
    return Cohort(
        name=about["name"], simulated=about["simulated"], notes=tuple(about["notes"]), **tables
    )


def read_images(folder: Path) -> tuple[ImageStore, pd.DataFrame]:
    """Open the prepared films of stage `images`.

    Returns
    -------
    store : ImageStore
    index : DataFrame
        Rows of the store that are eligible: the image index with ``row`` (position in the
        store), ``split``, ``fold``, ``sex`` and the columns of the visit.
    """
    store = ImageStore.open(folder / "store")
    cohort = read_cohort(folder)
    splits = read_splits(folder / "splits.csv", person_ids=cohort.people["person_id"].tolist())
    index = cohort.images[cohort.images["image_id"].isin(set(store.ids))]
    index = index.merge(splits, on="person_id").merge(
        cohort.people[["person_id", "sex"]], on="person_id"
    )
    index = index.merge(cohort.visits, on=["person_id", "visit"], how="left")
    index["row"] = [store.position(name) for name in index["image_id"]]
    return store, index.sort_values("row", ignore_index=True)


def read_flow(folder: Path) -> dict[str, object]:
    """Return the flow's counts."""
    flow: dict[str, object] = read_json(folder / "flow.json")
    return flow


def _with_index(cohort: Cohort, index: pd.DataFrame) -> Cohort:
    """Return the cohort with what reading the films filled in (hash, spacing, maker)."""
    from dataclasses import replace

    filled = index.set_index("image_id")
    images = cohort.images.set_index("image_id")
    images.update(filled[[c for c in filled.columns if c in images.columns]])
    return replace(cohort, images=images.reset_index())


__all__ = [
    "Flow",
    "describe_people",
    "eligibility_rules",
    "make_cohort",
    "make_images",
    "open_source",
    "prepare_eligible",
    "read_cohort",
    "read_flow",
    "read_images",
    "save_cohort",
]
