"""What reading, preparing, storing and comparing images costs; run from anywhere, a minute at most.

Prints medians. Numbers are those of the machine it runs on: compare them with each other, and
with what the comments beside them expect.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.hostile.crafted import CRAFTED
from tests.images.films import film, header, phantom, save

from spinecast.errors import SpinecastError
from spinecast.images import (
    Limits,
    Preparation,
    close_workers,
    ms_ssim,
    prepare_radiograph,
    prepare_store,
    psnr,
    read_image,
)
from spinecast.images.formats import decode_file
from spinecast.images.radiograph import DEMO, PAPER

FILM = (2000, 1000)


def milliseconds(job: Callable[[], object], *, times: int = 7) -> float:
    job()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        job()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def show(what: str, value: float, unit: str = "ms") -> None:
    print(f"{what:<58}{value:10.2f} {unit}")


def reading(folder: Path) -> None:
    for shape in ((100, 50), FILM):
        path = save(folder / "film", header(phantom(shape), bits=12))
        apart = milliseconds(lambda path=path: read_image(path))
        here = milliseconds(lambda path=path: decode_file(path, Limits()))
        show(f"read {shape[0]} x {shape[1]} in a worker", apart)
        show(f"read {shape[0]} x {shape[1]} in this process", here)
        show("  price of isolation (a few ms, and the copy)", apart - here)


def preparing() -> None:
    for shape in ((1000, 500), FILM, (4000, 2000)):  # time grows with the pixels
        image = film(shape=shape)
        for name, preparation in (("DEMO", DEMO), ("PAPER", PAPER)):
            taken = milliseconds(
                lambda image=image, preparation=preparation: prepare_radiograph(image, preparation)
            )
            show(f"prepare {shape[0]} x {shape[1]} for {name}", taken)


def storing(folder: Path) -> None:
    films = {f"i{at}": film(seed=at, shape=(600, 300)) for at in range(64)}
    index = pd.DataFrame({"image_id": list(films), "person_id": list(films), "visit": 0})
    preparation = Preparation(shape=(192, 96))
    start = time.perf_counter()
    store, _, _ = prepare_store(index, films.__getitem__, folder / "s", preparation=preparation)
    show("store 600 x 300 films at DEMO size", len(store) / (time.perf_counter() - start), "/s")
    show("read 64 stored images", milliseconds(lambda: store.read(range(64))))


def comparing() -> None:
    rng = np.random.default_rng(0)
    for shape in ((192, 96), (512, 512)):
        first, second = rng.random((8, *shape)), rng.random((8, *shape))
        each = milliseconds(lambda a=first, b=second: ms_ssim(a, b), times=3) / 8
        show(f"MS-SSIM of {shape[0]} x {shape[1]}", each, "ms an image")
        each = milliseconds(lambda a=first, b=second: psnr(a, b), times=3) / 8
        show(f"PSNR of {shape[0]} x {shape[1]}", each, "ms an image")


def refusing(folder: Path) -> None:
    """The design allows 2 s for the worst hostile file on a quiet machine."""
    taken = {}
    for name, (_, make) in CRAFTED.items():
        path = folder / "hostile"
        path.write_bytes(make())
        start = time.perf_counter()
        try:
            prepare_radiograph(read_image(path), Preparation(shape=(64, 32)))
        except SpinecastError:
            taken[name] = 1000 * (time.perf_counter() - start)
    show(f"median of {len(taken)} crafted files refused", statistics.median(taken.values()))
    for name in sorted(taken, key=taken.__getitem__)[-3:]:
        show(f"  {name}", taken[name])


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reading(folder)
        preparing()
        storing(folder)
        comparing()
        refusing(folder)
    close_workers()


if __name__ == "__main__":
    main()
