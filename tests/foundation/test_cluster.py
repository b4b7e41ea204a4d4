"""The door to Dask: equal results on threads and processes, order kept, lost workers retried."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from spinecast.cluster import map_blocks
from spinecast.errors import RunError


def _square(number: int) -> int:
    return number * number


def _die_once(path: str) -> str:
    marker = Path(path)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def test_results_come_in_the_order_of_the_blocks_with_progress() -> None:
    seen: list[tuple[int, int]] = []
    assert map_blocks(_square, range(7), progress=lambda d, t: seen.append((d, t))) == [
        n * n for n in range(7)
    ]
    assert seen[-1] == (7, 7)
    assert map_blocks(_square, []) == []


def test_an_unknown_cluster_is_named() -> None:
    with pytest.raises(RunError, match=r"SC-706.*mainframe"):
        map_blocks(_square, [1], cluster="mainframe")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_processes_give_the_results_of_threads_and_lost_workers_are_retried(tmp_path: Path) -> None:
    assert map_blocks(_square, range(5), cluster="processes:2") == [0, 1, 4, 9, 16]
    assert map_blocks(_die_once, [str(tmp_path / "m")], cluster="processes:1") == ["survived"]
