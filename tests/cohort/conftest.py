"""A small, faultless hospital folder, and the means to spoil it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from spinecast.cohort import Cohort, open_cohort

N_PEOPLE = 24


class Folder:
    """A cohort folder under construction: frames by table, written by ``write``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tables: dict[str, pd.DataFrame] = {}

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self.tables[table]

    def __setitem__(self, table: str, frame: pd.DataFrame) -> None:
        self.tables[table] = frame

    def set(self, table: str, row: int, **cells: object) -> None:
        frame = self.tables[table].astype(object)
        for column, value in cells.items():
            frame.loc[row, column] = value
        self.tables[table] = frame

    def append(self, table: str, **cells: object) -> None:
        row = pd.DataFrame([cells]).astype(object)
        self.tables[table] = pd.concat([self.tables[table].astype(object), row], ignore_index=True)

    def write(self, *, separator: str = ",", encoding: str = "utf-8") -> Path:
        for table, frame in self.tables.items():
            text = frame.to_csv(index=False, sep=separator)
            (self.root / f"{table}.csv").write_bytes(text.encode(encoding))
        return self.root

    def load(self, **settings: object) -> Cohort:
        self.write()
        return open_cohort(str(self.root), **settings).load()

    def line(self, table: str, row: int) -> str:
        return f"{table}.csv:{row + 2}"


@pytest.fixture
def write_picture():
    def write(path: Path, seed: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 30), dtype=np.uint8)
        Picture.fromarray(pixels).save(path)

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    rng = np.random.default_rng(7)
    ids = [f"P{i:03d}" for i in range(N_PEOPLE)]
    sex = ["F" if i % 2 else "M" for i in range(N_PEOPLE)]
    made = Folder(tmp_path)
    made["people"] = pd.DataFrame({"person_id": ids, "sex": sex})
    made["visits"] = pd.DataFrame(
        {
            "person_id": np.repeat(ids, 2),
            "visit": [0, 1] * N_PEOPLE,
            "years_since_baseline": [0.0, 2.5] * N_PEOPLE,
            "age": [v for i in range(N_PEOPLE) for v in (45.0 + i, 47.5 + i)],
            "height": np.repeat([158.0 if s == "F" else 171.0 for s in sex], 2)
            + rng.normal(0, 2, 2 * N_PEOPLE).round(1),
            "weight": (63 + rng.normal(0, 4, 2 * N_PEOPLE)).round(1),
            "prevalent_vf": [int(i % 5 == 0) for i in range(2 * N_PEOPLE)],
        }
    )
    made["images"] = pd.DataFrame(
        {
            "image_id": [f"I{i:03d}" for i in range(2 * N_PEOPLE)],
            "person_id": np.repeat(ids, 2),
            "visit": [0, 1] * N_PEOPLE,
            "file": [f"images/I{i:03d}.png" for i in range(2 * N_PEOPLE)],
            "modality": "DX",
            "view": "LATERAL",
            "region": "TLS",
        }
    )
    made["events"] = pd.DataFrame(
        {
            "person_id": ids,
            "endpoint": "any_fracture",
            "event": [i % 3 for i in range(N_PEOPLE)],
            "duration": [1.0 + i / 10 for i in range(N_PEOPLE)],
        }
    )
    for i in range(2 * N_PEOPLE):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"I{i:03d}.png").write_bytes(b"not opened while loading")
    return made
