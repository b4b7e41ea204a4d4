"""The one door to Dask: the same jobs on threads, processes or a real cluster.

Everything that is one job per image, person, variant block or draw is a plain
function of one block. Where it runs is a word:

========================  =====================================================
``threads`` (default)     threads of this process, without Dask
``processes[:N]``         N processes of this machine (a Dask LocalCluster)
``tcp://host:port``       a Dask scheduler that is already running
``slurm:FILE``            SLURM workers as described by a dask-jobqueue YAML file
``kubernetes:FILE``       a dask-kubernetes cluster described by a YAML file
========================  =====================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from spinecast.errors import error

Block = TypeVar("Block")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]

_RETRIES = 2


def map_blocks(
    function: Callable[[Block], Result],
    blocks: Sequence[Block],
    *,
    cluster: str | None = None,
    label: str = "",
    progress: Progress | None = None,
) -> list[Result]:
    """Apply ``function`` to every block and return the results in order.

    Parameters
    ----------
    function
        A pure function of one block. On processes and clusters it must be importable.
    blocks
        The blocks; results do not depend on how they are spread.
    cluster
        Where to run, see the module; None means threads.
    label
        What the job is called in progress bars and errors.
    progress
        Called as ``progress(done, total)`` after each block.

    Returns
    -------
    list
        One result per block, in the order of ``blocks``.

    Raises
    ------
    RunError
        SC-709 when a block killed its worker on every try, SC-706 for an unknown cluster.
    """
    if not blocks:
        return []
    place = cluster or "threads"
    if place == "threads":
        return _on_threads(function, blocks, progress)
    with _client(place) as client:
        return _on_client(function, blocks, client=client, label=label, progress=progress)


def _on_threads(
    function: Callable[[Block], Result], blocks: Sequence[Block], progress: Progress | None
) -> list[Result]:
    # not by Dask, whose import takes longer than many a job
    from threadpoolctl import threadpool_limits

    results: dict[int, Result] = {}
    # products of matrices that take all cores in every thread stand in each other's way
    alone = None if len(blocks) == 1 else 1
    with (
        threadpool_limits(alone, user_api="blas"),
        ThreadPoolExecutor(max_workers=os.cpu_count()) as pool,
    ):
        positions = {pool.submit(function, block): at for at, block in enumerate(blocks)}
        try:
            for future in as_completed(positions):
                results[positions[future]] = future.result()
                if progress is not None:
                    progress(len(results), len(blocks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [results[position] for position in range(len(blocks))]


def _on_client(
    function: Callable[[Block], Result],
    blocks: Sequence[Block],
    *,
    client: Any,
    label: str,
    progress: Progress | None,
) -> list[Result]:
    from distributed import KilledWorker
    from distributed import as_completed as completed

    futures = client.map(function, list(blocks), pure=False, retries=_RETRIES)
    positions = {future.key: position for position, future in enumerate(futures)}
    results: dict[int, Result] = {}
    for future in completed(futures):
        position = positions[future.key]
        try:
            results[position] = future.result()
        except KilledWorker as cause:
            raise error(
                "SC-709",
                expected="a worker that survives the task",
                got=f"{_RETRIES + 1} lost workers",
                where=f"{label or function.__name__}, block {position} of {len(blocks)}",
            ) from cause
        if progress is not None:
            progress(len(results), len(blocks))
    return [results[position] for position in range(len(blocks))]


@contextmanager
def _client(place: str) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    kind, _, detail = place.partition(":")
    if place.startswith(("tcp://", "tls://")):
        with Client(place) as client:
            yield client
    elif kind == "processes":
        workers = int(detail) if detail else os.cpu_count()
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                host="127.0.0.1",
            ) as local,
            Client(local) as client,
        ):
            yield client
    elif kind in {"slurm", "kubernetes"}:
        with _scheduler_cluster(kind, detail) as remote, Client(remote) as client:
            yield client
    else:
        raise error(
            "SC-706",
            expected="threads, processes[:N], tcp://host:port, slurm:FILE or kubernetes:FILE",
            got=repr(place),
            where="cluster",
        )


def _scheduler_cluster(kind: str, settings_file: str) -> Any:
    """Open a cluster of the site's scheduler; its package is an optional extra."""
    import yaml

    with open(settings_file, encoding="utf-8") as handle:  # noqa: PTH123  read only
        settings = yaml.safe_load(handle) or {}
    try:
        if kind == "slurm":
            from dask_jobqueue import SLURMCluster

            jobs = settings.pop("jobs", 1)
            remote = SLURMCluster(**settings)
            remote.scale(jobs=jobs)
            return remote
        from dask_kubernetes.operator import KubeCluster

        return KubeCluster(**settings)
    except ImportError as cause:
        package = "dask-jobqueue" if kind == "slurm" else "dask-kubernetes"
        raise error(
            "SC-706", expected=f"the package {package}", got="not installed", where="cluster"
        ) from cause
