"""Stage `counterfactuals`: test people as they were not, drawn, read and measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spinecast.counterfactuals import axioms
from spinecast.files import write_json, write_table
from spinecast.run import StageContext
from spinecast.seeds import integer
from spinecast.stages.arrays import write_pixels
from spinecast.stages.blocks import map_with_one_thread_each
from spinecast.stages.counterfactual_blocks import Block, DrawCounterfactuals
from spinecast.stages.counterfactual_goods import Folders, Goods, open_goods
from spinecast.stages.counterfactual_settings import JudgingSettings
from spinecast.stages.scans import TIME

#: Tables and the columns they have where nobody was asked.
TABLES = {
    "fidelity": ("image_id", "person_id", "backbone", "mae", "rmse", "psnr", "ssim"),
    "follow_up": ("person_id", "image_id", "follow_up_image_id", "years", "mode", "source",
                  "backbone"),
    "follow_up_images": ("person_id", "image_id", "backbone", "mode"),
    "axioms": axioms.COLUMNS,
    "plus_ten_variables": ("person_id", "image_id", "variable", "baseline", "predicted"),
}  # fmt: skip
_PARQUET = {"follow_up"}
_BLOCK = 4
_TIMED = 3


def make_counterfactuals(context: StageContext) -> None:
    """Ask every question of the study about test people, and keep the answers."""
    settings: JudgingSettings = context.settings.judging
    folders = Folders.of(context.needs)
    goods = open_goods(folders)
    work = DrawCounterfactuals(
        folders=folders,
        target=context.folder / "blocks",
        settings=settings,
        seed=integer(context.seed, "counterfactuals"),
    )
    blocks = plan_blocks(goods, settings)
    files = map_with_one_thread_each(
        work, blocks, context, label="draw counterfactuals", text="counterfactuals drawn"
    )
    _write_tables(context.folder, files)
    arrays = [np.load(file, allow_pickle=False) for file in files]
    for name in sorted({name for file in arrays for name in file}):
        parts = [file[name] for file in arrays if name in file]
        write_pixels(context.folder / f"{name}.npy", np.concatenate(parts))
    _write_names(context.folder, goods, settings)
    write_json(context.folder / "speed.json", _timed(goods))
    shutil.rmtree(work.target)


def plan_blocks(goods: Goods, settings: JudgingSettings) -> list[Block]:
    """Return who is asked what, a few people at a time."""
    everybody = list(range(len(goods.test)))
    asked = {"copies": everybody, "axioms": everybody[: settings.axiom_people]}
    if goods.timed:
        asked["follow_up"] = everybody
        asked["plus_ten"] = everybody[: settings.plus_years_people]
        asked["ageing"] = gallery(goods, settings.gallery)
    blocks: list[Block] = []
    for question, places in asked.items():
        for start in range(0, len(places), _BLOCK):
            blocks.append(Block(len(blocks), question, tuple(places[start : start + _BLOCK])))
    return blocks


def gallery(goods: Goods, size: int) -> list[int]:
    """Return places in ``Goods.test`` of people to show: levels in turn, the followed first."""
    graph = goods.scm.graph
    levels = [name for name in graph.names if graph[name].discrete]
    table = goods.test[levels].assign(
        place=np.arange(len(goods.test)),
        alone=~goods.test["image_id"].isin(goods.pairs.index),
    )
    table = table.sort_values(["alone", "place"], kind="stable")
    turn = table.groupby(levels, dropna=False).cumcount() if levels else np.arange(len(table))
    order = table.assign(turn=turn).sort_values(["turn", "alone", "place"], kind="stable")
    return order["place"].head(size).tolist()


def _write_tables(folder: Path, files: Sequence[Path]) -> None:
    for name, columns in TABLES.items():
        parts = [file.with_name(f"{file.stem}-{name}.parquet") for file in files]
        found = [pd.read_parquet(part) for part in parts if part.exists()]
        table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
        write_table(folder / f"{name}.{'parquet' if name in _PARQUET else 'csv'}", table)


def _write_names(folder: Path, goods: Goods, settings: JudgingSettings) -> None:
    """Say whose images the arrays hold, in their order."""
    if not goods.timed:
        return
    older = goods.test["image_id"].head(settings.plus_years_people)
    write_json(folder / "plus_ten.json", {"image_id": older.tolist(), "years": settings.years})
    shown = goods.test.iloc[gallery(goods, settings.gallery)]["image_id"]
    about = {
        "image_id": shown.tolist(),
        "ages": list(settings.ages),
        "backbone": next(iter(goods.backbones)),
    }
    write_json(folder / "ageing_images.json", about)


def _timed(goods: Goods) -> dict[str, float]:
    """Return seconds per counterfactual image: one person, one particle, all threads."""
    rows = goods.test.head(1)
    graph = goods.scm.graph
    name = TIME if goods.timed else graph.image_parents[0]
    found = {}
    for backbone in goods.backbones:
        seconds = []
        for _ in range(_TIMED + 1):  # the first one warms up
            started = time.perf_counter()
            goods.answer(backbone, rows, [{name: rows[name].to_numpy()}], particles=1, seed=0)
            seconds.append(time.perf_counter() - started)
        found[backbone] = float(np.median(seconds[1:]))
    return found
