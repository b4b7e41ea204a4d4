"""Many blocks of drawing by small networks, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from spinecast.cluster import map_blocks
from spinecast.run import StageContext

Result = TypeVar("Result")


def map_with_one_thread_each(
    work: Callable[[Any], Result],
    blocks: Sequence[Any],
    context: StageContext,
    *,
    label: str,
    text: str,
) -> list[Result]:
    """Run blocks side by side; small networks gain more from that than from two threads.

    ``label`` names the job in errors, ``text`` in the progress bar.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return map_blocks(
            work,
            blocks,
            cluster=context.cluster,
            label=label,
            progress=lambda done, total: context.progress(done / total, text),
        )
    finally:
        torch.set_num_threads(threads)
