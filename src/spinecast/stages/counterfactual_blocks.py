"""Blocks of the stage `counterfactuals`: a few test people each, of one kind of question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.counterfactuals.answer import parent_values
from spinecast.counterfactuals.axioms import Examination
from spinecast.counterfactuals.row_codes import Setting
from spinecast.files import write_table
from spinecast.images.fidelity import middle_columns, psnr, ssim
from spinecast.models.device import best_device, taking_turns
from spinecast.seeds import generator, integer
from spinecast.stages.arrays import write_arrays
from spinecast.stages.counterfactual_goods import Folders, Goods, open_goods
from spinecast.stages.counterfactual_settings import JudgingSettings
from spinecast.stages.scans import TIME

#: Ends of the interval that particles give.
INTERVAL = (0.025, 0.975)


@dataclass
class Made:
    """What one block leaves: tables by name, and arrays whose first axis is the person's."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """Some rows of ``Goods.test``, and what is asked about them: a name of :data:`MAKERS`."""

    number: int
    question: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class DrawCounterfactuals:
    """Answers blocks and leaves each in a file of arrays and tables; done ones are kept."""

    folders: Folders
    target: Path
    settings: JudgingSettings
    seed: int

    def __call__(self, block: Block) -> Path:
        """Answer one block; return its file of arrays, written after its tables."""
        done = self.target / f"{block.number:05d}.npz"
        if not done.exists():
            with taking_turns(best_device()):
                made = self.answer(open_goods(self.folders), block)
            for name, table in made.tables.items():
                write_table(self.target / f"{block.number:05d}-{name}.parquet", table)
            write_arrays(done, **made.arrays)
        return done

    def answer(self, goods: Goods, block: Block) -> Made:
        """Answer one block with what is opened."""
        rows = goods.test.iloc[list(block.places)].reset_index(drop=True)
        seed = integer(self.seed, "counterfactuals", block.question, block.number)
        return MAKERS[block.question](goods, rows, settings=self.settings, seed=seed)


def draw_copies(goods: Goods, rows: pd.DataFrame, *, settings: JudgingSettings, seed: int) -> Made:
    """Draw people as they are; ``fidelity`` has a row a scan and backbone."""
    del settings, seed  # copies are drawn at the posterior's means
    images, parents = goods.images(rows), parent_values(goods.scm.graph, rows)
    made, tables = Made(), []
    for name, mechanism in goods.backbones.items():
        drawn = mechanism.reconstruct(images, parents)
        tables.append(
            rows[["image_id", "person_id"]].assign(
                backbone=name,
                mae=_mean_error(drawn, images, power=1),
                rmse=np.sqrt(_mean_error(drawn, images, power=2)),
                psnr=psnr(drawn, images),
                ssim=ssim(drawn, images),
            )
        )
    made.tables["fidelity"] = pd.concat(tables)
    return made


def draw_follow_ups(
    goods: Goods, rows: pd.DataFrame, *, settings: JudgingSettings, seed: int
) -> Made:
    """Draw people at their later visit; see :func:`foretold_rows` and :func:`image_error_rows`."""
    before, after = goods.followed(rows)
    if before.empty:
        return Made()
    modes = goods.modes(after)
    first, later = goods.images(before), goods.images(after)
    read = {"before": goods.judge.read(first), "after": goods.judge.read(later)}
    columns = middle_columns(first.shape[2], settings.roi_columns)
    measured, errors = [], []
    for name, mechanism in goods.backbones.items():
        answer = goods.answer(
            name, before, list(modes.values()), particles=settings.follow_up_particles, seed=seed
        )
        copy = mechanism.reconstruct(first, parent_values(goods.scm.graph, before))
        for place, mode in enumerate(modes):
            drawn = answer.images.mean[place]
            said = goods.judge.read(drawn)
            variables = {"variables": answer.variables[place]}
            if name == next(iter(goods.backbones)):
                measured += [
                    _foretold(goods, before, after, mode=mode, source=source, values=values)
                    for source, values in (
                        *variables.items(),
                        ("persistence", before),
                        ("acquired", _readings(goods, read["after"], read["before"])),
                    )
                ]
            values = _readings(goods, said, read["before"])
            measured.append(
                _foretold(goods, before, after, mode=mode, source="image", values=values,
                          backbone=name)
            )  # fmt: skip
            errors.append(
                before[["person_id", "image_id"]].assign(
                    backbone=name,
                    mode=mode,
                    **_errors_inside(
                        {"generated": drawn, "unchanged": first, "copy": copy}, later, columns
                    ),
                )
            )
    return Made({"follow_up": pd.concat(measured), "follow_up_images": pd.concat(errors)})


def examine(goods: Goods, rows: pd.DataFrame, *, settings: JudgingSettings, seed: int) -> Made:
    """Examine people's images by the axioms.

    Each image parent in turn is set to a value that this person could have: what the
    person's own causes make of another test person's noise. Beside it the other person's
    value itself (``marginal``), which may contradict the causes: an area that no such width
    and height have.
    """
    images = goods.images(rows)
    columns = middle_columns(images.shape[2], settings.roi_columns)
    tables = []
    for backbone, mechanism in goods.backbones.items():
        trial = Examination(goods.scm, mechanism, goods.judge, rows, images, columns)
        found = [trial.composition()]
        for name in goods.scm.graph.image_parents:
            lender = donors(goods, rows, name, seed=seed)
            found.append(trial.intervention(name, possible_values(goods, rows, lender, name=name)))
            found.append(trial.marginal(name, lender[name].tolist()))
        tables.append(pd.concat(found).assign(backbone=backbone))
    return Made({"axioms": pd.concat(tables)})


def draw_older(goods: Goods, rows: pd.DataFrame, *, settings: JudgingSettings, seed: int) -> Made:
    """Draw people so many years older: mean and interval over particles, and the variables."""
    made = Made()
    do: dict[str, Setting] = {TIME: rows[TIME].to_numpy(float) + settings.years}
    for name in goods.backbones:
        answer = goods.answer(
            name, rows, [do], particles=settings.particles, seed=seed, keep_particles=True
        )
        assert answer.images.particles is not None
        low, high = np.quantile(answer.images.particles[0], INTERVAL, axis=1)
        for key, values in (("", answer.images.mean[0]), ("low_", low), ("high_", high)):
            made.arrays[f"plus_ten_{key}{name}"] = values.astype(np.float32)
    later = answer.variables[0]
    parts = [
        rows[["person_id", "image_id"]].assign(
            variable=name, baseline=rows[name], predicted=later[name]
        )
        for name in goods.predicted
    ]
    if parts:
        made.tables["plus_ten_variables"] = pd.concat(parts)
    return made


def draw_ages(goods: Goods, rows: pd.DataFrame, *, settings: JudgingSettings, seed: int) -> Made:
    """Draw people at a row of ages by the first backbone."""
    do: list[dict[str, Setting]] = [{TIME: float(age)} for age in settings.ages]
    answer = goods.answer(
        next(iter(goods.backbones)), rows, do, particles=settings.particles, seed=seed
    )
    arrays = {
        "ageing_mean": answer.images.mean.swapaxes(0, 1),
        "ageing_spread": answer.images.spread.swapaxes(0, 1),
        "factual": goods.images(rows),
    }
    return Made(arrays=arrays)


#: What can be asked, and who answers.
MAKERS: Mapping[str, Callable[..., Made]] = {
    "copies": draw_copies,
    "follow_up": draw_follow_ups,
    "axioms": examine,
    "plus_ten": draw_older,
    "ageing": draw_ages,
}


def donors(goods: Goods, rows: pd.DataFrame, name: str, *, seed: int) -> pd.DataFrame:
    """Return another test person for each of ``rows``, of the same levels where there is one."""
    graph = goods.scm.graph
    alike = [n for n in graph.names if graph[n].discrete and n != name]
    found = []
    for _, row in rows.iterrows():
        pool = goods.test[goods.test["person_id"] != row["person_id"]]
        for level in alike:
            same = pool[pool[level] == row[level]]
            pool = same if len(same) else pool
        dice = generator(seed, "donor", name, str(row["image_id"]))
        found.append(pool.iloc[[dice.integers(len(pool))]] if len(pool) else row.to_frame().T)
    return pd.concat(found, ignore_index=True)


def possible_values(
    goods: Goods, rows: pd.DataFrame, lender: pd.DataFrame, *, name: str
) -> list[object]:
    """Return what the causes of ``rows`` make of ``name`` with the noise of ``lender``."""
    causes = goods.scm.graph.parents(name)
    if not causes:
        return lender[name].tolist()
    lent = goods.scm.counterfactual(lender, {cause: rows[cause].tolist() for cause in causes})
    return lent[name].tolist()


def _foretold(
    goods: Goods,
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    mode: str,
    source: str,
    values: pd.DataFrame,
    backbone: str = "",
) -> pd.DataFrame:
    """Return the predictions of one source beside what was measured, one row a person.

    ``<variable>_read`` is what the judge reads off the baseline scan, where readings are
    compared: a change is then between two readings.
    """
    years = goods.pairs.loc[before["image_id"], "years"].to_numpy()
    table = before[["person_id", "image_id"]].assign(
        follow_up_image_id=after["image_id"].to_numpy(),
        years=years,
        mode=mode,
        source=source,
        backbone=backbone,
    )
    for name in goods.predicted:
        table[f"{name}_baseline"] = before[name].to_numpy(float)
        table[f"{name}_follow_up"] = after[name].to_numpy(float)
        table[f"{name}_predicted"] = values[name].to_numpy(float)
        read = f"{name}_read"
        table[read] = values[read].to_numpy(float) if read in values else np.nan
    return table


def _readings(goods: Goods, said: np.ndarray, before: np.ndarray) -> pd.DataFrame:
    names = list(goods.judge.parents)
    table = pd.DataFrame(said, columns=names)
    return table.join(pd.DataFrame(before, columns=[f"{name}_read" for name in names]))


def _errors_inside(
    images: Mapping[str, np.ndarray], truth: np.ndarray, columns: slice
) -> dict[str, np.ndarray]:
    """Return ``mae_`` and ``rmse_`` of each image within the region of interest."""
    inside, found = truth[:, :, columns], {}
    for name, image in images.items():
        drawn = image[:, :, columns]
        found[f"mae_{name}"] = _mean_error(drawn, inside, power=1)
        found[f"rmse_{name}"] = np.sqrt(_mean_error(drawn, inside, power=2))
    return found


def _mean_error(a: np.ndarray, b: np.ndarray, *, power: int) -> np.ndarray:
    difference = np.abs(a.astype(np.float64) - b)
    return (difference**power).mean(axis=(1, 2))
