"""Where fitted networks run: on the first CUDA device, else on the processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ACCELERATOR = threading.Lock()


def best_device() -> torch.device:
    """Return the first CUDA device where there is one, else the CPU.

    Results on the two differ by rounding, and a training on one is not the training on the
    other step by step.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def taking_turns(device: torch.device) -> Iterator[None]:
    """Let one thread at a time use an accelerator: its memory is one, the threads are many."""
    if device.type == "cpu":
        yield
        return
    with _ACCELERATOR:
        yield
