"""Arrays in run folders: images in 8 or 16 bits, written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from spinecast.files import write_bytes

_WHITE = 65535


def write_array(target: Path, values: np.ndarray) -> None:
    """Write an array of numbers as ``.npy``, in its own precision."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    write_bytes(target, buffer.getvalue())


def write_pixels(target: Path, images: np.ndarray) -> None:
    """Write images in [0, 1] with 16 bits a pixel (rounding error 8e-6)."""
    write_array(target, np.rint(np.clip(images, 0, 1) * _WHITE).astype(np.uint16))


def read_pixels(source: Path) -> np.ndarray:
    """Read what :func:`write_pixels` wrote, as float32 in [0, 1]."""
    stored = np.load(source, allow_pickle=False)
    return stored.astype(np.float32) / _WHITE


def write_arrays(target: Path, **arrays: np.ndarray) -> None:
    """Write several arrays into one compressed ``.npz``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(target, buffer.getvalue())
